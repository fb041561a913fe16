"""Signatures of plain messages that have been used, each with the body that it was used for.

A signature is known as its timestamp in four bytes, so that new ones stand together and old ones
are removed together, and its own twenty bytes.
"""

import sqlite3
from collections.abc import Sequence


def add_all(conn: sqlite3.Connection, used: Sequence[tuple[bytes, bytes]]) -> None:
    """Keep signatures, each with the digest of its body; those that are kept stay as they are."""
    if not used:
        return
    marks = ", ".join(["(?, ?)"] * len(used))
    values = [value for pair in used for value in pair]
    conn.execute(f"INSERT INTO signatures VALUES {marks} ON CONFLICT DO NOTHING", values)


def list_since(conn: sqlite3.Connection, timestamp: int) -> list[tuple[bytes, bytes]]:
    """The signatures with that timestamp or a later one, each with the digest of its body."""
    rows = conn.execute("SELECT used, body FROM signatures WHERE used >= ?", (_start(timestamp),))
    return [(row["used"], row["body"]) for row in rows]


def purge(conn: sqlite3.Connection, *, before: int) -> int:
    """Remove the signatures with earlier timestamps; how many."""
    return conn.execute("DELETE FROM signatures WHERE used < ?", (_start(before),)).rowcount


def _start(timestamp: int) -> bytes:
    return max(0, timestamp).to_bytes(8)[4:]
