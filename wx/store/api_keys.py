"""API keys: what programs show to be let in, by the digest of the key."""

import sqlite3
from collections.abc import Iterable

from wx.model import ApiKey


def add(
    conn: sqlite3.Connection,
    name: str,
    digest: bytes,
    *,
    prefix: str,
    scopes: Iterable[str],
    account_id: int | None,
    expires_at: float | None,
    now: float,
) -> ApiKey | None:
    """Keep a new key; None if one that still holds has this name. One that is over gives its name
    up, and what was asked for with its Idempotency-Keys stays known."""
    row = conn.execute(
        """INSERT INTO api_keys (name, digest, prefix, scopes, account_id, created_at, expires_at)
           VALUES (?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (name) DO UPDATE
              SET digest = excluded.digest, prefix = excluded.prefix, scopes = excluded.scopes,
                  account_id = excluded.account_id, created_at = excluded.created_at,
                  expires_at = excluded.expires_at, used_at = NULL, revoked_at = NULL
            WHERE revoked_at IS NOT NULL OR api_keys.expires_at <= excluded.created_at
        RETURNING *""",
        (name, digest, prefix, " ".join(sorted(scopes)), account_id, now, expires_at),
    ).fetchone()
    return row and _api_key(row)


def find(conn: sqlite3.Connection, api_key_id: int) -> ApiKey | None:
    """The key with this number, also one that is over."""
    row = conn.execute("SELECT * FROM api_keys WHERE id = ?", (api_key_id,)).fetchone()
    return row and _api_key(row)


def find_by_digest(conn: sqlite3.Connection, digest: bytes) -> ApiKey | None:
    """The key with this digest, also one that is over."""
    row = conn.execute("SELECT * FROM api_keys WHERE digest = ?", (digest,)).fetchone()
    return row and _api_key(row)


def find_by_name(conn: sqlite3.Connection, name: str) -> ApiKey | None:
    """The key of this name, also one that is over."""
    row = conn.execute("SELECT * FROM api_keys WHERE name = ?", (name,)).fetchone()
    return row and _api_key(row)


def list_all(conn: sqlite3.Connection) -> list[ApiKey]:
    """All keys by name, those that are over too."""
    return [_api_key(row) for row in conn.execute("SELECT * FROM api_keys ORDER BY name")]


def mark_used(conn: sqlite3.Connection, api_key_id: int, *, now: float) -> None:
    """Note that the key was used."""
    conn.execute("UPDATE api_keys SET used_at = ? WHERE id = ?", (now, api_key_id))


def mark_revoked(conn: sqlite3.Connection, api_key_id: int, *, now: float) -> None:
    """Revoke the key; the first time counts."""
    conn.execute(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", (now, api_key_id)
    )


def _api_key(row: sqlite3.Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        prefix=row["prefix"],
        scopes=frozenset(row["scopes"].split()),
        account_id=row["account_id"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        revoked_at=row["revoked_at"],
    )
