"""Tables of the SQLite store, and statements on its live rows."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import date

from serving.stores.protocol import LiveRow, content_digest

TABLES = """
CREATE TABLE IF NOT EXISTS state (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS live_rows (
    of_table TEXT NOT NULL, key TEXT NOT NULL, user_id TEXT NOT NULL, day TEXT NOT NULL, body BLOB NOT NULL,
    digest TEXT NOT NULL, sender TEXT NOT NULL, PRIMARY KEY (of_table, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS live_rows_of_user ON live_rows (user_id, day);
CREATE TABLE IF NOT EXISTS generations (number INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS waiting (ticket INTEGER PRIMARY KEY AUTOINCREMENT, user_id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS set_aside (user_id TEXT PRIMARY KEY, reason TEXT NOT NULL);
"""
GENERATION = "CREATE TABLE scores_{} (user_id TEXT PRIMARY KEY, known_until REAL, body BLOB) WITHOUT ROWID"


def insert(connection: sqlite3.Connection, row: LiveRow, sender: str) -> bool:
    """Store a row; False: its key is known."""
    values = (row.table, row.key, row.user_id, row.day.isoformat(), row.body, content_digest(row.body), sender)
    return connection.execute("INSERT OR IGNORE INTO live_rows VALUES (?, ?, ?, ?, ?, ?, ?)", values).rowcount == 1


def stored(connection: sqlite3.Connection, rows: Sequence[LiveRow]) -> dict[tuple[str, str], tuple[str, str]]:
    """Read digest and sender of stored rows by table and key."""
    query = "SELECT digest, sender FROM live_rows WHERE of_table = ? AND key = ?"
    return {(row.table, row.key): connection.execute(query, (row.table, row.key)).fetchone() for row in rows}


def add_digests(connection: sqlite3.Connection) -> None:
    """Add digests to a file of an earlier version; a crash on the way leaves it as it was."""
    if "digest" in {name for _, name, *_ in connection.execute("PRAGMA table_info(live_rows)")}:
        return
    connection.create_function("content_digest", 1, content_digest, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        connection.execute("ALTER TABLE live_rows ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
        connection.execute("ALTER TABLE live_rows ADD COLUMN sender TEXT NOT NULL DEFAULT ''")
        connection.execute("UPDATE live_rows SET digest = content_digest(body)")


def wait(connection: sqlite3.Connection, user_ids: Mapping[str, None]) -> None:
    """Mark users as waiting; replacing a row gives it a new ticket."""
    connection.executemany("INSERT OR REPLACE INTO waiting (user_id) VALUES (?)", [(user,) for user in user_ids])


def requeue_since(connection: sqlite3.Connection, since: date) -> None:
    """Mark every user with rows from a day on as waiting."""
    connection.execute(
        "INSERT OR REPLACE INTO waiting (user_id) SELECT DISTINCT user_id FROM live_rows WHERE day >= ?",
        (since.isoformat(),),
    )


def generations(connection: sqlite3.Connection) -> set[int]:
    """Numbers of the stored generations."""
    result = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'scores_[0-9]*'")
    return {int(name.removeprefix("scores_")) for (name,) in result}
