"""The cookies of one phone's browser."""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from wx.clock import Clock


@dataclass
class Cookie:
    """``domain``: the host that set it, and its subdomains only where it asked for them."""

    name: str
    value: str
    domain: str
    subdomains: bool
    path: str
    secure: bool
    expires_at: float | None  # Unix seconds; None with the browser


class Jar:
    """What was set by ``Set-Cookie``, and what is sent back; as browsers do it (RFC 6265).

    Args:
        clock: decides what has expired.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def store(self, url: str, headers: list[str]) -> None:
        """Take the ``Set-Cookie`` headers of the answer to ``url``."""
        for header in headers:
            cookie = self._parse(url, header)
            if cookie is not None:
                self._cookies[cookie.domain, cookie.path, cookie.name] = cookie

    def header(self, url: str) -> str:
        """The ``Cookie`` header for a request of ``url``; may be empty."""
        found = [cookie for cookie in self._cookies.values() if self._fits(cookie, url)]
        found.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in found)

    def get(self, url: str, name: str) -> str | None:
        """The value of one cookie that would be sent to ``url``."""
        for cookie in self._cookies.values():
            if cookie.name == name and self._fits(cookie, url):
                return cookie.value
        return None

    def clear(self) -> None:
        """Forget everything, as after the browser's data was wiped."""
        self._cookies.clear()

    def _parse(self, url: str, header: str) -> Cookie | None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        pair, *rest = header.split(";")
        name, found, value = pair.partition("=")
        name, value = name.strip(), value.strip()
        if not found or not name:
            return None
        flags = {}
        for item in rest:
            key, _, setting = item.partition("=")
            flags[key.strip().lower()] = setting.strip()
        secure = "secure" in flags
        # Plain http never sets a secure cookie, and the prefixes promise what they say.
        if parts.scheme != "https" and (secure or name.startswith(("__Host-", "__Secure-"))):
            return None
        domain = flags.get("domain", "").lstrip(".").lower()
        if domain and not _within(host, domain):
            return None
        if name.startswith("__Host-") and (domain or flags.get("path") != "/"):
            return None
        path = flags.get("path", "")
        if not path.startswith("/"):
            path = parts.path.rpartition("/")[0] or "/"
        expires_at = self._end(flags)
        return Cookie(name, value, domain or host, bool(domain), path, secure, expires_at)

    def _end(self, flags: dict[str, str]) -> float | None:
        if re.fullmatch(r"-?\d+", flags.get("max-age", "")):
            return self._clock.now() + int(flags["max-age"])
        if "expires" in flags:
            try:
                return parsedate_to_datetime(flags["expires"]).timestamp()
            except ValueError:
                return None
        return None

    def _fits(self, cookie: Cookie, url: str) -> bool:
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path or "/"
        below = path == cookie.path or path.startswith(cookie.path.rstrip("/") + "/")
        near = _within(host, cookie.domain) if cookie.subdomains else host == cookie.domain
        alive = cookie.expires_at is None or cookie.expires_at > self._clock.now()
        return below and near and alive and (parts.scheme == "https" or not cookie.secure)


def _within(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)
