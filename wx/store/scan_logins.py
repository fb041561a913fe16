"""Scan logins: sign-ins at a computer that wait for a phone. Secrets are kept as digests only."""

import sqlite3

from wx.model import Browser, ScanLogin, ScanLoginState

_OPEN = "('waiting', 'scanned', 'confirmed')"  # ScanLoginState.open


def is_offered(conn: sqlite3.Connection, app_id: str) -> bool:
    """Whether anybody is bound who could be signed in."""
    (found,) = conn.execute(
        """SELECT EXISTS (SELECT 1 FROM bindings JOIN accounts ON accounts.id = account_id
                           WHERE app_id = ? AND ended_at IS NULL
                             AND disabled_at IS NULL AND password != '')""",
        (app_id,),
    ).fetchone()
    return bool(found)


def add(conn: sqlite3.Connection, login: ScanLogin, *, secret: bytes) -> None:
    """Keep a new one; ``secret`` is the digest of what its code carries."""
    conn.execute(
        """INSERT INTO scan_logins (id, secret_digest, desk, app_id, number, state, created_at,
                                    expires_at, network, browser)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            login.id,
            secret,
            login.desk,
            login.app_id,
            login.number,
            login.state,
            login.created_at,
            login.expires_at,
            login.browser.network,
            login.browser.name,
        ),
    )


def find(conn: sqlite3.Connection, login_id: str) -> ScanLogin | None:
    """The one with this id."""
    return _login(conn.execute("SELECT * FROM scan_logins WHERE id = ?", (login_id,)).fetchone())


def find_by_secret(conn: sqlite3.Connection, secret: bytes) -> ScanLogin | None:
    """The one whose secret has this digest."""
    return _login(
        conn.execute("SELECT * FROM scan_logins WHERE secret_digest = ?", (secret,)).fetchone()
    )


def list_open_of_desk(conn: sqlite3.Connection, desk: bytes, *, now: float) -> list[ScanLogin]:
    """Those that this browser shows, oldest first."""
    rows = conn.execute(
        f"""SELECT * FROM scan_logins WHERE desk = ? AND expires_at > ? AND state IN {_OPEN}
             ORDER BY created_at""",
        (desk, now),
    )
    return [login for row in rows if (login := _login(row))]


def count(conn: sqlite3.Connection, *, after: float, until: float) -> int:
    """How many end, or have ended, between these times."""
    (number,) = conn.execute(
        "SELECT count(*) FROM scan_logins WHERE expires_at > ? AND expires_at <= ?", (after, until)
    ).fetchone()
    return int(number)


def list_overdue(conn: sqlite3.Connection, *, now: float) -> list[str]:
    """The ids of open ones whose time is over."""
    rows = conn.execute(
        f"SELECT id FROM scan_logins WHERE expires_at <= ? AND state IN {_OPEN}", (now,)
    )
    return [row["id"] for row in rows]


def mark_scanned(
    conn: sqlite3.Connection, login_id: str, *, follower_id: int, account_id: int, now: float
) -> bool:
    """It belongs to whoever scanned it first; False if that was somebody else, or it is over."""
    return (
        conn.execute(
            """UPDATE scan_logins SET state = 'scanned', follower_id = ?1, account_id = ?2
                WHERE id = ?3 AND expires_at > ?4
                  AND (state = 'waiting' OR state = 'scanned' AND follower_id = ?1)""",
            (follower_id, account_id, login_id, now),
        ).rowcount
        == 1
    )


def mark_confirmed(conn: sqlite3.Connection, login_id: str, *, until: float, now: float) -> bool:
    """The phone said yes, and the browser has until then; False if it is over."""
    return (
        conn.execute(
            """UPDATE scan_logins SET state = 'confirmed', expires_at = ?
                WHERE id = ? AND state = 'scanned' AND expires_at > ?""",
            (until, login_id, now),
        ).rowcount
        == 1
    )


def use(conn: sqlite3.Connection, login_id: str, *, until: float, now: float) -> bool:
    """Use up the phone's yes; False if that was done, or its time is over. One statement, so that
    of many requests one gets it.

    Args:
        until: when the session that comes of it ends at the latest.
    """
    return (
        conn.execute(
            """UPDATE scan_logins SET state = 'entered', expires_at = ?
                WHERE id = ? AND state = 'confirmed' AND expires_at > ?""",
            (until, login_id, now),
        ).rowcount
        == 1
    )


def mark_session(conn: sqlite3.Connection, login_id: str, session: bytes) -> None:
    """Keep the digest of the session that came of it."""
    conn.execute("UPDATE scan_logins SET session = ? WHERE id = ?", (session, login_id))


def mark(conn: sqlite3.Connection, login_id: str, state: ScanLoginState, *, now: float) -> bool:
    """End an open one, as refused or expired; False if it was not open."""
    return (
        conn.execute(
            f"""UPDATE scan_logins SET state = ?, expires_at = min(expires_at, ?)
                 WHERE id = ? AND state IN {_OPEN}""",
            (state, now, login_id),
        ).rowcount
        == 1
    )


def purge(conn: sqlite3.Connection, *, expired_before: float, limit: int) -> int:
    """Remove some of those that ended before then; how many."""
    return conn.execute(
        """DELETE FROM scan_logins
            WHERE id IN (SELECT id FROM scan_logins WHERE expires_at <= ? LIMIT ?)""",
        (expired_before, limit),
    ).rowcount


def _login(row: sqlite3.Row | None) -> ScanLogin | None:
    if row is None:
        return None
    return ScanLogin(
        id=row["id"],
        desk=row["desk"],
        app_id=row["app_id"],
        number=row["number"],
        state=ScanLoginState(row["state"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        browser=Browser(row["network"], row["browser"]),
        follower_id=row["follower_id"],
        account_id=row["account_id"],
        session=row["session"],
    )
