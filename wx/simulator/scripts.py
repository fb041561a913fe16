"""A site's own scripts, changed so that they can run on the drawn phone's screen.

They run at the simulator's address, but are told of the site's. `frame.js` makes the names that
tell so, and each module finds them in place of the browser's by a line in front of its first.
"""

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import urljoin, urlsplit

from wx.simulator.frame import Frame
from wx.simulator.referrer import origin_of

SDK_PATH = "/open/js/jweixin-1.6.0.js"  # where the simulator has the JS-SDK
_SDK_PATH = re.compile(r"/open/js/jweixin-[\d.]+\.js")
_SDK_HOSTS = ("res.wx.qq.com", "res2.wx.qq.com")
# What a module finds in place of the browser's own, as frame.js makes it.
NAMES = (
    *("window", "self", "globalThis", "parent", "top", "location", "history", "open", "fetch"),
    *("WebSocket", "EventSource", "Request", "XMLHttpRequest", "BroadcastChannel", "Worker"),
    *("SharedWorker", "localStorage", "sessionStorage"),
)
_ROOTED = re.compile(
    r"""(\b(?:from|import)\s*\(?\s*)(["'])(/(?!/)[^"'\n]*)\2""",
)


@dataclass(frozen=True)
class Scripts:
    """Which scripts of a page run.

    Args:
        page: the page's address.
        simulator: where the simulator is, scheme, host and port.
        agent: what the phone's browser calls itself.
    """

    page: str
    simulator: str
    agent: str

    def first(self) -> str:
        """The element that goes before all others of a page."""
        attributes = f'data-simulator="{escape(self.simulator)}" data-agent="{escape(self.agent)}"'
        return (
            '<link rel="stylesheet" href="/static/simulator/picker.css">'
            f'<script src="/static/simulator/frame.js" {attributes}></script>'
        )

    def address(self, frame: Frame, source: str, *, base: str, is_module: bool) -> str:
        """Where the phone finds the script that a page names; empty where it stays out."""
        try:
            url = urljoin(base, source.strip())
            parts = urlsplit(url)
        except ValueError:
            return ""
        if is_sdk(url, self.simulator):
            return SDK_PATH
        if not source or not is_module or origin_of(url) != origin_of(self.page):
            return ""
        return frame.address(parts.geturl())


def is_sdk(url: str, simulator: str) -> bool:
    """Whether an address is the JS-SDK's: the platform's real one, or the simulator's."""
    parts = urlsplit(url)
    ours = parts.netloc in _SDK_HOSTS or origin_of(url) == simulator
    return ours and _SDK_PATH.fullmatch(parts.path) is not None


def module(text: str, frame: Frame, *, base: str) -> str:
    """A module of the address ``base``, ready for the phone; its lines keep their numbers."""
    shadows = [name for name in NAMES if not _declares(text, name)]

    def rooted(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{frame.address(urljoin(base, match[3]))}{match[2]}"

    return f"const {{{', '.join(shadows)}}} = frames.phoneScope; {_ROOTED.sub(rooted, text)}"


def _declares(text: str, name: str) -> bool:
    """Whether a module has this name of its own at the top, which cannot be declared twice."""
    declared = rf"^(?:export\s+)?(?:const|let|var|class|(?:async\s+)?function\*?)\s+{name}\b"
    imported = rf"^import\b[^;'\"]*\b{name}\b[^;'\"]*from"
    listed = rf"^(?:export\s+)?(?:const|let|var)\s*\{{[^}}=]*\b{name}\b[^}}=]*\}}"
    found = (re.search(one, text, re.MULTILINE) for one in (declared, imported, listed))
    return any(found)
