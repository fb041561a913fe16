"""The demo from the phone's side, by its own menu: a stranger who is bound, silence from then on, a
picture, and a computer that is let in."""

from collections.abc import Callable

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import Demo
from tests.browser.test_pictures import pick
from tests.browser.test_scan_login import question, wait

pytestmark = pytest.mark.browser


def tap(phone: Page, demo: Demo, *names: str) -> FrameLocator:
    """Tap through the account's menu; the page that opens."""
    phone.goto(f"{demo.phone}/phone/wang/chat?foot=menu")
    menu = phone.locator("[data-part=foot]")
    for name in names[:-1]:
        menu.locator("summary", has_text=name).click()
    menu.get_by_role("button", name=names[-1]).click()
    return phone.frame_locator("iframe[data-frame]")


@pytest.mark.parametrize(("language", "allow"), [("zh-CN", "允许"), ("en-GB", "Allow")])
def test_the_menu_lets_a_stranger_in_and_knows_them_from_then_on(
    demo: Demo,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    language: str,
    allow: str,
) -> None:
    phone = visitor(language=language)
    web = tap(phone, demo, "网站 Site")
    web.locator("#username").fill("ann")
    web.locator("#password").fill(demo.password)
    picture(phone, f"menu-stranger-{language}")
    web.locator("button[data-enter]").click()
    web.get_by_role("button", name=allow).click()
    expect(web.locator("[data-bound] [data-nickname]")).to_have_text("王小明🌻")

    # The notice that it brought has come and gone over the bar, which can still be pressed.
    expect(phone.locator(".banner")).to_be_hidden(timeout=15_000)
    phone.locator("header.bar a.back").click()
    phone.wait_for_url(f"{demo.phone}/phone/wang")

    # Without the session, the WeChat alone lets them in.
    web = tap(phone, demo, "网站 Site")
    web.locator("form[action$='/logout'] button").click()
    expect(web.locator("[data-page=login]")).to_be_visible()
    web = tap(phone, demo, "网站 Site")
    expect(web.locator("[data-bound] [data-nickname]")).to_have_text("王小明🌻")
    picture(phone, f"menu-silent-{language}")

    web = tap(phone, demo, "更多 More", "图片 Pictures")
    expect(web.locator("main")).to_have_attribute("data-state", "ready")
    pick(web, "noodles")
    expect(web.locator("[data-gallery] > li")).to_have_count(1)
    picture(phone, f"menu-picture-{language}")

    desk = visitor(language=language)
    wait(desk, demo, "?to=pictures")
    question(phone, demo, desk).locator("[data-yes]").click()
    desk.wait_for_url(f"{demo.site}/pictures")
    expect(desk.locator("[data-gallery] > li")).to_have_count(1)
    picture(desk, f"menu-desk-{language}")
