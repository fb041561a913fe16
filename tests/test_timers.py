"""Timers: nothing that their work does keeps the next run from coming."""

import asyncio
import logging
import time

import pytest

from wx import timers
from wx.timers import Timer, Timers


class Work:
    """Something to be done again and again; each run does the next of ``plans``, then nothing."""

    def __init__(self, *plans: str) -> None:
        self.plans = list(plans)
        self.runs = 0
        self.now = 0
        self.most = 0
        self.ended = 0
        self._ran = asyncio.Event()

    async def __call__(self) -> None:
        self.runs += 1
        self.now += 1
        self.most = max(self.most, self.now)
        self._ran.set()
        self._ran = asyncio.Event()
        try:
            await self._do(self.plans.pop(0) if self.plans else "")
            self.ended += 1
        finally:
            self.now -= 1

    async def _do(self, plan: str) -> None:
        if plan == "hang":
            await asyncio.Event().wait()
        if plan == "raise":
            raise ValueError("planted")
        if plan == "cancel":
            raise asyncio.CancelledError
        if plan == "time out":
            raise TimeoutError("its own")

    async def reached(self, runs: int) -> None:
        async with asyncio.timeout(5):
            while self.runs < runs:
                await self._ran.wait()


@pytest.mark.gen_test
async def test_the_first_run_comes_at_once_and_the_next_after_a_period() -> None:
    quick, slow = Work(), Work()
    made = Timers([Timer("quick", 0.02, quick), Timer("slow", 3600, slow)])
    made.start()
    await slow.reached(1)
    await quick.reached(4)
    await made.stop()
    assert slow.runs == 1


@pytest.mark.gen_test
@pytest.mark.parametrize("plan", ["hang", "raise", "cancel", "time out"])
async def test_a_bad_run_is_over_within_its_deadline_and_the_next_one_comes(
    plan: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(timers, "DEADLINE_SECONDS", 0.1)
    work, other = Work(plan, plan, plan), Work()
    made = Timers([Timer("work", 0.02, work), Timer("other", 0.02, other)])
    made.start()
    await work.reached(6)
    await other.reached(6)
    await made.stop()
    assert work.now == 0
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == {"hang": 3, "raise": 3, "cancel": 0, "time out": 3}[plan]
    said = "hung" if plan == "hang" else "failed"
    assert all(said in record.getMessage() for record in errors)


@pytest.mark.gen_test
async def test_a_run_never_overlaps_itself_not_even_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timers, "DEADLINE_SECONDS", 0.2)
    work, clock = Work("hang", "hang"), Work()
    made = Timers([Timer("work", 0.01, work), Timer("clock", 0.01, clock)])
    made.start()
    await work.reached(4)
    await made.stop()
    assert work.most == 1
    assert clock.runs > work.runs, "others went on meanwhile"


@pytest.mark.gen_test
async def test_a_wall_clock_that_is_set_back_keeps_no_run_from_coming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = Work()
    made = Timers([Timer("work", 0.02, work)])
    made.start()
    await work.reached(3)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    await work.reached(7)
    await made.stop()


@pytest.mark.gen_test
async def test_stopping_waits_for_the_run_under_way_and_starts_nothing_more() -> None:
    gate, work = asyncio.Event(), Work()

    async def waits() -> None:
        await work()
        await gate.wait()
        work.ended += 10

    made = Timers([Timer("waits", 0.01, waits)])
    made.start()
    await work.reached(1)
    stopping = asyncio.ensure_future(made.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    gate.set()
    await stopping
    assert work.ended == 11
    await asyncio.sleep(0.05)  # several periods, in which nothing may happen
    assert work.runs == 1


@pytest.mark.gen_test
async def test_stopping_ends_a_run_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "STOP_SECONDS", 0.05)
    work = Work("hang")
    made = Timers([Timer("work", 0.01, work)])
    made.start()
    await work.reached(1)
    before = len(asyncio.all_tasks())
    await made.stop()
    assert work.now == 0 and len(asyncio.all_tasks()) < before
