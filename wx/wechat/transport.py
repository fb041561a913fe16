"""Calls over the network: kept connections, a deadline, bounded answers, sorted errors."""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import certifi
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse

from wx.errors import PlatformError, Remedy
from wx.protocol import answer

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5
REQUEST_SECONDS = 10
DEADLINE_SECONDS = 15  # the wait for a free connection included
BODY_LIMIT = 1024 * 1024  # bytes


class Transport:
    """One pool of connections to the platform.

    Args:
        base: the platform's API address.
        connections: how many calls may be under way at once; more wait for their turn.
    """

    def __init__(self, base: str, *, connections: int) -> None:
        self._base = base
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
        return await self._call(path, params, method="GET")

    async def post(
        self, path: str, params: Mapping[str, str], body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """POST ``body`` as JSON to ``path``; the JSON object that it answers.

        Raises:
            PlatformError: no usable answer, or one with an errcode.
        """
        # Real UTF-8: some calls take \\u escapes literally (platform document, 0).
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        return await self._call(path, params, method="POST", body=content)

    async def _call(
        self, path: str, params: Mapping[str, str], *, method: str, body: bytes | None = None
    ) -> dict[str, Any]:
        query = f"?{urlencode(params)}" if params else ""
        request = HTTPRequest(
            f"{self._base}{path}{query}",
            method=method,
            body=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            follow_redirects=False,
            decompress_response=False,
            ca_certs=self._authorities,
            user_agent="wxbind",
        )
        try:
            response = await self._fetch(request)
        except TimeoutError:
            raise PlatformError(Remedy.RETRY, None, "no answer in time", path=path) from None
        except HTTPClientError as error:
            # Raised where there is no answer at all, in spite of raise_error=False.
            raise PlatformError(Remedy.RETRY, None, _reason(error), path=path) from None
        except ConnectionAbortedError:
            raise PlatformError(Remedy.RETRY, None, "the server stops", path=path) from None
        if response.code != 200:
            raise PlatformError(Remedy.RETRY, None, f"HTTP {response.code}", path=path)
        return answer.read(response.body, path=path)

    async def _fetch(self, request: HTTPRequest) -> HTTPResponse:
        if self._closed:
            raise ConnectionAbortedError
        if self._client is None:
            # Not before the first call: it makes all its handles at once, 15 KiB each.
            self._client = _Curl(
                force_instance=True, max_clients=self._connections, max_body_size=BODY_LIMIT
            )
        fetch = self._client.fetch(request, raise_error=False)
        self._under_way.add(fetch)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await fetch
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


class _Curl(CurlAsyncHTTPClient):
    def _handle_timeout(self) -> None:
        # Closing a connection in use sets the timer once more, and then there is nothing left.
        if not self._closed:
            super()._handle_timeout()


def _reason(error: HTTPClientError) -> str:
    # The text names the host at most; whatever address it may hold one day is cut off.
    reason = answer.clean(error.message, limit=200).split("http", 1)[0].strip()
    return reason or "no connection"
