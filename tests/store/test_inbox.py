"""The inbox's table."""

import sqlite3
from dataclasses import replace

import pytest

from tests.store.conftest import NOW
from wx.model import Kept
from wx.store import inbox


def kept(number: int = 1, **changes: object) -> Kept:
    made = Kept(
        key=b"key %d" % number,
        kind="text",
        follower_id=number,
        received_at=NOW + number,
        signature=b"signature %d" % number,
        body=b"body %d" % number,
        answer="<xml>你好 🌻 {secret}</xml>".encode(),
        hidden="undo 7",
    )
    return replace(made, **changes)


def add(conn, *many: Kept) -> None:
    for one in many:
        inbox.add(conn, one)


def keys(conn) -> list[bytes]:
    return [row["key"] for row in conn.execute("SELECT key FROM inbox ORDER BY id")]


def test_a_message_is_found_by_its_key_as_it_was_kept(conn):
    add(conn, kept(1), kept(2, kind="subscribe", answer=b"", hidden=""))
    assert inbox.find(conn, b"key 1") == kept(1)
    assert inbox.find(conn, b"key 2") == kept(2, kind="subscribe", answer=b"", hidden="")
    assert inbox.find(conn, b"key 3") is None


def test_a_message_that_is_nobodys_is_kept_too(conn):
    add(conn, kept(follower_id=None))
    assert inbox.find(conn, b"key 1").follower_id is None


def test_a_key_is_kept_once(conn):
    add(conn, kept())
    with pytest.raises(sqlite3.IntegrityError):
        add(conn, kept(2, key=b"key 1"))
    assert inbox.find(conn, b"key 1") == kept()


def test_a_signature_may_have_let_in_several_and_a_body_may_come_twice(conn):
    add(conn, kept(), kept(2, signature=b"signature 1", body=b"body 1"))
    assert keys(conn) == [b"key 1", b"key 2"]


def test_what_was_seen_comes_newest_first_and_only_what_is_newer(conn):
    add(conn, *(kept(number) for number in range(1, 6)))
    assert inbox.list_seen(conn, after=NOW + 2, limit=9) == [
        (b"signature 5", b"body 5"),
        (b"signature 4", b"body 4"),
        (b"signature 3", b"body 3"),
    ]
    assert inbox.list_seen(conn, after=NOW + 5, limit=9) == []


def test_of_too_many_that_were_seen_the_newest_are_given(conn):
    add(conn, *(kept(number) for number in range(1, 6)))
    assert [one for one, _ in inbox.list_seen(conn, after=0, limit=2)] == [
        b"signature 5",
        b"signature 4",
    ]


def test_what_is_old_is_removed_and_nothing_newer(conn):
    add(conn, *(kept(number) for number in range(1, 6)))
    assert inbox.purge(conn, before=NOW + 3, limit=9) == 3
    assert keys(conn) == [b"key 4", b"key 5"]
    assert inbox.purge(conn, before=NOW + 3, limit=9) == 0


def test_at_most_so_many_are_removed_at_once_the_oldest_first(conn):
    add(conn, *(kept(number) for number in range(1, 6)))
    assert inbox.purge(conn, before=NOW + 9, limit=2) == 2
    assert keys(conn) == [b"key 3", b"key 4", b"key 5"]
    assert [inbox.purge(conn, before=NOW + 9, limit=2) for _ in range(3)] == [2, 1, 0]


def test_after_all_were_removed_another_can_have_the_same_key(conn):
    add(conn, kept())
    inbox.purge(conn, before=NOW + 1, limit=1)
    add(conn, kept(received_at=NOW + 99))
    assert inbox.find(conn, b"key 1").received_at == NOW + 99
