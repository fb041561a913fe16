"""The webhook: what WeChat's servers post."""

import logging
from typing import Any

from tornado.httputil import HTTPInputError

from wx.errors import StorageUnavailable
from wx.service.gate import Rejected
from wx.web.base import Base
from wx.web.client import network

log = logging.getLogger(__name__)


class Webhook(Base):
    """Answers WeChat, and nobody else. Who is refused learns the status and no more."""

    needs_session = False
    body_limit = None  # the gate has its own

    def set_default_headers(self) -> None:
        # No browser comes here, and a message costs less than the other headers would.
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Type", "text/plain; charset=utf-8")

    def prepare(self) -> None:  # type: ignore[override]  # nothing to wait for
        self._check_host()

    def check_xsrf_cookie(self) -> None:
        """WeChat's signature stands for it."""

    async def get(self) -> None:
        try:
            echo = self.services.inbox.verify(self.request.query_arguments)
        except Rejected as rejected:
            self._reject(rejected)
        else:
            self.finish(echo)

    async def post(self) -> None:
        try:
            answer = await self.services.inbox.receive(
                self.request.query_arguments, self.request.body
            )
        except Rejected as rejected:
            self._reject(rejected)
            return
        if answer.startswith(b"<"):
            self.set_header("Content-Type", "text/xml; charset=utf-8")
        self.finish(answer)

    def _reject(self, rejected: Rejected) -> None:
        level = logging.ERROR if rejected.alarm else logging.WARNING
        log.log(level, "webhook: refused from %s: %s", network(self.address), rejected.reason)
        self.send_error(rejected.status)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, StorageUnavailable):
            status_code = 503
            log.error("webhook: not kept, WeChat will bring it again: %s", error)
        elif isinstance(error, HTTPInputError):
            status_code = 400
        self.set_status(status_code)
        self.finish(f"{status_code}\n")
