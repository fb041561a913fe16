"""What is done again and again: one row each."""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tornado.ioloop import PeriodicCallback

log = logging.getLogger(__name__)

STOP_SECONDS = 3  # that a run under way gets when the server stops
DEADLINE_SECONDS = 20  # longer than the longest wait inside, so that it never is the usual end


@dataclass(frozen=True, slots=True)
class Timer:
    """``work`` is done every ``seconds``; it only asks whether something is due, because the
    callback follows the wall clock and what is due follows the monotonic one."""

    name: str
    seconds: float
    work: Callable[[], Awaitable[None]]


class Timers:
    """Runs timers. None of them overlaps itself, wedges, or is lost when its work fails."""

    def __init__(self, timers: list[Timer]) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}  # by the timer's name
        self._timers = timers
        self._callbacks = [
            PeriodicCallback(functools.partial(self._run, timer), timer.seconds * 1000)
            for timer in timers
        ]

    def start(self) -> None:
        """Do everything once now, and then in its period."""
        for callback, timer in zip(self._callbacks, self._timers, strict=True):
            # The first run of a PeriodicCallback comes after a whole period.
            self._spawn(timer)
            callback.start()

    async def stop(self) -> None:
        """Start nothing more, and wait for what is under way, for a bounded time."""
        for callback in self._callbacks:
            callback.stop()  # which does not wait for the run under way
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, timer: Timer) -> None:
        await asyncio.wait([self._spawn(timer)])

    def _spawn(self, timer: Timer) -> "asyncio.Task[None]":
        # The first run, of start(), may still be under way when the first period is over.
        if task := self._running.get(timer.name):
            return task
        task = asyncio.create_task(_bounded(timer), name=f"timer {timer.name}")
        self._running[timer.name] = task
        task.add_done_callback(lambda _: self._running.pop(timer.name))
        return task


async def _bounded(timer: Timer) -> None:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS) as limit:
            await timer.work()
    except TimeoutError:
        if limit.expired():
            log.error("timer %s hung and was ended after %g s", timer.name, DEADLINE_SECONDS)
        else:
            log.exception("timer %s failed", timer.name)
    except Exception:
        log.exception("timer %s failed", timer.name)
