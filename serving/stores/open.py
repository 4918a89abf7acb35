"""Choose the online store by its address."""

from pathlib import Path

from pipelines.errors import PurseError
from serving.stores.protocol import Store


def open_store(url: str | None, folder: Path) -> Store:
    """Create the store named by the setting `serving.store`, without connecting to it.

    Args:
        url: `redis://...` or `postgresql://...`; None: SQLite in `folder`.
        folder: the service's folder.

    Raises:
        PurseError: the address has an unknown scheme, or its driver is not installed.
    """
    kind = url.split("://")[0] if url else "sqlite"
    try:
        if url is None:
            from serving.stores.sqlite import SqliteStore

            return SqliteStore(folder / "store.db")
        if kind in ("redis", "rediss", "unix"):
            from serving.stores.redis import RedisStore

            return RedisStore(url)
        if kind in ("postgresql", "postgres"):
            from serving.stores.postgres import PostgresStore

            return PostgresStore(url)
    except ImportError as error:
        raise PurseError(
            f"serving.store is a {kind} address, but the driver is not installed ({error}). "
            f"Install Purse with the extra '{'redis' if kind.startswith('redis') else 'postgres'}'."
        ) from error
    raise PurseError(
        f"Expected serving.store to start with redis:// or postgresql://, or null for SQLite; found '{kind}://'."
    )
