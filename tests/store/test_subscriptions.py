"""Subscription notices that are accepted and not used yet."""

from wx.store import subscriptions


def test_each_acceptance_allows_one_more_of_its_own_template_and_follower(conn):
    for follower, template in ((1, "a"), (1, "a"), (1, "b"), (2, "a")):
        subscriptions.mark_accepted(conn, follower, template)
    assert subscriptions.list_left(conn, 1) == {"a": 2, "b": 1}
    assert subscriptions.list_left(conn, 2) == {"a": 1}
    assert subscriptions.list_left(conn, 3) == {}


def test_each_use_takes_one_and_never_more_than_there_are(conn):
    for follower, template in ((1, "a"), (1, "a"), (1, "b"), (2, "a")):
        subscriptions.mark_accepted(conn, follower, template)
    subscriptions.mark_used(conn, 1, "a")
    assert subscriptions.list_left(conn, 1) == {"a": 1, "b": 1}
    for _ in range(3):
        subscriptions.mark_used(conn, 1, "a")
    assert subscriptions.list_left(conn, 1) == {"b": 1}
    assert subscriptions.list_left(conn, 2) == {"a": 1}
    subscriptions.mark_accepted(conn, 1, "a")
    assert subscriptions.list_left(conn, 1) == {"a": 1, "b": 1}


def test_who_takes_it_back_has_none_left_of_that_template(conn):
    for follower, template in ((1, "a"), (1, "a"), (1, "b"), (2, "a")):
        subscriptions.mark_accepted(conn, follower, template)
    subscriptions.mark_none_left(conn, 1, "a")
    assert subscriptions.list_left(conn, 1) == {"b": 1}
    assert subscriptions.list_left(conn, 2) == {"a": 1}


def test_what_nobody_has_accepted_and_who_was_never_seen_can_be_used_up_too(conn):
    subscriptions.mark_used(conn, 1, "a")
    subscriptions.mark_none_left(conn, 1, "a")
    assert subscriptions.list_left(conn, 1) == {}


def test_a_template_is_known_once_somebody_has_accepted_it_also_when_it_is_used_up(conn):
    assert not subscriptions.is_known(conn, "a")
    subscriptions.mark_accepted(conn, 1, "a")
    subscriptions.mark_used(conn, 1, "a")
    assert subscriptions.is_known(conn, "a")
    assert not subscriptions.is_known(conn, "b")
