"""Parametric codes: made by the account, scanned by people (section 5)."""

import base64
import secrets
from html import escape
from typing import Any

from tornado.web import HTTPError

from wx.simulator.api import Api, Failure
from wx.simulator.screen import Screen
from wx.simulator.tokens import require_access_token
from wx.simulator.world import QRCode, random_text

DEFAULT_SECONDS = 60
MAX_SECONDS = 2592000
MAX_PERMANENT = 100000  # the largest number of a permanent code
_TEMPORARY = {"QR_SCENE", "QR_STR_SCENE"}
_PERMANENT = {"QR_LIMIT_SCENE", "QR_LIMIT_STR_SCENE"}
_NUMERIC = {"QR_SCENE", "QR_LIMIT_SCENE"}
_MAX_SCENE = 64
_ADDRESS = "http://weixin.qq.com/q/"


class QRCodeCreate(Api):
    """``POST /cgi-bin/qrcode/create``."""

    verb = "POST"

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        world, body = self.simulator.world, self.json()
        if not world.may_make_codes:
            raise Failure(48001)
        kind = str(body.get("action_name"))
        permanent, numeric = kind in _PERMANENT, kind in _NUMERIC
        if kind not in _PERMANENT | _TEMPORARY:
            raise Failure(40053)
        scene = _scene(body, numeric=numeric, limit=MAX_PERMANENT if permanent else 0xFFFFFFFF)
        seconds = DEFAULT_SECONDS if permanent else _seconds(body)
        code = QRCode(
            # 67 bytes leave "==" at the end, and their letters hold "+" and "/" now and then: a
            # client must write them in percent form.
            ticket="gQ" + base64.b64encode(secrets.token_bytes(67)).decode(),
            url=_ADDRESS + "02" + random_text(20),
            scene=scene,
            numeric=numeric,
            expires_at=None if permanent else world.clock.monotonic() + seconds,
        )
        world.qr_codes[code.ticket] = code
        told = {"ticket": code.ticket, "expire_seconds": seconds, "url": code.url}
        if permanent:
            del told["expire_seconds"]
        return told


def is_code(url: str) -> bool:
    """Whether a link is one of the platform's own codes, live or not."""
    return url.startswith((_ADDRESS, _ADDRESS.replace("http:", "https:")))


def _scene(body: dict[str, Any], *, numeric: bool, limit: int) -> str:
    info = body.get("action_info")
    scene = info.get("scene") if isinstance(info, dict) else None
    if not isinstance(scene, dict):
        raise Failure(40053)
    value = scene.get("scene_id" if numeric else "scene_str")
    if numeric:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= limit:
            raise Failure(40053)
        return str(value)
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_SCENE:
        raise Failure(40053)
    return value


def _seconds(body: dict[str, Any]) -> int:
    seconds = body.get("expire_seconds", DEFAULT_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise Failure(40035)
    if not 1 <= seconds <= MAX_SECONDS:
        raise Failure(40035)
    return seconds


class ShowQRCode(Screen):
    """``GET /cgi-bin/showqrcode?ticket=…``: the code as a picture, for anybody."""

    async def get(self) -> None:
        code = self.simulator.world.qr_codes.get(self.get_query_argument("ticket", "", strip=False))
        if code is None:
            raise HTTPError(404)
        self.set_header("Content-Type", "image/svg+xml")
        self.set_header("Content-Security-Policy", "default-src 'none'")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        draw = self.simulator.draw_code
        self.finish(await draw(code.url) if draw else _plain(code.url))


def _plain(url: str) -> str:
    """Only the link to read, where nobody draws codes."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 430 430">'
        '<path fill="#fff" d="M0 0h430v430H0z"/><text x="215" y="215" font-size="15"'
        f' text-anchor="middle">{escape(url)}</text></svg>'
    )
