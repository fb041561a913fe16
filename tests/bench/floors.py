"""What is measured against: the least that Tornado itself does for the same, each in a process.

Run as ``python -m tests.bench.floors KIND [ARGUMENT]``; prints ``listening on URL``.
"""

import asyncio
import json
import sqlite3
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from tornado import locale
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from wx import config
from wx.clock import Clock
from wx.protocol import incoming, reply
from wx.protocol.reply import TextReply
from wx.service.gate import Gate
from wx.wechat.transport import Transport

ROOT = Path(__file__).parents[2]
PING_SECONDS = 20
TEMPLATE = {
    "template_id": "BenchTemplate",
    "title": "系统通知",
    "content": "内容：{{thing1.DATA}}\n时间：{{time2.DATA}}",
}
_ANSWER = (
    b"<xml><ToUserName><![CDATA[oBench0000000000000000000001]]></ToUserName><FromUserName><![CDATA["
    b"gh_0123456789ab]]></FromUserName><CreateTime>1700000000</CreateTime><MsgType><![CDATA[text]]>"
    b"</MsgType><Content><![CDATA[hello]]></Content></xml>"
)


class Echo(WebSocketHandler):
    """A WebSocket that says hello, and then what it hears."""

    def open(self) -> None:
        self.write_message("hello")

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)


class Constant(RequestHandler):
    """The cheapest answer there is."""

    def get(self) -> None:
        self.finish("ok\n")


class BindPage(RequestHandler):
    """The bind page's own template with an invite in it, and nothing behind it."""

    def get_user_locale(self) -> locale.Locale:
        return locale.get("zh")

    def get_template_namespace(self) -> dict[str, Any]:
        return super().get_template_namespace() | {
            "site_name": "wxbind",
            "lang": "zh",
            "switch_url": "/bind?lang=en",
            "account": Values(name="person1"),
            "when": str,
        }

    def get(self) -> None:
        self.render(
            "bind.html",
            binding=None,
            invite=Values(
                id="i" * 22,
                url=f"http://127.0.0.1:8000/b/{'s' * 43}",
                link=f"http://127.0.0.1:8000/b/{'s' * 43}",
                qr=f"/bind/invites/{'i' * 22}/qr.svg",
                live=f"/live/{'i' * 22}",
                number="42",
                expires_in=600,
                lifetime=600,
                route="oauth",
                state="waiting",
                message=self.locale.translate("Scan the code with WeChat."),
                confirm=False,
            ),
            follow_qr=None,
            inside_wechat=False,
            notice=None,
            error=None,
            restorable=False,
            replacing=False,
            pictures=False,
            demo_phone=None,
        )


class LoginPage(BindPage):
    """The login page's own template."""

    def get(self) -> None:
        self.render(
            "login.html",
            error=None,
            done=None,
            username="",
            account=None,
            to="bind",
            enter_url=None,
            scan_login=False,
        )


class Values(dict[str, Any]):
    """A dict whose values a template reads with a dot."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Platform(RequestHandler):
    """WeChat's side, as far as a callback and a notice need it; answers after :attr:`latency`
    seconds, and with 502 while it is :attr:`down`."""

    latency = 0.0
    down = False
    sends = 0
    connections: ClassVar[set[Any]] = set()  # those that sends came over
    secure = ""  # its address over TLS, where it has one

    async def get(self) -> None:
        await asyncio.sleep(Platform.latency)
        code = self.get_query_argument("code", "")
        if code:
            openid = f"o{code}"[:64]
            self.finish(
                {
                    "openid": openid,
                    "access_token": "user-token",
                    "refresh_token": "refresh-token",
                    "expires_in": 7200,
                    "scope": "snsapi_userinfo",
                }
            )
            return
        if self.request.path.endswith("get_all_private_template"):
            self.finish({"template_list": [TEMPLATE]})
            return
        openid = self.get_query_argument("openid", "")
        self.finish({"openid": openid, "nickname": "小王", "sex": 1, "privilege": []})

    async def post(self) -> None:
        if self.request.path.endswith("token"):
            self.finish({"access_token": "the-token", "expires_in": 7200})
            return
        if Platform.down:
            self.set_status(502)
            self.finish("Bad Gateway")
            return
        await asyncio.sleep(Platform.latency)
        Platform.sends += 1
        Platform.connections.add(self.request.connection.stream)
        self.finish({"errcode": 0, "errmsg": "ok", "msgid": Platform.sends})


class Away(RequestHandler):
    """A bare redirect."""

    def get(self) -> None:
        self.redirect("/somewhere")


class Back(RequestHandler):
    """One call of the platform by the client that ours uses, and a bare redirect."""

    client: Transport

    async def get(self) -> None:
        code = self.get_query_argument("code")
        await self.client.get("/sns/oauth2/access_token", {"code": code})
        self.redirect("/somewhere", status=303)


class Insert(RequestHandler):
    """Takes a notice with one durable insert, and nothing else."""

    conn: sqlite3.Connection

    def post(self) -> None:
        notice = json.loads(self.request.body)
        values = (notice["to"], json.dumps(notice["template"]), "queued")
        self.conn.execute("BEGIN IMMEDIATE")
        self.conn.execute("INSERT INTO outbox (account, body, state) VALUES (?, ?, ?)", values)
        self.conn.execute("COMMIT")
        self.set_status(202)
        self.finish({"notices": [{"to": notice["to"], "state": "queued"}]})


class Bare(RequestHandler):
    """A webhook that answers a constant."""

    def post(self) -> None:
        self.set_header("Content-Type", "text/xml; charset=utf-8")
        self.finish(_ANSWER)


class NoRow(RequestHandler):
    """Our webhook without its database: signature, XML, the message, a reply."""

    gate: Gate

    def post(self) -> None:
        delivery = self.gate.open(self.request.query_arguments, self.request.body)
        message = incoming.read(delivery.fields)
        incoming.key(message)
        answer = TextReply(message.fields["Content"])
        self.set_header("Content-Type", "text/xml; charset=utf-8")
        self.finish(reply.write(answer, to=message.sender, sender=message.to, now=1))


class Latency(RequestHandler):
    """Sets the platform's latency: ``/latency/0.1``."""

    def get(self, seconds: str) -> None:
        Platform.latency = float(seconds)
        self.finish("ok\n")


class Down(RequestHandler):
    """Lets the platform be down, ``/down/1``, or up."""

    def get(self, down: str) -> None:
        Platform.down = down == "1"
        self.finish("ok\n")


class Seen(RequestHandler):
    """What has come: sends, the connections that they came over, and the address over TLS."""

    def get(self) -> None:
        self.finish(
            {
                "sends": Platform.sends,
                "connections": len(Platform.connections),
                "secure": Platform.secure,
            }
        )


def _site(kind: str, argument: str) -> Application:
    pages: dict[str, Any] = {
        "template_path": str(ROOT / "templates"),
        "static_path": str(ROOT / "static"),
        "xsrf_cookies": True,
    }
    if kind == "echo":
        return Application(
            [("/.*", Echo)],
            websocket_ping_interval=PING_SECONDS,
            websocket_ping_timeout=PING_SECONDS,
        )
    if kind == "platform":
        knobs = [(r"/latency/([\d.]+)", Latency), (r"/down/(\d)", Down), ("/seen", Seen)]
        return Application([*knobs, ("/.*", Platform)])
    if kind == "redirects":
        Back.client = Transport(argument, connections=200)
        return Application([("/away", Away), ("/back", Back)])
    if kind == "insert":
        Insert.conn = open_database(Path(tempfile.mkdtemp(prefix="wxbind-bench-")) / "floor.db")
        return Application([("/.*", Insert)])
    if kind == "webhook":
        return Application([("/wechat", Bare)])
    if kind == "no-row":
        keys = {"webhook_token": "benchtoken", "app_id": "wx0", "app_secret": "s"}
        NoRow.gate = Gate(Clock(), config.read(flags=keys, environ={}, file="/dev/null").config())
        return Application([("/wechat", NoRow)])
    locale.load_translations(str(ROOT / "templates" / "locale"), encoding="utf-8")
    rules = [("/bind", BindPage), ("/login", LoginPage), ("/healthz", Constant)]
    return Application(rules, **pages)


def open_database(path: Path) -> sqlite3.Connection:
    """As durable as ours."""
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute(
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY, account TEXT, body TEXT, state TEXT)"
    )
    return conn


async def main(kind: str, argument: str = "") -> None:
    """Serve until somebody ends the process.

    Args:
        argument: of the platform, a file with a certificate and its key, to be reached over TLS
            too; of the redirects, the platform that they ask.
    """
    sockets = bind_sockets(0, "127.0.0.1")
    site = _site(kind, argument)
    HTTPServer(site).add_sockets(sockets)
    if kind == "platform" and argument:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(argument)
        secure = bind_sockets(0, "127.0.0.1")
        HTTPServer(site, ssl_options=context).add_sockets(secure)
        Platform.secure = f"https://localhost:{secure[0].getsockname()[1]}"
    print(f"listening on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
