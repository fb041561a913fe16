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
        answer="<xml>你好 🌻 {secret}</xml>".encode(),
        hidden="undo 7",
    )
    return replace(made, **changes)


def add(conn, *many: Kept) -> None:
    inbox.add_all(conn, many)


def find(conn, key: bytes) -> Kept | None:
    return inbox.find_all(conn, [key]).get(key)


def keys(conn) -> list[bytes]:
    return [row["key"] for row in conn.execute("SELECT key FROM inbox ORDER BY id")]


def test_a_message_is_found_by_its_key_as_it_was_kept(conn):
    add(conn, kept(1), kept(2, kind="subscribe", answer=b"", hidden=""))
    assert find(conn, b"key 1") == kept(1)
    assert find(conn, b"key 2") == kept(2, kind="subscribe", answer=b"", hidden="")
    assert find(conn, b"key 3") is None


def test_a_message_that_is_nobodys_is_kept_too(conn):
    add(conn, kept(follower_id=None))
    assert find(conn, b"key 1").follower_id is None


def test_a_key_is_kept_once(conn):
    add(conn, kept())
    with pytest.raises(sqlite3.IntegrityError):
        add(conn, kept(2, key=b"key 1"))
    assert find(conn, b"key 1") == kept()


def test_one_key_that_is_there_keeps_all_of_them_out(conn):
    add(conn, kept())
    with pytest.raises(sqlite3.IntegrityError):
        add(conn, kept(2), kept(1))
    assert keys(conn) == [b"key 1"]


def test_many_are_found_at_once_and_those_that_are_not_there_are_left_out(conn):
    add(conn, *(kept(number) for number in range(1, 6)))
    found = inbox.find_all(conn, [b"key 2", b"key 9", b"key 5"])
    assert found == {b"key 2": kept(2), b"key 5": kept(5)}
    assert inbox.find_all(conn, []) == {}


def test_none_may_be_kept(conn):
    add(conn)
    assert keys(conn) == []


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
    assert find(conn, b"key 1").received_at == NOW + 99
