"""Subscription notices that followers have accepted and that were not used yet."""

import sqlite3


def mark_accepted(conn: sqlite3.Connection, follower_id: int, template_id: str) -> None:
    """The follower accepted one more (platform document, 4.3)."""
    conn.execute(
        """INSERT INTO subscriptions VALUES (?, ?, 1)
               ON CONFLICT DO UPDATE SET left = left + 1""",
        (follower_id, template_id),
    )


def mark_used(conn: sqlite3.Connection, follower_id: int, template_id: str) -> None:
    """One of them is being used."""
    conn.execute(
        """UPDATE subscriptions SET left = max(left - 1, 0)
            WHERE follower_id = ? AND template_id = ?""",
        (follower_id, template_id),
    )


def mark_none_left(conn: sqlite3.Connection, follower_id: int, template_id: str) -> None:
    """The follower wants no more, or the platform says that there are none."""
    conn.execute(
        "DELETE FROM subscriptions WHERE follower_id = ? AND template_id = ?",
        (follower_id, template_id),
    )


def list_left(conn: sqlite3.Connection, follower_id: int) -> dict[str, int]:
    """How many are left to the follower, by template."""
    rows = conn.execute(
        "SELECT template_id, left FROM subscriptions WHERE follower_id = ? AND left > 0",
        (follower_id,),
    )
    return {row["template_id"]: row["left"] for row in rows}


def is_known(conn: sqlite3.Connection, template_id: str) -> bool:
    """Whether anybody has ever accepted this template."""
    found = conn.execute(
        "SELECT 1 FROM subscriptions WHERE template_id = ? LIMIT 1", (template_id,)
    ).fetchone()
    return found is not None
