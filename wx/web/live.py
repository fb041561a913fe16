"""The live socket: the present state first, then each change."""

import asyncio
import logging

from tornado.escape import json_encode
from tornado.httputil import HTTPHeaders
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from wx.errors import Refused, StorageUnavailable
from wx.service.invites import View
from wx.web import client
from wx.web.base import Base
from wx.web.bind import frame

log = logging.getLogger(__name__)

WRITE_SECONDS = 10  # that a peer may take to accept a frame
SIGNED_OUT = 4401  # close code: do not come back with this session


class Live(WebSocketHandler, Base):
    """One page that waits for its invite.

    Changes are not queued: a change marks the socket, and whoever writes sends how things stand
    then. So a slow peer costs one frame at most, and never misses the last state.
    """

    topic = ""
    key = b""
    peer = ""
    _marked = False
    _news: View | None = None
    _writing: "asyncio.Task[None] | None" = None

    async def prepare(self) -> None:
        await super().prepare()
        if self._finished:
            return
        same_site = self.request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
        if self.request.headers.get("Origin") != self.config.public_url or not same_site:
            raise HTTPError(403)
        if self.session is None:
            raise Refused(403, "signed-out", "Your session is over. Please sign in again.")
        self.topic = self.path_args[0]
        await self.services.invites.view(self.topic, self.session)
        self.peer = self.address
        self.services.hub.admit(
            session=self.session.digest, address=self.peer, near=client.near(self.peer)
        )

    def open(self, *args: str, **kwargs: str) -> None:
        assert self.session is not None
        self.key = self.session.digest
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
        if self._writing:
            self._writing.cancel()

    def changed(self, news: object = None) -> None:
        """Send how things stand, after what is being sent now."""
        self._marked = True
        self._news = news if isinstance(news, View) else None
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
        assert self.session is not None
        try:
            while self._marked:
                self._marked = False
                view, self._news = self._news, None
                if view is None:
                    view = await self.services.invites.view(self.topic, self.session)
                async with asyncio.timeout(WRITE_SECONDS):
                    await self.write_message(json_encode(frame(self, view)))
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
