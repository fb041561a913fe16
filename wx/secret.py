"""Secrets: made from the system's randomness, kept as digests, compared in constant time."""

import hashlib
import hmac
import secrets

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Stands in what is kept where a secret belongs: what is kept must give nobody a right.
MARK = "{secret}"
LENGTH = 43  # letters and digits that hold 256 bits


def _letters(value: bytes) -> str:
    """256 bits as 43 letters and digits: what a `state` may hold (platform document, 2.1)."""
    number = int.from_bytes(value, "big")
    letters = []
    for _ in range(LENGTH):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)


def new_secret() -> str:
    """256 random bits as 43 letters and digits."""
    return _letters(secrets.token_bytes(32))


def new_id() -> str:
    """A name that cannot be guessed, 131 bits as 22 letters and digits; not a right by itself."""
    return new_secret()[:22]


def new_ordered_id(now: float) -> str:
    """As :func:`new_id`, with ``now`` (Unix seconds) in front: later ones sort behind earlier ones,
    so an index of them grows at its end."""
    number = int(now * 1000) << 80 | int.from_bytes(secrets.token_bytes(10))
    letters = []
    for _ in range(22):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(reversed(letters))


def derive(key: bytes, purpose: str) -> str:
    """The secret that ``key`` gives for ``purpose``: 43 letters and digits, the same each time.

    Whoever has no key cannot tell it from :func:`new_secret`, so it need not be stored.
    """
    return _letters(hmac.digest(key, purpose.encode(), "sha256"))


def digest(secret: str) -> bytes:
    """What is stored instead of a secret: its SHA-256. Enough, because secrets are random."""
    return hashlib.sha256(secret.encode()).digest()


def derive_digits(key: bytes, purpose: str) -> str:
    """Six digits that ``key`` gives for ``purpose``, the same each time."""
    return f"{int.from_bytes(hmac.digest(key, purpose.encode(), 'sha256')) % 1_000_000:06}"


def same(one: bytes, other: bytes) -> bool:
    """Whether two secrets are equal, in time that does not tell where they differ."""
    return hmac.compare_digest(one, other)
