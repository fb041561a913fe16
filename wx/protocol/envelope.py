"""The envelope that seals messages in the webhook's safe mode (platform document, 3.3)."""

import base64
import binascii
import hmac
import re
from functools import cached_property
from typing import TYPE_CHECKING

from wx.protocol import signature, xml

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.modes import CBC
    from cryptography.hazmat.primitives.padding import PKCS7

_SALT = 16  # random bytes before the message, so that equal messages look different
_HEAD = _SALT + 4  # and the message's length, big-endian
_BLOCK = 32  # the platform pads to twice AES's own block
_LIMIT = 131072  # characters; more than any post that is taken
_KEY = re.compile(r"[A-Za-z0-9+/]{43}")


class Damaged(ValueError):
    """An envelope that cannot be opened.

    Always with the same words: who could tell wrong padding from a wrong app id could read
    sealed messages by asking often enough.
    """

    def __init__(self) -> None:
        super().__init__("the envelope cannot be opened")


class Envelope:
    """Seals and opens messages for one account.

    Whoever opens must have compared :meth:`signature` with the post's own before.

    Args:
        token: the webhook's Token.
        aes_key: the EncodingAESKey, 43 characters of base64.
        app_id: the account's; it is sealed in with every message.

    Raises:
        ValueError: the key has another shape, or the app id is empty.
    """

    def __init__(self, *, token: str, aes_key: str, app_id: str) -> None:
        if not _KEY.fullmatch(aes_key):
            raise ValueError("the EncodingAESKey must be 43 letters and digits")
        if not app_id:
            raise ValueError("the app id is missing")
        self._token = token
        # 43 characters hold two bits more than 32 bytes. Keys are random letters, so the two may
        # be anything; Python's decoder drops them.
        self._key = base64.b64decode(aes_key + "=")
        self._app_id = app_id.encode()

    def signature(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """What ``msg_signature`` must be for these three."""
        return signature.sign(self._token, timestamp, nonce, encrypted)

    def open(self, encrypted: str) -> bytes:
        """The message in ``encrypted``, the text of the element Encrypt.

        Raises:
            Damaged: it is no base64 as the platform writes it, was not sealed with this key or
                not for this account, or its length is a lie.
        """
        sealed = _decoded(encrypted)
        decryptor, unpadder = self._cipher.decryptor(), self._padding.unpadder()
        try:  # both refuse what is not whole blocks, and nothing at all
            padded = decryptor.update(sealed) + decryptor.finalize()
            plain = unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise Damaged from None
        # A length beyond the end leaves no app id, as does a text without room for a length; one
        # that is too short leaves too much.
        end = _HEAD + int.from_bytes(plain[_SALT:_HEAD], "big")
        if not hmac.compare_digest(plain[end:], self._app_id):
            raise Damaged
        return plain[_HEAD:end]

    def encrypt(self, message: bytes, *, salt: bytes) -> str:
        """``message`` sealed: the text of the element Encrypt.

        Args:
            message: the bytes of a message, XML as the platform wants it.
            salt: 16 random bytes, other ones each time.
        """
        if len(salt) != _SALT:
            raise ValueError("the salt must be 16 bytes")
        plain = salt + len(message).to_bytes(4, "big") + message + self._app_id
        padder = self._padding.padder()
        encryptor = self._cipher.encryptor()
        sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
        return base64.b64encode(sealed).decode()

    def seal(self, message: bytes, *, timestamp: int, nonce: str, salt: bytes) -> bytes:
        """The whole reply around ``message``, signed with its own ``timestamp`` and ``nonce``.

        Args:
            message: as for :meth:`encrypt`.
            timestamp: now, in Unix seconds.
            nonce: the request's, or another one of letters and digits.
            salt: as for :meth:`encrypt`.
        """
        encrypted = self.encrypt(message, salt=salt)
        return xml.write(
            {
                "Encrypt": encrypted,
                "MsgSignature": self.signature(str(timestamp), nonce, encrypted),
                "TimeStamp": timestamp,
                "Nonce": nonce,
            }
        )

    # Made when the first message comes: the import takes longer than a thousand messages, and a
    # webhook in plain mode never needs it. Then kept, because setting up costs more than sealing.

    @cached_property
    def _cipher(self) -> "Cipher[CBC]":
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        # The platform's rule: the first half of the key is the IV.
        return Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16]))

    @cached_property
    def _padding(self) -> "PKCS7":
        from cryptography.hazmat.primitives.padding import PKCS7

        return PKCS7(_BLOCK * 8)


def _decoded(text: str) -> bytes:
    """The bytes of base64, if ``text`` is the one way to write them.

    Decoders overlook line breaks, other characters and loose bits at the end, each in its own way;
    writing the bytes again tells.
    """
    if len(text) > _LIMIT:
        raise Damaged
    try:
        given = text.encode("ascii")
        decoded = binascii.a2b_base64(given)
    except ValueError:
        raise Damaged from None
    if binascii.b2a_base64(decoded, newline=False) != given:
        raise Damaged
    return decoded
