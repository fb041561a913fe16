"""Work that goes on after the answer to whoever asked for it."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5


class Background:
    """Runs pieces of work beside everything else; :meth:`close` waits for them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on with ``work``; if it fails, the log says so and nobody else is hurt. Once this is
        closed, it is not begun."""
        if self._closed:
            log.debug("not begun, because everything stops: %r", work)
            work.close()
            return
        task = asyncio.create_task(_guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is ended before it has begun has not been taken up by anybody.
        task.add_done_callback(lambda _: work.close())

    async def settled(self) -> None:
        """Wait for what is under way, and what that begins, for a bounded time."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + CLOSE_SECONDS
        while self._tasks and (left := ends_at - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=left)

    async def close(self) -> None:
        """Wait as :meth:`settled` does; end what is still under way, and begin nothing more."""
        await self.settled()
        self._closed = True
        late = [*self._tasks]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("work in the background failed")
