"""Open the store that the settings name."""

from pathlib import Path

from pipelines.errors import PurseError
from serving.stores.protocol import Store


def open_store(url: str | None, folder: Path) -> Store:
    """The store that the setting `serving.store` names; not connected yet.

    Args:
        url: `redis://...` or `postgresql://...`; None: SQLite in the folder.
        folder: of the service.

    Raises:
        PurseError: the address is of another kind, or its driver is not installed.
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
            f"serving.store is a {kind} address, but its driver is missing ({error}). "
            f"Install Purse with the extra '{'redis' if kind.startswith('redis') else 'postgres'}'."
        ) from error
    raise PurseError(
        f"serving.store is an address of the kind '{kind}'; known are redis://..., postgresql://... and null (SQLite)."
    )
