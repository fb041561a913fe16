"""What is done again and again: one row each."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

STOP_SECONDS = 3  # that a run under way gets when the server stops
DEADLINE_SECONDS = 20  # longer than the longest wait inside, so that it never is the usual end


@dataclass(frozen=True, slots=True)
class Timer:
    """``work`` is done every ``seconds``; it only asks whether something is due."""

    name: str
    seconds: float
    work: Callable[[], Awaitable[None]]


class Timers:
    """Runs timers. None of them overlaps itself, wedges, or is lost when its work fails."""

    def __init__(self, timers: list[Timer]) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}  # by the timer's name
        self._timers = timers
        self._next: dict[str, asyncio.TimerHandle] = {}  # by the timer's name

    def start(self) -> None:
        """Do everything once now, and then in its period."""
        for timer in self._timers:
            self._begin(timer)

    async def stop(self) -> None:
        """Start nothing more, and wait for what is under way, for a bounded time."""
        for handle in self._next.values():
            handle.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(self, timer: Timer) -> None:
        # Not by a PeriodicCallback, which goes by the wall clock: set back by an hour, that clock
        # would let nothing happen for an hour.
        loop = asyncio.get_running_loop()
        self._next[timer.name] = loop.call_later(timer.seconds, self._begin, timer)
        if timer.name in self._running:
            return
        task = asyncio.create_task(_bounded(timer), name=f"timer {timer.name}")
        self._running[timer.name] = task
        task.add_done_callback(lambda _: self._running.pop(timer.name))


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
