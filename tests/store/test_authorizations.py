"""Authorizations: kept one for each follower, replaced only where nobody was faster, forgotten."""

from dataclasses import replace

import pytest

from tests.store.conftest import APP, NOW
from wx.store import authorizations, bindings, followers
from wx.store.authorizations import Sealed

DAY = 86400


@pytest.fixture
def wang(conn):
    return followers.use(conn, APP, "o-wang")


@pytest.fixture
def li(conn):
    return followers.use(conn, APP, "o-li")


def purge(conn, *, now=NOW):
    return authorizations.purge(
        conn, now=now, unbound_before=now - DAY, ends_before=now - DAY + 30 * DAY
    )


def kept(conn):
    return sorted(authorizations.list_followers(conn))


def test_each_follower_has_one_and_a_newer_takes_its_place(conn, wang, li):
    one, two = Sealed(wang, b"one", NOW + 9), Sealed(wang, b"two", NOW + 99)
    authorizations.keep(conn, one)
    authorizations.keep(conn, Sealed(li, b"li", NOW + 9))
    assert authorizations.find(conn, wang, now=NOW) == one
    authorizations.keep(conn, two)
    assert authorizations.find(conn, wang, now=NOW) == two
    assert authorizations.find(conn, li, now=NOW).blob == b"li"
    assert kept(conn) == [wang, li]
    assert not authorizations.is_kept(conn, one) and authorizations.is_kept(conn, two)


def test_one_that_is_over_is_not_found(conn, wang):
    authorizations.keep(conn, Sealed(wang, b"one", NOW))
    assert authorizations.find(conn, wang, now=NOW - 1) is not None
    assert authorizations.find(conn, wang, now=NOW) is None
    assert authorizations.find(conn, wang + 1, now=NOW - 1) is None


def test_it_is_replaced_or_removed_only_where_it_still_is_what_is_kept(conn, wang, li):
    old, new = Sealed(wang, b"old", NOW + 9), Sealed(wang, b"new", NOW + 99)
    authorizations.keep(conn, old)
    authorizations.keep(conn, Sealed(li, b"old", NOW + 9))
    assert authorizations.replace(conn, old, new)
    assert not authorizations.replace(conn, old, replace(old, blob=b"late"))
    assert not authorizations.remove(conn, old)
    assert authorizations.find(conn, wang, now=NOW) == new
    assert authorizations.find(conn, li, now=NOW) == Sealed(li, b"old", NOW + 9)
    assert authorizations.remove(conn, new)
    assert not authorizations.remove(conn, new) and not authorizations.replace(conn, new, old)
    assert kept(conn) == [li]
    authorizations.remove_of_follower(conn, li)
    assert kept(conn) == []


def test_what_is_sealed_is_in_no_repr():
    assert "secret" not in repr(Sealed(1, b"secret", NOW))


@pytest.mark.parametrize(
    ("ended", "given", "stays"),
    [
        (None, 29 * DAY, True),  # bound still
        (DAY - 1, 29 * DAY, True),  # unbound less than a day ago
        (DAY + 1, 29 * DAY, False),
        (DAY + 1, DAY + 1, False),
        (DAY + 1, DAY - 1, True),  # agreed again since then
        (None, 30 * DAY, False),  # over
        (1, 30 * DAY, False),
    ],
)
def test_it_goes_a_day_after_the_binding_or_when_it_is_over(conn, ann, wang, ended, given, stays):
    """``ended`` and ``given``: so many seconds ago the binding ended, the person agreed."""
    binding = bindings.add(conn, APP, ann, wang, route="oauth", now=NOW - 60 * DAY)
    if ended:
        bindings.mark_ended(conn, binding, now=NOW - ended)
    authorizations.keep(conn, Sealed(wang, b"x", NOW - given + 30 * DAY))
    assert purge(conn) == (0 if stays else 1)
    assert kept(conn) == ([wang] if stays else [])


def test_that_of_somebody_who_was_never_bound_stays_a_day(conn, ann, wang, li):
    bindings.add(conn, APP, ann, li, route="oauth", now=NOW)
    for follower in (wang, li):
        authorizations.keep(conn, Sealed(follower, b"x", NOW + 30 * DAY))
    assert purge(conn, now=NOW + DAY - 1) == 0
    assert purge(conn, now=NOW + DAY + 1) == 1
    assert kept(conn) == [li]


def test_an_earlier_binding_does_not_end_what_a_present_one_stands_on(conn, ann, bob, wang):
    first = bindings.add(conn, APP, ann, wang, route="oauth", now=NOW)
    bindings.mark_ended(conn, first, now=NOW + 1)
    bindings.add(conn, APP, bob, wang, route="oauth", now=NOW + 2)
    authorizations.keep(conn, Sealed(wang, b"x", NOW + 30 * DAY))
    assert purge(conn, now=NOW + 20 * DAY) == 0


def test_it_goes_with_the_follower(conn, ann, wang, li):
    """Where history names somebody the row stays; what they allowed does not."""
    binding = bindings.add(conn, APP, ann, wang, route="oauth", now=NOW)
    bindings.mark_ended(conn, binding, now=NOW)
    for follower in (wang, li):
        authorizations.keep(conn, Sealed(follower, b"x", NOW + 30 * DAY))
    assert followers.purge(conn, ended_before=NOW + 1) == 2
    assert followers.find(conn, wang).profile.openid.startswith("forgotten:")
    assert followers.find(conn, li) is None
    assert kept(conn) == []
