"""A small site with scripts, in a thread of its own, for the drawn phone's frame."""

import hashlib
import json
import threading
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

NONCE = "Wm3WZYTPz0wzccnW"

PAGE = """<!doctype html>
<html lang="en"><head><title>Site</title><meta name="referrer" content="same-origin">
<script>window.inline = true</script>
<script src="/static/classic.js"></script>
<script type="module" src="/static/page.js?v=1"></script>
</head><body onload="window.inline = true">
<h1>Site</h1>
<a id="link" href="/next?x=1">next</a>
<img id="first" src="/picture.png" alt="">
<form id="form" method="post" action="/said">
<input name="word" value="hello"><button>Send</button></form>
<template id="row"><a href="/from-template">row</a></template>
<div id="place"></div><ul id="pictures"></ul>
</body></html>"""

MODULE = """// the first line
import { part } from "./part.js";
import { rooted } from "/static/rooted.js";
const later = await import("./later.js");
window.site = { location, history, window, top, open, fetch, Request, WebSocket };
Object.assign(window.site, { localStorage, BroadcastChannel });
window.line = Number(new Error().stack.match(/page\\.js[^:]*:(\\d+)/)[1]);
const image = new Image();
image.src = "/picture.png?made";
document.querySelector("#place").append(image);
window.loaded = [part, rooted, later.default];
document.documentElement.dataset.ready = "yes";
"""

FILES = {
    "/static/page.js": MODULE,
    "/static/part.js": 'const location = "mine";\nexport const part = location;\n',
    "/static/rooted.js": "export const rooted = location.pathname;\n",
    "/static/later.js": "export default window.location === location;\n",
    "/static/classic.js": "window.classic = true;\n",
    # What a page of a site does with the JS-SDK.
    "/static/sdk.js": """
const script = document.createElement("script");
script.src = document.documentElement.dataset.sdk;
await new Promise((done) => { script.onload = done; document.head.append(script); });
const asked = await fetch(`/config?url=${encodeURIComponent(location.href.split("#")[0])}`);
const config = await asked.json();
window.said = [];
const say = (told) => window.said.push(told);
wx.error(say);
wx.chooseImage({ success: say, fail: say });
wx.ready(() => say({ errMsg: "ready" }));
const all = "chooseImage,uploadImage,previewImage,getLocalImgData";
const list = new URLSearchParams(location.search).get("calls") ?? all;
wx.config({ ...config, jsApiList: list.split(",") });
window.pick = (count) => wx.chooseImage({ count, success: say, cancel: say, fail: say });
document.documentElement.dataset.ready = "yes";
""",
}


class ScriptedSite:
    """``seen``: method, path and headers of each request. ``lie``: what the signature is of."""

    def __init__(self, platform: str, keys: Mapping[str, str]) -> None:
        self.platform = platform
        self.keys = dict(keys)
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self._came = threading.Condition()
        self.lie: dict[str, str] = {}
        site = self

        class Handler(_Handler):
            owner = site

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.netloc}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def note(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Remember a request."""
        with self._came:
            self.seen.append((method, path, headers))
            self._came.notify_all()

    def wait_for(self, paths: set[str], *, seconds: float = 10) -> None:
        """Wait until each of these was asked for."""
        with self._came:
            came = self._came.wait_for(lambda: paths <= {path for _, path, _ in self.seen}, seconds)
        assert came, f"{paths} were not asked for: {[path for _, path, _ in self.seen]}"

    def framed(self, path: str, person: str = "wang") -> str:
        """The screen of the drawn phone that shows a page of the site."""
        return f"{self.platform}/phone/{person}/browser?url={quote(self.url + path, safe='')}"

    def token(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.keys.items())
        answer = self._ask(f"/cgi-bin/token?grant_type=client_credential&{query}")
        return str(json.loads(answer)["access_token"])

    def config(self, url: str) -> dict[str, object]:
        """What a page gives to ``wx.config``."""
        path = f"/cgi-bin/ticket/getticket?type=jsapi&access_token={self.token()}"
        ticket = json.loads(self._ask(path))["ticket"]
        values = {"jsapi_ticket": ticket, "noncestr": NONCE, "timestamp": "1414587457", "url": url}
        text = "&".join(f"{name}={value}" for name, value in (values | self.lie).items())
        return {
            "appId": self.keys["appid"],
            "timestamp": 1414587457,
            "nonceStr": NONCE,
            "signature": hashlib.sha1(text.encode()).hexdigest(),
        }

    def medium(self, media_id: str) -> tuple[bytes, str]:
        """What the platform has of a medium, and its content type."""
        path = f"/cgi-bin/media/get?access_token={self.token()}&media_id={media_id}"
        with urllib.request.urlopen(self.platform + path, timeout=10) as answer:
            return answer.read(), answer.headers["Content-Type"]

    def _ask(self, path: str) -> bytes:
        with urllib.request.urlopen(self.platform + path, timeout=10) as answer:
            return bytes(answer.read())


class _Handler(BaseHTTPRequestHandler):
    owner: ScriptedSite
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._note()
        parts = urlsplit(self.path)
        if parts.path in FILES:
            self._answer(FILES[parts.path], "text/javascript")
        elif parts.path == "/config":
            url = parse_qs(parts.query)["url"][0]
            self._answer(json.dumps(self.owner.config(url)), "application/json")
        elif parts.path == "/picture.png":
            self._answer("", "image/png")
        elif parts.path == "/away":
            self.send_response(302)
            self.send_header("Location", self.owner.platform + "/avatar/wang.svg")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif parts.path == "/json":
            self._answer(json.dumps(dict(self.headers.items())), "application/json")
        elif parts.path == "/sdk":
            sdk = parse_qs(parts.query).get(
                "sdk", [f"{self.owner.platform}/open/js/jweixin-1.6.0.js"]
            )
            head = f'<!doctype html><html data-sdk="{sdk[0]}"><head><title>SDK</title>'
            script = '<script type="module" src="/static/sdk.js"></script>'
            self._answer(f"{head}{script}</head><body><h1>Pictures</h1></body></html>", "text/html")
        else:
            page = PAGE.replace("<h1>Site", f"<h1>{parts.path}")
            self._answer(page, "text/html", cookie=f"seen={parts.path.strip('/') or 'home'}")

    def do_POST(self) -> None:
        self._note()
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.headers.get("Accept", "").startswith("application/json"):
            told = {"sent": sent, "headers": dict(self.headers.items())}
            self._answer(json.dumps(told), "application/json", status=201)
        else:
            self._answer(PAGE.replace("<h1>Site", f"<h1>said {sent}"), "text/html")

    def _note(self) -> None:
        self.owner.note(self.command, self.path, dict(self.headers.items()))

    def _answer(self, text: str, kind: str, *, status: int = 200, cookie: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if cookie:
            self.send_header("Set-Cookie", f"{cookie}; Path=/; HttpOnly")
        self.end_headers()
        self.wfile.write(body)
