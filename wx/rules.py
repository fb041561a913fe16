"""Reply rules: what is answered to which message (interface document, "Reply rules").

They are the tables ``[[replies]]`` of ``wxbind.toml``; the first that fits a message answers it.
The rules that hold where the file has none are those of the sample file: the two can't differ.
"""

import functools
import logging
import math
import re
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

BUILT_IN = "built-in"  # the value that stands for the sample's rules
SAMPLE = Path(__file__).with_name("wxbind.toml")
LANGUAGES = ("zh", "en")

RULES = 200
PATTERN_CHARACTERS = 500
TEXT_BYTES = 2048  # of UTF-8, before placeholders are filled in
KEY_BYTES = 128  # WeChat's limit for the key of a button (platform document, 7)
REPEATS = 10_000
MATCH_SECONDS = 0.02  # of one expression
ALL_SECONDS = 0.1  # of all that one message is held against

# ``{Name}``; doubled braces stand for single ones, any other brace for itself. It is filled in by
# wx.protocol.reply, which reads it alike.
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")

# What a pattern is held against, by the kinds that can have one.
MATCHED = {"text": "Content", "voice": "Recognition", "scan": "EventKey"}

_HEADER = ("ToUserName", "FromUserName", "CreateTime", "MsgType")
_MESSAGE = ("MsgId", "MsgDataId", "Idx")
_CODE = ("Event", "EventKey", "Ticket")
# The fields that a placeholder may name (platform document, 3.6 and 3.7), beside the header's.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "subscribe": _CODE,
    "text": ("Content", "bizmsgmenuid", *_MESSAGE),
    "image": ("PicUrl", "MediaId", *_MESSAGE),
    "voice": ("Recognition", "MediaId", "Format", "MediaId16K", *_MESSAGE),
    "video": ("MediaId", "ThumbMediaId", *_MESSAGE),
    "location": ("Location_X", "Location_Y", "Scale", "Label", *_MESSAGE),
    "link": ("Title", "Description", "Url", *_MESSAGE),
    "file": ("Title", "Description", "FileKey", "FileMd5", "FileTotalLen", *_MESSAGE),
    "click": ("Event", "EventKey"),
    "scan": _CODE,
    "any": (),
}
_ON = ", ".join("click:KEY" if kind == "click" else kind for kind in _FIELDS)
_RULE = ("on", "match", "reply")
# By the type of a reply: the parts it must have, and those it may.
_PARTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "text": (("content",), ()),
    "image": (("media_id",), ()),
    "voice": (("media_id",), ()),
    "video": (("media_id",), ("title", "description")),
    "music": (("thumb_media_id",), ("title", "description", "url", "hq_url")),
    "news": (("title", "url"), ("description", "picture")),
    "transfer": ((), ("account",)),
}
_ADDRESSES = ("url", "hq_url", "picture")


@dataclass(frozen=True, slots=True)
class Draft:
    """A reply whose placeholders are not filled in yet.

    ``kind`` is a type of reply, or "none" for no answer at all; ``parts`` has every part of that
    kind under its name in the file, "" where the file says nothing.
    """

    kind: str
    parts: Mapping[str, str]


@dataclass(slots=True)
class Match:
    """A pattern for a whole message, letter case ignored.

    Raises:
        ValueError: if ``pattern`` is no regular expression, or one that takes too much to build.
    """

    number: int
    pattern: str
    _expression: Any = field(init=False, repr=False, compare=False)
    _told: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # "There is something": the built-in rules ask no more, and need no engine loaded for it.
        self._expression = None if self.pattern == ".+" else _compile(self.pattern)

    @property
    def slow(self) -> bool:
        """Whether it may take its time, which had better be a thread's."""
        return self._expression is not None

    def fits(self, text: str, *, seconds: float = MATCH_SECONDS) -> bool:
        """Whether the whole of ``text``, blanks around it aside, is of this pattern. What takes
        longer than ``seconds`` is not; the log says so once."""
        text = text.strip()
        if self._expression is None:
            return bool(text)
        if seconds <= 0:
            self._tell("had no time left")
            return False
        try:
            found = self._expression.fullmatch(text, timeout=seconds, concurrent=True)
            return found is not None
        except Exception as error:  # beside the deadline: memory, and the engine's own limits
            late = isinstance(error, TimeoutError)
            self._tell("takes too long" if late else f"ends in {type(error).__name__}")
            return False

    def _tell(self, why: str) -> None:
        if not self._told:
            log.warning("rule %d: its match %s, which counts as no match", self.number, why)
        self._told = True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``number`` is its place in the file, from 1; ``key`` is the menu key where ``on``
    is "click". ``reply`` is by language; under "" alone where the rule names no languages."""

    number: int
    on: str
    key: str
    match: Match | None
    reply: Mapping[str, Draft]


def read(value: object) -> tuple[Rule, ...]:
    """The rules of a configuration.

    Args:
        value: the tables as TOML gives them, or :data:`BUILT_IN`.

    Raises:
        ValueError: with every problem of every rule, each with the rule's place in the file.
    """
    if isinstance(value, str) and value == BUILT_IN:
        return built_in()
    if not isinstance(value, list):
        raise ValueError("must be tables, each written as [[replies]]; replies = [] is for none")
    if len(value) > RULES:
        raise ValueError(f"must be at most {RULES} rules, not {len(value)}")
    readers = [_Reader(number) for number in range(1, len(value) + 1)]
    rules = [reader.rule(table) for reader, table in zip(readers, value, strict=True)]
    if problems := [problem for reader in readers for problem in reader.problems]:
        raise ValueError("; ".join(problems))
    return tuple(rule for rule in rules if rule is not None)


@functools.cache
def built_in() -> tuple[Rule, ...]:
    """The rules of the sample file."""
    return read(tomllib.loads(SAMPLE.read_text(encoding="utf-8"))["replies"])


def choose(candidates: Iterable[Rule], kind: str, *, key: str = "", text: str = "") -> Rule | None:
    """The first rule that answers such a message; see :func:`fits`. All their expressions together
    have :data:`ALL_SECONDS`, whatever they and the text are."""
    ends_at = time.monotonic() + ALL_SECONDS
    for rule in candidates:
        left = min(MATCH_SECONDS, ends_at - time.monotonic()) if rule.match else 0
        if fits(rule, kind, key=key, text=text, seconds=left):
            return rule
    return None


def fits(
    rule: Rule, kind: str, *, key: str = "", text: str = "", seconds: float = MATCH_SECONDS
) -> bool:
    """Whether the rule answers such a message. Never raises.

    Args:
        seconds: that its expression may take; what takes longer does not fit.
        kind: what the message is, in the words of ``on``; a short video is a video.
        key: the key of the menu button that was pressed, if one was.
        text: the field that :data:`MATCHED` names for the kind, if it does.
    """
    if rule.on not in ("any", "video" if kind == "shortvideo" else kind):
        return False
    if rule.on == "click" and rule.key != key:
        return False
    return rule.match is None or rule.match.fits(text, seconds=seconds)


class _Reader:
    """Reads one rule. Problems are gathered, so that a file is put right in one go."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.problems: list[str] = []

    def rule(self, table: object) -> Rule | None:
        """The rule; worth nothing if there are problems."""
        if not isinstance(table, dict):
            self._wrong("must be a table, written as [[replies]]")
            return None
        for name in _strange(table, _RULE):
            # A key that is added at the end of the file lands in its last rule.
            hint = _guess(name, _RULE) or "; keys of wxbind stand above the first [[replies]]"
            self._wrong(f"{_quoted(name)} is not a key of a rule{hint}")
        on, key = self._on(table.get("on"))
        match = self._match(table["match"], on) if "match" in table else None
        return Rule(self.number, on, key, match, self._reply(table.get("reply"), on))

    def _wrong(self, problem: str) -> None:
        self.problems.append(f"rule {self.number}: {problem}")

    def _on(self, value: object) -> tuple[str, str]:
        """The kind and the menu key; "" for a kind that is wrong."""
        if value is None:
            self._wrong('needs on = "…"')
            return "", ""
        word, colon, key = value.partition(":") if isinstance(value, str) else ("", "", "")
        key = key.strip()
        if word == "click":
            if not key:
                self._wrong('on = "click:KEY" needs the key of a menu button')
            if _size(key) > KEY_BYTES:
                self._wrong(f"the key of a menu button has at most {KEY_BYTES} bytes")
            return "click", key
        if word not in _FIELDS:
            guess = _guess(word, _FIELDS)
            self._wrong(f"on must be one of: {_ON}{guess}")
            return "", ""
        if colon:
            hint = f"; did you mean match = {_quoted(key)}?" if word in MATCHED else ""
            self._wrong(f"on: only click takes a key{hint}")
        return word, ""

    def _match(self, value: object, on: str) -> Match | None:
        if on and on not in MATCHED:
            self._wrong(f"match goes with {', '.join(MATCHED)} only, not with {on}")
        elif not isinstance(value, str) or not value:
            self._wrong("match must be a regular expression; without one, any message fits")
        elif len(value) > PATTERN_CHARACTERS:
            self._wrong(f"match must have at most {PATTERN_CHARACTERS} characters")
        else:
            try:
                return Match(self.number, value)
            except ValueError as error:
                self._wrong(f"match is no regular expression: {error}")
        return None

    def _reply(self, value: object, on: str) -> dict[str, Draft]:
        if value is None:
            self._wrong('needs reply = "…"')
        elif isinstance(value, str):
            return {"": self._text("reply", value, on)}
        elif not isinstance(value, dict):
            self._wrong("reply must be a text or a table")
        elif "type" in value:
            return {"": self._typed(value, on)}
        else:
            return self._languages(value, on)
        return {}

    def _languages(self, table: Mapping[str, object], on: str) -> dict[str, Draft]:
        if not set(LANGUAGES) & set(table):
            self._wrong('reply needs type = "…", or the languages zh and en')
            return {}
        for name in _strange(table, LANGUAGES):
            self._wrong(f"reply.{_plain(name)} is no language of wxbind, which has zh and en")
        drafts = {}
        for name in LANGUAGES:
            text = table.get(name)
            if isinstance(text, str):
                drafts[name] = self._text(f"reply.{name}", text, on)
            else:
                self._wrong(f"reply.{name} must be a text")
        return drafts

    def _text(self, where: str, text: str, on: str) -> Draft:
        self._check(where, text, on)
        return Draft("text", {"content": text}) if text.strip() else Draft("none", {})

    def _typed(self, table: Mapping[str, object], on: str) -> Draft:
        kind = table["type"]
        if not isinstance(kind, str) or kind not in _PARTS:
            guess = _guess(kind, _PARTS) if isinstance(kind, str) else ""
            self._wrong(f"reply.type must be one of: {', '.join(_PARTS)}{guess}")
            return Draft("none", {})
        required, optional = _PARTS[kind]
        known = required + optional
        for name in _strange(table, ("type", *known)):
            self._wrong(f"reply.{_plain(name)} is no part of type {kind}{_guess(name, known)}")
        return Draft(kind, {n: self._part(n, table.get(n), on, n in required) for n in known})

    def _part(self, name: str, value: object, on: str, required: bool) -> str:
        where = f"reply.{name}"
        text = "" if value is None else value
        if not isinstance(text, str):
            self._wrong(f"{where} must be a text")
            return ""
        if required and not text.strip():
            self._wrong(f"{where} is missing")
        if name in _ADDRESSES and text and not _leads_somewhere(text):
            self._wrong(f"{where} must begin with https:// or http://")
        self._check(where, text, on)
        return text

    def _check(self, where: str, text: str, on: str) -> None:
        """A text's length and its placeholders."""
        if _size(text) > TEXT_BYTES:
            self._wrong(f"{where} must have at most {TEXT_BYTES} bytes")
            return
        if not on:
            return
        known = (*_FIELDS[on], *_HEADER)
        named = dict.fromkeys(found[1] for found in _PLACEHOLDER.finditer(text) if found[1])
        for name in _strange(named, known):
            others = ", ".join(kind for kind, fields in _FIELDS.items() if name in fields)
            hint = f"; it comes with {others}" if others else _guess(name, known, "{%s}")
            shown = f"{{{_plain(name)}}}"
            self._wrong(f"{where}: {on} has no {shown}{hint or f'; {{{shown}}} is for the braces'}")


def _compile(pattern: str) -> Any:
    # The engine writes out what is counted: (a{999}){999} would take the machine's memory.
    counts = re.findall(r"\{([0-9]+)", re.sub(r"\s", "", pattern))
    if math.prod(max(1, int(count)) for count in counts) > REPEATS:
        raise ValueError(f"its counts in braces multiply to more than {REPEATS}")
    import regex  # 10 ms and 1 MiB, for whoever has patterns

    try:
        return regex.compile(pattern, regex.IGNORECASE | regex.DOTALL)
    except RecursionError:
        raise ValueError("too many brackets in each other") from None
    except Exception as error:  # the engine's own class has no other base
        raise ValueError(str(error)) from None


def _leads_somewhere(text: str) -> bool:
    """Whether it is an address, or may be one once the placeholder at its front is filled in."""
    found = _PLACEHOLDER.match(text)
    return text.lower().startswith(("https://", "http://")) or bool(found and found[1])


def _strange(given: Iterable[str], known: Iterable[str]) -> list[str]:
    return [name for name in given if name not in set(known)]


def _guess(name: str, known: Iterable[str], form: str = "%s") -> str:
    import difflib  # only when something is already wrong

    lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(str(name)[:40].lower(), lower, n=1)
    return f"; did you mean {form % lower[close[0]]}?" if close else ""


def _plain(name: object) -> str:
    """A name as it can stand in a line of a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(name)[:40])


def _quoted(text: str) -> str:
    return f'"{_plain(text)}"'


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
