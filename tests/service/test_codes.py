"""Codes: which route people bind by, and the parametric code of each open invite."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import Ear
from tests.world import Desktop, World
from wx.service import codes
from wx.simulator.world import QRCode
from wx.web import qr

CREATE = "/cgi-bin/qrcode/create"
TOKEN = "/cgi-bin/stable_token"


def said(ear: Ear) -> list[str]:
    """What the log says about the route."""
    return [line.partition(": ")[2] for line in ear.lines if line.startswith("wx.service.codes")]


def route(world: World) -> str:
    return world.server.services.codes.route


def code_of(world: World, invite: Mapping[str, Any]) -> QRCode:
    """The platform's code that an invite's page shows."""
    (found,) = (one for one in world.simulator.world.qr_codes.values() if one.url == invite["url"])
    return found


async def routes(desktop: Desktop, times: int = 1) -> list[str]:
    """By which route each of so many looks at the code lets people bind."""
    return [(await desktop.invite())["route"] for _ in range(times)]


# Which route


@pytest.mark.gen_test(timeout=20)
async def test_an_account_with_the_right_is_asked_once_and_people_bind_by_scan(
    world: World, ear: Ear
) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    await world.server.services.codes.find_out()
    assert route(world) == "scan"
    (probe,) = world.simulator.world.qr_codes.values()
    assert (probe.scene, probe.expires_at) == ("probe", world.clock.monotonic() + 60)
    assert await routes(desktop, 2) == ["scan"] * 2
    assert said(ear)[-1] == "people bind by scan: the account may make parametric codes"
    await world.server.services.codes.find_out()
    assert world.simulator.calls[CREATE] == 2, "the probe, and the code"


@pytest.mark.gen_test(timeout=20)
async def test_an_account_without_the_right_is_asked_once_and_people_bind_by_oauth(
    world: World, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.simulator.world.may_make_codes = False
    await world.open_webhook()
    desktop = await world.signed_in()
    assert await routes(desktop, 2) == ["oauth"] * 2
    world.clock.advance(3600)
    await world.server.services.codes.find_out()
    assert await routes(desktop) == ["oauth"]
    assert world.simulator.calls[CREATE] == 1 and route(world) == "oauth"
    (told,) = (line for line in said(ear) if "makes no parametric codes" in line)
    assert "people bind by oauth" in told and "48001" in told
    (level,) = {one.levelno for one in caplog.records if "makes no parametric" in one.message}
    assert level == logging.INFO, "nobody asked for more"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("keys", [{}, {"bind_route": "oauth"}])
async def test_without_a_webhook_people_bind_by_oauth(
    world: World, ear: Ear, keys: dict[str, str]
) -> None:
    ear.lines.clear()
    await world.reconfigure(**keys)
    desktop = await world.signed_in()
    assert await routes(desktop) == ["oauth"]
    assert world.simulator.calls[CREATE] == 0
    assert (said(ear) == []) is (keys == {"bind_route": "oauth"})


@pytest.mark.gen_test(timeout=20)
async def test_a_configured_route_is_taken_without_asking(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    assert await routes(await world.signed_in()) == ["oauth"]
    assert world.simulator.calls[CREATE] == 0
    await world.open_webhook(bind_route="scan")
    assert route(world) == "scan" and world.simulator.calls[CREATE] == 0
    assert await routes(await world.signed_in()) == ["scan"]
    assert world.simulator.calls[CREATE] == 1


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("errcode", [48001, 48004])
async def test_a_configured_scan_without_the_right_falls_back_for_good_and_warns(
    world: World, caplog: pytest.LogCaptureFixture, errcode: int
) -> None:
    world.simulator.faults.answer(CREATE, errcode=errcode)
    await world.open_webhook(bind_route="scan")
    desktop = await world.signed_in()
    assert await routes(desktop, 2) == ["oauth"] * 2
    world.clock.advance(61)
    assert await routes(desktop) == ["oauth"]
    assert world.simulator.calls[CREATE] == 1
    (told,) = (one for one in caplog.records if "makes no parametric codes" in one.message)
    assert told.levelno == logging.WARNING and str(errcode) in told.message


# Failures that pass


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("errcode", [-1, 45009, 41001, 40164, 40097, 61007])
async def test_a_probe_without_an_answer_is_repeated_after_a_minute(
    world: World, ear: Ear, errcode: int
) -> None:
    world.simulator.faults.answer(CREATE, errcode=errcode)
    await world.open_webhook()
    desktop = await world.signed_in()
    assert await routes(desktop, 3) == ["oauth"] * 3
    assert route(world) == "", "nothing is decided by that"
    world.clock.advance(59.9)
    assert await routes(desktop) == ["oauth"]
    assert world.simulator.calls[CREATE] == 1
    world.clock.advance(0.2)
    assert await routes(desktop) == ["scan"]
    assert route(world) == "scan"
    (told,) = (line for line in said(ear) if "no parametric code:" in line)
    assert str(errcode) in told and "for the next 60 s" in told


@pytest.mark.gen_test(timeout=20)
async def test_a_code_that_cannot_be_made_shows_the_other_route_for_a_minute(
    world: World,
) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    await world.server.services.codes.find_out()
    world.simulator.faults.answer(CREATE, errcode=-1)
    calls = world.simulator.calls[CREATE]
    invite = await desktop.invite()
    assert (invite["route"], invite["url"]) == ("oauth", invite["link"])
    world.clock.advance(59)
    assert await routes(desktop) == ["oauth"]
    assert world.simulator.calls[CREATE] == calls + 1
    world.clock.advance(2)
    again = await desktop.invite()
    assert (again["id"], again["route"]) == (invite["id"], "scan")
    assert again["link"] == invite["link"]


@pytest.mark.gen_test(timeout=20)
async def test_a_platform_that_says_nothing_holds_no_page_up(
    world: World, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    assert codes.MAKE_SECONDS < 3
    monkeypatch.setattr(codes, "MAKE_SECONDS", 0.05)
    world.simulator.faults.hang(CREATE)
    await world.open_webhook(bind_route="scan")
    desktop = await world.signed_in()
    began = asyncio.get_running_loop().time()
    assert await routes(desktop, 3) == ["oauth"] * 3
    assert asyncio.get_running_loop().time() - began < 2
    assert world.simulator.calls[CREATE] == 1, "it is not asked again within the minute"
    assert sum("no answer in time" in line for line in said(ear)) == 1
    monkeypatch.setattr(codes, "MAKE_SECONDS", 2.5)
    (making,) = world.server.services.codes._making.values()
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await making
    world.clock.advance(61)
    assert await routes(desktop) == ["scan"]


@pytest.mark.gen_test(timeout=20)
async def test_a_code_that_comes_late_is_shown_from_then_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "MAKE_SECONDS", 0.05)
    world.simulator.faults.delay(CREATE, 30)
    await world.open_webhook(bind_route="scan")
    desktop = await world.signed_in()
    assert await routes(desktop) == ["oauth"]
    (making,) = world.server.services.codes._making.values()
    world.simulator.faults.release()
    await making
    assert await routes(desktop, 2) == ["scan"] * 2
    assert world.simulator.calls[CREATE] == 1


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("errcode", [40164, 48001])
async def test_trouble_with_the_access_token_says_nothing_of_the_right_to_make_codes(
    world: World, errcode: int
) -> None:
    world.simulator.faults.answer(TOKEN, errcode=errcode, times=None)
    await world.open_webhook()
    desktop = await world.signed_in()
    assert await routes(desktop) == ["oauth"]
    assert route(world) == "" and world.simulator.calls[CREATE] == 0
    world.simulator.faults.clear()
    world.clock.advance(120)
    assert await routes(desktop) == ["scan"]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("keys", [{"bind_route": "scan"}, {}])
async def test_a_stop_ends_what_is_being_made_or_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, keys: dict[str, str]
) -> None:
    monkeypatch.setattr(codes, "MAKE_SECONDS", 0.05)
    monkeypatch.setattr("wx.timers.STOP_SECONDS", 0.05)
    world.simulator.faults.hang(CREATE)
    await world.open_webhook(**keys)
    assert await routes(await world.signed_in()) == ["oauth"]
    asked = world.server.services.codes
    (task,) = [*asked._making.values(), *([asked._probing] if asked._probing else [])]
    began = asyncio.get_running_loop().time()
    await world.server.stop()
    assert task.cancelled()
    assert asyncio.get_running_loop().time() - began < 2
    world.simulator.faults.clear()


# The codes


@pytest.mark.gen_test(timeout=20)
async def test_a_code_holds_the_invite_s_secret_and_ends_with_it(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    code = code_of(world, invite)
    assert code.scene == f"bind{invite['link'].rpartition('/')[2]}" and len(code.scene) == 47
    assert code.expires_at == world.clock.monotonic() + 600
    world.clock.advance(100)
    await world.restart_server()
    again = await desktop.invite()
    assert (again["id"], again["expires_in"]) == (invite["id"], 500)
    assert again["url"] != invite["url"], "another code for the same invite"
    assert code_of(world, again).expires_at == code.expires_at
    assert code_of(world, again).scene == code.scene


@pytest.mark.gen_test(timeout=20)
async def test_a_code_that_the_platform_ends_before_its_invite_is_made_anew(world: World) -> None:
    await world.open_webhook(bind_route="scan")
    short = {"ticket": "gQx", "expire_seconds": 60, "url": "http://weixin.qq.com/q/short"}
    world.simulator.faults.answer(CREATE, body=json.dumps(short))
    desktop = await world.signed_in()
    first = await desktop.invite()
    assert first["url"] == short["url"]
    world.clock.advance(59)
    assert (await desktop.invite())["url"] == short["url"]
    world.clock.advance(1)
    again = await desktop.invite()
    assert (again["id"], again["route"]) == (first["id"], "scan")
    assert code_of(world, again).scene == f"bind{first['link'].rpartition('/')[2]}"


@pytest.mark.gen_test(timeout=20)
async def test_many_tabs_cost_one_call(world: World) -> None:
    await world.open_webhook(bind_route="scan")
    desktop = await world.signed_in()
    await desktop.xsrf("/bind")
    calls = world.simulator.calls[CREATE]
    assert calls == 1
    world.clock.advance(1)
    token = await desktop.xsrf("/bind")
    fresh = await desktop.invite(fresh="1")
    assert world.simulator.calls[CREATE] == 2
    pages = await asyncio.gather(
        *(desktop.fetch("/bind") for _ in range(3)),
        *(desktop.post("/bind/invites", token=token, json_answer=True) for _ in range(3)),
        *(desktop.fetch(fresh["qr"], headers={"Accept": "image/*"}) for _ in range(3)),
    )
    assert {page.code for page in pages} == {200, 201}
    assert world.simulator.calls[CREATE] == 2


@pytest.mark.gen_test(timeout=20)
async def test_tabs_that_wait_at_the_same_time_share_one_call(world: World) -> None:
    world.simulator.faults.delay(CREATE, 30)
    await world.open_webhook()
    one, two = await world.signed_in("ann"), await world.signed_in("bob")
    looks = [asyncio.ensure_future(tab.fetch("/bind")) for tab in (one, one, two)]
    await world.simulator.called(CREATE)
    await asyncio.wait(looks, timeout=0.1)
    world.simulator.faults.clear()
    world.simulator.faults.release()
    assert [(await look).code for look in looks] == [200] * 3
    assert world.simulator.calls[CREATE] == 3, "one probe, and a code for each invite"


@pytest.mark.gen_test(timeout=20)
async def test_an_invite_that_is_over_has_no_code(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone = world.simulator.phone("li")
    await world.shown("li", phone.scan_and_follow(invite["url"]))
    calls = world.simulator.calls[CREATE]
    picture = await desktop.fetch(invite["qr"], headers={"Accept": "image/*"})
    assert picture.body.decode() == await qr.svg(invite["link"])
    assert world.simulator.calls[CREATE] == calls
    made = world.server.services.codes
    assert list(made._codes) == [invite["id"]]
    world.clock.advance(601)
    other = await (await world.signed_in("bob")).invite()
    assert list(made._codes) == [other["id"]], "and it is forgotten"


@pytest.mark.gen_test(timeout=20)
async def test_inside_wechat_nobody_needs_a_code(world: World) -> None:
    await world.open_webhook(bind_route="scan")
    desktop = await world.signed_in()
    desktop.headers["User-Agent"] += " MicroMessenger/8.0.50"
    assert (await desktop.invite())["route"] == "oauth"
    assert world.simulator.calls[CREATE] == 0
