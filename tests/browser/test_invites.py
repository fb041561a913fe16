"""The README's page of another site: it shows a code, and sees what becomes of it."""

import json
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROOT, Demo
from tests.browser.test_demo import agree

pytestmark = pytest.mark.browser

README = (ROOT / "README.md").read_text(encoding="utf-8")
WORDS = {
    "zh-CN": ("请用微信扫描二维码。", "已扫码，请在手机上确认。", "绑定成功。"),
    "en-GB": ("Scan the code with WeChat.", "Scanned. Please confirm on your phone.", "Bound."),
}
FOREIGN = ("CORS policy", "net::ERR_FAILED", "WebSocket connection to")


def page_of_the_readme() -> str:
    """The page as it stands there."""
    chapter = README.split("\n## A site with its own users\n", 1)[1].split("\n## ", 1)[0]
    [page] = re.findall(r"^```html\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)
    return str(page)


class Shop:
    """A site of the team: the page, and a server that asks for codes with its key."""

    def __init__(self) -> None:
        self.wxbind = self.key = ""
        self.codes: list[dict[str, Any]] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/":
                    self.answer(200, "text/html; charset=utf-8", page_of_the_readme().encode())
                else:
                    self.answer(204, "text/plain", b"")

            def do_POST(self) -> None:
                body = json.dumps(shop.code(self.headers["User-Agent"])).encode()
                self.answer(200, "application/json", body)

            def answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def use(self, demo: Demo, folder: Path) -> None:
        """Have codes from this server, for an account that is made for them."""
        self.wxbind = demo.site
        words = ["key", "add", "shop", "--scope", "accounts:write", "invites:write"]
        done = subprocess.run(
            [sys.executable, str(ROOT / "server.py"), *words, "--data-dir", str(folder / "data")],
            check=True,
            capture_output=True,
            text=True,
        )
        self.key = done.stdout.strip()
        self._ask("accounts", {"name": "shop-4711"})

    def code(self, browser: str) -> dict[str, Any]:
        """A code for the person at this browser."""
        wish = {"account": "shop-4711", "browser": browser, "address": "203.0.113.7"}
        self.codes.append(self._ask("invites", wish))
        return self.codes[-1]

    def _ask(self, path: str, body: object) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.wxbind}/api/v1/{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.close()


def shown(page: Page) -> bool:
    """Whether the picture of the code can be seen."""
    return bool(page.evaluate("document.getElementById('code').naturalWidth > 0"))


@pytest.mark.parametrize(("sockets", "language"), [(True, "zh-CN"), (False, "en-GB")])
@pytest.mark.console_may_say("WebSocket")
def test_a_page_elsewhere_shows_the_code_and_sees_the_binding_live(
    serve: Callable[..., Demo],
    visitor: Callable[..., Page],
    shop: Shop,
    tmp_path: Path,
    sockets: bool,
    language: str,
) -> None:
    scan, scanned, bound = WORDS[language]
    demo = serve("--invite-origins", shop.origin)
    shop.use(demo, tmp_path)
    page = visitor(language=language)
    if not sockets:
        page.context.route_web_socket("**/live", lambda socket: socket.close())
    page.goto(shop.origin)
    expect(page.locator("#told")).to_have_text(scan)
    [invite] = shop.codes
    expect(page.locator("#number")).to_have_text(invite["number"])
    expect(page.locator("#code")).to_be_visible()
    page.wait_for_function("document.getElementById('code').naturalWidth > 0")
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={invite['url']}")
    frame = phone.frame_locator("iframe[data-frame]")
    expect(frame.locator("[data-account-name]")).to_have_text("shop-4711")
    expect(frame.locator("[data-number]")).to_have_text(invite["number"])
    expect(frame.locator("dl")).to_contain_text("203.0.113.0/24")
    expect(page.locator("#told")).to_have_text(scanned, timeout=15_000)
    agree(phone)
    expect(page.locator("#told")).to_contain_text(bound, timeout=15_000)
    expect(page.locator("#told")).to_contain_text("王小明")
    expect(page.locator("#code")).to_be_hidden()
    expect(page.locator("#number")).to_have_text("")
    assert page.context.cookies() == [], "no cookies go either way"


@pytest.mark.console_may_say(*FOREIGN)
@pytest.mark.parametrize("origins", ["", "http://127.0.0.1:1"])
def test_a_page_of_a_site_that_is_not_named_sees_nothing(
    serve: Callable[..., Demo],
    visitor: Callable[..., Page],
    shop: Shop,
    tmp_path: Path,
    origins: str,
) -> None:
    demo = serve("--invite-origins", origins)
    shop.use(demo, tmp_path)
    page = visitor()
    with page.expect_request_finished(lambda one: one.url.endswith("oauth")):
        page.goto(shop.origin)
    page.wait_for_function("document.getElementById('code').naturalWidth > 0")
    [invite] = shop.codes
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={invite['url']}")
    agree(phone)
    done = phone.frame_locator("iframe[data-frame]").locator("[data-done]")
    expect(done).to_be_visible()
    with urllib.request.urlopen(invite["state"], timeout=10) as answer:
        assert json.load(answer)["state"] == "bound", "it is, and a program is told"
    with page.expect_event("requestfailed", lambda one: one.url == invite["state"], timeout=15_000):
        pass
    told = page.evaluate(
        """async ({state, live}) => {
            const read = await fetch(state).then(() => "read", () => "refused");
            const opened = await new Promise((done) => {
                const socket = new WebSocket(live);
                socket.onmessage = socket.onopen = () => done("open");
                socket.onclose = () => done("closed");
            });
            return [read, opened];
        }""",
        invite,
    )
    assert told == ["refused", "closed"]
    expect(page.locator("#told")).to_have_text("")
