"""The JS-SDK's other end: JS tickets, a page's signature checked, pictures picked (section 8)."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tornado.web import HTTPError

from wx.paths import STATIC
from wx.simulator import attachments, samples
from wx.simulator.api import Api, Failure
from wx.simulator.frame import Frame, path_of
from wx.simulator.oauth import is_allowed
from wx.simulator.screen import Screen
from wx.simulator.tokens import require_access_token
from wx.simulator.world import JsTicket, World, random_text

if TYPE_CHECKING:
    from wx.simulator.app import Simulator

# What pages may ask of the phone, once their configuration was found good.
CALLS = (
    "chooseImage",
    "previewImage",
    "uploadImage",
    "getLocalImgData",
    "checkJsApi",
    "closeWindow",
)
_FREE = ("checkJsApi", "closeWindow")  # need no place in the list
_MOST = 9  # pictures at once
_SCRIPT = STATIC / "simulator" / "jweixin.js"


class JsError(Exception):
    """What the JS-SDK says no with; the text is its ``errMsg``."""


class GetTicket(Api):
    """``GET /cgi-bin/ticket/getticket``: the same ticket until the last minutes of its life."""

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        if self.get_query_argument("type", "") != "jsapi":
            raise Failure(40035)
        world = self.simulator.world
        ticket = current_ticket(world)
        left = int(ticket.expires_at - world.clock.monotonic())
        return {"errcode": 0, "errmsg": "ok", "ticket": ticket.value, "expires_in": left}


def current_ticket(world: World) -> JsTicket:
    """The ticket that lives; a new one where there is none, or where its end is near."""
    now, life = world.clock.monotonic(), world.js_ticket_seconds
    margin = min(world.overlap_seconds, life / 2)
    last = next(reversed(world.js_tickets.values()), None)
    if last is not None and not last.dead and last.expires_at - now >= margin:
        return last
    ticket = JsTicket(random_text(86), now + life)
    world.js_tickets[ticket.value] = ticket
    return ticket


def signature(ticket: str, nonce: str, timestamp: str, url: str) -> str:
    """What a page's configuration is signed with; the fragment of ``url`` does not count."""
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url.split('#')[0]}"
    return hashlib.sha1(text.encode()).hexdigest()


def configure(simulator: "Simulator", url: str, config: Mapping[str, object]) -> frozenset[str]:
    """Check what a page gave to ``wx.config``.

    Args:
        url: of the page, as its browser shows it.
        config: appId, timestamp, nonceStr, signature, and jsApiList: all calls where it is absent.

    Returns:
        the calls that the page may make now.

    Raises:
        JsError: the page is not at a JS-safe host, or its signature is not right.
    """
    found = {_NAMES.get(name, name): value for name, value in config.items()}
    if not is_allowed(urlsplit(url).netloc, simulator.js_hosts):
        raise JsError("config:invalid url domain")
    if found.get("appId") != simulator.app_id:
        raise JsError("config:invalid appid")
    nonce, timestamp = str(found.get("nonceStr", "")), str(found.get("timestamp", ""))
    given = str(found.get("signature", "")).encode()
    now = simulator.world.clock.monotonic()
    tickets = simulator.world.js_tickets.values()
    live = (one.value for one in tickets if not one.dead and now < one.expires_at)
    wanted = (signature(ticket, nonce, timestamp, url).encode() for ticket in live)
    if not any(hmac.compare_digest(one, given) for one in wanted):
        raise JsError("config:invalid signature")
    asked = found.get("jsApiList", CALLS)
    named = {str(name) for name in asked} if isinstance(asked, Iterable) else set()
    return frozenset({*_FREE, *named} & set(CALLS))


# Other spellings of the names, as programs write them.
_NAMES = {"app_id": "appId", "nonce": "nonceStr", "nonce_str": "nonceStr", "noncestr": "nonceStr"}


def upload(simulator: "Simulator", name: str, allowed: Iterable[str]) -> str:
    """Make a medium of one of the phone's pictures, and give its media id.

    Raises:
        JsError: the page may not do that, or there is no such picture.
    """
    if "uploadImage" not in allowed:
        raise JsError("uploadImage:permission denied")
    if name not in samples.NAMES:
        raise JsError("uploadImage:fail")
    return simulator.world.add_medium("image", samples.jpeg(name), "image/jpeg").id


class Script(Screen):
    """The JS-SDK itself, a stub of our own; anybody may load it, as the real one."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        self.finish(_SCRIPT.read_bytes())


class _Call(Screen):
    """A call of the stub, from a page in the frame of this person's phone."""

    def body(self) -> dict[str, Any]:
        try:
            body = json.loads(self.request.body)
        except ValueError as error:
            raise HTTPError(400) from error
        if not isinstance(body, dict):
            raise HTTPError(400)
        return body

    def page(self, name: str) -> str:
        """The address of the page that calls; the browser tells it, not the page."""
        frame = Frame(name)
        path = path_of(self.request.headers.get("Referer", ""))
        if not path.startswith(frame.prefix):
            raise HTTPError(403)
        return frame.original(path)


class Configuration(_Call):
    """``POST /phone/PERSON/jssdk/config``: what ``wx.config`` was given; 200 whatever comes of it.
    The answer's ``pass`` goes with the calls after it."""

    def post(self, name: str) -> None:
        self.person(name)
        body, url = self.body(), self.page(name)
        try:
            allowed = configure(self.simulator, url, body)
        except JsError as error:
            self.finish({"errMsg": str(error)})
            return
        passed = random_text(32)
        self.simulator.js_pages[passed] = allowed
        self.finish({"errMsg": "config:ok", "pass": passed, "calls": sorted(allowed)})


class Upload(_Call):
    """``POST /phone/PERSON/jssdk/upload``: a ``picture`` of the phone becomes a medium."""

    def post(self, name: str) -> None:
        self.person(name)
        body = self.body()
        allowed = self.simulator.js_pages.get(str(body.get("pass")), frozenset())
        try:
            media_id = upload(self.simulator, str(body.get("picture")), allowed)
        except JsError as error:
            self.finish({"errMsg": str(error)})
            return
        self.finish({"errMsg": "uploadImage:ok", "serverId": media_id})


class Picker(Screen):
    """``GET /phone/PERSON/jssdk/pictures?count=…``: the overlay that a picture is chosen in."""

    def get(self, name: str) -> None:
        self.person(name)
        count = self.get_query_argument("count", "")
        most = min(int(count), _MOST) if count.isascii() and count.isdigit() else _MOST
        self.render("simulator/picker.html", pictures=attachments.PICTURES, most=max(most, 1))
