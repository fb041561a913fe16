"""Signing in by scan, over real sockets, from the login page to the notice that takes it back."""

import re

import pytest

from tests.service import scanning
from tests.world import World


@pytest.mark.gen_test(timeout=30)
async def test_scanned_confirmed_signed_in_told_and_taken_back(world: World) -> None:
    await world.bound("ann", "wang")
    desktop = world.desktop()
    assert "data-scan" in (await desktop.fetch("/login")).body.decode()
    made = await scanning.code(desktop)
    assert made["route"] == "oauth"
    socket = await scanning.live(desktop, made)
    assert (await socket.frame() or {})["state"] == "waiting"

    question = await scanning.scan(world, made)
    assert question.status == 200, question.text
    assert all(
        word in question.text for word in ("Example", "ann", made["number"], "Chrome, Linux")
    )
    assert (await socket.frame() or {})["state"] == "scanned"
    assert (await scanning.say(world, question)).status == 200
    assert (await socket.frame() or {})["state"] == "confirmed"

    assert "session" not in desktop.cookies
    answer = await scanning.enter(desktop, made)
    assert (answer.code, answer.headers["Location"]) == (303, "/bind")
    assert "as ann" in (await desktop.fetch("/bind")).body.decode()
    assert (await socket.frame() or {})["state"] == "entered"

    path = await scanning.not_me(world)
    phone = world.simulator.phone("wang")
    asked = await phone.open(world.base + path)
    assert "ann" in asked.text and "Chrome, Linux" in asked.text
    over = await phone.submit(asked)
    assert over.status == 200, over.text
    assert (await desktop.fetch("/bind")).headers["Location"] == "/login"
    again = await phone.open(world.base + path)
    assert again.status == 410


@pytest.mark.gen_test(timeout=30)
async def test_by_the_scan_route_the_chat_asks(world: World) -> None:
    await world.open_webhook("safe")
    desk = await world.bound("ann", "wang")
    await desk.post("/logout")
    desktop = world.desktop()
    made = await scanning.code(desktop)
    assert made["route"] == "scan"
    socket = await scanning.live(desktop, made)
    codes = world.simulator.world.qr_codes.values()
    (code,) = (one for one in codes if one.scene.startswith("login"))
    phone = world.simulator.phone("wang")
    (said,) = await world.shown("wang", phone.scan_and_follow(code.url))
    assert all(word in said.text for word in ("Example", "ann", made["number"]))
    found = re.search(r'href="([^"]+/s/[^"]+)"', said.text)
    assert found, said.text
    await socket.until("scanned")
    page = await phone.open(found[1])
    assert (await phone.submit(page, 0, "yes")).status == 200
    await socket.until("confirmed")
    assert (await scanning.enter(desktop, made)).code == 303
    assert (await desktop.fetch("/bind")).code == 200
    path = await scanning.not_me(world)
    assert (await phone.submit(await phone.open(world.base + path))).status == 200
    assert (await desktop.fetch("/bind")).code == 303
