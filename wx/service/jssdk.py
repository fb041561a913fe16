"""JS-SDK: the signatures with which pages may use what WeChat's browser can do."""

import re
import secrets
from dataclasses import dataclass

from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, Refused, Remedy
from wx.protocol import errcode, jssdk
from wx.service.rate import Rate
from wx.service.throttle import place
from wx.wechat.js_ticket import JsTicketKeeper

URL_CHARACTERS = 2048
PER_MINUTE = 60  # for pages of ours, to one address
RETRY_SECONDS = 10
PAUSE_SECONDS = 600
_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]{2,45}\])"
# Not by a parser, which passes over blanks and mends what it finds: what is signed are the letters.
_ADDRESS = re.compile(rf"(?i:https?)://{_HOST}(?::[0-9]{{1,5}})?(?:/[^?\\]*)?(?:\?.*)?")
_UNSEEN = re.compile(
    r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class JsConfig:
    """What a page gives to ``wx.config``; ``timestamp`` is in Unix seconds."""

    app_id: str
    timestamp: int
    nonce: str
    signature: str


class JsSdk:
    """Signs addresses of pages."""

    def __init__(self, keeper: JsTicketKeeper, clock: Clock, config: Config) -> None:
        self._keeper = keeper
        self._clock = clock
        self._app_id = config.app_id
        self._site = config.public_url
        self._rate = Rate(clock, per_minute=PER_MINUTE)

    async def config(self, url: str) -> JsConfig:
        """What the page at ``url`` needs.

        Args:
            url: as the page's own ``location.href`` says it. What stands behind ``#`` is left out;
                all else is signed as it is.

        Raises:
            Refused: 422, it is not the address of a page; 503 or 502, WeChat gives no JS ticket.
        """
        page = _page(url)
        ticket = await self._ticket()
        made = JsConfig(self._app_id, int(self._clock.now()), secrets.token_hex(8), "")
        signature = jssdk.sign(ticket, made.nonce, made.timestamp, page)
        return JsConfig(made.app_id, made.timestamp, made.nonce, signature)

    async def own_config(
        self, url: str, *, address: str, near: bool, again: bool = False
    ) -> JsConfig:
        """As :meth:`config`, for a page of this site alone.

        Args:
            address: where it is asked from, and counted.
            near: that is this machine's own address, and may stand for everybody behind a proxy.
            again: WeChat has refused the one before; only ever for somebody who is signed in.

        Raises:
            Refused: 422, it is none of ours; 429, too many for this address; and see
                :meth:`config`.
        """
        # Letter by letter: a browser writes the address of a page of ours in one way only.
        if not url.startswith(f"{self._site}/"):
            raise bad_url("This is not the address of a page of this site.")
        if not near:
            self._rate.take(place(address))
        if again:
            self._keeper.doubt()
        return await self.config(url)

    async def _ticket(self) -> str:
        try:
            return await self._keeper.get()
        except PlatformError as error:
            if error.remedy in (Remedy.RETRY, Remedy.PAUSE):
                paused = error.remedy is Remedy.PAUSE
                raise Refused(
                    503,
                    "platform-unavailable",
                    "WeChat cannot be reached just now. Please try again in a moment.",
                    hint=errcode.explain(error.errcode).cure if error.errcode else "",
                    retry_after=PAUSE_SECONDS if paused else RETRY_SECONDS,
                ) from error
            raise Refused(
                502,
                "platform-error",
                "WeChat gives no JS ticket (error %(errcode)s).",
                hint=errcode.explain(error.errcode).cure if error.errcode else "",
                more={"errcode": error.errcode},
                errcode=error.errcode,
            ) from error


def _page(url: str) -> str:
    """The address that is signed.

    Raises:
        Refused: 422, it is not the address of a page.
    """
    page = url.partition("#")[0]
    # The whole is bounded, with what is left out: nobody's page has such an address.
    seen = len(url) <= URL_CHARACTERS and not _UNSEEN.search(url) and not _SURROGATE.search(url)
    if not seen or not _ADDRESS.fullmatch(page):
        raise bad_url("This is not the address of a page.")
    return page


def bad_url(message: str) -> Refused:
    """The refusal of an address that is not signed."""
    return Refused(
        422,
        "bad-url",
        message,
        hint="Send what the page's location.href says: http or https, at most 2,048 characters,"
        " nothing decoded, encoded or added.",
    )
