"""The phone's own web browser: it fetches for one person, as WeChat's does."""

import asyncio
import json as json_text
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from wx.simulator.cookies import Jar
from wx.simulator.oauth import AUTHORIZE, FRAGMENT, is_loopback
from wx.simulator.page import Page
from wx.simulator.referrer import Source, origin_of
from wx.simulator.screen import PERSON_HEADER
from wx.simulator.world import Person

if TYPE_CHECKING:
    from wx.simulator.app import Simulator

USER_AGENT = (
    "Mozilla/5.0 (Linux; Android 14; SIM-1 Build/SIM; wv) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Version/4.0 Chrome/126.0.6478.188 Mobile Safari/537.36 MMWEBID/1001 "
    "MicroMessenger/8.0.50.2701(0x28003253) WeChat/arm64 Weixin NetType/WIFI "
    "Language/zh_CN ABI/arm64"
)
REDIRECTS = 10
SECONDS = 10  # for one request
MAX_BODY = 1 << 20
_DISTANCE = ("none", "same-origin", "same-site", "cross-site")
MOVED = (301, 302, 303, 307, 308)
# What the simulator itself shows to a phone; its other pages are for the person at the desktop.
_OWN_PATHS = ("/connect/", "/avatar/", "/static/", "/cgi-bin/showqrcode", "/open/js/")


class BrowserError(Exception):
    """The page did not open: nobody answered, too late, too much, or it is not allowed."""


@dataclass
class Fetched:
    """What a script's request was answered with. ``url`` is where the redirects ended."""

    status: int
    url: str
    headers: HTTPHeaders
    body: bytes

    @property
    def text(self) -> str:
        """The body, as UTF-8."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body, as JSON; ValueError where it is none."""
        return json_text.loads(self.body)


class Browser:
    """One person's browser.

    Args:
        simulator: whose platform the phone belongs to.
        person: who holds the phone.
    """

    def __init__(self, simulator: "Simulator", person: Person) -> None:
        self.jar = Jar(simulator.world.clock)
        self.language = "zh-CN,zh;q=0.9"
        self.sends_fetch_metadata = True  # older phones send no Sec-Fetch headers
        self.last_authorize = ""  # the last authorize link, for the way out of a snapshot page
        self.shown: Source | None = None  # the page on the drawn phone's screen
        self.full_service = False  # the next authorize link is opened by "use full service"
        self._simulator = simulator
        self._person = person
        self._callback = ""  # where the authorize page has just sent the phone
        self._client: SimpleAsyncHTTPClient | None = None  # made on the loop that it runs on

    def close(self) -> None:
        """End what is under way."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def open(
        self,
        url: str,
        *,
        method: str = "GET",
        fields: dict[str, str] | None = None,
        source: Source | None = None,
    ) -> Page:
        """Open an address, or post a form to it, and follow where it leads.

        Raises:
            BrowserError: the page did not open.
        """
        body = urlencode(fields or {}) if method == "POST" else None
        site = "none"
        self._require_allowed(url)
        url = self.complete(url)
        for _ in range(REDIRECTS + 1):
            headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
            if source is not None:
                if referer := source.referer(url):
                    headers["Referer"] = referer
                if method == "POST":
                    headers["Origin"] = source.origin(url)
                # A way over another site counts, also where it leads back.
                site = max(site, source.site(url), key=_DISTANCE.index)
            headers["Sec-Fetch-Site"] = site
            answer, again = await self.request(method, url, body=body, headers=headers)
            target = self.target(answer)
            if target is None:
                page = page_of(url, answer)
                page.again = page_of(url, again) if again is not None else None
                return page
            if answer.code == 303 or (answer.code in (301, 302) and method == "POST"):
                method, body = "GET", None
            url = target
        raise BrowserError("too many redirects")

    async def fetch(
        self,
        page: Page | str,
        path: str = "",
        *,
        method: str = "",
        fields: Mapping[str, str] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Do what a script of a page does with ``fetch()``, with the person's cookies.

        Args:
            page: the page, or its address.
            path: what the script asks for, absolute or as seen from the page.
            method: GET, or POST where something is sent, if empty.
            fields: sent as a form.
            json: sent as JSON.
            headers: what the script says beside that.

        Raises:
            BrowserError: where a script would get no answer: another origin, or nobody there.
        """
        home = page.url if isinstance(page, Page) else page
        source = Source(home, page.referrer_policy if isinstance(page, Page) else "")
        url = urljoin(home, path)
        body: str | None = None
        sent = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
        if fields is not None:
            body = urlencode(fields)
            sent["Content-Type"] = "application/x-www-form-urlencoded;charset=UTF-8"
        elif json is not None:
            body = json_text.dumps(json, ensure_ascii=False)
            sent["Content-Type"] = "application/json"
        method = method or ("GET" if body is None else "POST")
        if method in ("POST", "PUT", "PATCH"):
            body = body or ""
        sent |= dict(headers or {})
        for _ in range(REDIRECTS + 1):
            if origin_of(url) != origin_of(home):
                raise BrowserError("a script cannot read a page elsewhere")
            sent["Sec-Fetch-Site"] = source.site(url)
            if referer := source.referer(url):
                sent["Referer"] = referer
            sent.pop("Origin", None)
            if method not in ("GET", "HEAD"):
                sent["Origin"] = source.origin(url)
            answer, _ = await self.request(method, url, body=body, headers=sent)
            target = self.target(answer)
            if target is None:
                return Fetched(answer.code, url, answer.headers, answer.body)
            if answer.code == 303 or (answer.code in (301, 302) and method == "POST"):
                method, body = "GET", None
                sent.pop("Content-Type", None)
            url = target
        raise BrowserError("too many redirects")

    async def request(
        self, method: str, url: str, *, body: str | bytes | None, headers: dict[str, str]
    ) -> tuple[HTTPResponse, HTTPResponse | None]:
        """One request without following redirects, and the answer to its double, if it had one.

        Raises:
            BrowserError: nobody answered in time, or the address is not allowed.
        """
        gap = self._simulator.faults.double_callback
        if method != "GET" or url != self._callback or gap is None:
            return await self._fetch(method, url, body, headers), None
        self._callback = ""
        if gap <= 0:
            both = (self._fetch(method, url, body, headers) for _ in range(2))
            first, second = await asyncio.gather(*both)
            return first, second
        first = await self._fetch(method, url, body, headers)
        await asyncio.sleep(gap)
        return first, await self._fetch(method, url, body, headers)

    def target(self, answer: HTTPResponse) -> str | None:
        """Where a redirect leads; None for any other answer.

        Raises:
            BrowserError: it leads to where this phone does not go.
        """
        location = answer.headers.get("Location")
        if answer.code not in MOVED or not location:
            return None
        here = urlsplit(answer.request.url)
        try:
            target = urljoin(answer.request.url, location)
        except ValueError as error:
            raise BrowserError("the page leads to an address that is none") from error
        self._require_allowed(target)
        if self._simulator.is_self(here.netloc) and here.path.startswith("/connect/"):
            self._callback = target.partition("#")[0]
        return self.complete(target)

    def complete(self, url: str) -> str:
        """The address itself, or the platform's refusal of an authorize link without its end.

        The end is a fragment, which no server ever sees; only the phone can miss it (2.1).
        """
        parts = urlsplit(url)
        if not self._simulator.is_self(parts.netloc) or parts.path != AUTHORIZE:
            return url
        if parts.fragment != FRAGMENT:
            return f"{self._simulator.base_url}/connect/incomplete"
        self.last_authorize = url
        return url

    def may_open(self, url: str) -> bool:
        """Whether this phone may go there: this machine, and the hosts that were configured."""
        try:
            parts = urlsplit(url)
            own = self._simulator.is_self(parts.netloc)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return False
        if own:
            return parts.path.startswith(_OWN_PATHS)
        host, hosts = parts.hostname or "", self._simulator.oauth_hosts or []
        return is_loopback(host) or host in hosts or parts.netloc in hosts

    def _require_allowed(self, url: str) -> None:
        if not self.may_open(url):
            raise BrowserError("this phone opens pages of this machine only")

    async def _fetch(
        self, method: str, url: str, body: str | bytes | None, headers: dict[str, str]
    ) -> HTTPResponse:
        self._require_allowed(url)
        sent = {"User-Agent": USER_AGENT, "Accept-Language": self.language}
        sent["Accept"] = "text/html,application/xhtml+xml,image/*;q=0.9,*/*;q=0.8"
        sent |= headers
        if not self.sends_fetch_metadata:
            sent = {name: text for name, text in sent.items() if not name.startswith("Sec-")}
        if cookies := self.jar.header(url):
            sent["Cookie"] = cookies
        if body is not None and method == "POST":
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        parts = urlsplit(url)
        if self._simulator.is_self(parts.netloc):
            sent[PERSON_HEADER] = self._person.id
            if parts.path == AUTHORIZE and self.full_service:
                sent["X-Simulator-Full-Service"] = "1"
                self.full_service = False
        request = HTTPRequest(
            url.partition("#")[0],
            method,
            headers=sent,
            body=body,
            follow_redirects=False,
            connect_timeout=SECONDS,
            request_timeout=SECONDS,
            decompress_response=True,
            allow_nonstandard_methods=True,  # a script may say DELETE with a body
        )
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(
                force_instance=True, max_clients=100, max_body_size=MAX_BODY
            )
        try:
            answer = await self._client.fetch(request, raise_error=False)
        except (HTTPError, OSError, ValueError) as error:
            raise BrowserError("no usable answer came") from error
        self.jar.store(url, answer.headers.get_list("Set-Cookie"))
        return answer


def page_of(url: str, answer: HTTPResponse) -> Page:
    """The answer as the phone shows it."""
    return Page(answer.code, url, answer.body.decode(errors="replace"), answer.headers)
