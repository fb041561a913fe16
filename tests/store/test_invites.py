"""Invites."""

import sqlite3
from dataclasses import replace

import pytest

from tests.store.conftest import APP, NOW
from wx.model import Browser, Invite, InviteState
from wx.store import api_keys, consents, followers, invites


def invite(account, number=1, **changes):
    made = Invite(
        id=f"i{number}",
        account_id=account,
        session=b"s",
        app_id=APP,
        number="42",
        state=InviteState.WAITING,
        replace=False,
        created_at=NOW + number,
        expires_at=NOW + 600,
        browser=Browser("10.0.0.0/24", "Firefox 140 🦊"),
        follower_id=None,
        confirm_state=None,
        confirm_until=0,
        confirm_tries=0,
    )
    return replace(made, **changes)


def add(conn, made):
    invites.add(conn, made, secret=b"secret of " + made.id.encode())
    return made


def test_an_invite_is_found_by_its_id_and_by_the_digest_of_its_secret(conn, ann):
    made = add(conn, invite(ann, replace=True))
    assert invites.find(conn, "i1") == made
    assert invites.find_by_secret(conn, b"secret of i1") == made
    assert invites.find(conn, "i2") is None
    assert invites.find_by_secret(conn, b"i1") is None


def test_a_secret_belongs_to_one_invite_and_an_invite_to_an_account(conn, ann):
    add(conn, invite(ann))
    with pytest.raises(sqlite3.IntegrityError):
        invites.add(conn, invite(ann, 2), secret=b"secret of i1")
    with pytest.raises(sqlite3.IntegrityError):
        add(conn, invite(99, 3))


def test_a_program_s_invite_is_found_by_what_it_is_followed_by_and_no_browser_s(conn, ann):
    key = api_keys.add(
        conn,
        "site",
        b"key",
        prefix="wx_",
        scopes=["a:b"],
        account_id=None,
        expires_at=None,
        now=NOW,
    )
    add(conn, invite(ann, session=b"session"))
    made = add(conn, invite(ann, 2, session=b"view", api_key_id=key.id))
    assert invites.find_by_view(conn, b"view") == made == invites.find(conn, "i2")
    assert invites.find_by_view(conn, b"session") is None
    assert invites.find_by_view(conn, b"other") is None
    with pytest.raises(sqlite3.IntegrityError):
        add(conn, invite(ann, 3, api_key_id=99))


def test_the_newest_of_a_session_is_found(conn, ann):
    for number in (1, 3, 2):
        add(conn, invite(ann, number))
    add(conn, invite(ann, 4, session=b"other"))
    assert invites.find_last_of_session(conn, b"s").id == "i3"
    assert invites.find_last_of_session(conn, b"none") is None


def test_the_open_ones_of_an_account_are_listed_oldest_first(conn, ann, bob):
    for number, state in enumerate(InviteState, 1):
        add(conn, invite(ann, number, state=state))
    add(conn, invite(ann, 20, expires_at=NOW))
    add(conn, invite(bob, 21))
    add(conn, invite(ann, 22, created_at=NOW - 5))
    listed = invites.list_open_of_account(conn, ann, now=NOW)
    assert [one.id for one in listed] == ["i22", "i1", "i2", "i7"]
    assert [one.state.open for one in listed] == [True] * 4, "the statement knows the same states"


def test_what_an_account_made_lately_is_counted(conn, ann, bob):
    for number in (1, 2, 3):
        add(conn, invite(ann, number))
    add(conn, invite(bob, 4))
    assert invites.count_since(conn, ann, NOW + 1) == (2, NOW + 2)
    assert invites.count_since(conn, ann, NOW + 3) == (0, 0)


def test_open_ones_whose_time_is_over_are_overdue(conn, ann):
    for number, state in enumerate(InviteState, 1):
        add(conn, invite(ann, number, state=state))
    add(conn, invite(ann, 9, expires_at=NOW + 601))
    assert invites.list_overdue(conn, now=NOW + 599) == []
    assert sorted(invites.list_overdue(conn, now=NOW + 600)) == ["i1", "i2", "i7"]


@pytest.mark.parametrize("state", list(InviteState))
def test_an_invite_moves_on_only_while_it_is_open(conn, ann, state):
    add(conn, invite(ann, state=state))
    add(conn, invite(ann, 2))
    follower = followers.use(conn, APP, "o-wang")
    moved = invites.mark(conn, "i1", InviteState.BOUND, follower_id=follower)
    assert moved is state.open
    found = invites.find(conn, "i1")
    assert found.state is (InviteState.BOUND if moved else state)
    assert found.follower_id == (follower if moved else None)
    assert invites.find(conn, "i2").state is InviteState.WAITING
    assert not invites.mark(conn, "gone", InviteState.BOUND)


def test_of_two_who_settle_an_invite_one_succeeds(conn, ann):
    add(conn, invite(ann))
    results = [invites.mark(conn, "i1", state) for state in (InviteState.BOUND, InviteState.TAKEN)]
    assert results == [True, False]
    assert invites.find(conn, "i1").state is InviteState.BOUND


def test_a_follower_once_known_is_kept(conn, ann):
    add(conn, invite(ann))
    follower = followers.use(conn, APP, "o-wang")
    invites.mark(conn, "i1", InviteState.FAILED, follower_id=follower)
    invites.mark(conn, "i1", InviteState.SCANNED)
    assert invites.find(conn, "i1").follower_id == follower


def test_tries_at_the_digits_are_counted_for_all_phones_together(conn, ann):
    add(conn, invite(ann))
    follower = followers.use(conn, APP, "o-wang")
    invites.mark_confirming(conn, "i1", consent=b"c", follower_id=follower, until=NOW + 300)
    found = invites.find(conn, "i1")
    assert (found.state, found.confirm_state, found.confirm_until) == (
        InviteState.SCANNED,
        b"c",
        NOW + 300,
    )
    assert (found.follower_id, found.confirm_tries) == (follower, 0)
    assert [invites.use_confirm_try(conn, "i1") for _ in range(3)] == [1, 2, 3]
    invites.mark_confirming(conn, "i1", consent=b"d", follower_id=follower, until=NOW + 400)
    found = invites.find(conn, "i1")
    assert (found.confirm_state, found.confirm_tries) == (b"d", 3)


def test_old_ones_are_purged_with_their_consents(conn, ann):
    add(conn, invite(ann, 1, expires_at=NOW))
    add(conn, invite(ann, 2, expires_at=NOW + 1))
    for number in (1, 2):
        consents.add(conn, b"%d" % number, f"i{number}", phone=b"p", now=NOW)
    assert invites.purge(conn, expired_before=NOW) == 1
    assert invites.find(conn, "i1") is None and invites.find(conn, "i2")
    assert consents.find(conn, b"1") is None and consents.find(conn, b"2")


def test_an_invite_that_has_ended_waits_for_no_digits(conn, ann):
    add(conn, invite(ann, 9))
    assert invites.mark(conn, "i9", InviteState.REFUSED)
    follower = followers.use(conn, APP, "o-wang")
    invites.mark_confirming(conn, "i9", consent=b"c", follower_id=follower, until=NOW + 300)
    kept = invites.find(conn, "i9")
    assert (kept.state, kept.confirm_state) == (InviteState.REFUSED, None)
