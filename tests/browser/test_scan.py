"""The scan route in a real Chromium: one scan follows and binds, the chat says so, and the page
shows the other route's steps where there is no such code."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Demo, assert_nothing_sticks_out, log_in
from tests.browser.test_demo import agree

pytestmark = pytest.mark.browser

MAKING = "/cgi-bin/qrcode/create"
TOKEN = "token0of0the0webhook"


def code_of(desk: Page) -> str:
    """What the code on the page holds, as the demo's link to the phone carries it."""
    address = desk.locator("[data-demo-phone]").get_attribute("href") or ""
    return parse_qs(urlsplit(address).query)["url"][0]


def knob(page: Page, demo: Demo, path: str, body: dict[str, object]) -> None:
    """Turn a knob of the simulator."""
    answer = page.request.post(f"{demo.phone}/admin/{path}", data=body)
    assert answer.ok, answer.text()


def scan(phone: Page, demo: Demo, person: str, code: str) -> None:
    """Scan a code with this person's phone."""
    phone.goto(f"{demo.phone}/phone/scan?person={person}&url={code}")


def last_said(phone: Page) -> Locator:
    """The newest message of the account in the chat."""
    return phone.locator("[data-part=chat] .message:not(.mine) .bubble").last


def place(desk: Page, part: str) -> list[float]:
    """Where a part of the page stands, however far it is scrolled, and its size."""
    return desk.locator(part).evaluate(
        """element => {
            const box = element.getBoundingClientRect();
            return [box.x, box.y + scrollY, box.width, box.height];
        }"""
    )


def assert_route(desk: Page, route: str) -> None:
    """The page shows this route's steps, and the number only where it is compared."""
    expect(desk.locator("main")).to_have_attribute("data-route", route)
    other = "scan" if route == "oauth" else "oauth"
    expect(desk.locator(f"ol.steps[data-for={route}]")).to_be_visible()
    for part in desk.locator(f"[data-for={other}]").all():
        expect(part).to_be_hidden()
    expect(desk.locator("[data-match]")).to_be_visible(visible=route == "oauth")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_one_scan_follows_and_binds_and_the_chat_takes_it_back(
    demo: Demo,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    width: int,
    scheme: str,
) -> None:
    desk = visitor(width=width, color_scheme=scheme)
    log_in(desk, demo)
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    assert_route(desk, "scan")
    expect(desk.locator("main img:visible")).to_have_count(1)
    picture(desk, f"scan-waiting-{width}")
    assert_nothing_sticks_out(desk)
    desk.evaluate("window.kept = true")
    places = [place(desk, "h1"), place(desk, ".box")]

    with desk.expect_popup() as opened:
        desk.click("[data-demo-phone]")
    phone = opened.value
    phone.get_by_role("button", name="李静").click()
    expect(phone.locator("[data-part=profile]")).to_be_visible()
    picture(phone, f"scan-profile-{width}")
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    phone.click("button[name=following]")

    expect(desk.locator("main")).to_have_attribute("data-state", "bound")
    # The platform tells the account no nickname.
    expect(desk.locator(".face-name")).to_have_text("微信用户")
    assert [place(desk, "h1"), place(desk, ".box")] == places
    expect(desk.locator("[data-bound] [data-nickname]")).to_have_text("微信用户")
    expect(desk.locator("[data-unreachable]")).to_have_count(0)
    assert [place(desk, "h1"), place(desk, ".box")] == places
    assert desk.evaluate("window.kept"), "the page was loaded again"
    picture(desk, f"scan-bound-{width}")
    assert_nothing_sticks_out(desk)

    expect(last_said(phone)).to_contain_text("已绑定 Example 的账号 ann")
    picture(phone, f"scan-chat-{width}")
    last_said(phone).get_by_role("link").click()
    web = phone.frame_locator("iframe[data-frame]")
    expect(web.locator("h1")).to_have_text("要撤销吗？")
    web.locator("button[data-undo]").click()
    expect(web.locator("[data-done]")).to_be_visible()
    desk.reload()
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    expect(desk.locator("[data-notice]")).to_have_text("已在手机上解除绑定。")


def test_whoever_follows_already_is_bound_by_the_scan_alone(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk, phone = visitor(language="en-GB"), visitor()
    log_in(desk, demo)
    scan(phone, demo, "wang", code_of(desk))
    expect(phone.locator("[data-part=chat]")).to_be_visible()
    expect(last_said(phone)).to_contain_text("ann")
    expect(desk.locator("[data-bound] [data-nickname]")).to_have_text("WeChat user")


def test_a_bound_wechat_is_not_taken_and_the_next_code_may_come_by_the_other_route(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk, phone = visitor(), visitor()
    log_in(desk, demo, "ann")
    scan(phone, demo, "wang", code_of(desk))
    expect(desk.locator("[data-bound]")).to_be_visible()

    other = visitor()
    log_in(other, demo, "bob")
    first = code_of(other)
    scan(phone, demo, "wang", first)
    expect(last_said(phone)).to_contain_text("没有绑定")
    expect(other.locator("main")).to_have_attribute("data-state", "taken")
    picture(other, "scan-taken")

    # The account has lost the right meanwhile.
    fault = {"verb": "answer", "path": MAKING, "errcode": 48001, "times": None}
    knob(other, demo, "faults", fault)
    other.evaluate("window.kept = true")
    other.click("[data-renew] button")
    expect(other.locator("main")).to_have_attribute("data-state", "waiting")
    assert_route(other, "oauth")
    assert other.evaluate("window.kept"), "the page was loaded again"
    link = other.locator("a[data-link]").get_attribute("href") or ""
    assert code_of(other) == link != first
    number = other.locator("[data-match] [data-number]").inner_text()
    phone.goto(f"{demo.phone}/phone/scan?person=li&url={link}")
    web = phone.frame_locator("iframe[data-frame]")
    expect(web.locator("[data-number]")).to_have_text(number)
    agree(phone)
    expect(other.locator("[data-bound] [data-nickname]")).to_have_text("李静")


def test_where_no_code_can_be_made_the_other_route_s_is_shown_until_one_can(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk, phone = visitor(), visitor()
    fault = {"verb": "answer", "path": MAKING, "errcode": -1, "times": None}
    knob(desk, demo, "faults", fault)
    log_in(desk, demo)
    assert_route(desk, "oauth")
    assert code_of(desk) == desk.locator("a[data-link]").get_attribute("href")
    picture(desk, "scan-fallback")
    phone.goto(f"{demo.phone}/phone/scan?url={code_of(desk)}")
    phone.frame_locator("iframe[data-frame]").locator("[data-not-me]").click()
    expect(desk.locator("main")).to_have_attribute("data-state", "refused")

    # The server asks the platform again after a minute: here its answer of then comes at once.
    def answer(route: Route) -> None:
        made = route.fetch()
        scanned = {"route": "scan", "url": "http://weixin.qq.com/q/02later"}
        route.fulfill(response=made, json=made.json() | scanned)

    desk.route("**/bind/invites", answer)
    desk.click("[data-renew] button")
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    assert_route(desk, "scan")
    assert code_of(desk) == "http://weixin.qq.com/q/02later"
    assert "/b/" in (desk.locator("a[data-link]").get_attribute("href") or "")


def test_who_cannot_scan_opens_the_link_and_then_there_is_a_number_to_compare(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk, phone = visitor(width=390), visitor()
    log_in(desk, demo)
    summary = desk.locator("[data-cannot-scan] summary")
    summary.focus()
    desk.keyboard.press("Enter")
    number = desk.locator("[data-same-number]")
    expect(number).to_be_visible()
    picture(desk, "scan-cannot-390")
    assert_nothing_sticks_out(desk)
    link = desk.locator("a[data-link]").inner_text()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    web = phone.frame_locator("iframe[data-frame]")
    expect(web.locator("[data-number]")).to_have_text(number.inner_text())
    expect(desk.locator("main")).to_have_attribute("data-state", "scanned")
    expect(desk.locator("[data-match] [data-number]")).to_be_visible()
    expect(desk.locator("[data-match] [data-number]")).to_have_text(number.inner_text())
    desk.reload()
    expect(desk.locator("[data-match] [data-number]")).to_be_visible()
    agree(phone)
    expect(desk.locator("[data-bound] [data-nickname]")).to_have_text("王小明🌻")


def test_a_reader_of_the_screen_hears_the_steps_of_one_route(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor(language="en-GB")
    log_in(desk, demo)
    heard = desk.locator("main").aria_snapshot()
    number = desk.locator("[data-number]").text_content() or ""
    assert "If WeChat shows the account, press “Follow”." in heard
    assert heard.count("listitem") == 3
    assert "Your phone must show" not in heard and f" {number}" not in heard


def test_without_scripts_the_page_shows_one_route_and_is_bound_when_reloaded(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk, phone = visitor(java_script_enabled=False), visitor()
    log_in(desk, demo)
    assert_route(desk, "scan")
    scan(phone, demo, "zhang", code_of(desk))
    phone.click("button[name=following]")
    expect(last_said(phone)).to_contain_text("ann")
    desk.reload()
    expect(desk.locator("[data-bound]")).to_be_visible()


def test_whoever_unfollows_stays_bound_and_the_card_says_what_that_means(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk, phone = visitor(), visitor()
    log_in(desk, demo)
    scan(phone, demo, "wang", code_of(desk))
    expect(desk.locator("[data-bound]")).to_be_visible()
    phone.goto(f"{demo.phone}/phone/wang/account")
    phone.click("button[name=following]")
    # By itself, as everything on this card.
    expect(desk.locator("[data-bound] [data-unreachable]")).to_contain_text("没有关注公众号")
    picture(desk, "scan-unreachable")
    assert_nothing_sticks_out(desk)
    phone.click("button[name=following]")
    expect(desk.locator("[data-bound] [data-test]")).to_be_visible()
    expect(desk.locator("[data-unreachable]")).to_have_count(0)


def test_with_desktop_confirmation_the_chat_s_digits_are_typed_at_the_desk(
    serve: Callable[..., Demo], visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    demo = serve(
        *("--bind-confirm", "desktop", "--bind-route", "scan"),
        *("--webhook-token", TOKEN, "--webhook-mode", "plain"),
    )
    desk, phone = visitor(), visitor()
    knob(desk, demo, "webhook", {"url": f"{demo.site}/wechat", "token": TOKEN})
    log_in(desk, demo)
    invite = desk.evaluate(
        """async () => (await fetch("/bind/invites", {method: "POST", headers: {
            Accept: "application/json",
            "X-XSRFToken": document.querySelector("input[name=_xsrf]").value,
        }})).json()"""
    )
    scan(phone, demo, "li", invite["url"])
    phone.click("button[name=following]")
    field = desk.locator("input[data-code]")
    expect(field).to_be_focused()
    picture(desk, "scan-confirm")
    said = last_said(phone).inner_text()
    desk.keyboard.type("".join(letter for letter in said if letter.isdigit()))
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-bound]")).to_be_visible()
