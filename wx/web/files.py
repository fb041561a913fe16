"""Files that the operator's configuration names."""

import asyncio

from tornado.web import HTTPError

from wx.web.base import Base

_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".svg": "image/svg+xml",
}


class DomainVerification(Base):
    """WeChat's proof that the domain is ours (platform document, 10.2): the bare code."""

    needs_session = False
    any_host = True

    def get(self, code: str) -> None:
        if code not in self.config.domain_verification:
            raise HTTPError(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(code)


class FollowPicture(Base):
    """The account's own QR code, for those who do not follow yet."""

    needs_session = False

    async def get(self) -> None:
        path = self.config.follow_qr
        if path is None:
            raise HTTPError(404)
        try:
            content = await asyncio.to_thread(path.read_bytes)
        except OSError:
            raise HTTPError(404) from None
        self.set_header("Content-Type", _TYPES[path.suffix.lower()])
        self.finish(content)
