"""The machine's clock, and the one that tests move."""

import time

from tests.support import ManualClock
from wx.clock import Clock


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
