"""Addresses of other programs, for whoever used those before: each answers in that one's form, and
only where its setting is on."""

import re
from collections.abc import Mapping

from tornado.httputil import (
    HTTPInputError,
    ParseBodyConfig,
    ParseMultipartConfig,
    parse_body_arguments,
)

from wx.errors import Refused
from wx.model import NoticeState
from wx.protocol.notice import shortened
from wx.service import reason
from wx.service.api_keys import SERVERCHAN
from wx.service.draft import TEXT_CHARACTERS, Draft
from wx.web.api import ApiHandler, Fields, no_key, read_object, wrong

TITLE_CHARACTERS = 1000
_MULTIPART = "multipart/form-data"
_PARTS = 20
_AUTH_ERROR = 40001  # ServerChan's number for a key that is none
_EITHER = re.compile(r"(?:bearer +)?(\S+) *", re.IGNORECASE)


class ServerChan(ApiHandler):
    """ServerChan's one address: what comes there goes to the account that the key is made for. The
    key stands in the address, as it does there, so it is good for nothing else."""

    setting = "serverchan"
    takes_forms = True

    def initialize(self) -> None:
        super().initialize()
        self._kind = self.request.headers.get("Content-Type", "")
        if self._kind.lower().startswith(_MULTIPART):
            # Tornado refuses these, here as everywhere: see `_multipart`.
            del self.request.headers["Content-Type"]

    async def get(self, shown: str) -> None:
        await self._send(shown)

    async def post(self, shown: str) -> None:
        await self._send(shown)

    async def _send(self, shown: str) -> None:
        await self.admit(shown, SERVERCHAN)
        account = await self.services.api_keys.account_of(self.key)
        assert account is not None  # no such key is made without one
        title, more = self._said()
        # Who sends from here can seldom do anything about a refusal: the beginning is better.
        text = shortened(f"{title}\n\n{more}" if more else title, TEXT_CHARACTERS)
        outbox, origin = self.services.outbox, f"key {self.key.name}"
        draft = Draft(text=text)
        [notice] = await outbox.put([account.name], draft, origin=origin, key=self.key)
        known = reason.explain(notice)
        if notice.state is NoticeState.FAILED and known:
            raise Refused(409, notice.reason, known.sentence)
        data = {"pushid": notice.id, "readkey": notice.id, "error": "SUCCESS", "errno": 0}
        self.answer(200, code=0, message="", data=data)

    def _said(self) -> tuple[str, str]:
        """Title and text; what else ServerChan knows, such as its channels, changes nothing here.

        Raises:
            Refused: 400, there is no title, or it is not of the form.
        """
        kind = self._kind.lower()
        if kind.startswith(_MULTIPART):
            self._multipart()
        if kind.startswith("application/json"):
            fields = Fields(read_object(self.request.body))
            title, more = fields.text("title", ""), fields.text("desp", "")
        else:
            # The body's come last in Tornado's list, and count; "text" is the title's older name.
            title = self.get_argument("title", "") or self.get_argument("text", "")
            more = self.get_argument("desp", "", strip=False)
        title, more = title.strip(), more.strip()
        if not title or len(title) > TITLE_CHARACTERS:
            raise wrong("The field %(field)s must be a text of 1 to 1,000 characters.", "title")
        return title, more

    def _multipart(self) -> None:
        """Read a form as curl's -F sends it: few parts, of a body whose size was looked at.

        Raises:
            Refused: 400, it is none.
        """
        few = ParseBodyConfig(multipart=ParseMultipartConfig(max_parts=_PARTS))
        found: dict[str, list[bytes]] = {}
        try:
            parse_body_arguments(
                self._kind, self.request.body, found, {}, self.request.headers, config=few
            )
        except HTTPInputError:
            raise wrong(
                "The body is no form that can be read here: it takes"
                " application/x-www-form-urlencoded, multipart/form-data and JSON."
            ) from None
        for name, values in found.items():
            self.request.arguments.setdefault(name, []).extend(values)

    def finish_error(self, status: int, code: str, sentence: str) -> None:
        number, kind = 100 * status, "INPUT" if status < 500 else "SERVER"
        if status in (401, 403):
            self.set_status(400)
            self.clear_header("WWW-Authenticate")
            number, kind = _AUTH_ERROR, "AUTH"
        self.finish(
            {
                "code": number,
                "message": f"[{kind}]{sentence}",
                "info": sentence,
                "args": [None],
                "error": code,
            }
        )


class AccessToken(ApiHandler):
    """The access token, as wechat-server gives it, so that whoever shares the WeChat account needs
    not fetch one, which would end everybody else's."""

    setting = "wechat_server"
    scopes: Mapping[str, str] = {"GET": "access-token:read"}

    async def get(self) -> None:
        token, seconds = await self.services.access_token.access_token(self.key)
        self.answer(200, success=True, message="", access_token=token, expiration=seconds)

    def shown_key(self) -> str:
        """The key that came with the request, with or without the word "Bearer"."""
        given = self.request.headers.get_list("Authorization")
        found = _EITHER.fullmatch(given[0]) if len(given) == 1 else None
        if found is None:
            raise no_key()
        return found[1]

    def finish_error(self, status: int, code: str, sentence: str) -> None:
        self.finish({"success": False, "message": sentence, "error": code})
