"""Pages that the demo's straight way doesn't show: a real browser as the phone, digits at the desk,
keyboard alone, dark, errors, inside WeChat."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, log_in
from tests.browser.test_demo import agree

pytestmark = pytest.mark.browser

WECHAT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.50(0x18003234) NetType/WIFI"
)


def test_a_real_browser_as_the_phone_may_follow_the_form_to_the_authorize_page(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk = visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href") or ""
    phone = visitor(width=390, user_agent=WECHAT)
    phone.goto(link)
    picture(phone, "phone-page-ask")
    phone.click("[data-bind]")
    # The content policy holds a form's redirects too: this is another origin.
    phone.wait_for_url(f"{demo.phone}/connect/**")
    phone.get_by_role("button", name="允许").click()
    expect(phone.locator("[data-done]")).to_be_visible()
    picture(phone, "phone-page-done")
    expect(desk.locator("[data-bound]")).to_be_visible()
    phone.click("[data-undo]")
    phone.click("main button[type=submit]")
    expect(phone.locator("main")).to_have_attribute("data-view", "done")
    desk.reload()
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")


@pytest.mark.console_may_say("410 (Gone)", "404 (Not Found)")
def test_a_link_opened_elsewhere_says_to_open_it_in_wechat(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk = visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href") or ""
    other = visitor(width=390)
    other.goto(link)
    expect(other.locator("main")).to_have_attribute("data-view", "outside")
    expect(other.locator("body")).to_contain_text("微信")
    picture(other, "phone-page-outside")
    # Nothing was scanned by that.
    desk.reload()
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    other.goto(f"{demo.site}/b/{'A' * 43}")
    expect(other.locator("[data-problem]")).to_be_visible()


def test_inside_wechat_the_card_has_a_button_instead_of_a_code(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    phone = visitor(width=390, user_agent=WECHAT)
    log_in(phone, demo)
    expect(phone.locator("img[data-qr]")).to_have_count(0)
    picture(phone, "bind-inside-wechat")
    phone.click("a.go[data-link]")
    phone.click("[data-bind]")
    phone.get_by_role("button", name="允许").click()
    expect(phone.locator("[data-done]")).to_be_visible()


def test_with_desktop_confirmation_the_phone_s_digits_are_typed_at_the_desk(
    serve: Callable[..., Demo], visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    demo = serve("--bind-confirm", "desktop")
    desk = visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    agree(phone)
    digits = phone.frame_locator("iframe[data-frame]").locator("[data-code]").inner_text()
    field = desk.locator("input[data-code]")
    expect(field).to_be_focused()
    picture(desk, "bind-confirm")
    desk.keyboard.type("".join(digits.split()))
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-bound]")).to_be_visible()


def test_another_wechat_takes_the_place_after_the_password(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk, phone = visitor(), visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    agree(phone)
    expect(desk.locator("[data-bound] [data-nickname]")).to_have_text("王小明🌻")
    desk.locator("[data-replace] summary").click()
    desk.fill("#password", demo.password)
    desk.locator("[data-replace] button").click()
    expect(desk.locator("[data-replacing-note]")).to_be_visible()
    picture(desk, "bind-replacing")
    link = desk.locator("a[data-link]").get_attribute("href")
    phone.goto(f"{demo.phone}/phone/scan?person=li&url={link}")
    agree(phone)
    expect(desk.locator("[data-bound] [data-nickname]")).to_have_text("李静")


@pytest.mark.console_may_say(
    "401 (Unauthorized)",
    "closed before the connection is established",  # it ends that early
)
def test_the_keyboard_alone_is_enough_to_log_in(demo: Demo, visitor: Callable[..., Page]) -> None:
    desk = visitor()
    desk.goto(f"{demo.site}/login")
    expect(desk.locator("#username")).to_be_focused()
    desk.keyboard.type("ann")
    desk.keyboard.press("Tab")
    desk.keyboard.type("not the password")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("alert")).to_be_visible()
    desk.locator("#username").fill("ann")
    desk.locator("#password").fill(demo.password)
    desk.keyboard.press("Enter")
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    desk.keyboard.press("Tab")
    expect(desk.locator(".skip")).to_be_focused()


@pytest.mark.console_may_say("404 (Not Found)", "closed before the connection is established")
def test_dark_and_lost(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk = visitor(color_scheme="dark", width=390)
    log_in(desk, demo)
    picture(desk, "bind-dark-390")
    light = desk.evaluate("getComputedStyle(document.body).backgroundColor")
    desk.goto(f"{demo.site}/nowhere")
    expect(desk.locator("h1")).to_contain_text("没有")
    picture(desk, "error-404")
    desk.emulate_media(color_scheme="light")
    assert desk.evaluate("getComputedStyle(document.body).backgroundColor") != light
    desk.click("[data-home]")
    desk.wait_for_url(f"{demo.site}/bind")


def test_signed_out_in_another_tab_the_waiting_page_leads_to_the_login(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    log_in(desk, demo)
    tab = desk.context.new_page()
    tab.goto(f"{demo.site}/bind")
    tab.click("[data-logout]")
    desk.wait_for_url(f"{demo.site}/login")
