"""The verb ``send`` as an operator meets it: beside a running server, and alone."""

import asyncio
import json
import re
import sys
import time
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from tests import processes
from tests.processes import Ended
from tests.test_readme import chapter
from tests.verbs.steps import flags, names, one_line
from tests.world import World
from wx.verbs import send as verb

TEMPLATE = "/cgi-bin/message/template/send"


@pytest.fixture
def world(world: World, io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world in the time of the processes that are started beside it."""
    monkeypatch.setattr(world.clock, "now", time.time)
    monkeypatch.setattr(world.clock, "monotonic", time.monotonic)
    io_loop.run_sync(world.reconfigure)
    return world


async def send(world: World, *words: str, given: bytes = b"", **keys: str) -> Ended:
    return await processes.run(
        "send", *words, *flags(world, **keys), folder=world.folder, given=given
    )


def lines(ended: Ended) -> list[str]:
    """What was printed, without the id, which is the same in each line."""
    found = [line.split(" ", 1) for line in ended.out.splitlines()]
    assert len({name for name, _ in found}) == 1
    assert re.fullmatch(r"[0-9A-Za-z]{22}", found[0][0])
    return [rest for _, rest in found]


@pytest.mark.gen_test(timeout=60)
async def test_a_text_is_kept_and_the_running_server_sends_it(world: World) -> None:
    await world.bound()
    await world.told("wang")
    sent = await send(world, "ANN", "backup finished")
    assert (sent.code, sent.err, lines(sent)) == (0, "", ["ann queued -"])
    told = (await world.told("wang", 2))[-1]
    assert "backup finished" in dict(told.fields).values()
    [row] = world.rows("SELECT * FROM outbox WHERE origin = 'send'")
    assert row["id"] == sent.out.split()[0] and row["text"] == "backup finished"


@pytest.mark.gen_test(timeout=60)
async def test_wait_prints_each_change_until_the_receipt(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    await world.bound()
    waited = await send(world, "--wait", "ann", "hello")
    assert (waited.code, waited.err) == (0, "")
    first, *more = lines(waited)
    assert first == "ann queued -" and more[-1] == "ann delivered template"
    assert len(set(more)) == len(more)


@pytest.mark.gen_test(timeout=60)
async def test_a_receipt_that_does_not_come_is_said_and_it_is_sent_all_the_same(
    world: World,
) -> None:
    await world.open_webhook(bind_route="oauth")
    await world.bound()
    await world.told("wang")
    world.simulator.pushes.receipt_status = ""
    waited = await send(world, "ann", "hello", "--wait", "2")
    assert waited.code == 0 and lines(waited)[-1] == "ann sent template"
    assert "no receipt" in waited.err
    await world.reconfigure()  # without a webhook none can come, and none is waited for
    short = await send(world, "ann", "hello", "--wait", "15")
    assert (short.code, short.err, lines(short)[-1]) == (0, "", "ann sent template")


@pytest.mark.gen_test(timeout=60)
async def test_what_fails_is_said_with_what_to_do(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    await world.bound()
    await world.told("wang")
    world.simulator.pushes.receipt_status = "failed:user block"
    failed = await send(world, "ann", "hello", "--wait=10")
    assert lines(failed)[-1] == "ann failed template"
    assert "blocked" in one_line(failed, 1)
    again = await send(world, "ann", "hello")
    assert lines(again) == ["ann failed -"], "nobody is asked once more"
    assert "blocked" in one_line(again, 1)


@pytest.mark.gen_test(timeout=60)
async def test_what_has_not_left_in_time_is_1_and_may_leave_later(world: World) -> None:
    await world.bound()
    await world.told("wang")
    world.simulator.faults.drop(TEMPLATE, 1000)
    late = await send(world, "ann", "hello", "--wait", "1.5")
    assert "1.5 seconds" in one_line(late, 1)
    assert lines(late)[0] == "ann queued -"


@pytest.mark.gen_test(timeout=60)
async def test_without_a_server_it_is_kept_and_leaves_once_one_runs(world: World) -> None:
    await world.bound()
    await world.told("wang")
    await world.server.stop()
    kept = await send(world, "ann", "hello")
    assert lines(kept) == ["ann queued -"]
    assert "no server is running" in one_line(kept, 0)
    await world.start_server(**world.keys)
    assert "hello" in dict((await world.told("wang", 2))[-1].fields).values()


@pytest.mark.gen_test(timeout=60)
async def test_standard_input_a_link_and_a_channel(world: World) -> None:
    await world.bound()
    text = "第一行\nsecond line\n"
    piped = await send(
        world,
        *("ann", "-", "--url", f"{world.base}/bind", "--channel", "custom", "--expires-in=60"),
        given=text.encode(),
        public_url=world.base,
    )
    assert piped.code == 0, piped.err
    [row] = world.rows("SELECT * FROM outbox WHERE origin = 'send'")
    assert (row["text"], row["wish"]) == ("第一行\nsecond line", "custom")
    assert row["url"] == f"{world.base}/bind"
    assert row["expires_at"] - row["created_at"] == 60
    broken = await send(world, "ann", "-", given="中文".encode("gbk"))
    assert "not UTF-8" in one_line(broken, 1)
    endless = await send(world, "ann", "-", given=b"x" * 100_000)
    assert "10,000 characters" in one_line(endless, 1)


@pytest.mark.gen_test(timeout=60)
async def test_a_template_with_its_fields(world: World) -> None:
    await world.bound()
    await world.told("wang")
    data = json.dumps({"thing1": "disk full", "time2": "2026-11-21 17:00"})
    sent = await send(world, "ann", "--template", world.simulator.template_id, "--data", data)
    assert (sent.code, lines(sent)) == (0, ["ann queued -"]), sent.err
    told = (await world.told("wang", 2))[-1]
    assert "disk full" in dict(told.fields).values()
    await world.server.services.templates.refresh_if_due()
    assert world.rows("SELECT * FROM templates")
    for template, fields, said in (
        ("nonsense", data, "no template with this id"),
        (world.simulator.template_id, '{"thing1": "x", "thing9": "y"}', "thing9"),
    ):
        refused = await send(world, "ann", "--template", template, "--data", fields)
        assert said in one_line(refused, 1)
    for wrong in ("{", "[]", '{"thing1": 1}', "[" * 100_000, "NaN"):
        words = ("ann", "--template", "T", "--data", wrong)
        assert "--data" in one_line(await send(world, *words), 2)


@pytest.mark.gen_test(timeout=60)
async def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    await world.bound()
    await world.told("wang")
    before = len(world.rows("SELECT * FROM outbox")), world.simulator.calls.total()
    tried = await send(world, "ann", "a text that no field of a template can hold", "--dry-run")
    assert (tried.code, tried.err) == (0, "")
    first, *rest = tried.out.splitlines()
    assert first == "ann template (outside-window)"
    fields = dict(line.strip().split(": ", 1) for line in rest[:-1])
    assert len(fields["thing1"]) == 20 and fields["thing1"].endswith("…") and "time2" in fields
    assert "whole text" in rest[-1]
    await world.simulator.phone("wang").say("hello")
    await world.simulator.pushes.settled()
    chat = await send(world, "ann", "one\ntwo", "--dry-run")
    assert chat.out == "ann custom (window)\n  one\n  two\n"
    for name, word in (("bob", "not bound"), ("nobody", "no such account")):
        refused = one_line(await send(world, name, "hello", "--dry-run"), 1)
        assert name in refused and word in refused
    nobody_wrote = [one for one in world.rows("SELECT origin FROM outbox") if one[0] == "send"]
    assert nobody_wrote == [] and before[1] <= world.simulator.calls.total()


@pytest.mark.gen_test(timeout=60)
async def test_what_is_refused_is_one_line_with_what_to_do_and_1(world: World) -> None:
    await world.bound()
    for words, said in (
        (("nobody", "hello"), "nobody"),
        (("no\nbody", "hello"), "no body"),
        (("bob", "hello"), "bob"),
        (("ann", "  "), "empty"),
        (("ann", "hello", "--url", "https://evil.example/"), "notice_url_hosts"),
        (("ann", "hello", "--expires-in", "nan"), "30 days"),
    ):
        assert said in one_line(await send(world, *words), 1), words
    assert world.rows("SELECT * FROM outbox WHERE origin = 'send'") == []


@pytest.mark.gen_test(timeout=60)
async def test_before_the_first_start_there_is_nobody_to_send_to(tmp_path: Path) -> None:
    ended = await processes.run("send", "ann", "hello", "--app-id=wx_mine", folder=tmp_path)
    assert "ann" in one_line(ended, 1)
    nothing = await processes.run("send", "ann", "hello", folder=tmp_path)
    assert one_line(nothing, 2) == "wxbind: app_id: is required"


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["ann"],
        ["ann", "hello", "more"],
        ["ann", "hello", "--template", "T", "--data", "{}"],
        ["ann", "--template", "T"],
        ["ann", "--data", "{}"],
        ["ann", "hello", "--channel", "pigeon"],
        ["ann", "hello", "--expires-in", "soon"],
        ["--wait"],
        ["ann", "hello", "--wait", "nan"],
        ["ann", "hello", "--wait=-1"],
    ],
)
async def test_wrong_use_is_2_and_leaves_nothing(tmp_path: Path, words: list[str]) -> None:
    one_line(await processes.run("send", *words, "--app-id=wx_mine", folder=tmp_path), 2)
    assert names(tmp_path) == []


@pytest.mark.gen_test(timeout=60)
async def test_many_at_once_are_all_kept_in_their_order_for_one_person(world: World) -> None:
    await world.bound()
    await world.told("wang")
    ended = await asyncio.gather(*(send(world, "ann", f"number {one}") for one in range(5)))
    assert [one.code for one in ended] == [0] * 5
    assert len({one.out.split()[0] for one in ended}) == 5
    told = await world.told("wang", 6)
    kept = [row["text"] for row in world.rows("SELECT text FROM outbox ORDER BY number")][1:]
    assert [next(iter(dict(one.fields).values())) for one in told[1:]] == kept


@pytest.mark.gen_test(timeout=60)
async def test_the_readme_s_examples_work(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    await world.bound()
    (block,) = re.findall(r"```sh\n(.*?)```", chapter("Sending"), re.DOTALL)
    assert block.count("wxbind send") == 5
    program = world.folder / "wxbind"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {processes.ROOT / "server.py"} "$@"\n')
    program.chmod(0o755)
    environ = {f"WXBIND_{name.upper()}": value for name, value in world.keys.items()}
    script = block.replace("https://wx.example.com", world.base)
    script = script.replace("TEMPLATE_ID", world.simulator.template_id)
    ran = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-c", script),
        cwd=world.folder,
        env={"PATH": f"{world.folder}:/usr/bin:/bin"} | environ | {"WXBIND_PUBLIC_URL": world.base},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await ran.communicate()
    assert (ran.returncode, err) == (0, b"")
    printed = out.decode().splitlines()
    assert sum(line.endswith("ann queued -") for line in printed) == 4
    assert any(line.endswith("ann delivered template") for line in printed)
    assert "ann template (outside-window)" in printed


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize(
    "words",
    [
        ("ann", "--wait", "0", "hello"),
        ("ann", "--channel", "template", "hello"),
        ("--expires-in", "60", "ann", "hello"),
        ("ann", "hello", "--expires-in", "60"),
    ],
)
async def test_options_may_stand_anywhere(world: World, words: tuple[str, ...]) -> None:
    await world.bound()
    done = await send(world, *words)
    assert " ann queued " in done.out, done


@pytest.mark.parametrize(
    ("words", "spelled"),
    [
        (["--wait", "ann", "hi"], ["--wait=60", "ann", "hi"]),
        (["--wait", "3", "ann", "hi"], ["--wait", "3", "ann", "hi"]),
        (["ann", "hi", "--wait"], ["ann", "hi", "--wait=60"]),
        (["--wait", "3", "--wait", "ann"], ["--wait", "3", "--wait=60", "ann"]),
        (["ann", "--", "--wait"], ["ann", "--", "--wait"]),
        (["ann", "hi"], ["ann", "hi"]),
    ],
)
def test_a_bare_wait_gets_its_seconds_and_a_text_that_looks_like_one_stays(
    words: list[str], spelled: list[str]
) -> None:
    assert verb.spelled_out(words) == spelled
