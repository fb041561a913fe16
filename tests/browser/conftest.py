"""Fixtures for the tests in a real Chromium: programs in their own processes, watched pages."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.browser.chromium import ARGUMENTS, installed
from tests.support import free_port

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "test-artefacts"
START_SECONDS = 20


class Program:
    """``server.py`` in a process of its own, with what it has printed.

    Args:
        words: verb and flags.
        ready: printed once it answers.
        log: where its standard error goes.
    """

    def __init__(self, *words: str, ready: str, log: Path) -> None:
        self._words = words
        self._ready = ready
        self._log = log
        self.text = ""
        self.start()

    def start(self) -> None:
        """Start it, again too, and wait until it is ready."""
        clean = {name: value for name, value in os.environ.items() if "WXBIND" not in name}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "server.py"), *self._words],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._log.parent,
                env=clean,
            )
        self.text = self._read()

    def _read(self) -> str:
        assert self.process.stdout
        text, end = b"", time.monotonic() + START_SECONDS
        while self._ready.encode() not in text:
            ready, _, _ = select.select([self.process.stdout], [], [], end - time.monotonic())
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"{self._words[0]} did not start: {text!r} {self._log.read_text()}"
            text += chunk
        return text.decode()

    def kill(self) -> None:
        """As a power cut does."""
        self.process.kill()
        self._ended()

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self._ended()

    def _ended(self) -> None:
        self.process.wait(20)
        assert self.process.stdout
        self.process.stdout.close()

    def find(self, pattern: str) -> str:
        """What the first group of ``pattern`` is in the printed text."""
        found = re.search(pattern, self.text)
        assert found, self.text
        return found[1]


class Demo:
    """A running ``demo``, or ``serve`` with ``simulate``: addresses and how to log in."""

    def __init__(self, site: str, phone: str, password: str, server: Program) -> None:
        self.site = site
        self.phone = phone
        self.password = password
        self.server = server


# Not for the whole run: while it lives, Playwright's own event loop is in the way of other tests'.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    path = installed()
    if path is None:
        assert os.environ.get("CI") != "true", "in CI a missing browser is a failure"
        pytest.skip("NO BROWSER: the tests in a real Chromium were left out")
    browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
    yield browser
    browser.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """The demo as a newcomer starts it, on free ports."""
    yield from _demo(tmp_path)


@pytest.fixture
def oauth_demo(tmp_path: Path) -> Iterator[Demo]:
    """The demo where people follow first, then scan and agree."""
    yield from _demo(tmp_path, "--bind-route", "oauth")


def _demo(folder: Path, *flags: str) -> Iterator[Demo]:
    log = folder / "demo.log"
    program = Program("demo", "--port", "0", *flags, ready="Ctrl-C ends", log=log)
    site = program.find(r"the site \S+ +(http://\S+)/login")
    phone = program.find(r"virtual phone \S+ +(http://\S+)/")
    password = program.find(r"password \S+ +(\S+)")
    yield Demo(site, phone, password, program)
    program.stop()
    assert_no_secret(log, password)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """A server beside a simulator, each in its own process: ``serve("--key", "value")``."""
    programs: list[Program] = []

    def start(*flags: str) -> Demo:
        simulator = Program(
            "simulate", "--port", "0", ready="app_secret", log=tmp_path / "simulate.log"
        )
        programs.append(simulator)
        base = simulator.find(r"listening on (\S+)")
        data = tmp_path / "data"
        password = "a fine long secret 7"
        subprocess.run(
            [
                *(sys.executable, str(ROOT / "server.py"), "account", "add", "ann"),
                *("--password-stdin", "--data-dir", str(data)),
            ],
            input=password,
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        # A port of its own, so that it comes back at the same address after a kill.
        port = free_port()
        server = Program(
            *("serve", "--port", str(port), "--data-dir", str(data), "--site-name", "Example"),
            *("--app-id", simulator.find(r"app_id (\w+)")),
            *("--app-secret", simulator.find(r"app_secret (\w+)")),
            *("--api-base", base, "--open-base", base, "--avatar-origins", base, *flags),
            ready="listening",
            log=tmp_path / "serve.log",
        )
        programs.append(server)
        return Demo(f"http://127.0.0.1:{port}", base, password, server)

    yield start
    for program in reversed(programs):
        program.stop()
    app_secret = programs[0].find(r"app_secret (\w+)")
    assert_no_secret(tmp_path / "serve.log", "a fine long secret 7", app_secret)


@pytest.fixture
def visitor(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """New browsers, each with cookies of its own. Every page in them is watched: an error in the
    console, or a request that leaves the machine, fails the test. ``visitor(width=390)``."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def watch(page: Page) -> None:
        page.on(
            "console",
            lambda said: (
                complaints.append(f"console: {said.text}")
                if said.type in ("error", "warning") and not expected(said.text)
                else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on(
            "request",
            lambda sent: (
                complaints.append(f"left the machine: {sent.url}")
                if not re.match(r"(http|ws)://127\.0\.0\.1[:/]|data:|blob:|about:", sent.url)
                else None
            ),
        )

    def expected(text: str) -> bool:
        """What the browser writes down when Playwright looks into the drawn phone's frame, which
        runs no scripts, and when a test takes the server away."""
        if "Blocked script execution" in text and "/phone/" in text:
            return True
        marker = request.node.get_closest_marker("console_may_say")
        return marker is not None and any(words in text for words in marker.args)

    def make(*, width: int = 1280, language: str = "zh-CN", **options: object) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, locale=language, **options
        )
        context.set_default_timeout(10_000)
        context.on("page", watch)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert not complaints, complaints


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Keep a screenshot of a page as an artefact of the test."""
    ARTEFACTS.mkdir(exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

    return take


def log_in(page: Page, demo: Demo, name: str = "ann") -> None:
    """Log in as a person does; ends on the bind page."""
    page.goto(f"{demo.site}/login")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", demo.password)
    page.click("main button[type=submit]")
    page.wait_for_url(f"{demo.site}/bind")


def assert_nothing_sticks_out(page: Page) -> None:
    """The page needs no scrolling sideways."""
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], f"the page is wider than the screen: {width}"


def assert_no_secret(log: Path, *planted: str) -> None:
    """No planted secret, code, state or link of a code stands in a program's log."""
    text = log.read_text(encoding="utf-8")
    found = [secret for secret in planted if secret in text]
    found += re.findall(
        r"/(?:b|n|s|undo|not-me|live|view)/[0-9A-Za-z]{22,}|(?:code|state)=[0-9A-Za-z]{20,}", text
    )
    assert not found, found
