"""Replies: what a message is answered with, by the built-in words and by the operator's rules."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from wx import rules
from wx.clock import when
from wx.config import Config
from wx.model import Follower
from wx.protocol import reply
from wx.protocol.incoming import Click, Incoming, OtherMessage, Scan, ScanCode, Text, Voice
from wx.protocol.reply import Reply, TextReply
from wx.rules import Rule
from wx.service.binding import Bindings
from wx.service.speech import Speech, Translate
from wx.store import followers

log = logging.getLogger(__name__)

ASKED_SECONDS = 300  # that a yes to "unbind?" may take

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
# Not the word that the question answers: sent twice in haste, it would be its own yes.
_YES = {"是", "是的", "好", "好的", "确认", "确定", "yes", "y", "ok"}


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
        self._slow = any(rule.match and rule.match.slow for rule in config.replies)

    def answer(
        self,
        conn: sqlite3.Connection,
        message: Incoming,
        follower: Follower,
        *,
        rule: Rule | None,
        now: float,
        after: list[Callable[[], None]],
    ) -> Answer | None:
        """What the follower is answered; None: nothing. A piece of a transaction.

        Args:
            rule: what :meth:`rule_for` gave for the message.
            after: takes what is to be done once the transaction is on disk.
        """
        said = message.content.strip().casefold() if isinstance(message, Text) else ""
        key = _menu_key(message)
        say = self._speech.to(follower, said=said)
        if (asked_at := follower.unbind_asked_at) is not None and (said or key):
            # Whatever they do next is their answer.
            followers.mark_unbind_asked(conn, follower.id, None)
            if said in _YES and now - asked_at <= ASKED_SECONDS:
                return self._unbind(conn, follower, say, now=now, after=after)
        if said in WORDS:
            return self._by_word(conn, WORDS[said], follower, say, now=now)
        word = WORDS.get(key.casefold(), "")
        # A rule for this very button goes before the word, one for anything does not.
        if word and (rule is None or rule.on != "click"):
            return self._by_word(conn, word, follower, say, now=now)
        return self._by_rule(rule, message, follower)

    def _by_word(
        self,
        conn: sqlite3.Connection,
        word: str,
        follower: Follower,
        say: Translate,
        *,
        now: float,
    ) -> Answer:
        match word:
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
        link = f'<a href="%(url)s">{say("Bind this WeChat")}</a>'
        return self._text(f"{text}\n{link}", url=f"{self._config.public_url}/enter")

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
        how = say("Send %(yes)s within five minutes to unbind.")
        return self._text(f"{question}\n{how}", account=bound[1].name, yes=tap)

    def _unbind(
        self,
        conn: sqlite3.Connection,
        follower: Follower,
        say: Translate,
        *,
        now: float,
        after: list[Callable[[], None]],
    ) -> Answer:
        ended = self._bindings.end_of_follower(conn, follower.id, route="chat", now=now)
        if ended is None:
            return self._text(say("This WeChat is bound to no account of %(site)s."))
        after.append(partial(log.info, "binding %d ended in the chat", ended[0].id))
        after.append(partial(self._bindings.told, ended[1]))
        return self._text(
            say("Unbound from account %(account)s of %(site)s."), account=ended[1].name
        )

    def _status(self, conn: sqlite3.Connection, follower: Follower, say: Translate) -> Answer:
        bound = self._bindings.of_follower(conn, follower.id)
        if bound is None:
            text = say("This WeChat is bound to no account of %(site)s. Send “bind” to bind it.")
            return self._text(text)
        binding, account = bound
        text = say("This WeChat is bound to account %(account)s of %(site)s, since %(since)s.")
        return self._text(text, account=account.name, since=when(binding.bound_at))

    async def rule_for(self, message: Incoming) -> Rule | None:
        """The first rule that fits a message. Not for a transaction: a rule's expression may take
        its time, and then it takes it in a thread."""
        if isinstance(message, OtherMessage):
            return None  # nobody knows what it asks for
        said = ""
        if isinstance(message, Text):
            said = message.content
        elif isinstance(message, Voice):
            said = message.recognition
        elif isinstance(message, Scan):
            said = message.scene
        key = _menu_key(message)
        kind = "click" if key else message.kind
        chosen = partial(rules.choose, self._config.replies, kind, key=key, text=said)
        if said and self._slow:
            return await asyncio.to_thread(chosen)
        return chosen()

    def _by_rule(self, rule: Rule | None, message: Incoming, follower: Follower) -> Answer | None:
        if rule is None:
            return None
        drafts = rule.reply
        draft = drafts.get(self._speech.language(follower)) or drafts[""]
        made = reply.drafted(draft.kind, draft.parts, message.fields)
        return Answer(made, spoken=len(drafts) > 1)

    def _text(self, text: str, **details: str) -> Answer:
        return Answer(TextReply(text % {"site": self._config.site_name, **details}))


def _menu_key(message: Incoming) -> str:
    """The key of the menu's button that was tapped, "" where it was none."""
    return message.key if isinstance(message, Click | ScanCode) else ""
