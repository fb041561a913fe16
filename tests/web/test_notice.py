"""Notices as people see them."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from tests.world import Desktop, World
from wx.model import Notice, NoticeState
from wx.protocol import errcode
from wx.service import outbox
from wx.service.outbox import Draft
from wx.simulator.browser import USER_AGENT
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


async def read(
    world: World, path: str, *, language: str = "en", **headers: str
) -> tuple[HTTPResponse, str]:
    """A page as a phone in WeChat gets it."""
    answer = await world.look(path, headers=WECHAT | {"Accept-Language": language} | headers)
    return answer, answer.body.decode()


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
    name = await sent(world, LONG, url=f"{world.base}/bind")
    path = await page_of(world, name)
    answer, page = await read(world, path)
    assert answer.code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    text = re.search(r"<div [^>]*data-text>(.*?)</div>", page, re.DOTALL)
    assert text
    assert text[1].startswith("第一行 &lt;b&gt;&amp;\n\n  indented <a href=")
    assert text[1].endswith("x" * 3000)
    inside, button = re.findall(r'<a [^>]*rel="noreferrer noopener nofollow"[^>]*>', page)
    assert 'href="https://example.com/a?b=1&amp;c=2"' in inside
    assert f'href="{world.base}/bind"' in button and "data-link" in button
    for part in ("Notice of Example", "For account ann, 2027-01-1", "Open the link"):
        assert part in page
    _, chinese = await read(world, path, language="zh-CN")
    assert "Example 的通知" in chinese and "发给账号 ann" in chinese
    _, other = await read(world, f"{path}?lang=en", language="zh-CN")
    assert "Notice of Example" in other, "the switch is there, and works"


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
    answer = await ann.fetch(path)
    assert answer.code == 200 and "for ann alone" in answer.body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_a_page_that_is_nobody_s_is_404_and_one_that_is_over_410(world: World) -> None:
    ann = await world.bound()
    name = await sent(world, "hello")
    path = await page_of(world, name)
    for wrong in (f"/n/{'x' * 43}", f"{path[:-1]}{'0' if path[-1] != '0' else '1'}"):
        answer, page = await read(world, wrong)
        assert answer.code == 404 and "There is no such notice." in page
        assert 'data-view="problem"' in page and "noindex" in answer.headers["X-Robots-Tag"]
    for wrong in (f"/n/{name}", f"{path}x", f"{path}/", "/n/"):
        assert (await read(world, wrong))[0].code == 404
    world.clock.advance(30 * 86400 - 60)
    assert (await read(world, path))[0].code == 200
    world.clock.advance(61)
    answer, page = await read(world, path)
    assert answer.code == 410 and "no longer kept" in page and "hello" not in page
    world.clock.advance(-86400)
    assert (await read(world, path))[0].code == 200
    ann = await world.signed_in()
    assert (await ann.post("/bind/remove")).code == 303
    assert (await read(world, path))[0].code == 410


@pytest.mark.gen_test(timeout=20)
async def test_what_was_cut_links_to_its_page(
    world: World,
) -> None:
    await world.bound()
    await world.told("wang")
    name = await sent(world, "a text that is longer than any field of a template")
    (_, told) = await world.told("wang", 2)
    assert told.url == world.base + await page_of(world, name)
    answer, page = await read(world, told.url.removeprefix(world.base))
    assert answer.code == 200 and "longer than any field of a template" in page


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
        answer, page = await read(world, await page_of(world, name))
        assert answer.code == 200 and "data-link" not in page, address
