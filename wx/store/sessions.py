"""Sessions: signed-in browsers, by the digest of their cookie."""

import sqlite3
from collections.abc import Collection

from wx.model import Account, Browser, Session
from wx.store import accounts


def add(
    conn: sqlite3.Connection,
    digest: bytes,
    account_id: int,
    browser: Browser,
    *,
    now: float,
    follower_id: int | None = None,
) -> Session:
    """Keep a new session. ``follower_id``: whose WeChat it came of, if it was that."""
    conn.execute(
        """INSERT INTO sessions (digest, account_id, created_at, seen_at, network, browser,
                                 follower_id) VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (digest, account_id, now, now, browser.network, browser.name, follower_id),
    )
    return Session(digest=digest, account_id=account_id, created_at=now, seen_at=now)


def find(
    conn: sqlite3.Connection, digest: bytes, *, seen_after: float, created_after: float
) -> tuple[Session, Account] | None:
    """The session that still holds, and its account, if that is not disabled.

    Args:
        seen_after: Unix time; one not used since then has ended.
        created_after: Unix time; one older than that has ended.
    """
    row = conn.execute(
        """SELECT sessions.* FROM sessions JOIN accounts ON accounts.id = account_id
            WHERE digest = ? AND seen_at > ? AND sessions.created_at > ?
              AND disabled_at IS NULL""",
        (digest, seen_after, created_after),
    ).fetchone()
    if row is None:
        return None
    account = accounts.find(conn, row["account_id"])
    assert account is not None  # the foreign key says so
    return Session(row["digest"], row["account_id"], row["created_at"], row["seen_at"]), account


def find_browser(conn: sqlite3.Connection, digest: bytes) -> Browser:
    """The browser that a session was made for; an unknown one if there is no such session."""
    row = conn.execute("SELECT * FROM sessions WHERE digest = ?", (digest,)).fetchone()
    return Browser(row["network"], row["browser"]) if row else Browser()


def list_ended(
    conn: sqlite3.Connection,
    digests: Collection[bytes],
    *,
    seen_after: float,
    created_after: float,
) -> list[bytes]:
    """Those of ``digests`` that :func:`find` would not find."""
    return [
        digest
        for digest in digests
        if find(conn, digest, seen_after=seen_after, created_after=created_after) is None
    ]


def mark_seen(conn: sqlite3.Connection, digest: bytes, *, now: float) -> None:
    """Note that the session was used."""
    conn.execute("UPDATE sessions SET seen_at = ? WHERE digest = ?", (now, digest))


def remove(conn: sqlite3.Connection, digest: bytes) -> None:
    """End one session."""
    conn.execute("DELETE FROM sessions WHERE digest = ?", (digest,))


def remove_of_account(conn: sqlite3.Connection, account_id: int) -> list[bytes]:
    """End all sessions of an account; which ones they were."""
    rows = conn.execute(
        "DELETE FROM sessions WHERE account_id = ? RETURNING digest", (account_id,)
    ).fetchall()
    return [row["digest"] for row in rows]


def remove_of_follower(conn: sqlite3.Connection, follower_id: int) -> None:
    """End all sessions that came of a follower's WeChat."""
    conn.execute("DELETE FROM sessions WHERE follower_id = ?", (follower_id,))


def purge(conn: sqlite3.Connection, *, seen_before: float, created_before: float) -> int:
    """Remove those that have ended by time; how many."""
    return conn.execute(
        "DELETE FROM sessions WHERE seen_at <= ? OR created_at <= ?", (seen_before, created_before)
    ).rowcount
