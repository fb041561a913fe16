"""A site with its own users: its program makes accounts and codes, and sends to who is bound."""

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from tests.flows.program import Program
from tests.flows.test_readme_examples import Shell
from tests.web.test_invites import digits_of, opened
from tests.web.test_outbox import sent, settled
from tests.world import PASSWORD, World
from wx.simulator.app import Simulator

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
SCOPES = ("accounts:write", "invites:write", "notices:write", "notices:read", "bindings:read")


async def made(world: World, name: str = "shop-4711") -> str:
    """The key of a site that has made this account."""
    key = await world.key(*SCOPES, name="shop")
    answer = await world.ask("/api/v1/accounts", key=key, body={"name": name})
    assert answer.code == 201, answer.body
    return key


async def reached(world: World, key: str, name: str = "shop-4711") -> dict[str, Any]:
    """What became of a notice to it."""
    [put] = await sent(world, key, {"to": name, "text": "your order has left"})
    return await settled(world, key, put["id"], "sent", "delivered", "failed")


async def nobody_signs_in(world: World, name: str = "shop-4711") -> None:
    for password in (PASSWORD, "", name):
        assert (await world.desktop().log_in(name, password)).code == 401
        world.server.services.sessions._throttle._records.clear()
    assert world.rows("SELECT * FROM sessions") == []


@pytest.mark.gen_test(timeout=40)
async def test_an_account_that_a_program_made_is_bound_by_the_link_and_reached(
    world: World,
) -> None:
    await world.open_webhook(bind_route="oauth")
    key = await made(world)
    world.simulator.world.people["wang"].following = True
    invite = await opened(world, key, account="shop-4711")
    assert invite["route"] == "oauth"
    page = await world.simulator.phone("wang").bind(invite["url"])
    assert page.status == 200 and "shop-4711" in page.text
    frame = json.loads((await world.look(f"/view/{invite['view']}")).body)
    assert (frame["state"], frame["follower"]["nickname"]) == ("bound", "王小明🌻")
    answer = await world.ask("/api/v1/bindings/shop-4711", key=key)
    assert json.loads(answer.body)["bound"] is True
    assert (await reached(world, key))["state"] in ("sent", "delivered")
    await world.rest()
    assert "your order has left" in repr(world.simulator.world.people["wang"].chat)
    await nobody_signs_in(world)


@pytest.mark.gen_test(timeout=40)
async def test_and_by_one_scan_that_follows_and_binds(world: World) -> None:
    await world.open_webhook("safe")
    key = await made(world)
    invite = await opened(world, key, account="shop-4711")
    assert invite["route"] == "scan"
    assert await world.simulator.phone("li").scan_and_follow(invite["url"]) == "profile"
    [said] = await world.told("li")
    assert "shop-4711" in said.text
    frame = json.loads((await world.look(f"/view/{invite['view']}")).body)
    assert frame["state"] == "bound"
    assert (await reached(world, key))["state"] in ("sent", "delivered")
    assert "your order has left" in repr(await world.told("li", 2))
    await nobody_signs_in(world)


@pytest.mark.gen_test(timeout=40)
async def test_the_digits_go_by_the_program_also_for_a_scan(world: World) -> None:
    await world.open_webhook(bind_confirm="desktop")
    key = await made(world)
    invite = await opened(world, key, account="shop-4711")
    assert await world.simulator.phone("li").scan_and_follow(invite["url"]) == "profile"
    [said] = await world.told("li")
    digits = re.search(r"\d{6}", said.text)
    assert digits and world.rows("SELECT * FROM bindings") == []
    path = f"/api/v1/invites/{invite['id']}/confirm"
    done = await world.ask(path, key=key, body={"code": digits[0]})
    assert done.code == 200, done.body
    assert (await reached(world, key))["state"] in ("sent", "delivered")
    link = await opened(world, key, account="bob")
    page = await world.simulator.phone("wang").bind(link["link"])
    assert len(await digits_of(page)) == 6


@pytest.mark.gen_test(timeout=40)
async def test_a_revoked_key_s_code_binds_nobody_by_the_scan_either(world: World) -> None:
    await world.open_webhook()
    key = await made(world)
    invite = await opened(world, key, account="shop-4711")
    await world.server.services.api_keys.revoke("shop")
    await world.simulator.phone("li").scan_and_follow(invite["url"])
    await world.rest()
    assert world.rows("SELECT * FROM bindings") == []
    assert "shop-4711" not in repr(world.simulator.world.people["li"].chat)


# The README


@pytest.fixture
def simulator(io_loop: IOLoop) -> Iterator[Simulator]:
    running = Simulator()
    io_loop.run_sync(running.start)
    yield running
    io_loop.run_sync(running.stop)


@pytest.mark.gen_test(timeout=60)
async def test_the_examples_do_what_the_readme_says(simulator: Simulator, tmp_path: Path) -> None:
    chapter = README.split("\n## A site with its own users\n", 1)[1].split("\n## ", 1)[0]
    examples = re.findall(r"^```(\w+)\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL)
    told = [json.loads(text) for language, text in examples if language == "json"]
    program = Program(tmp_path, simulator)
    await asyncio.to_thread(program.start)
    try:
        shell = Shell(program, tmp_path)
        printed = []
        for language, text in examples:
            if language == "sh" and (shutil.which("curl") or "curl" not in text):
                printed.append(await shell.run(language, text))
        key = (tmp_path / "shop.key").read_text().strip() if printed else "wx_"
        if printed:
            invite = json.loads(printed[-1])
            assert set(invite) == set(told[0])
            assert (await simulator.phone("wang").bind(invite["url"])).status == 200
            frame = await asyncio.to_thread(_read, invite["state"])
            assert set(frame) == set(told[1])
            assert (frame["state"], set(frame["follower"])) == ("bound", {"nickname", "avatar"})
            assert invite["view"] not in program.log.read_text()
        assert key not in program.log.read_text()
    finally:
        if program.process:
            program.process.terminate()
            program.process.wait(20)
            assert program.process.stdout
            program.process.stdout.close()


def _read(address: str) -> dict[str, Any]:
    import urllib.request

    with urllib.request.urlopen(address, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
