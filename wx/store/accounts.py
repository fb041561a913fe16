"""Accounts: who can log in, and who can only be reached."""

import sqlite3
import unicodedata

from wx.model import Account


def folded(name: str) -> str:
    """A name as it is looked up: however its letters are cased and composed."""
    return unicodedata.normalize("NFC", name).casefold()


def add(conn: sqlite3.Connection, name: str, password: str, *, admin: bool, now: float) -> Account:
    """Keep a new account. ``password`` is an Argon2id string, or "" where nobody signs in as it.

    Raises:
        sqlite3.IntegrityError: the name is taken, in whatever case.
    """
    row = conn.execute(
        """INSERT INTO accounts (name, folded_name, password, admin, created_at)
           VALUES (?, ?, ?, ?, ?) RETURNING *""",
        (name, folded(name), password, admin, now),
    ).fetchone()
    return _account(row)


def find(conn: sqlite3.Connection, account_id: int) -> Account | None:
    """The account with this number."""
    row = conn.execute("SELECT * FROM accounts WHERE id = ?", (account_id,)).fetchone()
    return row and _account(row)


def find_by_name(conn: sqlite3.Connection, name: str) -> Account | None:
    """The account of this name, in whatever case."""
    row = conn.execute("SELECT * FROM accounts WHERE folded_name = ?", (folded(name),)).fetchone()
    return row and _account(row)


def list_all(conn: sqlite3.Connection) -> list[Account]:
    """All accounts by name."""
    return [_account(row) for row in conn.execute("SELECT * FROM accounts ORDER BY folded_name")]


def mark_password(conn: sqlite3.Connection, account_id: int, password: str) -> None:
    """Keep another password, an Argon2id string."""
    conn.execute("UPDATE accounts SET password = ? WHERE id = ?", (password, account_id))


def mark_disabled(conn: sqlite3.Connection, account_id: int, *, at: float | None) -> None:
    """Disable the account since ``at``, or with None enable it again."""
    conn.execute("UPDATE accounts SET disabled_at = ? WHERE id = ?", (at, account_id))


def _account(row: sqlite3.Row) -> Account:
    return Account(
        id=row["id"],
        name=row["name"],
        password=row["password"],
        admin=bool(row["admin"]),
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
    )
