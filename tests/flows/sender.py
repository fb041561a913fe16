"""The platform's posts, one by one: each try signed anew, and every answer kept."""

import asyncio
import hashlib
import re
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.flows.program import Program
from wx.protocol import incoming, xml
from wx.simulator.app import Simulator
from wx.simulator.webhook import Stamp, Webhook

TOKEN = "TheTokenOfTheFlows"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
TRIES = 3  # that WeChat makes
GAP_SECONDS = 1
PATIENCE_SECONDS = 20  # far more than WeChat's: a late answer is to be seen, not cut off


@dataclass(slots=True)
class Try:
    """One post of a message. ``status`` is 0 where the connection ended without an answer."""

    status: int
    body: bytes
    seconds: float


@dataclass(eq=False, slots=True)
class Message:
    """What the platform tells. ``answer`` came with status 200, and is opened if it was sealed."""

    openid: str
    body: bytes = field(repr=False)
    tries: list[Try] = field(default_factory=list)
    answer: str | None = None

    @property
    def digest(self) -> bytes:
        """What the key of its row ends with."""
        return hashlib.sha256(incoming.key(incoming.read(xml.read(self.body))).encode()).digest()


class Sender:
    """Posts to a program, over a new connection each time as WeChat does."""

    def __init__(self, program: Program, simulator: Simulator, *, mode: str) -> None:
        self._program = program
        self._account_id = simulator.world.account_id
        self._app_id = simulator.app_id
        self._mode = mode

    @staticmethod
    def keys(mode: str) -> dict[str, str]:
        """The configuration of the program."""
        return {"webhook_token": TOKEN, "webhook_aes_key": AES_KEY, "webhook_mode": mode}

    def text(self, openid: str, content: str) -> Message:
        """Something that a person writes."""
        number = (1 << 62) + secrets.randbits(60)
        return self._message(openid, {"MsgType": "text", "Content": content, "MsgId": number})

    def event(self, openid: str, name: str, **fields: str) -> Message:
        """Something that a person does."""
        return self._message(openid, {"MsgType": "event", "Event": name} | fields)

    def _message(self, openid: str, fields: dict[str, object]) -> Message:
        header = {
            "ToUserName": self._account_id,
            "FromUserName": openid,
            "CreateTime": int(time.time()),
        }
        return Message(openid, xml.write(header | fields))

    @property
    def _webhook(self) -> Webhook:
        return Webhook(f"{self._program.base}/wechat", TOKEN, AES_KEY, self._mode)

    async def post(self, message: Message) -> Try:
        """One try."""
        url, body = self._webhook.post(
            message.body,
            stamp=Stamp(str(int(time.time())), secrets.token_hex(8)),
            openid=message.openid,
            account_id=self._account_id,
            app_id=self._app_id,
        )
        made = await fetch(url, body)
        message.tries.append(made)
        if made.status == 200:
            message.answer = self._opened(made.body)
        return made

    async def deliver(self, message: Message) -> Message:
        """All tries that it takes, as WeChat makes them."""
        for number in range(TRIES):
            if number:
                await asyncio.sleep(GAP_SECONDS)
            if (await self.post(message)).status == 200:
                break
        return message

    def check_url(self) -> str:
        """The address that the console asks; ``echo`` is what it wants to hear."""
        return self._webhook.check_address("echo", Stamp(str(int(time.time())), "nonce"))

    def _opened(self, body: bytes) -> str:
        envelope = self._webhook.envelope(self._app_id)
        if envelope is None or body == b"success":
            return body.decode()
        sealed = xml.read(body)["Encrypt"]
        assert isinstance(sealed, str)
        return envelope.open(sealed).decode()


async def fetch(url: str, body: bytes | None = None) -> Try:
    """One request over a connection of its own."""
    parts = urlsplit(url)
    begun = time.perf_counter()
    lines = [
        f"{'GET' if body is None else 'POST'} {parts.path}?{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Connection: close",
    ]
    if body is not None:
        lines += ["Content-Type: text/xml", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, "", ""]).encode()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await _exchanged(parts.hostname or "", parts.port or 0, head + (body or b""))
    except OSError:
        answer = b""
    head, _, content = answer.partition(b"\r\n\r\n")
    whole = re.search(rb"Content-Length: (\d+)", head)
    if whole is None or len(content) < int(whole[1]):  # cut off, which WeChat takes for nothing
        return Try(0, b"", time.perf_counter() - begun)
    return Try(int(head.split()[1]), content, time.perf_counter() - begun)


async def _exchanged(host: str, port: int, sent: bytes) -> bytes:
    """What is answered until the connection ends."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(sent)
        return await reader.read()
    finally:
        writer.close()


def rows(database: Path, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds in a sound database."""
    with closing(sqlite3.connect(database)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return conn.execute(statement).fetchall()


def count_rows(database: Path, messages: Iterable[Message]) -> list[int]:
    """How many rows the inbox has for each message; it may have none for anything else."""
    found = Counter(digest for (digest,) in rows(database, "SELECT substr(key, -32) FROM inbox"))
    counted = [found.pop(message.digest, 0) for message in messages]
    assert not found, "a row is nobody's"
    return counted
