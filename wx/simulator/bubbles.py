"""How messages look in a chat: the pieces of a text, and each message in one line."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from wx.simulator.world import Message

GAP = 300  # seconds between two messages that the time stands between
LONGEST_VOICE = 60  # seconds, as WeChat records them
_CHOICE = "weixin://bizmsgmenu?"
_LINK = re.compile(
    rf"""<a\s[^>]*?href=["'](https?://[^"']+|{re.escape(_CHOICE)}[^"']+)["'][^>]*>(.*?)</a>"""
    r"""|(https?://[!#$%&(-;=?-Z\[\]_a-z~]*[A-Za-z0-9/#=&_~-])""",
    re.DOTALL,
)
_KINDS = {
    "image": "[Photo]",
    "voice": "[Voice]",
    "video": "[Video]",
    "shortvideo": "[Video]",
    "music": "[Music]",
    "location": "[Location]",
    "link": "[Link]",
    "file": "[File]",
    "news": "",
    "text": "",
    "template": "",
    "subscription": "",
    "system": "",
}
_UNITS = ("B", "KB", "MB", "GB")


def entries(chat: list[Message]) -> list[tuple[Message, bool]]:
    """The messages, each with whether its time is shown above it."""
    shown = []
    before = 0.0
    for message in chat:
        shown.append((message, message.at - before > GAP))
        before = message.at
    return shown


def pieces(text: str) -> list[tuple[str, str]]:
    """A text cut at its links: pieces of text, each with its address or an empty one.

    An address begins with ``http`` or is a :func:`choice`.
    """
    found = []
    end = 0
    for match in _LINK.finditer(text):
        found.append((text[end : match.start()], ""))
        address = (match[1] or match[3]).replace("&amp;", "&")
        found.append((match[2] or match[3], address))
        end = match.end()
    found.append((text[end:], ""))
    return [(piece, url) for piece, url in found if piece]


def choice(url: str) -> tuple[str, str] | None:
    """What a tap on ``weixin://bizmsgmenu?…`` sends: the text and the id of the entry.

    None for any other address, and for one without a text.
    """
    if not url.startswith(_CHOICE):
        return None
    query = parse_qs(urlsplit(url).query)
    text = query.get("msgmenucontent", [""])[0]
    return (text, query.get("msgmenuid", [""])[0]) if text.strip() else None


def preview(message: Message, translate: Callable[[str], str]) -> str:
    """A message in one line, as the list of chats shows it."""
    if message.kind == "system":
        return translate(message.text)
    name = _KINDS.get(message.kind, "[message]")
    words = message.title or message.parts.get("title") or message.parts.get("label") or ""
    if message.kind == "text":
        words = "".join(piece for piece, _ in pieces(message.text))
    return " ".join(part for part in (translate(name) if name else "", words) if part)


def seconds(message: Message) -> int:
    """How long a voice seems to be: nobody records one, so the words tell."""
    return min(LONGEST_VOICE, 2 + len(message.text) // 4)


def size(count: str) -> str:
    """A number of bytes, for people; anything else is shown as nothing."""
    if not (count.isascii() and count.isdigit() and len(count) < 16):
        return ""
    left, unit = float(count), 0
    while left >= 1024 and unit < len(_UNITS) - 1:
        left, unit = left / 1024, unit + 1
    return f"{left:.1f}".removesuffix(".0") + f" {_UNITS[unit]}"


def ending(name: str) -> str:
    """The ending of a file's name in capitals, four letters at most."""
    _, dot, found = name.rpartition(".")
    return found[:4].upper() if dot and found.isalnum() else ""
