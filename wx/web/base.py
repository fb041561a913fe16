"""What all handlers share: who asks, in which language, with which headers, and how no is said."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from tornado import locale
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler

from wx.clock import when
from wx.config import Config
from wx.errors import Refused, StorageUnavailable
from wx.logs import where
from wx.model import Account, Browser, Session
from wx.service.services import Services
from wx.service.sessions import SignedIn
from wx.web import client

log = logging.getLogger(__name__)

LANGUAGES = ("zh", "en")
# What a page that leads on may lead on to: pages of ours, by name. Never by an address, which could
# be anybody's.
PAGES = {"bind": "/bind", "pictures": "/pictures"}
START = "bind"  # the one for those who wished for none
ANY = r"(?s).*"  # what :func:`one` takes for a text that people type
_YEAR = 365 * 86400

# What an error page says when nobody said more.
_TITLES = {
    400: "This request is not right",
    401: "Please sign in",
    403: "This is not allowed",
    404: "There is no such page",
    405: "This is not allowed",
    409: "This cannot be done now",
    410: "This is over",
    413: "This is too large",
    421: "This is another site's address",
    429: "Too many requests",
    500: "Something went wrong here",
    502: "WeChat did not help",
    503: "Not available just now",
}
_MESSAGES = {
    400: "The browser sent something that makes no sense here.",
    401: "Your session is over. Please sign in again.",
    403: "The page may have been open for too long. Go back, reload it, and try again.",
    404: "The address may have a mistake in it, or the page is gone.",
    405: "This address cannot be used in this way.",
    413: "The browser sent more than is taken here.",
    421: "Please open %(site)s by its own address.",
    500: "It was written down for the operator. Please try again later.",
    503: "The server is busy or being repaired. Please try again in a moment.",
}


class Site(Application):
    """The application, with what its handlers need.

    Args:
        services: what they ask.
        config: what is in force.
        bare: what answers without a handler, by path.
        demo_phone: address of the simulator's "scan" page; "" outside the demo.
    """

    def __init__(
        self,
        rules: list[Any],
        services: Services,
        config: Config,
        *,
        bare: Mapping[str, Callable[["Site", HTTPConnection], HTTPMessageDelegate]],
        demo_phone: str = "",
        **settings: Any,
    ) -> None:
        super().__init__(rules, **settings)
        self._bare = bare
        self.services = services
        self.config = config
        self.demo_phone = demo_phone
        self.security_headers = _security_headers(config)
        self.requests: dict[tuple[str, int], int] = {}  # by handler and status
        self._in_flight = 0
        self.idle = asyncio.Event()  # set while no request is being answered
        self.idle.set()
        self.closed = False  # the connections are being closed: what comes now is not begun

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        return _Door(self, self._bare, server_conn, request_conn)

    def begin_by_handler(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        """What finds a request's handler among the rules."""
        return super().start_request(server_conn, request_conn)

    def begin(self) -> None:
        """One more request is being answered."""
        self._in_flight += 1
        self.idle.clear()

    def end(self) -> None:
        """One request less."""
        self._in_flight -= 1
        if not self._in_flight:
            self.idle.set()

    def log_request(self, handler: RequestHandler) -> None:
        """Count every request; write down those that failed here. No address, no query."""
        self.count(
            type(handler).__name__,
            handler.request.method or "",
            handler.get_status(),
            seconds=handler.request.request_time(),
            who=getattr(handler, "who", ""),
        )

    def count(
        self,
        name: str,
        method: str,
        status: int,
        *,
        seconds: float,
        who: str = "",
        told: bool = False,
    ) -> None:
        """Count an answer of the handler of this name.

        Args:
            who: what the log's line says of whoever asked.
            told: the log says why already.
        """
        self.requests[name, status] = self.requests.get((name, status), 0) + 1
        level = logging.DEBUG if status < 400 else logging.INFO if status < 500 else logging.ERROR
        if status in (502, 503):
            level = logging.WARNING  # others' trouble, or a passing one: said where it was met
        if told:
            level = logging.DEBUG
        if log.isEnabledFor(level):
            if method not in RequestHandler.SUPPORTED_METHODS:
                method = "?"  # any word may stand there, a secret as well
            asked = f" {who}" if who else ""
            log.log(level, "%s %s %d %.0fms%s", method, name, status, 1000 * seconds, asked)


class _Door(HTTPMessageDelegate):
    """Looks at a request's path, and passes everything on to what answers there."""

    _inner: HTTPMessageDelegate | None = None

    def __init__(
        self,
        site: Site,
        bare: Mapping[str, Callable[[Site, HTTPConnection], HTTPMessageDelegate]],
        server_conn: object,
        request_conn: HTTPConnection,
    ) -> None:
        self._site = site
        self._bare = bare
        self._connections = server_conn, request_conn

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, RequestStartLine)
        server_conn, request_conn = self._connections
        if make := self._bare.get(start_line.path.partition("?")[0]):
            self._inner = make(self._site, request_conn)
        else:
            self._inner = self._site.begin_by_handler(server_conn, request_conn)
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk) if self._inner else None

    def finish(self) -> None:
        if self._inner:
            self._inner.finish()

    def on_connection_close(self) -> None:
        if self._inner:
            self._inner.on_connection_close()


def _security_headers(config: Config) -> dict[str, str]:
    live = f"{'wss' if config.secure else 'ws'}://{config.public_host}"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src 'self' data: {' '.join(config.avatar_origins)}; connect-src 'self' {live}; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
    if config.secure:
        headers["Strict-Transport-Security"] = f"max-age={_YEAR}"
    return headers


class Base(RequestHandler):
    """A handler of this site. Refusals are raised, and answered in :meth:`write_error`."""

    site: Site
    session: Session | None = None
    account: Account | None = None
    who = ""  # whoever asked, as the log's line says it: no secret, no whole address
    hint = ""  # what a program is told beside an error, and what else
    more: Mapping[str, object] = {}
    page = ""  # the address under which this page can be had in the other language
    any_host = False  # for those who ask by the machine's address, such as a watchdog
    needs_session = True  # look up who is signed in
    for_programs = False  # answers in JSON unless HTML is asked for
    body_limit: int | None = 64 * 1024  # bytes; the server itself lets through more
    messages: Mapping[int, str] = _MESSAGES  # what an error says when nobody said more, by status
    hints: Mapping[int, str] = {}  # and what to do about it

    def initialize(self) -> None:
        self.site = cast(Site, self.application)
        self.services = self.site.services
        self.config = self.site.config
        self.inside_wechat = client.inside_wechat(self.user_agent)
        self.site.begin()

    def on_finish(self) -> None:
        self.site.end()

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in cast(Site, self.application).security_headers.items():
            self.set_header(name, value)

    async def prepare(self) -> None:
        if self.site.closed:
            raise HTTPError(503)  # the answer to what it does would be cut off
        self._check_host()
        if self.body_limit is not None and len(self.request.body) > self.body_limit:
            raise HTTPError(413)
        if self.needs_session and (cookie := self.get_cookie(self.cookie_name("session"))):
            found = await self.services.sessions.find(cookie)
            if found:
                self.session, self.account = found
                self.current_user = self.account

    def _check_host(self) -> None:
        """Answer only to our own name, so that no other name can be pointed at us."""
        host = self.request.host.lower()
        if self.any_host or host == self.config.public_host:
            return
        mine = urlsplit(self.config.public_url)
        loopback = {"localhost", "127.0.0.1", "::1"}
        try:
            asked = urlsplit(f"//{host}")
            alias = {mine.hostname, asked.hostname} <= loopback and mine.port == asked.port
        except ValueError:
            alias = False
        # An address that does not begin with a slash could lead elsewhere behind our host's name.
        if alias and self.request.method == "GET" and self.request.uri.startswith("/"):
            # http://localhost:8000 typed for http://127.0.0.1:8000
            self.redirect(self.config.public_url + self.request.uri)
            return
        raise HTTPError(421)

    def check_trusted_origin(self, origin: str) -> bool:
        return origin == self.config.public_url

    @property
    def address(self) -> str:
        """The client's IP address."""
        forwarded = self.request.headers.get_list("X-Forwarded-For")
        peer = self.request.remote_ip or ""
        return client.address(peer, forwarded, self.config.trusted_proxies)

    @property
    def browser(self) -> Browser:
        """Where the request came from, as far as it is kept."""
        return Browser(client.network(self.address), client.browser_name(self.user_agent))

    @property
    def user_agent(self) -> str:
        return self.request.headers.get("User-Agent", "")

    # Cookies

    def cookie_name(self, name: str) -> str:
        """With the prefix that keeps sister sites from setting it, where https allows it."""
        return f"__Host-{name}" if self.config.secure else name

    def set_own_cookie(self, name: str, value: str, *, seconds: int) -> None:
        """Set a cookie that scripts and other sites do not get."""
        self.set_cookie(
            self.cookie_name(name),
            value,
            path="/",
            max_age=seconds,
            httponly=True,
            secure=self.config.secure,
            samesite="Lax",
        )

    def clear_own_cookie(self, name: str) -> None:
        """Make the browser forget a cookie."""
        self.clear_cookie(
            self.cookie_name(name),
            path="/",
            httponly=True,
            secure=self.config.secure,
            samesite="Lax",
        )

    def own_cookie(self, name: str) -> str:
        """What :meth:`set_own_cookie` set; "" if there is none."""
        return self.get_cookie(self.cookie_name(name), "") or ""

    def keep_session(self, signed_in: SignedIn) -> None:
        """This browser is signed in from now on."""
        sessions = self.services.sessions
        self.set_own_cookie("session", signed_in.cookie, seconds=sessions.seconds)
        if signed_in.device:
            self.set_own_cookie("device", signed_in.device, seconds=sessions.device_seconds)
        # Whoever knew the XSRF token of the visitor must not know that of the account.
        self.clear_own_cookie("xsrf")

    # Language

    def get_user_locale(self) -> locale.Locale:
        """By the switch, else by the browser, else Chinese."""
        # Not by get_query_argument, which raises: the error page needs a language too.
        given = self.request.query_arguments.get("lang", [b""])
        wished = given[-1].decode("ascii", "replace")
        if wished in LANGUAGES and self.request.method == "GET":
            self.set_own_cookie("lang", wished, seconds=_YEAR)
        else:
            wished = self.get_cookie(self.cookie_name("lang"), "") or ""
        return locale.get(wished) if wished in LANGUAGES else self.get_browser_locale("zh")

    def say(self, message: str, **details: object) -> str:
        """A sentence in the reader's language."""
        return self.locale.translate(message) % details if details else self._plain(message)

    def _plain(self, message: str) -> str:
        return self.locale.translate(message)

    def get_template_namespace(self) -> dict[str, Any]:
        namespace = super().get_template_namespace()
        language = "en" if self.locale.code.startswith("en") else "zh"
        other = "en" if language == "zh" else "zh"
        namespace |= {
            "site_name": self.config.site_name,
            "lang": language,
            "switch_url": _with(self.page, f"lang={other}") if self.page else None,
            "account": self.account,
            "demo_phone": None,
            "when": when,
        }
        return namespace

    def wished(self, *, body: bool = False) -> str:
        """The name of the page to lead on to, as ``to`` says: one of :data:`PAGES`.

        Args:
            body: a form says it, and not the address.

        Raises:
            Refused: 400, no page that is answered here has that name.
        """
        arguments = self.request.body_arguments if body else self.request.query_arguments
        if "to" not in arguments:
            return START
        name = one(self.request, "to", ANY, body=body)
        # A page that has a setting is nothing while that is off.
        if name not in PAGES or not getattr(self.config, name, True):
            raise Refused(400, "unknown-page", "This link names a page that is not here.")
        return name

    # Saying no

    def wants_json(self) -> bool:
        """Whether the answer is for a program: it says so, or the address is made for programs
        and nobody names HTML, as the browser behind a form does."""
        accepted = self.request.headers.get("Accept", "")
        if "text/html" in accepted:
            return False
        return self.for_programs or "application/json" in accepted

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, Refused | HTTPError | StorageUnavailable):
            return  # expected; the request's own line says it
        log.error("%s failed: %s", type(self).__name__, where(error))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        code, message, details = "error", "", {}
        self.hint, self.more = "", {}
        if isinstance(error, Refused):
            status_code, code = error.status, error.code
            message, details = error.message, error.details
            self.hint, self.more = self._filled(error.hint, details), error.more
        elif isinstance(error, StorageUnavailable):
            status_code, code = 503, "storage-unavailable"
        elif isinstance(error, HTTPInputError):
            status_code = 400
        self.set_status(status_code)
        wait = error.retry_after if isinstance(error, Refused) else None
        if wait is None and status_code == 503:
            wait = 10
        if wait is not None:
            self.set_header("Retry-After", str(int(wait) + 1))
        if code == "error":
            code = _code(status_code)
        message = message or self.messages.get(status_code, "Please try again later.")
        if not isinstance(error, Refused):
            self.hint = self._filled(self.hints.get(status_code, ""), {})
        if status_code == 421:
            details = {"site": self.config.public_url}
        self.finish_error(status_code, code, self._filled(message, details))

    def _filled(self, message: str, details: Mapping[str, object]) -> str:
        """A sentence in the reader's language; a "%" of one without values stays as it is."""
        sentence = self._plain(message) if message else ""
        return sentence % details if details else sentence

    def finish_error(self, status: int, code: str, sentence: str) -> None:
        """Answer with an error as a page, or as JSON for a program."""
        if self.wants_json():
            told = {"code": code, "message": sentence, "hint": self.hint}
            self.finish({"error": {**self.more, **told}})
            return
        title = self._plain(_TITLES.get(status, "That did not work"))
        try:
            # An address that is nothing is not shown again: it may be somebody's secret.
            again = self.request.method == "GET" and not isinstance(self, NotFound)
            retry = self.request.path if again and status >= 500 else None
            page = self.render_string(
                "error.html",
                status=status,
                title=title,
                message=sentence,
                code=code,
                home="/",
                retry=retry,
            )
        except Exception:
            log.exception("the error page failed")
            page = b"Error"
        self.finish(page)

    def refuse(self, refusal: Refused) -> str:
        """Take over a refusal's status; its sentence in the reader's language."""
        self.set_status(refusal.status)
        if refusal.retry_after is not None:
            self.set_header("Retry-After", str(int(refusal.retry_after) + 1))
        return self.say(refusal.message, **refusal.details)

    def compute_etag(self) -> str | None:
        return None  # nothing here is kept by a cache


class Page(Base):
    """A page for people who are signed in."""

    async def prepare(self) -> None:
        await super().prepare()
        if self._finished or self.session:
            return
        if self.request.method == "GET" and not self.wants_json():
            names = [name for name, path in PAGES.items() if path == self.request.path]
            self.redirect(lead("/login", *names), status=303)
            return
        raise Refused(401, "signed-out", _MESSAGES[401])

    def signed_in(self) -> tuple[Session, Account]:
        """Who asks; :meth:`prepare` has made sure that there is somebody."""
        assert self.session is not None and self.account is not None
        return self.session, self.account


class NotFound(Base):
    """Every address that is nothing."""

    async def prepare(self) -> None:
        await super().prepare()
        if not self._finished:
            raise HTTPError(404)


class Static(StaticFileHandler):
    """A file of ``static/``, with our headers, and kept by browsers if it names its version."""

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in cast(Site, self.application).security_headers.items():
            if name != "Cache-Control":
                self.set_header(name, value)

    def set_extra_headers(self, path: str) -> None:
        if "v" not in self.request.query_arguments:
            # A module that another one imports has no version in its address: ask each time.
            self.set_header("Cache-Control", "no-cache")
        if path == "avatar.svg":
            # Whom a program's code has bound is shown by pages elsewhere, too.
            self.set_header("Cross-Origin-Resource-Policy", "cross-origin")

    def prepare(self) -> None:
        site = cast(Site, self.application)
        if self.request.host.lower() != site.config.public_host:
            raise HTTPError(421)
        if "\0" in self.path_args[0]:
            raise HTTPError(404)  # the file system would not take it

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        if not isinstance(error, HTTPError):
            log.error("static file failed: %s", kind.__name__)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(f"{status_code}\n")


def lead(path: str, to: str = START) -> str:
    """The address of a page of ours that leads on to the page of this name."""
    return path if to == START else _with(path, f"to={to}")


def _with(address: str, argument: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{argument}"


def one(request: HTTPServerRequest, name: str, pattern: str, *, body: bool = False) -> str:
    """The one argument of this name; "" if there is none.

    Raises:
        Refused: 400, it comes twice or is not of the form ``pattern``.
    """
    values = (request.body_arguments if body else request.query_arguments).get(name, [])
    if not values:
        return ""
    text = values[0].decode("utf-8", "replace")
    if len(values) > 1 or not re.fullmatch(pattern, text):
        raise Refused(400, "bad-request", _MESSAGES[400])
    return text


def _code(status: int) -> str:
    codes = {
        400: "bad-request",
        403: "forbidden",
        404: "not-found",
        405: "bad-method",
        413: "too-large",
        421: "wrong-host",
        503: "unavailable",
    }
    return codes.get(status, "internal" if status >= 500 else "refused")
