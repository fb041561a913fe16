"""The server: started in order, and stopped in the reverse order."""

import asyncio
import errno
import logging
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import replace

from tornado.httpserver import HTTPServer

from wx import composition
from wx.clock import Clock
from wx.config import Config
from wx.errors import StartError
from wx.service.services import Services
from wx.store import database, server_key
from wx.store.database import Database, DirectoryLock
from wx.web.base import Site
from wx.web.routes import make_site

log = logging.getLogger(__name__)

DRAIN_SECONDS = 8  # that requests in flight may take when the server stops
# Twice what any handler takes: a request that is somewhat too large gets an answer, not a reset.
BODY_BYTES = 400 * 1024
HEADER_BYTES = 16 * 1024


class Server:
    """One running wxbind.

    Args:
        demo_phone: address of the simulator's "scan" page, for the demo only.
    """

    def __init__(self, config: Config, clock: Clock | None = None, *, demo_phone: str = "") -> None:
        self.config = config
        self.clock = clock or Clock()
        self._demo_phone = demo_phone
        self._stack = AsyncExitStack()
        self.port = 0
        self.services: Services
        self.site: Site

    async def start(self) -> None:
        """Start; when this returns, the server answers.

        Raises:
            StartError: it cannot start; no port is open then, and no file has changed.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Stop accepting, finish what has begun, close everything."""
        await self._stack.aclose()

    async def _start(self) -> None:
        config, stack = self.config, self._stack
        stack.callback(DirectoryLock(config.data_dir).close)
        store = await stack.enter_async_context(
            await Database.open(config.data_dir / database.FILE)
        )
        key = await asyncio.to_thread(server_key.load, config.data_dir)
        sockets = self._bind()
        for one in sockets:
            stack.callback(one.close)
        self.port = sockets[0].getsockname()[1]
        if config.public_url.endswith(":0"):
            config = replace(config, public_url=f"{config.public_url[:-1]}{self.port}")
        self.config = config
        platform = composition.connect(config, self.clock, stack)
        parts = composition.compose(config, self.clock, stack, store, platform, key=key)
        self.services, self._courier = parts.services, parts.courier
        await self.services.inbox.load()
        await self.services.authorizations.load()
        await self.services.templates.load()
        await self._courier.start()
        self.site = make_site(self.services, config, demo_phone=self._demo_phone)
        server = HTTPServer(
            self.site,
            xheaders=False,
            decompress_request=False,
            max_body_size=BODY_BYTES,
            max_header_size=HEADER_BYTES,
            max_buffer_size=1024 * 1024,
            idle_connection_timeout=30,
            body_timeout=10,
        )
        parts.timers.start()
        stack.push_async_callback(parts.timers.stop)
        server.add_sockets(sockets)
        stack.push_async_callback(self._drain, server)

    def _bind(self) -> list[socket.socket]:
        address, port = self.config.address, self.config.port
        try:
            return _listen(address, port)
        except OSError as error:
            number = error.errno or 0  # below zero where the name was not found
            reason = os.strerror(number) if number > 0 else error.strerror
            raise StartError(f"cannot listen on {address}:{port}: {reason}") from None

    async def _drain(self, server: HTTPServer) -> None:
        server.stop()
        self.services.hub.shut_down()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.site.idle.is_set():  # one may begin while this wakes up
                    await self.site.idle.wait()
        except TimeoutError:
            log.warning("requests were cut off by the stop")
        self.site.closed = True
        await server.close_all_connections()


def _listen(address: str, port: int) -> list[socket.socket]:
    """A socket for each thing that the address means: "localhost" means two.

    Not by Tornado's ``bind_sockets``, which leaves its socket open when the port is taken.
    """
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    made: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, _, _, _, place in dict.fromkeys(found):
            wished = made[0].getsockname()[1] if made else port  # port 0: one pick for both
            try:
                one = socket.create_server((place[0], wished), family=family, backlog=128)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error  # a machine without IPv6
                continue
            one.setblocking(False)
            made.append(one)
        if missing and not made:
            raise missing
    except BaseException:
        for one in made:
            one.close()
        raise
    return made
