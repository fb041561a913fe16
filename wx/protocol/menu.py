"""The account's menu: read, and checked before the platform sees it (platform document, 7).

It is an object ``{"button": […]}``. The shape that the platform answers, ``{"menu": {…}}``, is
taken too. Its ``menuid`` is the number of the menu that was read and means nothing in the next
one: it is left out. A ``conditionalmenu`` is refused: half a file is not what was asked for.
"""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

TOP_BUTTONS, SUB_BUTTONS = 3, 5
TOP_NAME, SUB_NAME = 16, 60  # bytes; a Chinese character has three
FILE_LIMIT = 128 * 1024  # bytes; the longest menu has a sixth of that

# What a button of each type needs beside its name.
TYPES = {
    "click": ("key",),
    "view": ("url",),
    "miniprogram": ("appid", "pagepath", "url"),
    "scancode_push": ("key",),
    "scancode_waitmsg": ("key",),
    "pic_sysphoto": ("key",),
    "pic_photo_or_album": ("key",),
    "pic_weixin": ("key",),
    "location_select": ("key",),
    "media_id": ("media_id",),
    "view_limited": ("media_id",),
    "article_id": ("article_id",),
    "article_view_limited": ("article_id",),
}
KEYED = frozenset(kind for kind, needs in TYPES.items() if "key" in needs)

# Bytes. The platform names the first two; the others only keep nonsense out.
_LIMITS = {
    "key": 128,
    "url": 1024,
    "appid": 64,
    "pagepath": 1024,
    "media_id": 256,
    "article_id": 256,
}
_BUTTON_FIELDS = ("name", "type", *_LIMITS, "sub_button")
_SHAPE = '{"button": […]}'
# Beside control characters: what ends a line somewhere, and halves of characters.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What JSON text may hold as it is, but a terminal would act on or UTF-8 cannot say.
_TO_ESCAPE = re.compile(
    r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


class BadMenu(ValueError):
    """A file holds no menu that the platform would take.

    Args:
        problems: one sentence each.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read(content: bytes) -> dict[str, Any]:
    """The menu in a file of JSON, as :func:`bare` leaves it.

    Raises:
        BadMenu: with every problem at once.
    """
    menu = _parsed(content)
    if problems := check(menu):
        raise BadMenu(problems)
    return bare(menu)


def write(menu: object) -> bytes:
    """A menu as a file that people edit and :func:`read` takes: real UTF-8, one field a line."""
    text = json.dumps(menu, ensure_ascii=False, indent=2)
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n"


def check(menu: object) -> list[str]:
    """What keeps the platform from taking ``menu``, all of it: one sentence each, with the button
    by number and name, such as ``button 2 "More" > 1 "Help": key is longer than 128 bytes``."""
    return list(_of_file(menu))


def keys(menu: object, *, of: Collection[str] = KEYED) -> list[str]:
    """The keys that arrive with the events of buttons of the types ``of``, each once."""
    found: dict[str, None] = {}
    for top in _buttons(menu):
        for button in (top, *_objects(top.get("sub_button"))):
            kind, key = button.get("type"), button.get("key")
            if isinstance(kind, str) and kind in of and isinstance(key, str):
                found[key] = None
    return list(found)


def bare(menu: object) -> dict[str, Any]:
    """A menu as the platform takes it, without what it adds when it is asked for it: the wrapping,
    the number, and an empty list in every button that opens no others."""
    return {"button": [_bare_button(top) for top in _buttons(menu)]}


def _bare_button(button: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in button.items() if name != "sub_button"}
    if subs := _objects(button.get("sub_button")):
        kept["sub_button"] = [_bare_button(sub) for sub in subs]
    return kept


def _buttons(menu: object) -> list[dict[str, Any]]:
    """The top buttons, of whatever looks like a menu."""
    outer = menu if isinstance(menu, dict) else {}
    inner = outer.get("menu", outer)
    return _objects(inner.get("button")) if isinstance(inner, dict) else []


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _parsed(content: bytes) -> object:
    if len(content) > FILE_LIMIT:
        raise BadMenu([f"is larger than {FILE_LIMIT // 1024} KiB"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadMenu([f"is not UTF-8: line {line} holds something else"]) from None
    if not text.strip():
        raise BadMenu(["is empty"])
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadMenu([f"is not JSON: {where}: {error.msg}"]) from None
    except BadMenu:
        raise
    except (ValueError, RecursionError):  # an endless number, endless nesting
        raise BadMenu(["is not JSON that can be read: a number too long, or too deep"]) from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # The last one would win without a word, and the others would be gone.
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadMenu([f"{_quoted(twice)} stands twice in one object"])
    return made


def _of_file(menu: object) -> Iterator[str]:
    if not isinstance(menu, dict):
        yield f"a menu is an object: {_SHAPE}"
        return
    if "menu" not in menu:
        yield from _of_menu(menu)
        return
    yield from _of_conditional(menu)
    yield from _strangers(menu, ("menu", "conditionalmenu"), "beside menu")
    if isinstance(menu["menu"], dict):
        yield from _of_menu(menu["menu"])
    else:
        yield f"menu must be an object: {_SHAPE}"


def _of_menu(menu: dict[str, Any]) -> Iterator[str]:
    yield from _of_conditional(menu)
    known = ("button", "menuid", "conditionalmenu", "matchrule")
    yield from _strangers(menu, known, "of a menu")
    buttons = menu.get("button")
    if "button" not in menu:
        yield f"button is missing: {_SHAPE}"
    elif not isinstance(buttons, list):
        yield "button must be a list"
    elif not buttons:
        yield f"there is no button; a menu has 1 to {TOP_BUTTONS}"
    elif len(buttons) > TOP_BUTTONS:
        yield f"there are {len(buttons)} buttons; a menu has at most {TOP_BUTTONS}"
    for label, button in _labelled(buttons, "button "):
        yield from _with(label, _of_button(button, top=True))
        subs = button.get("sub_button") if isinstance(button, dict) else None
        for sub_label, sub in _labelled(subs, f"{label} > "):
            yield from _with(sub_label, _of_button(sub, top=False))


def _of_conditional(menu: dict[str, Any]) -> Iterator[str]:
    for name in ("conditionalmenu", "matchrule"):
        if menu.get(name):
            yield f"{name}: conditional menus cannot be put up from here; take it out"


def _of_button(button: object, *, top: bool) -> Iterator[str]:
    if not isinstance(button, dict):
        yield "must be an object"
        return
    if "name" in button:
        yield from _of_text("name", button["name"], TOP_NAME if top else SUB_NAME)
    else:
        yield "name is missing"
    subs = button.get("sub_button", [])
    if not isinstance(subs, list):
        yield "sub_button must be a list"
    elif subs and not top:
        yield "sub_button: buttons go two levels deep, no further"
    elif len(subs) > SUB_BUTTONS:
        yield f"has {len(subs)} sub buttons; at most {SUB_BUTTONS}"
    if not subs:
        yield from _of_action(button)
    elif top and isinstance(subs, list):
        needless = [name for name in ("type", *_LIMITS) if name in button]
        yield from (f"opens its sub buttons, so {name} goes" for name in needless)
    yield from _strangers(button, _BUTTON_FIELDS, "of a button")


def _of_action(button: dict[str, Any]) -> Iterator[str]:
    """What a tap does."""
    kind = button.get("type")
    needs: tuple[str, ...] | None = None
    if "type" not in button:
        yield "needs a type, such as click or view, or sub buttons"
    elif not isinstance(kind, str):
        yield "type must be a text"
    elif kind not in TYPES:
        yield f"{_quoted(kind)} is no type{_guess(kind, TYPES)}"
    else:
        needs = TYPES[kind]
        yield from (f"{kind} needs {name}" for name in needs if name not in button)
    for name, limit in _LIMITS.items():
        if name not in button:
            continue
        if needs is not None and name not in needs:
            # More likely another type was meant than nothing at all.
            yield f"{kind} takes no {name}"
        else:
            yield from _of_text(name, button[name], limit)


def _of_text(name: str, value: object, limit: int) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{name} must be a text"
        return
    size = len(value.encode("utf-8", "surrogatepass"))
    if not value.strip():
        yield f"{name} is empty"
    elif _UNFIT.search(value):
        yield f"{name} holds a control character or a broken one"
    elif size > limit:
        yield f"{name} is longer than {limit} bytes (it has {size}; a Chinese character has 3)"
    elif name == "url" and not _is_address(value):
        yield "url must be an address such as https://wx.example.com/bind"
    elif name == "appid" and not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        yield "appid must be the mini program's, such as wx5a17…"


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        _ = parts.port  # looked at only when asked for
    except ValueError:
        return False
    blank = re.search(r"\s", value)
    return not blank and parts.scheme in ("http", "https") and bool(parts.hostname)


def _strangers(given: dict[str, Any], known: Collection[str], where: str) -> Iterator[str]:
    for name in given:
        if name not in known:
            yield f"{_quoted(name)} is no field {where}{_guess(name, known)}"


def _guess(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word[:40].lower(), known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _labelled(buttons: object, before: str) -> Iterator[tuple[str, object]]:
    """Each button with its number and, where it has one, its name."""
    for number, button in enumerate(buttons if isinstance(buttons, list) else [], 1):
        name = button.get("name") if isinstance(button, dict) else None
        shown = f" {_quoted(name)}" if isinstance(name, str) and name.strip() else ""
        yield f"{before}{number}{shown}", button


def _with(label: str, problems: Iterator[str]) -> Iterator[str]:
    return (f"{label}: {problem}" for problem in problems)


def _quoted(text: str) -> str:
    """A text of the file's, fit for one line of a terminal."""
    shown = "".join(one if one.isprintable() else "\ufffd" for one in text[:30])
    return f'"{shown}{"…" if len(text) > 30 else ""}"'
