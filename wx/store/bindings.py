"""Bindings: which account belongs to which follower, now and before, and who changed it."""

import sqlite3

from wx.model import Binding, Browser
from wx.store import followers


def add(
    conn: sqlite3.Connection,
    app_id: str,
    account_id: int,
    follower_id: int,
    *,
    route: str,
    now: float,
) -> int:
    """Join an account and a follower; the binding's number.

    Raises:
        sqlite3.IntegrityError: one of them has a present binding.
    """
    (binding_id,) = conn.execute(
        """INSERT INTO bindings (app_id, account_id, follower_id, route, bound_at)
           VALUES (?, ?, ?, ?, ?) RETURNING id""",
        (app_id, account_id, follower_id, route, now),
    ).fetchone()
    return int(binding_id)


def find(conn: sqlite3.Connection, binding_id: int) -> Binding | None:
    """The binding with this number, present or past."""
    return _binding(
        conn, conn.execute("SELECT * FROM bindings WHERE id = ?", (binding_id,)).fetchone()
    )


def is_present(conn: sqlite3.Connection, binding_id: int) -> bool:
    """Whether the binding with this number holds."""
    found = conn.execute(
        "SELECT 1 FROM bindings WHERE id = ? AND ended_at IS NULL", (binding_id,)
    ).fetchone()
    return found is not None


def find_of_account(conn: sqlite3.Connection, app_id: str, account_id: int) -> Binding | None:
    """The account's present binding."""
    return _binding(
        conn,
        conn.execute(
            "SELECT * FROM bindings WHERE app_id = ? AND account_id = ? AND ended_at IS NULL",
            (app_id, account_id),
        ).fetchone(),
    )


def find_of_follower(conn: sqlite3.Connection, app_id: str, follower_id: int) -> Binding | None:
    """The follower's present binding."""
    return _binding(
        conn,
        conn.execute(
            "SELECT * FROM bindings WHERE app_id = ? AND follower_id = ? AND ended_at IS NULL",
            (app_id, follower_id),
        ).fetchone(),
    )


def mark_ended(conn: sqlite3.Connection, binding_id: int, *, now: float) -> bool:
    """End a present binding; False if it had ended."""
    return (
        conn.execute(
            "UPDATE bindings SET ended_at = ? WHERE id = ? AND ended_at IS NULL",
            (now, binding_id),
        ).rowcount
        == 1
    )


def add_event(
    conn: sqlite3.Connection,
    binding_id: int,
    what: str,
    *,
    route: str,
    who: str,
    browser: Browser,
    now: float,
) -> None:
    """Write down who did what to a binding: ``bound``, ``ended`` or ``restored``."""
    conn.execute(
        """INSERT INTO binding_events (binding_id, at, what, route, who, network, browser)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (binding_id, now, what, route, who, browser.network, browser.name),
    )


def list_events(conn: sqlite3.Connection, binding_id: int) -> list[sqlite3.Row]:
    """What happened to a binding, oldest first."""
    return conn.execute(
        "SELECT * FROM binding_events WHERE binding_id = ? ORDER BY id", (binding_id,)
    ).fetchall()


def find_ended(
    conn: sqlite3.Connection, app_id: str, account_id: int, *, ended_after: float
) -> tuple[Binding, str] | None:
    """The account's last binding and by which route it ended, if it ended after then."""
    row = conn.execute(
        """SELECT bindings.* FROM bindings WHERE app_id = ? AND account_id = ?
            ORDER BY id DESC LIMIT 1""",
        (app_id, account_id),
    ).fetchone()
    if row is None or row["ended_at"] is None or row["ended_at"] <= ended_after:
        return None
    events = list_events(conn, row["id"])
    binding = _binding(conn, row)
    return (binding, events[-1]["route"]) if binding and events else None


def add_undo(
    conn: sqlite3.Connection, digest: bytes, binding_id: int, *, expires_at: float
) -> None:
    """Keep the right to end a binding by its undo link, known by this digest."""
    conn.execute("INSERT INTO undos VALUES (?, ?, ?, NULL)", (digest, binding_id, expires_at))


def find_undo(conn: sqlite3.Connection, digest: bytes, *, now: float) -> Binding | None:
    """The binding that an undo link ends, while both hold."""
    row = conn.execute(
        """SELECT bindings.* FROM undos JOIN bindings ON bindings.id = binding_id
            WHERE secret_digest = ? AND expires_at > ? AND used_at IS NULL
              AND ended_at IS NULL""",
        (digest, now),
    ).fetchone()
    return _binding(conn, row)


def mark_undo_used(conn: sqlite3.Connection, digest: bytes, *, now: float) -> None:
    """Use an undo link up."""
    conn.execute("UPDATE undos SET used_at = ? WHERE secret_digest = ?", (now, digest))


def purge_undos(conn: sqlite3.Connection, *, now: float) -> int:
    """Remove the rights that are over; how many."""
    return conn.execute("DELETE FROM undos WHERE expires_at <= ?", (now,)).rowcount


def _binding(conn: sqlite3.Connection, row: sqlite3.Row | None) -> Binding | None:
    if row is None:
        return None
    follower = followers.find(conn, row["follower_id"])
    assert follower is not None  # the foreign key says so
    return Binding(
        id=row["id"],
        account_id=row["account_id"],
        follower=follower,
        route=row["route"],
        bound_at=row["bound_at"],
        ended_at=row["ended_at"],
    )
