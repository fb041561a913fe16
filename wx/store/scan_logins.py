"""Scan logins: sign-ins at a computer that wait for a phone. Secrets are kept as digests only."""

import sqlite3
from collections.abc import Collection

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


def add(conn: sqlite3.Connection, login: ScanLogin, *, secret: bytes, crowd: str) -> None:
    """Keep a new one.

    Args:
        secret: the digest of what its code carries.
        crowd: the network that it is counted for.
    """
    conn.execute(
        """INSERT INTO scan_logins (id, secret_digest, desk, app_id, number, state, created_at,
                                    expires_at, network, browser, crowd)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
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
            crowd,
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


def count_open(conn: sqlite3.Connection, *, now: float) -> int:
    """How many wait for a phone, or for their browser."""
    (number,) = conn.execute(
        # By their end it would find all that were entered, too.
        f"""SELECT count(*) FROM scan_logins INDEXED BY scan_logins_open
             WHERE state IN {_OPEN} AND expires_at > ?""",
        (now,),
    ).fetchone()
    return int(number)


def count_open_of_crowd(conn: sqlite3.Connection, crowd: str, *, now: float) -> int:
    """How many of them are counted for this network."""
    (number,) = conn.execute(
        f"""SELECT count(*) FROM scan_logins
             WHERE crowd = ? AND state IN {_OPEN} AND expires_at > ?""",
        (crowd, now),
    ).fetchone()
    return int(number)


def find_largest_crowd(conn: sqlite3.Connection, *, now: float) -> tuple[str, int]:
    """The network that most of the open ones are counted for, and how many these are."""
    row = conn.execute(
        f"""SELECT crowd, count(*) AS number FROM scan_logins INDEXED BY scan_logins_open
             WHERE state IN {_OPEN} AND expires_at > ?
             GROUP BY crowd ORDER BY number DESC LIMIT 1""",
        (now,),
    ).fetchone()
    return (row["crowd"], row["number"]) if row else ("", 0)


def remove_newest_of_crowd(conn: sqlite3.Connection, crowd: str) -> str:
    """Remove the newest of a network that nobody has scanned; its id, "" if there is none."""
    row = conn.execute(
        f"""DELETE FROM scan_logins
             WHERE id = (SELECT id FROM scan_logins
                          WHERE crowd = ? AND state IN {_OPEN} AND state = 'waiting'
                          ORDER BY created_at DESC LIMIT 1)
         RETURNING id""",
        (crowd,),
    ).fetchone()
    return str(row["id"]) if row else ""


def list_open(conn: sqlite3.Connection, login_ids: Collection[str], *, now: float) -> list[str]:
    """Those of ``login_ids`` that are open."""
    query = f"SELECT 1 FROM scan_logins WHERE id = ? AND state IN {_OPEN} AND expires_at > ?"
    return [one for one in login_ids if conn.execute(query, (one, now)).fetchone()]


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


def refuse_of_account(conn: sqlite3.Connection, account_id: int, *, now: float) -> None:
    """End the open ones that would sign this account in."""
    conn.execute(
        f"""UPDATE scan_logins SET state = 'refused', expires_at = min(expires_at, ?)
             WHERE account_id = ? AND state IN {_OPEN}""",
        (now, account_id),
    )


def remove_waiting(conn: sqlite3.Connection, login_id: str) -> bool:
    """Remove one that nobody has scanned; False if somebody has."""
    return (
        conn.execute(
            "DELETE FROM scan_logins WHERE id = ? AND state = 'waiting'", (login_id,)
        ).rowcount
        == 1
    )


def purge_without_session(conn: sqlite3.Connection, *, created_before: float, limit: int) -> int:
    """Remove some of those that were entered before then and whose session is over; how many."""
    return conn.execute(
        """DELETE FROM scan_logins
            WHERE id IN (SELECT id FROM scan_logins
                          WHERE state = 'entered' AND created_at <= ?
                            AND NOT EXISTS (SELECT 1 FROM sessions WHERE digest = session)
                          LIMIT ?)""",
        (created_before, limit),
    ).rowcount


def purge_beyond(conn: sqlite3.Connection, *, kept: int, limit: int) -> int:
    """Remove some of those that ended without an entry, save the last so many; how many."""
    return conn.execute(
        """DELETE FROM scan_logins
            WHERE id IN (SELECT id FROM scan_logins WHERE state IN ('refused', 'expired')
                          ORDER BY expires_at DESC LIMIT ? OFFSET ?)""",
        (limit, kept),
    ).rowcount


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
