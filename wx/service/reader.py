"""Readers: whoever opens the page of a notice in WeChat shows, by one silent round through the
platform, that the notice is for them."""

import asyncio
import logging
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial

from wx import secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, Refused
from wx.protocol import links
from wx.service import callback
from wx.service.rate import Rate
from wx.wechat.oauth import OAuth

log = logging.getLogger(__name__)

VISIT_SECONDS = 600  # for the way to the platform and back
READER_SECONDS = 3600  # that a browser is known afterwards
CODE_SECONDS = 300  # that a code lives, so that it may be brought again
EXCHANGES_PER_MINUTE = 30  # for each page
REMEMBERED = 10_000  # exchanges; the oldest are forgotten

_COOKIE = re.compile(r"([0-9]{1,12})\.[0-9A-Za-z]{43}")


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """What a browser brought back from the authorize page.

    Args:
        page: the secret of the notice's page, which it asks for.
        visit: the cookie that it was sent away with; "" if it has none.
        state: as we sent it along.
        code: for the exchange; "" if there is none.
    """

    page: str
    visit: str
    state: str
    code: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What an exchange came to: an openid, or the name of what was wrong."""

    openid: str = field(default="", repr=False)
    problem: str = ""


class Readers:
    """Knows a browser by two cookies that the key makes: one for the way to the platform and back,
    one for an hour of reading. Nothing of it is stored.

    Args:
        key: the server's own key.
    """

    def __init__(self, clock: Clock, config: Config, oauth: OAuth, *, key: bytes) -> None:
        self._clock = clock
        self._config = config
        self._oauth = oauth
        self._key = key
        self._rate = Rate(clock, per_minute=EXCHANGES_PER_MINUTE)
        self._under_way: dict[bytes, asyncio.Task[_Outcome]] = {}
        self._known: OrderedDict[bytes, tuple[float, _Outcome]] = OrderedDict()

    def knows(self, reader: str, openid: str) -> bool:
        """Whether this cookie is one that :meth:`prove` gave to the WeChat user ``openid``."""
        ends = self._end_of(reader, seconds=READER_SECONDS)
        right = self._reader(openid, ends)
        return bool(ends) and secret.same(reader.encode(), right.encode())

    def begin(self, page: str, visit: str) -> tuple[str, str]:
        """The authorize page's address for a browser that is not known, and its cookie for the way.

        Args:
            page: the secret of the notice's page.
            visit: the cookie that it has already, perhaps for another notice; "" for none.
        """
        ends = self._end_of(visit, seconds=VISIT_SECONDS)
        if ends - self._clock.now() < VISIT_SECONDS / 2:
            visit = f"{int(self._clock.now()) + VISIT_SECONDS}.{secret.new_secret()}"
        address = links.authorize(
            open_base=self._config.open_base,
            app_id=self._config.app_id,
            redirect_uri=f"{self._config.public_url}/n/{page}",
            scope="snsapi_base",  # asks nothing, whatever ``bind_scope`` is
            state=self._state(page, visit),
        )
        return address, visit

    async def prove(self, arrival: Arrival, openid: str) -> str:
        """The cookie of a browser that came back as the WeChat user ``openid``.

        The same arrival again, also at the same time, gets the same answer; its code is exchanged
        once.

        Raises:
            Refused: 403 another browser's way, another user, or the code is no good; 429 too many
                for this page; 502, 503 the platform did not say.
        """
        right = self._state(arrival.page, arrival.visit)
        sent = self._end_of(arrival.visit, seconds=VISIT_SECONDS)
        if not sent or not secret.same(arrival.state.encode(), right.encode()):
            raise Refused(
                403,
                "unproved",
                "WeChat could not tell this site who you are: it took too long, or this browser"
                " keeps no cookies. Please try again.",
            )
        if not arrival.code:
            raise _refusal("code-expired")
        outcome = await self._outcome(arrival)
        if outcome.problem:
            raise _refusal(outcome.problem)
        if not secret.same(outcome.openid.encode(), openid.encode()):
            raise Refused(
                403,
                "not-yours",
                "This notice is for somebody else. It opens only in the WeChat that its account"
                " is bound to.",
            )
        return self._reader(openid, int(self._clock.now()) + READER_SECONDS)

    async def close(self) -> None:
        """End the exchanges that nobody waits for any more."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _outcome(self, arrival: Arrival) -> _Outcome:
        name = secret.digest(f"{arrival.state} {arrival.code}")
        self._forget()
        if name in self._known:
            return self._known[name][1]
        if name not in self._under_way:
            self._rate.take(arrival.page)
            task = asyncio.create_task(self._exchange(arrival.code), name="reader")
            self._under_way[name] = task
            task.add_done_callback(partial(self._keep, name))
        # A phone that goes away must not end the exchange that its own repeat waits for.
        return await asyncio.shield(self._under_way[name])

    async def _exchange(self, code: str) -> _Outcome:
        try:
            grant = await self._oauth.exchange(code)
        except PlatformError as error:
            log.warning("reader of a notice not known: %s", error)
            return _Outcome(problem=callback.outcome_of(error))
        # Its openid is made up, and has been seen to be a real user's (platform document, 2.6).
        return _Outcome(problem="snapshot") if grant.snapshot else _Outcome(grant.openid)

    def _keep(self, name: bytes, task: "asyncio.Task[_Outcome]") -> None:
        del self._under_way[name]
        if not task.cancelled() and task.exception() is None:
            self._known[name] = (self._clock.monotonic(), task.result())

    def _forget(self) -> None:
        before = self._clock.monotonic() - CODE_SECONDS
        while self._known:
            at, _ = next(iter(self._known.values()))
            if at > before and len(self._known) < REMEMBERED:
                return
            self._known.popitem(last=False)

    def _end_of(self, cookie: str, *, seconds: int) -> int:
        """When a cookie that holds for so long ends, in Unix time; 0 for one that does not hold."""
        found = _COOKIE.fullmatch(cookie)
        ends = int(found[1]) if found else 0
        return ends if 0 < ends - self._clock.now() <= seconds else 0

    def _state(self, page: str, visit: str) -> str:
        return secret.derive(self._key, f"visit {page} {visit}")

    def _reader(self, openid: str, ends: int) -> str:
        return f"{ends}.{secret.derive(self._key, f'reader {ends} {openid}')}"


def _refusal(problem: str) -> Refused:
    if problem == "code-expired":
        return Refused(403, problem, "WeChat's permission is over. Please try again.")
    return callback.refusal(problem)
