"""Scans: one scan of a parametric code follows and binds."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.steps import TEMPLATE, bindings, history
from tests.world import PASSWORD, Desktop, World
from wx.store.database import Database

ANY = """
[[replies]]
on = "scan"
reply = "by rule {EventKey}"
[[replies]]
on = "subscribe"
reply = "by rule {EventKey}"
[[replies]]
on = "any"
reply = "by rule"
"""
BOUND = re.compile(
    r'已绑定 Example 的账号 ann。\n<a href="(?P<undo>http://[^"]+/undo/[0-9A-Za-z]{43})">.+</a>\n.+'
)


def secret_of(invite: Mapping[str, Any]) -> str:
    return str(invite["link"]).rpartition("/")[2]


async def scans(world: World, invite: Mapping[str, Any], person: str = "li") -> str:
    """What the chat says to somebody who scans an invite's code, following where that is needed."""
    assert invite["route"] == "scan", invite
    phone = world.simulator.phone(person)
    shown = await world.shown(person, phone.scan_and_follow(invite["url"]))
    (answer,) = (message for message in shown if message.kind == "text")
    return answer.text


async def scene(
    world: World, scene: str, person: str = "li", *, follows: bool = False, **fields: Any
) -> str:
    """What the event of a scan is answered with, whether or not there is such a code."""
    world.clock.advance(1)
    if follows:
        event = world.event("SCAN", person, EventKey=scene, Ticket="gQx", **fields)
    else:
        event = world.event("subscribe", person, EventKey=f"qrscene_{scene}", Ticket="gQx")
    return str((await world.answer(event)).get("Content", ""))


async def digits_in(said: str) -> str:
    found = re.search(r"\d{6}", said)
    assert found, said
    return found[0]


# Bound by one scan


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("person", "mode"), [("li", "safe"), ("wang", "plain")])
async def test_one_scan_binds_says_to_which_account_and_changes_the_page(
    world: World, person: str, mode: str
) -> None:
    await world.open_webhook(mode)
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    assert (await socket.frame() or {})["state"] == "waiting"
    said = await scans(world, invite, person)
    assert BOUND.fullmatch(said)
    frame = await socket.frame()
    assert frame is not None and frame["state"] == "bound", "and nothing in between"
    assert bindings(world) == [("ann", person)]
    assert history(world) == [("bound", "scan", "ann")]
    (row,) = world.rows("SELECT * FROM binding_events")
    assert (row["network"], row["browser"]) == ("127.0.0.0/24", "Chrome, Linux")
    await world.rest()
    assert world.simulator.calls[TEMPLATE] == 0, "the answer tells it already"
    page = (await desktop.fetch("/bind")).body.decode()
    assert 'data-state="bound"' in page
    assert (await desktop.state(invite))["state"] == "bound"


@pytest.mark.gen_test(timeout=20)
async def test_the_scan_is_answered_in_the_language_of_the_phone_once_that_is_known(
    world: World,
) -> None:
    await world.open_webhook("safe")
    phone = world.simulator.phone("zhang")
    await phone.follow()
    await world.rest()
    said = await scans(world, await (await world.signed_in()).invite(), "zhang")
    assert said.startswith("Bound to ann of Example.") and "This was a mistake: undo" in said


@pytest.mark.gen_test(timeout=20)
async def test_the_scene_may_come_with_either_event_and_an_old_ticket(world: World) -> None:
    await world.open_webhook()
    one, two = await world.signed_in("ann"), await world.signed_in("bob")
    first, second = await one.invite(), await two.invite()
    assert "ann" in await scene(world, f"bind{secret_of(first)}", "li", follows=True)
    assert "bob" in await scene(world, f"bind{secret_of(second)}", "zhang")
    assert bindings(world) == [("ann", "li"), ("bob", "zhang")]


# The undo link


@pytest.mark.gen_test(timeout=20)
async def test_the_undo_link_in_the_chat_works_once_and_stands_nowhere_in_the_data(
    world: World, ear: Ear
) -> None:
    await world.open_webhook("safe")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    found = BOUND.fullmatch(await scans(world, invite))
    assert found
    link = found["undo"]
    assert link.startswith(f"{world.base}/undo/")
    undo = link.rpartition("/")[2]
    await world.restart_server()
    event = world.event("SCAN", "li", EventKey=f"bind{secret_of(invite)}", Ticket="gQx")
    for _ in range(2):
        assert undo in str((await world.answer(event))["Content"]), "also to a repeat"
    stored = b"".join(path.read_bytes() for path in sorted((world.folder / "data").iterdir()))
    assert any(Path(path).suffix == ".db-wal" for path in (world.folder / "data").iterdir())
    for planted in (undo, secret_of(invite), f"bind{secret_of(invite)}"):
        assert planted.encode() not in stored
    assert b"{secret}" in stored, "its place is kept"
    assert not ear.leaks({undo, secret_of(invite)})
    phone = world.simulator.phone("li")
    question = await phone.open(link)
    assert question.status == 200 and "ann" in question.text
    assert bindings(world) == [("ann", "li")]
    assert (await phone.submit(question)).status == 200
    assert bindings(world) == []
    assert history(world)[-1] == ("ended", "undo", "the phone")
    assert (await phone.open(link)).status == 410
    page = (await desktop.fetch("/bind")).body.decode()
    assert "The binding was ended on the phone." in page


@pytest.mark.gen_test(timeout=20)
async def test_the_undo_link_is_good_for_a_day(world: World) -> None:
    await world.open_webhook()
    found = BOUND.fullmatch(await scans(world, await (await world.signed_in()).invite()))
    assert found
    phone = world.simulator.phone("li")
    world.clock.advance(86399)
    assert (await phone.open(found["undo"])).status == 200
    world.clock.advance(2)
    assert (await phone.open(found["undo"])).status == 410


@pytest.mark.gen_test(timeout=20)
async def test_who_scans_a_day_later_gets_no_link_that_is_dead(world: World) -> None:
    await world.open_webhook(invite_seconds="3600")
    desktop = await world.signed_in()
    first = await desktop.invite()
    await scans(world, first)
    world.clock.advance(86401)
    event = await scene(world, f"bind{secret_of(first)}", follows=True)
    assert event == "已绑定 Example 的账号 ann。"
    desktop = await world.signed_in()
    again = await desktop.invite(password=PASSWORD)
    assert await scans(world, again) == "已绑定 Example 的账号 ann。", "by that nothing changed"
    assert history(world) == [("bound", "scan", "ann")]


# Scanned again, and by others


@pytest.mark.gen_test(timeout=20)
async def test_the_same_person_again_is_told_the_same_and_another_that_it_is_used(
    world: World,
) -> None:
    await world.open_webhook()
    invite = await (await world.signed_in()).invite()
    first = await scans(world, invite, "li")
    for _ in range(2):
        world.clock.advance(1)
        assert await scans(world, invite, "li") == first
    said = await scans(world, invite, "wang")
    assert said.startswith("这个二维码已用过") and "/undo/" not in said
    assert bindings(world) == [("ann", "li")]
    assert history(world) == [("bound", "scan", "ann")]


@pytest.mark.gen_test(timeout=20)
async def test_who_has_undone_a_binding_does_not_get_it_back_by_the_same_code(
    world: World,
) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    await scans(world, invite, "li")
    await desktop.post("/bind/remove")
    await world.delivered()
    world.clock.advance(1)
    assert "已用过" in await scans(world, invite, "li")
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_code_that_bound_another_is_used_also_for_who_is_bound_now(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    first = await desktop.invite()
    await scans(world, first, "li")
    await desktop.post("/bind/remove")
    await scans(world, await desktop.invite(), "wang")
    assert bindings(world) == [("ann", "wang")]
    world.clock.advance(1)
    said = await scans(world, first, "wang")
    assert "已用过" in said and "/undo/" not in said


@pytest.mark.gen_test(timeout=20)
async def test_a_wechat_that_is_bound_elsewhere_is_taken(world: World) -> None:
    await world.open_webhook()
    await scans(world, await (await world.signed_in("ann")).invite(), "li")
    bob = await world.signed_in("bob")
    invite = await bob.invite()
    socket = await bob.live(invite)
    said = await scans(world, invite, "li")
    assert "已绑定其他账号" in said and "ann" not in said and "/undo/" not in said
    frame = await socket.until("taken")
    assert frame["follower"] is None
    assert bindings(world) == [("ann", "li")]
    world.clock.advance(1)
    assert "已失效" in await scans(world, invite, "wang"), "the code is over by that"


@pytest.mark.gen_test(timeout=20)
async def test_an_account_that_got_bound_meanwhile_is_not_bound_twice(world: World) -> None:
    await world.open_webhook()
    one, two = await world.signed_in(), await world.signed_in()
    first, second = await one.invite(), await two.invite()
    await scans(world, first, "li")
    said = await scans(world, second, "wang")
    assert "已绑定其他微信" in said
    assert bindings(world) == [("ann", "li")]


@pytest.mark.gen_test(timeout=20)
async def test_replacing_takes_the_password_and_tells_the_one_before(world: World) -> None:
    await world.open_webhook()
    desktop = await world.bound("ann", "wang")
    await world.told("wang")
    invite = await desktop.invite(password=PASSWORD)
    said = await scans(world, invite, "li")
    assert BOUND.fullmatch(said)
    assert bindings(world) == [("ann", "li")]
    assert history(world) == [
        ("bound", "oauth", "ann"), ("ended", "replaced", "ann"), ("bound", "scan", "ann"),
    ]  # fmt: skip
    told = (await world.told("wang", 2))[-1]
    assert "ann" in dict(told.fields)["内容"] and told.url == ""
    await world.rest()
    assert world.simulator.calls[TEMPLATE] == 2


@pytest.mark.gen_test(timeout=20)
async def test_of_many_who_scan_at_once_one_is_bound(world: World) -> None:
    await world.open_webhook()
    invite = await (await world.signed_in()).invite()
    events = [
        world.event("SCAN", person, EventKey=f"bind{secret_of(invite)}", Ticket="gQx")
        for person in ("wang", "li", "zhang")
    ]
    answers = await asyncio.gather(*(world.answer(event) for event in events))
    said = [str(answer["Content"]) for answer in answers]
    assert sum("/undo/" in text for text in said) == 1
    assert sum("已用过" in text for text in said) == 2
    assert len(bindings(world)) == 1


# Codes that are over, or never were


@pytest.mark.gen_test(timeout=20)
async def test_a_code_that_is_over_binds_nobody(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    world.clock.advance(600)
    assert "已失效" in await scene(world, f"bind{secret_of(invite)}", follows=True)
    refreshed = await desktop.invite(fresh="1")
    newer = await desktop.invite(fresh="1")
    assert secret_of(newer) != secret_of(refreshed)
    assert "已失效" in await scene(world, f"bind{secret_of(refreshed)}", follows=True)
    assert "已失效" in await scene(world, f"bind{'b' * 43}", follows=True)
    assert bindings(world) == []
    assert "ann" in await scene(world, f"bind{secret_of(newer)}", follows=True)


@pytest.mark.gen_test(timeout=20)
async def test_one_second_before_its_end_a_code_binds(world: World) -> None:
    await world.open_webhook()
    invite = await (await world.signed_in()).invite()
    world.clock.advance(598)
    assert "ann" in await scene(world, f"bind{secret_of(invite)}")


@pytest.mark.gen_test(timeout=20)
async def test_the_end_of_the_session_or_of_the_account_ends_its_code(world: World) -> None:
    await world.open_webhook()
    one, two = await world.signed_in("ann"), await world.signed_in("bob")
    first, second = await one.invite(), await two.invite()
    await one.post("/logout")
    assert "已失效" in await scene(world, f"bind{secret_of(first)}")
    await disable(world, "bob")
    assert "已失效" in await scene(world, f"bind{secret_of(second)}")
    assert bindings(world) == []


async def disable(world: World, name: str) -> None:
    """Disable an account as the command line does."""
    from wx.service.accounts import Accounts
    from wx.service.passwords import Passwords

    hasher = Passwords()
    try:
        async with await Database.open(world.folder / "data" / "wxbind.db") as store:
            await Accounts(store, world.clock, hasher).disable(name)
    finally:
        hasher.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_refused_code_binds_nobody(world: World) -> None:
    await world.open_webhook()
    invite = await (await world.signed_in()).invite()
    phone = world.simulator.phone("wang")
    page = await phone.open(invite["link"])
    await phone.submit(page, button="This is not me" if "This is not me" in page.text else "不是我")
    assert "已失效" in await scene(world, f"bind{secret_of(invite)}")
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_scene_of_the_operator_s_own_is_left_to_the_rules(world: World) -> None:
    await world.open_webhook(rules=ANY)
    invite = await (await world.signed_in()).invite()
    code = secret_of(invite)
    for scene_of in (
        "desk_1", "bind", "bind_7f3a", f"bind{code[:-1]}", f"bind{code}x", f"Bind{code}",
        f"bind {code}", code, f"xbind{code}", "probe", "1",
    ):  # fmt: skip
        assert await scene(world, scene_of, follows=True) == f"by rule {scene_of}"
        assert await scene(world, scene_of) == f"by rule qrscene_{scene_of}"
    assert bindings(world) == []
    (state,) = {row["state"] for row in world.rows("SELECT state FROM invites")}
    assert state == "waiting"


@pytest.mark.gen_test(timeout=20)
async def test_a_text_or_a_button_with_a_scene_in_it_is_no_scan(world: World) -> None:
    await world.open_webhook(rules=ANY)
    scanned = f"bind{secret_of(await (await world.signed_in()).invite())}"
    for post in (
        world.text(scanned),
        world.text(scanned, EventKey=scanned),
        world.event("CLICK", EventKey=scanned),
        world.event("VIEW", EventKey=scanned),
        world.event("subscribe", EventKey=scanned),
        world.event("SCAN", EventKey=f"qrscene_{scanned}"),
        world.event("unsubscribe", EventKey=f"qrscene_{scanned}"),
    ):
        await world.answer(post)
    assert bindings(world) == []


# With six digits


async def asked(world: World, person: str = "li") -> tuple[Desktop, dict[str, Any], str]:
    """A desktop whose code was scanned, and the digits that the chat shows."""
    await world.open_webhook("safe", bind_confirm="desktop")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    return desktop, invite, await digits_in(await scans(world, invite, person))


async def types(desktop: Desktop, invite: Mapping[str, Any], code: str) -> int:
    answer = await desktop.post("/bind/confirm", json_answer=True, id=invite["id"], code=code)
    return answer.code


@pytest.mark.gen_test(timeout=20)
async def test_with_digits_a_scan_alone_binds_nobody_and_the_typed_digits_do(
    world: World, ear: Ear
) -> None:
    desktop, invite, digits = await asked(world)
    socket = await desktop.live(invite)
    frame = await socket.frame()
    assert frame is not None and frame["state"] == "scanned" and frame["confirm"]
    assert bindings(world) == []
    await world.restart_server()
    event = world.event("SCAN", "li", EventKey=f"bind{secret_of(invite)}", Ticket="gQx")
    for _ in range(2):
        assert digits in str((await world.answer(event))["Content"])
    stored = b"".join(
        path.read_bytes() for path in (world.folder / "data").iterdir() if path.name != "server.key"
    )
    assert f">{digits}<".encode() not in stored and f"：{digits}".encode() not in stored
    assert not ear.leaks({digits})
    other = await digits_in(f"{(int(digits) + 1) % 1_000_000:06}")
    assert await types(desktop, invite, other) == 403
    assert bindings(world) == []
    assert await types(desktop, invite, f" {digits[:3]} {digits[3:]}") == 200
    assert bindings(world) == [("ann", "li")]
    assert history(world) == [("bound", "scan", "ann")]
    told = (await world.told("li", 2))[-1]
    assert told.kind == "template" and "/undo/" in told.url


@pytest.mark.gen_test(timeout=20)
async def test_three_wrong_tries_end_the_code(world: World) -> None:
    desktop, invite, digits = await asked(world)
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    assert [await types(desktop, invite, wrong) for _ in range(3)] == [403] * 3
    assert await types(desktop, invite, digits) in (403, 410)
    assert bindings(world) == []
    world.clock.advance(1)
    assert "已失效" in await scans(world, invite)


@pytest.mark.gen_test(timeout=20)
async def test_while_digits_are_awaited_the_same_person_is_shown_the_same_and_no_other(
    world: World,
) -> None:
    desktop, invite, digits = await asked(world, "li")
    world.clock.advance(1)
    assert digits in await scans(world, invite, "li")
    said = await scans(world, invite, "wang")
    assert "已用过" in said and not re.search(r"\d{6}", said)
    assert await types(desktop, invite, digits) == 200
    assert bindings(world) == [("ann", "li")]
    await world.delivered()
    world.clock.advance(1)
    again = await scans(world, invite, "li")
    assert BOUND.fullmatch(again)


@pytest.mark.gen_test(timeout=20)
async def test_digits_are_good_for_five_minutes_and_then_the_next_scan_gives_others(
    world: World,
) -> None:
    desktop, invite, digits = await asked(world, "li")
    world.clock.advance(301)
    assert await types(desktop, invite, digits) == 410
    newer = await digits_in(await scans(world, invite, "wang"))
    if newer != digits:
        assert await types(desktop, invite, digits) == 403
    assert await types(desktop, invite, newer) == 200
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_another_scan_brings_no_more_tries(world: World) -> None:
    desktop, invite, digits = await asked(world, "li")
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    assert [await types(desktop, invite, wrong) for _ in range(2)] == [403] * 2
    world.clock.advance(301)
    digits = await digits_in(await scans(world, invite, "wang"))
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    assert await types(desktop, invite, wrong) == 403
    assert (await desktop.state(invite))["state"] == "refused"
    assert await types(desktop, invite, digits) == 410
    world.clock.advance(1)
    assert "已失效" in await scans(world, invite, "li")
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_no_more_than_a_few_scans_of_one_code_wait_for_digits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wx.service.invites.PHONES_PER_INVITE", 2)
    monkeypatch.setattr("wx.service.scan.CONFIRM_SECONDS", 10)
    _, invite, _ = await asked(world, "li")
    world.clock.advance(11)
    assert await digits_in(await scans(world, invite, "wang"))
    world.clock.advance(11)
    said = await scans(world, invite, "li")
    assert "试的次数太多" in said and not re.search(r"\d{6}", said)
    assert world.rows("SELECT count(*) AS n FROM consents")[0]["n"] == 2
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_who_cannot_be_bound_is_asked_for_no_digits(world: World) -> None:
    desktop, invite, digits = await asked(world, "li")
    await types(desktop, invite, digits)
    bob = await world.signed_in("bob")
    said = await scans(world, await bob.invite(), "li")
    assert "已绑定其他账号" in said and not re.search(r"\d{6}", said)
    assert bindings(world) == [("ann", "li")]


@pytest.mark.gen_test(timeout=20)
async def test_the_secrets_of_a_scan_s_consent_are_nobody_s(world: World) -> None:
    _, invite, _ = await asked(world)
    (row,) = world.rows("SELECT * FROM consents")
    assert (row["route"], row["outcome"], row["code_digest"]) == ("scan", "confirm", None)
    phone = world.simulator.phone("li")
    answer = await phone.open(f"{world.base}/callback?state={secret_of(invite)}&code=x")
    assert answer.status == 400
    assert bindings(world) == []
