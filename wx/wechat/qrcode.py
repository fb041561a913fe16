"""Parametric QR codes: a scan comes to the webhook with our word in it (platform document, 5)."""

import re
from dataclasses import dataclass

from wx.errors import PlatformError, Remedy
from wx.protocol import answer
from wx.wechat.client import Client

LONGEST_SECONDS = 30 * 86400


@dataclass(frozen=True, slots=True)
class Code:
    """A code that works for ``seconds``; ``url`` is what its picture says."""

    url: str
    seconds: int

    def __repr__(self) -> str:  # whoever has the other can bind with it
        return f"Code(seconds={self.seconds})"


class QRCodes:
    """Codes for a time, with a text for a scene; there are others, which nothing here needs."""

    PATH = "/cgi-bin/qrcode/create"

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(self, scene: str, seconds: int) -> Code:
        """A code whose scans carry ``scene``.

        Args:
            scene: 1 to 64 letters and digits. Any number of people can scan one code.
            seconds: how long it is to work, at most 30 days; the platform may give another time.

        Raises:
            ValueError: ``scene`` or ``seconds`` is none that the platform takes.
            PlatformError: no code could be had.
        """
        if not re.fullmatch(r"[A-Za-z0-9]{1,64}", scene):
            raise ValueError("a scene is 1 to 64 letters and digits")
        if not 1 <= seconds <= LONGEST_SECONDS:
            raise ValueError(f"a code lives 1 to {LONGEST_SECONDS} seconds")
        body = {
            "expire_seconds": seconds,
            "action_name": "QR_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        }
        reply = await self._client.post(self.PATH, body)
        url = answer.text(reply, "url", limit=512, path=self.PATH)
        if not re.match(r"https?://[A-Za-z0-9]", url):
            raise PlatformError(Remedy.RETRY, None, "url is missing or odd", path=self.PATH)
        if "expire_seconds" in reply:
            seconds = answer.seconds(reply, "expire_seconds", path=self.PATH)
        return Code(url, seconds)
