"""A site's pages, changed so that they can be shown on the drawn phone's screen.

Every address leads through the simulator, which fetches for the person who holds the phone; all
that runs or loads by itself is left out, except the scripts of a site that may use the phone.
"""

import re
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from wx.simulator.scripts import Scripts

_LEFT_OUT = {"script", "iframe", "frame", "frameset", "object", "embed", "applet", "template"}
_LINKS = {"stylesheet", "icon"}  # the only <link> relations that are kept
_ADDRESSES = {"href", "src", "action", "formaction", "poster"}
_DROPPED = {"srcset", "srcdoc", "integrity", "crossorigin", "nonce", "target", "ping", "style"}
_VOID = {
    "area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "source",
    "track", "wbr",
}  # fmt: skip
_ATTRIBUTE = re.compile(r"[a-z_:][-a-z0-9_:.]*")
_REFRESH = re.compile(r"\s*(\d+)\s*[;,]\s*url\s*=\s*['\"]?([^'\"]*)", re.IGNORECASE)
_CSS_ADDRESS = re.compile(
    r"""(url\(\s*)(["']?)([^"')]+)(["']?\s*\))|(@import\s+)(["'])([^"']+)(["'])""", re.IGNORECASE
)


def path_of(url: str) -> str:
    """What of an address comes after scheme and host; empty where it is none."""
    try:
        return urlsplit(url)._replace(scheme="", netloc="").geturl()
    except ValueError:
        return ""


class Frame:
    """The way through the simulator for one person.

    Args:
        person_id: whose phone shows the page.
    """

    def __init__(self, person_id: str) -> None:
        self.prefix = f"/phone/{person_id}/web/"

    def address(self, url: str) -> str:
        """Where the simulator serves an absolute http(s) address; empty for any other kind."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return ""
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return ""
        query = f"?{parts.query}" if parts.query else ""
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        return f"{self.prefix}{parts.scheme}/{parts.netloc}{parts.path or '/'}{query}{fragment}"

    def original(self, uri: str) -> str:
        """The address that a path of :meth:`address` stands for."""
        scheme, _, rest = uri.removeprefix(self.prefix).partition("/")
        return f"{scheme}://{rest}"

    def html(self, text: str, *, base: str, scripts: "Scripts | None" = None) -> str:
        """A page of the address ``base``, ready for the screen; without ``scripts`` none runs."""
        rewriter = _Rewriter(self, base, scripts)
        rewriter.feed(text)
        rewriter.close()
        return "".join(rewriter.pieces)

    def css(self, text: str, *, base: str) -> str:
        """A style sheet of the address ``base``, ready for the screen."""

        def replaced(match: re.Match[str]) -> str:
            before, mark, url, after = (
                match.group(1, 2, 3, 4) if match[1] else match.group(5, 6, 7, 8)
            )
            if url.strip().startswith("data:"):
                return match[0]
            return f"{before}{mark}{self.address(urljoin(base, url.strip()))}{after}"

        return _CSS_ADDRESS.sub(replaced, text)


class _Rewriter(HTMLParser):
    def __init__(self, frame: Frame, base: str, scripts: "Scripts | None") -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[str] = []
        self._frame = frame
        self._base = base
        self._scripts = scripts
        self._left_out = _LEFT_OUT - {"template"} if scripts else _LEFT_OUT
        self._waits = scripts is not None  # for the place of the script before all others
        self._outside: list[str] = []  # the open elements that are left out

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._waits and tag not in ("html", "head"):
            self._put_first()
        if tag in self._left_out or self._outside:
            if tag == "script" and not self._outside:
                self._script({name: value or "" for name, value in attrs})
            if tag not in _VOID:
                self._outside.append(tag)
            return
        found = {name: value or "" for name, value in attrs}
        if tag == "base":
            self._base = urljoin(self._base, found.get("href", ""))
            return
        if tag == "link" and not _LINKS & set(found.get("rel", "").lower().split()):
            return
        if tag == "meta" and found.get("name", "").lower() == "referrer":
            return  # the simulator must see which page a request comes from
        if tag == "meta" and "http-equiv" in found:
            self._meta(found)
            return
        self._write(tag, found)
        if self._waits and tag == "head":
            self._put_first()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        before = len(self._outside)
        self.handle_starttag(tag, attrs)
        del self._outside[before:]
        if not self._outside and tag not in _VOID and tag not in self._left_out:
            self.pieces.append(f"</{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._outside:
            while self._outside.pop() != tag:
                pass
        elif not self._outside and tag not in self._left_out and tag not in _VOID:
            self.pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._keep(data)

    def handle_entityref(self, name: str) -> None:
        self._keep(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._keep(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self._keep(f"<!{decl}>")

    def _keep(self, text: str) -> None:
        if not self._outside:
            self.pieces.append(text)

    def _put_first(self) -> None:
        assert self._scripts is not None
        self._waits = False
        self.pieces.append(self._scripts.first())

    def _script(self, found: dict[str, str]) -> None:
        """What is kept of a script: its address. What stands inside it never runs."""
        if self._scripts is None or "src" not in found:
            return
        is_module = found.get("type", "").strip().lower() == "module"
        address = self._scripts.address(
            self._frame, found["src"], base=self._base, is_module=is_module
        )
        if address:
            kind = ' type="module"' if is_module else ""
            self.pieces.append(f'<script{kind} src="{escape(address)}"></script>')

    def _meta(self, found: dict[str, str]) -> None:
        refresh = _REFRESH.match(found.get("content", ""))
        if found["http-equiv"].lower() == "refresh" and refresh:
            address = self._address(refresh[2].strip())
            self._write("meta", {"http-equiv": "refresh", "content": f"{refresh[1]};url={address}"})

    def _write(self, tag: str, found: dict[str, str]) -> None:
        written = [tag]
        for name, value in found.items():
            if name.startswith("on") or name in _DROPPED or not _ATTRIBUTE.fullmatch(name):
                continue
            kept = self._address(value) if name in _ADDRESSES or name == "xlink:href" else value
            written.append(f'{name}="{escape(kept)}"')
        self.pieces.append(f"<{' '.join(written)}>")

    def _address(self, value: str) -> str:
        value = value.strip()
        if value.startswith(("#", "data:image/")):
            return value
        return self._frame.address(urljoin(self._base, value))
