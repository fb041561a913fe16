"""Calls over the network: kept connections, a deadline, bounded answers, sorted errors."""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import certifi
import pycurl
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse

from wx.errors import PlatformError, Remedy
from wx.protocol import answer

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5
REQUEST_SECONDS = 10
DEADLINE_SECONDS = 15  # the wait for a free connection included
IDLE_SECONDS = 10  # after which a kept connection is not used again
BODY_LIMIT = 1024 * 1024  # bytes
ERROR_LIMIT = 64 * 1024  # bytes, of what may be an error where a file is asked for
_BLANKS = b" \t\r\n\xef\xbb\xbf"


class Transport:
    """One pool of connections to the platform.

    Args:
        base: the platform's API address.
        connections: how many calls may be under way at once; more wait for their turn.
        body_limit: bytes of an answer. It is counted while it comes, whatever its head says.
        patience: seconds that a call may take beyond those of an ordinary one.
    """

    def __init__(
        self,
        base: str,
        *,
        connections: int,
        body_limit: int = BODY_LIMIT,
        patience: float = 0.0,
    ) -> None:
        self._base = base
        self._body_limit = body_limit
        self._patience = patience
        self._under_way: set[asyncio.Future[HTTPResponse]] = set()
        self._closed = False
        self._connections = connections
        self._client: _Curl | None = None
        # The curl that comes inside pycurl looks for authorities where its builder's machine
        # kept them. SSL_CERT_FILE is how an operator adds their own.
        self._authorities = os.environ.get("SSL_CERT_FILE") or certifi.where()

    async def get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        """GET ``path``; the JSON object that it answers.

        Raises:
            PlatformError: no usable answer, or one with an errcode.
        """
        return _read(await self._call(path, params, method="GET"), path=path)

    async def download(self, path: str, params: Mapping[str, str]) -> bytes:
        """GET ``path``; the bytes that it answers, whatever they are.

        Raises:
            PlatformError: no whole answer, or one that is JSON with an errcode (platform document,
                9: with status 200, and under any type).
        """
        response = await self._call(path, params, method="GET")
        if response.code != 200:
            raise _status(response, path=path)
        body = response.body
        if body[:ERROR_LIMIT].lstrip(_BLANKS).startswith(b"{") and len(body) <= ERROR_LIMIT:
            answer.read(body, path=path)
        return body

    async def post(
        self, path: str, params: Mapping[str, str], body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """POST ``body`` as JSON to ``path``; the JSON object that it answers.

        Raises:
            PlatformError: no usable answer, or one with an errcode.
        """
        # Real UTF-8: some calls take \\u escapes literally (platform document, 0).
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        return _read(await self._call(path, params, method="POST", body=content), path=path)

    async def _call(
        self, path: str, params: Mapping[str, str], *, method: str, body: bytes | None = None
    ) -> HTTPResponse:
        query = f"?{urlencode(params)}" if params else ""
        request = _Request(
            f"{self._base}{path}{query}",
            method=method,
            body=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS + self._patience,
            follow_redirects=False,
            decompress_response=False,
            ca_certs=self._authorities,
            user_agent="wxbind",
            prepare_curl_callback=_prepare,
        )
        try:
            return await self._fetch(request)
        except TimeoutError:
            reason = "no answer in time"
        except HTTPClientError as error:
            # Raised where there is no answer at all, in spite of raise_error=False.
            reason = _reason(error)
        except ConnectionAbortedError:
            reason = "the server stops"
        raise PlatformError(Remedy.RETRY, None, reason, path=path, unsent=request.unsent)

    async def _fetch(self, request: "_Request") -> HTTPResponse:
        if self._closed:
            request.unsent = True
            raise ConnectionAbortedError
        if self._client is None:
            # Not before the first call: it makes all its handles at once, 15 KiB each.
            self._client = _Curl(
                force_instance=True, max_clients=self._connections, max_body_size=self._body_limit
            )
        fetch = self._client.fetch(request, raise_error=False)
        self._under_way.add(fetch)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS + self._patience):
                return await fetch
        except BaseException:
            # Whoever waited has gone: a call that has not begun must not go out later.
            if self._client.forget(request):
                request.unsent = True
            raise
        finally:
            self._under_way.discard(fetch)

    def close(self) -> None:
        """Drop the connections; calls under way fail."""
        self._closed = True
        if self._client:
            self._client.close()
        # Tornado's client forgets them: they would wait until their deadline.
        for fetch in self._under_way:
            if not fetch.done():
                fetch.set_exception(ConnectionAbortedError())


class _Request(HTTPRequest):
    """A request that knows, once it has failed, whether nothing of it was sent."""

    unsent = False


class _Curl(CurlAsyncHTTPClient):
    def forget(self, request: _Request) -> bool:
        """Take ``request`` out of the queue for a connection; False if it has left it."""
        for place, (queued, *_) in enumerate(self._requests):
            if queued.request is request:  # type: ignore[attr-defined]
                del self._requests[place]
                return True
        return False

    def _finish(
        self,
        curl: pycurl.Curl,
        curl_error: int | None = None,
        curl_message: str | None = None,
    ) -> None:
        if curl_error and curl.getinfo(pycurl.REQUEST_SIZE) == 0:
            # By the bytes, not by the error: "could not connect" is also what becomes of a
            # request that a kept connection took with it, once curl has tried another.
            curl.info["request"].request.unsent = True
        super()._finish(curl, curl_error, curl_message)

    def _handle_timeout(self) -> None:
        # Closing a connection in use sets the timer once more, and then there is nothing left.
        if not self._closed:
            super()._handle_timeout()


def _prepare(curl: pycurl.Curl) -> None:
    # Where a kept connection ends before the answer, curl sends the request again by itself, though
    # the platform may have acted upon the first. A body that cannot be wound back is sent once.
    curl.setopt(pycurl.SEEKFUNCTION, lambda offset, origin: pycurl.SEEKFUNC_FAIL)
    # One that the platform closes for its idleness must therefore not be met in that moment.
    curl.setopt(pycurl.MAXAGE_CONN, IDLE_SECONDS)


def _read(response: HTTPResponse, *, path: str) -> dict[str, Any]:
    if response.code != 200:
        raise _status(response, path=path)
    return answer.read(response.body, path=path)


def _status(response: HTTPResponse, *, path: str) -> PlatformError:
    return PlatformError(Remedy.RETRY, None, f"HTTP {response.code}", path=path)


def _reason(error: HTTPClientError) -> str:
    if getattr(error, "errno", None) == pycurl.E_SEND_FAIL_REWIND:
        return "the connection ended before the answer"
    # The text names the host at most; whatever address it may hold one day is cut off.
    reason = answer.clean(error.message, limit=200).split("http", 1)[0].strip()
    return reason or "no connection"
