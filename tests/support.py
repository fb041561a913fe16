"""What several tests share: a clock that a test moves, and ports to come back to."""

import random
import socket

from wx.clock import Clock

# Below those that systems give out by themselves: what runs beside a test does not take the port of
# a server that is just coming back to it.
_PORTS = range(11_000, 32_000)


class ManualClock(Clock):
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._jumped = 0.0

    def now(self) -> float:
        return self._now + self._jumped

    def monotonic(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._now += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock on by ``seconds``, or back; no time passes."""
        self._jumped += seconds


def free_port() -> int:
    """A port of this machine that nobody has."""
    for _ in range(100):
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no port is free")
