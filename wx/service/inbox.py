"""The inbox: each message of the platform is acted upon once, and answered in time."""

import asyncio
import hashlib
import logging
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from wx import failpoint, secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import StorageUnavailable
from wx.model import Follower, Kept
from wx.protocol import incoming, reply
from wx.protocol.incoming import BadMessage, Incoming, OtherEvent, OtherMessage
from wx.service.background import Background
from wx.service.followers import Followers
from wx.service.gate import SEEN_LIMIT, SEEN_SECONDS, Delivery, Gate, Query, Rejected
from wx.service.replies import MARK, Answer, Replies
from wx.service.scan import Scans
from wx.store import inbox
from wx.store.database import Database

log = logging.getLogger(__name__)

KEEP_SECONDS = 3  # that a message may take to be on disk; WeChat waits for five
# A repeat comes within a quarter of a minute, and nothing older than ten minutes is let in.
FORGET_SECONDS = 3600
PURGE_ROWS = 1000  # in one transaction
SUCCESS = b"success"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a message came to: its answer, and what is to be done once it is on disk."""

    answer: Answer | None
    after: list[Callable[[], None]]


Outcome = tuple[Kept, Effect | None]  # None: it is a repeat
Work = Callable[[sqlite3.Connection], Outcome]


class Inbox:
    """Takes what the platform posts.

    A message's key, its effect and its answer are one transaction: a repeat, whenever it comes,
    gets the answer that is kept and does nothing.

    Args:
        key: the server's own key; the secrets in answers are derived from it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        gate: Gate,
        followers: Followers,
        scans: Scans,
        replies: Replies,
        background: Background,
        *,
        key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._app_id = config.app_id
        self._gate = gate
        self._followers = followers
        self._scans = scans
        self._replies = replies
        self._background = background
        self._key = key
        self.kinds: Counter[str] = Counter()  # acted upon, by kind
        self.repeats = 0

    def verify(self, query: Query) -> str:
        """What the console's check is answered with.

        Raises:
            Rejected: see :meth:`Gate.verify`.
        """
        echo = self._gate.verify(query)
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
        keeping = self._database.submit(self._work(message, delivery))
        # Not after the wait: it may be kept when nobody waits for it any more.
        keeping.add_done_callback(partial(self._kept, message))
        done, _ = await asyncio.wait([keeping], timeout=KEEP_SECONDS)
        if not done:
            raise StorageUnavailable(f"a message was not kept in {KEEP_SECONDS} s")
        kept, _ = keeping.result()
        failpoint.here("webhook-before-answer")
        return self._sealed(self._revealed(kept)) if kept.answer else SUCCESS

    async def load(self) -> None:
        """Take up what was let in before this start, and get ready for the first message."""
        if not self._gate.on:
            return
        self._background.spawn(asyncio.to_thread(self._gate.warm_up))
        after = self._clock.now() - SEEN_SECONDS
        seen = await self._database.read(
            lambda conn: inbox.list_seen(conn, after=after, limit=SEEN_LIMIT)
        )
        self._gate.remember(seen)

    async def purge(self) -> None:
        """Forget what no repeat can come of any more."""
        before = self._clock.now() - FORGET_SECONDS
        removed = PURGE_ROWS
        while removed == PURGE_ROWS:  # in pieces, and others write in between
            removed = await self._database.write(
                lambda conn: inbox.purge(conn, before=before, limit=PURGE_ROWS)
            )

    def _work(self, message: Incoming, delivery: Delivery) -> Work:
        """The transaction that acts upon a message, or finds that this has been done."""
        now = self._clock.now()
        digest = hashlib.sha256(incoming.key(message).encode()).digest()
        key = message.created_at.to_bytes(4) + digest

        def work(conn: sqlite3.Connection) -> Outcome:
            if kept := inbox.find(conn, key):
                return kept, None
            follower = self._followers.met(conn, message, now=now)
            effect = self._act(conn, message, follower, now=now)
            answer = b""
            if effect.answer and effect.answer.reply:
                answer = reply.write(
                    effect.answer.reply, to=message.sender, sender=message.to, now=int(now)
                )
            kept = Kept(
                key=key,
                kind=message.kind,
                follower_id=follower.id if follower else None,
                received_at=now,
                signature=delivery.signature,
                body=delivery.body,
                answer=answer,
                hidden=effect.answer.hidden if effect.answer else "",
            )
            inbox.add(conn, kept)
            failpoint.here("webhook-after-dedup")
            return kept, effect

        return work

    def _kept(self, message: Incoming, keeping: "asyncio.Future[Outcome]") -> None:
        """Do what is to be done once a message is on disk."""
        if keeping.cancelled() or keeping.exception():
            return
        _, effect = keeping.result()
        if effect is None:
            self.repeats += 1
            return
        other = isinstance(message, OtherMessage | OtherEvent)
        self.kinds["other" if other else message.kind] += 1
        for act in effect.after:
            act()

    def _act(
        self, conn: sqlite3.Connection, message: Incoming, follower: Follower | None, *, now: float
    ) -> Effect:
        """Do what the message asks for, as a piece of a transaction."""
        after: list[Callable[[], None]] = []
        answer = None
        if follower:
            after += self._followers.changed(conn, message, follower, now=now)
        if follower and incoming.answerable(message):
            answer = self._scans.complete(conn, message, follower, now=now, after=after)
            answer = answer or self._replies.answer(conn, message, follower, now=now)
            if answer and answer.spoken and not follower.language:
                after.append(lambda: self._followers.ask_once(follower))
        return Effect(answer, after)

    def _revealed(self, kept: Kept) -> bytes:
        """The kept answer, with its secret in its place."""
        if not kept.hidden:
            return kept.answer
        if kept.hidden.startswith("digits "):
            shown = secret.derive_digits(self._key, kept.hidden)
        else:
            shown = secret.derive(self._key, kept.hidden)
        return kept.answer.replace(MARK.encode(), shown.encode())

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
