"""Receipts: the platform's word on what became of a message, and which subscription notices a
follower wants."""

import logging
import sqlite3
from collections.abc import Callable
from functools import partial

from wx.config import Config
from wx.model import Follower, Notice, NoticeState
from wx.protocol.incoming import (
    Incoming,
    SubscriptionAnswer,
    SubscriptionAnswers,
    TemplateReceipt,
)
from wx.service.outbox import Outbox
from wx.store import followers, outbox, subscriptions
from wx.store.outbox import Receipt

log = logging.getLogger(__name__)


def unnumbered(notice: Notice) -> str:
    """What the receipt of a notice is kept by where the platform gave the message no number."""
    return f"notice {notice.id}"


class Receipts:
    """Closes notices by what the platform tells."""

    def __init__(self, config: Config, door: Outbox) -> None:
        self._config = config
        self._outbox = door

    def receive(
        self, conn: sqlite3.Connection, message: Incoming, follower: Follower | None, *, now: float
    ) -> list[Callable[[], None]]:
        """Act upon a receipt, or an answer about subscriptions; what is to be done once that is on
        disk. A piece of a transaction."""
        if isinstance(message, TemplateReceipt):
            receipt = _receipt(message.msg_id, delivered=message.delivered, blocked=message.blocked)
            return self._close(conn, receipt, follower, now=now)
        if not isinstance(message, SubscriptionAnswers) or follower is None:
            return []
        after: list[Callable[[], None]] = []
        for one in message.answers:
            if message.event == "sent":
                after += self._close_subscription(conn, one, follower, now=now)
            elif one.accepted:
                subscriptions.mark_accepted(conn, follower.id, one.template_id)
            elif message.event == "change" and one.accepted is False:
                subscriptions.mark_none_left(conn, follower.id, one.template_id)
        return after

    def _close_subscription(
        self, conn: sqlite3.Connection, one: SubscriptionAnswer, follower: Follower, *, now: float
    ) -> list[Callable[[], None]]:
        receipt = _receipt(one.msg_id, delivered=one.delivered, blocked=one.blocked)
        if one.msg_id and outbox.is_numbered(conn, one.msg_id):
            return self._close(conn, receipt, follower, now=now)
        # The call for it need not have answered with a number (platform document, 4.3).
        ours = self._config.subscribe_template
        notice = outbox.find_without_number(
            conn,
            follower.id,
            one.template_id,
            texts=ours is not None and ours.id == one.template_id,
        )
        if notice is None:
            return self._close(conn, receipt, follower, now=now) if one.msg_id else []
        receipt = _receipt(unnumbered(notice), delivered=one.delivered, blocked=one.blocked)
        return self._close(conn, receipt, follower, number=notice.number, now=now)

    def _close(
        self,
        conn: sqlite3.Connection,
        receipt: Receipt,
        follower: Follower | None,
        *,
        number: int | None = None,
        now: float,
    ) -> list[Callable[[], None]]:
        closed = outbox.settle_by_receipt(conn, receipt, number=number, now=now)
        after: list[Callable[[], None]] = []
        if closed:
            after.append(partial(self._closed, *closed, receipt.state))
        else:
            # It may be faster than our own commit of the send, or for another program's message.
            outbox.add_receipt(conn, receipt, now=now)
        if receipt.reason == "blocked" and follower:
            followers.mark_blocked(conn, follower.id, at=now)
            after.append(self._outbox.give_up(conn, follower.id, reason="blocked", now=now))
        return after

    def _closed(self, account_id: int, channel: str, state: NoticeState) -> None:
        self._outbox.settled[channel, state] += 1
        self._outbox.changed([account_id])


def _receipt(platform_id: str, *, delivered: bool, blocked: bool) -> Receipt:
    if delivered:
        return Receipt(platform_id, NoticeState.DELIVERED)
    return Receipt(platform_id, NoticeState.FAILED, "blocked" if blocked else "delivery-failed")
