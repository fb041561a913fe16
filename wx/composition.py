"""Composition: what the server is made of, and what each part is given."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from tornado import locale

from wx.clock import Clock
from wx.config import Config
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
from wx.store.database import Database
from wx.store.picture_files import PictureFiles
from wx.timers import Timer, Timers
from wx.wechat import media
from wx.wechat.access_token import AccessTokenKeeper
from wx.wechat.client import Client
from wx.wechat.js_ticket import JsTicketKeeper
from wx.wechat.media import Media
from wx.wechat.messages import Messages
from wx.wechat.oauth import OAuth
from wx.wechat.qrcode import QRCodes
from wx.wechat.templates import Templates as TemplateCalls
from wx.wechat.transport import Transport
from wx.wechat.users import Users

# Connections to the platform, so that no crowd of one kind holds up another.
EXCHANGE_CONNECTIONS = 200  # people who wait for their callback
PROFILE_CONNECTIONS = 50
VISIT_CONNECTIONS = 200  # people who wait for a page that asks who they are
SEND_CONNECTIONS = AT_ONCE
CODE_CONNECTIONS = 20  # people who wait for their code
DETAIL_CONNECTIONS = 5  # what the platform's events leave out
TEMPLATE_CONNECTIONS = 5
AUTHORIZATION_CONNECTIONS = 5  # profiles that are read again
TOKEN_CONNECTIONS = 2
JS_TICKET_CONNECTIONS = 1

TESTS_PER_MINUTE = 10  # test notices for each account


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything that asks the platform, each kind over connections of its own.

    Args:
        binding: for those who come back to be bound.
        visits: for those who come back to a page.
        renewals: for profiles that are read again.
    """

    access_token: AccessTokenKeeper
    js_ticket: JsTicketKeeper
    binding: OAuth
    visits: OAuth
    renewals: OAuth
    messages: Messages
    templates: TemplateCalls
    users: Users
    codes: QRCodes
    media: Media


@dataclass(frozen=True, slots=True)
class Parts:
    """The services, and what runs beside the requests."""

    services: Services
    courier: Courier
    timers: Timers


def connect(config: Config, clock: Clock, stack: AsyncExitStack) -> Platform:
    """What asks the platform; ``stack`` closes it."""
    credentials = {"app_id": config.app_id, "app_secret": config.app_secret}

    def transport(connections: int, **bounds: Any) -> Transport:
        made = Transport(config.api_base, connections=connections, **bounds)
        stack.callback(made.close)
        return made

    def oauth(connections: int, profiles: int | None = None) -> OAuth:
        exchange = transport(connections)
        return OAuth(exchange, transport(profiles) if profiles else exchange, **credentials)

    keeper = AccessTokenKeeper(
        transport(TOKEN_CONNECTIONS), clock, mode=config.access_token_mode, **credentials
    )
    stack.push_async_callback(keeper.close)

    def client(connections: int, **bounds: Any) -> Client:
        return Client(transport(connections, **bounds), keeper)

    js_ticket = JsTicketKeeper(client(JS_TICKET_CONNECTIONS), clock)
    stack.push_async_callback(js_ticket.close)
    return Platform(
        access_token=keeper,
        js_ticket=js_ticket,
        binding=oauth(EXCHANGE_CONNECTIONS, PROFILE_CONNECTIONS),
        visits=oauth(VISIT_CONNECTIONS),
        renewals=oauth(AUTHORIZATION_CONNECTIONS),
        messages=Messages(client(SEND_CONNECTIONS)),
        templates=TemplateCalls(client(TEMPLATE_CONNECTIONS)),
        users=Users(client(DETAIL_CONNECTIONS)),
        codes=QRCodes(client(CODE_CONNECTIONS)),
        media=Media(client(media.CONNECTIONS, body_limit=media.LARGEST, patience=media.PATIENCE)),
    )


def compose(
    config: Config,
    clock: Clock,
    stack: AsyncExitStack,
    store: Database,
    platform: Platform,
    *,
    key: bytes,
) -> Parts:
    """The services, made out of what is below them; ``stack`` closes them, the last one first.

    Args:
        key: the server's own key.
    """
    hub = Hub(limit=config.live_sockets)
    hasher = Passwords()
    stack.callback(hasher.close)
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
    templates = Templates(store, clock, config, platform.templates)
    stack.push_async_callback(templates.close)
    woken = asyncio.Event()
    outbox = Outbox(store, clock, config, templates, hub, key=key, woken=woken)
    courier = Courier(store, clock, config, outbox, platform.messages, woken=woken)
    stack.push_async_callback(courier.close)
    background = Background()
    stack.push_async_callback(background.close)
    pictures = Pictures(store, clock, config, platform.media, PictureFiles(config.data_dir))
    stack.push_async_callback(pictures.close)
    authorizations = Authorizations(store, clock, config, platform.renewals, background, key=key)
    stack.push_async_callback(authorizations.close)
    bindings = Bindings(store, clock, config, outbox, key=key)
    callbacks = Callbacks(
        store,
        clock,
        hub,
        config,
        invites,
        bindings,
        platform.binding,
        authorizations,
        background,
        key=key,
    )
    stack.push_async_callback(callbacks.close)
    visits = Visits(clock, config, platform.visits, key=key)
    stack.push_async_callback(visits.close)
    codes = Codes(clock, config, platform.codes)
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
    followers = Followers(
        store, clock, config, platform.users, bindings, outbox, authorizations, background
    )
    inbox = Inbox(
        store,
        clock,
        gate=Gate(clock, config),
        followers=followers,
        scans=Scans(config, hub, invites, bindings, speech, scan_logins),
        replies=Replies(config, bindings, speech),
        receipts=Receipts(config, outbox),
        pictures=pictures if config.keep_media else None,
        background=background,
        key=key,
    )
    stack.push_async_callback(inbox.close)
    services = Services(
        sessions=sessions,
        accounts=Accounts(store, clock, hasher),
        api_keys=ApiKeys(store, clock, background, per_minute=config.api_per_minute),
        authorizations=authorizations,
        invites=invites,
        views=Views(store, clock, hub, config, invites, key=key),
        bindings=bindings,
        callbacks=callbacks,
        codes=codes,
        inbox=inbox,
        outbox=outbox,
        readers=Readers(clock, visits, key=key),
        entries=Entries(
            store, clock, config, hub, visits, sessions, bindings, authorizations, key=key
        ),
        jssdk=JsSdk(platform.js_ticket, clock, config),
        pictures=pictures,
        scan_logins=scan_logins,
        test_rate=Rate(clock, per_minute=TESTS_PER_MINUTE),
        templates=templates,
        access_token=Credentials(platform.access_token),
        hub=hub,
        health=Health(store, platform.access_token, hub, courier),
    )
    return Parts(services, courier, _timers(config, platform, services, courier, visits))


def _timers(
    config: Config, platform: Platform, services: Services, courier: Courier, visits: Visits
) -> Timers:
    """What is done again and again, and after how many seconds."""

    async def housekeeping() -> None:
        await services.invites.purge()
        await services.bindings.purge()
        await services.authorizations.purge()
        await services.sessions.purge()
        await services.outbox.purge()
        await services.pictures.sweep()

    return Timers(
        [
            Timer("access token", 1, platform.access_token.refresh_if_due),
            Timer("expired codes", 1, services.invites.expire),
            Timer("expired scan logins", 1, services.scan_logins.expire),
            Timer("ended scan logins", 60, services.scan_logins.purge),
            Timer("visits", 60, visits.forget),
            Timer("bind route", 1, services.codes.find_out),
            Timer("outbox", 0.5, courier.look),
            Timer("JS ticket", 1, platform.js_ticket.refresh_if_due),
            *([Timer("pictures", 1, services.pictures.look)] if config.keep_media else []),
            Timer("templates", 1, services.templates.refresh_if_due),
            Timer("ended sessions", 0.5, services.sessions.audit),
            Timer("ended views", 0.5, services.views.audit),
            Timer("old messages", 600, services.inbox.purge),
            Timer("housekeeping", 3600, housekeeping),
        ]
    )
