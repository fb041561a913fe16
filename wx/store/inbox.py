"""The inbox: which messages have been acted upon, and how each was answered."""

import sqlite3

from wx.model import Kept


def find(conn: sqlite3.Connection, key: bytes) -> Kept | None:
    """The message with this key, if it has been acted upon."""
    row = conn.execute("SELECT * FROM inbox WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    return Kept(
        key=row["key"],
        kind=row["kind"],
        follower_id=row["follower_id"],
        received_at=row["received_at"],
        signature=row["signature"],
        body=row["body"],
        answer=row["answer"],
        hidden=row["hidden"],
    )


def add(conn: sqlite3.Connection, kept: Kept) -> None:
    """Keep a message with its answer.

    Raises:
        sqlite3.IntegrityError: there is one with its key.
    """
    conn.execute(
        """INSERT INTO inbox (key, kind, follower_id, received_at, signature, body, answer, hidden)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            kept.key,
            kept.kind,
            kept.follower_id,
            kept.received_at,
            kept.signature,
            kept.body,
            kept.answer,
            kept.hidden,
        ),
    )


def list_seen(conn: sqlite3.Connection, *, after: float, limit: int) -> list[tuple[bytes, bytes]]:
    """Signature and body of what was received after then, the newest first."""
    rows = conn.execute(
        """SELECT signature, body FROM inbox
            WHERE received_at > ? ORDER BY key DESC LIMIT ?""",
        (after, limit),
    )
    return [(row["signature"], row["body"]) for row in rows]


def purge(conn: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Remove those of the ``limit`` oldest messages that were received before then; how many."""
    return conn.execute(
        """DELETE FROM inbox WHERE received_at <= ?
              AND key IN (SELECT key FROM inbox ORDER BY key LIMIT ?)""",
        (before, limit),
    ).rowcount
