"""The entry inside WeChat in a real browser: the form, and where it leads."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, assert_nothing_sticks_out
from tests.browser.test_pages import WECHAT

pytestmark = pytest.mark.browser


@pytest.mark.console_may_say("401 (Unauthorized)")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_stranger_logs_in_and_is_bound_and_known_from_then_on(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None], width: int
) -> None:
    phone = visitor(width=width, user_agent=WECHAT)
    phone.goto(f"{demo.site}/login")
    picture(phone, f"login-inside-wechat-{width}")
    phone.click("a[data-enter]")
    expect(phone.locator("main")).to_have_attribute("data-view", "stranger")
    assert_nothing_sticks_out(phone)
    picture(phone, f"enter-stranger-{width}")
    phone.fill("#username", "ann")
    phone.fill("#password", "not the password")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("alert")).to_be_visible()
    assert_nothing_sticks_out(phone)
    phone.fill("#username", "ann")
    phone.fill("#password", demo.password)
    phone.click("button[data-enter]")
    # The content policy holds a form's redirects too: this is another origin.
    phone.wait_for_url(f"{demo.phone}/connect/**")
    phone.get_by_role("button", name="允许").click()
    phone.wait_for_url(f"{demo.site}/bind*")
    expect(phone.locator("[data-bound] [data-nickname]")).to_have_text("王小明🌻")
    again = visitor(width=width, user_agent=WECHAT)
    again.goto(f"{demo.site}/enter")
    again.wait_for_url(f"{demo.site}/bind*")
    expect(again.locator("[data-bound]")).to_be_visible()


@pytest.mark.console_may_say("409 (Conflict)")
def test_another_wechat_takes_the_place_after_the_password_a_second_time(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    wang = visitor(width=390, user_agent=WECHAT)
    wang.goto(f"{demo.site}/enter")
    wang.uncheck("[data-profile]")
    wang.fill("#username", "ann")
    wang.fill("#password", demo.password)
    wang.click("button[data-enter]")
    wang.wait_for_url(f"{demo.site}/bind*")  # nobody is asked for what nobody gives
    li = visitor()
    li.goto(f"{demo.phone}/phone/scan?person=li&url={demo.site}/enter")
    page = li.frame_locator("iframe[data-frame]")
    page.locator("#username").fill("ann")
    page.locator("#password").fill(demo.password)
    page.locator("button[data-enter]").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#username")).to_have_value("ann")
    picture(li, "enter-replace")
    page.locator("[data-replace]").check()
    page.locator("#password").fill(demo.password)
    page.locator("button[data-enter]").click()
    page.get_by_role("button", name="允许").click()
    expect(page.locator("[data-bound] [data-nickname]")).to_have_text("李静")
    wang.goto(f"{demo.site}/bind")
    expect(wang.locator("[data-bound] [data-nickname]")).to_have_text("李静")
