"""The entry inside WeChat, as a browser and as an attacker."""

import asyncio
import re
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit

import pytest
from tornado.httpclient import HTTPResponse

from tests.conftest import Ear
from tests.service.steps import EXCHANGE, bindings
from tests.world import PASSWORD, Desktop, World
from wx.errors import StorageUnavailable
from wx.model import Account
from wx.simulator.browser import USER_AGENT
from wx.simulator.oauth import Question, new_code
from wx.simulator.page import Page
from wx.web import entry

WECHAT = {"User-Agent": USER_AGENT}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
AUTHORIZE = "/connect/oauth2/authorize"
# Where somebody who plays with ``to`` would like others to be led.
ELSEWHERE = [
    *("//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\\\evil"),
    *("/\\/evil.example", "\\/evil.example", "//evil.example/%2e%2e", "/%09/evil.example"),
    *("https://evil.example", "HTTPS://EVIL.EXAMPLE", "http:evil.example", "https:/evil.example"),
    *("https:///evil.example", "ftp://evil.example", "ws://evil.example", "file:///etc/passwd"),
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "javascript&colon;x"),
    *("data:text/html,<script>alert(1)</script>", "vbscript:x", "weixin://dl/business", "about:x"),
    *("%2f%2fevil.example", "%2Fevil", "%252f%252fevil.example", "%5c%5cevil", "%68ttps://evil"),
    *("//evil.example@127.0.0.1", "127.0.0.1@evil.example", "@evil.example", "bind@evil.example"),
    *("bind//evil.example", "bind/../..//evil.example", "bind?x=//evil", "bind#//evil", "bind\0"),
    *(
        "/bind",
        "/bind//evil",
        "./bind",
        "../bind",
        "bind.evil.example",
        "bind:80",
        "bind ",
        " bind",
    ),
    *("BIND", "Bind", "bInd", "bind\r\nLocation: //evil.example", "bind\r\n\r\n<script>", "bind\n"),
    *("\r\nSet-Cookie: session=x", "bind%0d%0aLocation:%20//evil", "bind%00", "\t//evil.example"),
    *(
        "／／evil.example",
        "\u2215\u2215evil.example",
        "ｂｉｎｄ",
        "bın\u0064",
        "https://evil。example",
    ),
    *("\u202e//evil", "\ufeffbind", "\u200bbind", "enter", "login", "logout", "/enter?to=//evil"),
    *("pictures", "Pictures", "bind,pictures", "bind&to=//evil", "a" * 5000, "", "0", "None", "*"),
]


# What an address may ask the page to say.
SAID = {f"problem={name}" for name in entry._PROBLEMS} | {"done=reached"}


class InWeChat(Desktop):
    """A browser inside WeChat that follows nothing by itself."""

    def __init__(self, world: World, person: str = "wang", *, language: str = "en") -> None:
        super().__init__(world.base, language=language)
        self.headers["User-Agent"] = USER_AGENT
        self.person = person
        self._world = world
        world.desktops.append(self)

    async def at_platform(self, address: str) -> str:
        """Where the platform leads this person back to, from its authorize page."""
        phone = self._world.simulator.phone(self.person)
        answer, _ = await phone.browser.request("GET", address, body=None, headers={})
        assert answer.code == 302, answer.body
        back: str = answer.headers["Location"]
        self.seen |= {one for pair in parse_qs(urlsplit(back).query).values() for one in pair}
        return back

    async def sent_away(self, path: str = "/enter") -> str:
        """The address with code and state that an entry leads back to; it is not opened yet."""
        away = await self.fetch(path)
        assert away.code == 302, (away.code, away.body)
        return await self.at_platform(away.headers["Location"])

    async def landed(self, path: str) -> HTTPResponse:
        """The page that says what came of the way back: at an address that holds no secret."""
        back = await self.fetch(path)
        assert back.code == 303 and "Retry-After" not in back.headers, (back.code, back.body)
        there = urlsplit(back.headers["Location"])
        assert (there.scheme, there.netloc, there.path) == ("", "", "/enter")
        assert there.query.removeprefix("to=bind&").removeprefix("to=pictures&") in SAID
        page = await self.fetch(back.headers["Location"])
        assert page.body and "Set-Cookie" not in page.headers
        return page

    async def form(self, path: str = "/enter") -> HTTPResponse:
        """The page that a stranger gets."""
        back = await self.fetch(await self.sent_away(path))
        assert back.code == 303, (back.code, back.body)
        return await self.fetch(back.headers["Location"])

    async def send(self, page: HTTPResponse, **fields: str) -> HTTPResponse:
        """Send the stranger's form."""
        token = re.search(r'name="_xsrf" value="([^"]+)"', page.body.decode())
        assert token
        usual = {"username": "ann", "password": PASSWORD}
        return await self.post("/enter", token=token[1], **usual | fields)


def is_problem(answer: HTTPResponse | Page, *, again: str | None = "/enter") -> str:
    """What a page says that shows nothing and leads nowhere by itself."""
    page = answer.text if isinstance(answer, Page) else answer.body.decode()
    assert "Location" not in answer.headers and 'data-view="problem"' in page, page
    assert ("data-retry" in page) == bool(again)
    assert again is None or f'href="{again.replace("&", "&amp;")}" data-retry' in page, page
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    return page


def ours(world: World, answer: HTTPResponse) -> bool:
    """Whether an answer leads nowhere but to the pages that it may lead to."""
    location = answer.headers.get("Location")
    lines = answer.headers.get_list("Location")
    if location is None:
        return True
    fixed = {"/bind", "/pictures", "/login", "/login?to=pictures"}
    away = f"{world.simulator.base_url}{AUTHORIZE}?"
    if location.startswith(away):
        target = parse_qs(urlsplit(location).query)["redirect_uri"][0]
        back = {f"{world.base}/enter?to={name}" for name in ("bind", "pictures")}
        return len(lines) == 1 and target in back
    return len(lines) == 1 and location in fixed


# Those who are bound


@pytest.mark.gen_test(timeout=20)
async def test_who_is_bound_comes_in_with_two_redirects_and_no_question(world: World) -> None:
    await world.bound()
    phone = InWeChat(world)
    away = await phone.fetch("/enter")
    assert away.code == 302 and not away.body
    asked = parse_qs(urlsplit(away.headers["Location"]).query)
    assert asked["scope"] == ["snsapi_base"]
    assert asked["redirect_uri"] == [f"{world.base}/enter?to=bind"]
    assert away.headers["Cache-Control"] == "no-store"
    assert away.headers["Referrer-Policy"] == "no-referrer"
    back = await phone.fetch(await phone.at_platform(away.headers["Location"]))
    assert (back.code, back.headers["Location"]) == (303, "/bind")
    set_now = back.headers.get_list("Set-Cookie")
    assert {one.partition("=")[0] for one in set_now} == {"session", "xsrf"}
    for one in set_now:
        assert "HttpOnly" in one and "SameSite=Lax" in one and "Path=/" in one
    page = await phone.fetch("/bind")
    assert page.code == 200 and "You are logged in to Example as ann." in page.body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_whoever_is_signed_in_goes_straight_to_the_page(world: World) -> None:
    await world.reconfigure(pictures="true")
    desktop = await world.signed_in()
    for more in ({}, WECHAT):
        for path, target in (
            ("/enter", "/bind"),
            ("/enter?to=bind", "/bind"),
            ("/enter?to=pictures", "/pictures"),
            (f"/enter?to=bind&code=abc&state={'s' * 43}", "/bind"),
        ):
            answer = await desktop.fetch(path, headers=more)
            assert (answer.code, answer.headers["Location"]) == (303, target)
    assert world.simulator.calls[EXCHANGE] == 0


@pytest.mark.gen_test(timeout=20)
async def test_outside_wechat_the_password_leads_to_the_same_page(world: World) -> None:
    await world.reconfigure(pictures="true")
    desktop = world.desktop()
    answer = await desktop.fetch("/enter")
    assert (answer.code, answer.headers["Location"]) == (303, "/login")
    answer = await desktop.fetch("/enter?to=pictures")
    assert (answer.code, answer.headers["Location"]) == (303, "/login?to=pictures")
    page = (await desktop.fetch("/login?to=pictures")).body.decode()
    assert '<input type="hidden" name="to" value="pictures">' in page
    assert 'href="/login?to=pictures&amp;lang=zh"' in page, "the other language leads there too"
    wrong = await desktop.post("/login", username="ann", password="wrong", to="pictures")
    assert wrong.code == 401 and b'name="to" value="pictures"' in wrong.body
    stale = await desktop.post("/login", token="2|0|0|0", username="ann", password="x", to="bind")
    assert stale.code == 403 and b'name="to" value="bind"' in stale.body
    answer = await desktop.post("/login", username="ann", password=PASSWORD, to="pictures")
    assert (answer.code, answer.headers["Location"]) == (303, "/pictures")
    answer = await desktop.fetch("/login?to=pictures")
    assert (answer.code, answer.headers["Location"]) == (303, "/pictures")


@pytest.mark.gen_test(timeout=20)
async def test_a_page_that_needs_a_session_is_where_the_password_leads(world: World) -> None:
    await world.reconfigure(pictures="true")
    desktop = world.desktop()
    for path, target in (("/pictures", "/login?to=pictures"), ("/bind", "/login")):
        answer = await desktop.fetch(path)
        assert (answer.code, answer.headers["Location"]) == (303, target)
        answer = await desktop.fetch(f"{path}?to=//evil&lang=en")
        assert (answer.code, answer.headers["Location"]) == (303, target)


@pytest.mark.gen_test(timeout=20)
async def test_the_login_page_inside_wechat_offers_the_entry(world: World) -> None:
    await world.reconfigure(pictures="true")
    for path, href in (("/login", "/enter"), ("/login?to=pictures", "/enter?to=pictures")):
        page = (await InWeChat(world).fetch(path)).body.decode()
        assert f'href="{href}" data-enter>Log in with this WeChat</a>' in page
        assert page.index("data-enter") < page.index('name="username"')
        assert "data-enter" not in (await world.desktop().fetch(path)).body.decode()
    page = (await InWeChat(world, language="zh-CN").fetch("/login")).body.decode()
    assert "用此微信登录" in page


@pytest.mark.gen_test(timeout=20)
async def test_a_page_that_is_off_is_none(world: World) -> None:
    assert not world.server.config.pictures
    for path in ("/enter?to=pictures", "/login?to=pictures"):
        assert (await InWeChat(world).fetch(path)).code == 400


@pytest.mark.gen_test(timeout=20)
async def test_a_browser_that_only_looks_ahead_gets_nothing(world: World) -> None:
    await world.bound()
    phone = InWeChat(world)
    address = await phone.sent_away()
    exchanges = world.simulator.calls[EXCHANGE]
    for name, value in (
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("X-Moz", "prefetch"),
    ):
        for path in ("/enter", address):
            answer = await phone.fetch(path, headers={name: value})
            assert answer.code == 403 and "Set-Cookie" not in answer.headers
            is_problem(answer)
    assert world.simulator.calls[EXCHANGE] == exchanges
    assert (await phone.fetch(address)).code == 303, "and the code is still good"


@pytest.mark.gen_test(timeout=20)
async def test_what_is_not_a_code_or_a_state_is_refused(world: World) -> None:
    for query in (
        *("code=a%20b&state=" + "s" * 43, "code=abc&state=short", "code=&state=" + "s" * 43),
        *("code=abc", "state=" + "s" * 43, "code=a&code=b&state=" + "s" * 43, "code=%00&state="),
        *("for=other&code=a&state=" + "s" * 43, "to=other&code=a&state=" + "s" * 43),
    ):
        answer = await InWeChat(world).landed(f"/enter?{query}")
        assert answer.code in (400, 403), query
        is_problem(answer)
    for query in ("asked=2", "asked=1&asked=1", "done=x", "problem=x", "problem=", "problem=.*"):
        answer = await InWeChat(world).fetch(f"/enter?{query}")
        assert answer.code == 400, query
    assert world.simulator.calls[EXCHANGE] == 0


@pytest.mark.gen_test(timeout=20)
async def test_in_chinese_and_with_a_switch_that_keeps_the_page(world: World) -> None:
    await world.reconfigure(pictures="true")
    phone = InWeChat(world, language="zh-CN")
    page = (await phone.form("/enter?to=pictures")).body.decode()
    assert "登录并绑定此微信" in page and "使用我的微信昵称和头像" in page
    assert 'href="/enter?to=pictures&amp;lang=en"' in page and 'value="pictures"' in page
    page = (await phone.form("/enter?to=pictures&lang=en")).body.decode()
    assert "Log in and bind this WeChat" in page, "also where the platform is asked first"


# What cannot be


@pytest.mark.gen_test(timeout=20)
async def test_a_disabled_account_is_said_to_be_disabled(world: World) -> None:
    await world.bound()
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
    phone = InWeChat(world)
    answer = await phone.landed(await phone.sent_away())
    assert answer.code == 403 and "session" not in phone.cookies
    page = is_problem(answer, again=None)
    assert "This WeChat is bound to an account that is disabled." in page


@pytest.mark.gen_test(timeout=20)
async def test_an_account_that_can_only_be_reached_has_nothing_to_log_in_to(world: World) -> None:
    await world.bound()
    world.rows("UPDATE accounts SET password = '' WHERE name = 'ann'")
    phone = InWeChat(world)
    answer = await phone.landed(await phone.sent_away())
    page = answer.body.decode()
    assert answer.code == 200 and "session" not in phone.cookies
    assert "Notices of Example arrive in this WeChat." in page
    assert "<form" not in page and 'href="/enter?done=reached&amp;lang=zh"' in page
    chinese = InWeChat(world, language="zh-CN")
    page = (await chinese.landed(await chinese.sent_away())).body.decode()
    assert "Example 的通知会发到这个微信" in page


@pytest.mark.gen_test(timeout=20)
async def test_a_wrong_secret_ends_in_a_page_and_not_in_a_loop(world: World) -> None:
    await world.bound()
    exchanges = world.simulator.calls[EXCHANGE]
    await world.reconfigure(app_secret="not-the-right-one")
    phone = world.simulator.phone("wang")
    phone.browser.language = "en"
    page = await phone.open(f"{world.base}/enter")  # follows ten redirects, and no more
    assert page.status == 502
    assert "WeChat gave an answer that does not help." in is_problem(page)
    assert phone.browser.jar.get(world.base, "session") is None
    assert world.simulator.calls[EXCHANGE] == exchanges + 1


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("kept", [set(), {"visit"}, {"visit", "lang"}, {"stranger"}])
@pytest.mark.parametrize("bound", [True, False])
async def test_a_browser_that_keeps_no_cookies_is_sent_to_the_platform_once(
    world: World, kept: set[str], bound: bool
) -> None:
    if bound:
        await world.bound()
    phone, path, away = InWeChat(world), "/enter", 0
    for _ in range(10):
        phone.cookies = {name: value for name, value in phone.cookies.items() if name in kept}
        answer = await phone.fetch(path)
        if answer.code not in (302, 303):
            break
        path = urljoin(world.base, answer.headers["Location"])
        if AUTHORIZE in path:
            away += 1
            path = await phone.at_platform(path)
    assert away == 1
    assert answer.code == (200 if bound and "visit" in kept else 403), "the login page, or why not"


@pytest.mark.gen_test(timeout=20)
async def test_the_way_back_after_signing_out_ends_at_a_page(world: World) -> None:
    await world.bound()
    phone = InWeChat(world)
    address = await phone.sent_away()
    assert (await phone.fetch(address)).code == 303
    assert (await phone.post("/logout")).code == 303
    answer = await phone.fetch(address)
    steps = [answer.headers["Location"]]
    while answer.code == 303 and len(steps) < 6:
        answer = await phone.fetch(steps[-1])
        steps.append(answer.headers.get("Location", ""))
    assert steps == ["/bind", "/login", ""]
    assert "Log in with this WeChat" in answer.body.decode()
    assert len(world.rows("SELECT 1 FROM sessions")) == 1, "the desktop's alone"


@pytest.mark.gen_test(timeout=20)
async def test_without_a_database_a_repeat_comes_in_without_a_second_exchange(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.bound()
    phone = InWeChat(world)
    address, exchanges = await phone.sent_away(), world.simulator.calls[EXCHANGE]

    async def full(*_: Any) -> None:
        raise StorageUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(world.server.services.entries._database, "write", full)
        answer = await phone.landed(address)
    assert answer.code == 503 and answer.headers["Retry-After"]
    is_problem(answer)
    assert (await phone.fetch(address)).code == 303
    assert world.simulator.calls[EXCHANGE] == exchanges + 1


# Repeats, thieves and crowds


@pytest.mark.gen_test(timeout=60)
async def test_a_thousand_identical_callbacks_are_one_exchange_and_one_session(
    world: World,
) -> None:
    await world.bound()
    phone = InWeChat(world)
    address = await phone.sent_away()
    exchanges = world.simulator.calls[EXCHANGE]
    before = len(world.rows("SELECT 1 FROM sessions"))
    world.simulator.faults.delay(EXCHANGE, 0.3)
    cookie = {"Cookie": f"visit={phone.cookies['visit']}"}
    path = address.removeprefix(world.base)
    clients = [world.look(path, headers=WECHAT | cookie) for _ in range(1000)]
    answers = await asyncio.gather(*clients)
    assert {(one.code, one.headers["Location"]) for one in answers} == {(303, "/bind")}
    sessions = {one.headers.get_list("Set-Cookie")[0].partition(";")[0] for one in answers}
    assert len(sessions) == 1 and next(iter(sessions)).startswith("session=")
    phone.seen |= {one.removeprefix("session=") for one in sessions}
    assert world.simulator.calls[EXCHANGE] == exchanges + 1
    assert len(world.rows("SELECT 1 FROM sessions")) == before + 1


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("gap", [0, 0.05])
async def test_a_phone_that_asks_twice_gets_the_same_session_twice(
    world: World, gap: float
) -> None:
    await world.bound()
    before = len(world.rows("SELECT 1 FROM sessions"))
    world.simulator.faults.double_callback = gap
    phone = world.simulator.phone("wang")
    page = await phone.open(f"{world.base}/enter")
    assert page.status == 200 and page.url == f"{world.base}/bind"
    assert len(world.rows("SELECT 1 FROM sessions")) == before + 1


@pytest.mark.gen_test(timeout=20)
async def test_a_stranger_s_phone_that_asks_twice_can_go_on(world: World) -> None:
    world.simulator.faults.double_callback = 0
    page = await world.simulator.phone("wang").open(f"{world.base}/enter")
    assert page.status == 200 and 'data-view="stranger"' in page.text


@pytest.mark.gen_test(timeout=20)
async def test_a_callback_that_was_passed_on_signs_nobody_in(world: World) -> None:
    await world.bound("ann", "wang")
    await world.bound("bob", "li")
    wang, li = InWeChat(world), InWeChat(world, "li")
    address = await wang.sent_away()
    exchanges = world.simulator.calls[EXCHANGE]
    await li.sent_away()
    for other in (InWeChat(world), li):  # without a cookie, and with one of its own
        answer = await other.landed(address)
        assert answer.code == 403 and "session" not in other.cookies
        is_problem(answer)
    desk = await world.desktop().fetch(address)
    assert (desk.code, desk.headers["Location"]) == (303, "/login"), "nor outside WeChat"
    assert world.simulator.calls[EXCHANGE] == exchanges, "the code is not used up by that"
    assert (await wang.fetch(address)).code == 303
    for other in (InWeChat(world), li):  # now that it has been exchanged
        assert (await other.landed(address)).code == 403 and "session" not in other.cookies


@pytest.mark.gen_test(timeout=20)
async def test_the_code_of_another_person_cannot_be_slipped_in(world: World) -> None:
    await world.bound("ann", "wang")
    victim, attacker = InWeChat(world), InWeChat(world, "li")
    theirs = parse_qs(urlsplit(await attacker.sent_away()).query)
    await victim.sent_away()
    answer = await victim.landed(f"/enter?{urlencode({'to': 'bind'} | _first(theirs))}")
    assert answer.code == 403 and "stranger" not in victim.cookies
    assert "session" not in victim.cookies


@pytest.mark.gen_test(timeout=20)
async def test_nor_on_the_state_of_a_way_that_the_victim_has_gone(world: World) -> None:
    """Or whoever saw the address that a stranger came back by would have their own WeChat bound by
    the stranger's password."""
    victim, attacker = InWeChat(world), InWeChat(world, "li")
    mine = await victim.sent_away()
    await victim.fetch(mine)
    kept = victim.cookies["stranger"]
    theirs = parse_qs(urlsplit(await attacker.sent_away()).query)["code"][0]
    state = parse_qs(urlsplit(mine).query)["state"][0]
    slipped = urlencode({"to": "bind", "code": theirs, "state": state})
    answer = await victim.landed(f"/enter?{slipped}")
    assert answer.code == 403 and victim.cookies["stranger"] == kept
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_the_cookie_of_another_person_s_way_is_worth_nothing(world: World) -> None:
    await world.bound("ann", "wang")
    await world.bound("bob", "li")
    wang, li = InWeChat(world), InWeChat(world, "li")
    await wang.sent_away()
    li.cookies["visit"] = wang.cookies["visit"]
    assert (await li.fetch(await li.sent_away())).code == 303
    page = (await li.fetch("/bind")).body.decode()
    assert "You are logged in to Example as bob." in page, "whose code it was, and nobody else's"


@pytest.mark.gen_test(timeout=20)
async def test_a_way_for_one_page_leads_to_no_other(world: World) -> None:
    await world.reconfigure(pictures="true")
    await world.bound()
    phone = InWeChat(world)
    address = await phone.sent_away("/enter?to=pictures")
    for changed in (
        address.replace("to=pictures", "to=bind"),
        address.replace("to=pictures&", ""),
        f"{address}&for=profile",
    ):
        if "for=profile" in changed:
            answer = await phone.fetch(changed)
            assert answer.headers["Location"] == "/pictures" and "session" not in phone.cookies
        else:
            assert (await phone.landed(changed)).code == 403
    assert (await phone.fetch(address)).headers["Location"] == "/pictures"


@pytest.mark.gen_test(timeout=20)
async def test_a_way_that_took_too_long_is_begun_again_by_hand(world: World) -> None:
    await world.bound()
    phone = InWeChat(world)
    address = await phone.sent_away()
    world.clock.advance(600)
    answer = await phone.landed(address)
    assert answer.code == 403
    is_problem(answer)
    assert (await phone.fetch(await phone.sent_away())).code == 303


@pytest.mark.gen_test(timeout=60)
async def test_fifty_people_at_once_each_get_their_own_session(world: World) -> None:
    people = [world.simulator.world.add_person(f"p{number}") for number in range(50)]
    now = world.clock.now()
    for number, person in enumerate(people):
        name = f"n{number}"
        world.rows(
            """INSERT INTO accounts (name, folded_name, password, admin, created_at)
               VALUES (?, ?, '$argon2id$x', 0, ?)""",
            *(name, name, now),
        )
        world.rows(
            "INSERT INTO followers (app_id, openid) VALUES (?, ?)",
            *(world.simulator.app_id, person.openid),
        )
        world.rows(
            """INSERT INTO bindings (app_id, account_id, follower_id, route, bound_at)
               SELECT ?, accounts.id, followers.id, 'oauth', ? FROM accounts, followers
                WHERE name = ? AND openid = ?""",
            *(world.simulator.app_id, now, name, person.openid),
        )
    phones = [InWeChat(world, person.id) for person in people]
    addresses = await asyncio.gather(*(phone.sent_away() for phone in phones))
    world.simulator.faults.delay(EXCHANGE, 0.2)
    pairs = zip(phones, addresses, strict=True)
    twice = [phone.fetch(address) for phone, address in pairs for _ in range(2)]
    assert {answer.code for answer in await asyncio.gather(*twice)} == {303}
    pages = await asyncio.gather(*(phone.fetch("/bind") for phone in phones))
    for number, page in enumerate(pages):
        assert f"You are logged in to Example as n{number}." in page.body.decode()
    assert world.simulator.calls[EXCHANGE] == 50
    assert len({phone.cookies["session"] for phone in phones}) == 50
    assert len(world.rows("SELECT 1 FROM sessions")) == 50


@pytest.mark.gen_test(timeout=20)
async def test_a_snapshot_user_is_nobody(world: World) -> None:
    await world.bound()
    phone = InWeChat(world)
    person = world.simulator.world.people["wang"]
    back = urlsplit(await phone.sent_away())
    asked = Question(person, "", "snsapi_base", "")
    code = new_code(world.simulator.world, asked, snapshot=True).value
    state = parse_qs(back.query)["state"][0]
    answer = await phone.landed(f"/enter?to=bind&code={code}&state={state}")
    assert answer.code == 403 and "session" not in phone.cookies
    assert "WeChat shows a preview of this page." in is_problem(answer)
    assert "stranger" not in phone.cookies
    # "Use full service" opens the same authorize page again.
    assert (await phone.fetch(back.geturl())).headers["Location"] == "/bind"
    assert "session" in phone.cookies


@pytest.mark.gen_test(timeout=20)
async def test_what_an_address_asks_the_page_to_say_is_one_of_a_few_things(world: World) -> None:
    await world.reconfigure(pictures="true")
    final = {"risky", "disabled"}
    for name, made in entry._PROBLEMS.items():
        status = getattr(made(), "status", getattr(made(), "status_code", 503))
        for to, path in (("", "/enter"), ("to=pictures&", "/enter?to=pictures")):
            phone = InWeChat(world)
            answer = await phone.fetch(f"/enter?{to}problem={name}")
            assert answer.code == status and phone.cookies.keys() <= {"xsrf"}
            page = is_problem(answer, again=None if name in final else path)
            assert f'href="/enter?{to.replace("&", "&amp;")}problem={name}&amp;lang=zh"' in page
            chinese = await phone.fetch(f"/enter?{to}problem={name}&lang=zh")
            assert chinese.code == status and "没" in chinese.body.decode()
        waits = "Retry-After" in answer.headers
        assert waits == (status in (429, 503))
    signed_in, desktop = await world.signed_in(), world.desktop()
    for name in entry._PROBLEMS:
        answer = await signed_in.fetch(f"/enter?problem={name}", headers=WECHAT)
        assert answer.headers["Location"] == "/bind"
        assert (await desktop.fetch(f"/enter?problem={name}")).headers["Location"] == "/login"
    assert world.simulator.calls[EXCHANGE] == 0


@pytest.mark.gen_test(timeout=20)
async def test_silent_entry_gives_no_device_cookie_and_takes_none_away(world: World) -> None:
    """It would give whoever guesses the password a name of their own to guess under."""
    await world.bound()
    phone = InWeChat(world)
    await phone.fetch(await phone.sent_away())
    assert "session" in phone.cookies and "device" not in phone.cookies
    assert (await phone.post("/logout")).code == 303
    assert (await phone.log_in()).code == 303
    kept = phone.cookies["device"]
    assert (await phone.post("/logout")).code == 303
    await phone.fetch(await phone.sent_away())
    assert "session" in phone.cookies and phone.cookies["device"] == kept


@pytest.mark.gen_test(timeout=20)
async def test_a_session_that_began_here_ends_with_its_account(world: World) -> None:
    await world.bound()
    phone = InWeChat(world)
    await phone.fetch(await phone.sent_away())
    assert (await phone.fetch("/bind")).code == 200
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
    assert (await phone.fetch("/bind")).code == 303
    assert (await phone.fetch("/enter")).code == 302


# Strangers


@pytest.mark.gen_test(timeout=20)
async def test_the_stranger_s_page_asks_for_name_and_password(world: World) -> None:
    phone = InWeChat(world)
    back = await phone.fetch(await phone.sent_away())
    assert (back.code, back.headers["Location"]) == (303, "/enter?to=bind&asked=1")
    (cookie,) = back.headers.get_list("Set-Cookie")
    assert cookie.startswith("stranger=") and "HttpOnly" in cookie and "Max-Age=600" in cookie
    answer = await phone.fetch(back.headers["Location"])
    page = answer.body.decode()
    assert answer.code == 200 and "<title>Log in to Example · Example</title>" in page
    assert "Log in and bind this WeChat" in page and 'name="to" value="bind"' in page
    assert 'name="profile" value="1" checked' in page and 'name="replace"' not in page
    policy = answer.headers["Content-Security-Policy"]
    assert f"form-action 'self' {world.simulator.base_url};" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert world.rows("SELECT 1 FROM followers") == []


@pytest.mark.gen_test(timeout=20)
async def test_where_no_profile_is_asked_for_no_form_leads_to_the_platform(world: World) -> None:
    await world.reconfigure(bind_scope="snsapi_base")
    phone = InWeChat(world)
    answer = await phone.form()
    assert b'name="profile"' not in answer.body
    assert "form-action 'self';" in answer.headers["Content-Security-Policy"]
    done = await phone.send(answer, profile="1")
    assert (done.code, done.headers["Location"]) == (303, "/bind"), "whatever the form says"
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_signed_in_and_bound_the_cookies_are_those_of_a_sign_in(world: World) -> None:
    await world.reconfigure(pictures="true")
    phone = InWeChat(world)
    page = await phone.form("/enter?to=pictures")
    done = await phone.send(page, to="pictures")
    assert (done.code, done.headers["Location"]) == (303, "/pictures")
    assert {"session", "device"} <= set(phone.cookies)
    assert "stranger" not in phone.cookies and "xsrf" not in phone.cookies
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_who_wants_it_is_asked_for_name_and_picture_after_the_binding(world: World) -> None:
    phone = InWeChat(world)
    done = await phone.send(await phone.form(), profile="1")
    assert done.code == 303 and bindings(world) == [("ann", "wang")], "bound already"
    away = done.headers["Location"]
    asked = parse_qs(urlsplit(away).query)
    assert asked["scope"] == ["snsapi_userinfo"]
    assert asked["redirect_uri"] == [f"{world.base}/enter?to=bind&for=profile"]
    policy = done.headers["Content-Security-Policy"]
    assert f"form-action 'self' {world.simulator.base_url};" in policy
    person = world.simulator.phone("wang")
    platform = await person.open(away)
    assert person.person.nickname not in (await phone.fetch("/bind")).body.decode()
    form = platform.form("consent")
    headers = {"Origin": world.simulator.base_url, "Sec-Fetch-Site": "same-origin"}
    answer, _ = await person.browser.request(
        "POST",
        urljoin(platform.url, form.action),
        body=urlencode({**form.fields, "answer": "allow"}),
        headers=headers,
    )
    for _ in range(2):
        back = await phone.fetch(answer.headers["Location"])
        assert (back.code, back.headers["Location"]) == (303, "/bind")
    assert person.person.nickname in (await phone.fetch("/bind")).body.decode()
    assert len(world.rows("SELECT 1 FROM authorizations")) == 1


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("how", ["declined", "snapshot", "signed out", "foreign", "broken"])
async def test_without_a_profile_one_lands_on_the_page_all_the_same(world: World, how: str) -> None:
    phone = InWeChat(world)
    away = (await phone.send(await phone.form(), profile="1")).headers["Location"]
    state = parse_qs(urlsplit(away).query)["state"][0]
    path = f"/enter?to=bind&for=profile&state={state}"
    if how == "snapshot":
        world.simulator.world.people["wang"].snapshot = True
        path = (await phone.at_platform(away)).removeprefix(world.base)
    elif how == "signed out":
        await phone.post("/logout")
        path += "&code=abc"
    elif how == "foreign":
        path = path.replace(state, "s" * 43) + "&code=abc"
    elif how == "broken":
        world.simulator.faults.answer(EXCHANGE, errcode=40125)
        path += "&code=abc"
    back = await phone.fetch(path)
    assert (back.code, back.headers["Location"]) == (303, "/bind")
    assert bindings(world) == [("ann", "wang")]
    assert ((await phone.fetch("/bind")).code == 200) == (how != "signed out")


@pytest.mark.gen_test(timeout=20)
async def test_a_wrong_password_shows_the_form_again_and_not_the_name(world: World) -> None:
    phone = InWeChat(world)
    page = await phone.form()
    bodies = set()
    for name in ("ann", "<b>mallory</b>", "nobody"):
        answer = await phone.send(page, username=name, password="hunter2-hunter2")
        assert answer.code == 401 and "Location" not in answer.headers
        text = answer.body.decode()
        assert "Wrong name or password." in text and "mallory" not in text and "hunter2" not in text
        assert 'name="profile" value="1" data-profile' in text, "as it was left"
        bodies.add(re.sub(r'name="_xsrf" value="[^"]*"', "", text))
        world.server.services.sessions._throttle._records.clear()
    assert len(bodies) == 1
    assert "session" not in phone.cookies and bindings(world) == []
    assert (await phone.send(page)).code == 303, "and the form is still good"


@pytest.mark.gen_test(timeout=20)
async def test_too_many_tries_are_told_to_wait(world: World) -> None:
    phone = InWeChat(world)
    page = await phone.form()
    codes = [(await phone.send(page, password="wrong")).code for _ in range(7)]
    assert codes == [401] * 6 + [429]
    answer = await phone.send(page)
    assert answer.code == 429 and int(answer.headers["Retry-After"]) > 0
    assert "Too many tries" in answer.body.decode() and b'name="username"' in answer.body


@pytest.mark.gen_test(timeout=20)
async def test_an_account_with_another_wechat_is_asked_whether_to_replace_it(
    world: World,
) -> None:
    await world.bound("ann", "wang")
    phone = InWeChat(world, "li")
    page = await phone.form()
    assert (await phone.send(page, password="wrong", replace="1")).code == 401
    answer = await phone.send(page)
    text = answer.body.decode()
    assert answer.code == 409 and "session" not in phone.cookies
    assert "This account is bound to another WeChat already." in text
    assert 'name="replace" value="1" data-replace' in text and 'value="ann"' in text
    assert PASSWORD not in text, "which is to be typed again"
    assert bindings(world) == [("ann", "wang")]
    assert (await phone.send(answer, replace="1")).code == 303
    assert bindings(world) == [("ann", "li")]


@pytest.mark.gen_test(timeout=20)
async def test_a_wechat_bound_meanwhile_is_refused_and_then_comes_in(world: World) -> None:
    phone = InWeChat(world)
    page = await phone.form()
    await world.bound("bob", "wang")
    answer = await phone.send(page, replace="1")
    assert answer.code == 409 and "session" not in phone.cookies
    assert "This WeChat is bound to another account." in is_problem(answer)
    assert (await phone.fetch(await phone.sent_away())).code == 303
    assert "as bob." in (await phone.fetch("/bind")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_without_the_stranger_s_cookie_nobody_is_signed_in(world: World) -> None:
    phone = InWeChat(world)
    page = await phone.form()
    kept = phone.cookies["stranger"]
    changed = kept[:-9] + ("A" if kept[-9] != "A" else "B") + kept[-8:]
    for cookie in ("", "x", changed, kept[::-1], phone.cookies["visit"]):
        phone.cookies["stranger"] = cookie
        for answer in (await phone.send(page), await phone.fetch("/enter?asked=1")):
            assert answer.code == 403
            is_problem(answer)
    phone.cookies["stranger"] = kept
    world.clock.advance(600)
    assert (await phone.send(page)).code == 403
    assert world.rows("SELECT 1 FROM sessions") == [] and bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_the_form_needs_its_token_and_takes_no_field_twice(world: World) -> None:
    phone = InWeChat(world)
    page = await phone.form()
    token = re.search(r'name="_xsrf" value="([^"]+)"', page.body.decode())
    assert token
    right = urlencode({"_xsrf": token[1], "username": "ann", "password": PASSWORD})
    answer = await phone.fetch("/enter", method="POST", body="username=ann", headers=FORM)
    assert answer.code == 403
    is_problem(answer)
    for more in ("username=bob", "password=x", "to=bind&to=bind", "replace=2", "profile=yes"):
        answer = await phone.fetch("/enter", method="POST", body=f"{right}&{more}", headers=FORM)
        assert answer.code == 400, more
    assert bindings(world) == [] and "session" not in phone.cookies


@pytest.mark.gen_test(timeout=20)
async def test_with_digits_at_the_computer_the_page_only_signs_in_and_says_so(
    world: World,
) -> None:
    await world.reconfigure(bind_confirm="desktop", pictures="true")
    phone = InWeChat(world)
    page = await phone.form("/enter?to=pictures")
    text = page.body.decode()
    assert "which here takes a computer too" in text and "bind this WeChat<" not in text
    assert 'name="profile"' not in text and ">Log in</button>" in text
    done = await phone.send(page, to="pictures", profile="1", replace="1")
    assert (done.code, done.headers["Location"]) == (303, "/bind")
    assert bindings(world) == []
    assert "Bind this WeChat" in (await phone.fetch("/bind")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_an_open_page_of_the_account_hears_of_the_binding(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await world.signed_in()
    socket = await desktop.live({"live": "/live/notices"})
    assert (await socket.frame() or {})["state"] == "unbound"
    phone, service = InWeChat(world), world.server.services.bindings
    told, real = [], service.told

    def watched(account: Account) -> None:
        told.append(account.name)
        real(account)

    monkeypatch.setattr(service, "told", watched)
    assert (await phone.send(await phone.form())).code == 303
    assert told == ["ann"]
    await socket.until("bound")


@pytest.mark.gen_test(timeout=20)
async def test_a_page_that_shows_the_account_s_code_turns_to_bound(world: World) -> None:
    desktop, other = await world.signed_in("ann"), await world.signed_in("bob")
    invite, theirs = await desktop.invite(), await other.invite()
    socket = await desktop.live(invite)
    assert (await socket.frame() or {})["state"] == "waiting"
    phone = InWeChat(world)
    assert (await phone.send(await phone.form())).code == 303
    await socket.until("bound")
    assert "data-bound" in (await desktop.fetch("/bind")).body.decode()
    page = await world.simulator.phone("li").open(invite["url"])
    assert page.status == 410, "nor is the code good any more"
    assert (await other.state(theirs))["state"] == "waiting"


# Elsewhere


def test_there_are_enough_ways_to_lead_elsewhere() -> None:
    assert len(set(ELSEWHERE)) >= 60


def _first(fields: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[0] for name, values in fields.items() if name != "to"}


async def _get(desktop: Desktop, path: str, **headers: str) -> HTTPResponse:
    return await desktop.fetch(path, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.gen_test(timeout=60)
async def test_no_wish_leads_anywhere_but_to_our_own_pages(world: World) -> None:
    signed_in, stranger, wechat = await world.signed_in(), world.desktop(), InWeChat(world)
    for wish in ELSEWHERE:
        for path in ("/enter", "/login"):
            query = f"{path}?to={quote(wish, safe='')}"
            for browser in (signed_in, stranger, wechat):
                answer = await browser.fetch(query)
                assert answer.code == 400, (path, wish)
                assert "Location" not in answer.headers
                assert b"evil" not in answer.body, "nor is it repeated"


@pytest.mark.gen_test(timeout=60)
async def test_no_wish_of_a_form_is_followed_either(world: World) -> None:
    stranger, wechat = world.desktop(), InWeChat(world)
    token, page = await stranger.xsrf(), await wechat.form()
    for wish in ELSEWHERE:
        answer = await stranger.post(
            "/login", token=token, username="ann", password=PASSWORD, to=wish
        )
        assert answer.code == 400 and "Location" not in answer.headers, wish
        answer = await wechat.send(page, to=wish)
        assert answer.code == 400 and "Location" not in answer.headers, wish
    assert "session" not in stranger.cookies and "session" not in wechat.cookies
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=60)
async def test_no_other_parameter_header_or_fragment_leads_anywhere(world: World) -> None:
    signed_in, stranger, wechat = await world.signed_in(), world.desktop(), InWeChat(world)
    names = "next To TO url redirect redirect_uri return_to continue r goto target for[] to[]"
    evil = quote("//evil.example", safe="")
    for browser in (signed_in, stranger, wechat):
        for name in names.split():
            for path in ("/enter", "/login", "/enter?to=bind", "/login?to=bind"):
                mark = "&" if "?" in path else "?"
                answer = await browser.fetch(f"{path}{mark}{name}={evil}")
                assert ours(world, answer), (path, name, answer.headers.get("Location"))
        for path in (
            *("/enter//evil.example", "//evil.example/enter", "/enter/%2f%2fevil.example"),
            *("/enter;//evil.example", "/enter?//evil.example", "/enter?to=bind#//evil.example"),
            *("/enter\\evil.example", "/enter?to=bind;to=//evil", "/enter?to=bind%26to=//evil"),
            *("/enter?to=bind&to=//evil", "/enter?to=//evil&to=bind", "/ENTER?to=bind"),
            *("/login?to=bind&to=//evil", "/login?to=//evil&to=bind", "/login/?to=bind"),
        ):
            assert ours(world, await browser.fetch(world.base + path)), path
        for path in ("/enter", "/login"):
            answer = await _get(
                browser,
                path,
                Referer="https://evil.example/",
                X_Forwarded_Host="evil.example",
                X_Forwarded_Proto="javascript",
                X_Original_URL="//evil.example",
                X_Rewrite_URL="//evil.example",
                Forwarded="host=evil.example",
            )
            assert ours(world, answer)
            assert "evil" not in str(answer.headers)


@pytest.mark.gen_test(timeout=20)
async def test_under_another_name_nothing_is_answered(world: World) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1@evil.example", "//evil.example"):
        answer = await InWeChat(world).fetch("/enter", headers={"Host": host})
        assert answer.code in (400, 421) and "evil" not in answer.headers.get("Location", "")


@pytest.mark.gen_test(timeout=20)
async def test_what_an_operator_reads_names_accounts_and_no_person(world: World, ear: Ear) -> None:
    await world.bound()
    phone = InWeChat(world)
    await phone.fetch(await phone.sent_away())
    said = [line for line in ear.lines if "signed in by its WeChat" in line]
    assert said == ["wx.service.sessions: account ann signed in by its WeChat from 127.0.0.0/24"]
    world.simulator.faults.answer(EXCHANGE, errcode=40125)
    other = InWeChat(world)
    assert (await other.landed(await other.sent_away())).code == 502
    assert any("who visits is not known" in line and "40125" in line for line in ear.lines)
    for secret in (phone.person, phone.cookies["session"], phone.cookies["visit"]):
        assert not [line for line in ear.lines if f" {secret}" in line]
