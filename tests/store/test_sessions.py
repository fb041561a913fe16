"""Sessions."""

import sqlite3

import pytest

from tests.store.conftest import NOW
from wx.model import Browser
from wx.store import accounts, sessions

ONE, TWO, THREE = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


def find(conn, digest, *, seen_after=NOW - 100, created_after=NOW - 1000):
    return sessions.find(conn, digest, seen_after=seen_after, created_after=created_after)


def test_a_session_is_found_with_its_account(conn, ann):
    made = sessions.add(conn, ONE, ann, Browser("10.0.0.0/24", "Firefox"), now=NOW)
    session, account = find(conn, ONE)
    assert session == made
    assert (session.account_id, session.created_at, session.seen_at) == (ann, NOW, NOW)
    assert account.name == "Ann"
    assert find(conn, TWO) is None
    row = conn.execute("SELECT network, browser FROM sessions").fetchone()
    assert tuple(row) == ("10.0.0.0/24", "Firefox")
    assert sessions.find_browser(conn, ONE) == Browser("10.0.0.0/24", "Firefox")
    assert sessions.find_browser(conn, TWO) == Browser()


def test_a_session_needs_an_account(conn):
    with pytest.raises(sqlite3.IntegrityError):
        sessions.add(conn, ONE, 7, Browser(), now=NOW)


def test_a_session_ends_when_it_is_unused_or_old(conn, ann):
    sessions.add(conn, ONE, ann, Browser(), now=NOW)
    assert find(conn, ONE, seen_after=NOW) is None
    assert find(conn, ONE, seen_after=NOW - 1)
    assert find(conn, ONE, created_after=NOW) is None
    sessions.mark_seen(conn, ONE, now=NOW + 50)
    session, _ = find(conn, ONE, seen_after=NOW + 49)
    assert (session.created_at, session.seen_at) == (NOW, NOW + 50)
    assert find(conn, ONE, created_after=NOW) is None, "use does not make it younger"


def test_a_disabled_account_has_no_session(conn, ann):
    sessions.add(conn, ONE, ann, Browser(), now=NOW)
    accounts.mark_disabled(conn, ann, at=NOW)
    assert find(conn, ONE) is None


def test_those_that_have_ended_are_named(conn, ann, bob):
    sessions.add(conn, ONE, ann, Browser(), now=NOW)
    sessions.add(conn, TWO, bob, Browser(), now=NOW)
    accounts.mark_disabled(conn, bob, at=NOW)
    limits = {"seen_after": NOW - 1, "created_after": NOW - 1}
    assert sessions.list_ended(conn, [ONE, TWO, THREE], **limits) == [TWO, THREE]
    assert sessions.list_ended(conn, [], **limits) == []


def test_one_session_or_all_of_an_account_are_ended(conn, ann, bob):
    for digest, account in ((ONE, ann), (TWO, ann), (THREE, bob)):
        sessions.add(conn, digest, account, Browser(), now=NOW)
    sessions.remove(conn, ONE)
    assert find(conn, ONE) is None and find(conn, TWO)
    sessions.add(conn, ONE, ann, Browser(), now=NOW)
    assert sorted(sessions.remove_of_account(conn, ann)) == [ONE, TWO]
    assert find(conn, ONE) is None and find(conn, TWO) is None and find(conn, THREE)
    assert sessions.remove_of_account(conn, ann) == []


def test_what_has_ended_by_time_is_purged(conn, ann):
    sessions.add(conn, ONE, ann, Browser(), now=NOW)
    sessions.add(conn, TWO, ann, Browser(), now=NOW - 500)
    sessions.mark_seen(conn, TWO, now=NOW)
    sessions.add(conn, THREE, ann, Browser(), now=NOW - 50)
    assert sessions.purge(conn, seen_before=NOW - 50, created_before=NOW - 500) == 2
    assert find(conn, ONE) and not find(conn, TWO) and not find(conn, THREE)
