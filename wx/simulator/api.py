"""How every API call of the platform is answered (platform document, section 0)."""

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError, RequestHandler

if TYPE_CHECKING:
    from wx.simulator.app import Simulator

_TEXTS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40004: "invalid media type",
    40005: "invalid file type",
    40007: "invalid media_id",
    40008: "invalid message type",
    40009: "invalid image size",
    40010: "invalid voice size",
    40011: "invalid video size",
    40012: "invalid thumb size",
    40013: "invalid appid",
    40014: "invalid access_token",
    40016: "invalid button size",
    40017: "invalid button type",
    40018: "invalid button name size",
    40019: "invalid button key size",
    40020: "invalid button url size",
    40022: "invalid sub button level",
    40023: "invalid sub button size",
    40024: "invalid sub button type",
    40025: "invalid sub button name size",
    40026: "invalid sub button key size",
    40027: "invalid sub button url size",
    40029: "invalid code",
    40030: "invalid refresh_token",
    40035: "invalid parameter",
    40036: "invalid template_id size",
    40037: "invalid template_id",
    40053: "invalid action info",
    40054: "invalid sub button url domain",
    40055: "invalid button url domain",
    40066: "invalid url",
    40125: "invalid appsecret",
    40163: "code been used",
    41001: "access_token missing",
    41002: "appid missing",
    41003: "refresh_token missing",
    41004: "appsecret missing",
    41005: "media data missing",
    41006: "media_id missing",
    41008: "missing code",
    41009: "missing openid",
    41030: "invalid page",
    42001: "access_token expired",
    42002: "refresh_token expired",
    42007: "access_token and refresh_token exception",
    43001: "require GET method",
    43002: "require POST method",
    43004: "require subscribe",
    43101: "user refuse to accept the msg",
    44001: "empty media data",
    44002: "empty post data",
    44004: "empty content",
    45002: "content size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45015: "response out of time limit or subscription is canceled",
    45047: "out of response count limit",
    46003: "menu no exist",
    47001: "data format error",
    48001: "api unauthorized",
    48006: "forbid to clear quota because of reaching the limit",
}


class Failure(Exception):
    """The call is answered with this error code."""

    def __init__(self, errcode: int, errmsg: str = "") -> None:
        super().__init__(errcode)
        self.errcode = errcode
        self.errmsg = errmsg or _TEXTS.get(errcode, "error")


@dataclass(frozen=True)
class Raw:
    """An answer that is no JSON."""

    body: bytes
    content_type: str
    file_name: str


class Api(RequestHandler):
    """One call. A subclass says its ``verb`` and gives its ``reply``."""

    verb = "GET"
    content_type = "application/json; encoding=utf-8"

    @property
    def simulator(self) -> "Simulator":
        simulator: Simulator = self.application.settings["simulator"]
        return simulator

    def reply(self) -> dict[str, Any] | Raw:
        """The answer in case of success; raises Failure otherwise."""
        raise Failure(40066)

    async def before_answer(self) -> None:
        """What happens after the work and before the answer goes out."""

    def prepare(self) -> None:
        if not self.simulator.is_own_host(self.request.host):
            raise HTTPError(421)

    async def get(self) -> None:
        await self._serve("GET")

    async def post(self) -> None:
        await self._serve("POST")

    def query(self, name: str, *, missing: int) -> str:
        """A parameter of the query, or the error code for its absence."""
        value = self.get_query_argument(name, "", strip=False)
        if not value:
            raise Failure(missing)
        return value

    def json(self) -> dict[str, Any]:
        """The posted JSON object, whatever its declared type."""
        if not self.request.body.strip():
            raise Failure(44002)
        try:
            body = json.loads(self.request.body)
        except ValueError as error:
            raise Failure(47001) from error
        if not isinstance(body, dict):
            raise Failure(47001)
        return body

    async def _serve(self, verb: str) -> None:
        path = self.request.path
        fault = self.simulator.record_call(path)
        await self.simulator.faults.wait(path)
        if fault is not None and fault.kind in ("hang", "drop"):
            if fault.kind == "hang":
                await self.simulator.faults.hold()
            self.detach().close()
            return
        if fault is not None and fault.kind == "answer":
            self.set_status(fault.status)
            if fault.body is not None:
                self._send(fault.body, fault.content_type)
                return
            self._send_json(self._refusal(Failure(fault.errcode or 0)), fault.content_type)
            return
        answer = self._answer(verb, path)
        await self.before_answer()
        if fault is None:
            self._send_answer(answer)
        elif fault.kind == "cut_reply":
            self.simulator.record_answer(path, _errcode(answer))
            self.detach().close()
        elif fault.kind == "truncate":
            self._send_answer(answer, part=0.5)
        else:
            self._send_json(self._refusal(Failure(-1)))

    def _answer(self, verb: str, path: str) -> dict[str, Any] | Raw:
        try:
            if verb != self.verb and type(self) is not Api:
                raise Failure(43002 if self.verb == "POST" else 43001)
            self.simulator.quotas.require(path)
            return self.reply()
        except Failure as failure:
            return self._refusal(failure)

    def _refusal(self, failure: Failure) -> dict[str, Any]:
        moment = int(self.simulator.world.clock.now())
        rid = f"{moment:08x}-{secrets.randbits(32):08x}-{secrets.randbits(32):08x}"
        return {"errcode": failure.errcode, "errmsg": f"{failure.errmsg} rid: {rid}"}

    def _send_answer(self, answer: dict[str, Any] | Raw, *, part: float = 1.0) -> None:
        if isinstance(answer, dict):
            self._send_json(answer, part=part)
            return
        self.simulator.record_answer(self.request.path, 0)
        self.set_header("Content-Disposition", f'attachment; filename="{answer.file_name}"')
        self._send(answer.body[: int(len(answer.body) * part)], answer.content_type)

    def _send_json(
        self, answer: dict[str, Any], content_type: str | None = None, *, part: float = 1.0
    ) -> None:
        self.simulator.record_answer(self.request.path, _errcode(answer))
        text = json.dumps(answer, ensure_ascii=False)
        if self.simulator.world.dirty_nicknames:
            text = text.replace('"nickname": "', '"nickname": "\x08')
        self._send(text[: int(len(text) * part)], content_type)

    def _send(self, body: str | bytes, content_type: str | None) -> None:
        self.set_header("Content-Type", content_type or self.content_type)
        self.finish(body)


def _errcode(answer: dict[str, Any] | Raw) -> int:
    return int(answer.get("errcode", 0)) if isinstance(answer, dict) else 0
