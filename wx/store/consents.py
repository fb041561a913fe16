"""Consents: what a phone said yes to, and how its callback was answered."""

import sqlite3

from wx.model import Consent

# After these the same state may come again with a new code: nothing was decided.
_REPEATABLE = ("snapshot", "unavailable", "platform-error", "code-expired")


def add(
    conn: sqlite3.Connection,
    state: bytes,
    invite_id: str,
    *,
    phone: bytes,
    now: float,
    route: str = "oauth",
) -> None:
    """Keep a phone's yes; ``state`` and ``phone`` are digests."""
    conn.execute(
        """INSERT INTO consents (state_digest, invite_id, phone_digest, created_at, route)
           VALUES (?, ?, ?, ?, ?)""",
        (state, invite_id, phone, now, route),
    )


def count(conn: sqlite3.Connection, invite_id: str) -> int:
    """How many phones have said yes to this invite."""
    (number,) = conn.execute(
        "SELECT count(*) FROM consents WHERE invite_id = ?", (invite_id,)
    ).fetchone()
    return int(number)


def find(conn: sqlite3.Connection, state: bytes) -> Consent | None:
    """The consent whose OAuth state has this digest."""
    row = conn.execute("SELECT * FROM consents WHERE state_digest = ?", (state,)).fetchone()
    if row is None:
        return None
    return Consent(
        state=row["state_digest"],
        invite_id=row["invite_id"],
        phone=row["phone_digest"],
        created_at=row["created_at"],
        code=row["code_digest"],
        outcome=row["outcome"],
        route=row["route"],
    )


def claim(conn: sqlite3.Connection, state: bytes, *, code: bytes) -> bool:
    """Take the right to exchange this code; False if the state has been used.

    One statement, so that of two requests one gets it, also across a restart.
    """
    marks = ", ".join("?" * len(_REPEATABLE))
    return (
        conn.execute(
            f"""UPDATE consents SET code_digest = ?, outcome = ''
                 WHERE state_digest = ?
                   AND (code_digest IS NULL OR (code_digest != ? AND outcome IN ({marks})))""",
            (code, state, code, *_REPEATABLE),
        ).rowcount
        == 1
    )


def mark_phone(conn: sqlite3.Connection, state: bytes, *, phone: bytes) -> None:
    """The consent is this phone's; ``phone`` is the digest of its cookie."""
    conn.execute("UPDATE consents SET phone_digest = ? WHERE state_digest = ?", (phone, state))


def mark_outcome(conn: sqlite3.Connection, state: bytes, outcome: str) -> None:
    """Settle how the callback is answered, now and when it is repeated."""
    conn.execute("UPDATE consents SET outcome = ? WHERE state_digest = ?", (outcome, state))
