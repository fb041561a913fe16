"""The inbox: which messages have been acted upon, and how each was answered."""

import sqlite3
from collections.abc import Sequence

from wx.model import Kept


def find_all(conn: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Kept]:
    """Those of the messages with these keys that have been acted upon, by key."""
    marks = ", ".join("?" * len(keys))
    rows = conn.execute(f"SELECT * FROM inbox WHERE key IN ({marks})", keys)
    return {
        row["key"]: Kept(
            key=row["key"],
            kind=row["kind"],
            follower_id=row["follower_id"],
            received_at=row["received_at"],
            answer=row["answer"],
            hidden=row["hidden"],
        )
        for row in rows
    }


def add_all(conn: sqlite3.Connection, messages: Sequence[Kept]) -> None:
    """Keep messages with their answers.

    Raises:
        sqlite3.IntegrityError: one of their keys is there already.
    """
    if not messages:
        return
    # One statement: each costs a turn of the interpreter's lock, which the event loop wants too.
    marks = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(messages))
    values = [
        value
        for one in messages
        for value in (
            one.key, one.kind, one.follower_id, one.received_at, one.answer, one.hidden,
        )
    ]  # fmt: skip
    conn.execute(
        f"INSERT INTO inbox (key, kind, follower_id, received_at, answer, hidden) VALUES {marks}",
        values,
    )


def purge(conn: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Remove those of the ``limit`` oldest messages that were received before then; how many."""
    return conn.execute(
        """DELETE FROM inbox WHERE received_at <= ?
              AND id IN (SELECT id FROM inbox ORDER BY id LIMIT ?)""",
        (before, limit),
    ).rowcount
