"""Consents."""

import asyncio
import sqlite3

import pytest

from tests.store.conftest import NOW
from tests.store.test_invites import add, invite
from wx.model import Consent
from wx.store import accounts, consents


@pytest.fixture
def made(conn, ann):
    """The consent of a phone."""
    add(conn, invite(ann))
    consents.add(conn, b"state", "i1", phone=b"phone", now=NOW)
    return b"state"


def test_a_consent_is_found_by_the_digest_of_its_state(conn, made):
    assert consents.find(conn, made) == Consent(
        state=b"state", invite_id="i1", phone=b"phone", created_at=NOW, code=None, outcome=""
    )
    assert consents.find(conn, b"other") is None


def test_a_consent_needs_an_invite_and_a_state_of_its_own(conn, made):
    for state, to in ((b"new", "gone"), (made, "i1")):
        with pytest.raises(sqlite3.IntegrityError):
            consents.add(conn, state, to, phone=b"p", now=NOW)


def test_the_consents_of_an_invite_are_counted(conn, made):
    consents.add(conn, b"state 2", "i1", phone=b"p", now=NOW)
    assert (consents.count(conn, "i1"), consents.count(conn, "i2")) == (2, 0)


def test_a_code_is_claimed_once(conn, made):
    assert consents.claim(conn, made, code=b"c1")
    assert not consents.claim(conn, made, code=b"c1"), "the repeat of the request"
    assert not consents.claim(conn, made, code=b"c2"), "while the first is being exchanged"
    assert not consents.claim(conn, b"other", code=b"c1")
    assert consents.find(conn, made).code == b"c1"


@pytest.mark.parametrize("outcome", ["snapshot", "unavailable", "platform-error", "code-expired"])
def test_where_nothing_was_decided_a_new_code_may_be_claimed(conn, made, outcome):
    consents.claim(conn, made, code=b"c1")
    consents.mark_outcome(conn, made, outcome)
    assert not consents.claim(conn, made, code=b"c1"), "the same code gets the same answer"
    assert consents.find(conn, made).outcome == outcome
    assert consents.claim(conn, made, code=b"c2")
    found = consents.find(conn, made)
    assert (found.code, found.outcome) == (b"c2", "")


@pytest.mark.parametrize("outcome", ["bound", "taken", "refused", "used", "confirm"])
def test_what_was_decided_stays_decided(conn, made, outcome):
    consents.claim(conn, made, code=b"c1")
    consents.mark_outcome(conn, made, outcome)
    assert not consents.claim(conn, made, code=b"c2")
    assert consents.find(conn, made).outcome == outcome


@pytest.mark.gen_test
async def test_of_many_who_claim_at_once_one_gets_it(db):
    def prepare(conn):
        ann = accounts.add(conn, "ann", "x", admin=False, now=NOW).id
        add(conn, invite(ann))
        consents.add(conn, b"state", "i1", phone=b"phone", now=NOW)

    await db.write(prepare)
    claims = [
        db.write(lambda conn, code=b"%d" % number: consents.claim(conn, b"state", code=code))
        for number in range(50)
    ]
    assert sum(await asyncio.gather(*claims)) == 1


@pytest.mark.parametrize("route", ["oauth", "scan"])
def test_a_consent_says_where_the_phones_yes_came_from(conn, ann, route):
    add(conn, invite(ann))
    consents.add(conn, b"state", "i1", phone=b"phone", now=NOW, route=route)
    assert consents.find(conn, b"state").route == route


def test_a_yes_of_a_browser_is_what_is_meant_where_nothing_is_said(conn, made):
    assert consents.find(conn, made).route == "oauth"
