"""The card and its forms."""

import asyncio
import json
import re

import pytest

from tests.service.steps import PROFILE
from tests.world import PASSWORD, Desktop, World
from wx.model import Profile
from wx.web import bind, qr


@pytest.mark.gen_test(timeout=20)
async def test_a_new_invite_has_everything_that_its_page_needs(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    assert set(invite) >= {"id", "url", "link", "qr", "live", "number", "expires_in", "route"}
    assert re.fullmatch(rf"{re.escape(world.base)}/b/[0-9A-Za-z]{{43}}", invite["url"])
    assert (invite["expires_in"], invite["route"]) == (600, "oauth")
    assert invite["link"] == invite["url"]
    assert re.fullmatch(r"[1-9]\d", invite["number"])
    assert invite["live"] == f"/live/{invite['id']}"
    picture = await desktop.fetch(invite["qr"], headers={"Accept": "image/*"})
    assert picture.code == 200 and picture.headers["Content-Type"] == "image/svg+xml"
    assert len(picture.body) <= 4096


@pytest.mark.gen_test(timeout=20)
async def test_the_page_holds_the_same_as_the_json(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    page = (await desktop.fetch("/bind")).body.decode()
    for value in (invite["url"], invite["qr"], invite["live"], f">{invite['number']}<"):
        assert value in page
    assert 'data-state="waiting"' in page and "<script>" not in page


@pytest.mark.gen_test(timeout=20)
async def test_a_person_s_form_comes_back_to_the_card_and_a_program_gets_json(
    world: World,
) -> None:
    desktop = await world.signed_in()
    answer = await desktop.post("/bind/invites", fresh="1")
    assert (answer.code, answer.headers["Location"]) == (303, "/bind")
    refused = await desktop.post("/bind/remove")
    assert refused.code == 409
    text = refused.body.decode()
    assert 'data-page="bind"' in text and "This account is not bound to a WeChat." in text
    told = await desktop.post("/bind/remove", json_answer=True)
    assert told.code == 409 and json.loads(told.body)["error"]["code"] == "not-bound"


@pytest.mark.gen_test(timeout=20)
async def test_the_card_of_a_bound_account_shows_the_follower_escaped(world: World) -> None:
    world.simulator.world.people["wang"].nickname = "<img src=x onerror=alert(1)>\"'&"
    desktop = await world.bound()
    page = (await desktop.fetch("/bind")).body.decode()
    assert 'data-state="bound"' in page
    assert "<img src=x" not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    assert f'src="{world.simulator.base_url}/avatar/wang.svg"' in page
    assert "data-live" not in page


@pytest.mark.gen_test(timeout=20)
async def test_an_avatar_from_elsewhere_is_not_shown(world: World) -> None:
    config = world.server.config
    here = world.simulator.base_url
    for address, shown in (
        (f"{here}/avatar/wang.svg", f"{here}/avatar/wang.svg"),
        ("https://evil.example/a.png", ""),
        ("javascript:alert(1)", ""),
        ("data:image/svg+xml,<svg/>", ""),
        (f"{here}.evil.example/a.png", ""),
        (f"{here}@evil.example/a.png", ""),
        ("//evil.example/a.png", ""),
        ("http://[", ""),
        ("", ""),
    ):
        assert bind.avatar_of(Profile("o", avatar=address), config) == shown, address


@pytest.mark.gen_test(timeout=20)
async def test_wechat_s_http_avatars_are_shown_over_https(world: World) -> None:
    await world.reconfigure(avatar_origins="https://thirdwx.qlogo.cn")
    profile = Profile("o", avatar="http://thirdwx.qlogo.cn/mmopen/x/132")
    shown = bind.avatar_of(profile, world.server.config)
    assert shown == "https://thirdwx.qlogo.cn/mmopen/x/132"


@pytest.mark.gen_test(timeout=20)
async def test_a_wrong_password_for_replacing_is_told_on_the_card(world: World) -> None:
    desktop = await world.bound()
    world.clock.advance(1)
    answer = await desktop.post("/bind/invites", password="wrong")
    assert answer.code == 401
    text = answer.body.decode()
    assert "Wrong name or password." in text and "data-replace open" in text
    assert "wrong" not in re.sub(r"[Ww]rong name", "", text)
    assert (await desktop.post("/bind/invites", password=PASSWORD)).code == 303
    page = (await desktop.fetch("/bind")).body.decode()
    assert "data-replacing" in page and 'data-state="waiting"' in page


@pytest.mark.gen_test(timeout=20)
async def test_guessing_the_password_by_the_replace_form_is_slowed_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await world.bound()
    monkeypatch.setattr("wx.service.throttle.HOLD_SECONDS", 0)
    token = await desktop.xsrf("/bind")
    codes = [
        (await desktop.post("/bind/invites", token=token, password=f"guess {number}")).code
        for number in range(8)
    ]
    assert codes[:5] == [401] * 5 and codes[-1] == 429


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("query", ["done=x<script>", "done=a&done=b", "done=" + "a" * 17])
async def test_what_is_done_is_a_word_of_ours(world: World, query: str) -> None:
    desktop = await world.signed_in()
    assert (await desktop.fetch(f"/bind?{query}")).code == 400


@pytest.mark.gen_test(timeout=20)
async def test_the_page_says_what_was_done_and_nothing_else(world: World) -> None:
    desktop = await world.bound()
    answer = await desktop.post("/bind/test")
    page = (await desktop.fetch(answer.headers["Location"])).body.decode()
    assert "The test notice is on its way to your WeChat." in page
    removed = await desktop.post("/bind/remove")
    page = (await desktop.fetch(removed.headers["Location"])).body.decode()
    assert "Unbound." in page
    assert (await desktop.fetch("/bind?done=nothing")).code == 200


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    "body",
    ["fresh=2", "fresh=1&fresh=1", "fresh=", "password=a&password=b", "fresh=%ff"],
)
async def test_a_malformed_wish_for_an_invite_is_refused(world: World, body: str) -> None:
    desktop = await world.signed_in()
    token = (await desktop.xsrf("/bind")).replace("|", "%7C")
    answer = await desktop.fetch(
        "/bind/invites",
        method="POST",
        body=f"_xsrf={token}&{body}",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        },
    )
    assert answer.code in (400, 201) and (answer.code == 400 or body == "fresh=")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    "fields", [{}, {"id": "x"}, {"id": "a" * 22}, {"id": "a" * 22, "code": "0"}]
)
async def test_digits_for_no_invite_are_refused(world: World, fields: dict[str, str]) -> None:
    desktop = await world.signed_in()
    answer = await desktop.post("/bind/confirm", json_answer=True, **fields)
    assert answer.code in (400, 404)


@pytest.mark.gen_test(timeout=20)
async def test_an_invite_is_not_changed_by_looking_at_it(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    before = [tuple(row) for row in world.rows("SELECT * FROM invites")]
    for path in ("/bind", f"/bind/invites/{invite['id']}", invite["qr"]):
        await desktop.fetch(path)
    assert [tuple(row) for row in world.rows("SELECT * FROM invites")] == before


@pytest.mark.gen_test(timeout=20)
async def test_inside_wechat_the_page_and_its_frames_say_to_press_the_button(world: World) -> None:
    phone = await world.signed_in()
    phone.headers["User-Agent"] += " MicroMessenger/8.0.50"
    page = (await phone.fetch("/bind")).body.decode()
    assert "Press “Bind this WeChat”." in page and "data-qr" not in page
    invite = await phone.invite()
    assert (await phone.state(invite))["message"] == "Press “Bind this WeChat”."
    user_agent = {"User-Agent": phone.headers["User-Agent"]}
    socket = await phone.live(invite, headers=user_agent)
    assert (await socket.frame() or {})["message"] == "Press “Bind this WeChat”."


@pytest.mark.gen_test(timeout=20)
async def test_a_form_s_own_address_leads_to_the_card(world: World) -> None:
    desktop = await world.signed_in()
    for path in ("/bind/test", "/bind/remove", "/bind/restore", "/bind/confirm", "/bind/invites"):
        answer = await desktop.fetch(path)
        assert (answer.code, answer.headers["Location"]) == (303, "/bind"), path
    refused = await desktop.post("/bind/test")
    assert refused.code == 409 and 'href="/bind?lang=zh"' in refused.body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_what_a_form_did_is_told_only_while_it_is_true(world: World) -> None:
    desktop = await world.signed_in()
    assert "Unbound." not in (await desktop.fetch("/bind?done=removed")).body.decode()
    assert "on its way" not in (await desktop.fetch("/bind?done=test")).body.decode()
    desktop = await world.bound()
    page = (await desktop.fetch("/bind?done=removed")).body.decode()
    assert "Unbound." not in page
    await desktop.post("/bind/remove")
    assert "Unbound." in (await desktop.fetch("/bind?done=removed")).body.decode()
    await desktop.post("/bind/restore")
    assert "Unbound." not in (await desktop.fetch("/bind?done=removed")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_what_the_phone_has_ended_is_told_on_the_card(world: World) -> None:
    desktop = await world.signed_in()
    phone = world.simulator.phone("wang")
    done = await phone.bind((await desktop.invite())["url"])
    undo = re.search(r'href="(/undo/\w+)"', done.text)
    assert undo
    await phone.submit(await phone.open(world.base + undo[1]))
    page = (await desktop.fetch("/bind")).body.decode()
    assert "The binding was ended on the phone." in page and "/bind/restore" not in page
    world.clock.advance(86400)
    assert "ended on the phone" not in (await desktop.fetch("/bind")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_by_scan_the_code_holds_the_platform_s_address_and_the_link_stays_ours(
    world: World,
) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    assert invite["route"] == "scan"
    assert invite["url"].startswith("http://weixin.qq.com/q/")
    assert re.fullmatch(rf"{re.escape(world.base)}/b/[0-9A-Za-z]{{43}}", invite["link"])
    picture = await desktop.fetch(invite["qr"], headers={"Accept": "image/*"})
    assert picture.body.decode() == await qr.svg(invite["url"])
    page = (await desktop.fetch("/bind")).body.decode()
    assert 'data-route="scan"' in page and f'href="{invite["link"]}"' in page
    assert invite["url"] not in page
    for part in ('class="steps" data-for="oauth" hidden', 'class="match" data-match hidden'):
        assert part in page
    assert 'class="steps" data-for="scan">' in page


@pytest.mark.gen_test(timeout=20)
async def test_a_scan_knows_no_nickname_so_the_page_says_wechat_user(world: World) -> None:
    await world.open_webhook()
    for name, person, language, nickname in (
        ("ann", "li", "en", "WeChat user"),
        ("bob", "zhang", "zh", "微信用户"),
    ):
        desktop = await world.signed_in(name, language=language)
        invite = await desktop.invite()
        socket = await desktop.live(invite)
        await world.simulator.phone(person).scan_and_follow(invite["url"])
        follower = (await socket.until("bound"))["follower"]
        assert follower["nickname"] == nickname
        assert follower["avatar"].startswith("/static/avatar.svg")
        assert f">{nickname}</p>" in (await desktop.fetch("/bind")).body.decode()


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("errcode", [-1, 48001])
async def test_where_no_such_code_can_be_had_the_page_shows_the_other_route(
    world: World, errcode: int
) -> None:
    await world.open_webhook(bind_route="scan")
    world.simulator.faults.answer("/cgi-bin/qrcode/create", errcode=errcode, times=None)
    desktop = await world.signed_in()
    page = (await desktop.fetch("/bind")).body.decode()
    assert 'data-route="oauth"' in page and 'class="steps" data-for="scan" hidden' in page
    assert 'class="match" data-match>' in page
    invite = await desktop.invite()
    assert (invite["route"], invite["url"]) == ("oauth", invite["link"])


@pytest.mark.gen_test(timeout=20)
async def test_a_phone_that_opened_the_link_instead_has_a_number_to_compare(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    await world.simulator.phone("wang").open(invite["link"])
    assert (await desktop.state(invite))["state"] == "scanned"
    page = (await desktop.fetch("/bind")).body.decode()
    assert 'data-route="scan"' in page and 'class="match" data-match>' in page
    assert page.count(f">{invite['number']}<") == 2


@pytest.mark.gen_test(timeout=20)
async def test_inside_wechat_there_is_a_button_whatever_the_route(world: World) -> None:
    await world.open_webhook()
    phone = await world.signed_in()
    phone.headers["User-Agent"] += " MicroMessenger/8.0.50"
    invite = await phone.invite()
    page = (await phone.fetch("/bind")).body.decode()
    assert invite["route"] == "oauth" and 'data-route="oauth"' in page
    assert f'href="{invite["link"]}" data-link>' in page and "weixin.qq.com" not in page


@pytest.mark.gen_test(timeout=20)
async def test_digits_out_of_the_chat_complete_the_binding(world: World) -> None:
    await world.open_webhook(bind_confirm="desktop")
    desktop = await world.signed_in()
    invite = await desktop.invite()
    assert await world.simulator.phone("wang").scan_code(invite["url"]) == "chat"
    [said] = await world.told("wang")
    page = (await desktop.fetch("/bind")).body.decode()
    assert "data-confirm-form" in page and "Your phone now shows six digits." in page
    assert "Press “Follow”" not in page and "Whoever scans" not in _shown(page)
    digits = re.search(r"\d{6}", said.text)
    assert digits
    done = await desktop.post("/bind/confirm", id=invite["id"], code=digits[0])
    assert done.code == 303
    assert 'data-state="bound"' in (await desktop.fetch("/bind")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_a_wechat_that_no_longer_follows_is_still_bound_and_the_card_warns(
    world: World,
) -> None:
    picture = world.folder / "follow.png"
    picture.write_bytes(b"\x89PNG picture")
    await world.open_webhook(follow_qr=str(picture))
    desktop = await world.bound()
    phone = world.simulator.phone("wang")
    fine = (await desktop.fetch("/bind")).body.decode()
    assert "data-unreachable" not in fine and "/follow-qr" not in fine
    await phone.unfollow()
    await world.simulator.pushes.settled()
    page = (await desktop.fetch("/bind")).body.decode()
    assert 'data-state="bound"' in page and "data-unreachable" in page
    assert "Notices cannot reach you now" in page and 'src="/follow-qr"' in page
    assert "arrive in this WeChat" not in page
    await phone.follow()
    await world.simulator.pushes.settled()
    assert "data-unreachable" not in (await desktop.fetch("/bind")).body.decode()


def _shown(page: str) -> str:
    """The page without its hidden paragraphs."""
    return re.sub(r"<p [^>]*hidden>.*?</p>", "", page)


@pytest.mark.gen_test
async def test_a_picture_is_of_the_route_that_its_page_was_drawn_for(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    assert invite["route"] == "scan" and invite["qr"].endswith("?route=scan")
    path = invite["qr"].partition("?")[0]
    shown = (await desktop.fetch(f"{path}?route=oauth")).body.decode()
    assert shown == await qr.svg(invite["link"])
    assert (await desktop.fetch(path)).body.decode() == await qr.svg(invite["url"])
    assert (await desktop.fetch(f"{path}?route=other")).code == 400


@pytest.mark.gen_test(timeout=20)
async def test_a_page_that_is_drawn_for_a_scan_gets_no_other_route_s_picture(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    await world.restart_server()  # which knows of no code yet
    world.simulator.faults.answer("/cgi-bin/qrcode/create", errcode=-1, times=None)
    picture = await desktop.fetch(invite["qr"], headers={"Accept": "image/*"})
    assert picture.code == 503 and b"<svg xmlns" not in picture.body
    path = invite["qr"].partition("?")[0]
    shown = (await desktop.fetch(path)).body.decode()
    assert shown == await qr.svg(invite["link"]), "whoever asks for no route gets what there is"


# The test notice


async def press_test(desktop: Desktop) -> tuple[int, str]:
    """Status, and the state or the error's code."""
    answer = await desktop.post("/bind/test", json_answer=True)
    found = json.loads(answer.body)
    return answer.code, found["error"]["code"] if "error" in found else found["state"]


@pytest.mark.gen_test(timeout=20)
async def test_a_test_notice_is_kept_and_its_id_is_told(world: World) -> None:
    desktop = await world.bound()
    await world.told("wang")
    answer = await desktop.post("/bind/test", json_answer=True)
    told = json.loads(answer.body)
    assert (answer.code, set(told), told["state"]) == (200, {"id", "state"}, "queued")
    [row] = world.rows("SELECT * FROM outbox WHERE origin = 'page'")
    assert (row["id"], row["text"]) == (told["id"], "Test notice for ann")
    sent = dict((await world.told("wang", 2))[-1].fields)
    assert "Test notice for ann" in sent.values(), "short enough for a template's field"


@pytest.mark.gen_test(timeout=20)
async def test_whoever_is_not_bound_has_nobody_to_tell(world: World) -> None:
    assert await press_test(await world.signed_in()) == (409, "not-bound")
    assert world.rows("SELECT * FROM outbox") == []


@pytest.mark.gen_test(timeout=20)
async def test_one_who_has_left_or_blocked_is_told_so_at_once_until_they_are_back(
    world: World,
) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await world.told("wang")
    people, wang = world.simulator.world, world.simulator.world.people["wang"]
    people.unfollow(wang)
    await world.simulator.pushes.settled()
    calls = world.simulator.calls.copy()
    assert await press_test(desktop) == (409, "not-following")
    assert "Follow it, then try again" in (await desktop.post("/bind/test")).body.decode()
    people.follow(wang)
    await world.simulator.pushes.settled()
    assert await press_test(desktop) == (200, "queued")
    people.block(wang)
    assert await press_test(desktop) == (200, "queued"), "nobody has told us yet"
    async with asyncio.timeout(5):
        while not world.rows("SELECT * FROM followers WHERE blocked_at IS NOT NULL"):
            await world.simulator.pushes.settled()
            await asyncio.sleep(0.01)
    assert await press_test(desktop) == (409, "blocked")
    page = await desktop.post("/bind/test")
    assert page.code == 409 and "does not take the account" in page.body.decode()
    people.unblock(wang)
    world.clock.advance(1)
    await world.said("wang", "hello")
    assert await press_test(desktop) == (200, "queued")
    kept = len(world.rows("SELECT * FROM outbox WHERE origin = 'page'"))
    assert kept == 3, "what was refused is not kept"
    assert calls.total() < world.simulator.calls.total()


@pytest.mark.gen_test(timeout=20)
async def test_ten_test_notices_in_a_minute_are_enough(world: World) -> None:
    desktop = await world.bound()
    for _ in range(10):
        assert await press_test(desktop) == (200, "queued")
    refused = await desktop.post("/bind/test", json_answer=True)
    assert refused.code == 429 and 1 <= int(refused.headers["Retry-After"]) <= 7
    again = await world.signed_in()  # another browser of the same account
    assert await press_test(again) == (429, "too-many-tries")
    world.clock.advance(7)
    assert await press_test(desktop) == (200, "queued")
    assert len(world.rows("SELECT * FROM outbox WHERE origin = 'page'")) == 11


@pytest.mark.gen_test(timeout=20)
async def test_a_platform_that_is_down_keeps_no_test_notice_from_being_taken(
    world: World,
) -> None:
    desktop = await world.bound()
    await world.told("wang")
    await world.simulator.stop()
    assert await press_test(desktop) == (200, "queued")


@pytest.mark.gen_test(timeout=20)
async def test_while_a_new_code_is_shown_the_list_is_not(world: World) -> None:
    desktop = await world.bound()
    assert "data-notices" in (await desktop.fetch("/bind")).body.decode()
    world.clock.advance(1)
    assert (await desktop.post("/bind/invites", password=PASSWORD)).code == 303
    page = (await desktop.fetch("/bind")).body.decode()
    assert "data-notices" not in page and "data-replacing" in page


@pytest.mark.gen_test(timeout=20)
async def test_whoever_opens_the_card_after_a_week_has_their_profile_read_again(
    world: World,
) -> None:
    desktop = await world.bound()
    asked = world.simulator.calls[PROFILE]
    world.clock.advance(4 * 86400)
    await desktop.fetch("/bind")
    await world.rest()
    assert world.simulator.calls[PROFILE] == asked, "that is not old"
    world.simulator.world.people["wang"].nickname = "小明"
    world.clock.advance(4 * 86400)
    await desktop.fetch("/bind")
    await world.rest()
    assert world.simulator.calls[PROFILE] == asked + 1
    assert "小明" in (await desktop.fetch("/bind")).body.decode()
