"""The signature that tells the platform's posts from others (platform document, 3.1)."""

import hashlib
import hmac


def sign(*parts: str) -> str:
    """The hexadecimal SHA-1 of ``parts``, sorted by their bytes and joined without a separator.

    Any text can be signed, also one with lone surrogates: the parts come out of a query string.
    """
    joined = b"".join(sorted(_bytes(part) for part in parts))
    return hashlib.sha1(joined).hexdigest()


def matches(given: str, *parts: str) -> bool:
    """Whether ``given`` is the signature of ``parts``, in time that does not tell where it differs.

    Whatever ``given`` holds is answered with a plain no. As bytes, because the comparison raises on
    text that is not ASCII.
    """
    return hmac.compare_digest(_bytes(given), sign(*parts).encode())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
