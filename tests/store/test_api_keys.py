"""API keys."""

import sqlite3

import pytest

from tests.store.conftest import NOW
from wx.store import api_keys

ONE, TWO = b"\x01" * 32, b"\x02" * 32


def add(conn, name="backup", digest=ONE, *, scopes=("b:c", "a:b"), now=NOW, **more):
    fields = {"prefix": "wx_Ab1cD", "account_id": None, "expires_at": None} | more
    return api_keys.add(conn, name, digest, scopes=scopes, now=now, **fields)


def test_a_key_is_kept_as_it_was_given(conn, ann):
    made = add(conn, account_id=ann, expires_at=NOW + 5)
    assert (made.name, made.prefix, made.scopes) == ("backup", "wx_Ab1cD", {"a:b", "b:c"})
    assert (made.account_id, made.created_at, made.expires_at) == (ann, NOW, NOW + 5)
    assert (made.used_at, made.revoked_at) == (None, None)
    assert api_keys.find_by_digest(conn, ONE) == made
    assert api_keys.find_by_name(conn, "backup") == made
    assert api_keys.find(conn, made.id) == made
    assert api_keys.find(conn, made.id + 1) is None
    assert api_keys.find_by_digest(conn, TWO) is None
    assert api_keys.find_by_name(conn, "Backup") is None


def test_only_the_digest_is_kept(conn):
    add(conn)
    [row] = conn.execute("SELECT * FROM api_keys").fetchall()
    assert [value for value in row if isinstance(value, bytes)] == [ONE]


def test_a_name_is_taken_while_its_key_holds(conn):
    add(conn, expires_at=NOW + 10)
    assert add(conn, digest=TWO, now=NOW + 9) is None
    assert api_keys.find_by_digest(conn, TWO) is None


@pytest.mark.parametrize("over", ["revoked", "expired"])
def test_a_key_that_is_over_gives_its_name_up_and_stays_over(conn, ann, over):
    first = add(conn, account_id=ann, expires_at=NOW + 10 if over == "expired" else None)
    api_keys.mark_used(conn, first.id, now=NOW + 1)
    if over == "revoked":
        api_keys.mark_revoked(conn, first.id, now=NOW + 2)
    second = add(conn, digest=TWO, scopes=("x",), now=NOW + 10)
    assert second is not None
    assert (second.id, second.scopes, second.created_at) == (first.id, {"x"}, NOW + 10)
    assert (second.account_id, second.expires_at) == (None, None)
    assert (second.used_at, second.revoked_at) == (None, None)
    assert api_keys.find_by_digest(conn, ONE) is None
    assert api_keys.list_all(conn) == [second]


def test_keys_are_listed_by_name(conn):
    add(conn, "b")
    add(conn, "a", TWO)
    assert [one.name for one in api_keys.list_all(conn)] == ["a", "b"]


def test_use_and_revocation_are_noted_of_one_key(conn):
    one, other = add(conn), add(conn, "other", TWO)
    api_keys.mark_used(conn, one.id, now=NOW + 1)
    api_keys.mark_revoked(conn, one.id, now=NOW + 2)
    api_keys.mark_revoked(conn, one.id, now=NOW + 3)
    found = api_keys.find_by_name(conn, "backup")
    assert (found.used_at, found.revoked_at) == (NOW + 1, NOW + 2)
    assert api_keys.find_by_name(conn, "other") == other


def test_a_key_reaches_an_account_that_exists(conn):
    with pytest.raises(sqlite3.IntegrityError):
        add(conn, account_id=7)
