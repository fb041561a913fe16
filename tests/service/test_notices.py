"""Notices to a follower, and how a refusal of the platform is told."""

import asyncio
import json

import pytest

from tests.world import Desktop, World

TEMPLATE = "/cgi-bin/message/template/send"
CUSTOM = "/cgi-bin/message/custom/send"
TOKEN = "/cgi-bin/stable_token"


async def send_test(desktop: Desktop) -> tuple[int, str]:
    answer = await desktop.post("/bind/test", json_answer=True)
    found = json.loads(answer.body)
    return answer.code, found["error"]["code"] if "error" in found else found["state"]


@pytest.mark.gen_test(timeout=20)
async def test_a_template_carries_the_text_and_the_moment(world: World) -> None:
    desktop = await world.bound()
    (bound,) = await world.told("wang")
    assert bound.kind == "template"
    assert await send_test(desktop) == (200, "sent")
    sent = (await world.told("wang", 2))[-1]
    text = dict(sent.fields)["内容"]
    assert "ann" in text and len(text) <= 20
    assert dict(sent.fields)["时间"]


@pytest.mark.gen_test(timeout=20)
async def test_what_a_field_cannot_hold_is_cut(world: World) -> None:
    await world.reconfigure(site_name="A site of a name that no field can hold")
    await world.bound()
    (sent,) = await world.told("wang")
    text = dict(sent.fields)["内容"]
    assert len(text) == 20 and text.endswith("…")


@pytest.mark.gen_test(timeout=20)
async def test_without_a_template_the_text_goes_as_a_chat_message_with_its_link(
    world: World,
) -> None:
    await world.reconfigure(notice_template="")
    await world.simulator.phone("wang").say("hello")
    await world.bound()
    (sent,) = await world.told("wang")
    assert sent.kind == "text"
    first, link = sent.text.split("\n")
    assert "ann" in first and "Example" in first
    assert link.startswith(f"{world.base}/undo/")


@pytest.mark.gen_test(timeout=20)
async def test_one_who_does_not_follow_is_told_to_follow(world: World) -> None:
    desktop = await world.bound(person="li")
    assert await send_test(desktop) == (409, "not-following")
    page = await desktop.post("/bind/test")
    assert page.code == 409
    assert "Follow it, then try again" in page.body.decode()
    await world.simulator.phone("li").follow()
    assert await send_test(desktop) == (200, "sent")


@pytest.mark.gen_test(timeout=20)
async def test_one_who_has_left_is_not_even_called_and_hears_again_once_they_are_back(
    world: World,
) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await world.told("wang")
    await world.simulator.phone("wang").unfollow()
    await world.simulator.pushes.settled()
    calls = world.simulator.calls[TEMPLATE]
    for _ in range(3):
        assert await send_test(desktop) == (409, "not-following")
    assert world.simulator.calls[TEMPLATE] == calls
    page = await desktop.post("/bind/test")
    assert "Follow it, then try again" in page.body.decode()
    await world.simulator.phone("wang").follow()
    await world.simulator.pushes.settled()
    assert await send_test(desktop) == (200, "sent")
    assert world.simulator.calls[TEMPLATE] == calls + 1


@pytest.mark.gen_test(timeout=20)
async def test_a_message_in_the_chat_opens_the_window_for_a_text(world: World) -> None:
    await world.open_webhook(bind_route="oauth", notice_template="")
    desktop = await world.bound()
    assert await send_test(desktop) == (409, "window-closed")
    (echo,) = await world.said("wang", "hello")
    assert echo.text == "hello"
    assert await send_test(desktop) == (200, "sent")
    assert "ann" in (await world.told("wang", 2))[-1].text


@pytest.mark.gen_test(timeout=20)
async def test_a_closed_window_is_told_and_opens_with_a_message(world: World) -> None:
    await world.reconfigure(notice_template="")
    desktop = await world.bound()
    assert await send_test(desktop) == (409, "window-closed")
    await world.simulator.phone("wang").say("hello")
    assert await send_test(desktop) == (200, "sent")
    for _ in range(4):
        assert await send_test(desktop) == (200, "sent")
    assert await send_test(desktop) == (409, "window-full")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("errcode", "status", "code"),
    [
        (43101, 409, "blocked"),
        (-1, 503, "unavailable"),
        (45009, 503, "unavailable"),
        (47003, 502, "platform-error"),
    ],
)
async def test_each_error_of_the_platform_has_its_answer(
    world: World, errcode: int, status: int, code: str
) -> None:
    desktop = await world.bound()
    await world.told("wang")
    world.simulator.faults.answer(TEMPLATE, errcode=errcode)
    answer = await desktop.post("/bind/test", json_answer=True)
    assert answer.code == status and f'"code": "{code}"' in answer.body.decode()
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert await send_test(desktop) == (200, "sent")


@pytest.mark.gen_test(timeout=20)
async def test_a_platform_that_is_down_is_told_as_such(world: World) -> None:
    desktop = await world.bound()
    await world.told("wang")
    await world.simulator.stop()
    assert await send_test(desktop) == (503, "unavailable")


@pytest.mark.gen_test(timeout=20)
async def test_a_dead_access_token_is_replaced_once_and_the_notice_arrives(world: World) -> None:
    desktop = await world.bound()
    await world.told("wang")
    world.clock.advance(10)
    fetched = world.simulator.calls[TOKEN]
    world.simulator.faults.kill_access_tokens()
    answers = await asyncio.gather(*(send_test(desktop) for _ in range(5)))
    assert answers == [(200, "sent")] * 5
    assert world.simulator.calls[TOKEN] == fetched + 1
    assert len(await world.told("wang", 6)) == 6


@pytest.mark.gen_test(timeout=20)
async def test_an_account_that_is_not_bound_has_nobody_to_tell(world: World) -> None:
    desktop = await world.signed_in()
    assert await send_test(desktop) == (409, "not-bound")
    assert world.simulator.calls[TEMPLATE] == 0
