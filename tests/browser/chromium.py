"""Finds a Chromium for the browser tests, or gets one; run by ``make test`` before the tests.

An installed one is taken; else Debian's package, where apt can be used; else Playwright's own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-noto-cjk", "fonts-noto-color-emoji")
ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-gpu")
GET_SECONDS = 900


def installed() -> str | None:
    """The path of a Chromium: the one that CHROMIUM names, else the system's or Playwright's."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    for name in NAMES:
        if path := shutil.which(name):
            return path
    return _playwrights()


def _playwrights() -> str | None:
    from playwright.sync_api import Error, sync_playwright

    try:
        with sync_playwright() as playwright:
            path = playwright.chromium.executable_path
    except Error:
        return None
    return path if Path(path).exists() else None


def get() -> None:
    """Install a Chromium if there is none; leaves the machine as it is where that can't be done."""
    if installed() or os.environ.get("CHROMIUM"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("browser tests: installing Debian's chromium …", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-qq", "-y", *PACKAGES]):
            _run(["apt-get", *command], environment)
    if not installed():
        print("browser tests: fetching Playwright's own Chromium …", flush=True)
        _run([sys.executable, "-m", "playwright", "install", "chromium"], dict(os.environ))


def _run(command: list[str], environment: dict[str, str]) -> None:
    try:
        subprocess.run(
            command,
            env=environment,
            check=True,
            timeout=GET_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"browser tests: {command[0]} did not help: {error}", flush=True)


if __name__ == "__main__":
    get()
    found = installed()
    print(f"browser tests: {found or 'NO BROWSER COULD BE HAD, they will be skipped'}")
    if not found and os.environ.get("CI") == "true":
        sys.exit("browser tests: in CI a missing browser is a failure")
