"""The account's menu: as it is set, and what its buttons do on a phone (section 7)."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from wx.protocol.menu import TYPES
from wx.simulator import incoming
from wx.simulator.api import Api, Failure
from wx.simulator.tokens import require_access_token
from wx.simulator.world import Message, Person, World

_FIRST_ID = 208379533
_MAX_TOP, _MAX_SUB = 3, 5
_MAX_KEY, _MAX_URL = 128, 1024  # bytes
SCANNED = "SIM-0001"  # what a phone finds unless somebody says


class _Codes:
    """What the platform says of a button; it tells those of the bar from those above it."""

    def __init__(self, *, sub: bool) -> None:
        self.count, self.type, self.name, self.key, self.url, self.domain = (
            (40023, 40024, 40025, 40026, 40027, 40054)
            if sub
            else (40016, 40017, 40018, 40019, 40020, 40055)
        )
        self.max_name = 60 if sub else 16  # bytes
        self.max_count = _MAX_SUB if sub else _MAX_TOP


_TOP, _SUB = _Codes(sub=False), _Codes(sub=True)


class MenuCreate(Api):
    """``POST /cgi-bin/menu/create``: replaces the whole menu."""

    verb = "POST"

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        world = self.simulator.world
        menu = checked(self.json())
        world.menu_id = max(world.menu_id + 1, _FIRST_ID)
        world.menu = menu
        world.changed_all()
        return {"errcode": 0, "errmsg": "ok"}


class MenuGet(Api):
    """``GET /cgi-bin/menu/get``: with a number, and an empty list in a button without others."""

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        world = self.simulator.world
        if world.menu is None:
            raise Failure(46003)
        buttons = [_with_list(button) for button in world.menu["button"]]
        return {"menu": {"button": buttons, "menuid": world.menu_id}}


class MenuDelete(Api):
    """``GET /cgi-bin/menu/delete``."""

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        self.simulator.world.menu = None
        self.simulator.world.changed_all()
        return {"errcode": 0, "errmsg": "ok"}


class CurrentMenu(Api):
    """``GET /cgi-bin/get_current_selfmenu_info``: the same menu in another shape."""

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        menu = self.simulator.world.menu
        if menu is None:
            return {"is_menu_open": 0, "selfmenu_info": {"button": []}}
        buttons = [
            button | {"sub_button": {"list": button["sub_button"]}}
            if "sub_button" in button
            else button
            for button in menu["button"]
        ]
        return {"is_menu_open": 1, "selfmenu_info": {"button": buttons}}


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The menu of a call, without what no button has; raises Failure as the platform would."""
    return {"button": _buttons(body.get("button"), _TOP)}


def tap(world: World, person: Person, i: int, j: int | None, *, scanned: str) -> str:
    """A button of the menu is tapped; see :meth:`Phone.tap`.

    Args:
        i: the button of the bar, from 0.
        j: the button above it, from 0; None where it has none.
        scanned: what a scanning button finds.

    Raises:
        LookupError: there is no such button in front of this person.
    """
    button = _button(world, person, i, j)
    kind, key = button["type"], str(button.get("key", ""))
    if kind in ("click", "scancode_push", "scancode_waitmsg"):
        world.allow(person, "click")
    if kind == "click":
        world.event(person, "CLICK", EventKey=key)
    elif kind == "view":
        world.event(person, "VIEW", EventKey=button["url"], MenuId=world.menu_id)
        return str(button["url"])
    elif kind == "miniprogram":
        page = button["pagepath"]
        world.event(person, "view_miniprogram", EventKey=page, MenuId=world.menu_id)
    elif kind.startswith("scancode"):
        found = {"ScanType": "qrcode", "ScanResult": scanned}
        world.event(person, kind, EventKey=key, ScanCodeInfo=found)
        opens = kind == "scancode_push" and scanned.startswith(("http://", "https://"))
        return scanned if opens else ""
    elif kind.startswith("pic"):
        _send_picture(world, person, kind, key)
    elif kind == "location_select":
        _send_place(world, person, key)
    elif kind in ("media_id", "article_id"):
        world.deliver(person, _of_the_account(world, kind, str(button[kind])))
    return ""


def find(world: World, key: str) -> tuple[int, int | None]:
    """Where the button with this key is; raises LookupError where none is."""
    for i, top in enumerate(world.menu["button"] if world.menu else []):
        if top.get("key") == key:
            return i, None
        for j, sub in enumerate(top.get("sub_button", [])):
            if sub.get("key") == key:
                return i, j
    raise LookupError(f"no button has the key {key!r}")


def _button(world: World, person: Person, i: int, j: int | None) -> dict[str, Any]:
    if not person.following:
        raise LookupError("the menu is in the chat, which only followers have")
    at_hand: list[dict[str, Any]] = world.menu["button"] if world.menu else []
    for place in (i,) if j is None else (i, j):
        if not 0 <= place < len(at_hand):
            raise LookupError(f"there is no button {place}")
        button = at_hand[place]
        at_hand = button.get("sub_button", [])
    if at_hand:
        raise LookupError("this button only opens others")
    return button


def _send_picture(world: World, person: Person, kind: str, key: str) -> None:
    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    pictures = {"Count": 1, "PicList": {"item": {"PicMd5Sum": digest}}}
    world.event(person, kind, EventKey=key, SendPicsInfo=pictures)
    world.send(person, "image")


def _send_place(world: World, person: Person, key: str) -> None:
    place = incoming.PARTS["location"]
    found = {
        "Location_X": place["latitude"],
        "Location_Y": place["longitude"],
        "Scale": place["scale"],
        "Label": place["label"],
        "Poiname": "",
    }
    world.event(person, "location_select", EventKey=key, SendLocationInfo=found)
    world.send(person, "location")


def _of_the_account(world: World, kind: str, name: str) -> Message:
    message = Message("image" if kind == "media_id" else "news", "", world.clock.now())
    message.picture = world.picture(name)
    if kind == "article_id":
        message.parts = {"title": name, "description": "", "picture": message.picture, "url": ""}
    return message


def _with_list(button: dict[str, Any]) -> dict[str, Any]:
    subs = button.get("sub_button", [])
    return button | {"sub_button": [_with_list(sub) for sub in subs]}


def _buttons(value: object, codes: _Codes) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not 1 <= len(value) <= codes.max_count:
        raise Failure(codes.count)
    return [_checked_button(button, codes) for button in value]


def _checked_button(button: object, codes: _Codes) -> dict[str, Any]:
    if not isinstance(button, dict):
        raise Failure(codes.type)
    name = _text(button, "name", codes.max_name, codes.name)
    if subs := button.get("sub_button"):
        if codes is _SUB:
            raise Failure(40022)
        return {"name": name, "sub_button": _buttons(subs, _SUB)}
    kind = button.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise Failure(codes.type)
    return {"type": kind, "name": name} | dict(_needed(button, kind, codes))


def _needed(button: dict[str, Any], kind: str, codes: _Codes) -> Iterator[tuple[str, str]]:
    for need in TYPES[kind]:
        if need == "key":
            yield need, _text(button, need, _MAX_KEY, codes.key)
        elif need == "url":
            url = _text(button, need, _MAX_URL, codes.url)
            if not url.startswith(("http://", "https://")):
                raise Failure(codes.domain)
            yield need, url
        else:
            yield need, _text(button, need, _MAX_URL, 40007 if need == "media_id" else 40035)


def _text(button: dict[str, Any], name: str, limit: int, errcode: int) -> str:
    value = button.get(name)
    if not isinstance(value, str) or not 0 < len(value.encode(errors="replace")) <= limit:
        raise Failure(errcode)
    return value
