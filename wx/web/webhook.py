"""The webhook: what WeChat's servers post.

Not one of Tornado's handlers: with its share of what those do for pages, a message would cost twice
as much (``make bench ARGS=webhook``). This is the floor that they stand on.
"""

import asyncio
import logging
import time
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from wx.errors import StorageUnavailable
from wx.logs import where
from wx.service.gate import BODY_BYTES, Rejected
from wx.web import client
from wx.web.base import Site

log = logging.getLogger(__name__)

PATH = "/wechat"
QUERY_FIELDS = 50
_METHODS = ("GET", "POST")


class Webhook(HTTPMessageDelegate):
    """One request of WeChat's, or of somebody who would like to pass for it. Who is refused learns
    the status and no more; the log says why."""

    def __init__(self, site: Site, connection: HTTPConnection) -> None:
        self._site = site
        self._connection = connection
        self._begun = time.monotonic()
        self._body = bytearray()

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        assert isinstance(start_line, RequestStartLine)
        self._method = start_line.method
        self._query = start_line.path.partition("?")[2]
        self._headers = headers

    def data_received(self, chunk: bytes) -> None:
        # One byte too many is enough for the gate to see that it is too much.
        self._body += chunk[: BODY_BYTES + 1 - len(self._body)]

    def finish(self) -> None:
        self._site.begin()
        # Held by the loop alone otherwise, which might let go of it.
        self._task = asyncio.create_task(self._serve())

    def on_connection_close(self) -> None:
        """Whoever asked is gone; a message that was let in is acted upon all the same."""

    async def _serve(self) -> None:
        try:
            status, answer = await self._outcome()
            self._send(status, answer or f"{status}\n".encode())
        finally:
            self._site.end()
        spent = time.monotonic() - self._begun
        self._site.count("Webhook", self._method, status, seconds=spent, told=True)

    async def _outcome(self) -> tuple[int, bytes]:
        """Status and answer; every failure has a status, and a line in the log that says why."""
        try:
            return 200, await self._answer()
        except Rejected as rejected:
            level = logging.ERROR if rejected.alarm else logging.WARNING
            log.log(level, "webhook: refused from %s: %s", self._network(), rejected.reason)
            return rejected.status, b""
        except StorageUnavailable as error:
            log.error("webhook: not kept, WeChat is asked to bring it again: %s", error)
        except Exception as error:
            log.error("webhook: a request failed: %s", where(error))
            return 500, b""
        return 503, b""

    async def _answer(self) -> bytes:
        if self._site.closed:
            raise Rejected(503, "the server stops")
        host = self._headers.get("Host", "").lower()
        if host != self._site.config.public_host:
            wanted = self._site.config.public_host
            raise Rejected(421, f"the Host header is not {wanted}: does the proxy keep it?")
        if self._method not in _METHODS:
            raise Rejected(405, f"the method is none of {', '.join(_METHODS)}")
        query = _fields(self._query)
        inbox = self._site.services.inbox
        if self._method == "GET":
            return (await inbox.verify(query)).encode()
        return await inbox.receive(query, bytes(self._body))

    def _send(self, status: int, answer: bytes) -> None:
        headers = HTTPHeaders(
            {
                "Content-Type": "text/xml" if answer[:1] == b"<" else "text/plain",
                "Content-Length": str(len(answer)),
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            }
        )
        if status == 405:
            headers["Allow"] = ", ".join(_METHODS)
        if status == 503:
            headers["Retry-After"] = "10"
        start = ResponseStartLine("HTTP/1.1", status, HTTPStatus(status).phrase)
        # Tornado drops the connection of a HEAD whose answer has a body.
        self._connection.write_headers(start, headers, b"" if self._method == "HEAD" else answer)
        self._connection.finish()

    def _network(self) -> str:
        """Where the request came from, as far as that is written down."""
        peer = getattr(self._connection, "context", None)
        forwarded = self._headers.get_list("X-Forwarded-For")
        address = client.address(
            getattr(peer, "remote_ip", ""), forwarded, self._site.config.trusted_proxies
        )
        return client.network(address)


def _fields(query: str) -> dict[str, list[bytes]]:
    """The fields of a query string, by name, still as bytes.

    Raises:
        Rejected: 400, there are too many.
    """
    parts = query.split("&", QUERY_FIELDS)
    if len(parts) > QUERY_FIELDS:
        raise Rejected(400, "too many fields in the query")
    fields: dict[str, list[bytes]] = {}
    for part in parts:
        name, _, value = part.partition("=")
        fields.setdefault(name, []).append(unquote_to_bytes(value.replace("+", " ")))
    return fields
