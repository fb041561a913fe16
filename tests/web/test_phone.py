"""What the phone opens."""

import re

import pytest

from tests.world import World
from wx.simulator.browser import USER_AGENT

WECHAT = {"User-Agent": USER_AGENT}


@pytest.mark.gen_test(timeout=20)
async def test_the_question_names_site_account_number_time_and_browser(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    page = await world.simulator.phone("wang").open(invite["url"])
    assert page.status == 200
    for text in ("Example", ">ann<", f">{invite['number']}<", "Chrome, Linux, 127.0.0.0/24"):
        assert text in page.text
    assert re.search(r"2027-01-1\d \d\d:\d\d", page.text), "when the code was asked for"
    yes, no = re.findall(r"<button ([^>]*)>", page.text)
    assert "data-bind" in yes and "data-not-me" in no
    assert "button" in yes and 'class="button"' in no, "both are buttons of one size"


@pytest.mark.gen_test(timeout=20)
async def test_a_yes_leads_to_the_authorize_page_in_the_platform_s_order(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    desktop = world.desktop()
    path = invite["url"].removeprefix(world.base)
    page = await desktop.fetch(path, headers=WECHAT)
    token = re.search(rb'name="_xsrf" value="([^"]+)"', page.body)[1].decode()  # type: ignore[index]
    answer = await desktop.post(path, token=token)
    assert answer.code == 303
    address = answer.headers["Location"]
    assert re.fullmatch(
        re.escape(world.simulator.base_url)
        + r"/connect/oauth2/authorize\?appid=\w+&redirect_uri=http%3A%2F%2F127\.0\.0\.1%3A\d+"
        r"%2Fcallback&response_type=code&scope=snsapi_userinfo&state=[0-9A-Za-z]{43}"
        r"#wechat_redirect",
        address,
    )
    state = address.split("state=")[1].split("#")[0]
    assert state != path.rpartition("/")[2], "the state is another secret than the code"
    assert (
        f"form-action 'self' {world.simulator.base_url};"
        in (answer.headers["Content-Security-Policy"])
    )
    assert (
        f"form-action 'self' {world.simulator.base_url};"
        in (page.headers["Content-Security-Policy"])
    )
    cookie = next(one for one in answer.headers.get_list("Set-Cookie") if "phone=" in one)
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Max-Age=900" in cookie
    held = b"".join(path.read_bytes() for path in (world.folder / "data").iterdir())
    assert state.encode() not in held and desktop.cookies["phone"].encode() not in held


@pytest.mark.gen_test(timeout=20)
async def test_outside_wechat_the_page_says_to_open_it_there(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    answer = await world.desktop().fetch(invite["url"])
    text = answer.body.decode()
    assert answer.code == 200 and 'data-view="outside"' in text
    assert invite["url"] in text and "<form" not in text


@pytest.mark.gen_test(timeout=20)
async def test_a_code_that_is_nobody_s_is_404_and_one_that_is_over_410(world: World) -> None:
    phone = world.simulator.phone("wang")
    unknown = await phone.open(f"{world.base}/b/{'x' * 43}")
    assert unknown.status == 404 and 'data-view="problem"' in unknown.text
    for path in ("/b/short", f"/b/{'x' * 44}", f"/b/{'x' * 42}%00", "/b/"):
        assert (await phone.open(world.base + path)).status == 404
    invite = await (await world.signed_in()).invite()
    question = await phone.open(invite["url"])
    world.clock.advance(600)
    assert (await phone.submit(question)).status == 410
    assert (await phone.submit(question, button="answer")).status == 410


@pytest.mark.gen_test(timeout=20)
async def test_an_answer_that_is_neither_yes_nor_no_is_refused(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    phone = world.simulator.phone("wang")
    question = await phone.open(invite["url"])
    page = await phone.submit(question, answer="perhaps")
    assert page.status == 400
    assert (await phone.submit(question)).status == 200


@pytest.mark.gen_test(timeout=20)
async def test_the_phone_s_pages_speak_its_language(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    phone = world.simulator.phone("wang")
    assert "不是我" in (await phone.open(invite["url"])).text
    phone.browser.language = "en"
    assert "This is not me" in (await phone.open(invite["url"])).text
    assert "已失效" not in (await phone.open(f"{world.base}/undo/{'x' * 43}")).text


@pytest.mark.gen_test(timeout=20)
async def test_an_older_phone_without_fetch_headers_can_bind(world: World) -> None:
    phone = world.simulator.phone("wang")
    phone.browser.sends_fetch_metadata = False
    assert (await phone.bind((await (await world.signed_in()).invite())["url"])).status == 200
