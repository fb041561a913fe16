"""What a browser tells a site about where a request comes from (Referrer Policy, Fetch)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_POLICY = "strict-origin-when-cross-origin"
_POLICIES = {
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    DEFAULT_POLICY,
    "unsafe-url",
}
_FULL_ACROSS = {"unsafe-url", "no-referrer-when-downgrade"}
_ORIGIN_ONLY = {"origin", "strict-origin"}


def origin_of(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Source:
    """The page that a link or form was on. ``policies``: what it says of its referrer policy,
    separated by commas."""

    url: str
    policies: str = ""

    @property
    def policy(self) -> str:
        """The last policy among them that browsers know."""
        names = [name.strip().lower() for name in self.policies.split(",")]
        return next((name for name in reversed(names) if name in _POLICIES), DEFAULT_POLICY)

    def referer(self, target: str) -> str:
        """The ``Referer`` header for ``target``; empty for none."""
        if self.policy == "no-referrer" or self._lowers(target):
            return ""
        same = origin_of(self.url) == origin_of(target)
        if self.policy == "same-origin" and not same:
            return ""
        if self.policy in _ORIGIN_ONLY or (not same and self.policy not in _FULL_ACROSS):
            return origin_of(self.url) + "/"
        return self.url.partition("#")[0]

    def origin(self, target: str) -> str:
        """The ``Origin`` header of a form that is posted to ``target``; a shy page's is null."""
        same = origin_of(self.url) == origin_of(target)
        shy = self.policy == "no-referrer" or (self.policy == "same-origin" and not same)
        return "null" if shy or self._lowers(target) else origin_of(self.url)

    def site(self, target: str) -> str:
        """The ``Sec-Fetch-Site`` header of a request of ``target``."""
        if origin_of(self.url) == origin_of(target):
            return "same-origin"
        here, there = urlsplit(self.url), urlsplit(target)
        near = here.scheme == there.scheme and here.hostname == there.hostname
        return "same-site" if near else "cross-site"

    def _lowers(self, target: str) -> bool:
        """Whether an https page sends to plain http, which only two policies do not mind."""
        lowers = self.url.startswith("https:") and target.startswith("http:")
        return lowers and self.policy not in ("unsafe-url", "origin", "origin-when-cross-origin")
