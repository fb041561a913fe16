"""What stands behind the frame on the drawn phone's screen: sites, fetched for its person."""

from wx.simulator.browser import BrowserError, page_of
from wx.simulator.frame import Frame
from wx.simulator.pages import PhonePage, screen_address
from wx.simulator.referrer import Source
from wx.simulator.screen import Screen

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'; "
    "sandbox allow-forms allow-same-origin"
)
_SHOWN_KINDS = ("image/", "font/", "text/plain")
CODE_ADDRESSES = ("http://weixin.qq.com/q/", "https://weixin.qq.com/q/")
_AFTER_SCAN = {"profile": "account", "chat": "chat", "expired": "scan?over"}


class Web(Screen):
    """One request of the phone's browser. Cookies stay at the simulator, in the person's jar."""

    async def get(self, name: str) -> None:
        await self._fetch(name, None)

    async def post(self, name: str) -> None:
        await self._fetch(name, self.request.body)

    async def _fetch(self, name: str, body: bytes | None) -> None:
        browser = self.simulator.phone(self.person(name).id).browser
        frame = Frame(name)
        url = frame.original(self.request.uri or "")
        try:
            answer, _ = await browser.request(
                self.request.method or "GET",
                url,
                body=body,
                headers=self._sent(url, browser.shown),
            )
            target = browser.target(answer)
        except BrowserError as error:
            self.set_status(502)
            self.notice(self._("This page did not open."), self._(str(error)))
            return
        self.set_header("Content-Security-Policy", _POLICY)
        if target is not None:
            self.set_status(answer.code)
            self.set_header("Location", frame.address(target))
            return
        self.set_status(answer.code)
        declared = answer.headers.get("Content-Type", "text/plain")
        kind = declared.partition(";")[0].strip().lower()
        if kind == "text/html":
            page = page_of(url, answer)
            if self._is_page:
                browser.shown = Source(url, page.referrer_policy)
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(frame.html(page.text, base=url))
        elif kind == "text/css":
            self.set_header("Content-Type", "text/css; charset=utf-8")
            self.finish(frame.css(answer.body.decode(errors="replace"), base=url))
        else:
            shown = kind.startswith(_SHOWN_KINDS)
            self.set_header("Content-Type", declared if shown else "text/plain; charset=utf-8")
            self.finish(answer.body)

    @property
    def _purpose(self) -> str:
        """What the real browser fetches it for: a page, a style sheet, an image."""
        return self.request.headers.get("Sec-Fetch-Dest", "document")

    @property
    def _is_page(self) -> bool:
        return self._purpose in ("document", "iframe")

    def _sent(self, url: str, shown: Source | None) -> dict[str, str]:
        """What the phone's browser says beside the address; as if no simulator were between."""
        headers = {
            "Sec-Fetch-Dest": "document" if self._is_page else self._purpose,
            "Sec-Fetch-Mode": "navigate" if self._is_page else "no-cors",
            "Sec-Fetch-Site": "none",
        }
        if language := self.request.headers.get("Accept-Language"):
            headers["Accept-Language"] = language
        if self.request.method == "POST":
            headers["Content-Type"] = self.request.headers.get("Content-Type", "")
        # The screen around the frame opens a scanned link; everything else comes from a page.
        opened_by_screen = "/web/" not in self.request.headers.get("Referer", "/web/")
        if shown is None or opened_by_screen:
            return headers
        headers["Sec-Fetch-Site"] = shown.site(url)
        if referer := shown.referer(url):
            headers["Referer"] = referer
        if self.request.method == "POST":
            headers["Origin"] = shown.origin(url)
        return headers


class Scan(PhonePage):
    """``/phone/scan?url=…``: a link or a parametric code, on a phone as if it had been scanned.

    With ``person`` it is scanned at once. Without, a link opens on the first person's phone, and
    for a code it is asked whose phone scans it: it makes a difference who follows already.
    """

    async def get(self) -> None:
        url = self.get_query_argument("url", "").strip()
        name = self.get_query_argument("person", "")
        if not name and url.startswith(CODE_ADDRESSES):
            first = next(iter(self.simulator.world.people.values()))
            self.show("scan", first, over=False, url=url)
            return
        await self._scan(name, url)

    async def post(self) -> None:
        url = self.get_body_argument("url", "").strip()
        await self._scan(self.get_body_argument("person", ""), url)

    async def _scan(self, name: str, url: str) -> None:
        name = name or next(iter(self.simulator.world.people))
        phone = self.simulator.phone(self.person(name).id)
        if url.startswith(CODE_ADDRESSES):
            shown = await phone.scan_code(url)
            self.redirect(f"/phone/{name}/{_AFTER_SCAN[shown]}", status=303)
            return
        if not phone.browser.may_open(url):
            self.set_status(400)
            text = self._("this phone opens pages of this machine only")
            self.notice(self._("This page did not open."), text)
            return
        self.redirect(screen_address(name, url), status=303)
