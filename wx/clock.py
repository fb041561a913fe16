"""Where the program gets the time from, so that a test can move it."""

import time


class Clock:
    """The machine's clock."""

    def now(self) -> float:
        """Unix time in seconds; only for what is stored or shown, because it may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds from some start, never backwards; for everything that expires in memory."""
        return time.monotonic()


def when(unix_time: float) -> str:
    """A moment in the server's own time zone, as both languages read it."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix_time))
