"""Reading the platform's JSON answers, whatever state they arrive in (platform document, 0)."""

import json
import re
from typing import Any

from wx.errors import PlatformError, Remedy

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Marks that change the direction of writing, up to the end of the line they stand in.
_TURNS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_NEW_ACCESS_TOKEN = {40001, 40014, 42001}
_RETRY = {-1}
_PAUSE = {45009, 45011, 89501, 89503, 89506, 89507}
_MESSAGE_LIMIT = 300
# WeChat's nickname for those whose own it does not give, in the language that we ask in; beside it
# comes a grey head for an avatar.
_NAMELESS = "微信用户"


def remedy(errcode: int) -> Remedy:
    """What to do about an error code (platform document, 11). Unknown codes are final."""
    if errcode in _NEW_ACCESS_TOKEN:
        return Remedy.NEW_ACCESS_TOKEN
    if errcode in _RETRY:
        return Remedy.RETRY
    if errcode in _PAUSE:
        return Remedy.PAUSE
    return Remedy.REFUSE


def read(body: bytes, *, path: str) -> dict[str, Any]:
    """The JSON object in an answer.

    The header's charset is wrong on some paths and control characters stand raw in nicknames, so
    the bytes are taken as UTF-8 and the JSON is read leniently.

    Raises:
        PlatformError: the answer carries an errcode, or is no JSON object (RETRY: what comes
            through a broken proxy today may be whole in a moment).
    """
    try:
        answer = json.loads(body.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        raise PlatformError(Remedy.RETRY, None, "the answer is not JSON", path=path) from None
    if not isinstance(answer, dict):
        raise PlatformError(Remedy.RETRY, None, "the answer is no object", path=path)
    errcode = answer.get("errcode", 0)
    if isinstance(errcode, str) and re.fullmatch(r"-?\d{1,9}", errcode):
        errcode = int(errcode)
    if not isinstance(errcode, int) or isinstance(errcode, bool):
        raise PlatformError(Remedy.RETRY, None, "the errcode is no number", path=path)
    if errcode != 0:
        message = clean(answer.get("errmsg"), limit=_MESSAGE_LIMIT)
        raise PlatformError(remedy(errcode), errcode, message, path=path)
    return answer


def clean(value: object, *, limit: int) -> str:
    """``value`` as a text without control characters and lone surrogates, at most ``limit``
    characters; "" for anything that is no text."""
    if not isinstance(value, str):
        return ""
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROL.sub("", whole)[:limit]


def name(value: object) -> str:
    """``value`` as the name of somebody or something: one line of at most 128 characters that
    cannot turn around the text beside it."""
    return " ".join(_TURNS.sub("", clean(value, limit=128)).split())


def portrait(answer: dict[str, Any]) -> tuple[str, str]:
    """The nickname and the avatar's address of the person in an answer; "" for what is not given,
    both where WeChat puts its placeholder in their place."""
    nickname = name(answer.get("nickname"))
    if nickname == _NAMELESS:
        return "", ""
    return nickname, clean(answer.get("headimgurl"), limit=1024)


def text(answer: dict[str, Any], name: str, *, limit: int, path: str) -> str:
    """A field that must be there, as a text of at most ``limit`` printable ASCII characters.

    Raises:
        PlatformError: the field is missing or is something else.
    """
    value = answer.get(name)
    if not isinstance(value, str) or not re.fullmatch(rf"[\x21-\x7e]{{1,{limit}}}", value):
        raise PlatformError(Remedy.RETRY, None, f"{name} is missing or odd", path=path)
    return value


def seconds(answer: dict[str, Any], name: str, *, path: str) -> int:
    """A field that must be a positive number of seconds, at most a year.

    Raises:
        PlatformError: it is missing or is something else.
    """
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 366 * 86400:
        raise PlatformError(Remedy.RETRY, None, f"{name} is missing or odd", path=path)
    return value
