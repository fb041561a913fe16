"""The plain values."""

from dataclasses import FrozenInstanceError

import pytest

from wx.model import Browser, InviteState, Profile


def test_the_states_are_the_words_of_a_live_frame():
    assert [str(state) for state in InviteState] == [
        "waiting",
        "scanned",
        "bound",
        "refused",
        "taken",
        "expired",
        "failed",
    ]


def test_an_invite_can_be_completed_until_it_is_settled():
    assert [state for state in InviteState if state.open] == ["waiting", "scanned", "failed"]


def test_a_profile_needs_no_more_than_an_openid_and_shares_no_list():
    one, other = Profile("o-1"), Profile("o-2")
    one.privilege.append("x")
    assert other.privilege == []
    assert (one.nickname, one.sex) == ("", 0)


def test_values_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Browser().name = "x"  # type: ignore[misc]
