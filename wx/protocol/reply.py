"""What is answered to a post in the same breath (platform document, 3.8).

The platform documents no lengths but one for texts; the others are lengths that fit on a card.
Text is cut at its length; an address is whole or it is none.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from urllib.parse import quote

from wx.protocol import xml
from wx.protocol.fields import clean

# Bytes of UTF-8.
TEXT = 2048
TITLE = 128
DESCRIPTION = 512
ADDRESS = 1024


@dataclass(frozen=True, slots=True)
class TextReply:
    content: str


@dataclass(frozen=True, slots=True)
class ImageReply:
    media_id: str


@dataclass(frozen=True, slots=True)
class VoiceReply:
    media_id: str


@dataclass(frozen=True, slots=True)
class VideoReply:
    media_id: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class MusicReply:
    title: str
    description: str
    url: str
    hq_url: str
    thumb_media_id: str


@dataclass(frozen=True, slots=True)
class NewsReply:
    """One article: in answer to a message no more are shown."""

    title: str
    description: str
    picture: str
    url: str


@dataclass(frozen=True, slots=True)
class TransferReply:
    """Hands the follower over to human service: to ``account``, or to whoever is free."""

    account: str = ""


Reply = TextReply | ImageReply | VoiceReply | VideoReply | MusicReply | NewsReply | TransferReply

_BRACES = r"\{\{|\}\}|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}"
_PLACEHOLDER = re.compile(_BRACES)
# A tag, up to its end or through a quote that never ends; and an address in the text.
_PLACE = re.compile(
    rf"""{_BRACES}|(?P<tag></?[a-z](?:[^"'<>]|"[^"]*"|'[^']*')*+(?:>|["'].*))"""
    r"""|(?P<address>https?://[!#-&(-;=?-~]+)""",
    re.IGNORECASE | re.DOTALL,
)
_IN_TAG = re.compile(r"""(?P<open>=\s*["']?)(?P<value>(?<=")[^"]*|(?<=')[^']*|[^\s"'>]+)|[^=]+""")
_LINK = re.compile(r"<(/?)a(?![A-Za-z0-9])([^<>]*>)?", re.IGNORECASE)
_HTTP = re.compile(r"https?://\S+", re.IGNORECASE)
_IN_ADDRESSES = "!#$%&()*+,/:;=?@[]"  # what an address may hold, and a link's attribute too
_JOINER = "\u200d"
_LONGEST_CHARACTER = 32


def write(reply: Reply, *, to: str, sender: str, now: int) -> bytes:
    """The XML of a reply from the account ``sender`` to the follower ``to``.

    Texts are cut at the limits above and cleaned of control characters; nothing else is changed.
    """
    kind, parts = _written(reply)
    header = {"ToUserName": to, "FromUserName": sender, "CreateTime": now, "MsgType": kind}
    return xml.write({**header, **parts})


def drafted(kind: str, parts: Mapping[str, str], fields: Mapping[str, str]) -> Reply | None:
    """The reply that a rule describes, with the fields of a message filled in.

    An address that is none once it is filled in counts as empty.

    Args:
        kind: "text", "image", "voice", "video", "music", "news", "transfer" or "none".
        parts: the rule's texts by the names that rules use.
        fields: what placeholders stand for.

    Returns:
        None if there is nothing to say: what the kind needs is empty now, or an address is longer
        than the platform takes.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "none":
        return None
    if kind not in _KINDS:
        raise ValueError("no such kind of reply")
    make, needed = _KINDS[kind]
    names = [part.name for part in dataclass_fields(make)]
    filled = {name: _filled(name, parts.get(name, ""), fields) for name in names}
    if not all(filled[name].strip() for name in needed):
        return None
    if any(_size(filled[name]) > ADDRESS for name in names if name in _ADDRESSES):
        return None
    return make(**filled)


def fill(template: str, fields: Mapping[str, str], *, address: bool = False) -> str:
    """``template`` with each ``{Name}`` replaced by that field, or by nothing if there is none.

    A value is cleaned of control characters and is never filled itself. It is percent-encoded in a
    tag, where it could end the attribute, in an http address, and everywhere if the template is an
    ``address``; only an http address that a placeholder puts at the very beginning of an attribute
    or of an ``address`` stays one. ``{{`` and ``}}`` are braces; so is every other brace that is no
    placeholder.
    """

    def put(found: re.Match[str]) -> str:
        if name := found["name"]:
            value = clean(fields.get(name, ""))
            if not address:
                return value
            whole = found.start() == 0 and _HTTP.fullmatch(value.strip())
            return quote(value.strip(), safe=_IN_ADDRESSES) if whole else quote(value, safe="")
        if address:
            return found[0][0]
        if found["tag"]:
            return _IN_TAG.sub(put_in_tag, found["tag"])
        return encoded(found["address"]) if found["address"] else found[0][0]

    def put_in_tag(found: re.Match[str]) -> str:
        if found["open"]:
            return found["open"] + encoded(found["value"])
        return encoded(found[0])

    def encoded(text: str) -> str:
        return fill(text, fields, address=True)

    return (_PLACEHOLDER if address else _PLACE).sub(put, template)


def cut(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` bytes of UTF-8, with "…" at the end if something is gone.

    No character is broken, nor what looks like one (an emoji of several), and no link stays open:
    it goes as a whole. Lone surrogates, which UTF-8 does not have, are dropped.
    """
    data = text.encode("utf-8", "ignore")
    if len(data) <= limit:
        return data.decode()
    room = limit - len("…".encode())
    if room < 0:
        return ""
    text = data.decode()
    end = len(data[:room].decode("utf-8", "ignore"))
    return text[: _before_link(text, _before_character(text, end))] + "…"


_KINDS: dict[str, tuple[type[Reply], tuple[str, ...]]] = {
    "text": (TextReply, ("content",)),
    "image": (ImageReply, ("media_id",)),
    "voice": (VoiceReply, ("media_id",)),
    "video": (VideoReply, ("media_id",)),
    "music": (MusicReply, ("thumb_media_id",)),
    "news": (NewsReply, ("title", "url")),
    "transfer": (TransferReply, ()),
}
_ADDRESSES = {"url", "hq_url", "picture"}


def _filled(name: str, template: str, fields: Mapping[str, str]) -> str:
    """The part of that name; what is no text of several lines is one line."""
    if name in _ADDRESSES:
        address = fill(template.strip(), fields, address=True)
        return address if _HTTP.fullmatch(address) else ""
    text = fill(template, fields)
    return text if name in ("content", "description") else " ".join(text.split())


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _written(reply: Reply) -> tuple[str, Mapping[str, object]]:
    """MsgType, and what comes after the header."""
    match reply:
        case TextReply():
            return "text", {"Content": _short(reply.content, TEXT)}
        case ImageReply():
            return "image", {"Image": {"MediaId": reply.media_id}}
        case VoiceReply():
            return "voice", {"Voice": {"MediaId": reply.media_id}}
        case VideoReply():
            return "video", {"Video": {"MediaId": reply.media_id, **_card(reply)}}
        case MusicReply():
            addresses = {"MusicUrl": reply.url, "HQMusicUrl": reply.hq_url}
            thumb = {"ThumbMediaId": reply.thumb_media_id}
            return "music", {"Music": {**_card(reply), **addresses, **thumb}}
        case NewsReply():
            article = {**_card(reply), "PicUrl": reply.picture, "Url": reply.url}
            return "news", {"ArticleCount": 1, "Articles": {"item": article}}
        case TransferReply():
            to = {"TransInfo": {"KfAccount": reply.account}} if reply.account else {}
            return "transfer_customer_service", to


def _card(reply: VideoReply | MusicReply | NewsReply) -> dict[str, str]:
    return {
        "Title": _short(reply.title, TITLE),
        "Description": _short(reply.description, DESCRIPTION),
    }


def _short(text: str, limit: int) -> str:
    return cut(clean(text), limit)


def _before_character(text: str, end: int) -> int:
    """Where the character that people see begins, if ``end`` is inside of one."""
    for start in range(end, max(end - _LONGEST_CHARACTER, -1), -1):
        if not _joined(text, start):
            return start
    return end  # marks upon marks: nobody sees a character in that


def _joined(text: str, at: int) -> bool:
    """Whether what is before and after ``at`` is seen as one character."""
    if at == 0:
        return False
    before, after = text[at - 1], text[at]
    if _JOINER in (before, after) or unicodedata.category(after) in ("Mn", "Mc", "Me"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        return True  # the colour of a skin, the letters in the flag of a region
    # Flags are pairs of letters of a kind of their own.
    flags = 0
    while flags <= at and _is_flag(text[at - flags]):
        flags += 1
    return flags % 2 == 0 and flags > 0


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _before_link(text: str, end: int) -> int:
    """Where the link begins that ``end`` is inside of, else ``end``."""
    open_at = -1
    for tag in _LINK.finditer(text):
        if tag.start() >= end:
            break
        if open_at < 0:
            open_at = tag.start()
        if tag[1] and tag[2] and tag.end() <= end:
            open_at = -1
    return end if open_at < 0 else open_at
