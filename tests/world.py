"""A whole wxbind in one test: real sockets, a real SQLite file, the simulator, a clock we move."""

import asyncio
import contextlib
import itertools
import json
import re
import secrets
import sqlite3
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.support import ManualClock, free_port
from wx import config
from wx.app import Server
from wx.protocol import signature, xml
from wx.protocol.envelope import Envelope
from wx.service.accounts import Accounts
from wx.service.passwords import Passwords
from wx.simulator.app import Simulator
from wx.simulator.world import Message, Person
from wx.store import database, server_key
from wx.store.database import Database

PASSWORD = "a fine long secret 7"  # planted: the log scan looks for it
WEBHOOK_TOKEN = "TokenOfOurWebhook"
WEBHOOK_AES_KEY = "0fOurWebhook4567890abcdefghijklmnopqrstuvwX"


class Desktop:
    """A browser at a desk: keeps cookies, sends forms as a browser does."""

    def __init__(self, base: str, *, language: str = "en") -> None:
        self.base = base
        self.cookies: dict[str, str] = {}
        self.sockets: list[Socket] = []
        self.seen: set[str] = set()  # secrets that it was given
        self.headers = {"Accept-Language": language, "User-Agent": "Mozilla/5.0 Chrome/150 Linux"}
        self._client = SimpleAsyncHTTPClient(force_instance=True, max_clients=200)

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()
        self._client.close()

    async def fetch(
        self,
        path: str,
        *,
        method: str = "GET",
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        """One request, redirects not followed, whatever its status."""
        sent = self.headers | {"Accept": "text/html"} | dict(headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = path if path.startswith("http") else self.base + path
        request = HTTPRequest(
            url, method=method, body=body, headers=sent, follow_redirects=False, request_timeout=20
        )
        response = await self._client.fetch(request, raise_error=False)
        for line in response.headers.get_list("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if value and value != '""':
                self.cookies[name] = value
                self.seen.add(value)
            else:
                self.cookies.pop(name, None)
        return response

    async def xsrf(self, path: str = "/login") -> str:
        """The XSRF token of a page's forms."""
        text = (await self.fetch(path)).body.decode()
        found = re.search(r'name="_xsrf" value="([^"]+)"', text)
        assert found, "the page has no form"
        return found[1]

    async def post(
        self, path: str, *, token: str | None = None, json_answer: bool = False, **fields: str
    ) -> HTTPResponse:
        """Send a form; its XSRF token is fetched from a page first."""
        if token is None:
            token = await self.xsrf("/bind" if "session" in self.cookies else "/login")
        body = urlencode({"_xsrf": token} | fields)
        accept = "application/json" if json_answer else "text/html"
        headers = {"Accept": accept, "Content-Type": "application/x-www-form-urlencoded"}
        return await self.fetch(path, method="POST", body=body, headers=headers)

    async def log_in(self, name: str = "ann", password: str = PASSWORD) -> HTTPResponse:
        """Send the login form."""
        return await self.post("/login", username=name, password=password)

    async def invite(self, **fields: str) -> dict[str, Any]:
        """A code for the signed-in account."""
        response = await self.post("/bind/invites", json_answer=True, **fields)
        assert response.code == 201, response.body
        invite = json.loads(response.body)
        self.seen |= {invite[name].rpartition("/")[2] for name in ("url", "link")}
        return invite

    async def state(self, invite: Mapping[str, Any]) -> dict[str, Any]:
        """How an invite stands, as JSON."""
        response = await self.fetch(f"/bind/invites/{invite['id']}")
        assert response.code == 200, response.body
        return json.loads(response.body)

    async def live(
        self, invite: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> "Socket":
        """The live socket of an invite."""
        sent = {"Origin": self.base, "Accept-Language": self.headers["Accept-Language"]}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent |= dict(headers or {})
        url = self.base.replace("http", "ws", 1) + invite["live"]
        socket = Socket(await websocket_connect(HTTPRequest(url, headers=sent)))
        self.sockets.append(socket)
        return socket


class Socket:
    """The browser's end of a live socket."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection

    async def frame(self) -> dict[str, Any] | None:
        """The next frame; None when the server has closed."""
        message = await asyncio.wait_for(self.connection.read_message(), 5)
        return None if message is None else json.loads(message)

    async def until(self, state: str) -> dict[str, Any]:
        """The first frame that says ``state``."""
        while frame := await self.frame():
            if frame["state"] == state:
                return frame
        raise AssertionError(f"closed before {state}")

    def close(self) -> None:
        self.connection.close()


@dataclass
class Post:
    """A delivery to the webhook, ready to be sent: signed, and sealed where the mode wants it."""

    query: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return f"/wechat?{urlencode(self.query)}"


class World:
    """Server and simulator, and the people who use them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.simulator = Simulator(clock=self.clock)
        self.server: Server
        self.desktops: list[Desktop] = []
        self.planted: set[str] = set()  # API keys, and what else belongs in no log line
        self.mode = "plain"  # the webhook's
        self._client = SimpleAsyncHTTPClient(force_instance=True, max_clients=200)
        self._numbers = itertools.count(7_100_000_000_000_000_001)

    async def start(self, *, environ: Mapping[str, str] | None = None, **keys: str) -> None:
        """Start both; ``keys`` are configuration keys."""
        await self.simulator.start()
        # Before the server, not after: a second door in one process drops the first one's locks
        # on the file, and then another process takes the server's WAL away.
        for name in ("ann", "bob"):
            await self.add_account(name)
        await self.start_server(**keys)

    async def start_server(self, **keys: str) -> None:
        """Start the server on the world's data."""
        base = self.simulator.base_url
        flags = {
            "port": "0",
            "data_dir": str(self.folder / "data"),
            "site_name": "Example",
            "app_id": self.simulator.app_id,
            "app_secret": self.simulator.app_secret,
            "api_base": base,
            "open_base": base,
            "mp_base": base,
            "avatar_origins": base,
            "notice_template": f"{self.simulator.template_id}:thing1,time2",
        }
        self.keys = flags | keys
        # It comes back to its port; other servers with the same keys have one of their own.
        here = {"port": str(free_port())} | keys
        file = self.folder / config.FILE
        sources = config.read(
            flags=flags | here, environ={}, file=str(file) if file.exists() else "/dev/null"
        )
        self.server = Server(sources.config(), self.clock)
        await self.server.start()

    async def restart_server(self) -> None:
        """Stop the server and start it again, on the same port."""
        port = self.server.port
        await self.server.stop()
        await self.start_server(**self.keys | {"port": str(port)})

    async def reconfigure(self, **keys: str) -> None:
        """Stop the server and start it again with other configuration keys."""
        await self.server.stop()
        await self.start_server(**keys)

    async def open_webhook(
        self, mode: str = "plain", *, rules: str | None = None, **keys: str
    ) -> None:
        """Start the server again with a webhook, and have the platform's console set it up.

        Args:
            mode: plain, compatible or safe.
            rules: a configuration file with the rules that answer; the built-in ones for None.
            keys: other configuration keys.
        """
        self.mode = mode
        if rules is not None:
            (self.folder / config.FILE).write_text(rules, encoding="utf-8")
        key = {} if mode == "plain" else {"webhook_aes_key": WEBHOOK_AES_KEY}
        ours = {"webhook_token": WEBHOOK_TOKEN, "webhook_mode": mode} | key
        await self.reconfigure(**ours | keys)
        await self.simulator.set_webhook(
            f"{self.base}/wechat",
            token=WEBHOOK_TOKEN,
            aes_key=key.get("webhook_aes_key", ""),
            mode=mode,
        )

    def text(self, content: str = "hello", person: str = "wang", **fields: object) -> bytes:
        """A text that this person writes, with a MsgId of its own; ``fields`` add and replace."""
        return self.message(
            person, **{"MsgType": "text", "Content": content, "MsgId": next(self._numbers)} | fields
        )

    def event(self, name: str, person: str = "wang", **fields: object) -> bytes:
        """An event about this person."""
        return self.message(person, **{"MsgType": "event", "Event": name} | fields)

    def message(self, person: str = "wang", **fields: object) -> bytes:
        """A message as the platform writes it; a field that is None is left out."""
        people = self.simulator.world
        whole = people.header(people.people[person]) | fields
        return xml.write({name: value for name, value in whole.items() if value is not None})

    def post(
        self,
        message: bytes,
        *,
        timestamp: float | None = None,
        nonce: str | None = None,
        token: str = WEBHOOK_TOKEN,
        aes_key: str = WEBHOOK_AES_KEY,
        app_id: str | None = None,
        mode: str | None = None,
        body: bytes | None = None,
    ) -> Post:
        """``message`` as the platform would post it now, or otherwise. Query and body may then be
        changed at will.

        Args:
            body: what is sent in place of the body that belongs to the message.
        """
        mode = mode or self.mode
        stamp = str(int(self.clock.now() if timestamp is None else timestamp))
        nonce = secrets.token_hex(8) if nonce is None else nonce
        query = {
            "signature": signature.sign(token, stamp, nonce),
            "timestamp": stamp,
            "nonce": nonce,
            "openid": self.simulator.world.people["wang"].openid,
        }
        made = message
        if mode != "plain":
            envelope = Envelope(
                token=token, aes_key=aes_key, app_id=app_id or self.simulator.app_id
            )
            sealed = envelope.encrypt(message, salt=secrets.token_bytes(16))
            query["encrypt_type"] = "aes"
            query["msg_signature"] = envelope.signature(stamp, nonce, sealed)
            account = self.simulator.world.account_id
            made = xml.write({"ToUserName": account, "Encrypt": sealed})
            if mode == "compatible":
                beside = f"<Encrypt><![CDATA[{sealed}]]></Encrypt></xml>".encode()
                made = message.removesuffix(b"</xml>") + beside
        return Post(query, made if body is None else body)

    async def send(
        self, post: Post | bytes, *, headers: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        """Send a delivery, whatever it is answered with; a bare message is made one first."""
        made = self.post(post) if isinstance(post, bytes) else post
        request = HTTPRequest(
            self.base + made.path,
            method="POST",
            body=made.body,
            headers={"Content-Type": "text/xml", "User-Agent": "Mozilla/4.0"} | dict(headers or {}),
            follow_redirects=False,
            request_timeout=20,
        )
        return await self._client.fetch(request, raise_error=False)

    async def look(self, path: str, *, headers: Mapping[str, str] | None = None) -> HTTPResponse:
        """GET an address of the server without cookies."""
        request = HTTPRequest(self.base + path, headers=dict(headers or {}), follow_redirects=False)
        return await self._client.fetch(request, raise_error=False)

    async def key(self, *scopes: str, name: str = "program", account: str = "") -> str:
        """An API key that is good for this."""
        made = await self.server.services.api_keys.add(name, scopes, account=account)
        self.planted.add(made)
        return made

    async def ask(
        self,
        path: str,
        *,
        key: str = "",
        body: object = None,
        method: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> HTTPResponse:
        """A program's request, with its API key: a POST where there is a body, which is sent as
        JSON unless it is bytes."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        sent = {"Accept-Language": "en", "User-Agent": "curl/8"}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        request = HTTPRequest(
            self.base + path,
            method=method or ("GET" if body is None else "POST"),
            body=body,
            headers=sent | dict(headers or {}),
            follow_redirects=False,
            request_timeout=20,
            allow_nonstandard_methods=True,
        )
        return await self._client.fetch(request, raise_error=False)

    async def raw(self, request: bytes) -> tuple[int, bytes]:
        """What bytes on the wire are answered with: status and body; 0 for a dropped connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        answer = b""
        try:
            async with asyncio.timeout(10):
                with contextlib.suppress(ConnectionError):
                    writer.write(request)
                    await writer.drain()
                with contextlib.suppress(ConnectionError):
                    while chunk := await reader.read(65536):
                        answer += chunk
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return (int(head.split()[1]) if head else 0), body

    async def answer(self, message: bytes) -> xml.Fields:
        """What a message is answered with, opened; empty for silence."""
        response = await self.send(message)
        assert response.code == 200, (response.code, response.body)
        return self.opened(response.body)

    def opened(self, body: bytes) -> xml.Fields:
        """The fields of an answer's body, sealed as the mode wants it; empty for silence."""
        if body == b"success":
            return {}
        fields = xml.read(body)
        if self.mode == "plain":
            return fields
        envelope = Envelope(
            token=WEBHOOK_TOKEN, aes_key=WEBHOOK_AES_KEY, app_id=self.simulator.app_id
        )
        sealed, stamp, nonce = (str(fields[name]) for name in ("Encrypt", "TimeStamp", "Nonce"))
        assert fields["MsgSignature"] == envelope.signature(stamp, nonce, sealed)
        return xml.read(envelope.open(sealed))

    async def rest(self) -> None:
        """Wait until all that people did is told, and all that follows from it is done."""
        await self.simulator.pushes.settled()
        await self.server.services.inbox._background.settled()
        await self.delivered()

    async def said(self, person: str, text: str) -> list[Message]:
        """What the chat shows in answer to a text of this person."""
        return await self.shown(person, self.simulator.phone(person).say(text))

    async def shown(self, person: str, doing: Awaitable[object]) -> list[Message]:
        """What the account says in the person's chat about what is done there."""
        chat = self.simulator.world.people[person].chat
        before = len(chat)
        await doing
        await self.simulator.pushes.settled()
        return [message for message in chat[before:] if not message.mine]

    async def add_account(self, name: str, password: str = PASSWORD) -> None:
        """Make an account as the command line does, through a door of its own."""
        hasher = Passwords()
        try:
            async with await Database.open(self.folder / "data" / database.FILE) as store:
                await Accounts(store, self.clock, hasher).add(name, password)
        finally:
            hasher.close()

    def secrets(self) -> set[str]:
        """Everything that was planted or handed out, and belongs in no log line."""
        platform = self.simulator.world
        found = {PASSWORD, self.simulator.app_secret, WEBHOOK_TOKEN, WEBHOOK_AES_KEY}
        found |= self.planted | {person.openid for person in platform.people.values()}
        found |= {code.url for code in platform.qr_codes.values()} | set(platform.qr_codes)
        found |= set(platform.tokens) | set(platform.codes) | platform.web_secrets
        found |= set(platform.js_tickets)
        for desktop in self.desktops:
            found |= desktop.seen
        with contextlib.suppress(OSError):
            found.add((self.folder / "data" / server_key.FILE).read_text())
        return {secret for secret in found if len(secret) >= 8}

    async def stop(self) -> None:
        for desktop in self.desktops:
            desktop.close()
        self._client.close()
        await self.server.stop()
        await self.simulator.stop()

    @property
    def base(self) -> str:
        return self.server.config.public_url

    def desktop(self, *, language: str = "en") -> Desktop:
        """A browser that nobody has signed in with."""
        desktop = Desktop(self.base, language=language)
        self.desktops.append(desktop)
        return desktop

    async def signed_in(self, name: str = "ann", *, language: str = "en") -> Desktop:
        """A browser that is signed in."""
        desktop = self.desktop(language=language)
        response = await desktop.log_in(name)
        assert response.code == 303, response.body
        return desktop

    async def bound(self, name: str = "ann", person: str = "wang") -> Desktop:
        """A signed-in browser, its account bound to this person by a scan."""
        desktop = await self.signed_in(name)
        invite = await desktop.invite()
        done = await self.simulator.phone(person).bind(invite["link"])
        assert done.status == 200, done.text
        return desktop

    async def told(self, person: str, times: int = 1) -> list[Message]:
        """What the account has sent to this person, once it is this much."""
        world, changed = self.simulator.world, asyncio.Event()
        chat = world.people[person].chat

        def watch(_: Person) -> None:
            changed.set()

        world.watchers.append(watch)
        try:
            async with asyncio.timeout(5):
                while len(sent := [one for one in chat if not one.mine]) < times:
                    changed.clear()
                    await changed.wait()
        finally:
            world.watchers.remove(watch)
        return sent

    async def delivered(self) -> None:
        """Until nothing more can leave the outbox now."""
        now = self.clock.now()
        for _ in range(1000):
            due = "SELECT 1 FROM outbox WHERE state = 'sending' OR due_at <= ?"
            if not self.rows(due, now):
                return
            await asyncio.sleep(0.005)
        raise AssertionError("notices are still on their way")

    def rows(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """What a statement finds or does in the database, through a door of its own."""
        path = self.folder / "data" / database.FILE
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as conn:
            conn.row_factory = sqlite3.Row
            return conn.execute(statement, values).fetchall()
