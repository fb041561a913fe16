"""Guessing is slowed, and only the one who guesses is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import ManualClock
from wx.errors import Refused
from wx.service import throttle
from wx.service.throttle import Throttle


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def guard(clock: ManualClock) -> Throttle:
    return Throttle(clock)


def attempt(
    guard: Throttle, *, name: str = "ann", address: str = "192.0.2.1", device: str | None = None
) -> float:
    """The wait before this try, or that it was refused with."""
    try:
        return guard.begin(name=name, address=address, device=device)
    except Refused as refusal:
        assert refusal.status == 429 and refusal.retry_after is not None
        return refusal.retry_after


def test_five_failures_are_free_and_slow_the_sixth_down(guard: Throttle) -> None:
    assert [attempt(guard) for _ in range(5)] == [0, 0, 0, 0, 0]
    assert attempt(guard) > 0


def test_the_wait_grows_with_each_failure_up_to_a_bound(
    guard: Throttle, clock: ManualClock
) -> None:
    waits = []
    for _ in range(5):
        attempt(guard)
    for _ in range(12):
        waits.append(attempt(guard))
        clock.advance(waits[-1])
        attempt(guard)
    assert waits == sorted(waits)
    assert waits[0] < waits[2] < waits[4]
    assert waits[-1] == throttle.MAX_DELAY_SECONDS


def test_a_guesser_who_waits_as_told_gets_thirty_tries_in_an_hour(
    guard: Throttle, clock: ManualClock
) -> None:
    end = clock.monotonic() + 3600
    tries = 0
    while clock.monotonic() < end:
        try:
            wait = guard.begin(name="ann", address=f"192.0.2.{tries}", device=None)
            tries += 1
        except Refused as refusal:
            assert refusal.retry_after is not None
            wait = refusal.retry_after
        clock.advance(wait)
    assert 20 < tries <= 30


def test_a_wait_that_is_refused_is_not_counted_as_a_try(
    guard: Throttle, clock: ManualClock
) -> None:
    for _ in range(7):
        attempt(guard)
    wait = attempt(guard)
    assert wait > throttle.HOLD_SECONDS
    for _ in range(50):
        attempt(guard)
    assert attempt(guard) == wait
    clock.advance(wait)
    assert attempt(guard) == 0


def test_a_success_forgets_the_failures_of_the_name(guard: Throttle) -> None:
    for _ in range(5):
        attempt(guard)
    guard.succeeded(name="ann", address="192.0.2.1", device=None)
    assert [attempt(guard) for _ in range(5)] == [0, 0, 0, 0, 0]


def test_a_name_in_another_case_is_the_same_name(guard: Throttle) -> None:
    for name in ("ann", "Ann", "ANN", "aNN", "anN"):
        attempt(guard, name=name)
    assert attempt(guard, name="AnN") > 0


def test_a_known_device_is_not_slowed_by_an_attack_on_its_name(guard: Throttle) -> None:
    for number in range(30):
        attempt(guard, address=f"198.51.100.{number}")
    assert attempt(guard, address="192.0.2.1", device="hers") == 0


def test_a_known_device_is_slowed_by_its_own_failures(guard: Throttle) -> None:
    for _ in range(5):
        attempt(guard, device="hers")
    assert attempt(guard, device="hers") > 0
    assert attempt(guard, name="ann", device=None) == 0


def test_an_address_that_tries_many_names_is_slowed(guard: Throttle) -> None:
    waits = [attempt(guard, name=f"name{number}") for number in range(21)]
    assert waits[:20] == [0] * 20
    assert waits[20] > 0
    assert attempt(guard, name="other", address="192.0.2.2") == 0


def test_signing_in_to_an_own_account_does_not_free_the_address(
    guard: Throttle, clock: ManualClock
) -> None:
    waits = []
    for number in range(25):
        clock.advance(0.2)  # so that the bound for everybody together has no part in it
        waits.append(attempt(guard, name=f"victim{number}"))
        if attempt(guard, name="mallory") == 0:
            guard.succeeded(name="mallory", address="192.0.2.1", device=None)
    assert max(waits) > 0


def test_a_known_device_is_not_slowed_by_its_neighbours(guard: Throttle) -> None:
    for number in range(25):
        attempt(guard, name=f"name{number}")
    assert attempt(guard, name="other") > 0
    assert attempt(guard, device="hers") == 0


def test_an_ipv6_user_has_one_address_in_the_whole_64(guard: Throttle) -> None:
    for number in range(20):
        attempt(guard, name=f"name{number}", address=f"2001:db8::{number:x}")
    assert attempt(guard, name="more", address="2001:db8::ffff:1") > 0
    assert attempt(guard, name="more2", address="2001:db8:0:1::1") == 0


def test_everybody_together_gets_sixty_at_once_and_twenty_a_second(
    guard: Throttle, clock: ManualClock
) -> None:
    def crowd(size: int, start: int) -> int:
        return sum(
            attempt(guard, name=f"n{number}", address=f"10.{number // 250}.0.{number % 250}") == 0
            for number in range(start, start + size)
        )

    assert crowd(200, 0) == 60
    clock.advance(1)
    assert crowd(200, 200) == 20


def test_a_crowd_does_not_stop_a_known_device(guard: Throttle) -> None:
    for number in range(100):
        attempt(guard, name=f"n{number}", address=f"10.0.0.{number}")
    assert attempt(guard, name="ann", address="10.0.1.1", device="known") == 0


def test_failures_are_forgotten_after_an_hour(guard: Throttle, clock: ManualClock) -> None:
    for _ in range(6):
        attempt(guard)
    clock.advance(throttle.FORGET_SECONDS + 1)
    assert [attempt(guard) for _ in range(5)] == [0] * 5


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 400)), max_size=60))
def test_no_history_makes_a_try_wait_longer_than_the_bound(
    history: list[tuple[int, float]],
) -> None:
    clock = ManualClock()
    guard = Throttle(clock)
    for name, pause in history:
        assert attempt(guard, name=f"name{name}") <= throttle.MAX_DELAY_SECONDS
        clock.advance(pause)


def test_names_without_end_do_not_fill_the_memory(
    guard: Throttle, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "REMEMBERED", 50)
    for number in range(500):
        clock.advance(1)
        attempt(guard, name=f"name{number}", address=f"10.0.{number // 250}.{number % 250}")
    assert len(guard._records) <= 50


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:7:ff00::1", "2001:db8:7::/48"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_a_neighbourhood_is_what_one_party_may_own_whole(address: str, network: str) -> None:
    assert throttle.neighbourhood(address) == network
