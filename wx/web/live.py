"""The live sockets: the present state first, then each change."""

import asyncio
import logging
from typing import Any

from tornado.escape import json_encode
from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from wx.errors import Refused, StorageUnavailable
from wx.model import Account
from wx.service import outbox
from wx.service.hub import SESSION
from wx.service.invites import View
from wx.web import bind, client, notice
from wx.web.base import Base

log = logging.getLogger(__name__)

WRITE_SECONDS = 10  # that a peer may take to accept a frame
LINGER_SECONDS = 5  # after the last state, in which more of it may still come
SIGNED_OUT = 4401  # close code: do not come back with this session


class Live(WebSocketHandler, Base):
    """One page that waits for changes of its topic.

    Changes are not queued: a change marks the socket, and whoever writes sends how things stand
    then. So a slow peer costs one frame at most, and never misses the last state.
    """

    topic = ""
    kind = SESSION  # what it is let in by, and ends with
    key = b""
    peer = ""
    pause = 0.0  # seconds between two frames: what changes meanwhile is one frame
    _marked = False
    _news: object = None
    _writing: "asyncio.Task[None] | None" = None
    _leaving: asyncio.TimerHandle | None = None

    def admits(self, origin: str, site: str) -> bool:
        """Whether pages of this origin may listen; unless said otherwise, ours alone.

        Args:
            site: what the browser says of where the page is from, in the header Sec-Fetch-Site.
        """
        return origin == self.config.public_url and site == "same-origin"

    async def admit_listener(self) -> bytes:
        """The digest of what lets the page listen, and ends it; unless said otherwise, its session.

        Raises:
            Refused: nothing does.
        """
        if self.session is None or self.account is None:
            raise Refused(403, "signed-out", "Your session is over. Please sign in again.")
        return self.session.digest

    async def find_topic(self) -> str:
        """What the page waits for.

        Raises:
            Refused: it may not.
        """
        raise NotImplementedError

    async def frame(self, news: object) -> dict[str, Any]:
        """How things stand.

        Args:
            news: what came with the last change, if anything did.
        """
        raise NotImplementedError

    async def prepare(self) -> None:
        await super().prepare()
        if self._finished:
            return
        headers = self.request.headers
        site = headers.get("Sec-Fetch-Site", "same-origin")
        if not self.admits(headers.get("Origin", ""), site):
            raise HTTPError(403)
        self.key = await self.admit_listener()
        self.topic = await self.find_topic()
        self.peer = self.address
        self.services.hub.admit(
            key=self.key, address=self.peer, near=client.near(self.peer), kind=self.kind
        )

    def check_origin(self, origin: str) -> bool:
        return True  # the others were refused before the upgrade

    def open(self, *args: str, **kwargs: str) -> None:
        _ = self.locale  # looked up while there are headers
        # Or a frame right after another waits up to 40 ms for the browser's receipt of the first.
        self.set_nodelay(True)
        self._forget_request()
        self.services.hub.join(self)
        self.changed()

    def on_message(self, message: str | bytes) -> None:
        """What a client says is ignored."""

    def on_close(self) -> None:
        self.services.hub.leave(self)
        if self._leaving:
            self._leaving.cancel()
        if self._writing:
            self._writing.cancel()

    def leave_soon(self) -> None:
        """Close in a moment: there was a last state, and nothing more is to come."""
        if self._leaving is None:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(LINGER_SECONDS, self.close, 1000, "over")

    def changed(self, news: object = None) -> None:
        """Send how things stand, after what is being sent now."""
        self._marked = True
        self._news = news
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    def ended(self) -> None:
        self.close(SIGNED_OUT, "signed out")

    def shut_down(self) -> None:
        self.close(1001, "the server stops")

    def _forget_request(self) -> None:
        """Drop what nobody asks for once the socket is open: ten thousand of these wait."""
        # Emptied, because Tornado's own frames go on holding it, however long the socket lives.
        self.request.headers.clear()
        # With the request go its cookies, and the connection and the task that read it.
        self.request = None  # type: ignore[assignment]
        self._headers = HTTPHeaders()
        self.ui = None  # type: ignore[assignment]
        self.account = self.current_user = None

    async def _write(self) -> None:
        try:
            while self._marked:
                self._marked = False
                news, self._news = self._news, None
                frame = await self.frame(news)
                async with asyncio.timeout(WRITE_SECONDS):
                    await self.write_message(json_encode(frame))
                if self.pause:
                    await asyncio.sleep(self.pause)
        except WebSocketClosedError:
            pass
        except Refused:
            self.ended()
        except (TimeoutError, StorageUnavailable) as error:
            log.info("live socket dropped: %s", type(error).__name__)
            self._drop()
        finally:
            self._writing = None

    def _drop(self) -> None:
        """End the connection without waiting for a peer that does not read."""
        if self.ws_connection and self.ws_connection.stream:
            self.ws_connection.stream.close()


class LiveInvite(Live):
    """A page that waits for its invite."""

    async def find_topic(self) -> str:
        assert self.session is not None
        invite_id: str = self.path_args[0]
        await self.services.invites.view(invite_id, self.session)
        return invite_id

    async def frame(self, news: object) -> dict[str, Any]:
        assert self.session is not None
        if isinstance(news, View):
            return bind.frame(self, news)
        return bind.frame(self, await self.services.invites.view(self.topic, self.session))


class LiveNotices(Live):
    """A page that shows what became of its account's last notices."""

    pause = 0.1
    _owner: Account

    async def find_topic(self) -> str:
        assert self.account is not None
        self._owner = self.account
        return outbox.topic(self.account.id)

    async def frame(self, news: object) -> dict[str, Any]:
        assert self.session is not None
        # It may have ended before the hub knew of this socket.
        await self.services.sessions.check(self.session)
        return await notice.frame(self, self._owner)
