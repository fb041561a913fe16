"""What the platform can be made to do wrong, path by path (platform document, section 12)."""

import asyncio
import contextlib
import random
from collections import deque
from dataclasses import dataclass

from wx.simulator.world import World

ANY = "*"  # in place of a path: every call; the faults of a path itself go before these
KINDS = ("answer", "drop", "hang", "lose_reply", "cut_reply", "truncate")
NOT_JSON = "<html><body><center><h1>502 Bad Gateway</h1></center><hr></body></html>\n"
# Ways to be down: what happens to every call. To refuse connections: Simulator.go_down.
DOWN = ("hang", "drop", "cut_reply", "bad_gateway", "truncate", "busy", "slow")


@dataclass
class Fault:
    """One wrong answer. ``times``: how often it is given; None is for ever."""

    kind: str  # one of KINDS
    times: int | None = 1
    errcode: int | None = None
    body: str | bytes | None = None
    status: int = 200
    content_type: str | None = None


class Faults:
    """The knobs. The faults of a path are met in the order they were set, then all is well again.

    A path may be :data:`ANY`; calls are what programs ask the platform, never what people do.

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
        self._chances: dict[str, tuple[float, random.Random, Fault]] = {}
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

    def cut_reply(self, path: str, times: int | None = 1) -> None:
        """Do the work, then close the connection without an answer."""
        self._add(path, Fault("cut_reply", times))

    def truncate(self, path: str, times: int | None = 1) -> None:
        """Do the work, then answer with the first half of the JSON only."""
        self._add(path, Fault("truncate", times))

    def drop(self, path: str, times: int | None = 1) -> None:
        """Close the connection without an answer, nothing being done."""
        self._add(path, Fault("drop", times))

    def hang(self, path: str, times: int | None = None) -> None:
        """Take the request and say nothing, until :meth:`release` or the end."""
        self._add(path, Fault("hang", times))

    def delay(self, path: str, seconds: float, times: int | None = None) -> None:
        """Answer, but only after ``seconds`` of real time."""
        self._delays[path] = (seconds, times)

    def sometimes(
        self, path: str, kind: str, chance: float, *, errcode: int = -1, seed: int = 0
    ) -> None:
        """Let a part of the calls meet a fault, by chance, until :meth:`clear`.

        Args:
            path: of the calls; a second word on it goes before the first.
            kind: one of :data:`KINDS`.
            chance: between 0 and 1.
            errcode: what is answered, where the kind is "answer".
            seed: the same seed makes the same choice of calls.
        """
        if kind not in KINDS:
            raise ValueError(f"no such kind of fault: {kind}")
        self._chances[path] = (chance, random.Random(seed), Fault(kind, None, errcode))

    def down(self, how: str, seconds: float = 30.0) -> None:
        """Let every call go wrong, until :meth:`up`.

        Args:
            how: hang, drop (before the work), cut_reply (after it), bad_gateway (502 with a page
                of HTML), truncate, busy (errcode -1) or slow.
            seconds: how slow.
        """
        if how not in DOWN:
            raise ValueError(f"no such way to be down: {how}; there are: {', '.join(DOWN)}")
        self.up()
        if how == "slow":
            self.delay(ANY, seconds)
        elif how == "bad_gateway":
            self.answer(ANY, body=NOT_JSON, status=502, content_type="text/html", times=None)
        elif how == "busy":
            self.answer(ANY, errcode=-1, times=None)
        else:
            self._add(ANY, Fault(how, None))

    def up(self) -> None:
        """Nothing is wrong with every call any more; those that hang or are slow end now."""
        self._faults.pop(ANY, None)
        self._delays.pop(ANY, None)
        self.release()

    def release(self) -> None:
        """Close the connections that hang, and cut delays short."""
        self._released.set()
        self._released = asyncio.Event()

    def clear(self) -> None:
        """All is well again."""
        self._faults.clear()
        self._delays.clear()
        self._chances.clear()
        self.allow_ips = None
        self.double_callback = None

    def kill_access_tokens(self, errcode: int = 40001) -> None:
        """Every access token given so far is answered with ``errcode`` from now on (1.5)."""
        for token in self._world.tokens.values():
            token.dead = token.dead or errcode

    def kill_js_tickets(self) -> None:
        """Every JS ticket given so far signs nothing any more; the next one is a new one."""
        for ticket in self._world.js_tickets.values():
            ticket.dead = True

    def take(self, path: str) -> Fault | None:
        """The fault that this call of ``path`` meets; it is used up by that."""
        faults = self._faults.get(path) or self._faults.get(ANY)
        if not faults:
            return self._by_chance(path) or self._by_chance(ANY)
        fault = faults[0]
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                faults.popleft()
        return fault

    async def wait(self, path: str) -> None:
        """Pass the delay that this call of ``path`` meets, if any."""
        if path not in self._delays:
            path = ANY
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

    def _by_chance(self, path: str) -> Fault | None:
        if path not in self._chances:
            return None
        chance, source, fault = self._chances[path]
        return fault if source.random() < chance else None

    async def _pause(self, seconds: float | None) -> None:
        released = self._released
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await released.wait()

    def _add(self, path: str, fault: Fault) -> None:
        self._faults.setdefault(path, deque()).append(fault)
