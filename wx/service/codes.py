"""Codes: whether one scan can follow and bind, and the parametric code of each open invite or
sign-in."""

import asyncio
import logging
import math

from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError
from wx.service.invites import View, scene_of
from wx.service.rate import Rate
from wx.wechat.qrcode import QRCodes

log = logging.getLogger(__name__)

MAKE_SECONDS = 2.5  # that a page waits for its code, before it shows the other route's
PAUSE_SECONDS = 60  # after a failure, before the platform is asked again
PROBE_SCENE = "probe"
PROBE_SECONDS = 60
# Codes for those who are not signed in, a part of the quota that the platform has for each of its
# days: 100,000, and 10,000 for a test account (platform document, 0).
STRANGERS_PER_MINUTE = 60
STRANGERS_PER_DAY = 2000
_DAY = 86400
_CHINA = 8 * 3600  # seconds before UTC, where the platform's days begin

OAUTH, SCAN = "oauth", "scan"
# The account may not make codes, whatever access token is used (platform document, 11). Everything
# else may pass: a network address that is not listed yet (40164), a quota, a proxy's own words.
NO_RIGHT = {48001, 48004}


class Codes:
    """Makes the codes of the scan route, and knows when there is none.

    ``route`` is "scan" or "oauth"; "" until the platform has said what the account may do.
    """

    def __init__(self, clock: Clock, config: Config, qr_codes: QRCodes) -> None:
        self._clock = clock
        self._qr_codes = qr_codes
        self._codes: dict[str, tuple[str, float]] = {}  # address and end, by name
        self._making: dict[str, asyncio.Task[str]] = {}
        self._probing: asyncio.Task[None] | None = None
        self._paused_until = 0.0
        self._strangers = Rate(clock, per_minute=STRANGERS_PER_MINUTE)
        self._strangers_paused_until = 0.0
        self._strangers_day = 0
        self._strangers_in_day = 0
        self._demanded = config.bind_route == SCAN
        self.route = "" if config.bind_route == "auto" else config.bind_route
        if self.route != OAUTH and not config.webhook_token:
            log.info("people bind by oauth: the scan route needs the webhook (webhook_token)")
            self.route = OAUTH

    async def find_out(self) -> None:
        """Ask the platform once whether the account may make parametric codes, if that decides
        the route; again after a while where there was no answer. Never raises for its failures."""
        if self.route or self._clock.monotonic() < self._paused_until:
            return
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe(), name="bind route")
            self._probing.add_done_callback(self._probed)
        await asyncio.shield(self._probing)

    async def of(self, view: View) -> str:
        """What the invite's parametric code holds; "" where people bind by the OAuth route, be it
        that the code could not be made."""
        if not view.state.open:
            return ""
        invite = view.invite
        return await self.of_scene(invite.id, scene_of(view.secret), ends_at=invite.expires_at)

    async def of_scene(
        self, name: str, scene: str, *, ends_at: float, stranger: bool = False
    ) -> str:
        """What the parametric code of a scene holds, made once; "" where there is none.

        Args:
            name: what it is known by here.
            scene: letters and digits, at most 64 (platform document, 5).
            ends_at: when it ends, in Unix time.
            stranger: nobody is signed in who asks for it, so it may not cost the platform's quota,
                and what becomes of it is nothing to the others.
        """
        known = self._codes.get(name)
        if known and known[1] > self._clock.monotonic():
            return known[0]
        try:
            async with asyncio.timeout(MAKE_SECONDS):
                await self.find_out()
                if self.route != SCAN or self._paused(stranger):
                    return ""
                if name not in self._making:
                    if stranger and not self._take_one_of_strangers():
                        return ""
                    making = self._make(name, scene, ends_at, stranger)
                    task = asyncio.create_task(making, name="parametric code")
                    self._making[name] = task
                    task.add_done_callback(lambda _: self._making.pop(name))
                # Another tab may wait for the same one.
                return await asyncio.shield(self._making[name])
        except TimeoutError:
            self._pause("no answer in time", stranger)
            return ""

    async def close(self) -> None:
        """End what is under way."""
        tasks = [*self._making.values(), *([self._probing] if self._probing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, name: str, scene: str, ends_at: float, stranger: bool) -> str:
        seconds = max(1, math.ceil(ends_at - self._clock.now()))
        try:
            code = await self._qr_codes.create(scene, seconds)
        except PlatformError as error:
            self._failed(error, stranger)
            return ""
        now = self._clock.monotonic()
        self._codes = {name: one for name, one in self._codes.items() if one[1] > now}
        # The platform may give a shorter time than it was asked for.
        self._codes[name] = (code.url, now + min(seconds, code.seconds))
        return code.url

    async def _probe(self) -> None:
        try:
            await self._qr_codes.create(PROBE_SCENE, PROBE_SECONDS)
        except PlatformError as error:
            self._failed(error)
            return
        self.route = SCAN
        log.info("people bind by scan: the account may make parametric codes")

    def _probed(self, task: "asyncio.Task[None]") -> None:
        self._probing = None

    def _take_one_of_strangers(self) -> bool:
        """Count one code for a stranger; False if they have had as many as they may."""
        today = int((self._clock.now() + _CHINA) // _DAY)
        if today != self._strangers_day:
            self._strangers_day, self._strangers_in_day = today, 0
        if self._strangers_in_day >= STRANGERS_PER_DAY:
            return False
        if self._strangers.try_take(None, 1):
            return False
        self._strangers_in_day += 1
        if self._strangers_in_day == STRANGERS_PER_DAY:
            log.warning(
                "%d parametric codes for sign-ins by scan today: they go by oauth until midnight"
                " in China",
                STRANGERS_PER_DAY,
            )
        return True

    def _paused(self, stranger: bool) -> bool:
        until = self._paused_until
        if stranger:
            until = max(until, self._strangers_paused_until)
        return self._clock.monotonic() < until

    def _failed(self, error: PlatformError, stranger: bool = False) -> None:
        # The same number on the way to the access token says nothing of the right to make codes.
        if error.errcode in NO_RIGHT and error.path == QRCodes.PATH:
            self.route = OAUTH
            # Whoever asked for the scan route has to hear that they do not get it.
            level = logging.WARNING if self._demanded else logging.INFO
            log.log(level, "people bind by oauth: the account makes no parametric codes: %s", error)
            return
        self._pause(str(error), stranger)

    def _pause(self, reason: str, stranger: bool = False) -> None:
        until = self._clock.monotonic() + PAUSE_SECONDS
        if stranger:
            self._strangers_paused_until = until
        else:
            self._paused_until = until
        log.warning(
            "no parametric code: %s; people %s by oauth for the next %d s",
            reason,
            "sign in" if stranger else "bind",
            PAUSE_SECONDS,
        )
