"""Callbacks: every outcome, from the code that a phone brings back to the page that it gets."""

import asyncio
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.service.steps import EXCHANGE, PROFILE, bindings, callback, consent, history
from tests.world import Desktop, World
from wx import secret
from wx.model import Profile
from wx.service.callback import Callback, Callbacks
from wx.simulator.page import Page

# Bound, and the same again


@pytest.mark.gen_test(timeout=20)
async def test_the_same_callback_again_gets_the_same_answer_without_a_second_exchange(
    world: World,
) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    first = await phone.open(address)
    second = await phone.open(address)
    assert (first.status, second.status) == (200, 200)
    assert re.sub(r"_xsrf.*?>", "", first.text) == re.sub(r"_xsrf.*?>", "", second.text)
    assert world.simulator.calls[EXCHANGE] == 1
    await world.restart_server()
    assert (await phone.open(address)).status == 200
    assert world.simulator.calls[EXCHANGE] == 1
    assert history(world) == [("bound", "oauth", "ann")]


@pytest.mark.gen_test(timeout=30)
async def test_fifty_callbacks_at_once_are_one_exchange_and_one_answer(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    pages = await asyncio.gather(*(phone.open(address) for _ in range(50)))
    assert {page.status for page in pages} == {200}
    assert len({page.text for page in pages}) == 1
    assert world.simulator.calls[EXCHANGE] == 1
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_a_phone_that_goes_away_early_does_not_stop_the_binding(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    phone, address = await callback(world, invite)
    world.simulator.faults.delay(EXCHANGE, 30)
    opening = asyncio.ensure_future(phone.open(address))
    await world.simulator.called(EXCHANGE)
    phone.browser.close()
    opening.cancel()
    world.simulator.faults.release()
    await socket.until("bound")
    assert (await phone.open(address)).status == 200
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_caller_who_is_cancelled_takes_the_answer_from_nobody(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    fields = dict(parse_qsl(urlsplit(address).query))
    cookie = phone.browser.jar.get(world.base, "phone")
    assert cookie
    said = Callback(fields["state"], fields["code"], cookie, False, str)
    world.simulator.faults.delay(EXCHANGE, 30)
    bind = world.server.services.callbacks
    first, second = (asyncio.ensure_future(bind.complete(said)) for _ in range(2))
    await world.simulator.called(EXCHANGE)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    world.simulator.faults.release()
    assert (await second).account_name == "ann"
    assert bindings(world) == [("ann", "wang")]


# Refused


@pytest.mark.gen_test(timeout=20)
async def test_a_wechat_that_is_bound_elsewhere_is_taken(world: World) -> None:
    await world.bound("ann", "wang")
    bob = await world.signed_in("bob")
    invite = await bob.invite()
    socket = await bob.live(invite)
    page = await world.simulator.phone("wang").bind(invite["url"])
    assert page.status == 409 and "data-problem" in page.text
    frame = await socket.until("taken")
    assert frame["follower"] is None, "nobody learns who it is"
    assert bindings(world) == [("ann", "wang")]
    assert (await world.simulator.phone("li").open(invite["url"])).status == 410


@pytest.mark.gen_test(timeout=20)
async def test_an_account_that_got_bound_meanwhile_is_not_bound_twice(world: World) -> None:
    one, two = await world.signed_in(), await world.signed_in()
    first, second = await one.invite(), await two.invite()
    phone, address = await callback(world, second, "li")
    await world.simulator.phone("wang").bind(first["url"])
    assert (await phone.open(address)).status == 409
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_the_same_wechat_again_is_bound_and_nothing_is_written_twice(world: World) -> None:
    one, two = await world.signed_in(), await world.signed_in()
    first, second = await one.invite(), await two.invite()
    await world.simulator.phone("wang").bind(first["url"])
    page = await world.simulator.phone("wang").bind(second["url"])
    assert page.status == 200
    assert (await two.state(second))["state"] == "bound"
    assert history(world) == [("bound", "oauth", "ann")]


@pytest.mark.gen_test(timeout=20)
async def test_an_invite_that_ended_before_the_callback_binds_nobody(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    world.clock.advance(601)
    assert (await phone.open(address)).status == 410
    assert world.simulator.calls[EXCHANGE] == 0
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_second_phone_finds_the_invite_used(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    late, address = await callback(world, invite, "li")
    await world.simulator.phone("wang").bind(invite["url"])
    assert (await late.open(address)).status == 410
    assert (await late.open(invite["url"])).status == 410
    assert world.simulator.calls[EXCHANGE] == 1
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_of_two_phones_at_once_one_is_bound(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    wang, first = await callback(world, invite, "wang")
    li, second = await callback(world, invite, "li")
    pages = await asyncio.gather(wang.open(first), li.open(second))
    assert sorted(page.status for page in pages) == [200, 410]
    assert len(bindings(world)) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_state_with_another_code_is_exchanged_once(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    assert (await phone.open(address)).status == 200
    other = re.sub(r"code=\w+", "code=" + "x" * 32, address)
    assert (await phone.open(other)).status == 410
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_forged_or_malformed_callback_is_refused_before_the_platform_is_asked(
    world: World,
) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    state = re.search(r"state=(\w+)", address)[1]  # type: ignore[index]
    for query in (
        f"code=abc&state={'x' * 43}",
        "code=abc",
        "state=",
        "",
        f"code=abc&state={'x' * 129}",
        "code=abc&state=%00",
        "code=abc&state=a%20b",
        f"code=a%27b&state={state}",
        f"code={'a' * 257}&state={state}",
        f"code=abc&code=abd&state={state}",
        f"code=abc&state={state}&state={state}",
        f"code=%ff&state={state}",
    ):
        page = await phone.open(f"{world.base}/callback?{query}")
        assert page.status == 400, query
        assert "data-problem" in page.text
    assert world.simulator.calls[EXCHANGE] == 0
    assert (await phone.open(address)).status == 200, "none of that used it up"


# Without the phone's yes


@pytest.mark.gen_test(timeout=20)
async def test_a_callback_without_the_cookie_asks_and_binds_on_its_answer(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone, address = await callback(world, invite)
    phone.browser.jar.clear()
    question = await phone.open(address)
    assert question.status == 200 and "data-bind" in question.text
    assert "ann" in question.text and invite["number"] in question.text
    assert bindings(world) == [] and world.simulator.calls[EXCHANGE] == 0
    done = await phone.submit(question)
    assert done.status == 200 and "data-done" in done.text
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_an_unanswered_question_and_a_no_do_not_use_the_invite_up(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone, address = await callback(world, invite)
    victim = world.simulator.phone("li")
    question = await victim.open(address)
    assert "data-bind" in question.text
    no = await victim.submit(question, button="answer")
    assert (no.status == 200 and "Nothing was bound" in no.text) or "没有绑定" in no.text
    assert bindings(world) == []
    assert (await phone.open(address)).status == 200
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_the_cookie_of_another_invite_is_no_yes_to_this_one(world: World) -> None:
    ann, bob = await world.signed_in("ann"), await world.signed_in("bob")
    _, address = await callback(world, await ann.invite(), "wang")
    phone, _ = await callback(world, await bob.invite(), "li")
    assert "data-bind" in (await phone.open(address)).text
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_post_to_the_callback_from_another_site_binds_nobody(world: World) -> None:
    _, address = await callback(world, await (await world.signed_in()).invite())
    fields = dict(parse_qsl(urlsplit(address).query))
    victim = world.desktop()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await victim.fetch("/callback", method="POST", body=urlencode(fields), headers=headers)
    assert answer.code == 403
    token = await victim.xsrf("/login")
    for more in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        body = urlencode(fields | {"_xsrf": token})
        answer = await victim.fetch("/callback", method="POST", body=body, headers=headers | more)
        assert answer.code == 403
    assert bindings(world) == []


# The platform's trouble


@pytest.mark.gen_test(timeout=20)
async def test_declining_on_the_platform_s_page_is_told_and_ends_the_invite(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    phone, page = await consent(world, invite)
    declined = await phone.refuse(page)
    assert declined.status == 200 and "data-problem" in declined.text
    await socket.until("refused")
    assert (await phone.open(invite["url"])).status == 410
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_stranger_cannot_decline_with_a_state_that_was_passed_on(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone, address = await callback(world, invite)
    without = re.sub(r"code=\w+&", "", address)
    assert (await world.desktop().fetch(without)).code == 400
    assert (await desktop.state(invite))["state"] == "scanned"
    assert (await phone.open(address)).status == 200


@pytest.mark.gen_test(timeout=20)
async def test_a_snapshot_binds_nothing_and_the_full_service_does(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone = world.simulator.phone("wang")
    phone.person.snapshot = True
    page = await phone.bind(invite["url"])
    assert page.status == 403 and "data-problem" in page.text
    assert bindings(world) == [] and world.rows("SELECT * FROM followers") == []
    assert (await desktop.state(invite))["state"] == "scanned"
    done = await phone.agree(await phone.use_full_service())
    assert done.status == 200
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"errcode": -1}, 503),
        ({"errcode": 45011}, 503),
        ({"errcode": 40013}, 502),
        ({"errcode": 40226}, 403),
        ({"errcode": 40029}, 410),
        ({"errcode": 42003}, 410),
        ({"body": "<html>502 Bad Gateway</html>", "status": 502}, 503),
        ({"body": "{}"}, 503),
        ({"body": "[" * 5000}, 503),
        ({"body": b"\xff\xfe\x00"}, 503),
        ({"body": '{"access_token": "t", "expires_in": 7200, "openid": "a b"}'}, 503),
    ],
)
async def test_each_failure_of_the_exchange_has_a_page_and_a_new_try_works(
    world: World, fault: dict[str, Any], status: int
) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    world.simulator.faults.answer(EXCHANGE, **fault)
    phone = world.simulator.phone("wang")
    page = await phone.bind(invite["url"])
    assert page.status == status and "data-problem" in page.text
    assert ("Retry-After" in page.headers) == (status == 503)
    await socket.until("failed")
    assert bindings(world) == []
    assert (await phone.open(page.url)).status == status, "the same again is answered the same"
    assert world.simulator.calls[EXCHANGE] == 1
    assert (await phone.bind(invite["url"])).status == 200
    await socket.until("bound")


@pytest.mark.gen_test(timeout=20)
async def test_a_reply_that_is_lost_ends_in_a_page_that_leads_to_a_new_try(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    world.simulator.faults.lose_reply(EXCHANGE)
    phone = world.simulator.phone("wang")
    page = await phone.bind(invite["url"])
    assert page.status == 503
    again = re.search(r'href="([^"]+)"[^>]*data-retry', page.text)
    assert again
    assert (await phone.bind(world.base + again[1])).status == 200


@pytest.mark.gen_test(timeout=20)
async def test_a_callback_that_was_cut_off_after_its_exchange_leads_to_a_new_try(
    world: World,
) -> None:
    invite = await (await world.signed_in()).invite()
    phone, address = await callback(world, invite)
    code = re.search(r"code=(\w+)", address)[1]  # type: ignore[index]
    world.rows("UPDATE consents SET code_digest = ?", secret.digest(code))
    page = await phone.open(address)
    assert page.status == 410 and "data-retry" in page.text
    assert world.simulator.calls[EXCHANGE] == 0
    assert (await phone.bind(invite["url"])).status == 200


@pytest.mark.gen_test(timeout=30)
async def test_a_platform_that_hangs_ends_in_a_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wx.wechat.transport.DEADLINE_SECONDS", 0.3)
    monkeypatch.setattr("wx.wechat.transport.REQUEST_SECONDS", 0.3)
    invite = await (await world.signed_in()).invite()
    world.simulator.faults.hang(EXCHANGE, times=1)
    phone = world.simulator.phone("wang")
    assert (await phone.bind(invite["url"])).status == 503
    assert (await phone.bind(invite["url"])).status == 200


# The code typed at the computer


async def digits_of(page: Page) -> str:
    found = re.search(r"data-code>(\d{6})<", page.text)
    assert found, page.text
    return found[1]


async def confirm(desktop: Desktop, invite: dict[str, Any], digits: str) -> int:
    answer = await desktop.post("/bind/confirm", json_answer=True, id=invite["id"], code=digits)
    return answer.code


@pytest.mark.gen_test(timeout=20)
async def test_with_desktop_confirmation_the_right_digits_bind_and_nothing_else(
    world: World,
) -> None:
    await world.reconfigure(bind_confirm="desktop")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    page = await world.simulator.phone("wang").bind(invite["url"])
    digits = await digits_of(page)
    assert bindings(world) == []
    frame = await socket.until("scanned")
    while not frame["confirm"]:
        frame = await socket.until("scanned")
    assert await digits_of(await world.simulator.phone("wang").open(page.url)) == digits
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    assert await confirm(desktop, invite, wrong) == 403
    assert await confirm(await world.signed_in(), invite, digits) == 404
    assert await confirm(await world.signed_in("bob"), invite, digits) == 404
    assert bindings(world) == []
    assert await confirm(desktop, invite, f"{digits[:3]} {digits[3:]}") == 200
    assert (await socket.until("bound"))["follower"]["nickname"] == "王小明🌻"
    assert bindings(world) == [("ann", "wang")]
    assert len(await world.told("wang")) == 1
    everything = (world.folder / "data" / "wxbind.db").read_bytes()
    assert digits.encode() not in everything


@pytest.mark.gen_test(timeout=20)
async def test_three_wrong_tries_end_the_invite(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    digits = await digits_of(await world.simulator.phone("wang").bind(invite["url"]))
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    assert [await confirm(desktop, invite, wrong) for _ in range(3)] == [403, 403, 403]
    assert await confirm(desktop, invite, digits) == 410
    assert (await desktop.state(invite))["state"] == "refused"
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_another_phone_brings_no_more_tries(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    digits = await digits_of(await world.simulator.phone("wang").bind(invite["url"]))
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    assert [await confirm(desktop, invite, wrong) for _ in range(2)] == [403] * 2
    world.clock.advance(301)
    digits = await digits_of(await world.simulator.phone("li").bind(invite["url"]))
    wrong = f"{(int(digits) + 1) % 1_000_000:06}"
    assert await confirm(desktop, invite, wrong) == 403
    assert (await desktop.state(invite))["state"] == "refused"
    assert await confirm(desktop, invite, digits) == 410
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_tries_at_the_same_time_are_counted_each(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    digits = await digits_of(await world.simulator.phone("wang").bind(invite["url"]))
    token = await desktop.xsrf("/bind")
    guesses = [f"{(int(digits) + step) % 1_000_000:06}" for step in range(1, 20)]
    answers = await asyncio.gather(
        *(
            desktop.post("/bind/confirm", token=token, json_answer=True, id=invite["id"], code=one)
            for one in guesses
        )
    )
    assert sorted(answer.code for answer in answers) == [403] * 3 + [410] * 16


@pytest.mark.gen_test(timeout=20)
async def test_the_digits_are_good_for_five_minutes(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    digits = await digits_of(await world.simulator.phone("wang").bind(invite["url"]))
    world.clock.advance(301)
    assert await confirm(desktop, invite, digits) == 410
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_another_phone_cannot_take_the_place_of_the_one_that_shows_digits(
    world: World,
) -> None:
    await world.reconfigure(bind_confirm="desktop")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    digits = await digits_of(await world.simulator.phone("wang").bind(invite["url"]))
    assert (await world.simulator.phone("li").bind(invite["url"])).status == 410
    assert await confirm(desktop, invite, digits) == 200
    assert bindings(world) == [("ann", "wang")]


# The profile


@pytest.mark.gen_test(timeout=20)
async def test_the_profile_is_kept_whole_without_control_characters(world: World) -> None:
    person = world.simulator.world.people["wang"]
    fields = {
        "openid": person.openid,
        "nickname": "王\0小明🌻\ud83d",
        "sex": 1,
        "province": "广东",
        "city": "深圳",
        "country": "中国",
        "headimgurl": f"{world.simulator.base_url}/avatar/wang.svg",
        "privilege": ["chinaunicom", 7, None],
        "unionid": "u1",
    }
    body = json.dumps(fields).replace("\\u0000", "\x08")  # raw, as the platform sends it
    world.simulator.faults.answer(PROFILE, body=body)
    await world.bound()
    (row,) = world.rows("SELECT * FROM followers")
    assert row["nickname"] == "王小明🌻\ufffd"
    found = (row["sex"], row["province"], row["city"], row["country"], row["unionid"])
    assert found == (1, "广东", "深圳", "中国", "u1")
    assert row["privilege"] == '["chinaunicom"]'
    assert row["avatar"] == f"{world.simulator.base_url}/avatar/wang.svg"


@pytest.mark.gen_test(timeout=20)
async def test_a_late_profile_does_not_hold_the_binding_up_and_comes_in_a_second_frame(
    world: World,
) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    world.simulator.faults.delay(PROFILE, 30)
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200
    first = await socket.until("bound")
    assert first["follower"]["nickname"] == "WeChat user"
    world.simulator.faults.release()
    second = await socket.frame()
    assert second is not None and second["follower"]["nickname"] == "王小明🌻"


@pytest.mark.gen_test(timeout=20)
async def test_a_profile_that_cannot_be_read_does_not_stop_the_binding(world: World) -> None:
    world.simulator.faults.answer(PROFILE, errcode=48001)
    await world.bound()
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_a_profile_of_another_user_is_not_kept(world: World) -> None:
    world.simulator.faults.answer(PROFILE, body='{"openid": "oOther", "nickname": "somebody"}')
    await world.bound()
    assert world.rows("SELECT nickname FROM followers")[0]["nickname"] == ""


@pytest.mark.gen_test(timeout=20)
async def test_the_silent_scope_binds_after_the_phone_s_page_without_a_profile(
    world: World,
) -> None:
    await world.reconfigure(bind_scope="snsapi_base")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone = world.simulator.phone("wang")
    question = await phone.open(invite["url"])
    assert bindings(world) == []
    assert (await phone.submit(question)).status == 200
    assert bindings(world) == [("ann", "wang")]
    assert world.simulator.calls[PROFILE] == 0
    (follower,) = world.rows("SELECT * FROM followers")
    assert (follower["openid"], follower["read_at"]) == (phone.person.openid, None)


# An address that was passed on


@pytest.mark.gen_test(timeout=20)
async def test_a_stranger_with_the_same_callback_gets_no_right_to_undo(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    assert "/undo/" in (await phone.open(address)).text
    stranger = world.simulator.phone("li")
    page = await stranger.open(address)
    assert page.status == 200 and "/undo/" not in page.text
    assert "/undo/" in (await phone.open(address)).text
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_stranger_with_the_same_callback_sees_no_digits(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    phone, address = await callback(world, await (await world.signed_in()).invite())
    digits = await digits_of(await phone.open(address))
    page = await world.simulator.phone("li").open(address)
    assert page.status == 410 and digits not in page.text
    assert await digits_of(await phone.open(address)) == digits


@pytest.mark.gen_test(timeout=20)
async def test_a_browser_that_was_asked_is_the_phone_from_its_yes_on(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    other = world.simulator.phone("li")
    done = await other.submit(await other.open(address))
    assert done.status == 200 and "/undo/" in done.text
    assert "/undo/" in (await other.open(address)).text
    assert "/undo/" not in (await phone.open(address)).text


@pytest.mark.gen_test(timeout=20)
async def test_the_callback_without_its_code_does_not_deny_what_was_bound(world: World) -> None:
    phone, address = await callback(world, await (await world.signed_in()).invite())
    await phone.open(address)
    fields = dict(parse_qsl(urlsplit(address).query))
    page = await phone.open(f"{world.base}/callback?state={fields['state']}")
    assert page.status == 200 and "data-done" in page.text
    assert bindings(world) == [("ann", "wang")]


# A profile that comes while the binding is being written


@pytest.mark.gen_test(timeout=20)
async def test_a_profile_that_just_missed_the_binding_is_kept_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_late(self: Callbacks, task: "asyncio.Task[Profile | None]") -> None:
        await asyncio.wait([task])

    monkeypatch.setattr(Callbacks, "_quick", too_late)
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    await world.simulator.phone("wang").bind(invite["url"])
    frame = await socket.until("bound")
    while frame["follower"]["nickname"] == "WeChat user":
        frame = await socket.until("bound")
    assert frame["follower"]["nickname"] == "王小明🌻"
