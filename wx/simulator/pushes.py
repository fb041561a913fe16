"""The platform's sender: what people do is posted to the account's webhook (section 3)."""

import asyncio
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

from wx.protocol import xml
from wx.protocol.envelope import Envelope
from wx.protocol.signature import sign
from wx.simulator.reply import BrokenReply, UndeliveredReply, is_watched, judge
from wx.simulator.world import Message, Person

if TYPE_CHECKING:
    from wx.simulator.app import Simulator

# What the phone shows where an answer is missing or broken; a page translates it.
OUT_OF_ORDER = "This account's service is out of order. Please try again later."
MODES = ("plain", "compatible", "safe")
_CONNECTIONS = 1000  # posts that may be under way at once
_MAX_BODY = 1 << 20  # of an answer


class WebhookRefused(ValueError):
    """The console does not save this webhook; the reason is a sentence."""


@dataclass(frozen=True)
class Webhook:
    """The server configuration of the account (3.1)."""

    url: str
    token: str = field(repr=False)
    aes_key: str = field(default="", repr=False)
    mode: str = "plain"

    def problem(self) -> str:
        """What the console finds wrong before it asks the server; "" for nothing."""
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        except ValueError:
            usable = False
        if not usable:
            return "the URL is no http or https address"
        if not re.fullmatch(r"[A-Za-z0-9]{3,32}", self.token):
            return "the Token must be 3 to 32 letters and digits"
        if self.mode not in MODES:
            return f"the mode must be one of: {', '.join(MODES)}"
        if (self.aes_key or self.mode != "plain") and not re.fullmatch(
            r"[A-Za-z0-9]{43}", self.aes_key
        ):
            return "the EncodingAESKey must be 43 letters and digits"
        return ""


@dataclass
class Delivery:
    """One post to the webhook, and how it ended.

    ``outcome`` is one of: answered (a bubble, or people of the account take over), silent
    (``success`` or nothing), broken (another body), late (after the deadline), dropped (no
    connection, or none that lasted), refused (a status that is not 200).
    """

    person: Person
    kind: str  # MsgType
    name: str  # the MsgId, or the event's name
    attempt: int  # from 1
    at: float  # when it was sent, in Unix seconds
    url: str = field(repr=False)  # with its query
    body: bytes = field(repr=False)
    outcome: str = ""
    status: int | None = None
    seconds: float = 0.0
    reason: str = ""  # what is wrong with the answer


@dataclass
class _Push:
    person: Person
    fields: Mapping[str, object]  # what can be told of it; empty for raw bytes
    message: bytes


class Pushes:
    """Sends pushes in the background, and puts the answers into the chats.

    Args:
        simulator: whose webhook, people and log.

    Attributes:
        tries: how often a push is posted where no answer of status 200 comes.
        deadline: seconds for a whole answer.
        gap: seconds between two tries.
        time_scale: all seconds here are divided by it, so that tests wait shorter.
        duplicate: how many copies of each push are posted at once. The first answer counts.
        delay: seconds before a push is posted.
        reorder: so many pushes of a person are gathered, then posted last one first, at once.
        bad_signature: posts carry wrong signatures.
        stale: seconds that a post's timestamp lies back.
        receipt_status: what a receipt says of a template message; one that failed reaches no chat.
        receipt_delay: seconds after the message was taken.
        receipt_first: the receipt comes before the message's sender has his reply.
    """

    tries = 3
    deadline = 5.0
    gap = 1.0
    time_scale = 1.0
    duplicate = 1
    delay = 0.0
    reorder = 0
    bad_signature = False
    stale = 0.0
    receipt_status = "success"
    receipt_delay = 0.2
    receipt_first = False

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._gathered: dict[str, list[_Push]] = {}
        self._client: SimpleAsyncHTTPClient | None = None  # made on the loop that it runs on

    def push(self, person: Person, fields: Mapping[str, object] | bytes) -> None:
        """Post this in the background, after what is already on its way for the person.

        Does nothing without a webhook.

        Args:
            person: who did it, and whose chat gets the answer.
            fields: what the platform tells. ToUserName, FromUserName and CreateTime are added
                unless they are there; None leaves one out. Or a whole body, as bytes, sent as is.

        Raises:
            ValueError: a field has a name that XML has not.
            TypeError: a field's value cannot be written.
        """
        if self._simulator.webhook is None:
            return
        push = self._made(person, fields)
        if self.reorder < 2:
            self._start(self._in_turn(push))
            return
        gathered = self._gathered.setdefault(person.id, [])
        gathered.append(push)
        if len(gathered) >= self.reorder:
            self._let_go(person.id)

    def replay(self, delivery: Delivery) -> None:
        """Post in the background what was posted before, to the letter, once."""
        self._start(self._replay(delivery))

    async def receipt(self, person: Person, msgid: int) -> None:
        """Tell what became of a template message: at once if receipts come first, else later."""
        if self._simulator.webhook is None or not self.receipt_status:
            return
        event = {
            "MsgType": "event",
            "Event": "TEMPLATESENDJOBFINISH",
            "MsgID": msgid,
            "Status": self.receipt_status,
        }
        push = self._made(person, event)
        # Not in the person's turn: the sender of the message may be inside a post of that turn.
        if self.receipt_first:
            await self._post_all(push)
        else:
            self._start(self._later(push))

    async def check(self, webhook: Webhook) -> None:
        """Ask the server to send back a word, as the console does (3.1).

        Raises:
            WebhookRefused: it did not, or the configuration is wrong in itself.
        """
        if problem := webhook.problem() or self._foreign(webhook.url):
            raise WebhookRefused(problem)
        echo = str(secrets.randbelow(10**19))
        timestamp, nonce = self._stamp()
        query = {
            "signature": sign(webhook.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "echostr": echo,
        }
        request = self._request(_with_query(webhook.url, query), "GET", None)
        try:
            answer = await self._http().fetch(request, raise_error=False)
        except HTTPTimeoutError:
            raise WebhookRefused("the server did not answer in time") from None
        except (HTTPError, OSError, ValueError):
            raise WebhookRefused("nobody answers at the URL") from None
        if answer.code != 200:
            raise WebhookRefused(f"the server answered the check with {answer.code}")
        if answer.body != echo.encode():
            raise WebhookRefused("the server did not answer the check with exactly the echostr")

    async def settled(self) -> None:
        """Wait until nothing is under way, receipts included; lets go what was gathered."""
        for name in list(self._gathered):
            self._let_go(name)
        while self._tasks:
            for task in (await asyncio.wait(self._tasks))[0]:
                task.result()

    async def stop(self) -> None:
        """End what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._gathered.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _made(self, person: Person, fields: Mapping[str, object] | bytes) -> _Push:
        if isinstance(fields, bytes):
            return _Push(person, {}, fields)
        whole = self._simulator.world.header(person) | fields
        whole = {name: value for name, value in whole.items() if value is not None}
        return _Push(person, whole, xml.write(whole))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _let_go(self, name: str) -> None:
        for push in reversed(self._gathered.pop(name, [])):
            self._start(self._post_all(push))

    async def _in_turn(self, push: _Push) -> None:
        async with self._turns[push.person.id]:
            await self._pause(self.delay)
            await self._post_all(push)

    async def _later(self, push: _Push) -> None:
        await self._pause(self.receipt_delay)
        await self._post_all(push)

    async def _replay(self, delivery: Delivery) -> None:
        again = Delivery(
            delivery.person,
            delivery.kind,
            delivery.name,
            delivery.attempt + 1,
            self._simulator.world.clock.now(),
            delivery.url,
            delivery.body,
        )
        await self._deliver(again)

    async def _post_all(self, push: _Push) -> None:
        """Post all copies of a push, and show the first answer."""
        copies = await asyncio.gather(*(self._post(push) for _ in range(max(self.duplicate, 1))))
        answered = [messages for messages in copies if messages is not None]
        if not is_watched(push.fields):
            return
        world = self._simulator.world
        shown = [Message("system", OUT_OF_ORDER, world.clock.now())]
        for message in answered[0] if answered else shown:
            world.deliver(push.person, message)

    async def _post(self, push: _Push) -> list[Message] | None:
        """Post a push until it is answered; the messages of the answer, or None without one."""
        for attempt in range(1, self.tries + 1):
            webhook = self._simulator.webhook
            if webhook is None:
                return []
            if attempt > 1:
                await self._pause(self.gap)
            url, body = self._sealed(webhook, push)
            delivery = Delivery(
                push.person,
                str(push.fields.get("MsgType", "")),
                str(push.fields.get("MsgId", push.fields.get("Event", ""))),
                attempt,
                self._simulator.world.clock.now(),
                url,
                body,
            )
            answer = await self._deliver(delivery)
            if answer is not None:
                return self._judged(delivery, answer, webhook)
        return None
