"""Authorizations: the sealed tokens of those who let us read their profile on WeChat's page."""

import sqlite3
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is kept of one person's authorization. ``blob`` is sealed, and opens only with the
    server's key; ``ends_at``: when the platform gives nothing for it any more, in Unix seconds."""

    follower_id: int
    blob: bytes = field(repr=False)
    ends_at: float


def keep(conn: sqlite3.Connection, one: Sealed) -> None:
    """Keep a new authorization, in the place of an older one."""
    conn.execute(
        """INSERT INTO authorizations (follower_id, sealed, ends_at) VALUES (?, ?, ?)
               ON CONFLICT (follower_id) DO UPDATE
              SET sealed = excluded.sealed, ends_at = excluded.ends_at""",
        (one.follower_id, one.blob, one.ends_at),
    )


def find(conn: sqlite3.Connection, follower_id: int, *, now: float) -> Sealed | None:
    """The follower's authorization, unless it is over."""
    row = conn.execute(
        "SELECT * FROM authorizations WHERE follower_id = ? AND ends_at > ?", (follower_id, now)
    ).fetchone()
    return row and Sealed(row["follower_id"], row["sealed"], row["ends_at"])


def list_followers(conn: sqlite3.Connection) -> list[int]:
    """The numbers of all who have an authorization."""
    return [row["follower_id"] for row in conn.execute("SELECT follower_id FROM authorizations")]


def is_kept(conn: sqlite3.Connection, one: Sealed) -> bool:
    """Whether it still is what is kept: not renewed, replaced or forgotten meanwhile."""
    found = conn.execute(
        "SELECT 1 FROM authorizations WHERE follower_id = ? AND sealed = ?",
        (one.follower_id, one.blob),
    ).fetchone()
    return found is not None


def replace(conn: sqlite3.Connection, old: Sealed, new: Sealed) -> bool:
    """Keep ``new`` in the place of ``old``; False, and nothing is done, if that is not kept any
    more."""
    return (
        conn.execute(
            """UPDATE authorizations SET sealed = ?, ends_at = ?
                WHERE follower_id = ? AND sealed = ?""",
            (new.blob, new.ends_at, old.follower_id, old.blob),
        ).rowcount
        == 1
    )


def remove(conn: sqlite3.Connection, one: Sealed) -> bool:
    """Forget an authorization that gives nothing any more; False if it is not what is kept."""
    return (
        conn.execute(
            "DELETE FROM authorizations WHERE follower_id = ? AND sealed = ?",
            (one.follower_id, one.blob),
        ).rowcount
        == 1
    )


def remove_of_follower(conn: sqlite3.Connection, follower_id: int) -> None:
    """Forget whatever authorization the follower has given."""
    conn.execute("DELETE FROM authorizations WHERE follower_id = ?", (follower_id,))


def purge(
    conn: sqlite3.Connection, *, now: float, unbound_before: float, ends_before: float
) -> int:
    """Forget authorizations that are over, and those of people who are bound no more; how many.

    Args:
        now, unbound_before, ends_before: Unix seconds. People are bound no more if their last
            binding, where they had one, ended before ``unbound_before``; what they gave since then
            is known by its end, which is not before ``ends_before``.
    """
    return conn.execute(
        """DELETE FROM authorizations
            WHERE ends_at <= ?
               OR (ends_at < ?
                   AND NOT EXISTS (SELECT 1 FROM bindings
                                    WHERE follower_id = authorizations.follower_id
                                      AND (ended_at IS NULL OR ended_at > ?)))""",
        (now, ends_before, unbound_before),
    ).rowcount
