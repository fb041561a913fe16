"""Signing in by scan in a real Chromium: the login page shows a code and goes in by itself."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import FrameLocator, Page, Route, expect

from tests.browser.conftest import Demo, assert_nothing_sticks_out, log_in
from tests.browser.test_scan import last_said, scan

pytestmark = pytest.mark.browser


def code_of(desk: Page) -> str:
    """What the code on the page holds, as the demo's link to the phone carries it."""
    address = desk.locator("[data-demo-phone]").get_attribute("href") or ""
    return parse_qs(urlsplit(address).query)["url"][0]


def bind(demo: Demo, visitor: Callable[..., Page], person: str = "wang") -> Page:
    """Bind ann to this person; the phone that did it."""
    desk, phone = visitor(), visitor(width=390)
    log_in(desk, demo)
    scan(phone, demo, person, code_of(desk))
    web = phone.frame_locator("iframe[data-frame]")
    if desk.locator("main").get_attribute("data-route") == "oauth":
        web.locator("[data-bind]").click()
        web.locator("button[value=allow]").click()
    expect(desk.locator("[data-bound]")).to_be_visible()
    return phone


def wait(desk: Page, demo: Demo, to: str = "") -> None:
    """Open the login page; ends once its code can be scanned."""
    desk.goto(f"{demo.site}/login{to}")
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "waiting")


def question(phone: Page, demo: Demo, desk: Page, person: str = "wang") -> FrameLocator:
    """Scan the code of the login page; the phone's page that asks."""
    scan(phone, demo, person, code_of(desk))
    web = phone.frame_locator("iframe[data-frame]")
    if "/s/" not in code_of(desk):
        last_said(phone).get_by_role("link").click()
    expect(web.locator("[data-number]")).to_be_visible()
    return web


@pytest.mark.parametrize(
    ("width", "language", "scheme"), [(1280, "zh-CN", "light"), (390, "en-GB", "dark")]
)
def test_the_login_page_goes_in_by_itself_once_the_phone_has_said_yes(
    oauth_demo: Demo,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    width: int,
    language: str,
    scheme: str,
) -> None:
    phone = bind(oauth_demo, visitor)
    desk = visitor(width=width, language=language, color_scheme=scheme)
    asked: list[str] = []
    desk.on("request", lambda sent: asked.append(sent.url) if "/login/codes" in sent.url else None)
    desk.goto(f"{oauth_demo.site}/login")
    fold = desk.locator("[data-scan] summary")
    expect(fold).to_be_visible()
    if width == 390:
        expect(desk.locator("[data-qr]")).to_be_hidden()
        picture(desk, f"scan-login-folded-{width}")
        assert_nothing_sticks_out(desk)
        assert not asked, "a code that nobody has asked for"
        fold.click()
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "waiting")
    expect(desk.locator("[data-qr]")).to_be_visible()
    if width == 1280:
        expect(desk.locator("input[name=username]")).to_be_focused()
    picture(desk, f"scan-login-waiting-{width}")
    assert_nothing_sticks_out(desk)

    web = question(phone, oauth_demo, desk)
    number = desk.locator("[data-scan] [data-number]").inner_text()
    expect(web.locator("[data-number]")).to_have_text(number)
    expect(web.locator("[data-network]")).to_have_text("127.0.0.0/24")
    yes, no = web.locator("[data-yes]").bounding_box(), web.locator("[data-not-me]").bounding_box()
    assert yes and no and (yes["width"], yes["height"]) == (no["width"], no["height"])
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "scanned")
    picture(phone, f"scan-login-question-{width}")
    picture(desk, f"scan-login-scanned-{width}")
    assert_nothing_sticks_out(desk)
    web.locator("[data-yes]").click()
    expect(web.locator("[data-done]")).to_be_visible()
    desk.wait_for_url(f"{oauth_demo.site}/bind")
    expect(desk.locator("[data-account]")).to_have_text("ann")
    picture(phone, f"scan-login-done-{width}")


def test_by_the_scan_route_the_chat_asks_and_its_notice_signs_the_computer_out(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    phone, desk = bind(demo, visitor), visitor()
    wait(desk, demo)
    assert "/s/" not in code_of(desk), "a parametric code"
    web = question(phone, demo, desk)
    web.locator("[data-yes]").click()
    desk.wait_for_url(f"{demo.site}/bind")
    phone.goto(f"{demo.phone}/phone/wang/chat")
    picture(phone, "scan-login-chat")
    told = phone.locator("[data-part=chat] .card")
    expect(told).to_contain_text("不是你？ann 扫码登录了")
    told.locator("a.details").click()
    expect(web.locator("[data-end]")).to_be_visible()
    picture(phone, "scan-login-not-me")
    web.locator("[data-end]").click()
    expect(web.locator("[data-done]")).to_be_visible()
    desk.wait_for_url(f"{demo.site}/login")


def test_refused_on_the_phone_there_is_a_button_for_a_new_code(
    oauth_demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    phone, desk = bind(oauth_demo, visitor), visitor()
    wait(desk, oauth_demo)
    web = question(phone, oauth_demo, desk)
    first = code_of(desk)
    web.locator("[data-not-me]").click()
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "refused")
    picture(desk, "scan-login-refused")
    desk.click("[data-renew]")
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "waiting")
    assert code_of(desk) != first

    question(phone, oauth_demo, desk)
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "scanned")
    second = code_of(desk)
    desk.click("[data-another]")
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "waiting")
    assert code_of(desk) != second


def test_an_ended_code_is_renewed_five_times_and_then_on_the_button(
    oauth_demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    bind(oauth_demo, visitor)
    desk = visitor()
    asked: list[str] = []

    def answer(route: Route) -> None:
        """A code that is over before anybody has seen it."""
        asked.append(route.request.url)
        made = route.fetch()
        ended = {"state": "expired", "message": "二维码已过期。", "expires_in": 0}
        route.fulfill(response=made, json=made.json() | ended)

    desk.route("**/login/codes", answer)
    desk.goto(f"{oauth_demo.site}/login")
    expect(desk.locator("[data-renew]")).to_be_visible()
    expect(desk.locator("[data-box]")).not_to_have_attribute("aria-busy", "true")
    for _ in range(100):
        if len(asked) >= 6:
            break
        desk.wait_for_timeout(200)
    desk.wait_for_timeout(1500)  # more than a seventh would take
    assert len(asked) == 6, "the first, and five more"
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "expired")
    picture(desk, "scan-login-expired")
    desk.unroute("**/login/codes")
    desk.click("[data-renew]")
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "waiting")


def test_two_tabs_share_a_code_and_both_end_up_signed_in(
    oauth_demo: Demo, visitor: Callable[..., Page]
) -> None:
    phone, desk = bind(oauth_demo, visitor), visitor()
    wait(desk, oauth_demo)
    other = desk.context.new_page()
    wait(other, oauth_demo)
    assert code_of(other) == code_of(desk)
    question(phone, oauth_demo, desk).locator("[data-yes]").click()
    for page in (desk, other):
        page.wait_for_url(f"{oauth_demo.site}/bind")
        expect(page.locator("[data-account]")).to_have_text("ann")


def test_a_new_code_in_one_tab_is_the_other_s_too(
    oauth_demo: Demo, visitor: Callable[..., Page]
) -> None:
    phone, desk = bind(oauth_demo, visitor), visitor()
    wait(desk, oauth_demo)
    other = desk.context.new_page()
    wait(other, oauth_demo)
    first = code_of(desk)
    question(phone, oauth_demo, desk)
    for page in (desk, other):
        expect(page.locator("[data-scan]")).to_have_attribute("data-state", "scanned")
    desk.click("[data-another]")
    for page in (desk, other):
        expect(page.locator("[data-scan]")).to_have_attribute("data-state", "waiting")
        expect(page.locator("[data-qr]")).to_be_visible()
    assert code_of(desk) != first
    expect(other.locator("[data-demo-phone]")).to_have_attribute(
        "href", desk.locator("[data-demo-phone]").get_attribute("href") or ""
    )
    question(phone, oauth_demo, other).locator("[data-yes]").click()
    for page in (desk, other):
        page.wait_for_url(f"{oauth_demo.site}/bind")


def test_without_scripts_and_inside_wechat_there_is_the_form_only(
    oauth_demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    bind(oauth_demo, visitor)
    plain = visitor(java_script_enabled=False)
    plain.goto(f"{oauth_demo.site}/login")
    expect(plain.locator("[data-scan]")).to_be_hidden()
    picture(plain, "scan-login-without-scripts")
    plain.fill("input[name=username]", "ann")
    plain.fill("input[name=password]", oauth_demo.password)
    plain.click("main button[type=submit]")
    plain.wait_for_url(f"{oauth_demo.site}/bind")
    wechat = visitor(width=390, user_agent="Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50")
    wechat.goto(f"{oauth_demo.site}/login")
    expect(wechat.locator("[data-scan]")).to_have_count(0)


def test_while_nobody_is_bound_the_login_page_shows_no_code(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    desk.goto(f"{demo.site}/login")
    expect(desk.locator("input[name=username]")).to_be_focused()
    assert desk.locator("[data-scan]").count() == 0
    assert re.search(r"\bnarrow\b", desk.locator("main").get_attribute("class") or "")


def test_another_tab_that_logged_in_meanwhile_does_not_keep_this_one_out(
    oauth_demo: Demo, visitor: Callable[..., Page]
) -> None:
    phone, desk = bind(oauth_demo, visitor), visitor()
    wait(desk, oauth_demo)
    other = desk.context.new_page()
    log_in(other, oauth_demo, "bob")
    question(phone, oauth_demo, desk).locator("[data-yes]").click()
    desk.wait_for_url(f"{oauth_demo.site}/bind")
    expect(desk.locator("[data-account]")).to_have_text("ann")


@pytest.mark.console_may_say("403 (Forbidden)", "404 (Not Found)")
def test_a_page_whose_token_is_an_old_one_still_gets_a_new_code(
    oauth_demo: Demo, visitor: Callable[..., Page]
) -> None:
    bind(oauth_demo, visitor)
    desk = visitor()
    wait(desk, oauth_demo)
    other = desk.context.new_page()
    log_in(other, oauth_demo, "bob")
    other.locator("form[action='/logout'] button").click()
    expect(other.locator("[data-login]")).to_be_visible()
    first = code_of(desk)
    desk.evaluate("document.querySelector('[data-another]').click()")
    expect(desk.locator("[data-scan]")).to_have_attribute("data-state", "waiting")
    expect(desk.locator("[data-demo-phone]")).not_to_have_attribute("href", re.compile(first[-20:]))
