"""Visits: one round of a browser through the platform's authorize page, which says who is there."""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from wx import secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, Refused
from wx.protocol import links
from wx.service import callback
from wx.service.rate import Rate
from wx.wechat.oauth import Grant, OAuth

log = logging.getLogger(__name__)

VISIT_SECONDS = 600  # for the way to the platform and back
CODE_SECONDS = 300  # that a code lives, so that it may be brought again
# For one share; those that succeed do not count: whoever plays with codes uses up their own.
EXCHANGES_PER_MINUTE = 200
REMEMBERED = 10_000  # exchanges; the oldest are forgotten

T = TypeVar("T")
_COOKIE = re.compile(r"([0-9]{1,12})\.[0-9A-Za-z]{43}")


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """What a browser brought back from the authorize page.

    Args:
        purpose: what it was sent away for.
        visit: the cookie that it was sent away with; "" if it has none.
        state: as we sent it along.
        code: for the exchange; "" if there is none.
        share: whose share of exchanges it counts to: where it came from, or the page that was
            opened.
    """

    purpose: str
    visit: str
    state: str
    code: str
    share: str


@dataclass(slots=True)
class _Known:
    """What became of one state and code: the person's grant, or why there is none; and the answer
    that was made of it, once there is one."""

    at: float
    grant: Grant | None = None
    refusal: Refused | None = None
    answer: object = field(default=None, repr=False)
    answered: bool = False


class Visits:
    """Sends browsers to the authorize page and takes them back, once for each code.

    A browser is known on its way by a cookie; the state is what the key makes of that cookie and
    of what the way is for, so a state that was made for another browser, or for something else,
    proves nothing. Nothing of it is stored: strangers cannot fill the disk.

    Args:
        key: the server's own key.
    """

    def __init__(self, clock: Clock, config: Config, oauth: OAuth, *, key: bytes) -> None:
        self._clock = clock
        self._config = config
        self._oauth = oauth
        self._key = key
        self._rate = Rate(clock, per_minute=EXCHANGES_PER_MINUTE)
        self._under_way: dict[bytes, asyncio.Task[object]] = {}
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def begin(
        self, purpose: str, visit: str, *, path: str, scope: str = "snsapi_base"
    ) -> tuple[str, str]:
        """The authorize page's address, and the browser's cookie for the way.

        Args:
            purpose: what it is for; coming back for anything else proves nothing.
            visit: the cookie that the browser has already, perhaps for another way; "" for none.
            path: where it comes back to, a path of ours.
            scope: ``snsapi_base`` asks the person nothing, ``snsapi_userinfo`` asks for the profile
                (platform document, 2.1).
        """
        ends = end_of(visit, self._clock.now(), seconds=VISIT_SECONDS)
        if ends - self._clock.now() < VISIT_SECONDS / 2:
            visit = f"{int(self._clock.now()) + VISIT_SECONDS}.{secret.new_secret()}"
        address = links.authorize(
            open_base=self._config.open_base,
            app_id=self._config.app_id,
            redirect_uri=f"{self._config.public_url}{path}",
            scope=scope,
            state=self._state(purpose, visit),
        )
        return address, visit

    async def arrive(self, arrival: Arrival, then: Callable[[Grant], Awaitable[T]]) -> T:
        """What ``then`` makes of the person who came back.

        The same arrival again, also at the same time, gets the same answer: its code is exchanged
        once, and ``then`` runs once, again only if it failed by itself.

        Args:
            then: always does the same for the same purpose; what it answers or refuses is kept for
                as long as a code lives.

        Raises:
            Refused: 403 another browser's way, or the code is no good, or a made-up person; 429
                too many codes; 502, 503 the platform did not say; and what ``then`` refuses.
        """
        right = self._state(arrival.purpose, arrival.visit)
        sent = end_of(arrival.visit, self._clock.now(), seconds=VISIT_SECONDS)
        if not sent or not secret.same(arrival.state.encode(), right.encode()):
            raise Refused(
                403,
                "unproved",
                "WeChat could not tell this site who you are: it took too long, or this browser"
                " keeps no cookies. Please try again.",
            )
        if not arrival.code:
            raise _refusal("code-expired")
        self._forget()
        name = secret.digest(f"{arrival.state} {arrival.code}")
        known = self._known.get(name)
        if known is None or not (known.refusal or known.answered):
            # A phone that goes away must not end the exchange that its own repeat waits for.
            return cast(T, await asyncio.shield(self._task(name, arrival, then)))
        if known.refusal:
            raise _again(known.refusal)
        return cast(T, known.answer)

    async def close(self) -> None:
        """End the exchanges that nobody waits for any more."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _task(
        self, name: bytes, arrival: Arrival, then: Callable[[Grant], Awaitable[Any]]
    ) -> "asyncio.Task[object]":
        if name not in self._under_way:
            if name not in self._known:
                self._rate.take(arrival.share)
            task = asyncio.create_task(self._answer(name, arrival, then), name="visit")
            self._under_way[name] = task
            task.add_done_callback(partial(self._done, name))
        return self._under_way[name]

    async def _answer(
        self, name: bytes, arrival: Arrival, then: Callable[[Grant], Awaitable[Any]]
    ) -> object:
        known = self._known.get(name)
        if known is None:
            known = await self._exchange(arrival.code)
            self._known[name] = known
            if known.grant:
                self._rate.give_back(arrival.share, 1)
        if known.refusal:
            raise _again(known.refusal)
        assert known.grant is not None
        try:
            known.answer = await then(known.grant)
        except Refused as refusal:
            known.refusal, known.grant = _again(refusal), None
            raise
        known.answered, known.grant = True, None
        return known.answer

    async def _exchange(self, code: str) -> _Known:
        now = self._clock.monotonic()
        try:
            grant = await self._oauth.exchange(code)
        except PlatformError as error:
            log.warning("who visits is not known: %s", error)
            return _Known(now, refusal=_refusal(callback.outcome_of(error)))
        # Its openid is made up, and has been seen to be a real user's (platform document, 2.6).
        if grant.snapshot:
            return _Known(now, refusal=_refusal("snapshot"))
        return _Known(now, grant)

    def _done(self, name: bytes, task: "asyncio.Task[object]") -> None:
        del self._under_way[name]
        if not task.cancelled():
            task.exception()  # looked at, also when everybody has gone

    def _forget(self) -> None:
        before = self._clock.monotonic() - CODE_SECONDS
        while self._known:
            if next(iter(self._known.values())).at > before and len(self._known) < REMEMBERED:
                return
            self._known.popitem(last=False)

    def _state(self, purpose: str, visit: str) -> str:
        return secret.derive(self._key, f"visit {purpose} {visit}")


def end_of(cookie: str, now: float, *, seconds: int) -> int:
    """When a cookie that holds for so long ends, in Unix time; 0 for one that does not hold."""
    found = _COOKIE.fullmatch(cookie)
    ends = int(found[1]) if found else 0
    return ends if 0 < ends - now <= seconds else 0


def _again(refusal: Refused) -> Refused:
    """A refusal that has not been raised yet. One that is kept gathers the frames of all who get
    it, and with them their requests."""
    return Refused(
        refusal.status,
        refusal.code,
        refusal.message,
        retry_after=refusal.retry_after,
        hint=refusal.hint,
        more=refusal.more,
        **refusal.details,
    )


def _refusal(problem: str) -> Refused:
    if problem == "code-expired":
        return Refused(403, problem, "WeChat's permission is over. Please try again.")
    return callback.refusal(problem)
