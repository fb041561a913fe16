"""The JS ticket: kept in memory, fetched by one at a time, renewed early while it is used."""

import asyncio
import contextlib
import logging
import random

from wx.clock import Clock
from wx.errors import PlatformError, Remedy
from wx.protocol import answer, errcode
from wx.wechat.client import Client

log = logging.getLogger(__name__)

FETCH_SECONDS = 15  # with the access token that it may have to wait for
EARLY_SECONDS = 300  # before its end
# After a failed fetch; then the last again and again.
RETRY_SECONDS = (2, 5, 15, 30, *[60] * 10, 600)
DOUBT_SECONDS = 600  # of age, at which one that was refused on a page is replaced
DOUBTS_PER_DAY = 20  # that cause a fetch: what pages say is not proven
REFUSED_SECONDS = 600  # after one that met a used-up quota, or that the account has no right to
_DAY = 86400
_CHINA = 8 * 3600  # seconds before UTC, where the platform's days begin


class JsTicketKeeper:
    """Holds the one JS ticket of one WeChat account, with which pages are signed.

    Nothing is fetched before somebody asks: an account that shows no such pages spends none of the
    calls, whose day's quota is low (platform document, 8).
    """

    PATH = "/cgi-bin/ticket/getticket"

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._ticket = ""
        self._fetched_at = 0.0  # monotonic, as are the next four
        self._ends_at = 0.0
        self._refresh_at = 0.0
        self._next_at = 0.0  # no fetch before, after one that failed
        self._doubted_at = 0.0
        self._doubted = False  # and nothing was tried yet
        self._doubts = (0, 0)  # the platform's day, and how many in it
        self._used = False  # since it was fetched
        self._failures = 0
        self._failure: PlatformError | None = None
        self._fetching: asyncio.Task[str] | None = None

    @property
    def held(self) -> bool:
        """Whether there is a JS ticket that has not ended."""
        return bool(self._ticket) and self._clock.monotonic() < self._ends_at

    async def get(self) -> str:
        """The JS ticket; fetched if there is none. Where there is doubt about it, another is tried
        for once, and the present one given while none can be had. Waits for a bounded time.

        Raises:
            PlatformError: there is none and none could be had.
        """
        if not self.held or self._doubted:
            try:
                return await self._fetch_once()
            except PlatformError:
                if not self.held:
                    raise
        self._used = True
        return self._ticket

    def doubt(self) -> None:
        """A page's signature was refused, which only its browser hears: the next page gets another
        JS ticket, unless this one is new and the fault so in something else. Counted: whatever is
        said in a page's name costs the platform's calls a bounded number of times a day."""
        now, today = self._clock.monotonic(), self._day()
        new = now - max(self._fetched_at, self._doubted_at) < DOUBT_SECONDS
        day, doubts = self._doubts
        doubts = doubts if day == today else 0
        if not self.held or self._doubted or new or doubts >= DOUBTS_PER_DAY:
            return
        self._doubts = today, doubts + 1
        self._doubted, self._doubted_at = True, now
        log.warning("a page says that WeChat refuses its signature: fetching another JS ticket")

    async def refresh_if_due(self) -> None:
        """Fetch the next JS ticket if it is time and the present one was used. Never raises for the
        platform's failures: the present one is kept while it lasts."""
        now = self._clock.monotonic()
        if not self.held or not self._used or now < max(self._refresh_at, self._next_at):
            return
        with contextlib.suppress(PlatformError):  # which the fetch has told
            await self._fetch_once()

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetch_once(self) -> str:
        """Join the fetch that is under way, or start one."""
        if self._fetching is None:
            # Whoever wants it sooner than the next try is due would only use up the day's quota.
            if self._failure and self._clock.monotonic() < self._next_at:
                raise self._failure.fresh()
            self._fetching = asyncio.create_task(self._fetch(), name="JS ticket")
            self._fetching.add_done_callback(self._fetched)
        # One caller who goes away must not take the fetch from the others.
        return await asyncio.shield(self._fetching)

    def _fetched(self, task: "asyncio.Task[str]") -> None:
        self._fetching = None
        self._doubted = False  # tried, whatever came of it
        if not task.cancelled():
            task.exception()  # looked at, also when every caller has gone

    async def _fetch(self) -> str:
        begun_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                reply = await self._client.get(self.PATH, {"type": "jsapi"})
            ticket = answer.text(reply, "ticket", limit=512, path=self.PATH)
            lifetime = answer.seconds(reply, "expires_in", path=self.PATH)
        except (PlatformError, TimeoutError) as error:
            failure = (
                error
                if isinstance(error, PlatformError)
                else PlatformError(Remedy.RETRY, None, "no answer in time", path=self.PATH)
            )
            self._failed(failure)
            raise failure from None
        self._failure, self._failures = None, 0
        self._fetched_at, self._ends_at = begun_at, begun_at + lifetime
        # Where the platform gives the same one until its end, asking again before is in vain.
        early = 0.0 if ticket == self._ticket else min(EARLY_SECONDS, lifetime / 2)
        self._refresh_at = self._ends_at - early
        self._ticket, self._used = ticket, False
        log.info("JS ticket fetched, %d s to its end", lifetime)
        return ticket

    def _failed(self, error: PlatformError) -> None:
        pause: float = REFUSED_SECONDS
        if error.remedy in (Remedy.RETRY, Remedy.NEW_ACCESS_TOKEN):
            pause = RETRY_SECONDS[min(self._failures, len(RETRY_SECONDS) - 1)]
        self._failure = error.fresh()  # the one that is kept is never raised itself
        self._failures += 1
        self._next_at = self._clock.monotonic() + pause * random.uniform(0.75, 1.25)
        # Here, once for each fetch: it may have had a thousand callers, and more until the next.
        state = "not renewed, the present one still holds" if self.held else "not fetched"
        log.warning("JS ticket %s: %s%s", state, error, errcode.clause(error.errcode))

    def _day(self) -> int:
        """The platform's day, on which it counts too."""
        return int((self._clock.now() + _CHINA) // _DAY)
