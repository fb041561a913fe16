"""What a verb does that runs until somebody ends it."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

GIVE_UP_SECONDS = 15  # after the signal to stop, the process ends whatever hangs


def until_signal(run: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run until SIGINT or SIGTERM; then the process ends by itself, or is ended.

    Args:
        run: the work; the event that it is given is set once it should end.
    """

    # A thread that draws a code, or reads the database, gives way to the loop after 1 ms, not 5.
    sys.setswitchinterval(0.001)

    async def work() -> None:
        stopped = asyncio.Event()

        def stop() -> None:
            stopped.set()
            last_resort = threading.Timer(GIVE_UP_SECONDS, os._exit, [1])
            last_resort.daemon = True
            last_resort.start()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        await run(stopped)

    asyncio.run(work())
    return 0


def place(address: str, port: int) -> str:
    """Address and port, as they stand in a URL."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
