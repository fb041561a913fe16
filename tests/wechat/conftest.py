"""The platform in these tests: the simulator, or a server of a few lines that misbehaves."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tests.support import ManualClock
from wx.simulator.app import Simulator
from wx.wechat.access_token import AccessTokenKeeper
from wx.wechat.client import Client
from wx.wechat.transport import Transport


class Platform:
    """Answers as it is told to, and remembers what it was asked.

    ``reply`` is an object, bytes, or a coroutine function that is given the handler.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.reply: Any = {"ok": 1}
        self.status = 200
        self.content_type = "text/plain"
        self.requests: list[HTTPServerRequest] = []
        self.accepted = 0
        self.asked = asyncio.Event()
        self.released = asyncio.Event()
        self._server = _Counting(
            Application([(r".*", _Answer)], platform=self, log_function=lambda handler: None),
            ssl_options=tls,
        )
        self._server.platform = self
        [listener] = bind_sockets(0, "127.0.0.1")
        self.base = f"{'https' if tls else 'http'}://localhost:{listener.getsockname()[1]}"
        self._server.add_sockets([listener])

    async def stop(self) -> None:
        self.released.set()
        self._server.stop()
        await self._server.close_all_connections()


class _Counting(HTTPServer):
    platform: Platform

    def handle_stream(self, stream: Any, address: Any) -> None:
        self.platform.accepted += 1
        super().handle_stream(stream, address)


class _Answer(RequestHandler):
    async def prepare(self) -> None:
        platform: Platform = self.settings["platform"]
        platform.requests.append(self.request)
        platform.asked.set()
        self.set_status(platform.status)
        self.set_header("Content-Type", platform.content_type)
        if callable(platform.reply):
            try:
                await platform.reply(self)
            except StreamClosedError:
                return
        else:
            self.write(platform.reply)
        if not self._finished:
            self.finish()


@pytest.fixture
def platform(io_loop: IOLoop) -> Iterator[Platform]:
    """A platform that misbehaves."""

    async def start() -> Platform:
        return Platform()

    made = io_loop.run_sync(start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def simulator(io_loop: IOLoop, clock: ManualClock) -> Iterator[Simulator]:
    made = Simulator(clock=clock)
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def transports(io_loop: IOLoop) -> Iterator[Callable[..., Transport]]:
    """Makes transports, and closes them at the end."""
    made: list[Transport] = []

    async def close() -> None:
        for one in made:
            one.close()

    def make(base: str, *, connections: int = 5) -> Transport:
        made.append(Transport(base, connections=connections))
        return made[-1]

    yield make
    io_loop.run_sync(close)


@pytest.fixture
def keepers(
    io_loop: IOLoop, simulator: Simulator, clock: ManualClock, transports: Callable[..., Transport]
) -> Iterator[Callable[..., AccessTokenKeeper]]:
    """Makes access token keepers, of the simulator's account unless told otherwise."""
    made: list[AccessTokenKeeper] = []

    async def close() -> None:
        for one in made:
            await one.close()

    def make(*, mode: str = "stable", base: str = "", app_secret: str = "") -> AccessTokenKeeper:
        keeper = AccessTokenKeeper(
            transports(base or simulator.base_url, connections=2),
            clock,
            app_id=simulator.app_id,
            app_secret=app_secret or simulator.app_secret,
            mode=mode,
        )
        made.append(keeper)
        return keeper

    yield make
    io_loop.run_sync(close)


@pytest.fixture
def keeper(keepers: Callable[..., AccessTokenKeeper]) -> AccessTokenKeeper:
    return keepers()


@pytest.fixture
def client(
    simulator: Simulator, keeper: AccessTokenKeeper, transports: Callable[..., Transport]
) -> Client:
    """Calls of the simulator that carry an access token."""
    return Client(transports(simulator.base_url), keeper)
