"""Bindings, what happened to them, and the links that undo them."""

import sqlite3

import pytest

from tests.store.conftest import APP, NOW
from wx.model import Browser, Profile
from wx.store import bindings, followers


@pytest.fixture
def wang(conn):
    """The number of a follower."""
    number = followers.use(conn, APP, "o-wang")
    followers.mark_profile(conn, APP, Profile("o-wang", nickname="王小明🌻"), now=NOW)
    return number


@pytest.fixture
def li(conn):
    """The number of another follower."""
    return followers.use(conn, APP, "o-li")


def bind(conn, account, follower, *, app=APP, now=NOW):
    return bindings.add(conn, app, account, follower, route="oauth", now=now)


def note(conn, binding, what, *, route="page", who="account ann", now=NOW):
    bindings.add_event(
        conn,
        binding,
        what,
        route=route,
        who=who,
        browser=Browser("10.0.0.0/24", "Firefox"),
        now=now,
    )


def test_a_binding_is_found_from_both_its_sides(conn, ann, bob, wang, li):
    number = bind(conn, ann, wang)
    found = bindings.find(conn, number)
    assert (found.account_id, found.route, found.bound_at, found.ended_at) == (
        ann,
        "oauth",
        NOW,
        None,
    )
    assert (found.follower.id, found.follower.profile.nickname) == (wang, "王小明🌻")
    assert bindings.find_of_account(conn, APP, ann) == found
    assert bindings.find_of_follower(conn, APP, wang) == found
    assert bindings.find_of_account(conn, APP, bob) is None
    assert bindings.find_of_follower(conn, APP, li) is None
    assert bindings.find_of_account(conn, "wx-other", ann) is None
    assert bindings.find_of_follower(conn, "wx-other", wang) is None
    assert bindings.find(conn, number + 1) is None


def test_neither_side_can_have_two_present_bindings(conn, ann, bob, wang, li):
    bind(conn, ann, wang)
    for account, follower in ((ann, li), (bob, wang), (ann, wang)):
        with pytest.raises(sqlite3.IntegrityError):
            bind(conn, account, follower)
    bind(conn, ann, followers.use(conn, "wx-other", "o-wang"), app="wx-other")
    bind(conn, bob, li)


def test_an_ended_binding_makes_room_and_stays_in_the_history(conn, ann, bob, wang):
    first = bind(conn, ann, wang)
    assert bindings.is_present(conn, first) and not bindings.is_present(conn, first + 1)
    assert bindings.mark_ended(conn, first, now=NOW + 1)
    assert not bindings.is_present(conn, first)
    assert not bindings.mark_ended(conn, first, now=NOW + 2), "it has ended already"
    assert bindings.find(conn, first).ended_at == NOW + 1
    assert bindings.find_of_account(conn, APP, ann) is None
    assert bindings.find_of_follower(conn, APP, wang) is None
    second = bind(conn, bob, wang)
    assert bindings.find_of_follower(conn, APP, wang).id == second
    assert not bindings.mark_ended(conn, 99, now=NOW)


def test_a_binding_needs_an_account_and_a_follower(conn, ann, wang):
    for account, follower in ((ann, 99), (99, wang)):
        with pytest.raises(sqlite3.IntegrityError):
            bind(conn, account, follower)


def test_what_happened_is_listed_oldest_first(conn, ann, wang, bob, li):
    number = bind(conn, ann, wang)
    note(conn, bind(conn, bob, li), "bound")
    note(conn, number, "bound", route="oauth", who="the phone")
    note(conn, number, "ended", now=NOW - 5)
    events = bindings.list_events(conn, number)
    assert [(one["what"], one["route"], one["who"], one["at"]) for one in events] == [
        ("bound", "oauth", "the phone", NOW),
        ("ended", "page", "account ann", NOW - 5),
    ]
    assert (events[0]["network"], events[0]["browser"]) == ("10.0.0.0/24", "Firefox")


def test_the_last_binding_that_ended_lately_is_found_with_its_route(conn, ann, bob, wang, li):
    def ended(after=NOW):
        found = bindings.find_ended(conn, APP, ann, ended_after=after)
        return found and (found[0].id, found[1])

    assert ended() is None, "there was none"
    number = bind(conn, ann, wang)
    note(conn, number, "bound", route="oauth")
    assert ended() is None, "it holds"
    bindings.mark_ended(conn, number, now=NOW + 10)
    note(conn, number, "ended")
    assert ended() == (number, "page")
    assert ended(after=NOW + 10) is None, "too long ago"
    assert bindings.find_ended(conn, APP, bob, ended_after=NOW) is None
    assert bindings.find_ended(conn, "wx-other", ann, ended_after=NOW) is None
    later = bind(conn, ann, li)
    assert ended() is None, "another took its place"
    bindings.mark_ended(conn, later, now=NOW + 20)
    note(conn, later, "ended", route="undo")
    assert ended() == (later, "undo")


def test_an_undo_link_works_once_for_its_time_while_the_binding_holds(conn, ann, wang):
    number = bind(conn, ann, wang)
    bindings.add_undo(conn, b"u" * 32, number, expires_at=NOW + 100)
    assert bindings.find_undo(conn, b"u" * 32, now=NOW + 99).id == number
    assert bindings.find_undo(conn, b"u" * 32, now=NOW + 100) is None
    assert bindings.find_undo(conn, b"v" * 32, now=NOW) is None
    bindings.mark_undo_used(conn, b"v" * 32, now=NOW)
    assert bindings.find_undo(conn, b"u" * 32, now=NOW)
    bindings.mark_undo_used(conn, b"u" * 32, now=NOW)
    assert bindings.find_undo(conn, b"u" * 32, now=NOW) is None
    bindings.add_undo(conn, b"w" * 32, number, expires_at=NOW + 100)
    bindings.mark_ended(conn, number, now=NOW)
    assert bindings.find_undo(conn, b"w" * 32, now=NOW) is None


def test_undo_links_that_are_over_are_purged(conn, ann, wang):
    number = bind(conn, ann, wang)
    bindings.add_undo(conn, b"u", number, expires_at=NOW)
    bindings.add_undo(conn, b"v", number, expires_at=NOW + 1)
    assert bindings.purge_undos(conn, now=NOW) == 1
    assert bindings.find_undo(conn, b"v", now=NOW)
