"""An account's server for the tests of the webhook: it keeps what comes and answers as told."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from wx.protocol import xml
from wx.protocol.envelope import Envelope
from wx.simulator.app import Simulator

TOKEN = "WebhookTokenOfTests"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"

HANG, DROP = "hang", "drop"
Answer = bytes | int | str | Callable[[xml.Fields], bytes]


@dataclass
class Post:
    """One request to the webhook. ``fields``: of the message, whatever it was sealed in."""

    query: dict[str, str]
    headers: HTTPHeaders
    body: bytes
    outer: xml.Fields
    fields: xml.Fields

    @property
    def event(self) -> object:
        """What happened: the event's name, or the kind of the message."""
        return self.fields.get("Event") or self.fields.get("MsgType")


class Hook:
    """The server. ``answers`` are given one by one, then ``then`` for ever.

    An answer is a body, a status, HANG until the end or :meth:`release`, DROP, or a function of
    the message's fields.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.posts: list[Post] = []
        self.checks: list[dict[str, str]] = []
        self.answers: list[Answer] = []
        self.then: Answer = b"success"
        self.echo: Callable[[str], Answer] = lambda echo: echo.encode()
        self.envelope = Envelope(token=TOKEN, aes_key=AES_KEY, app_id=simulator.app_id)
        self._released = asyncio.Event()
        self._news = asyncio.Event()
        routes: list[Any] = [(r"/wechat", _Endpoint, {"hook": self})]
        self.server = HTTPServer(Application(routes, log_function=lambda handler: None))
        sockets = bind_sockets(0, "127.0.0.1")
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/wechat"
        self.server.add_sockets(sockets)

    async def set(self, mode: str = "plain") -> None:
        """Make it the account's webhook."""
        await self.simulator.set_webhook(self.url, token=TOKEN, aes_key=AES_KEY, mode=mode)

    async def came(self, count: int) -> None:
        """Wait until so many posts were made."""
        async with asyncio.timeout(10):
            while len(self.posts) < count:
                self._news.clear()
                await self._news.wait()

    def release(self) -> None:
        """Answer what hangs."""
        self._released.set()

    def keep(self, post: Post) -> Answer:
        """Take a post in; what to answer."""
        self.posts.append(post)
        self._news.set()
        return self.answers.pop(0) if self.answers else self.then

    async def answer(self, handler: RequestHandler, answer: Answer, fields: xml.Fields) -> None:
        """Do as told."""
        if answer == HANG:
            await self._released.wait()
            answer = b"success"
        if answer == DROP:
            handler.detach().close()
            return
        if callable(answer):
            answer = answer(fields)
        if isinstance(answer, int):
            handler.set_status(answer)
            answer = b""
        handler.finish(answer)

    async def stop(self) -> None:
        self.release()
        self.server.stop()
        await self.server.close_all_connections()


class _Endpoint(RequestHandler):
    def initialize(self, hook: Hook) -> None:
        self.hook = hook

    async def get(self) -> None:
        query = _query(self)
        self.hook.checks.append(query)
        await self.hook.answer(self, self.hook.echo(query["echostr"]), {})

    async def post(self) -> None:
        query, body = _query(self), self.request.body
        outer = xml.read(body) if body.endswith(b"</xml>") else {}
        fields = outer
        if "Encrypt" in outer:
            fields = xml.read(self.hook.envelope.open(str(outer["Encrypt"])))
        post = Post(query, self.request.headers, body, outer, fields)
        await self.hook.answer(self, self.hook.keep(post), fields)


def _query(handler: RequestHandler) -> dict[str, str]:
    return {name: values[0].decode() for name, values in handler.request.query_arguments.items()}


def signature(*parts: str) -> str:
    """The platform's signature, worked out by hand."""
    return hashlib.sha1("".join(sorted(parts)).encode()).hexdigest()


def text_reply(fields: xml.Fields, content: str = "hello", **change: object) -> bytes:
    """A text in answer to a message."""
    return xml.write(
        {
            "ToUserName": fields["FromUserName"],
            "FromUserName": fields["ToUserName"],
            "CreateTime": 1800000000,
            "MsgType": "text",
            "Content": content,
        }
        | change
    )
