"""Readers: from what stands in a file, a variable or a flag to a value of the configuration.

Each raises ValueError with what the value must be.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class NoticeTemplate:
    """The template, and the field of it, that carry a plain text; ``time_field``, if there is one,
    takes the moment of sending, since WeChat refuses a template with an empty field."""

    id: str
    field: str
    time_field: str = ""

    def __str__(self) -> str:
        return f"{self.id}:{self.field}" + (f",{self.time_field}" if self.time_field else "")


_ADDRESS = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?", re.IGNORECASE)


def text(pattern: str, hint: str) -> Callable[[object], str]:
    """A reader of texts that match ``pattern`` as a whole; ``hint`` says what they must be."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(hint)
        return value

    return read


def number(low: int, high: int) -> Callable[[object], int]:
    """A reader of whole numbers from ``low`` to ``high``."""

    def read(value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return number

    return read


def yes_no(value: object) -> bool:
    """True or false, also as a word."""
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    answer = words.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(answer, bool):
        raise ValueError("must be true or false")
    return answer


def choice(*words: str) -> Callable[[object], str]:
    """A reader of one of these words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be one of: {', '.join(filter(None, words))}")
        return value

    return read


def url(value: object) -> str:
    """An address without path, query, fragment or name in it."""
    problem = "must be an address such as https://wx.example.com, without a path"
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value.rstrip("/")):
        raise ValueError(problem)
    try:
        parts = urlsplit(value.rstrip("/"))
        port = parts.port
    except ValueError:
        raise ValueError(problem) from None
    if not parts.hostname or port == 0:
        raise ValueError(problem)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def script(value: object) -> str:
    """The whole address of a script, without query and fragment."""
    found = re.fullmatch(r"(https?://[^/]+)(/[A-Za-z0-9._/-]+)", str(value))
    if not isinstance(value, str) or not found:
        raise ValueError("must be the whole address of a script, such as https://host/script.js")
    return url(found[1]) + found[2]


def host(value: object) -> str:
    problem = "must be an IP address or a host name"
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.:_-]{1,255}", value):
        raise ValueError(problem)
    if ":" in value:  # in an address that is made of it, this goes into brackets
        try:
            ipaddress.IPv6Address(value)
        except ValueError:
            raise ValueError(problem) from None
    return value


def items(value: object) -> list[str]:
    """A list of texts; in one text they stand between commas."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return list(value)
    raise ValueError("must be a list of texts")


def networks(value: object) -> tuple[Network, ...]:
    """A list of IP addresses or networks."""
    try:
        return tuple(ipaddress.ip_network(item, strict=False) for item in items(value))
    except ValueError:
        raise ValueError("must be a list of IP addresses or networks") from None


def codes(value: object) -> tuple[str, ...]:
    """A list of the codes in WeChat's `MP_verify_CODE.txt` names (platform document, 10.2)."""
    listed = tuple(items(value))
    if not all(re.fullmatch(r"[A-Za-z0-9]{1,64}", code) for code in listed):
        raise ValueError("must be a list of codes of letters and digits, as in MP_verify_CODE.txt")
    return listed


def templates(value: object) -> tuple[str, ...]:
    """A list of templates' ids."""
    listed = tuple(items(value))
    if not all(re.fullmatch(r"[0-9A-Za-z_-]{1,64}", item) for item in listed):
        raise ValueError("must be a list of ids of templates: letters, digits, - and _")
    return listed


def origins(value: object) -> tuple[str, ...]:
    """A list of addresses as :func:`url` reads them, each as browsers name it: without the port
    that its scheme has anyway."""
    found = [url(item) for item in items(value)]
    return tuple(one.removesuffix(":443" if one.startswith("https:") else ":80") for one in found)


def hosts(value: object) -> tuple[str, ...]:
    """A list of host names, in lower case; ``*`` means any."""
    listed = tuple(item.lower() for item in items(value))
    if not all(re.fullmatch(r"\*|[a-z0-9.-]{1,253}(:\d{1,5})?", item) for item in listed):
        raise ValueError("must be a list of host names, without https://")
    return listed


def path(value: object) -> Path:
    """A path; ``~`` is a home folder."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("must be a path; there is no such home folder") from None


def picture(value: object) -> Path | None:
    """A picture file that exists, or None for ""."""
    if value == "":
        return None
    file = path(value)
    try:
        exists = file.is_file()
    except OSError:  # no right to look, or no name that a file could have
        exists = False
    if file.suffix.lower() not in (".png", ".jpg", ".jpeg", ".svg") or not exists:
        raise ValueError("must be a PNG, JPEG or SVG file that exists")
    return file


def notice_template(value: object) -> NoticeTemplate | None:
    """``ID:FIELD`` or ``ID:FIELD,TIME_FIELD``; in the file a table of these works too."""
    if value == "":
        return None
    problem = 'must be "TEMPLATE_ID:FIELD" or "TEMPLATE_ID:FIELD,TIME_FIELD", such as "Xb7…:thing1"'
    if isinstance(value, dict):
        known = set(value) <= {"id", "field", "time_field"}
        texts = all(isinstance(item, str) for item in value.values())
        if not (known and texts and "id" in value and "field" in value):
            raise ValueError(problem)
        value = str(NoticeTemplate(**value))
    found = re.fullmatch(r"([\w-]{1,64}):(\w{1,32})(?:,(\w{1,32}))?", str(value))
    if not found:
        raise ValueError(problem)
    return NoticeTemplate(found[1], found[2], found[3] or "")
