"""The access token: kept in memory, fetched by one at a time, replaced before it ends."""

import asyncio
import logging
import random
from collections import deque

from wx import failpoint
from wx.clock import Clock
from wx.errors import PlatformError, Remedy
from wx.protocol import answer, errcode
from wx.wechat.transport import Transport

log = logging.getLogger(__name__)

FETCH_SECONDS = 15
EARLY_SECONDS = 240  # `stable_token` mints the next one in the last five minutes (1.2)
FETCH_PAUSE_SECONDS = 2  # between two fetches; doubled for each new one that did not help
LONGEST_PAUSE_SECONDS = 600  # so that not even a day of that takes the day's fetches
WAIT_SECONDS = 5  # of a pause, that callers are kept waiting
PROVEN_SECONDS = 60  # of age, at which an access token that is taken has helped
FETCHES_PER_DAY = 200  # the smallest quota of the platform's accounts (0)
# After a failed fetch; then the last again and again. A day of it stays below the quota.
RETRY_SECONDS = (2, 5, 15, 30, *[60] * 40, 600)
PAUSED_SECONDS = 60  # after a fetch that met a used-up quota
OVERLAP_SECONDS = 300  # in which the platform retires an access token by itself (1.2)
SETTLING_SECONDS = 5  # after a fetch, in which a server of the platform's may not know it yet
STOLEN_LOG_SECONDS = 3600  # between two lines about the same trouble
_DAY = 86400
_CHINA = 8 * 3600  # seconds before UTC, where the platform's days begin


class AccessTokenKeeper:
    """Holds the one access token of one WeChat account.

    Args:
        transport: a pool of its own, so that a crowd of other calls cannot hold up a refresh.
        mode: ``stable`` (`/cgi-bin/stable_token`) or ``classic`` (`/cgi-bin/token`).

    Attributes:
        stolen: how often another program has replaced the access token, since the start.
    """

    def __init__(
        self, transport: Transport, clock: Clock, *, app_id: str, app_secret: str, mode: str
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._app_id = app_id
        self._app_secret = app_secret
        self._mode = mode
        self._token = ""
        self._ends_at = 0.0  # monotonic, as are the next three
        self._refresh_at = 0.0
        self._last_fetch_at = float("-inf")
        self._fetches: deque[float] = deque(maxlen=FETCHES_PER_DAY)
        self._failures = 0
        self._failure: PlatformError | None = None
        self._fetching: asyncio.Task[str] | None = None
        self._proven = False  # the present one was taken when it was not new any more
        self._in_vain = 0  # how many in a row were refused before that
        self._refusal: tuple[int | None, str] = (None, "")  # the last one, for callers
        self._slow_said = False
        self.stolen = 0
        self._stolen_day = 0
        self._stolen_in_day = 0
        self._stolen_said_at = float("-inf")

    @property
    def held(self) -> bool:
        """Whether there is an access token that has not ended."""
        return bool(self._token) and self._clock.monotonic() < self._ends_at

    @property
    def stolen_today(self) -> int:
        """How often another program has replaced it since midnight in China."""
        return self._stolen_in_day if self._stolen_day == self._day() else 0

    async def get(self) -> str:
        """The access token; fetched if there is none.

        Raises:
            PlatformError: there is none and none could be had.
        """
        return self._token if self.held else await self._fetch_once()

    async def current(self) -> tuple[str, int]:
        """The access token, fetched if there is none, and the whole seconds to its end.

        Raises:
            PlatformError: there is none and none could be had.
        """
        token = await self.get()
        return token, max(0, int(self._ends_at - self._clock.monotonic()))

    async def replace(self, failed: str, refusal: int | None = None, errmsg: str = "") -> str:
        """The access token that takes the place of ``failed``, which the platform refused.

        Fetches only if ``failed`` is still the one that is held: of a thousand callers whose token
        died together, one fetches (platform document, 1.4). Where new ones are refused too, the
        pauses between two fetches grow, and callers are refused at once meanwhile.

        Args:
            refusal: the platform's number, which tells who is to blame.
            errmsg: the platform's text.

        Raises:
            PlatformError: none could be had.
        """
        if self._token == failed:
            self._token = ""
            self._refusal = refusal, errmsg
            if not self._proven:
                self._in_vain += 1
            slowed = self._slow_down()
            if self._is_theft(refusal):
                self._count_theft()
            elif not slowed:
                log.warning("the platform refused the access token: fetching another")
        return await self.get()

    def accepted(self, token: str) -> None:
        """The platform has taken ``token``: one that still works when it is not new any more has
        helped, and the next may be fetched without delay."""
        age = self._clock.monotonic() - self._last_fetch_at
        if token == self._token and age >= PROVEN_SECONDS:
            self._proven, self._in_vain, self._slow_said = True, 0, False

    async def refresh_if_due(self) -> None:
        """Fetch the next access token if it is time. Never raises for the platform's failures:
        the present one is kept while it lasts."""
        if self._clock.monotonic() < self._refresh_at:
            return
        try:
            await self._fetch_once()
        except PlatformError as error:
            # Not every refusal has moved the next try on: the day's quota has not.
            next_try = self._clock.monotonic() + RETRY_SECONDS[0]
            if error.remedy is Remedy.PAUSE:
                next_try = self._clock.monotonic() + PAUSED_SECONDS
            self._refresh_at = max(self._refresh_at, next_try)
            state = "the present one still holds" if self.held else "none is held"
            log.warning("access token not refreshed (%s): %s%s", state, error, advice(error))

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _slow_down(self) -> bool:
        """Whether the next fetch has to wait for longer than callers do; said once, and then once
        for each pause."""
        seconds = self._slowed()
        if seconds <= WAIT_SECONDS or self._fetching:
            return False
        # Nobody may be there to ask for it when the pause ends.
        self._refresh_at = self._clock.monotonic() + seconds
        log.warning(
            "the platform refuses new access tokens too, %d in a row: none is held, and the next "
            "is fetched in %.0f s%s",
            self._in_vain,
            seconds,
            "" if self._slow_said else errcode.clause(self._refusal[0]),
        )
        self._slow_said = True
        return True

    def _slowed(self) -> float:
        """Seconds until the next fetch, as far as it waits because others did not help."""
        doublings = max(0, min(self._in_vain, 20) - 1)
        pause = min(FETCH_PAUSE_SECONDS * 2.0**doublings, LONGEST_PAUSE_SECONDS)
        return self._last_fetch_at + pause - self._clock.monotonic()

    def _is_theft(self, refusal: int | None) -> bool:
        """Whether the platform's refusal means that another program has fetched one."""
        now = self._clock.monotonic()
        settled = now - self._last_fetch_at > SETTLING_SECONDS
        return refusal == errcode.NOT_LATEST and settled and self._ends_at - now > OVERLAP_SECONDS

    def _count_theft(self) -> None:
        today = self.stolen_today + 1
        self.stolen += 1
        self._stolen_day, self._stolen_in_day = self._day(), today
        now = self._clock.monotonic()
        if now - self._stolen_said_at < STOLEN_LOG_SECONDS:
            log.info("the platform refused the access token: fetching another")
            return
        self._stolen_said_at = now
        log.warning(
            "the platform refused the access token long before its end: another program has "
            "fetched one (%d today); %s",
            today,
            errcode.explain(errcode.NOT_LATEST).cure,
        )

    def _day(self) -> int:
        """The platform's day, on which it counts too."""
        return int((self._clock.now() + _CHINA) // _DAY)

    async def _fetch_once(self) -> str:
        """Join the fetch that is under way, or start one."""
        if self._fetching is None:
            pause = self._pause()
            self._fetching = asyncio.create_task(self._fetch(pause), name="access token")
            self._fetching.add_done_callback(self._fetched)
        # One caller who goes away must not take the fetch from the others.
        return await asyncio.shield(self._fetching)

    def _pause(self) -> float:
        """Seconds to wait before the next fetch.

        Raises:
            PlatformError: the last one failed a moment ago, or several were refused and the next
                has to wait for long, or the day's quota is used up.
        """
        now = self._clock.monotonic()
        pause = max(0.0, self._last_fetch_at + FETCH_PAUSE_SECONDS - now)
        # Whoever wants it sooner than the next try is due would only use up the day's quota.
        if self._failure and (pause or now < self._refresh_at):
            raise self._failure.fresh()
        if len(self._fetches) == FETCHES_PER_DAY and now - self._fetches[0] < _DAY:
            raise PlatformError(
                Remedy.PAUSE,
                None,
                f"{FETCHES_PER_DAY} access tokens in a day: another program may be taking them",
                path=self._path,
            )
        if self._failure:
            return pause
        pause = max(pause, self._slowed())
        if pause > WAIT_SECONDS:
            number, errmsg = self._refusal
            raise PlatformError(Remedy.RETRY, number, errmsg, path=self._path)
        return pause

    def _fetched(self, task: "asyncio.Task[str]") -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # looked at, also when every caller has gone

    @property
    def _path(self) -> str:
        return "/cgi-bin/stable_token" if self._mode == "stable" else "/cgi-bin/token"

    async def _fetch(self, pause: float) -> str:
        await asyncio.sleep(pause)
        self._last_fetch_at = self._clock.monotonic()
        self._fetches.append(self._last_fetch_at)
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                reply = await self._ask()
            token = answer.text(reply, "access_token", limit=512, path=self._path)
            lifetime = answer.seconds(reply, "expires_in", path=self._path)
        except (PlatformError, TimeoutError) as error:
            failure = (
                error
                if isinstance(error, PlatformError)
                else PlatformError(Remedy.RETRY, None, "no answer in time", path=self._path)
            )
            self._failure = failure.fresh()  # the one that is kept is never raised itself
            pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
            self._failures += 1
            self._refresh_at = self._clock.monotonic() + pause * random.uniform(0.75, 1.25)
            raise failure from None
        failpoint.here("token-before-store")
        self._failure, self._failures = None, 0
        self._token, self._proven = token, False
        self._ends_at = self._last_fetch_at + lifetime
        # Short lifetimes (the rest of a shared token's) are used to their half at least.
        self._refresh_at = self._last_fetch_at + max(lifetime - EARLY_SECONDS, lifetime / 2)
        log.info("access token fetched, %d s to its end", lifetime)
        return token

    async def _ask(self) -> dict[str, object]:
        credentials = {
            "grant_type": "client_credential",
            "appid": self._app_id,
            "secret": self._app_secret,
        }
        if self._mode == "stable":
            return await self._transport.post(self._path, {}, credentials)
        return await self._transport.get(self._path, credentials)


def advice(error: PlatformError) -> str:
    """What is known about the error of a token call: a clause that follows it, or "" where nothing
    better is known than what the platform says itself."""
    return errcode.clause(error.errcode)
