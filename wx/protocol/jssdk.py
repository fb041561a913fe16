"""The signature that lets a page use WeChat's JS-SDK (platform document, 8)."""

import hashlib


def sign(ticket: str, nonce: str, timestamp: int, url: str) -> str:
    """The hexadecimal SHA-1 that ``wx.config`` takes as ``signature``.

    Args:
        ticket: the JS ticket.
        nonce: what the page gives as ``nonceStr``.
        timestamp: what the page gives as ``timestamp``, in Unix seconds.
        url: the page's whole address as its browser writes it. The part behind ``#`` is left out;
            nothing else is changed or encoded, as the platform compares the very letters.
    """
    page = url.partition("#")[0]
    signed = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={page}"
    return hashlib.sha1(signed.encode("utf-8", "surrogatepass")).hexdigest()
