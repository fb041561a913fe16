"""The inbox: each message of the platform is acted upon once, and answered in time."""

import asyncio
import hashlib
import logging
import secrets
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from wx import failpoint, secret
from wx.clock import Clock
from wx.errors import StorageUnavailable
from wx.logs import where
from wx.model import Follower, Kept
from wx.protocol import incoming, reply
from wx.protocol.incoming import BadMessage, Incoming, Message, OtherEvent, OtherMessage
from wx.rules import Rule
from wx.service.background import Background
from wx.service.followers import Followers
from wx.service.gate import SEEN_SECONDS, Delivery, Gate, Query, Rejected
from wx.service.pictures import Pictures
from wx.service.receipts import Receipts
from wx.service.replies import Answer, Replies
from wx.service.scan import Scans
from wx.store import inbox, signatures
from wx.store.database import Database

log = logging.getLogger(__name__)

KEEP_SECONDS = 3.0  # that a message may take to be on disk; WeChat waits for five
CLOSE_SECONDS = 5
WAITING = 5000  # messages; more than the disk keeps up with
BATCH = 200  # messages that are acted upon in one transaction
# A repeat comes within a quarter of a minute, and nothing older than ten minutes is let in.
FORGET_SECONDS = 1800
PURGE_ROWS = 1000  # in one transaction
SUCCESS = b"success"


@dataclass(slots=True, eq=False)
class _Waiting:
    """A message that was let in and is not on disk yet. ``received_at`` is Unix time, ``until`` on
    the loop's clock; ``kept`` is what becomes of it."""

    message: Incoming
    delivery: Delivery
    key: bytes
    rule: Rule | None
    received_at: float
    until: float
    kept: "asyncio.Future[Kept]"


@dataclass(slots=True)
class _Effects:
    """What a transaction came to: each message as it is kept, whether it is a repeat, and what is
    to be done once it is on disk."""

    kept: list[tuple[Kept, bool]] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)


class Inbox:
    """Takes what the platform posts.

    A message's key, its effect and its answer are one transaction: a repeat, whenever it comes,
    gets the answer that is kept and does nothing. Messages that come together share one.

    Args:
        key: the server's own key; the secrets in answers are derived from it.
        pictures: keeps those that people send; None: nobody does.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        gate: Gate,
        followers: Followers,
        scans: Scans,
        replies: Replies,
        receipts: Receipts,
        background: Background,
        key: bytes,
        pictures: Pictures | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._gate = gate
        self._followers = followers
        self._scans = scans
        self._replies = replies
        self._receipts = receipts
        self._pictures = pictures
        self._background = background
        self._key = key
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._watched: deque[_Waiting] = deque()  # in the order they came
        self._watch: asyncio.TimerHandle | None = None
        self.kinds: Counter[str] = Counter()  # acted upon, by kind
        self.repeats = 0

    async def verify(self, query: Query) -> str:
        """What the console's check is answered with.

        Raises:
            Rejected: see :meth:`Gate.verify`.
            StorageUnavailable: its signature could not be kept.
        """
        echo, used = self._gate.verify(query)
        if used:
            await self._database.write(lambda conn: signatures.add_all(conn, [used]))
        log.info("the webhook was verified by WeChat's console")
        return echo

    async def receive(self, query: Query, body: bytes) -> bytes:
        """Act upon a message, unless that has been done; the body of the answer.

        Raises:
            Rejected: it is not let in; see :meth:`Gate.open`.
            StorageUnavailable: it could not be kept, or not in time: the platform brings it again.
        """
        delivery = self._gate.open(query, body)
        try:
            message = incoming.read(delivery.fields)
        except BadMessage as error:
            raise Rejected(400, f"the body is no message: {error}") from None
        rule = await self._replies.rule_for(message)
        kept = await self._keep(message, delivery, rule)
        failpoint.here("webhook-before-answer")
        return self._sealed(self._revealed(kept)) if kept.answer else SUCCESS

    async def load(self) -> None:
        """Take up what was let in before this start, and get ready for the first message."""
        if not self._gate.on:
            return
        self._background.spawn(asyncio.to_thread(self._gate.warm_up))
        since = int(self._clock.now()) - SEEN_SECONDS
        self._gate.remember(
            await self._database.read(lambda conn: signatures.list_since(conn, since))
        )

    async def purge(self) -> None:
        """Forget what no repeat can come of any more."""
        now = self._clock.now()
        await self._database.write(
            lambda conn: signatures.purge(conn, before=int(now) - SEEN_SECONDS)
        )
        removed = PURGE_ROWS
        while removed == PURGE_ROWS:  # in pieces, and others write in between
            removed = await self._database.write(
                lambda conn: inbox.purge(conn, before=now - FORGET_SECONDS, limit=PURGE_ROWS)
            )

    async def close(self) -> None:
        """Wait for what is on its way to the disk, for a bounded time."""
        if self._writing:
            await asyncio.wait([self._writing], timeout=CLOSE_SECONDS)
        if self._watch:
            self._watch.cancel()

    def _keep(
        self, message: Incoming, delivery: Delivery, rule: Rule | None
    ) -> "asyncio.Future[Kept]":
        """Hand a message to whoever writes; it is given up, but not taken back, after a while."""
        if len(self._waiting) >= WAITING:
            raise StorageUnavailable(f"{WAITING} messages are waiting already")
        loop = asyncio.get_running_loop()
        one = _Waiting(
            message,
            delivery,
            _key(message),
            rule,
            self._clock.now(),
            loop.time() + KEEP_SECONDS,
            loop.create_future(),
        )
        self._waiting.append(one)
        if self._writing is None:
            self._writing = loop.create_task(self._write(), name="inbox")
        self._watched.append(one)
        if self._watch is None:
            self._watch = loop.call_at(one.until, self._give_up)
        return one.kept

    def _give_up(self) -> None:
        """Let those wait no longer whose time is over. One timer for all of them."""
        loop = asyncio.get_running_loop()
        while self._watched and (
            self._watched[0].kept.done() or self._watched[0].until <= loop.time()
        ):
            one = self._watched.popleft()
            if not one.kept.done():
                one.kept.set_exception(
                    StorageUnavailable(f"a message was not kept in {KEEP_SECONDS} s")
                )
        self._watch = None
        if self._watched:
            self._watch = loop.call_at(self._watched[0].until, self._give_up)

    async def _write(self) -> None:
        """Write all that wait, as many at once as have come together."""
        try:
            while self._waiting:
                await asyncio.sleep(0)  # whoever comes in this turn of the loop comes along
                await self._write_batch(self._next_batch())
        finally:
            self._writing = None

    def _next_batch(self) -> list[_Waiting]:
        """As many as come next and are of different people: what one of them does may matter to
        what they do next."""
        senders: set[str] = set()
        for one in self._waiting[:BATCH]:
            if one.message.sender in senders:
                break
            senders.add(one.message.sender)
        batch = self._waiting[: len(senders)]
        self._waiting = self._waiting[len(senders) :]
        return batch

    async def _write_batch(self, batch: list[_Waiting]) -> None:
        try:
            effects = await self._database.write(partial(self._act_upon, batch))
        except StorageUnavailable as error:
            _fail(batch, error)
        except Exception as error:
            if len(batch) == 1:
                log.error("a message could not be acted upon: %s", where(error))
                _fail(batch, error)
                return
            for one in batch:  # whoever it was, the others have nothing to do with it
                await self._write_batch([one])
        else:
            self._done(batch, effects)

    def _done(self, batch: list[_Waiting], effects: _Effects) -> None:
        """Tell those who wait that their messages are on disk, and do what follows from them. A
        process that is killed here does not: what has to outlive that is in the transaction."""
        for one, (kept, repeated) in zip(batch, effects.kept, strict=True):
            if repeated:
                self.repeats += 1
            else:
                other = isinstance(one.message, OtherMessage | OtherEvent)
                self.kinds["other" if other else one.message.kind] += 1
            if not one.kept.done():
                one.kept.set_result(kept)
        for act in effects.after:
            try:
                act()
            except Exception as error:
                log.error("what follows from a message failed: %s", where(error))

    def _act_upon(self, batch: Sequence[_Waiting], conn: sqlite3.Connection) -> _Effects:
        """The transaction: act upon those of the messages that are new."""
        known = inbox.find_all(conn, [one.key for one in batch])
        new = [one for one in batch if one.key not in known]
        now = self._clock.now()
        met = self._followers.met(conn, [one.message for one in new], now=now)
        effects = _Effects()
        made = {
            one.key: self._act(conn, one, follower, effects.after)
            for one, follower in zip(new, met, strict=True)
        }
        inbox.add_all(conn, list(made.values()))
        effects.kept = [(known.get(one.key) or made[one.key], one.key in known) for one in batch]
        signatures.add_all(conn, [one.delivery.used for one in batch if one.delivery.used])
        failpoint.here("webhook-after-dedup")
        return effects

    def _act(
        self,
        conn: sqlite3.Connection,
        one: _Waiting,
        follower: Follower | None,
        after: list[Callable[[], None]],
    ) -> Kept:
        """Do what a message asks for; the message as it is kept, with its answer."""
        message, now = one.message, one.received_at
        answer = None
        after += self._receipts.receive(conn, message, follower, now=now)
        if follower:
            after += self._followers.changed(conn, message, follower, now=now)
            if self._pictures:
                after += self._pictures.sent(conn, message, follower, now=now)
            if incoming.answerable(message):
                answer = self._answer(conn, one, follower, after)
        said = answer.reply if answer else None
        return Kept(
            key=one.key,
            kind=message.kind,
            follower_id=follower.id if follower else None,
            received_at=now,
            answer=reply.write(said, to=message.sender, sender=message.to, now=int(now))
            if said
            else b"",
            hidden=answer.hidden if answer else "",
        )

    def _answer(
        self,
        conn: sqlite3.Connection,
        one: _Waiting,
        follower: Follower,
        after: list[Callable[[], None]],
    ) -> Answer | None:
        message, now = one.message, one.received_at
        answer = self._scans.complete(conn, message, follower, now=now, after=after)
        if answer is None:
            answer = self._replies.answer(
                conn, message, follower, rule=one.rule, now=now, after=after
            )
        if answer and answer.spoken and not follower.language:
            after.append(lambda: self._followers.ask_once(follower))
        return answer

    def _revealed(self, kept: Kept) -> bytes:
        """The kept answer, with its secret in its place."""
        if not kept.hidden:
            return kept.answer
        if kept.hidden.startswith("digits "):
            shown = secret.derive_digits(self._key, kept.hidden)
        else:
            shown = secret.derive(self._key, kept.hidden)
        return kept.answer.replace(secret.MARK.encode(), shown.encode())

    def _sealed(self, answer: bytes) -> bytes:
        envelope = self._gate.envelope
        if envelope is None:
            return answer
        return envelope.seal(
            answer,
            timestamp=int(self._clock.now()),
            nonce=secrets.token_hex(8),
            salt=secrets.token_bytes(16),
        )


def _key(message: Incoming) -> bytes:
    """What a repeat has in common, as it is kept: begins with a number that grows from message to
    message, so that new keys stand together in the index."""
    digest = hashlib.sha256(incoming.key(message).encode()).digest()
    if isinstance(message, Message):
        return b"m" + min(int(message.msg_id), 2**64 - 1).to_bytes(8) + digest
    return b"e" + message.created_at.to_bytes(4) + digest


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for one in batch:
        if not one.kept.done():
            one.kept.set_exception(error)
