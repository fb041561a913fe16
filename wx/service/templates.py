"""Templates: those of the WeChat account, read now and then, so that a wrong field is known before
the platform is asked."""

import asyncio
import logging
from collections.abc import Mapping

from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, StorageUnavailable
from wx.model import Template
from wx.store import templates
from wx.store.database import Database
from wx.wechat.templates import Templates as Calls

log = logging.getLogger(__name__)

KEEP_SECONDS = 3600
RETRY_SECONDS = 60  # after a reading that failed
ASK_SECONDS = 10  # between two readings because of a template that is not known


class Templates:
    """The account's templates.

    Args:
        calls: how they are read; None where nothing may be asked, as on the command line.
    """

    def __init__(
        self, database: Database, clock: Clock, config: Config, calls: Calls | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._app_id = config.app_id
        self._calls = calls
        self._known: Mapping[str, Template] | None = None
        self._next_at = float("-inf")  # monotonic
        self._asked_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    @property
    def known(self) -> Mapping[str, Template] | None:
        """They, by id; None while they are not known."""
        return self._known

    async def load(self) -> None:
        """Take up what was read before this start."""
        found, read_at = await self._database.read(
            lambda conn: templates.list_all(conn, self._app_id)
        )
        if read_at is not None:
            self._known = found

    async def refresh_if_due(self) -> None:
        """Read them again if it is time. Never raises for the platform's failures."""
        if self._clock.monotonic() >= self._next_at:
            await self._read_once()

    async def look_for(self, template_id: str, *, seconds: float) -> None:
        """Read them again if this one is not known: it may be new. Waits for a bounded time."""
        missing = self._known is None or template_id not in self._known
        now = self._clock.monotonic()
        if self._calls is None or not missing or now - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = now
        try:
            async with asyncio.timeout(seconds):
                await self._read_once()
        except TimeoutError:
            pass  # the platform is slow: the notice is looked at by it, later

    async def close(self) -> None:
        """End a reading that is under way."""
        if self._reading:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_once(self) -> None:
        """Join the reading that is under way, or begin one."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="templates")
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        assert self._calls is not None
        self._next_at = self._clock.monotonic() + RETRY_SECONDS
        try:
            found = await self._calls.list_all()
        except PlatformError as error:
            log.info("templates not read, fields are not checked against them: %s", error)
            return
        now = self._clock.now()
        self._known = {one.id: one for one in found}
        self._next_at = self._clock.monotonic() + KEEP_SECONDS
        try:
            await self._database.write(
                lambda conn: templates.replace_all(conn, self._app_id, found, now=now)
            )
        except StorageUnavailable as error:
            log.warning("templates not kept: %s", error)
