"""The account's server configuration, and what a post to it looks like (3.1 to 3.3)."""

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from wx.protocol import xml
from wx.protocol.envelope import Envelope
from wx.protocol.signature import sign

MODES = ("plain", "compatible", "safe")
_END = b"</xml>"


class WebhookRefused(ValueError):
    """The console does not save this webhook; the reason is a sentence."""


@dataclass(frozen=True)
class Stamp:
    """What the signatures of one post are made over, beside the token."""

    timestamp: str
    nonce: str


@dataclass(frozen=True)
class Webhook:
    """Where messages and events go, and how they are signed and sealed."""

    url: str
    token: str = field(repr=False)
    aes_key: str = field(default="", repr=False)
    mode: str = "plain"

    def require_sound(self) -> None:
        """Refuse what the console finds wrong before it asks the server; raises WebhookRefused."""
        try:
            parts = urlsplit(self.url)
            sound = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        except ValueError:
            sound = False
        if not sound:
            raise WebhookRefused("the URL is no http or https address")
        if not re.fullmatch(r"[A-Za-z0-9]{3,32}", self.token):
            raise WebhookRefused("the Token must be 3 to 32 letters and digits")
        if self.mode not in MODES:
            raise WebhookRefused(f"the mode must be one of: {', '.join(MODES)}")
        keyed = re.fullmatch(r"[A-Za-z0-9]{43}", self.aes_key)
        if not keyed and (self.aes_key or self.mode != "plain"):
            raise WebhookRefused("the EncodingAESKey must be 43 letters and digits")

    def envelope(self, app_id: str) -> Envelope | None:
        """What seals and opens for this account; None in plain mode."""
        if self.mode == "plain":
            return None
        return Envelope(token=self.token, aes_key=self.aes_key, app_id=app_id)

    def check_address(self, echo: str, stamp: Stamp) -> str:
        """The address of the console's question for ``echo``."""
        return self._address(self._signed(stamp) | {"echostr": echo})

    def post(
        self, message: bytes, *, stamp: Stamp, openid: str, account_id: str, app_id: str
    ) -> tuple[str, bytes]:
        """The address and the body of a post that carries ``message``."""
        query = self._signed(stamp) | {"openid": openid}
        envelope = self.envelope(app_id)
        if envelope is None:
            return self._address(query), message
        encrypted = envelope.encrypt(message, salt=secrets.token_bytes(16))
        query["encrypt_type"] = "aes"
        query["msg_signature"] = envelope.signature(stamp.timestamp, stamp.nonce, encrypted)
        if self.mode == "safe":
            return self._address(query), xml.write({"ToUserName": account_id, "Encrypt": encrypted})
        beside = f"<Encrypt><![CDATA[{encrypted}]]></Encrypt>".encode()
        return self._address(query), message.removesuffix(_END) + beside + _END

    def _signed(self, stamp: Stamp) -> dict[str, str]:
        signature = sign(self.token, stamp.timestamp, stamp.nonce)
        return {"signature": signature, "timestamp": stamp.timestamp, "nonce": stamp.nonce}

    def _address(self, query: dict[str, str]) -> str:
        address = self.url.partition("#")[0]
        return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"
