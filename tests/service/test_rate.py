"""So many at once, and as many again in each minute."""

import pytest

from tests.support import ManualClock
from wx.errors import Refused
from wx.service import rate
from wx.service.rate import Rate


def taken(made: Rate, key: object, tries: int) -> int:
    """How many of so many tries are let through."""
    count = 0
    for _ in range(tries):
        try:
            made.take(key)
        except Refused as refusal:
            assert (refusal.status, refusal.code) == (429, "too-many-tries")
        else:
            count += 1
    return count


def test_a_full_bucket_then_as_many_as_flow_in_and_never_more_than_it_holds() -> None:
    clock = ManualClock()
    made = Rate(clock, per_minute=10)
    assert taken(made, 1, 30) == 10
    clock.advance(5.9)
    assert taken(made, 1, 30) == 0
    clock.advance(0.2)
    assert taken(made, 1, 30) == 1
    clock.advance(30)
    assert taken(made, 1, 30) == 5
    clock.advance(3600)
    assert taken(made, 1, 30) == 10


def test_each_has_a_bucket_of_its_own() -> None:
    made = Rate(ManualClock(), per_minute=2)
    assert taken(made, 1, 5) == 2
    assert taken(made, 2, 5) == 2


def test_a_refusal_says_when_to_come_again_and_then_it_is_let_through() -> None:
    clock = ManualClock()
    made = Rate(clock, per_minute=10)
    taken(made, 1, 10)
    clock.advance(2)
    with pytest.raises(Refused) as refused:
        made.take(1)
    wait = refused.value.retry_after
    assert wait == pytest.approx(4)
    assert wait is not None
    clock.advance(wait + 0.001)
    made.take(1)


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "REMEMBERED", 3)
    made = Rate(ManualClock(), per_minute=1)
    for key in range(10):
        made.take(key)
    assert len(made._buckets) == 3
    assert taken(made, 9, 1) == 0, "the last are"


def test_whoever_goes_on_is_not_the_one_who_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "REMEMBERED", 3)
    made = Rate(ManualClock(), per_minute=2)
    for key in range(3):
        made.take(key)
    made.take(0)
    made.take(3)
    assert taken(made, 0, 1) == 0


def test_many_at_once_are_all_taken_or_none_and_more_than_it_holds_is_a_debt() -> None:
    clock = ManualClock()
    made = Rate(clock, per_minute=60)
    assert made.try_take(1, 40) == 0
    assert made.try_take(1, 25) == pytest.approx(5)
    assert made.try_take(1, 20) == 0
    assert (made.try_take(1, 1), made.try_take(1, 0)) == (pytest.approx(1), 0)
    assert made.try_take(1, 5, before=1) == pytest.approx(6)
    clock.advance(59)
    assert made.try_take(1, 600) == pytest.approx(1)
    clock.advance(1)
    assert made.try_take(1, 600) == 0
    assert made.try_take(1, 1) == pytest.approx(541)
    assert made.try_take(1, 0) == 0, "whoever takes nothing owes nothing"
    clock.advance(541)
    made.take(1)


def test_what_is_given_back_can_be_taken_again_and_no_more_than_it_holds() -> None:
    made = Rate(ManualClock(), per_minute=10)
    made.try_take(1, 8)
    made.give_back(1, 5)
    assert taken(made, 1, 20) == 7
    made.give_back(1, 50)
    assert taken(made, 1, 20) == 10
