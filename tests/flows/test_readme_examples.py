"""The README's examples of the API, as they stand there, against a real server."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from tests.flows.program import Program
from tests.world import PASSWORD, Desktop
from wx.protocol import jssdk
from wx.simulator.app import Simulator

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHAPTER = README.split("\n## The API\n", 1)[1].split("\n## ", 1)[0]
EXAMPLES = re.findall(r"^```(\w+)\n(.*?)^```$", CHAPTER, re.MULTILINE | re.DOTALL)
SITE = "https://wx.example.com"  # stands in the README for the server's own address
SECONDS = 30


@pytest.fixture
def simulator(io_loop: IOLoop) -> Iterator[Simulator]:
    made = Simulator()
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def program(simulator: Simulator, tmp_path: Path) -> Iterator[Program]:
    template = f"{simulator.template_id}:thing1,time2"
    keys = {"serverchan": "true", "wechat_server": "true", "notice_template": template}
    made = Program(tmp_path, simulator, **keys)
    for name in ("ann", "bob"):
        made.run("account", "add", name, "--password-stdin", text=PASSWORD)
    yield made
    if made.process and made.process.poll() is None:
        made.kill()


class Shell:
    """An operator's folder: ``wxbind`` is the program there, ``wx.example.com`` its server."""

    def __init__(self, program: Program, folder: Path) -> None:
        self._program = program
        self._folder = folder
        tools = folder / "bin"
        tools.mkdir()
        command = tools / "wxbind"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/server.py" "$@"\n')
        command.chmod(0o755)
        self._environ = os.environ | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "WXBIND_DATA_DIR": str(folder / "data"),
        }

    async def run(self, language: str, text: str) -> str:
        """What an example prints."""
        words = ["sh", "-eu", "-c"] if language == "sh" else [sys.executable, "-c"]
        done = await asyncio.to_thread(
            subprocess.run,
            [*words, text.replace(SITE, self._program.base)],
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr
        return done.stdout.decode()


async def bind(program: Program, simulator: Simulator) -> None:
    """Bind ann to somebody who follows, and bob to somebody else who does."""
    for name, person in (("ann", "wang"), ("bob", "zhang")):
        simulator.world.people[person].following = True
        desktop = Desktop(program.base)
        assert (await desktop.log_in(name)).code == 303
        invite = await desktop.invite()
        assert (await simulator.phone(person).bind(invite["link"])).status == 200
        desktop.close()


@pytest.mark.gen_test(timeout=120)
async def test_the_examples_do_what_the_readme_says(
    program: Program, simulator: Simulator, tmp_path: Path
) -> None:
    await asyncio.to_thread(program.start)
    await bind(program, simulator)
    shell = Shell(program, tmp_path)
    printed = {}
    for language, text in EXAMPLES:
        if language == "json":
            continue
        if "curl" in text and not shutil.which("curl"):
            # Only what curl does is left out: the keys of these examples are made all the same.
            text = "\n".join(line for line in text.splitlines() if line.startswith("wxbind"))
        printed[text] = await shell.run(language, text)
    told = dict(re.findall(r"^(\w+) (sent|delivered) template", "".join(printed.values()), re.M))
    assert set(told) == {"ann", "bob"}, printed
    assert (tmp_path / "backup.key").stat().st_mode & 0o077 == 0
    keys = [(tmp_path / f"{name}.key").read_text().strip() for name in ("backup", "router", "site")]
    if shutil.which("curl"):
        every = "".join(printed.values())
        assert every.count('"state": "queued"') == 2
        assert '"errno": 0' in every and '"success": true' in every
    log = program.log.read_text()
    assert not [key for key in keys if key in log]


@pytest.mark.gen_test(timeout=60)
async def test_a_page_is_signed_as_the_readme_says(
    program: Program, simulator: Simulator, tmp_path: Path
) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    await asyncio.to_thread(program.start)
    section = README.split("\n### Signing a page\n", 1)[1].split("\n### ", 1)[0]
    [(language, text)] = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    answer = json.loads(await Shell(program, tmp_path).run(language, text))
    [ticket] = simulator.world.js_tickets
    signed = jssdk.sign(
        ticket, answer["nonceStr"], answer["timestamp"], "https://shop.example.com/cart?id=7"
    )
    assert answer["signature"] == signed
    assert (tmp_path / "pages.key").stat().st_mode & 0o077 == 0


def test_there_are_examples_for_curl_python_and_the_shell_and_their_answers_are_json() -> None:
    languages = [language for language, _ in EXAMPLES]
    assert languages.count("sh") >= 5 and languages.count("python") == 1
    answers = [json.loads(text) for language, text in EXAMPLES if language == "json"]
    assert [set(one) for answer in answers for one in answer["notices"]] == [
        {"id", "to", "channel", "state"}
    ]
