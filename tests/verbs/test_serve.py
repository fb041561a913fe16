"""The verb ``serve`` as an operator meets it: the real program in a process of its own."""

import re
import signal
import time
from pathlib import Path

import pytest

from tests import processes
from tests.verbs.steps import account, flags, names, one_line
from tests.world import World
from wx import cli
from wx.verbs import serve


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize("verb", [["serve"], []])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_and_a_signal_ends_it(
    world: World, verb: list[str], number: signal.Signals
) -> None:
    words = [*verb, *flags(world, data_dir="mine")]
    server = await processes.start(*words, folder=world.folder)
    try:
        line = await server.line_with("listening")
        assert re.fullmatch(r"listening on http://127\.0\.0\.1:\d+", line)
        answer = await world.desktop().fetch(line.split()[-1] + "/healthz")
        assert answer.code == 200
        server.signal(number)
        assert (await server.ended()).code == 0
    finally:
        await server.kill()


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        ([], "set webhook_aes_key"),
        (
            [f"--webhook-aes-key={'k' * 43}", "--webhook-mode=plain"],
            "although webhook_aes_key is set",
        ),
        ([f"--webhook-aes-key={'k' * 43}"], ""),
    ],
)
def test_whoever_takes_unencrypted_messages_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], advice: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve.logs, "set_up", lambda **_: None)
    monkeypatch.setattr(serve.running, "until_signal", lambda _: 0)
    told: list[str] = []
    monkeypatch.setattr(serve.log, "warning", lambda text, *values: told.append(text % values))
    needed = ["--app-id=wx5a17c0de00000001", f"--app-secret={'5' * 32}", "--webhook-token=token"]
    assert cli.main(["serve", *needed, *more]) == 0
    if advice:
        assert told == [f"webhook_mode is plain: messages come unencrypted; {advice}"]
    else:
        assert told == []


@pytest.mark.gen_test(timeout=40)
async def test_every_problem_of_the_configuration_is_named_at_once(tmp_path: Path) -> None:
    ended = await processes.run(
        "serve", "--port=x", "--bind-scope=all", "--public-url=ftp://x", folder=tmp_path
    )
    assert ended.code == 2
    lines = ended.err.splitlines()
    for name in ("port", "bind_scope", "public_url", "app_id", "app_secret"):
        assert sum(f"wxbind: {name}" in line for line in lines) == 1, name
    assert names(tmp_path) == []


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize("state", ["running", "newer", "damaged", "port", "folder"])
async def test_a_bad_start_ends_at_once_with_its_code_and_one_line(
    world: World, state: str
) -> None:
    path = world.folder / "data" / "wxbind.db"
    more: dict[str, str] = {}
    code = {"running": 3, "newer": 4, "damaged": 5, "port": 1, "folder": 1}[state]
    if state in ("newer", "damaged"):
        await world.server.stop()
    if state == "newer":
        world.rows("PRAGMA user_version = 99")
    elif state == "damaged":
        path.write_bytes(b"\0" * 8192)
    elif state == "port":
        more = {"port": str(world.server.port), "data_dir": "other"}
        await account(world.folder, "list", "--data-dir=other")
    elif state == "folder":
        (world.folder / "file").write_text("")
        more = {"data_dir": "file"}
    before = path.read_bytes()
    began = time.monotonic()
    ended = await processes.run("serve", *flags(world, **more), folder=world.folder)
    assert time.monotonic() - began < 3, "a second, and some for a busy machine"
    one_line(ended, code)
    assert path.read_bytes() == before
    assert "listening" not in ended.out
