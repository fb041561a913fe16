"""What stands behind the frame on the drawn phone's screen: sites, fetched for its person."""

from collections.abc import Iterator

from tornado.httpclient import HTTPResponse

from wx.simulator import scripts
from wx.simulator.browser import USER_AGENT, BrowserError, page_of
from wx.simulator.frame import Frame, path_of
from wx.simulator.pages import PhonePage, screen_address
from wx.simulator.referrer import Source, origin_of
from wx.simulator.screen import Screen

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'; "
)
_QUIET = _POLICY + "sandbox allow-forms allow-same-origin"
# No sandbox: a page whose scripts run at the simulator's own address could leave it anyway.
_RUNNING = _POLICY + "script-src 'self'; connect-src 'self'"
_SHOWN_KINDS = ("image/", "font/", "text/plain", "application/json")
_SCRIPT_KINDS = ("text/javascript", "application/javascript", "application/x-javascript")
# What a script's request keeps to itself: the phone's browser says these in its own way.
_NOT_SENT = {
    *("host", "connection", "cookie", "content-length", "transfer-encoding", "accept-encoding"),
    *("origin", "referer", "user-agent", "upgrade-insecure-requests", "keep-alive", "te"),
}
_NOT_TOLD = {
    *("set-cookie", "content-length", "content-encoding", "transfer-encoding", "connection"),
    *("content-security-policy", "content-type", "location", "date", "server", "keep-alive"),
    *("referrer-policy", "x-content-type-options", "cache-control"),
}
CODE_ADDRESSES = ("http://weixin.qq.com/q/", "https://weixin.qq.com/q/")
_AFTER_SCAN = {"profile": "account", "chat": "chat", "expired": "scan?over"}


class Web(Screen):
    """One request of the phone's browser. Cookies stay at the simulator, in the person's jar."""

    async def get(self, name: str) -> None:
        await self._fetch(name, None)

    async def post(self, name: str) -> None:
        await self._fetch(name, self.request.body)

    async def put(self, name: str) -> None:
        await self._fetch(name, self.request.body)

    async def patch(self, name: str) -> None:
        await self._fetch(name, self.request.body)

    async def delete(self, name: str) -> None:
        await self._fetch(name, self.request.body or None)

    async def _fetch(self, name: str, body: bytes | None) -> None:
        browser = self.simulator.phone(self.person(name).id).browser
        frame = Frame(name)
        url = frame.original(self.request.uri or "")
        runs = self.simulator.runs_scripts(url)
        self.set_header("Content-Security-Policy", _RUNNING if runs else _QUIET)
        source = self._source(frame, browser.shown)
        try:
            answer, _ = await browser.request(
                self.request.method or "GET", url, body=body, headers=self._sent(url, source)
            )
            target = browser.target(answer)
        except BrowserError as error:
            self._fail(str(error))
            return
        self.set_status(answer.code)
        if target is not None:
            if self._purpose == "empty" and origin_of(target) != origin_of(url):
                self._fail("a script cannot read a page elsewhere")
                return
            self.set_header("Location", frame.address(target))
            return
        declared = answer.headers.get("Content-Type", "text/plain")
        kind = declared.partition(";")[0].strip().lower()
        if self._purpose == "empty":
            self._tell_script(answer, declared)
        elif kind == "text/html":
            page = page_of(url, answer)
            if self._is_page:
                browser.shown = Source(url, page.referrer_policy)
            own = scripts.Scripts(url, self.simulator.base_url, USER_AGENT) if runs else None
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(frame.html(page.text, base=url, scripts=own))
        elif kind == "text/css":
            self.set_header("Content-Type", "text/css; charset=utf-8")
            self.finish(frame.css(answer.body.decode(errors="replace"), base=url))
        elif kind in _SCRIPT_KINDS and runs and self._is_module:
            self.set_header("Content-Type", "text/javascript; charset=utf-8")
            self.finish(scripts.module(answer.body.decode(errors="replace"), frame, base=url))
        else:
            shown = kind.startswith(_SHOWN_KINDS)
            self.set_header("Content-Type", declared if shown else "text/plain; charset=utf-8")
            self.finish(answer.body)

    def _fail(self, reason: str) -> None:
        """No page came. A script's request fails as one that never got through."""
        self.set_status(502)
        if self._purpose == "empty":
            self.set_header("X-Simulator-Network-Error", "1")
            self.finish()
            return
        self.notice(self._("This page did not open."), self._(reason))

    def _tell_script(self, answer: HTTPResponse, declared: str) -> None:
        """The answer to a script's request, as the site gave it."""
        for name, value in answer.headers.get_all():
            if name.lower() not in _NOT_TOLD:
                self.add_header(name, value)
        self.set_header("Content-Type", declared)
        if answer.code not in (204, 304):
            self.write(answer.body)
        self.finish()

    @property
    def _purpose(self) -> str:
        """What the real browser fetches it for: a page, a style sheet, an image."""
        return self.request.headers.get("Sec-Fetch-Dest", "document")

    @property
    def _is_page(self) -> bool:
        return self._purpose in ("document", "iframe")

    @property
    def _is_module(self) -> bool:
        """Whether a script is fetched as a module: others are asked for without CORS."""
        mode = self.request.headers.get("Sec-Fetch-Mode", "")
        return self._purpose == "script" and mode in ("cors", "same-origin")

    def _source(self, frame: Frame, shown: Source | None) -> Source | None:
        """The page, or the style sheet, that the request comes from; None for a scanned link."""
        path = path_of(self.request.headers.get("Referer", ""))
        if not path:
            return shown
        if not path.startswith(frame.prefix):
            return None  # the screen around the frame opens a link
        url = frame.original(path)
        same = shown is not None and origin_of(shown.url) == origin_of(url)
        return Source(url, shown.policies if shown is not None and same else "")

    def _sent(self, url: str, source: Source | None) -> dict[str, str]:
        """What the phone's browser says beside the address; as if no simulator were between."""
        by_script = self._purpose in ("empty", "script")
        mode = self.request.headers.get("Sec-Fetch-Mode", "cors") if by_script else "no-cors"
        headers = {
            "Sec-Fetch-Dest": "document" if self._is_page else self._purpose,
            "Sec-Fetch-Mode": "navigate" if self._is_page else mode,
            "Sec-Fetch-Site": "none",
        }
        if language := self.request.headers.get("Accept-Language"):
            headers["Accept-Language"] = language
        if self._purpose == "empty":
            headers |= dict(self._own_headers())
        has_body = self.request.method in ("POST", "PUT", "PATCH", "DELETE")
        if has_body:
            headers["Content-Type"] = self.request.headers.get("Content-Type", "")
        if source is None:
            return headers
        headers["Sec-Fetch-Site"] = source.site(url)
        if referer := source.referer(url):
            headers["Referer"] = referer
        if has_body:
            headers["Origin"] = source.origin(url)
        return headers

    def _own_headers(self) -> Iterator[tuple[str, str]]:
        """What a script says with its request."""
        for name, value in self.request.headers.get_all():
            if name.lower() not in _NOT_SENT and not name.lower().startswith(("sec-", "x-simul")):
                yield name, value


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
