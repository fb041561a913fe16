"""The simulator as a whole: WeChat's servers and a few phones, on this machine."""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.web import Application

from wx.clock import Clock
from wx.paths import STATIC, TEMPLATES
from wx.simulator import (
    admin,
    jssdk,
    media,
    menu,
    messages,
    pages,
    qrcode,
    quotas,
    subscriptions,
    tokens,
    users,
    web,
)
from wx.simulator.api import Api
from wx.simulator.faults import Fault, Faults
from wx.simulator.live import Live
from wx.simulator.oauth import (
    AUTHORIZE,
    Answer,
    Authorize,
    Exchange,
    Incomplete,
    Question,
    Renewal,
    UserInfo,
    UserTokenCheck,
    is_allowed,
    is_loopback,
)
from wx.simulator.phone import Phone
from wx.simulator.pushes import Delivery, Pushes
from wx.simulator.template import SAMPLE, SUBSCRIPTIONS
from wx.simulator.webhook import Webhook
from wx.simulator.world import World

_BACKLOG = 1024  # connections that wait to be taken
_MAX_BODY = media.LARGEST + media.MEGABYTE  # so that a file too large is told so
LOG_LENGTH = 500  # calls that are remembered, and deliveries


class Simulator:
    """Plays the platform; serves as ``api_base``, ``open_base`` and ``mp_base`` at once.

    Args:
        clock: where all times come from.
        app_id: the account's appid.
        app_secret: the account's secret, 32 hexadecimal digits.
        account_name: the account's name, as people see it.
        oauth_hosts: the web authorization domains; None allows the loopback ones.
        js_hosts: the JS-safe domains, in the same way; their pages' scripts run on the phone.
        draw_code: draws a link as a code, in SVG; without it the picture only names the link.

    Attributes:
        webhook: where messages and events are pushed to; None pushes nothing.
        pushes: the sender, with its knobs.
        deliveries: each try of a push, and how it ended.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        app_id: str = "wx5a17c0de00000001",
        app_secret: str = "5a17c0de5a17c0de5a17c0de5a17c0de",
        account_name: str = "wxbind demo",
        oauth_hosts: list[str] | None = None,
        js_hosts: list[str] | None = None,
        draw_code: Callable[[str], Awaitable[str]] | None = None,
    ) -> None:
        self.world = World(clock or Clock(), app_id, app_secret, account_name)
        self.faults = Faults(self.world)
        self.app_id = app_id
        self.app_secret = app_secret
        self.oauth_hosts = oauth_hosts
        self.js_hosts = js_hosts
        self.draw_code = draw_code
        self.template_id = SAMPLE.id
        self.subscription_id = SUBSCRIPTIONS[0].id
        self.address = "127.0.0.1"
        self.port = 0
        self.calls: Counter[str] = Counter()
        self.log: deque[tuple[str, int]] = deque(maxlen=LOG_LENGTH)
        self.deliveries: deque[Delivery] = deque(maxlen=LOG_LENGTH)
        self.webhook: Webhook | None = None
        self.pushes = Pushes(self)
        self.sockets: set[Live] = set()
        self.version = 0  # counts every change that a drawn phone may show
        self.classic_tokens = tokens.Family(self.world, "74")
        self.stable_tokens = tokens.Family(self.world, "75")
        self.questions: dict[str, Question] = {}
        self.js_pages: dict[str, frozenset[str]] = {}  # what pages may do, by what they were given
        # By openid and client_msg_id: when, and what the call was answered with.
        self.sent_templates: dict[tuple[str, str], tuple[float, dict[str, object]]] = {}
        self.quotas = quotas.Quotas(self.world)
        self._call = asyncio.Event()
        self._phones: dict[str, Phone] = {}
        self._server: HTTPServer | None = None
        self._kept: socket.socket | None = None  # holds the port while nothing listens
        self._absence: asyncio.Task[None] | None = None
        self.world.watchers.append(lambda person: self._changed())
        self.world.listeners.append(self.pushes.push)

    async def start(self, address: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 picks a free one. Raises OSError where the port is taken."""
        listener = _bound(address, port)
        self.address, self.port = address, listener.getsockname()[1]
        self.world.base_url = self.base_url
        self._listen(listener)

    async def go_down(self) -> None:
        """Cut every connection and refuse new ones, until :meth:`come_back`.

        The port stays ours. What calls had begun is still done; nobody hears of it.
        """
        if self._server is None:
            return
        server, self._server = self._server, None
        server.stop()
        self._kept = _bound(self.address, self.port)
        await server.close_all_connections()

    async def come_back(self) -> None:
        """Listen again, at the same port."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            self._listen(kept)

    async def absence(self) -> None:
        """Wait until what :meth:`go_down_for` began is over."""
        if self._absence is not None:
            await self._absence

    def go_down_for(self, seconds: float) -> None:
        """Go down in the background, and come back after ``seconds``."""
        self._absence = asyncio.get_running_loop().create_task(self._stay_away(seconds))

    async def _stay_away(self, seconds: float) -> None:
        await self.go_down()
        await asyncio.sleep(seconds)
        await self.come_back()

    def _listen(self, listener: socket.socket) -> None:
        listener.listen(_BACKLOG)
        self._server = HTTPServer(self._application(), max_body_size=_MAX_BODY)
        self._server.add_sockets([listener])

    async def stop(self) -> None:
        """End every connection, those that hang included; live sockets are told so."""
        if self._absence is not None:
            self._absence.cancel()
            await asyncio.gather(self._absence, return_exceptions=True)
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        self.faults.release()
        await self.pushes.stop()
        for live in list(self.sockets):
            live.close(1001, "the simulator stops")
        for phone in self._phones.values():
            phone.browser.close()
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
            self._server = None

    @property
    def base_url(self) -> str:
        """Where the platform is: scheme, host and port."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"

    def phone(self, person_id: str) -> Phone:
        """The phone of this person; KeyError for a stranger."""
        if person_id not in self._phones:
            self._phones[person_id] = Phone(self, self.world.people[person_id])
        return self._phones[person_id]

    def is_own_host(self, host: str) -> bool:
        """Whether a Host header names this machine, with or without a port."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name == self.address

    def is_self(self, netloc: str) -> bool:
        """Whether a host and port mean this simulator."""
        return self.is_own_host(netloc) and urlsplit(f"//{netloc}").port == self.port

    def runs_scripts(self, url: str) -> bool:
        """Whether the drawn phone runs the scripts of a page: it is at a JS-safe domain."""
        try:
            netloc = urlsplit(url).netloc
            return is_allowed(netloc, self.js_hosts) and not self.is_self(netloc)
        except ValueError:
            return False

    def record_call(self, path: str) -> Fault | None:
        """Count an API call, and give the fault that it meets."""
        self.calls[path] += 1
        self.quotas.count(path)
        self._call.set()
        self._call = asyncio.Event()
        return self.faults.take(path)

    def record_answer(self, path: str, errcode: int) -> None:
        """Remember what a call was answered with."""
        self.log.append((path, errcode))
        self._changed()

    def record_delivery(self, delivery: Delivery) -> None:
        """Remember how one try of a push ended."""
        self.deliveries.append(delivery)
        self._changed()

    async def set_webhook(
        self, url: str, *, token: str, aes_key: str = "", mode: str = "plain"
    ) -> None:
        """Save a webhook as the console does: only if its server answers the check (3.1).

        Args:
            url: where to push; at this machine, or at one of the web authorization domains.
            token: 3 to 32 letters and digits.
            aes_key: 43 letters and digits; needed unless the mode is plain.
            mode: plain, compatible or safe.

        Raises:
            WebhookRefused: with the reason; what was set before stays.
        """
        webhook = Webhook(url, token, aes_key, mode)
        await self.pushes.check(webhook)
        self.webhook = webhook
        self._changed()

    async def called(self, path: str, times: int = 1, *, seconds: float = 10) -> None:
        """Wait until a path was called this often; TimeoutError after ``seconds``."""
        async with asyncio.timeout(seconds):
            while self.calls[path] < times:
                await self._call.wait()

    def _changed(self) -> None:
        self.version += 1
        for live in list(self.sockets):
            live.tell()

    def _application(self) -> Application:
        return Application(
            [
                (r"/cgi-bin/token", tokens.ClassicToken),
                (r"/cgi-bin/stable_token", tokens.StableToken),
                (AUTHORIZE, Authorize),
                (r"/connect/oauth2/answer", Answer),
                (r"/connect/incomplete", Incomplete),
                (r"/sns/oauth2/access_token", Exchange),
                (r"/sns/oauth2/refresh_token", Renewal),
                (r"/sns/userinfo", UserInfo),
                (r"/sns/auth", UserTokenCheck),
                (r"/cgi-bin/message/template/send", messages.TemplateSend),
                (r"/cgi-bin/message/custom/send", messages.CustomSend),
                (r"/cgi-bin/message/subscribe/bizsend", subscriptions.BizSend),
                (r"/cgi-bin/template/get_all_private_template", messages.TemplateList),
                (r"/wxaapi/newtmpl/gettemplate", subscriptions.SubscriptionTemplates),
                (r"/cgi-bin/clear_quota", quotas.ClearQuota),
                (r"/cgi-bin/user/info", users.UserInfo),
                (r"/cgi-bin/ticket/getticket", jssdk.GetTicket),
                (r"/cgi-bin/media/get", media.MediaGet),
                (r"/cgi-bin/media/upload", media.MediaUpload),
                (r"/cgi-bin/qrcode/create", qrcode.QRCodeCreate),
                (r"/cgi-bin/showqrcode", qrcode.ShowQRCode),
                (r"/cgi-bin/menu/create", menu.MenuCreate),
                (r"/cgi-bin/menu/get", menu.MenuGet),
                (r"/cgi-bin/menu/delete", menu.MenuDelete),
                (r"/cgi-bin/get_current_selfmenu_info", menu.CurrentMenu),
                (r"/", pages.Home),
                (r"/phone/scan", web.Scan),
                (r"/phone/(\w+)", pages.Chats),
                (r"/phone/(\w+)/chat", pages.Chat),
                (r"/phone/(\w+)/menu", pages.Menu),
                (r"/phone/(\w+)/account", pages.Account),
                (r"/phone/(\w+)/subscription", pages.Subscription),
                (r"/phone/(\w+)/scan", pages.Scanner),
                (r"/phone/(\w+)/browser", pages.WebPage),
                (r"/phone/(\w+)/snapshot", pages.Snapshot),
                (r"/phone/(\w+)/full", pages.FullService),
                (r"/phone/(\w+)/web/https?/.+", web.Web),
                (r"/phone/(\w+)/live", Live),
                (r"/phone/(\w+)/jssdk/config", jssdk.Configuration),
                (r"/phone/(\w+)/jssdk/upload", jssdk.Upload),
                (r"/phone/(\w+)/jssdk/pictures", jssdk.Picker),
                (r"/open/js/jweixin-[\d.]+\.js", jssdk.Script),
                (r"/admin/faults", admin.FaultsAdmin),
                (r"/admin/down", admin.DownAdmin),
                (r"/admin/limits", admin.LimitsAdmin),
                (r"/admin/people", admin.CrowdAdmin),
                (r"/admin/people/(\w+)", admin.PeopleAdmin),
                (r"/admin/state", admin.StateAdmin),
                (r"/admin/accepted", admin.AcceptedAdmin),
                (r"/admin/webhook", admin.WebhookAdmin),
                (r"/admin/push", admin.PushAdmin),
                (r"/admin/pushes", admin.PushesAdmin),
                (r"/avatar/(\w+)\.svg", users.Avatar),
            ],
            default_handler_class=Api,
            simulator=self,
            static_path=str(STATIC),
            template_path=str(TEMPLATES),
            cross_origin_protection=True,
            websocket_ping_interval=20,
            log_function=lambda handler: None,
        )


def _bound(address: str, port: int) -> socket.socket:
    """A socket that has the port, and does not listen yet."""
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound
