"""Notices as people see them: the last ones on the card, and the page with a whole text."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tornado.web import HTTPError

from wx.clock import when
from wx.model import Account, Binding, Notice, NoticeState
from wx.service import outbox, reader, reason
from wx.service.visit import CODE, STATE, VISIT_SECONDS
from wx.web.arrival import PROBLEMS, ArrivalPage
from wx.web.base import Base, Page, one

SHOWN = 5  # notices on the card
LINE = 120  # characters of a text there

STATES = {
    NoticeState.QUEUED: "Waiting to leave",
    NoticeState.SENDING: "On its way",
    NoticeState.SENT: "Sent",
    NoticeState.DELIVERED: "Delivered",
    NoticeState.FAILED: "Not delivered",
    NoticeState.EXPIRED: "Not sent in time",
    NoticeState.UNKNOWN: "Perhaps delivered",
}
CHANNELS = {
    "custom": "Chat message",
    "template": "Template message",
    "subscribe": "Subscription notice",
}
# What the reader knows or does best, said to them; the rest is in service/reason.py. What to do
# about the first two is said above the list, for as long as it is to be done.
YOURS = {
    "not-following": "This WeChat did not follow the account.",
    "blocked": "This WeChat did not take the account's messages.",
    "window-closed": (
        "WeChat only lets through a message within 48 hours of one of yours. Send the account"
        " any message, then try again."
    ),
    "window-full": (
        "WeChat lets through no more messages for now. Send the account any message, then try"
        " again."
    ),
}
# Plain ASCII, since in Chinese nothing else says where an address ends.
_LINK = re.compile(r"https?://(?:(?![<>\"'`])[!-~]){1,2000}", re.IGNORECASE)
_PROBLEMS = {**PROBLEMS, "not-yours": reader.not_yours}
_BRACKETS = {")": "(", "]": "[", "}": "{"}


def reach(binding: Binding | None) -> str:
    """How the person behind an account can be reached: "bound", or why not: "unbound", "left",
    "blocked"."""
    if binding is None:
        return "unbound"
    if binding.follower.following is False:
        return "left"
    return "bound" if binding.follower.blocked_at is None else "blocked"


async def frame(handler: Base, account: Account) -> dict[str, Any]:
    """An account's last notices and whether it can be reached, as a live frame."""
    binding = await handler.services.bindings.of_account(account)
    found = await handler.services.outbox.of_account(account, limit=SHOWN)
    return {"state": reach(binding), "notices": [row(handler, one) for one in found]}


def row(handler: Base, notice: Notice) -> dict[str, str]:
    """A notice as the card shows it. ``said`` is what is read out, once it has come to its end."""
    word = handler.say(STATES[notice.state])
    text = first_line(notice) or handler.say("(its text is no longer kept)")
    said = handler.say("%(notice)s: %(state)s.", notice=text, state=word)
    return {
        "id": notice.id,
        "state": notice.state,
        "at": datetime.fromtimestamp(notice.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "when": when(notice.created_at),
        "text": text,
        "channel": handler.say(CHANNELS[notice.channel]) if notice.channel else "",
        "word": word,
        "why": _why(handler, notice),
        "said": said if notice.settled_at is not None else "",
    }


def first_line(notice: Notice) -> str:
    """What a notice says, in a line: of a text the first one, of a template its fields."""
    whole = notice.text or " · ".join(value for value in notice.fields.values() if value.strip())
    line = next((line.strip() for line in whole.splitlines() if line.strip()), "")
    return line if len(line) <= LINE else line[: LINE - 1] + "…"


def _why(handler: Base, notice: Notice) -> str:
    """What went wrong and what to do about it, for the one whom the notice is for."""
    if notice.state in (NoticeState.SENT, NoticeState.DELIVERED):
        return ""  # what went wrong on the way is forgotten
    if notice.reason in YOURS:
        return handler.say(YOURS[notice.reason])
    known = reason.explain(notice)
    if known is None:
        return ""
    between = "" if handler.locale.code.startswith("zh") else " "
    return between.join((handler.say(known.sentence), handler.say(known.cure)))


class Notices(Page):
    """The card's last notices, for those whom no socket reaches."""

    async def get(self) -> None:
        _, account = self.signed_in()
        self.finish(await frame(self, account))

    def wants_json(self) -> bool:
        return True


class Whole(ArrivalPage):
    """The whole text of a notice that WeChat showed cut. In WeChat it is for the person whom the
    notice went to: the platform says who asks, and leads back here with a code and our state."""

    needs_session = True  # a browser that is signed in as the account may read it too
    problems = _PROBLEMS
    final = ("not-yours", "risky")

    async def get(self, secret: str) -> None:
        self.page = self.clean = f"/n/{secret}"
        _ = self.locale  # picking a language counts, also where the answer is a redirect
        page = await self.services.outbox.read_page(secret)
        if self.came_back and (self._may_read(page) or not self.inside_wechat):
            self.leave()
            return
        if self._may_read(page):
            link = page.url if _is_link(page.url) else None
            self.render("notice.html", page=page, parts=linked(page.text), link=link)
            return
        if not self.inside_wechat:
            self.set_status(403)
            self.render("notice.html", page=None, address=self.config.public_url + self.page)
            return
        self._retry = self.page
        if self.looks_ahead():
            raise HTTPError(403)
        if self.came_back:
            await self._prove(secret, page.openid)
            return
        self.say_problem()
        address, visit = self.services.readers.begin(secret, self.own_cookie("visit"))
        self.set_own_cookie("visit", visit, seconds=VISIT_SECONDS)
        self.redirect(address)

    def _may_read(self, page: outbox.Page) -> bool:
        if self.account is not None and self.account.id == page.account_id:
            return True
        proof = self.own_cookie("reader")
        return self.inside_wechat and self.services.readers.knows(proof, page.openid)

    async def _prove(self, secret: str, openid: str) -> None:
        """Let the browser in that has come back, or say why not. Nothing here leads to the platform
        again: a browser without cookies would go round for ever."""
        proof = await self.services.readers.prove(
            secret,
            openid,
            visit=self.own_cookie("visit"),
            state=one(self.request, "state", STATE),
            code=one(self.request, "code", CODE),
        )
        self.set_own_cookie("reader", proof, seconds=reader.READER_SECONDS)
        self.leave()


def linked(text: str) -> Iterator[tuple[str, bool]]:
    """The pieces of a text, and whether each is a link."""
    done = 0
    for found in _LINK.finditer(text):
        address = _trimmed(found[0])
        if not _is_link(address):
            continue
        if found.start() > done:
            yield text[done : found.start()], False
        yield address, True
        done = found.start() + len(address)
    if done < len(text):
        yield text[done:], False


def _trimmed(address: str) -> str:
    """An address without what belongs to the sentence around it."""
    end = len(address)
    while end:
        last = address[end - 1]
        opening = _BRACKETS.get(last)
        closes = opening and address.count(opening, 0, end) < address.count(last, 0, end)
        if last not in ".,;:!?*" and not closes:
            break
        end -= 1
    return address[:end]


def _is_link(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
