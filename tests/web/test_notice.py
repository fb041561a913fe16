"""Notices as people see them."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from tornado.httpclient import HTTPResponse

from tests.conftest import Ear
from tests.service.steps import EXCHANGE
from tests.world import Desktop, World
from wx.model import Notice, NoticeState
from wx.protocol import errcode
from wx.service import outbox
from wx.service.outbox import Draft
from wx.simulator.browser import USER_AGENT
from wx.simulator.page import Page
from wx.simulator.phone import Phone
from wx.web import notice

TEMPLATE = "/cgi-bin/message/template/send"
WECHAT = {"User-Agent": USER_AGENT}


async def shown(desktop: Desktop) -> dict[str, Any]:
    answer = await desktop.fetch("/bind/notices")
    assert answer.code == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def until(desktop: Desktop, state: str) -> dict[str, Any]:
    """The first frame in which the newest notice stands so."""
    socket = await desktop.live({"live": "/live/notices"})
    while found := await socket.frame():
        if found["notices"] and found["notices"][0]["state"] == state:
            return found
    raise AssertionError(f"closed before {state}")


async def sent(world: World, text: str, **more: str) -> str:
    """Send a text to ann, once what came before has left; the notice's id."""
    [put] = await world.server.services.outbox.put(["ann"], Draft(text=text, **more), origin="send")
    return put.id


async def page_of(world: World, notice_id: str) -> str:
    """The path of the page with a notice's whole text."""
    return f"/n/{world.server.services.outbox.page_secret(notice_id)}"


async def read(world: World, path: str, *, language: str = "en", person: str = "wang") -> Page:
    """A page as this person's phone shows it in the end."""
    phone = world.simulator.phone(person)
    phone.browser.language = language
    return await phone.open(world.base + path)


async def sent_away(world: World, path: str, person: str = "wang") -> tuple[Phone, str]:
    """The phone that has opened a page for the first time, and the address with code and state
    that the platform leads it back to; it has not gone there yet."""
    phone = world.simulator.phone(person)
    phone.browser.language = "en"
    away = await step(phone, world.base + path)
    assert away.code == 302, away.body
    back = await step(phone, away.headers["Location"])
    return phone, back.headers["Location"]


async def step(phone: Phone, url: str, *, method: str = "GET", **headers: str) -> HTTPResponse:
    """One request of the phone's browser."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer, _ = await phone.browser.request(method, url, body=None, headers=sent)
    return answer


async def landed(phone: Phone, url: str) -> HTTPResponse:
    """The page that says what was wrong with what was brought back: at an address without it."""
    back = await step(phone, url)
    there = back.headers.get("Location", "")
    path, _, query = there.partition("?")
    assert back.code == 303 and path == urlsplit(url).path, (back.code, there)
    assert query in {f"problem={name}" for name in notice._PROBLEMS}
    return await step(phone, urljoin(url, there))


def refusal(answer: HTTPResponse | Page, path: str, *, again: bool = True) -> str:
    """What a page says that shows nothing and leads nowhere by itself."""
    page = answer.text if isinstance(answer, Page) else answer.body.decode()
    assert "Location" not in answer.headers and 'data-view="problem"' in page
    assert "for ann alone" not in page and "data-text" not in page
    assert (f'href="{path}" data-retry' in page) == again == ("data-retry" in page)
    assert "noindex" in answer.headers["X-Robots-Tag"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    return page


def rows_of(page: str) -> list[str]:
    """The rows of the card's list, without the blank one that the script copies."""
    return re.findall(r'<li class="notice" data-id=.*?</li>', page, re.DOTALL)


# The card's list


@pytest.mark.gen_test(timeout=20)
async def test_the_list_has_the_newest_five_with_all_that_a_row_shows(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await world.told("wang")
    for number in range(6):
        await sent(world, f"\n  number {number}  \nand more")
    await world.told("wang", 7)
    frame = await until(desktop, "delivered")
    assert frame["state"] == "bound"
    assert [one["text"] for one in frame["notices"]] == [f"number {n}" for n in (5, 4, 3, 2, 1)]
    newest = frame["notices"][0]
    assert set(newest) == {"id", "state", "at", "when", "text", "channel", "word", "why", "said"}
    assert (newest["state"], newest["word"]) == ("delivered", "Delivered")
    assert (newest["channel"], newest["why"]) == ("Template message", "")
    assert newest["said"] == "number 5: Delivered."
    assert re.fullmatch(r"2027-01-15T\d\d:\d\d:\d\dZ", newest["at"])
    page = (await desktop.fetch("/bind")).body.decode()
    drawn = rows_of(page)
    assert len(drawn) == 5
    for row, one in zip(drawn, frame["notices"], strict=True):
        for part in ("id", "state", "at", "when", "text", "channel", "word"):
            assert one[part] in row, part
        assert f"#sign-{one['state']}" in row and row.count(" hidden>") == 1


@pytest.mark.gen_test(timeout=20)
async def test_the_list_is_in_the_reader_s_language(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    await world.bound()
    desktop = await world.signed_in(language="zh-CN")
    [row] = (await until(desktop, "delivered"))["notices"]
    assert (row["word"], row["channel"]) == ("已送达", "模板消息")
    assert "最近的通知" in (await desktop.fetch("/bind")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_of_what_went_wrong_the_reason_and_the_cure_are_said(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await world.told("wang")
    world.simulator.faults.answer(TEMPLATE, errcode=47003)
    await sent(world, "hello")
    newest = (await until(desktop, "failed"))["notices"][0]
    assert newest["word"] == "Not delivered"
    known = errcode.explain(47003)
    assert newest["why"] == f"{known.sentence} {known.cure}"
    chinese = (await shown(await world.signed_in(language="zh")))["notices"][0]["why"]
    assert re.match(r"[\u4e00-\u9fff]", chinese) and "。 " not in chinese
    row = rows_of((await desktop.fetch("/bind")).body.decode())[0]
    assert known.cure in row and " hidden>" not in row


@pytest.mark.gen_test(timeout=20)
async def test_what_went_wrong_on_the_way_is_forgotten_once_it_has_arrived(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await until(desktop, "delivered")
    world.rows("UPDATE outbox SET errcode = 45015, attempts = 2")
    assert (await shown(desktop))["notices"][0]["why"] == ""
    world.rows("UPDATE outbox SET errcode = -1, state = 'queued', settled_at = NULL")
    assert (await shown(desktop))["notices"][0]["why"] != "", "while it waits it is said"


@pytest.mark.gen_test(timeout=20)
async def test_it_is_read_out_once_nothing_more_is_to_come(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await until(desktop, "delivered")
    world.simulator.pushes.receipt_status = ""
    await sent(world, "hello")
    [row, _] = (await until(desktop, "sent"))["notices"]
    assert (row["channel"], row["said"]) == ("Template message", "")
    await world.said("wang", "hello")
    await sent(world, "in the chat")
    [row, *_] = (await until(desktop, "sent"))["notices"]
    while row["text"] != "in the chat":
        [row, *_] = (await until(desktop, "sent"))["notices"]
    assert (row["channel"], row["said"]) == ("Chat message", "in the chat: Sent.")


@pytest.mark.gen_test(timeout=20)
async def test_nothing_is_shown_of_other_accounts(world: World) -> None:
    await world.bound()
    await world.told("wang")
    await sent(world, "for ann alone")
    bob = await world.bound("bob", "li")
    texts = [one["text"] for one in (await shown(bob))["notices"]]
    assert "for ann alone" not in texts
    assert "for ann alone" not in (await bob.fetch("/bind")).body.decode()
    assert (await world.desktop().fetch("/bind/notices")).code == 401


@pytest.mark.gen_test(timeout=20)
async def test_without_notices_the_list_says_so(world: World) -> None:
    desktop = await world.bound()
    world.rows("DELETE FROM outbox")
    page = (await desktop.fetch("/bind")).body.decode()
    assert "No notices yet." in page and rows_of(page) == []
    assert re.search(r"<ol [^>]*data-notices[^>]* hidden>", page)
    assert re.search(r'<p class="soft" data-no-notices>', page)


@pytest.mark.gen_test(timeout=20)
async def test_how_somebody_can_be_reached_is_in_each_frame(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.signed_in()
    assert await shown(desktop) == {"state": "unbound", "notices": []}
    assert "data-notices" not in (await desktop.fetch("/bind")).body.decode()
    desktop = await world.bound()
    people, wang = world.simulator.world, world.simulator.world.people["wang"]
    people.unfollow(wang)
    await world.simulator.pushes.settled()
    assert (await shown(desktop))["state"] == "left"
    people.follow(wang)
    await world.simulator.pushes.settled()
    assert (await shown(desktop))["state"] == "bound"
    people.block(wang)
    await sent(world, "hello")
    frame = await until(desktop, "failed")
    assert frame["state"] == "blocked"
    assert frame["notices"][0]["why"] == "This WeChat did not take the account's messages."
    page = (await desktop.fetch("/bind")).body.decode()
    assert "data-blocked" in page and 'data-reach="blocked"' in page
    assert "data-unreachable" not in page


@pytest.mark.gen_test(timeout=20)
async def test_what_stands_in_a_notice_is_text_and_nothing_else(world: World) -> None:
    desktop = await world.bound()
    await sent(world, "<script>alert(1)</script>\"'&")
    page = (await desktop.fetch("/bind")).body.decode()
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def made(**fields: Any) -> Notice:
    return replace(outbox._blank("app", 1, "ann", 1, now=0.0, seconds=1.0), **fields)


def test_the_first_line_is_short_and_of_a_template_its_fields() -> None:
    assert notice.first_line(made(text="\n \n one \ntwo")) == "one"
    assert notice.first_line(made(text="x" * 120)) == "x" * 120
    cut = notice.first_line(made(text="长" * 10_000))
    assert len(cut) == notice.LINE and cut.endswith("…")
    fields = {"thing1": "disk full", "thing2": " ", "time3": "17:00"}
    assert notice.first_line(made(template_id="T", fields=fields)) == "disk full · 17:00"
    assert notice.first_line(made()) == ""


@pytest.mark.gen_test(timeout=20)
async def test_a_text_that_is_no_longer_kept_is_told_as_such(world: World) -> None:
    desktop = await world.bound()
    await world.told("wang")
    world.rows("UPDATE outbox SET text = '', fields = '{}'")
    assert (await shown(desktop))["notices"][0]["text"] == "(its text is no longer kept)"


def test_each_state_and_each_channel_has_words() -> None:
    assert set(notice.STATES) == set(NoticeState)
    assert len(set(notice.STATES.values())) == len(NoticeState)
    assert set(notice.CHANNELS) == {"custom", "template", "subscribe"}


# The page with the whole text


LONG = "第一行 <b>&\n\n  indented https://example.com/a?b=1&c=2 end\n" + "x" * 3000


@pytest.mark.gen_test(timeout=20)
async def test_the_whole_text_can_be_read_in_wechat(world: World) -> None:
    await world.bound()
    exchanges = world.simulator.calls[EXCHANGE]
    name = await sent(world, LONG, url=f"{world.base}/bind")
    path = await page_of(world, name)
    page = await read(world, path)
    assert page.status == 200
    assert page.url == world.base + path, "without code and state"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in page.headers["X-Robots-Tag"]
    text = re.search(r"<div [^>]*data-text>(.*?)</div>", page.text, re.DOTALL)
    assert text
    assert text[1].startswith("第一行 &lt;b&gt;&amp;\n\n  indented <a href=")
    assert text[1].endswith("x" * 3000)
    inside, button = re.findall(r'<a [^>]*rel="noreferrer noopener nofollow"[^>]*>', page.text)
    assert 'href="https://example.com/a?b=1&amp;c=2"' in inside
    assert f'href="{world.base}/bind"' in button and "data-link" in button
    for part in ("Notice of Example", "For account ann, 2027-01-1", "Open the link"):
        assert part in page.text
    chinese = (await read(world, path, language="zh-CN")).text
    assert "Example 的通知" in chinese and "发给账号 ann" in chinese
    assert world.simulator.calls[EXCHANGE] == exchanges + 1, "the browser is known now"
    other = (await read(world, f"{path}?lang=en", language="zh-CN")).text
    assert "Notice of Example" in other, "the switch is there, and works"
    world.simulator.phone("wang").browser.jar.clear()
    other = (await read(world, f"{path}?lang=en", language="zh-CN")).text
    assert "Notice of Example" in other, "also where the platform is asked first"


@pytest.mark.gen_test(timeout=20)
async def test_in_wechat_the_platform_says_who_reads_once_an_hour_and_asks_nobody(
    world: World,
) -> None:
    await world.bound()
    exchanges = world.simulator.calls[EXCHANGE]
    paths = [await page_of(world, await sent(world, f"{n} for ann alone")) for n in range(2)]
    phone, address = await sent_away(world, paths[0])
    came = urlsplit(address)
    assert came._replace(query="").geturl() == world.base + paths[0]
    assert set(parse_qs(came.query)) == {"code", "state"}
    away = await step(phone, world.base + paths[0])
    assert "scope=snsapi_base&" in away.headers["Location"]
    assert away.headers["Cache-Control"] == "no-store" and not away.body
    assert away.headers["Referrer-Policy"] == "no-referrer"
    for cookie in away.headers.get_list("Set-Cookie"):
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    back = await step(phone, address)
    assert (back.code, back.headers["Location"]) == (303, paths[0])
    (cookie,) = back.headers.get_list("Set-Cookie")
    assert cookie.startswith("reader=") and "HttpOnly" in cookie and "Max-Age=3600" in cookie
    for path in paths:
        assert "for ann alone" in (await read(world, path)).text
    assert world.simulator.calls[EXCHANGE] == exchanges + 1
    headers = {"Cookie": phone.browser.jar.header(world.base)}
    assert (await world.look(path, headers=headers)).code == 403, "what is WeChat's stays there"
    assert phone.browser.jar.get(world.base, "session") is None
    world.clock.advance(3601)
    assert "for ann alone" in (await read(world, paths[0])).text
    assert world.simulator.calls[EXCHANGE] == exchanges + 2


@pytest.mark.gen_test(timeout=20)
async def test_a_link_that_was_passed_on_shows_nothing_to_anybody_else(world: World) -> None:
    await world.bound()
    await world.simulator.phone("li").follow()
    await world.bound("bob", "li")
    path = await page_of(world, await sent(world, "for ann alone"))
    page = await read(world, path, person="li")
    assert page.status == 403
    assert "This notice is for somebody else." in refusal(page, path, again=False)
    assert page.url == f"{world.base}{path}?problem=not-yours"
    [his] = await world.server.services.outbox.put(["bob"], Draft(text="for bob"), origin="send")
    assert "for bob" in (await read(world, await page_of(world, his.id), person="li")).text
    page = await read(world, path, person="li", language="zh-CN")
    assert page.status == 403 and "这条通知是发给别人的" in page.text
    refusal(page, path, again=False)
    stranger = await read(world, path, person="zhang")
    assert stranger.status == 403
    refusal(stranger, path, again=False)
    assert "for ann alone" in (await read(world, path)).text


@pytest.mark.gen_test(timeout=20)
async def test_what_another_browser_brings_back_opens_nothing_and_goes_nowhere(
    world: World,
) -> None:
    await world.bound()
    path, other = [await page_of(world, await sent(world, "for ann alone")) for _ in range(2)]
    exchanges = world.simulator.calls[EXCHANGE]
    phone, address = await sent_away(world, path)
    thief, his = await sent_away(world, path, "li")
    phone.browser.jar.clear()  # or a browser that keeps no cookies
    for browser in (phone, thief):
        answer = await landed(browser, address)
        assert answer.code == 403 and "WeChat could not tell" in refusal(answer, path)
    answer = await landed(thief, his.replace(path, other))
    assert answer.code == 403 and "WeChat could not tell" in refusal(answer, other)
    for query in ("code=abc", f"state={'x' * 43}", f"code=abc&state={'x' * 43}"):
        answer = await landed(phone, f"{world.base}{path}?{query}")
        assert answer.code == 403
        refusal(answer, path)
    for query in (f"code=a'b&state={'x' * 43}", "code=a&code=b", "state=x", "code=&state="):
        answer = await landed(phone, f"{world.base}{path}?{query}")
        assert answer.code == 400
        refusal(answer, path)
    for query in ("problem=x", "problem=risky&problem=risky", "problem=disabled"):
        answer = await step(phone, f"{world.base}{path}?{query}")
        assert answer.code == 400
        refusal(answer, path)
    assert world.simulator.calls[EXCHANGE] == exchanges
    assert "for ann alone" in (await read(world, path)).text, "trying again helps"


@pytest.mark.gen_test(timeout=20)
async def test_a_browser_without_cookies_is_led_away_once_and_then_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    phone = world.simulator.phone("wang")
    monkeypatch.setattr(phone.browser.jar, "store", lambda *_: None)
    phone.browser.jar.clear()
    page = await read(world, path)
    assert page.status == 403 and "keeps no cookies" in refusal(page, path)


@pytest.mark.gen_test(timeout=20)
async def test_wechat_may_ask_twice_for_what_it_brings_back(world: World) -> None:
    await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    exchanges = world.simulator.calls[EXCHANGE]
    phone, address = await sent_away(world, path)
    cookies = phone.browser.jar.header(world.base)
    answers = await asyncio.gather(*(step(phone, address) for _ in range(2)))
    answers.append(await step(phone, address))
    # The first of two may be dropped before its cookie is kept.
    headers = {"User-Agent": USER_AGENT, "Cookie": cookies}
    answers.append(await world.look(address.removeprefix(world.base), headers=headers))
    for answer in answers:
        assert (answer.code, answer.headers["Location"]) == (303, path)
        assert b"for ann alone" not in answer.body
    assert world.simulator.calls[EXCHANGE] == exchanges + 1
    assert "for ann alone" in (await read(world, path)).text


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("errcode", "status", "again"),
    [(40163, 403, True), (40029, 403, True), (40226, 403, False), (-1, 503, True), (1, 502, True)],
)
async def test_what_the_platform_refuses_ends_in_a_page(
    world: World, errcode: int, status: int, again: bool
) -> None:
    await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    world.simulator.faults.answer(EXCHANGE, errcode=errcode)
    page = await read(world, path)
    assert page.status == status
    refusal(page, path, again=again)
    assert "for ann alone" in (await read(world, path)).text, "the next way is another one"


@pytest.mark.gen_test(timeout=30)
async def test_while_the_platform_is_down_the_page_says_so(world: World) -> None:
    await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    for how in ("drop", "bad_gateway", "truncate"):
        world.simulator.faults.clear()
        phone, address = await sent_away(world, path)
        world.simulator.faults.down(how)
        answer = await landed(phone, address)
        assert answer.code in (502, 503), how
        assert "WeChat" in refusal(answer, path)
    world.simulator.faults.clear()
    assert "for ann alone" in (await read(world, path)).text


@pytest.mark.gen_test(timeout=20)
async def test_a_preview_that_wechat_shows_opens_nothing_even_under_the_right_name(
    world: World,
) -> None:
    await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    made_up = {"openid": world.simulator.world.people["wang"].openid, "is_snapshotuser": 1}
    made_up |= {"access_token": "a" * 20, "expires_in": 7200, "scope": "snsapi_base"}
    world.simulator.faults.answer(EXCHANGE, body=json.dumps(made_up))
    page = await read(world, path)
    assert page.status == 403 and "Use full service" in refusal(page, path)
    page = await world.simulator.phone("wang").use_full_service()
    assert page.status == 200 and "for ann alone" in page.text


@pytest.mark.gen_test(timeout=20)
async def test_a_look_ahead_uses_up_no_code_and_sends_nobody_away(world: World) -> None:
    await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    exchanges = world.simulator.calls[EXCHANGE]
    phone, address = await sent_away(world, path)
    for url in (address, world.base + path):
        answer = await step(phone, url, method="HEAD")
        assert answer.code == 405 and "Location" not in answer.headers
        for name, value in (
            ("Sec_Purpose", "prefetch;prerender"),
            ("Purpose", "Prefetch"),
            ("X_Moz", "prefetch"),
        ):
            answer = await step(phone, url, **{name: value})
            assert answer.code == 403 and "Set-Cookie" not in answer.headers
            refusal(answer, path)
    assert world.simulator.calls[EXCHANGE] == exchanges
    assert (await step(phone, address)).code == 303


@pytest.mark.gen_test(timeout=20)
async def test_a_browser_that_is_signed_in_asks_the_platform_nothing(world: World) -> None:
    ann = await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    exchanges = world.simulator.calls[EXCHANGE]
    answer = await ann.fetch(path, headers=WECHAT)
    assert answer.code == 200 and "for ann alone" in answer.body.decode()
    answer = await ann.fetch(f"{path}?code=abc&state={'x' * 43}", headers=WECHAT)
    assert (answer.code, answer.headers["Location"]) == (303, path)
    bob = await world.signed_in("bob")
    assert (await bob.fetch(path, headers=WECHAT)).code == 302
    assert world.simulator.calls[EXCHANGE] == exchanges


@pytest.mark.gen_test(timeout=20)
async def test_nothing_that_opens_the_page_stands_in_a_log(world: World, ear: Ear) -> None:
    await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    phone, address = await sent_away(world, path)
    world.simulator.faults.answer(EXCHANGE, errcode=40163)
    assert (await landed(phone, address)).code == 403
    phone, again = await sent_away(world, path)
    await step(world.simulator.phone("li"), again)
    assert (await step(phone, again)).code == 303
    secrets = {path.rpartition("/")[2]}
    for query in (urlsplit(address).query, urlsplit(again).query):
        secrets |= {values[0] for values in parse_qs(query).values()}
    for name in ("visit", "reader"):
        secrets.add(phone.browser.jar.get(world.base, name) or "missing")
    assert len(secrets) >= 6 and "missing" not in secrets
    assert any("not known" in line for line in ear.lines)
    assert not ear.leaks(secrets)


@pytest.mark.gen_test(timeout=20)
async def test_elsewhere_it_opens_for_the_account_that_it_is_for_and_nobody_else(
    world: World,
) -> None:
    ann = await world.bound()
    path = await page_of(world, await sent(world, "for ann alone"))
    bob = await world.signed_in("bob")
    for desktop in (bob, world.desktop()):
        answer = await desktop.fetch(path)
        page = answer.body.decode()
        assert answer.code == 403 and 'data-view="outside"' in page
        assert "for ann alone" not in page and "Open this page in WeChat" in page
        assert f'href="{world.base}{path}"' in page and 'href="/login"' in page
        assert "noindex" in answer.headers["X-Robots-Tag"]
    _, address = await sent_away(world, path)
    exchanges = world.simulator.calls[EXCHANGE]
    answer = await bob.fetch(address)
    assert (answer.code, answer.headers["Location"]) == (303, path), "without code and state"
    assert world.simulator.calls[EXCHANGE] == exchanges
    answer = await ann.fetch(path)
    assert answer.code == 200 and "for ann alone" in answer.body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_a_page_that_is_nobody_s_is_404_and_one_that_is_over_410(world: World) -> None:
    ann = await world.bound()
    name = await sent(world, "hello")
    path = await page_of(world, name)
    for wrong in (f"/n/{'x' * 43}", f"{path[:-1]}{'0' if path[-1] != '0' else '1'}"):
        page = await read(world, wrong)
        assert page.status == 404 and "There is no such notice." in refusal(page, "", again=False)
        assert page.url == world.base + wrong, "nobody was asked who reads it"
    for wrong in (f"/n/{name}", f"{path}x", f"{path}/", "/n/"):
        assert (await read(world, wrong)).status == 404
    world.clock.advance(30 * 86400 - 60)
    assert (await read(world, path)).status == 200
    world.clock.advance(61)
    page = await read(world, path)
    assert page.status == 410 and "no longer kept" in page.text and "hello" not in page.text
    assert page.url == world.base + path
    world.clock.jump(-86400)
    assert (await read(world, path)).status == 200
    ann = await world.signed_in()
    phone, address = await sent_away_again(world, path)
    assert (await ann.post("/bind/remove")).code == 303
    assert (await read(world, path)).status == 410, "although the browser is known"
    answer = await step(phone, address)
    assert (answer.code, answer.headers["Location"]) == (303, path), "where it is said again"


async def sent_away_again(world: World, path: str) -> tuple[Phone, str]:
    """As :func:`sent_away`, by a phone that may be known already."""
    world.simulator.phone("wang").browser.jar.clear()
    return await sent_away(world, path)


@pytest.mark.gen_test(timeout=20)
async def test_what_was_cut_links_to_its_page(
    world: World,
) -> None:
    await world.bound()
    await world.told("wang")
    name = await sent(world, "a text that is longer than any field of a template")
    (_, told) = await world.told("wang", 2)
    assert told.url == world.base + await page_of(world, name)
    page = await read(world, told.url.removeprefix(world.base))
    assert page.status == 200 and "longer than any field of a template" in page.text


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://a.example/x.", ["https://a.example/x"]),
        ("(https://a.example/x)", ["https://a.example/x"]),
        ("https://a.example/x_(y)", ["https://a.example/x_(y)"]),
        ("详见https://a.example/x，谢谢", ["https://a.example/x"]),
        ("详见http://a.example/谢谢", ["http://a.example/"]),
        ("“https://a.example/”", ["https://a.example/"]),
        ("https://a.example https://b.example/?q=1&r#s", None),
        ("HTTPS://A.example/", ["HTTPS://A.example/"]),
        ("<https://a.example/>", ["https://a.example/"]),
        ('"https://a.example/"x', ["https://a.example/"]),
        ("javascript:alert(1)", []),
        ("data:text/html,x file:///etc/passwd ftp://a.example", []),
        ("https:// http://. https://) http://[ http://[x]", []),
        ("", []),
        ("plain", []),
        ("https://a.example/" + ")" * 5000, ["https://a.example/"]),
    ],
)
def test_links_in_a_text_are_found_and_nothing_else_is_one(
    text: str, links: list[str] | None
) -> None:
    parts = list(notice.linked(text))
    assert "".join(part for part, _ in parts) == text, "nothing is lost"
    found = [part for part, is_link in parts if is_link]
    assert found == (text.split() if links is None else links)


@pytest.mark.gen_test(timeout=20)
async def test_a_link_that_is_no_web_address_is_no_button(world: World) -> None:
    await world.bound()
    name = await sent(world, "hello")
    for address in ("javascript:alert(1)", "data:text/html,x", "//evil.example/", ""):
        world.rows("UPDATE outbox SET url = ? WHERE id = ?", address, name)
        page = await read(world, await page_of(world, name))
        assert page.status == 200 and "data-link" not in page.text, address
