"""Signatures that were used, and with which body."""

import sqlite3

from wx.store import signatures

NOW = 1_700_000_000


def used(timestamp: int, letter: bytes) -> bytes:
    return timestamp.to_bytes(4) + letter * 20


def test_a_signature_keeps_the_body_it_was_first_used_for(conn: sqlite3.Connection) -> None:
    one = used(NOW, b"a")
    signatures.add_all(conn, [(one, b"first")])
    signatures.add_all(conn, [(one, b"second"), (used(NOW, b"b"), b"other")])
    assert dict(signatures.list_since(conn, NOW)) == {one: b"first", used(NOW, b"b"): b"other"}


def test_they_are_listed_and_removed_by_their_timestamps(conn: sqlite3.Connection) -> None:
    signatures.add_all(conn, [(used(NOW + past, b"a"), b"body") for past in (-2, -1, 0, 1)])
    assert len(signatures.list_since(conn, NOW)) == 2
    assert len(signatures.list_since(conn, -5)) == 4
    assert signatures.purge(conn, before=NOW) == 2
    assert len(signatures.list_since(conn, 0)) == 2
