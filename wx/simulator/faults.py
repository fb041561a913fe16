"""What the platform can be made to do wrong, path by path (platform document, section 12)."""

import asyncio
from collections import deque
from dataclasses import dataclass

from wx.simulator.world import World


@dataclass
class Fault:
    """One wrong answer. ``times``: how often it is given; None is for ever."""

    kind: str  # "answer", "drop", "hang" or "lose_reply"
    times: int | None = 1
    errcode: int | None = None
    body: str | bytes | None = None
    status: int = 200
    content_type: str | None = None


class Faults:
    """The knobs. The faults of a path are met in the order they were set, then all is well again.

    Attributes:
        allow_ips: the addresses that may fetch an access token; None allows all (10.5).
        double_callback: seconds between two requests of the phone for the same callback,
            0 for both at once; None for one request only (2.1).
    """

    def __init__(self, world: World) -> None:
        self.allow_ips: list[str] | None = None
        self.double_callback: float | None = None
        self._world = world
        self._faults: dict[str, deque[Fault]] = {}
        self._delays: dict[str, tuple[float, int | None]] = {}
        self._released = asyncio.Event()

    def answer(
        self,
        path: str,
        *,
        errcode: int | None = None,
        body: str | bytes | None = None,
        status: int = 200,
        content_type: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Answer with this error code, or with this body and status, instead of doing the work."""
        fault = Fault("answer", times, errcode, body, status, content_type)
        self._add(path, fault)

    def lose_reply(self, path: str, times: int | None = 1) -> None:
        """Do the work, then answer -1."""
        self._add(path, Fault("lose_reply", times))

    def drop(self, path: str, times: int | None = 1) -> None:
        """Close the connection without an answer."""
        self._add(path, Fault("drop", times))

    def hang(self, path: str, times: int | None = None) -> None:
        """Take the request and say nothing, until :meth:`release` or the end."""
        self._add(path, Fault("hang", times))

    def delay(self, path: str, seconds: float, times: int | None = None) -> None:
        """Answer, but only after ``seconds`` of real time."""
        self._delays[path] = (seconds, times)

    def release(self) -> None:
        """Close the connections that hang, and cut delays short."""
        self._released.set()
        self._released = asyncio.Event()

    def clear(self) -> None:
        """All is well again."""
        self._faults.clear()
        self._delays.clear()
        self.allow_ips = None
        self.double_callback = None

    def kill_access_tokens(self, errcode: int = 40001) -> None:
        """Every access token given so far is answered with ``errcode`` from now on (1.5)."""
        for token in self._world.tokens.values():
            token.dead = token.dead or errcode

    def take(self, path: str) -> Fault | None:
        """The fault that this call of ``path`` meets; it is used up by that."""
        faults = self._faults.get(path)
        if not faults:
            return None
        fault = faults[0]
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                faults.popleft()
        return fault

    async def wait(self, path: str) -> None:
        """Pass the delay that this call of ``path`` meets, if any."""
        seconds, times = self._delays.get(path, (0.0, None))
        if times is not None:
            self._delays[path] = (seconds, times - 1)
            if times <= 1:
                del self._delays[path]
        if seconds > 0:
            await self._pause(seconds)

    async def hold(self) -> None:
        """Wait until :meth:`release`."""
        await self._pause(None)

    async def _pause(self, seconds: float | None) -> None:
        released = self._released
        try:
            await asyncio.wait_for(released.wait(), seconds)
        except TimeoutError:
            return

    def _add(self, path: str, fault: Fault) -> None:
        self._faults.setdefault(path, deque()).append(fault)
