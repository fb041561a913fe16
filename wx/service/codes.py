"""Codes: whether one scan can follow and bind, and the parametric code of each open invite."""

import asyncio
import logging
import math

from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError
from wx.service.invites import View, scene_of
from wx.wechat.qrcode import QRCodes

log = logging.getLogger(__name__)

MAKE_SECONDS = 2.5  # that a page waits for its code, before it shows the other route's
PAUSE_SECONDS = 60  # after a failure, before the platform is asked again
PROBE_SCENE = "probe"
PROBE_SECONDS = 60

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
        self._codes: dict[str, tuple[str, float]] = {}  # address and end, by invite
        self._making: dict[str, asyncio.Task[str]] = {}
        self._probing: asyncio.Task[None] | None = None
        self._paused_until = 0.0
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
        invite = view.invite
        if not view.state.open:
            return ""
        known = self._codes.get(invite.id)
        if known and known[1] > self._clock.monotonic():
            return known[0]
        try:
            async with asyncio.timeout(MAKE_SECONDS):
                await self.find_out()
                if self.route != SCAN or self._clock.monotonic() < self._paused_until:
                    return ""
                if invite.id not in self._making:
                    task = asyncio.create_task(self._make(view), name="parametric code")
                    self._making[invite.id] = task
                    task.add_done_callback(lambda _: self._making.pop(invite.id))
                # Another tab may wait for the same one.
                return await asyncio.shield(self._making[invite.id])
        except TimeoutError:
            self._pause("no answer in time")
            return ""

    async def close(self) -> None:
        """End what is under way."""
        tasks = [*self._making.values(), *([self._probing] if self._probing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, view: View) -> str:
        seconds = max(1, math.ceil(view.invite.expires_at - self._clock.now()))
        try:
            code = await self._qr_codes.create(scene_of(view.secret), seconds)
        except PlatformError as error:
            self._failed(error)
            return ""
        now = self._clock.monotonic()
        self._codes = {name: one for name, one in self._codes.items() if one[1] > now}
        # The platform may give a shorter time than it was asked for.
        self._codes[view.invite.id] = (code.url, now + min(seconds, code.seconds))
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

    def _failed(self, error: PlatformError) -> None:
        # The same number on the way to the access token says nothing of the right to make codes.
        if error.errcode in NO_RIGHT and error.path == QRCodes.PATH:
            self.route = OAUTH
            # Whoever asked for the scan route has to hear that they do not get it.
            level = logging.WARNING if self._demanded else logging.INFO
            log.log(level, "people bind by oauth: the account makes no parametric codes: %s", error)
            return
        self._pause(str(error))

    def _pause(self, reason: str) -> None:
        self._paused_until = self._clock.monotonic() + PAUSE_SECONDS
        log.warning(
            "no parametric code: %s; people bind by oauth for the next %d s", reason, PAUSE_SECONDS
        )
