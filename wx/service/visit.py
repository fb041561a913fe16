"""Visits: one round of a browser through the platform's authorize page, which says who is there."""

import asyncio
import ipaddress
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
from wx.service.throttle import too_many
from wx.wechat.oauth import Grant, OAuth

log = logging.getLogger(__name__)

VISIT_SECONDS = 600  # for the way to the platform and back
CODE_SECONDS = 300  # that a code lives, so that it may be brought again
# Those that succeed do not count: whoever plays with codes uses up their own.
EXCHANGES_PER_MINUTE = 200  # for one share
EXCHANGES_OF_A_NETWORK = 600  # a minute: a /48 is one customer's, who has 65,536 shares in it
EXCHANGES_OF_ALL = 3_000  # a minute; the platform takes 50,000 from all of an account's programs
AT_ONCE = 300  # exchanges under way; each holds memory for as long as the platform takes
BUSY_SECONDS = 5  # after which whoever finds so many may try again
REMEMBERED = 10_000  # exchanges; the oldest are forgotten
USED = 50_000  # states that are known to be used, a few bytes each

# What a way can come to by itself, and is said by :func:`refusal`.
PROBLEMS = (
    "unproved",
    "code-expired",
    "snapshot",
    "risky",
    "unavailable",
    "platform-error",
    "busy",
)
# After these the same state may come again with a new code: nothing was decided.
_REPEATABLE = ("snapshot", "unavailable", "platform-error", "code-expired")
# What a browser brings back, as far as its form goes.
STATE = r"[0-9A-Za-z]{43,128}"
CODE = r"[0-9A-Za-z_-]{1,256}"

T = TypeVar("T")
_COOKIE = re.compile(r"([0-9]{1,12})\.[0-9A-Za-z]{43}")
_NONCE = 22  # letters and digits in front of what the key makes of a state


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
    """What became of a state and its code: the person's grant, or why there is none; and the answer
    that was made of it, once there is one.

    Args:
        code: the digest of the code.
        at: monotonic seconds.
        problem: what the exchange came to instead of a grant; "" for nothing.
        refusal: what was answered to the grant instead of an answer.
    """

    code: bytes
    at: float
    problem: str = ""
    grant: Grant | None = None
    refusal: Refused | None = None
    answer: object = field(default=None, repr=False)
    answered: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """An arrival that is being answered; ``code`` is the digest of its code."""

    code: bytes
    task: "asyncio.Task[object]"


class Visits:
    """Sends browsers to the authorize page and takes them back, once for each state.

    A browser is known on its way by a cookie. Each way has a state of its own, which the key makes
    of that cookie and of what the way is for, so a state that was made for another browser, or for
    something else, proves nothing. Nothing of it is stored: strangers cannot fill the disk.

    Args:
        key: the server's own key.
    """

    def __init__(self, clock: Clock, config: Config, oauth: OAuth, *, key: bytes) -> None:
        self._clock = clock
        self._config = config
        self._oauth = oauth
        self._key = key
        self._of_share = Rate(clock, per_minute=EXCHANGES_PER_MINUTE)
        self._of_network = Rate(clock, per_minute=EXCHANGES_OF_A_NETWORK)
        self._of_all = Rate(clock, per_minute=EXCHANGES_OF_ALL)
        # All by the digest of the state, the oldest first.
        self._under_way: dict[bytes, _Way] = {}
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._used: OrderedDict[bytes, float] = OrderedDict()  # what was answered is forgotten

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
            state=self._state(purpose, visit, secret.new_id()),
        )
        return address, visit

    async def arrive(self, arrival: Arrival, then: Callable[[Grant], Awaitable[T]]) -> T:
        """What ``then`` makes of the person who came back.

        The first code that a state is brought with is the state's. The same arrival again, also at
        the same time, gets the same answer: its code is exchanged once, and ``then`` runs once,
        again only if it failed by itself. Another code counts only where the one before came to
        nothing that decides, as in the platform's preview of a page (platform document, 2.6).

        Args:
            then: always does the same for the same purpose; what it answers or refuses is kept for
                as long as a code lives.

        Raises:
            Refused: 403 another browser's way, or one that was gone already, or the code is no
                good, or a made-up person; 429 too many codes; 502, 503 the platform did not say;
                503 too many people are on their way; and what ``then`` refuses.
        """
        right = self._state(arrival.purpose, arrival.visit, arrival.state[:_NONCE])
        sent = end_of(arrival.visit, self._clock.now(), seconds=VISIT_SECONDS)
        if not sent or not secret.same(arrival.state.encode(), right.encode()):
            raise refusal("unproved")
        if not arrival.code:
            raise refusal("code-expired")
        state, code = secret.digest(arrival.state), secret.digest(arrival.code)
        way = self._under_way.get(state)
        if way and way.code != code:
            await asyncio.wait([way.task])  # what comes of it says whether another code may come
            way = self._under_way.get(state)
        await self.forget()
        known = self._found(state, code)
        if way is None and known and (known.problem or known.refusal or known.answered):
            return cast(T, _answer_of(known))
        if way is None:
            way = self._set_out(state, code, arrival, then)
        elif way.code != code:
            raise refusal("unproved")
        # A phone that goes away must not end the exchange that its own repeat waits for.
        return cast(T, await asyncio.shield(way.task))

    async def forget(self) -> None:
        """Forget what was answered to codes that are over, and the states that are."""
        now = self._clock.monotonic()
        while self._known:
            state, known = next(iter(self._known.items()))
            if known.at > now - CODE_SECONDS and len(self._known) < REMEMBERED:
                break
            del self._known[state]
            if known.problem not in _REPEATABLE:
                self._used[state] = known.at
        while self._used:
            state, at = next(iter(self._used.items()))
            if at > now - VISIT_SECONDS and len(self._used) < USED:
                break
            del self._used[state]

    async def close(self) -> None:
        """End the exchanges that nobody waits for any more."""
        tasks = [way.task for way in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _found(self, state: bytes, code: bytes) -> _Known | None:
        """What is known of a state that comes with this code; None if the code is to be exchanged.

        Raises:
            Refused: 403, it has been used with another code, or is over.
        """
        if state in self._used:
            raise refusal("code-expired")
        known = self._known.get(state)
        if known is None or known.code == code:
            return known
        if known.problem not in _REPEATABLE:
            raise refusal("unproved")
        return None

    def _set_out(
        self,
        state: bytes,
        code: bytes,
        arrival: Arrival,
        then: Callable[[Grant], Awaitable[Any]],
    ) -> _Way:
        if len(self._under_way) >= AT_ONCE:
            raise refusal("busy")
        known = self._known.get(state)
        if known is None or known.code != code:
            self._take(arrival.share)
        task = asyncio.create_task(self._answer(state, code, arrival, then), name="visit")
        way = self._under_way[state] = _Way(code, task)
        task.add_done_callback(partial(self._done, state))
        return way

    async def _answer(
        self,
        state: bytes,
        code: bytes,
        arrival: Arrival,
        then: Callable[[Grant], Awaitable[Any]],
    ) -> object:
        known = self._known.get(state)
        if known is None or known.code != code:
            known = await self._exchange(code, arrival.code)
            self._known.pop(state, None)  # so that the oldest stay the first
            self._known[state] = known
            await self.forget()
            if known.grant:
                self._give_back(arrival.share)
        if known.problem:
            return _answer_of(known)
        assert known.grant is not None
        try:
            known.answer = await then(known.grant)
        except Refused as refused:
            known.refusal, known.grant = _again(refused), None
            raise
        known.answered, known.grant = True, None
        return known.answer

    async def _exchange(self, digest: bytes, code: str) -> _Known:
        now = self._clock.monotonic()
        try:
            grant = await self._oauth.exchange(code)
        except PlatformError as error:
            log.warning("who visits is not known: %s", error)
            return _Known(digest, now, problem=callback.outcome_of(error))
        # Its openid is made up, and has been seen to be a real user's (platform document, 2.6).
        if grant.snapshot:
            return _Known(digest, now, problem="snapshot")
        return _Known(digest, now, grant=grant)

    def _done(self, state: bytes, task: "asyncio.Task[object]") -> None:
        del self._under_way[state]
        if not task.cancelled():
            task.exception()  # looked at, also when everybody has gone

    def _take(self, share: str) -> None:
        """Count an exchange, wherever it counts, or nowhere.

        Raises:
            Refused: 429, there were too many.
        """
        taken: list[tuple[Rate, str]] = []
        for rate, key in self._rates(share):
            if wait := rate.try_take(key, 1):
                for other, its in taken:
                    other.give_back(its, 1)
                raise too_many(wait)
            taken.append((rate, key))

    def _give_back(self, share: str) -> None:
        for rate, key in self._rates(share):
            rate.give_back(key, 1)

    def _rates(self, share: str) -> list[tuple[Rate, str]]:
        wide = [(self._of_network, network)] if (network := _network(share)) else []
        return [(self._of_share, share), *wide, (self._of_all, "")]

    def _state(self, purpose: str, visit: str, nonce: str) -> str:
        return nonce + secret.derive(self._key, f"visit {purpose} {visit} {nonce}")


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


def _answer_of(known: _Known) -> object:
    """What was answered, raised if it is a refusal."""
    if known.problem:
        raise refusal(known.problem)
    if known.refusal:
        raise _again(known.refusal)
    return known.answer


def _network(share: str) -> str:
    """The IPv6 network of a customer that a share is a part of; "" for all else."""
    try:
        ip = ipaddress.ip_network(share)
    except ValueError:
        return ""  # a page
    if ip.version == 4 or ip.prefixlen < 48:
        return ""
    return str(ip.supernet(new_prefix=48))


def refusal(problem: str) -> Refused:
    """The refusal of a way that came to one of :data:`PROBLEMS`."""
    if problem == "unproved":
        return Refused(
            403,
            problem,
            "WeChat could not tell this site who you are: it took too long, or this browser"
            " keeps no cookies. Please try again.",
        )
    if problem == "code-expired":
        return Refused(403, problem, "WeChat's permission is over. Please try again.")
    if problem == "busy":
        sentence = "The server is busy or being repaired. Please try again in a moment."
        return Refused(503, problem, sentence, retry_after=BUSY_SECONDS)
    return callback.refusal(problem)
