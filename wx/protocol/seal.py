"""Seals what the server keeps, or gives away to get back, so that only its own key opens it."""

import hmac

NONCE = 12  # bytes
_VERSION = b"\x01"  # AES-256-GCM under the key below; another way to seal gets another number
_TAG = 16
_SALT = b"wxbind seal 1"


class Broken(ValueError):
    """Sealed bytes that cannot be opened; never says what is wrong with them."""

    def __init__(self) -> None:
        super().__init__("the seal is broken")


def seal(key: bytes, plain: bytes, *, context: str, nonce: bytes) -> bytes:
    """``plain`` so that nobody without ``key`` can read it, or change it unnoticed.

    Args:
        key: the server's own.
        context: what and whose it is. It is not in the result, and must be told to open it: what
            was sealed for one thing or person opens for nothing else.
        nonce: 12 random bytes, other ones each time: two of the same give both texts away.

    Returns:
        29 bytes more than ``plain``.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # takes long; few starts need it

    if len(nonce) != NONCE:
        raise ValueError("the nonce must be 12 bytes")
    sealed = AESGCM(_own(key)).encrypt(nonce, plain, _bound(context))
    return _VERSION + nonce + sealed


def unseal(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """What :func:`seal` was given.

    Raises:
        Broken: it was sealed with another key or for another context, was changed, or is nothing
            that was ever sealed.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    begin = len(_VERSION) + NONCE
    if not sealed.startswith(_VERSION) or len(sealed) < begin + _TAG:
        raise Broken
    nonce = sealed[len(_VERSION) : begin]
    try:
        return AESGCM(_own(key)).decrypt(nonce, sealed[begin:], _bound(context))
    except InvalidTag:
        raise Broken from None


def _own(key: bytes) -> bytes:
    """A key for this alone: HKDF-SHA256 (RFC 5869). Cookies show what the server's key makes of
    many texts, and none of those is this one, because here it is the message and not the key."""
    return hmac.digest(hmac.digest(_SALT, key, "sha256"), b"AES-256-GCM\x01", "sha256")


def _bound(context: str) -> bytes:
    return _VERSION + context.encode()
