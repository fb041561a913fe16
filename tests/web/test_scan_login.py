"""Signing in by scan, as a browser and as an attacker."""

import json
import re
from urllib.parse import quote

import pytest
from tornado.httpclient import HTTPClientError, HTTPResponse

from tests.service import scanning
from tests.web.test_live import left
from tests.web.test_login import FORM, cookies, stripped
from tests.world import PASSWORD, Desktop, World
from wx.service import scan_login
from wx.service.hub import PER_KEY
from wx.web import live

WECHAT = {"User-Agent": "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50"}
ID, SECRET = "a" * 22, "b" * 43


async def desk(world: World, *, language: str = "en") -> Desktop:
    """A browser that nobody has signed in with, where ann is bound to wang."""
    bound = await world.bound("ann", "wang")
    await bound.post("/logout")
    return world.desktop(language=language)


async def refused(desktop: Desktop, made: dict[str, str], **headers: str) -> int:
    """The status that the upgrade of the live socket is refused with."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(HTTPClientError) as error:
        await desktop.live(made, headers=sent)
    return error.value.code


# The login page


@pytest.mark.gen_test(timeout=20)
async def test_the_login_page_has_room_for_a_code_once_somebody_is_bound(world: World) -> None:
    desktop = world.desktop()
    assert "data-scan" not in (await desktop.fetch("/login")).body.decode()
    desktop = await desk(world)
    page = (await desktop.fetch("/login")).body.decode()
    assert "data-scan" in page and "login.js" in page
    assert page.index("username") < page.index("data-scan"), "the form comes first"
    inside = (await desktop.fetch("/login", headers=WECHAT)).body.decode()
    assert "data-scan" not in inside and "login.js" not in inside
    assert "desk" not in desktop.cookies, "a page that is only looked at costs nothing"
    assert world.rows("SELECT * FROM scan_logins") == []


@pytest.mark.gen_test(timeout=20)
async def test_names_are_told_apart_by_nothing_where_a_code_is_offered_too(world: World) -> None:
    await desk(world)
    answers = []
    for name, password in (("nobody", PASSWORD), ("ann", "wrong"), ("bob", "x"), ("", "")):
        answers.append(stripped(await world.desktop().log_in(name, password)))
        world.server.services.sessions._throttle._records.clear()
    assert answers[0][0] == 401 and b"data-scan" in answers[0][1]
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.gen_test(timeout=20)
async def test_the_code_comes_as_json_with_a_cookie_that_scripts_do_not_see(world: World) -> None:
    desktop = await desk(world)
    answer = await desktop.post("/login/codes", json_answer=True)
    made = json.loads(answer.body)
    assert answer.code == 201
    assert set(made) == {
        *("id", "qr", "live", "route", "number", "expires_in", "state", "message", "demo_phone"),
    }
    assert made["qr"] == f"/login/codes/{made['id']}/qr.svg?route=oauth"
    assert (made["live"], made["demo_phone"]) == (f"/live/login/{made['id']}", None)
    assert (made["state"], made["expires_in"]) == ("waiting", 120)
    assert re.fullmatch("[0-9]{2}", made["number"])
    cookie = cookies(answer)["desk"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"
    assert re.fullmatch("[0-9A-Za-z]{43}", cookie.value)
    (row,) = world.rows("SELECT * FROM scan_logins")
    assert cookie.value.encode() not in bytes(str(tuple(row)), "utf-8") + row["desk"]
    secret = scanning.link(world, made).rpartition("/")[2]
    assert secret not in answer.body.decode() and secret not in str(tuple(row))
    picture = await desktop.fetch(made["qr"])
    assert picture.code == 200 and picture.headers["Content-Type"] == "image/svg+xml"


@pytest.mark.gen_test(timeout=20)
async def test_the_sentences_are_in_the_reader_s_language(world: World) -> None:
    desktop = await desk(world, language="zh-CN")
    assert (await scanning.code(desktop))["message"] == "请用已绑定的微信扫码。"
    desktop.headers["Accept-Language"] = "en"
    assert (await scanning.code(desktop))["message"] == "Scan the code with a bound WeChat."


@pytest.mark.gen_test(timeout=20)
async def test_whoever_is_signed_in_gets_no_code(world: World) -> None:
    desktop = await world.bound("ann", "wang")
    answer = await desktop.post("/login/codes", json_answer=True)
    assert answer.code == 409 and b"signed-in" in answer.body


@pytest.mark.gen_test(timeout=20)
async def test_too_many_codes_are_refused_as_json_that_says_when(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await desk(world)
    monkeypatch.setattr("wx.service.scan_login.OPEN", 0)
    answer = await desktop.post("/login/codes", json_answer=True)
    assert answer.code == 503 and int(answer.headers["Retry-After"]) > 1
    assert json.loads(answer.body)["error"]["code"] == "too-many-codes"
    monkeypatch.undo()
    monkeypatch.setattr("wx.web.client.near", lambda address: False)
    answers = [await desktop.post("/login/codes", json_answer=True, fresh="1") for _ in range(21)]
    assert [one.code for one in answers] == [201] * 20 + [429]
    assert answers[-1].headers["Retry-After"]


# Another browser


@pytest.mark.gen_test(timeout=20)
async def test_nothing_of_a_code_is_for_a_browser_without_its_cookie(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    other = world.desktop()
    await scanning.code(other)  # with a cookie of its own
    for stranger in (other, world.desktop(), await world.signed_in("bob")):
        for path in (f"/login/codes/{made['id']}", made["qr"]):
            assert (await stranger.fetch(path)).code == 404, path
        before = stranger.cookies.get("session")
        assert (await scanning.enter(stranger, made)).code == 404
        assert stranger.cookies.get("session") == before
        assert await refused(stranger, made) == 404
    for path in (f"/login/codes/{ID}", f"/login/codes/{ID}/qr.svg?route=oauth"):
        assert (await desktop.fetch(path)).code == 404
    assert (await scanning.enter(desktop, {"id": ID})).code == 404
    assert (await scanning.enter(desktop, made)).code == 303, "it is still there for its own"


@pytest.mark.gen_test(timeout=20)
async def test_another_site_cannot_ask_or_enter_for_the_browser(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    token = (await desktop.xsrf()).replace("|", "%7C")
    for path in ("/login/codes", f"/login/codes/{made['id']}/enter"):
        for body, more in (
            ("a=b", {}),
            (f"_xsrf={token}", {"Origin": "https://evil.example"}),
            (f"_xsrf={token}", {"Sec-Fetch-Site": "cross-site"}),
            (f"_xsrf={token}", {"Sec-Fetch-Site": "same-site"}),
        ):
            answer = await desktop.fetch(path, method="POST", body=body, headers=FORM | more)
            assert answer.code == 403, (path, more)
    assert "session" not in desktop.cookies
    assert await scanning.state(desktop, made) == "confirmed"


@pytest.mark.gen_test(timeout=20)
async def test_a_get_enters_nowhere_and_says_no_yes(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    assert (await desktop.fetch(f"/login/codes/{made['id']}/enter")).code == 405
    other = await scanning.code(world.desktop())
    question = await scanning.scan(world, other)
    for more in ("", "?answer=yes", "?lang=en"):
        await world.simulator.phone("wang").open(question.url + more)
    (row,) = world.rows("SELECT state FROM scan_logins WHERE id = ?", other["id"])
    assert row["state"] == "scanned"


# The live socket


@pytest.mark.gen_test(timeout=20)
async def test_the_socket_is_for_its_browser_and_our_own_pages(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert await refused(desktop, made, **headers) == 403
    assert await refused(desktop, {"live": f"/live/login/{ID}"}) == 404
    assert await refused(desktop, {"live": f"/live/{made['id']}"}) == 403, "no invite's socket"
    sockets = [await scanning.live(desktop, made) for _ in range(PER_KEY)]
    assert await refused(desktop, made) == 429
    frames = [await socket.frame() for socket in sockets]
    assert frames == [await _frame(desktop, made)] * PER_KEY
    world.clock.advance(30)
    await scanning.scan(world, made)
    for socket in sockets:
        assert await socket.frame() == {
            "state": "scanned",
            "expires_in": 90,
            "number": made["number"],
            "message": "Scanned. Please confirm on your phone.",
        }


@pytest.mark.gen_test(timeout=20)
async def test_a_socket_without_a_session_outlives_the_look_for_ended_ones(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    socket = await scanning.live(desktop, made)
    await socket.frame()
    world.clock.advance(60)
    await world.server.services.sessions.audit()
    await scanning.scan(world, made)
    assert (await socket.frame() or {})["state"] == "scanned"


@pytest.mark.gen_test(timeout=20)
async def test_a_code_that_is_forgotten_ends_the_socket(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    socket = await scanning.live(desktop, made)
    await socket.frame()
    world.rows("DELETE FROM scan_logins")
    world.server.services.hub.publish(f"scan login {made['id']}")
    assert await socket.frame() is None
    assert socket.connection.close_code == 1000


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("end", ["entered", "refused", "expired"])
async def test_after_a_last_state_the_socket_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(live, "LINGER_SECONDS", 0.2)
    desktop = await desk(world)
    made = await scanning.code(desktop)
    socket = await scanning.live(desktop, made)
    if end == "expired":
        world.clock.advance(120)
        await world.server.services.scan_logins.expire()
    else:
        question = await scanning.scan(world, made)
        await scanning.say(world, question, "no" if end == "refused" else "yes")
    if end == "entered":
        await scanning.enter(desktop, made)
    await socket.until(end)
    while await socket.frame():
        pass
    assert socket.connection.close_code == 1000
    await left(world, 0)


@pytest.mark.gen_test(timeout=20)
async def test_strangers_sockets_leave_room_for_those_who_are_signed_in(world: World) -> None:
    await desk(world)
    await world.reconfigure(trusted_proxies="127.0.0.1", live_sockets="4")
    for number in range(2):
        desktop = world.desktop()
        desktop.headers |= {"X-Forwarded-For": f"192.0.{number}.1"}
        made = await scanning.code(desktop)
        await (await scanning.live(desktop, made)).frame()
    assert await refused(desktop, made) == 503
    bob = await world.signed_in("bob")
    assert await (await bob.live(await bob.invite())).frame()


@pytest.mark.gen_test(timeout=20)
async def test_the_cookie_is_another_for_each_code_and_ends_with_it(world: World) -> None:
    desktop = await desk(world)
    seen = []
    for fresh in ("0", "0", "1"):
        answer = await desktop.post("/login/codes", json_answer=True, fresh=fresh)
        cookie = cookies(answer)["desk"]
        assert cookie["max-age"] == "180"
        seen.append(cookie.value)
    assert seen[0] == seen[1] != seen[2]
    kiosk = world.desktop()
    kiosk.cookies["desk"] = planted = "p" * 43
    await scanning.code(kiosk)
    assert kiosk.cookies["desk"] != planted


@pytest.mark.gen_test(timeout=20)
async def test_a_cookie_that_was_seen_once_is_no_way_to_a_later_code(world: World) -> None:
    kiosk = await desk(world)
    await scanning.code(kiosk)
    thief = world.desktop()
    thief.cookies["desk"] = kiosk.cookies["desk"]
    world.clock.advance(125)
    await world.server.services.scan_logins.expire()
    made = await scanning.confirmed(world, kiosk)  # somebody else, at the same computer
    assert (await scanning.code(thief))["id"] != made["id"]
    assert (await scanning.enter(thief, made)).code == 404
    assert (await scanning.enter(kiosk, made)).code == 303


async def followed(phone: Desktop, address: str) -> HTTPResponse:
    """The page that an address with a code or a state in it leads to: never one of its own."""
    back = await phone.fetch(address)
    assert back.code == 303, back.body
    to = back.headers["Location"]
    assert "code=" not in to and "state=" not in to and to.startswith("/s/")
    return await phone.fetch(to)


async def _frame(desktop: Desktop, made: dict[str, str]) -> object:
    return json.loads((await desktop.fetch(f"/login/codes/{made['id']}")).body)


# The phone's pages


@pytest.mark.gen_test(timeout=20)
async def test_outside_wechat_the_link_says_where_to_open_it(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    link = scanning.link(world, made)
    answer = await desktop.fetch(link)
    assert answer.code == 200 and b'data-view="outside"' in answer.body
    assert b"only inside WeChat" in answer.body and link.encode() in answer.body
    assert await scanning.state(desktop, made) == "waiting"
    assert (await desktop.fetch(f"/s/{SECRET}")).code == 404


@pytest.mark.gen_test(timeout=20)
async def test_in_wechat_the_link_leads_to_the_platform_silently_and_once(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    phone = world.desktop()
    phone.headers |= WECHAT
    link = scanning.link(world, made)
    ahead = await phone.fetch(link, headers={"Sec-Purpose": "prefetch"})
    assert ahead.code == 403 and "Location" not in ahead.headers
    away = await phone.fetch(link)
    assert away.code == 302 and "scope=snsapi_base" in away.headers["Location"]
    for query in ("code=x", f"code=x&state={SECRET}", f"state={SECRET}", "code=&state=", "code=é"):
        back = await followed(phone, f"{link}?{quote(query, safe='=&')}")
        assert back.code in (400, 403) and "Location" not in back.headers, query
    phone.cookies.clear()
    state = re.search(r"state=(\w+)", away.headers["Location"])
    assert state
    lost = await followed(phone, f"{link}?code=x&state={state[1]}")
    assert lost.code == 403 and b"data-retry" in lost.body
    assert await scanning.state(desktop, made) == "waiting"


@pytest.mark.gen_test(timeout=20)
async def test_a_state_of_another_code_or_another_page_proves_nothing(world: World) -> None:
    desktop = await desk(world)
    made, other = await scanning.code(desktop), await scanning.code(world.desktop())
    phone = world.desktop()
    phone.headers |= WECHAT
    away = await phone.fetch(scanning.link(world, other))
    state = re.search(r"state=(\w+)", away.headers["Location"])
    assert state
    back = await followed(phone, f"{scanning.link(world, made)}?code=x&state={state[1]}")
    assert back.code == 403 and b"keeps no cookies" in back.body


@pytest.mark.gen_test(timeout=20)
async def test_no_page_is_shown_where_a_code_and_a_state_stand_in_the_address(
    world: World,
) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    link = scanning.link(world, made)
    unbound = await scanning.scan(world, made, "li")
    assert (unbound.status, unbound.url) == (403, f"{link}?unbound=1")
    english = await world.simulator.phone("li").open(f"{unbound.url}&lang=en")
    assert english.status == 403 and "Not bound yet" in english.text
    await scanning.scan(world, made)
    await world.bound("bob", "li")
    late = await scanning.scan(world, made, "li")
    assert (late.status, late.url) == (409, f"{link}?problem=scanned-by-another")
    world.simulator.faults.answer("/sns/oauth2/access_token", body='{"errcode": -1}')
    failed = await scanning.scan(world, made)
    assert (failed.status, failed.url) == (503, f"{link}?problem=unavailable")
    assert "data-retry" in failed.text
    elsewhere = await desktop.fetch(f"{link}?code=x&state={SECRET}")
    assert (elsewhere.code, world.base + elsewhere.headers["Location"]) == (303, link)


@pytest.mark.gen_test(timeout=20)
async def test_a_problem_is_one_of_ours_and_nothing_else_of_the_address_is_shown(
    world: World,
) -> None:
    await desk(world)
    phone = world.desktop()
    phone.headers |= WECHAT
    path = f"/s/{SECRET}"
    for name in scan_login.REFUSALS:
        said = await phone.fetch(f"{path}?problem={name}")
        assert said.code == scan_login.REFUSALS[name][0]
        assert scan_login.REFUSALS[name][1].encode() in said.body
    for query in ("problem=evil-words", "problem=used&problem=used", "unbound=evil-words"):
        said = await phone.fetch(f"{path}?{query}")
        assert said.code == 400 and b"evil" not in said.body


@pytest.mark.gen_test(timeout=20)
async def test_the_question_names_everything_and_its_answers_need_a_word(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    page = await scanning.scan(world, made)
    phone = world.simulator.phone("wang")
    english = await phone.open(page.url + "?lang=en")
    for words in (
        "Log in to Example as ann at this computer?",
        made["number"],
        "Chrome, Linux",
        "127.0.0.0/24",
    ):
        assert words in english.text
    assert "网络地址" in page.text
    assert "data-elsewhere" not in page.text, "both are this machine"
    assert (await phone.browser.open(page.url)).status == 200
    path = page.url.removeprefix(world.base)
    phone_like = world.desktop()
    assert (await phone_like.post(path)).code == 400
    assert (await phone_like.post(path, answer="maybe")).code == 400
    assert (await desktop.fetch(path, method="POST", body="answer=yes", headers=FORM)).code == 403
    assert await scanning.state(desktop, made) == "scanned"


@pytest.mark.gen_test(timeout=20)
async def test_the_question_says_what_is_not_known_and_that_the_computer_is_elsewhere(
    world: World,
) -> None:
    await desk(world)
    await world.reconfigure(trusted_proxies="127.0.0.1")
    odd = world.desktop()
    odd.headers |= {"User-Agent": "x", "X-Forwarded-For": "203.0.113.9"}
    page = await scanning.scan(world, await scanning.code(odd))
    english = await world.simulator.phone("wang").open(page.url + "?lang=en")
    assert "<dd data-browser>unknown browser</dd>" in english.text
    assert "<dd data-network>203.0.113.0/24</dd>" in english.text
    assert "in another network than this phone" in english.text
    world.rows("UPDATE scan_logins SET network = ''")
    english = await world.simulator.phone("wang").open(page.url)
    assert "<dd data-network>unknown address</dd>" in english.text
    assert "data-elsewhere" not in english.text, "nobody knows"


@pytest.mark.gen_test(timeout=20)
async def test_the_page_that_takes_it_back_names_what_went_in_and_what_had_asked(
    world: World,
) -> None:
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    desktop.headers |= {"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/130.0"}
    await scanning.enter(desktop, made)
    phone = world.simulator.phone("wang")
    page = await phone.open(world.base + await scanning.not_me(world) + "?lang=en")
    assert "<dd data-browser>Firefox, Windows</dd>" in page.text
    assert "<dd data-asked-by>Chrome, Linux, 127.0.0.0/24</dd>" in page.text
    await scanning.signed_in(world, world.desktop())
    page = await phone.open(world.base + await scanning.not_me(world))
    assert "data-asked-by" not in page.text


@pytest.mark.gen_test(timeout=20)
async def test_a_code_shown_to_a_victim_lets_nobody_in_without_their_yes_and_then_for_a_moment(
    world: World,
) -> None:
    attacker = await desk(world)
    made = await scanning.code(attacker)
    question = await scanning.scan(world, made)  # the victim opens it
    assert (await scanning.enter(attacker, made)).code == 410
    assert "session" not in attacker.cookies
    await scanning.say(world, question)  # and believes the story
    assert (await scanning.enter(attacker, made)).code == 303
    victim = world.simulator.phone("wang")
    socket = await attacker.live({"live": "/live/notices"})
    await socket.frame()
    asked = await victim.open(world.base + await scanning.not_me(world))
    assert 'data-view="not-me"' in asked.text and "ann" in asked.text
    done = await victim.submit(asked)
    assert done.status == 200 and "不要扫别人发来的二维码" in done.text
    while await socket.frame():  # what its notice had come to may be told first
        pass
    assert (await attacker.fetch("/bind")).headers["Location"] == "/login"
    assert (await victim.submit(asked)).status == 410
    assert (await world.desktop().fetch(f"/not-me/{ID}/{SECRET}")).code == 404


# The way in


@pytest.mark.gen_test(timeout=20)
async def test_entering_sets_the_cookies_of_a_sign_in_and_leads_to_the_wished_page(
    world: World,
) -> None:
    desktop = await desk(world)
    token = await desktop.xsrf()
    made = await scanning.confirmed(world, desktop)
    answer = await scanning.enter(desktop, made, to="bind")
    assert (answer.code, answer.headers["Location"]) == (303, "/bind")
    jar = cookies(answer)
    assert jar["session"].value and jar["session"]["httponly"]
    assert jar["session"]["samesite"] == "Lax"
    assert "device" not in jar, "nobody typed a password here"
    for name in ("xsrf", "desk"):
        assert jar[name].value in ("", '""'), name
    assert (await desktop.post("/bind/test", token=token)).code == 403, "a new XSRF token"
    assert (await scanning.enter(desktop, made)).code == 404, "its cookie is gone"
    assert (await desktop.fetch("/bind")).code == 200


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "nowhere", "/bind", "é"])
async def test_entering_leads_to_no_free_address(world: World, to: str) -> None:
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    assert (await scanning.enter(desktop, made, to=to)).code == 400
    assert "session" not in desktop.cookies
    assert (await scanning.enter(desktop, made)).code == 303


@pytest.mark.gen_test(timeout=20)
async def test_the_wished_page_may_be_another_of_ours(world: World) -> None:
    await world.reconfigure(pictures="true")
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    assert (await scanning.enter(desktop, made, to="pictures")).headers["Location"] == "/pictures"
