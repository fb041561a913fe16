"""The platform's sender: what people do is posted to the account's webhook (section 3)."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient

from wx.protocol import xml
from wx.simulator.oauth import is_loopback
from wx.simulator.reply import BrokenReply, UndeliveredReply, is_watched, judge
from wx.simulator.webhook import Stamp, Webhook, WebhookRefused
from wx.simulator.world import Accepted, Message, Person

if TYPE_CHECKING:
    from wx.simulator.app import Simulator

# What the phone shows where an answer is missing or broken; its page translates it.
OUT_OF_ORDER = "This account's service is out of order. Please try again later."
BLOCKED = "failed:user block"
_CONNECTIONS = 1000  # posts that may be under way at once
_MAX_BODY = 1 << 20  # of an answer
_FAILED = 1  # no list of these numbers is known; only 0 is success
_WRONG_TOKEN = "TheTokenOfSomebodyElse"


@dataclass
class Delivery:
    """One post to the webhook, and how it ended.

    ``outcome`` is one of: answered (with a reply), silent (``success`` or nothing), broken
    (another body), late (after the deadline), dropped (no connection, or none that lasted),
    refused (a status that is not 200).
    """

    person: Person
    kind: str  # MsgType
    name: str  # the MsgId, or the event's name
    attempt: int  # from 1
    at: float  # Unix seconds
    url: str = field(repr=False)  # with its query
    body: bytes = field(repr=False)
    outcome: str = ""
    status: int | None = None
    seconds: float = 0.0  # until it ended
    reason: str = ""  # what is wrong with a reply


@dataclass
class _Push:
    """Something to tell. ``fields`` is empty where a caller gave a whole body."""

    person: Person
    fields: Mapping[str, object]
    message: bytes


class Pushes:
    """Sends pushes in the background, and puts the answers into the chats.

    Args:
        simulator: whose webhook, people and log.

    Attributes:
        tries: how often a push is posted while no answer of status 200 comes (3.5).
        deadline: seconds for a whole answer.
        gap: seconds between two tries.
        time_scale: all seconds here are divided by it, for tests in a hurry.
        duplicate: how many copies of each push are posted at once; one answer is shown.
        delay: seconds that a push waits for its turn to be posted.
        reorder: so many pushes of a person are gathered, then posted last one first.
        bad_signature: posts are signed with another token.
        stale: how many seconds a post's timestamp lies back.
        receipt_status: what receipts say of the messages that have them: success, or "failed:"
            and why; those that failed reach no chat, and with "" no receipt comes. A person's own
            receipt_status goes before it.
        receipt_delay: seconds from the message to its receipt.
        receipt_first: the receipt comes before the answer to the message's sender.
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
        self._world = simulator.world
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._gathered: dict[str, list[_Push]] = {}
        self._client: SimpleAsyncHTTPClient | None = None  # made on the loop that it runs on

    def push(self, person: Person, fields: Mapping[str, object] | bytes) -> None:
        """Post this in the background, after what is already under way for the person.

        Does nothing without a webhook.

        Args:
            person: who did it, and whose chat gets the answer.
            fields: what is told. ToUserName, FromUserName and CreateTime are added unless they
                are there; None leaves one out. Or a whole message, as bytes.

        Raises:
            ValueError: XML has no such name for a field.
            TypeError: a field's value cannot be written.
        """
        if self._simulator.webhook is None:
            return
        push = self._made(person, fields)
        if self.reorder < 2:
            self._start(self._post_in_turn(push))
            return
        gathered = self._gathered.setdefault(person.id, [])
        gathered.append(push)
        if len(gathered) >= self.reorder:
            self._let_go(person.id)

    def replay(self, delivery: Delivery) -> None:
        """Post once more, to the letter, what was posted; no answer to it is shown."""
        webhook = self._simulator.webhook
        if webhook is not None:
            now = self._world.clock.now()
            again = replace(delivery, at=now, outcome="", status=None, seconds=0.0, reason="")
            self._start(self._post_again(again, webhook))

    def outcome(self, person: Person) -> str:
        """What becomes of a message to this person, in a receipt's words."""
        if person.blocked:
            return BLOCKED
        return self.receipt_status if person.receipt_status is None else person.receipt_status

    async def receipt(self, taken: Accepted) -> None:
        """Tell what became of a message, now or a little later."""
        if self._simulator.webhook is None or not taken.outcome:
            return
        push = self._made(taken.person, _receipt(taken))
        # Out of turn: whoever sent the message may have a post of that turn open.
        if self.receipt_first:
            await self._post_all(push)
        else:
            self._start(self._post_later(push, self.receipt_delay))

    async def check(self, webhook: Webhook) -> None:
        """Have the server send a word back, as the console does (3.1).

        Raises:
            WebhookRefused: it did not, or the configuration itself is wrong.
        """
        webhook.require_sound()
        self._require_near(webhook.url)
        echo = str(secrets.randbelow(10**19))
        address = webhook.check_address(echo, self._stamp())
        try:
            answer = await self._fetch(HTTPRequest(address, headers=_HEADERS))
        except HTTPTimeoutError:
            raise WebhookRefused("the server did not answer in time") from None
        except (HTTPError, OSError, ValueError):
            raise WebhookRefused("nobody answers at the URL") from None
        if answer.code != 200:
            raise WebhookRefused(f"the server answered with {answer.code}")
        if answer.body != echo.encode():
            raise WebhookRefused("the server did not answer with exactly the echostr")

    async def settled(self) -> None:
        """Wait until nothing is under way, receipts included; what was gathered is let go."""
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
        whole = self._world.header(person) | dict(fields)
        whole = {name: value for name, value in whole.items() if value is not None}
        return _Push(person, whole, xml.write(whole))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _let_go(self, name: str) -> None:
        self._start(self._post_backwards(self._gathered.pop(name, [])))

    async def _post_in_turn(self, push: _Push) -> None:
        async with self._turns[push.person.id]:
            await self._pause(self.delay)
            await self._post_all(push)

    async def _post_backwards(self, pushes: list[_Push]) -> None:
        for push in reversed(pushes):
            await self._post_all(push)

    async def _post_later(self, push: _Push, seconds: float) -> None:
        await self._pause(seconds)
        await self._post_all(push)

    async def _post_again(self, delivery: Delivery, webhook: Webhook) -> None:
        await self._deliver(delivery, webhook)

    async def _post_all(self, push: _Push) -> None:
        """Post all copies of a push, and show the answer where one can be seen."""
        answers = await asyncio.gather(*(self._post(push) for _ in range(max(self.duplicate, 1))))
        person = push.person
        if person.following and not person.blocked and is_watched(push.fields):
            for message in _best(answers):
                self._world.deliver(person, message)

    async def _post(self, push: _Push) -> list[Message]:
        """Post one copy until it is answered; what the phone shows of that."""
        attempt = 1
        while (webhook := self._simulator.webhook) is not None:
            url, body = self._sealed(push, webhook)
            fields = push.fields
            delivery = Delivery(
                push.person,
                kind=str(fields.get("MsgType", "")),
                name=str(fields.get("MsgId") or fields.get("Event", "")),
                attempt=attempt,
                at=self._world.clock.now(),
                url=url,
                body=body,
            )
            shown = await self._deliver(delivery, webhook)
            if shown is not None:
                return shown
            if attempt >= self.tries:
                return [self._line()]
            attempt += 1
            await self._pause(self.gap)
        return []

    async def _deliver(self, delivery: Delivery, webhook: Webhook) -> list[Message] | None:
        """One post; what the phone shows of the answer, or None where none came."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            answer = await self._fetch(_post_request(delivery))
            delivery.status = answer.code
            if answer.code == 200:
                return self._judge(delivery, answer.body, webhook)
            delivery.outcome = "refused"
        except HTTPTimeoutError:
            delivery.outcome = "late"
        except (HTTPError, OSError, ValueError):
            delivery.outcome = "dropped"
        finally:
            delivery.seconds = loop.time() - began
            self._simulator.record_delivery(delivery)
        return None

    def _judge(self, delivery: Delivery, body: bytes, webhook: Webhook) -> list[Message]:
        delivery.outcome = "broken"
        try:
            verdict = judge(
                body,
                delivery.person,
                self._world,
                envelope=webhook.envelope(self._world.app_id),
                sealed_only=webhook.mode == "safe",
            )
        except BrokenReply as error:
            delivery.reason = str(error)
            return [self._line()]
        except UndeliveredReply as error:
            delivery.reason = str(error)
            return []
        delivery.outcome = "silent" if verdict.silent else "answered"
        return verdict.messages

    def _line(self) -> Message:
        return Message("system", OUT_OF_ORDER, self._world.clock.now())

    def _sealed(self, push: _Push, webhook: Webhook) -> tuple[str, bytes]:
        if self.bad_signature:
            webhook = replace(webhook, token=_WRONG_TOKEN)
        return webhook.post(
            push.message,
            stamp=self._stamp(),
            openid=push.person.openid,
            account_id=self._world.account_id,
            app_id=self._world.app_id,
        )

    def _stamp(self) -> Stamp:
        moment = int(self._world.clock.now() - self.stale)
        return Stamp(str(moment), str(10**9 + secrets.randbelow(10**9)))

    def _require_near(self, url: str) -> None:
        """Nothing that is played here may reach a stranger's server."""
        parts = urlsplit(url)
        host, hosts = parts.hostname or "", self._simulator.oauth_hosts or []
        if not (is_loopback(host) or host in hosts or parts.netloc in hosts):
            raise WebhookRefused("the URL is neither at this machine nor at a configured host")

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds / self.time_scale)

    async def _fetch(self, request: HTTPRequest) -> HTTPResponse:
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(
                force_instance=True, max_clients=_CONNECTIONS, max_body_size=_MAX_BODY
            )
        seconds = self.deadline / self.time_scale
        request.connect_timeout = request.request_timeout = seconds
        request.follow_redirects = False
        answer = self._client.fetch(request, raise_error=False)
        # Whoever waits here may be ended. The client goes on then, and would complain of an error
        # that nobody hears: this one hears it.
        answer.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return await asyncio.shield(answer)


_HEADERS = {"User-Agent": "Mozilla/4.0", "Accept": "*/*"}


def _receipt(taken: Accepted) -> dict[str, object]:
    event = {"MsgType": "event"}
    if taken.channel == "template":
        return event | {
            "Event": "TEMPLATESENDJOBFINISH",
            "MsgID": taken.msgid,
            "Status": taken.outcome,
        }
    sent = {
        "TemplateId": taken.template_id,
        "MsgID": taken.msgid,
        "ErrorCode": 0 if taken.outcome == "success" else _FAILED,
        "ErrorStatus": taken.outcome.removeprefix("failed:").strip(),
    }
    return event | {"Event": "subscribe_msg_sent_event", "SubscribeMsgSentEvent": {"List": sent}}


def _post_request(delivery: Delivery) -> HTTPRequest:
    headers = _HEADERS | {"Content-Type": "text/xml"}
    return HTTPRequest(delivery.url, "POST", headers=headers, body=delivery.body)


def _best(answers: list[list[Message]]) -> list[Message]:
    """What is shown of the answers to the copies of one push: a reply rather than silence, and
    silence rather than the line that nothing came."""
    usable = [one for one in answers if not any(message.kind == "system" for message in one)]
    return max(usable, key=bool) if usable else answers[0]
