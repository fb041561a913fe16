"""Who asks: the client's address behind trusted proxies, and its browser in a few words."""

import ipaddress
import re
from collections.abc import Sequence

from wx.values import Network

_BROWSERS = (
    ("WeChat", "MicroMessenger/"),
    ("Edge", "Edg/"),
    ("Opera", "OPR/"),
    ("Firefox", "Firefox/"),
    ("Chrome", "Chrome/"),
    ("Safari", "Safari/"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("macOS", "Macintosh"),
    ("Linux", "Linux"),
)
_WECHAT = re.compile(r"\bMicroMessenger/", re.IGNORECASE)


def address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's IP address.

    Args:
        peer: who is connected to us.
        forwarded: the X-Forwarded-For headers, believed only from a trusted proxy, and of them
            only the right-most address that is no trusted proxy itself.
        trusted: the proxies' networks.
    """
    client = _plain(peer) or peer
    hops = [hop.strip() for header in forwarded for hop in header.split(",")]
    while _trusted(client, trusted) and hops:
        hop = _plain(hops.pop())
        if hop is None:
            break
        client = hop
    return client


def near(address_text: str) -> bool:
    """Whether the address is this machine's own."""
    try:
        return ipaddress.ip_address(address_text).is_loopback
    except ValueError:
        return True  # a Unix socket has no address


def network(address_text: str) -> str:
    """The address as far as it is kept: its /24, or its /64."""
    try:
        ip = ipaddress.ip_address(address_text)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 64), strict=False))


def browser_name(user_agent: str) -> str:
    """A browser as people call it: "Chrome, Windows"; "" if it is none that we know."""
    browser = next((name for name, mark in _BROWSERS if mark in user_agent), "")
    system = next((name for name, mark in _SYSTEMS if mark in user_agent), "")
    return ", ".join(part for part in (browser, system) if part)


def inside_wechat(user_agent: str) -> bool:
    """Whether this is WeChat's own browser (platform document, 2.1)."""
    return bool(_WECHAT.search(user_agent))


def _plain(text: str) -> str | None:
    """The one way to write this address; None if it is none.

    An IPv4 address in IPv6's clothes, as a proxy with one socket for both writes it, is taken out
    of them: else everybody would share one /64.
    """
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def _trusted(text: str, trusted: Sequence[Network]) -> bool:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(ip in one for one in trusted)
