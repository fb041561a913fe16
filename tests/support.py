"""What several tests share: a clock that a test moves, and the world that it lives in."""

from wx.clock import Clock


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
