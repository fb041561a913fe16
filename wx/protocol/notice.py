"""What a notice may say: template fields of the right kind and length, texts that fit (4.1, 4.4).

WeChat refuses a whole message for one field. What reads as well when shortened is shortened here;
what would mean something else, such as a number or a time, is refused by name before WeChat does.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from wx.model import Template
from wx.protocol import answer

UNTYPED_LIMIT = 200  # characters of a field without a type, such as `first`
CHAT_LIMIT = 2048  # bytes of a customer-service text
_ELLIPSIS = "…"

_MARK = re.compile(r"\{\{\s*(\w+)\.DATA\s*\}\}")
_NAME = re.compile(r"\w{1,64}")
_TYPED = re.compile(r"([a-z_]+?)[0-9]+")

_CHINESE = "\u4e00-\u9fff"
# For what counts like Chinese in a name: the rarer signs, full-width ones, and all beside them.
_WIDE = re.compile("[\u2e80-\ud7ff\uf900-\ufaff\ufe30-\uffef\U00020000-\U0003ffff]")
_CLOCK = r"([01]?[0-9]|2[0-4]):[0-5][0-9](:[0-5][0-9])?"
_MONTH, _MONTH_DAY = r"(0?[1-9]|1[0-2])", r"(0?[1-9]|[12][0-9]|3[01])"
_DATE = (
    rf"([0-9]{{4}}年{_MONTH}月{_MONTH_DAY}日|[0-9]{{4}}-{_MONTH}-{_MONTH_DAY}"
    rf"|[0-9]{{4}}/{_MONTH}/{_MONTH_DAY})"
)
_TIME = rf"({_DATE} ?)?{_CLOCK}"
_DAY = rf"{_DATE}( ?{_CLOCK})?"

# Characters of the types that are cut; a name's depend on its script.
_LENGTHS = {"thing": 20, "short_thing": 5, "const": 20, "name": 20}
_WIDE_NAME = 10

# The types that are checked: what a whole value looks like, and what is wrong with any other.
_SHAPES = {
    "number": (
        r"(?=.{1,32}$)-?[0-9]+(\.[0-9]+)?",
        "A number has at most 32 digits, and nothing else but a decimal point.",
    ),
    "letter": (r"[A-Za-z]{1,32}", "It takes at most 32 letters, from a to z."),
    "symbol": (r"[^\w\s]{1,5}", "It takes at most 5 symbols, and no letters or digits."),
    "character_string": (
        r"[ -~]{1,32}",
        "It takes at most 32 letters, digits and symbols, and no Chinese.",
    ),
    "time": (
        rf"{_TIME}(~{_TIME})?",
        "A time looks like 15:01 or 2024-07-12 09:30.",
    ),
    "date": (
        rf"{_DAY}(~{_DAY})?",
        "A date looks like 2024-07-12 or 2024年7月12日, with a time if you like.",
    ),
    "amount": (
        r"[^\w\s.]?[0-9]{1,10}(\.[0-9]{1,10})?元?",
        "An amount is a number of at most 10 digits, with one currency sign before it or 元 after.",
    ),
    "phone_number": (
        r"(?=.*[0-9])[0-9+() -]{1,17}",
        "A phone number has at most 17 digits, blanks, brackets, plus and minus signs.",
    ),
    "car_number": (
        rf"[A-Za-z0-9{_CHINESE}][A-Za-z0-9]{{0,6}}[A-Za-z0-9{_CHINESE}]?",
        "A car's number has at most 8 letters and digits; the first and the last may be Chinese.",
    ),
    "phrase": (rf"[{_CHINESE}]{{1,5}}", "It takes at most 5 Chinese characters."),
    "enum_string": (r".{1,20}", "It takes one of the template's own words, of 20 characters."),
}


class BadField(ValueError):
    """A template's field that WeChat would refuse.

    Args:
        field: its name.
        problem: an English sentence, which holds no value.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Fitted:
    """Fields that WeChat takes. ``cut``: something was left out of one."""

    fields: dict[str, str]
    cut: bool


def keywords(content: str) -> tuple[str, ...]:
    """The names of a template's fields, in the order of its text, each once."""
    return tuple(dict.fromkeys(_MARK.findall(content)))


def kind(field: str) -> str:
    """The type that a field's name tells, "thing" of thing1; "" of one that tells none."""
    typed = _TYPED.fullmatch(field)
    return typed[1] if typed and (typed[1] in _LENGTHS or typed[1] in _SHAPES) else ""


def fit(fields: Mapping[str, str], template: Template | None) -> Fitted:
    """``fields`` as WeChat takes them, in the template's order.

    Args:
        template: whose fields these are; None where that is not known, and then nothing is
            said about fields that are missing or too many.

    Raises:
        BadField: the first one that cannot be sent as it is.
    """
    names: tuple[str, ...] = tuple(fields)
    if template:
        names = keywords(template.content)
        for field in fields:
            if field not in names:
                raise BadField(field, "The template has no such field.")
        for field in names:
            if field not in fields:
                raise BadField(field, "It is missing: the template needs all of its fields.")
    fitted = {field: fit_text(fields[field], field) for field in names}
    return Fitted(
        {field: value for field, (value, _) in fitted.items()},
        any(cut for _, cut in fitted.values()),
    )


def fit_text(text: str, field: str) -> tuple[str, bool]:
    """``text`` as the value of ``field``, in one line, and whether something was left out.

    Raises:
        BadField: it is empty, or nothing of the field's type, or the name is none.
    """
    if not _NAME.fullmatch(field):
        raise BadField(field, "A field's name has at most 64 letters, digits and underscores.")
    value = _one_line(text)
    if not _visible(value):
        raise BadField(field, "It is empty.")
    typed = kind(field)
    if typed in _SHAPES:
        shape, problem = _SHAPES[typed]
        if not re.fullmatch(shape, value):
            raise BadField(field, problem)
        return value, False
    limit = _LENGTHS.get(typed, UNTYPED_LIMIT)
    if typed == "name" and _WIDE.search(value):
        limit = _WIDE_NAME
    if len(value) <= limit:
        return value, False
    return shortened(value, limit), True


def shortened(text: str, limit: int) -> str:
    """``text``, or as much of it as ``limit`` characters hold with the sign that more was there."""
    if len(text) <= limit:
        return text
    return _kept(text, limit - len(_ELLIPSIS)) + _ELLIPSIS


def chat_text(text: str, *, url: str = "", limit: int = CHAT_LIMIT) -> tuple[str, bool]:
    """A text for the chat with its link on the last line, and whether something was left out.

    Args:
        url: an address, "" for none; it is never cut.
        limit: bytes of UTF-8 that the whole may have.

    Raises:
        ValueError: the link alone is longer than that.
    """
    link = len(url.encode())
    if link > limit:
        raise ValueError("the link is longer than a text may be")
    text = answer.clean("\n".join(text.splitlines()), limit=len(text)).strip()
    if not text:
        return url, False
    room = limit - link - (1 if url else 0)
    if len(text.encode()) <= room:
        return "\n".join(filter(None, (text, url))), False
    room -= len(_ELLIPSIS.encode())
    if room < 0:
        return url, True
    fits = len(text.encode()[:room].decode("utf-8", "ignore"))
    return "\n".join(filter(None, (_kept(text, fits).rstrip() + _ELLIPSIS, url))), True


def _one_line(text: str) -> str:
    """``text`` without what WeChat takes in no field: line breaks, control characters, halves of
    characters."""
    lines = (line.strip() for line in text.replace("\t", " ").splitlines())
    return answer.clean(" ".join(filter(None, lines)), limit=len(text)).strip()


def _visible(text: str) -> bool:
    return any(one.isprintable() and not one.isspace() for one in text)


def _kept(text: str, length: int) -> str:
    """The beginning of ``text``, at most ``length`` characters, which ends where a reader would
    see one end: before an accent, a joined sign or the second half of a flag it goes back."""
    # A bound, because a text may consist of nothing else.
    for end in range(length, max(length - 16, 0), -1):
        if not _joined(text, end):
            return text[:end]
    return text[:length]


def _joined(text: str, end: int) -> bool:
    """Whether the characters on both sides of ``end`` are seen as one."""
    if end >= len(text):
        return False
    before, after = text[end - 1], text[end]
    if before == "\u200d" or after == "\u200d" or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if _flag(after):
        letters = 0
        while letters < end and _flag(text[end - 1 - letters]):
            letters += 1
        return letters % 2 == 1
    return unicodedata.category(after).startswith("M")


def _flag(one: str) -> bool:
    """Whether it is a letter of which two make a flag."""
    return "\U0001f1e6" <= one <= "\U0001f1ff"
