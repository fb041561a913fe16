"""Invites: one-time rights to bind an account. Secrets are kept as digests only."""

import sqlite3
from dataclasses import asdict

from wx.model import Browser, Invite, InviteState

_OPEN = "('waiting', 'scanned', 'failed')"  # InviteState.open


def add(conn: sqlite3.Connection, invite: Invite, *, secret: bytes) -> None:
    """Keep a new invite; ``secret`` is the digest of what its code carries."""
    values = asdict(invite) | {
        "secret": secret,
        "network": invite.browser.network,
        "browser": invite.browser.name,
    }
    conn.execute(
        """INSERT INTO invites (id, secret_digest, account_id, session, app_id, number, state,
                                replace, created_at, expires_at, network, browser, api_key_id)
           VALUES (:id, :secret, :account_id, :session, :app_id, :number, :state,
                   :replace, :created_at, :expires_at, :network, :browser, :api_key_id)""",
        values,
    )


def find(conn: sqlite3.Connection, invite_id: str) -> Invite | None:
    """The invite with this id."""
    return _invite(conn.execute("SELECT * FROM invites WHERE id = ?", (invite_id,)).fetchone())


def find_by_secret(conn: sqlite3.Connection, secret: bytes) -> Invite | None:
    """The invite whose secret has this digest."""
    return _invite(
        conn.execute("SELECT * FROM invites WHERE secret_digest = ?", (secret,)).fetchone()
    )


def find_by_view(conn: sqlite3.Connection, view: bytes) -> Invite | None:
    """The program's invite that what has this digest is for following."""
    # Where a browser asked, the same column is about its session: that follows nothing elsewhere.
    return _invite(
        conn.execute(
            "SELECT * FROM invites WHERE session = ? AND api_key_id IS NOT NULL", (view,)
        ).fetchone()
    )


def find_last_of_session(conn: sqlite3.Connection, session: bytes) -> Invite | None:
    """The newest invite that this session made."""
    return _invite(
        conn.execute(
            "SELECT * FROM invites WHERE session = ? ORDER BY created_at DESC LIMIT 1",
            (session,),
        ).fetchone()
    )


def list_open_of_account(conn: sqlite3.Connection, account_id: int, *, now: float) -> list[Invite]:
    """The account's open invites, oldest first."""
    rows = conn.execute(
        f"""SELECT * FROM invites
             WHERE account_id = ? AND expires_at > ? AND state IN {_OPEN}
             ORDER BY created_at""",
        (account_id, now),
    )
    return [invite for row in rows if (invite := _invite(row))]


def count_since(conn: sqlite3.Connection, account_id: int, since: float) -> tuple[int, float]:
    """How many invites the account has made since then, and when the first of them was made."""
    count, first = conn.execute(
        """SELECT count(*), coalesce(min(created_at), 0) FROM invites
            WHERE account_id = ? AND created_at > ?""",
        (account_id, since),
    ).fetchone()
    return count, first


def list_overdue(conn: sqlite3.Connection, *, now: float) -> list[str]:
    """The ids of open invites whose time is over."""
    rows = conn.execute(
        f"SELECT id FROM invites WHERE expires_at <= ? AND state IN {_OPEN}", (now,)
    )
    return [row["id"] for row in rows]


def mark(
    conn: sqlite3.Connection,
    invite_id: str,
    state: InviteState,
    *,
    follower_id: int | None = None,
) -> bool:
    """Move an open invite on to ``state``; False if it was no longer open."""
    return (
        conn.execute(
            f"""UPDATE invites SET state = ?, follower_id = coalesce(?, follower_id)
                 WHERE id = ? AND state IN {_OPEN}""",
            (state, follower_id, invite_id),
        ).rowcount
        == 1
    )


def mark_confirming(
    conn: sqlite3.Connection, invite_id: str, *, consent: bytes, follower_id: int, until: float
) -> None:
    """Let an open invite wait, until then, for the digits that this consent's phone shows. The
    tries are all the invite's: more phones are no more tries."""
    conn.execute(
        f"""UPDATE invites SET state = 'scanned', confirm_state = ?, confirm_until = ?,
                               follower_id = ?
             WHERE id = ? AND state IN {_OPEN}""",
        (consent, until, follower_id, invite_id),
    )


def use_confirm_try(conn: sqlite3.Connection, invite_id: str) -> int:
    """Count one try at the digits; how many that makes."""
    (tries,) = conn.execute(
        """UPDATE invites SET confirm_tries = confirm_tries + 1 WHERE id = ?
           RETURNING confirm_tries""",
        (invite_id,),
    ).fetchone()
    return int(tries)


def purge(conn: sqlite3.Connection, *, expired_before: float) -> int:
    """Remove those that ended before then, with their consents; how many."""
    return conn.execute("DELETE FROM invites WHERE expires_at <= ?", (expired_before,)).rowcount


def _invite(row: sqlite3.Row | None) -> Invite | None:
    if row is None:
        return None
    return Invite(
        id=row["id"],
        account_id=row["account_id"],
        session=row["session"],
        app_id=row["app_id"],
        number=row["number"],
        state=InviteState(row["state"]),
        replace=bool(row["replace"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        browser=Browser(row["network"], row["browser"]),
        follower_id=row["follower_id"],
        confirm_state=row["confirm_state"],
        confirm_until=row["confirm_until"] or 0,
        confirm_tries=row["confirm_tries"],
        api_key_id=row["api_key_id"],
    )
