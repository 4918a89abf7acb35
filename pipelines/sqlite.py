"""SQLite databases of a home: migrate a copy and rename it, and look for damage."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

JOURNALS = ("-wal", "-shm", "-journal")
"""Endings of the files that SQLite keeps beside a database."""


@contextmanager
def migrated_beside(file: Path) -> Iterator[Path]:
    """Yield a copy of a database to create or migrate; it replaces the database when the block ends without an error.

    Libraries migrate step by step, so a process that is killed leaves a database that no version can open. Here it
    leaves the old database, or none, and a folder with a draft, which the next call removes. The caller holds a lock,
    and no other process uses the database.

    Yields:
        Path of the copy; no such file yet if the database is new.
    """
    for leftover in drafts(file):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        dir=file.parent, prefix=f".{file.name}.draft-", ignore_cleanup_errors=True
    ) as folder:
        draft = Path(folder) / file.name
        if file.exists():
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(draft)) as target:
                source.backup(target)
        yield draft
        with closing(sqlite3.connect(draft)) as connection:  # the content of its journal moves into the file
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA journal_mode = DELETE")
        draft.chmod(0o600)
        _sync(draft)
        _remove_journals(file)  # SQLite would apply them to the new file
        draft.replace(file)
        _sync(file.parent)


def drafts(file: Path) -> list[Path]:
    """Folders of copies that a killed process left behind."""
    return sorted(file.parent.glob(f".{file.name}.draft-*"))


def remove(file: Path) -> None:
    """Delete a database and the files that SQLite keeps beside it, as far as they exist."""
    _remove_journals(file)
    file.unlink(missing_ok=True)


def damage(file: Path) -> str | None:
    """What is wrong with an existing database, in a few words; None if SQLite finds nothing."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            (first, *_), *_ = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        return None if "locked" in str(error) else str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if first == "ok" else str(first).splitlines()[-1]


def _remove_journals(file: Path) -> None:
    for ending in JOURNALS:
        file.with_name(file.name + ending).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
