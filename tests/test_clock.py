"""The machine's clock, and the one that tests move."""

import time

from tests.support import ManualClock
from wx.clock import Clock, when


def test_the_clock_tells_unix_time_and_a_time_that_never_goes_back(monkeypatch):
    clock = Clock()
    assert abs(clock.now() - time.time()) < 60
    first = clock.monotonic()
    assert clock.monotonic() >= first
    monkeypatch.setattr(time, "time", lambda: 5.0)
    monkeypatch.setattr(time, "monotonic", lambda: 7.0)
    assert (clock.now(), clock.monotonic()) == (5.0, 7.0)


def test_the_tests_clock_stands_still_until_it_is_moved():
    clock = ManualClock(100.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 100.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 102.5)


def test_a_moment_is_told_in_the_time_zone_of_the_machine(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert when(1_800_000_000.9) == "2027-01-15 16:00"
    finally:
        monkeypatch.undo()
        time.tzset()
