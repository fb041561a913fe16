"""The last notices on the card: they change by themselves, and say what went wrong."""

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import ROOT, Demo, assert_nothing_sticks_out, log_in
from tests.browser.test_demo import agree
from tests.browser.test_pages import WECHAT
from tests.browser.test_scan import TOKEN, knob, scan

pytestmark = pytest.mark.browser

SEND = "/cgi-bin/message/template/send"


def bind(desk: Page, phone: Page, demo: Demo) -> None:
    """Bind ann to wang by WeChat's web authorization, which opens no window for chat messages;
    ends on the card, its first notice delivered."""
    log_in(desk, demo)
    phone.goto(f"{demo.phone}/phone/scan?url={desk.locator('a[data-link]').get_attribute('href')}")
    agree(phone)
    expect(desk.locator("[data-bound]")).to_be_visible()
    expect(newest(desk)).to_have_attribute("data-state", "delivered")


def newest(desk: Page) -> Locator:
    return desk.locator("[data-notices] > .notice").first


def watch(desk: Page) -> None:
    """Write down each state that a row comes to, by the page's own doing."""
    desk.evaluate(
        """() => {
            window.seen = [];
            const look = () => {
                for (const row of document.querySelectorAll("[data-notices] > .notice")) {
                    const one = `${row.dataset.id} ${row.dataset.state}`;
                    if (!window.seen.includes(one)) window.seen.push(one);
                }
            };
            look();
            window.seen = window.seen.map(one => `old ${one}`);
            new MutationObserver(look).observe(document.querySelector("[data-notices]"),
                {subtree: true, childList: true, attributes: true});
        }"""
    )


def states_of(desk: Page, row: Locator) -> list[str]:
    """The states that a row has come to since :func:`watch`."""
    name = row.get_attribute("data-id")
    seen: list[str] = desk.evaluate("window.seen")
    return [one.split()[1] for one in seen if one.split()[0] == name]


@pytest.mark.parametrize(
    ("width", "language", "scheme", "text", "word"),
    [
        (1280, "zh-CN", "light", "给 ann 的测试通知", "已送达"),
        (390, "en-GB", "dark", "Test notice for ann", "Delivered"),
    ],
)
def test_a_test_notice_goes_from_queued_to_delivered_before_one_s_eyes(
    oauth_demo: Demo,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    width: int,
    language: str,
    scheme: str,
    text: str,
    word: str,
) -> None:
    demo = oauth_demo
    desk = visitor(width=width, language=language, color_scheme=scheme)
    bind(desk, visitor(), demo)
    knob(desk, demo, "faults", {"verb": "delay", "path": SEND, "seconds": 0.5})
    knob(desk, demo, "pushes", {"receipt_delay": 0.7})
    first = newest(desk).get_attribute("data-id") or ""
    watch(desk)
    desk.click("[data-test]")
    expect(newest(desk)).not_to_have_attribute("data-id", first)
    row = newest(desk)
    expect(row.locator("[data-part=text]")).to_have_text(text)
    picture(desk, f"notices-waiting-{width}")
    expect(row).to_have_attribute("data-state", "delivered")
    expect(row.locator("[data-part=word]")).to_have_text(word)
    expect(row.locator("[data-part=channel]")).to_have_text(re.compile("模板消息|Template message"))
    expect(row.locator("use")).to_have_attribute("href", "#sign-delivered")
    *before, sent, delivered = states_of(desk, row)
    assert (sent, delivered) == ("sent", "delivered")
    # The courier may have it in hand before the first frame is drawn.
    assert before and set(before) <= {"queued", "sending"}
    # What a reader of the screen hears, once.
    expect(desk.locator("[data-said]")).to_have_text(re.compile(f"^{text}.*{word}"))
    expect(desk.locator("[data-test]")).to_be_focused()
    expect(desk.locator("[data-notices] > .notice")).to_have_count(2)
    picture(desk, f"notices-delivered-{width}")
    assert_nothing_sticks_out(desk)
    desk.reload()
    expect(newest(desk)).to_have_attribute("data-state", "delivered")
    assert newest(desk).get_attribute("data-id") != first


@pytest.mark.console_may_say("409 (Conflict)")
@pytest.mark.parametrize(("width", "language"), [(1280, "en-GB"), (390, "zh-CN")])
def test_whoever_blocks_the_account_sees_why_nothing_comes_and_what_to_do(
    oauth_demo: Demo,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    width: int,
    language: str,
) -> None:
    demo = oauth_demo
    desk = visitor(width=width, language=language)
    bind(desk, visitor(), demo)
    knob(desk, demo, "people/wang", {"blocked": True})
    desk.click("[data-test]")
    expect(newest(desk)).to_have_attribute("data-state", "failed")
    expect(newest(desk).locator("[data-part=why]")).to_have_text(
        re.compile("不接收公众号的消息|did not take the account's messages")
    )
    # The receipt said so, and the card is another one by itself.
    expect(desk.locator("[data-blocked]")).to_contain_text(re.compile("设置|settings"))
    picture(desk, f"notices-blocked-{width}")
    assert_nothing_sticks_out(desk)
    desk.click("[data-test]")
    expect(desk.locator("[data-test-problem]")).to_contain_text(re.compile("再试一次|try again"))
    picture(desk, f"notices-refused-{width}")
    expect(desk.locator("[data-notices] > .notice")).to_have_count(2)
    knob(desk, demo, "people/wang", {"blocked": False, "say": "hello"})
    expect(_eventually_reachable(desk)).to_have_count(0)
    desk.click("[data-test]")
    expect(newest(desk)).to_have_attribute("data-state", re.compile("sent|delivered"))


def _eventually_reachable(desk: Page) -> Locator:
    """The warning, after the page was asked for again until it is gone."""
    for _ in range(30):
        desk.goto(desk.url)  # not by its link, which may be gone before it is pressed
        if not desk.locator("[data-blocked]").count():
            break
        desk.wait_for_timeout(100)
    return desk.locator("[data-blocked]")


def test_each_way_to_go_wrong_has_its_sign_its_word_and_its_reason(
    oauth_demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    demo = oauth_demo
    for width, language in ((1280, "zh-CN"), (390, "en-GB")):
        desk = visitor(width=width, language=language, reduced_motion="reduce")
        if width == 1280:
            bind(desk, visitor(), demo)
            knob(desk, demo, "pushes", {"receipt_status": "failed: system failed"})
            desk.click("[data-test]")
            expect(newest(desk)).to_have_attribute("data-state", "failed")
            knob(desk, demo, "pushes", {"receipt_status": ""})
            desk.click("[data-test]")
            expect(newest(desk)).to_have_attribute("data-state", "sent")
            knob(desk, demo, "faults", {"verb": "answer", "path": SEND, "errcode": 47003})
            desk.click("[data-test]")
            expect(desk.locator("[data-notices] > [data-state=failed]")).to_have_count(2)
            knob(desk, demo, "faults", {"verb": "drop", "path": SEND, "times": 50})
            desk.click("[data-test]")
            expect(desk.locator("[data-notices] > .notice")).to_have_count(5)
            expect(newest(desk).locator("[data-part=why]")).to_be_visible()
        else:
            log_in(desk, demo)
        motion = newest(desk).evaluate("row => getComputedStyle(row).animationName")
        assert motion == "none"
        # Told apart without their colours: each state has a sign and a word of its own.
        for part in ("use", "[data-part=word]"):
            shown = {
                (row.get_attribute("data-state"), row.locator(part).evaluate("it => it.outerHTML"))
                for row in desk.locator("[data-notices] > .notice").all()
            }
            assert len({state for state, _ in shown}) == len({look for _, look in shown}) >= 3
        picture(desk, f"notices-all-{width}")
        assert_nothing_sticks_out(desk)


@pytest.mark.console_may_say("WebSocket")
def test_where_sockets_cannot_pass_the_list_is_asked_for(
    oauth_demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    desk.context.route_web_socket("**/live/*", lambda socket: socket.close())
    log_in(desk, oauth_demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    phone = visitor()
    phone.goto(f"{oauth_demo.phone}/phone/scan?url={link}")
    agree(phone)
    expect(desk.locator("[data-bound]")).to_be_visible(timeout=20_000)
    watch(desk)
    desk.click("[data-test]")
    expect(desk.locator("[data-notices] > .notice")).to_have_count(2, timeout=15_000)
    expect(newest(desk)).to_have_attribute("data-state", "delivered", timeout=15_000)


def test_the_keyboard_alone_sends_one_and_two_tabs_see_it(
    oauth_demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    bind(desk, visitor(), oauth_demo)
    tab = desk.context.new_page()
    tab.goto(f"{oauth_demo.site}/bind")
    desk.bring_to_front()
    desk.locator("[data-test]").focus()
    desk.keyboard.press("Enter")
    for page in (desk, tab):
        expect(page.locator("[data-notices] > [data-state=delivered]")).to_have_count(2)
    expect(desk.locator("[data-test]")).to_be_focused()
    desk.keyboard.press("Tab")
    expect(desk.locator("[data-replace] summary")).to_be_focused()


def test_without_scripts_the_card_shows_the_row_as_well(
    oauth_demo: Demo, visitor: Callable[..., Page]
) -> None:
    bind(visitor(), visitor(), oauth_demo)
    desk = visitor(java_script_enabled=False)
    log_in(desk, oauth_demo)
    desk.click("[data-test]")
    expect(desk.locator("[data-notices] > .notice")).to_have_count(2)
    expect(newest(desk).locator("[data-part=text]")).to_have_text("给 ann 的测试通知")


@pytest.mark.console_may_say("429 (Too Many Requests)")
def test_whoever_presses_too_often_is_told_to_wait(
    oauth_demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    bind(desk, visitor(), oauth_demo)
    for _ in range(30):
        desk.click("[data-test]")
        desk.locator("[data-test-form]:not([aria-busy])").wait_for()
        if desk.locator("[data-test-problem]").is_visible():
            break
    expect(desk.locator("[data-test-problem]")).to_contain_text("请等")
    expect(desk.locator("[data-notices] > .notice")).to_have_count(5)


LONG = "\n".join(
    [
        "备份已完成：2.4 TB，用时 3 小时 12 分钟。",
        "Details (and the log) at https://example.com/backups/2026-11-21?full=1.",
        "",
        *(f"{number:2}. volume-{number:02} … 已校验 / verified" for number in range(1, 60)),
    ]
)


@pytest.mark.console_may_say("403 (Forbidden)")
def test_what_was_cut_can_be_read_whole_in_wechat_or_signed_in(
    serve: Callable[..., Demo], visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    demo = serve("--webhook-token", TOKEN, "--webhook-mode", "plain", "--bind-route", "scan")
    desk, phone = visitor(), visitor()
    knob(desk, demo, "webhook", {"url": f"{demo.site}/wechat", "token": TOKEN})
    log_in(desk, demo)
    invite = desk.evaluate(
        """async () => (await fetch("/bind/invites", {method: "POST", headers: {
            Accept: "application/json",
            "X-XSRFToken": document.querySelector("input[name=_xsrf]").value,
        }})).json()"""
    )
    scan(phone, demo, "wang", invite["url"])
    expect(desk.locator("[data-bound]")).to_be_visible()
    sent = _send(demo, "ann", "-", "--url", f"{demo.site}/bind", "--wait", "10", given=LONG)
    assert sent.returncode == 0, sent.stderr
    expect(newest(desk).locator("[data-part=text]")).to_have_text(LONG.splitlines()[0])
    expect(newest(desk)).to_have_attribute("data-state", "sent")
    phone.goto(f"{demo.phone}/phone/wang/chat")
    bubble = phone.locator("[data-part=chat] .message:not(.mine) .bubble").last
    link = re.search(r"\S+/n/\w{43}", bubble.inner_text())
    assert link

    reader = visitor(width=390, user_agent=WECHAT)
    reader.goto(link[0])
    # WeChat was asked who reads, without a word to the person; of that nothing is left to be seen.
    expect(reader).to_have_url(re.compile(re.escape(link[0]) + "(#wechat_redirect)?$"))
    expect(reader.locator("[data-text]")).to_have_text(re.compile("59\\. volume-59"))
    assert reader.locator("[data-text]").inner_text() == LONG
    inside = reader.locator("[data-text] a")
    assert inside.get_attribute("href") == "https://example.com/backups/2026-11-21?full=1"
    expect(reader.locator("[data-link]")).to_have_attribute("href", f"{demo.site}/bind")
    picture(reader, "notice-whole-390")
    assert_nothing_sticks_out(reader)
    stranger = visitor(width=390, language="en-GB")
    stranger.goto(link[0])
    expect(stranger.locator("main")).to_have_attribute("data-view", "outside")
    picture(stranger, "notice-outside-390")
    assert_nothing_sticks_out(stranger)
    scan(phone, demo, "li", link[0])
    other = phone.frame_locator("iframe")
    expect(other.locator("[data-problem]")).to_contain_text(re.compile("发给别人|somebody else"))
    expect(other.locator("[data-text], [data-retry]")).to_have_count(0)
    picture(phone, "notice-of-another")
    desk.goto(link[0])
    expect(desk.locator("[data-text]")).to_have_text(re.compile("59\\. volume-59"))
    picture(desk, "notice-whole-1280")


def _send(demo: Demo, *words: str, given: str) -> "subprocess.CompletedProcess[str]":
    """The command line beside the running server."""
    flags = [one for one in demo.server._words if one != "serve"]
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), "send", *words, *flags],
        input=given,
        text=True,
        capture_output=True,
        timeout=30,
        check=False,
    )
