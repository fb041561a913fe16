"""Replies: what a message is answered with, by the built-in words and by the operator's rules."""

import logging
import sqlite3
import time
from dataclasses import dataclass

from wx import rules
from wx.config import Config
from wx.model import Follower
from wx.protocol import reply
from wx.protocol.incoming import Click, Incoming, OtherMessage, Scan, ScanCode, Text, Voice
from wx.protocol.reply import Reply, TextReply
from wx.service.binding import Bindings
from wx.service.speech import Speech, Translate
from wx.store import followers

log = logging.getLogger(__name__)

ASKED_SECONDS = 300  # that a yes to "unbind?" may take
# Stands in an answer where its secret belongs: what is kept must give nobody a right.
MARK = "{secret}"

BIND, UNBIND, STATUS = "bind", "unbind", "status"
# What is answered without any rule, written or as the key of a menu's button.
WORDS = {
    "绑定": BIND,
    "bind": BIND,
    "解绑": UNBIND,
    "解除绑定": UNBIND,
    "unbind": UNBIND,
    "状态": STATUS,
    "status": STATUS,
}
_YES = {"是", "是的", "好", "好的", "确认", "确定", "解绑", "unbind", "yes", "y", "ok"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said: ``reply``, None for nothing.

    ``hidden``: what the secret in it is derived from; in the reply's text stands a mark for it.
    ``spoken``: it is in the follower's language, so that had better be known.
    """

    reply: Reply | None
    hidden: str = ""
    spoken: bool = True


class Replies:
    """Knows the built-in words, which come first, and the rules, of which the first that fits
    answers."""

    def __init__(self, config: Config, bindings: Bindings, speech: Speech) -> None:
        self._config = config
        self._bindings = bindings
        self._speech = speech

    def answer(
        self,
        conn: sqlite3.Connection,
        message: Incoming,
        follower: Follower,
        *,
        now: float,
    ) -> Answer | None:
        """What the follower is answered; None: nothing. A piece of a transaction."""
        if isinstance(message, Text):
            said = message.content.strip().casefold()
            if answer := self._by_word(conn, said, follower, now=now):
                return answer
        if answer := self._by_rule(message, follower):
            return answer
        word = _menu_key(message).casefold()
        if word in WORDS:
            return self._by_word(conn, word, follower, now=now)
        return None

    def _by_word(
        self,
        conn: sqlite3.Connection,
        said: str,
        follower: Follower,
        *,
        now: float,
    ) -> Answer | None:
        if (asked_at := follower.unbind_asked_at) is not None:
            followers.mark_unbind_asked(conn, follower.id, None)
            if said in _YES and now - asked_at <= ASKED_SECONDS:
                return self._unbind(conn, said, follower, now=now)
        if said not in WORDS:
            return None
        say = self._speech.to(follower, said=said)
        match WORDS[said]:
            case "bind":
                return self._bind(conn, follower, say)
            case "unbind":
                return self._ask_to_unbind(conn, follower, say, now=now)
            case _:
                return self._status(conn, follower, say)

    def _bind(self, conn: sqlite3.Connection, follower: Follower, say: Translate) -> Answer:
        bound = self._bindings.of_follower(conn, follower.id)
        if bound:
            text = say(
                "This WeChat is bound to account %(account)s of %(site)s. Send “unbind” to end it."
            )
            return self._text(text, account=bound[1].name)
        text = say("Log in to %(site)s, and bind this WeChat to your account:")
        link = f'<a href="{self._config.public_url}/bind">{say("Bind this WeChat")}</a>'
        return self._text(f"{text}\n{link}")

    def _ask_to_unbind(
        self, conn: sqlite3.Connection, follower: Follower, say: Translate, *, now: float
    ) -> Answer:
        bound = self._bindings.of_follower(conn, follower.id)
        if bound is None:
            return self._text(say("This WeChat is bound to no account of %(site)s."))
        followers.mark_unbind_asked(conn, follower.id, now)
        question = say(
            "Unbind this WeChat from account %(account)s of %(site)s? Notices will no longer reach"
            " you here."
        )
        # A tap sends the word, as if it had been typed (platform document, 3.8).
        yes = say("yes")
        tap = f'<a href="weixin://bizmsgmenu?msgmenucontent={yes}&msgmenuid={UNBIND}">{yes}</a>'
        how = say("Send %(yes)s within five minutes to unbind.").replace("%(yes)s", tap)
        return self._text(f"{question}\n{how}", account=bound[1].name)

    def _unbind(
        self, conn: sqlite3.Connection, said: str, follower: Follower, *, now: float
    ) -> Answer:
        say = self._speech.to(follower, said=said)
        ended = self._bindings.end_of_follower(conn, follower.id, route="chat", now=now)
        if ended is None:
            return self._text(say("This WeChat is bound to no account of %(site)s."))
        return self._text(
            say("Unbound from account %(account)s of %(site)s."), account=ended[1].name
        )

    def _status(self, conn: sqlite3.Connection, follower: Follower, say: Translate) -> Answer:
        bound = self._bindings.of_follower(conn, follower.id)
        if bound is None:
            text = say("This WeChat is bound to no account of %(site)s. Send “bind” to bind it.")
            return self._text(text)
        binding, account = bound
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(binding.bound_at))
        text = say("This WeChat is bound to account %(account)s of %(site)s, since %(since)s.")
        return self._text(text, account=account.name, since=since)

    def _by_rule(self, message: Incoming, follower: Follower) -> Answer | None:
        said = ""
        if isinstance(message, OtherMessage):
            return None  # nobody knows what it asks for
        if isinstance(message, Text):
            said = message.content
        elif isinstance(message, Voice):
            said = message.recognition
        elif isinstance(message, Scan):
            said = message.scene
        key = _menu_key(message)
        kind = "click" if key else message.kind
        for rule in self._config.replies:
            if not rules.fits(rule, kind, key=key, text=said):
                continue
            drafts = rule.reply
            language = self._speech.language(follower)
            draft = drafts.get(language) or drafts.get("") or next(iter(drafts.values()))
            made = reply.drafted(draft.kind, draft.parts, message.fields)
            return Answer(made, spoken=len(drafts) > 1)
        return None

    def _text(self, text: str, **details: str) -> Answer:
        return Answer(TextReply(text % {"site": self._config.site_name, **details}))


def _menu_key(message: Incoming) -> str:
    """The key of the menu's button that was tapped, "" where it was none."""
    return message.key if isinstance(message, Click | ScanCode) else ""
