"""The simulator's world in the tests: a simulator, and a small site that uses it."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tornado import locale
from tornado.httpclient import HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.web import Application, RequestHandler

from tests.simulator.hook import Hook
from tests.support import ManualClock
from wx.simulator.app import Simulator


@pytest.fixture(autouse=True)
def plain_english(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Translations are the whole process's, and other tests load them: here, none."""
    monkeypatch.setattr(locale.Locale, "_cache", {})
    locale.load_translations(str(tmp_path_factory.mktemp("no-translations")))


class Client:
    """Calls the platform as a server does."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._client = SimpleAsyncHTTPClient(force_instance=True)

    async def fetch(self, path: str, body: str | bytes | None = None, **more: Any) -> HTTPResponse:
        """The raw answer; a body makes it a POST."""
        method = "GET" if body is None else "POST"
        return await self._client.fetch(
            self._simulator.base_url + path,
            method=method,
            body=body,
            raise_error=False,
            follow_redirects=False,
            **more,
        )

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        answer = await self.fetch(f"{path}?{urlencode(query)}")
        return dict(json.loads(answer.body))

    async def post(self, path: str, body: object, **query: str) -> dict[str, Any]:
        text = json.dumps(body, ensure_ascii=False)
        answer = await self.fetch(f"{path}?{urlencode(query)}", text.encode())
        return dict(json.loads(answer.body))

    async def access_token(self) -> str:
        """A working one."""
        return str((await self.get("/cgi-bin/token", **self.credentials))["access_token"])

    @property
    def credentials(self) -> dict[str, str]:
        simulator = self._simulator
        return {
            "grant_type": "client_credential",
            "appid": simulator.app_id,
            "secret": simulator.app_secret,
        }

    async def exchange(self, code: str) -> dict[str, Any]:
        query = self.credentials | {"grant_type": "authorization_code", "code": code}
        return await self.get("/sns/oauth2/access_token", **query)

    def close(self) -> None:
        self._client.close()


class Sender:
    """Sends to a person with a fresh access token; ``more`` replaces parts of the body."""

    def __init__(self, simulator: Simulator, client: Client) -> None:
        self.simulator = simulator
        self.client = client

    async def template(self, person: str = "wang", **more: object) -> dict[str, Any]:
        data = {"thing1": {"value": "备份已完成"}, "time2": {"value": "09:30"}}
        body = {"template_id": self.simulator.template_id, "data": data}
        return await self._send("template/send", person, body | more)

    async def subscription(self, person: str = "wang", **more: object) -> dict[str, Any]:
        values = {"thing1": "备份", "time2": "09:30", "thing3": "顺利"}
        data = {name: {"value": value} for name, value in values.items()}
        body = {"template_id": self.simulator.subscription_id, "data": data}
        return await self._send("subscribe/bizsend", person, body | more)

    async def text(self, person: str = "wang", **more: object) -> dict[str, Any]:
        body = {"msgtype": "text", "text": {"content": "hello"}}
        return await self._send("custom/send", person, body | more)

    async def _send(self, call: str, person: str, body: dict[str, Any]) -> dict[str, Any]:
        body = {"touser": self.simulator.world.people[person].openid} | body
        token = await self.client.access_token()
        return await self.client.post(f"/cgi-bin/message/{call}", body, access_token=token)


class Site:
    """A site with one question on a page, and a callback. ``seen``: what reached it."""

    def __init__(self, simulator: Simulator, client: Client) -> None:
        self.simulator = simulator
        self.client = client
        self.scope = "snsapi_userinfo"
        self.end = "#wechat_redirect"
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.answers: list[dict[str, Any]] = []
        routes: list[Any] = [
            (r"/b/(\w+)", _Question, {"site": self}),
            (r"/callback", _Callback, {"site": self}),
            (r"/loop", _Loop, {"site": self}),
            (r"/away", _Away, {"site": self}),
            (r"/echo", _Echo, {"site": self}),
            (r"/page.js", _Module, {"site": self}),
        ]
        self.server = HTTPServer(Application(routes, log_function=lambda handler: None))
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self.server.add_sockets(sockets)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def link(self, state: str = "abc123", *, scope: str | None = None) -> str:
        """An authorize link that leads back here."""
        return (
            f"{self.simulator.base_url}/connect/oauth2/authorize?appid={self.simulator.app_id}"
            f"&redirect_uri={quote(self.url + '/callback', safe='')}&response_type=code"
            f"&scope={scope or self.scope}&state={state}{self.end}"
        )


class _Handler(RequestHandler):
    def initialize(self, site: Site) -> None:
        self.site = site
        seen = dict(self.request.headers.get_all())
        site.seen.append((self.request.method or "", self.request.uri or "", seen))


class _Question(_Handler):
    def get(self, secret: str) -> None:
        self.set_cookie("phone", "here", httponly=True)
        self.set_header("Set-Cookie", "phone=here; Path=/; HttpOnly")
        self.finish(
            '<!doctype html><html><head><link rel="stylesheet" href="/style.css">'
            "<script>alert(1)</script></head><body onload='x()'><h1>Bind?</h1>"
            f'<form method="post"><input type="hidden" name="secret" value="{secret}">'
            '<button name="answer" value="yes">Bind</button>'
            '<button name="answer" value="no">This is not me</button></form>'
            '<a href="/other?x=1&amp;y=2">other</a></body></html>'
        )

    def post(self, secret: str) -> None:
        if self.get_body_argument("answer", "") != "yes":
            self.finish("refused")
            return
        self.redirect(self.site.link(secret), status=303)


class _Callback(_Handler):
    async def get(self) -> None:
        code = self.get_query_argument("code", "")
        if not code:
            self.finish("cancelled")
            return
        answer = await self.site.client.exchange(code)
        self.site.answers.append(answer)
        self.finish(f"bound {answer.get('openid', answer.get('errcode'))}")


class _Loop(_Handler):
    def get(self) -> None:
        self.redirect("/loop")


class _Away(_Handler):
    def get(self) -> None:
        self.redirect(self.get_query_argument("to"))


class _Echo(_Handler):
    """Says as JSON what it was asked with, and leads elsewhere where ``to`` says so."""

    def get(self) -> None:
        if to := self.get_query_argument("to", ""):
            self.redirect(to)
            return
        self.set_header("Set-Cookie", "echo=1; Path=/")
        self.set_header("X-Told", "yes")
        sent = {name.lower(): value for name, value in self.request.headers.get_all()}
        body = self.request.body.decode()
        self.finish({"method": self.request.method, "body": body, "headers": sent})

    post = put = delete = get


class _Module(_Handler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.finish('import "/other.js";\nexport const page = location.href;\n')


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def simulator(io_loop: Any, clock: ManualClock) -> Iterator[Simulator]:
    simulator = Simulator(clock=clock)
    io_loop.run_sync(simulator.start)
    yield simulator
    io_loop.run_sync(simulator.stop)


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    client = Client(simulator)
    yield client
    client.close()


@pytest.fixture
def sender(simulator: Simulator, client: Client) -> Sender:
    return Sender(simulator, client)


@pytest.fixture
def site(io_loop: Any, simulator: Simulator, client: Client) -> Iterator[Site]:
    site = Site(simulator, client)
    yield site
    site.server.stop()
    io_loop.run_sync(site.server.close_all_connections)


@pytest.fixture
def hook(io_loop: Any, simulator: Simulator) -> Iterator[Hook]:
    """An account's server, not yet configured; pushes do not pause between tries."""
    simulator.pushes.gap = 0
    hook = Hook(simulator)
    yield hook
    io_loop.run_sync(hook.stop)
