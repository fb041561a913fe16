"""The server: everything it is made of, started in order and stopped in the reverse order."""

import asyncio
import errno
import logging
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from tornado import locale
from tornado.httpserver import HTTPServer

from wx.clock import Clock
from wx.config import Config
from wx.errors import StartError
from wx.service.accounts import Accounts
from wx.service.api_keys import ApiKeys
from wx.service.authorization import Authorizations
from wx.service.background import Background
from wx.service.binding import Bindings
from wx.service.callback import Callbacks
from wx.service.codes import Codes
from wx.service.courier import AT_ONCE, Courier
from wx.service.credential import Credentials
from wx.service.entry import Entries
from wx.service.followers import Followers
from wx.service.gate import Gate
from wx.service.health import Health
from wx.service.hub import Hub
from wx.service.inbox import Inbox
from wx.service.invites import Invites
from wx.service.jssdk import JsSdk
from wx.service.outbox import Outbox
from wx.service.passwords import Passwords
from wx.service.pictures import Pictures
from wx.service.rate import Rate
from wx.service.reader import Readers
from wx.service.receipts import Receipts
from wx.service.replies import Replies
from wx.service.scan import Scans
from wx.service.scan_login import ScanLogins
from wx.service.services import Services
from wx.service.sessions import Sessions
from wx.service.speech import Speech
from wx.service.templates import Templates
from wx.service.views import Views
from wx.service.visit import Visits
from wx.store import database, server_key
from wx.store.database import Database, DirectoryLock
from wx.store.picture_files import PictureFiles
from wx.timers import Timer, Timers
from wx.web.base import Site
from wx.web.routes import make_site
from wx.wechat import media
from wx.wechat.access_token import AccessTokenKeeper
from wx.wechat.client import Client
from wx.wechat.js_ticket import JsTicketKeeper
from wx.wechat.messages import Messages
from wx.wechat.oauth import OAuth
from wx.wechat.qrcode import QRCodes
from wx.wechat.templates import Templates as TemplateCalls
from wx.wechat.transport import Transport
from wx.wechat.users import Users

log = logging.getLogger(__name__)

# Connections to the platform, so that no crowd of one kind holds up another.
EXCHANGE_CONNECTIONS = 200  # people who wait for their callback
PROFILE_CONNECTIONS = 50
VISIT_CONNECTIONS = 200  # people who wait for a page that asks who they are
SEND_CONNECTIONS = AT_ONCE
CODE_CONNECTIONS = 20  # people who wait for their code
DETAIL_CONNECTIONS = 5  # what the platform's events leave out
AUTHORIZATION_CONNECTIONS = 5  # profiles that are read again
TOKEN_CONNECTIONS = 2
JS_TICKET_CONNECTIONS = 1

TESTS_PER_MINUTE = 10  # test notices for each account
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
        timers = self._compose(store, key)
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
        timers.start()
        stack.push_async_callback(timers.stop)
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

    def _compose(self, store: Database, key: bytes) -> Timers:
        """Make the services out of what is below them."""
        config, clock, stack = self.config, self.clock, self._stack
        credentials = {"app_id": config.app_id, "app_secret": config.app_secret}

        def transport(connections: int, **bounds: Any) -> Transport:
            made = Transport(config.api_base, connections=connections, **bounds)
            stack.callback(made.close)
            return made

        keeper = AccessTokenKeeper(
            transport(TOKEN_CONNECTIONS), clock, mode=config.access_token_mode, **credentials
        )
        stack.push_async_callback(keeper.close)
        oauth = OAuth(
            transport(EXCHANGE_CONNECTIONS), transport(PROFILE_CONNECTIONS), **credentials
        )
        messages = Messages(Client(transport(SEND_CONNECTIONS), keeper))
        hasher = Passwords()
        stack.callback(hasher.close)
        hub = Hub(limit=config.live_sockets)
        sessions = Sessions(
            store,
            clock,
            hasher,
            hub,
            key=key,
            idle_seconds=config.session_idle_seconds,
            seconds=config.session_seconds,
        )
        invites = Invites(store, clock, hub, config, key=key)
        views = Views(store, clock, hub, config, invites, key=key)
        # Before the background, and so closed after it: what goes on there asks the platform.
        users = Users(Client(transport(DETAIL_CONNECTIONS), keeper))
        qr_codes = QRCodes(Client(transport(CODE_CONNECTIONS), keeper))
        templates = Templates(
            store, clock, config, TemplateCalls(Client(transport(DETAIL_CONNECTIONS), keeper))
        )
        stack.push_async_callback(templates.close)
        woken = asyncio.Event()
        outbox = Outbox(store, clock, config, templates, hub, key=key, woken=woken)
        self._courier = Courier(store, clock, config, outbox, messages, woken=woken)
        stack.push_async_callback(self._courier.close)
        renewals = transport(AUTHORIZATION_CONNECTIONS)
        background = Background()
        stack.push_async_callback(background.close)
        js_ticket = JsTicketKeeper(Client(transport(JS_TICKET_CONNECTIONS), keeper), clock)
        stack.push_async_callback(js_ticket.close)
        pictures = self._pictures(
            store, transport(media.CONNECTIONS, body_limit=media.LARGEST, patience=media.PATIENCE),
            keeper,
        )  # fmt: skip
        stack.push_async_callback(pictures.close)
        authorizations = Authorizations(
            store, clock, config, OAuth(renewals, renewals, **credentials), background, key=key
        )
        stack.push_async_callback(authorizations.close)
        bindings = Bindings(store, clock, config, outbox, key=key)
        callbacks = Callbacks(
            store,
            clock,
            hub,
            config,
            invites,
            bindings,
            oauth,
            authorizations,
            background,
            key=key,
        )
        stack.push_async_callback(callbacks.close)
        pool = transport(VISIT_CONNECTIONS)
        visits = Visits(clock, config, OAuth(pool, pool, **credentials), key=key)
        stack.push_async_callback(visits.close)
        codes = Codes(clock, config, qr_codes)
        stack.push_async_callback(codes.close)
        speech = Speech(lambda language: locale.get(language).translate)
        scan_logins = ScanLogins(
            store,
            clock,
            config,
            hub,
            sessions,
            outbox,
            speech,
            visits,
            authorizations,
            key=key,
        )
        inbox = Inbox(
            store,
            clock,
            gate=Gate(clock, config),
            followers=Followers(
                store, clock, config, users, bindings, outbox, authorizations, background
            ),
            scans=Scans(config, hub, invites, bindings, speech, scan_logins),
            replies=Replies(config, bindings, speech),
            receipts=Receipts(config, outbox),
            pictures=pictures if config.keep_media else None,
            background=background,
            key=key,
        )
        stack.push_async_callback(inbox.close)
        self.services = Services(
            sessions=sessions,
            accounts=Accounts(store, clock, hasher),
            api_keys=ApiKeys(store, clock, background, per_minute=config.api_per_minute),
            authorizations=authorizations,
            invites=invites,
            views=views,
            bindings=bindings,
            callbacks=callbacks,
            codes=codes,
            inbox=inbox,
            outbox=outbox,
            readers=Readers(clock, visits, key=key),
            entries=Entries(
                store, clock, config, hub, visits, sessions, bindings, authorizations, key=key
            ),
            jssdk=JsSdk(js_ticket, clock, config),
            pictures=pictures,
            scan_logins=scan_logins,
            test_rate=Rate(clock, per_minute=TESTS_PER_MINUTE),
            templates=templates,
            visits=visits,
            access_token=Credentials(keeper),
            hub=hub,
            health=Health(store, keeper, hub, self._courier),
        )

        async def housekeeping() -> None:
            await invites.purge()
            await bindings.purge()
            await authorizations.purge()
            await sessions.purge()
            await outbox.purge()
            await pictures.sweep()

        return Timers(
            [
                Timer("access token", 1, keeper.refresh_if_due),
                Timer("expired codes", 1, invites.expire),
                Timer("expired sign-ins", 1, scan_logins.expire),
                Timer("ended sign-ins", 60, scan_logins.purge),
                Timer("bind route", 1, codes.find_out),
                Timer("outbox", 0.5, self._courier.look),
                Timer("JS ticket", 1, js_ticket.refresh_if_due),
                *([Timer("pictures", 1, pictures.look)] if config.keep_media else []),
                Timer("templates", 1, templates.refresh_if_due),
                Timer("ended sessions", 0.5, sessions.audit),
                Timer("ended views", 0.5, views.audit),
                Timer("old messages", 600, inbox.purge),
                Timer("housekeeping", 3600, housekeeping),
            ]
        )

    def _pictures(
        self, store: Database, transport: Transport, keeper: AccessTokenKeeper
    ) -> Pictures:
        files = PictureFiles(self.config.data_dir)
        fetcher = media.Media(Client(transport, keeper))
        return Pictures(store, self.clock, self.config, fetcher, files)

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
