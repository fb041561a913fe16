"""The page of pictures in a real Chromium: at the desk, and in the drawn phone with its JS-SDK."""

from collections.abc import Callable

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import Demo, assert_nothing_sticks_out, log_in
from tests.browser.test_demo import agree

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]
Picture = Callable[[Page, str], None]


def bind(demo: Demo, desk: Page, phone: Page) -> None:
    """Bind ann, who is at the desk, to Wang, by a link."""
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    phone.goto(f"{demo.phone}/phone/scan?person=wang&url={link}")
    agree(phone)
    expect(phone.frame_locator("iframe[data-frame]").locator("[data-done]")).to_be_visible()


def open_pictures(demo: Demo, phone: Page) -> FrameLocator:
    """The page in the drawn phone, by the address that the menu has."""
    phone.goto(f"{demo.phone}/phone/scan?person=wang&url={demo.site}/enter?to=pictures")
    web = phone.frame_locator("iframe[data-frame]")
    expect(web.locator("main")).to_have_attribute("data-state", "ready")
    return web


def pick(web: FrameLocator, *names: str) -> None:
    """Choose pictures by these names."""
    web.locator("[data-choose]").click()
    for name in names:
        web.locator(f"dialog[data-picker] button[data-picture={name}]").click()
    web.locator("dialog[data-picker] button[data-done]").click()


@pytest.mark.parametrize(("width", "language"), [(1280, "zh-CN"), (390, "en-GB")])
def test_pictures_are_picked_on_the_phone_shown_and_removed(
    oauth_demo: Demo, visitor: Visitor, picture: Picture, width: int, language: str
) -> None:
    demo = oauth_demo
    desk, phone = visitor(width=width, language=language), visitor(width=width, language=language)
    bind(demo, desk, phone)
    web = open_pictures(demo, phone)
    expect(web.locator("[data-choose]")).to_be_enabled()
    expect(web.locator("[data-empty]")).to_be_visible()
    picture(phone, f"pictures-empty-{width}")

    web.locator("[data-choose]").click()
    web.locator("dialog[data-picker] button[data-cancel]").click()
    expect(web.locator("[data-trouble]")).to_be_hidden()
    pick(web, "lake", "cat")
    rows = web.locator("[data-gallery] > li")
    expect(rows).to_have_count(2)
    expect(web.locator("[data-bar]")).to_be_hidden()
    expect(web.locator("[data-status]")).to_contain_text("2")
    for row in rows.all():
        # The phone's frame draws them: each is a whole picture, not a broken one.
        expect(row.locator("img")).to_have_js_property("complete", True)
        assert row.locator("img").evaluate("one => one.naturalWidth") > 10
    picture(phone, f"pictures-two-{width}")

    desk.goto(f"{demo.site}/pictures")
    shown = desk.locator("[data-gallery] img")
    expect(shown).to_have_count(2)
    for one in shown.all():
        assert one.evaluate("one => one.decode().then(() => one.naturalWidth)") > 10
    ids = [row.get_attribute("data-id") for row in desk.locator("[data-gallery] > li").all()]
    assert ids == [row.get_attribute("data-id") for row in rows.all()], "newest first, both"
    assert_nothing_sticks_out(desk)
    picture(desk, f"pictures-outside-{width}")

    rows.first.locator("summary").click()
    rows.first.locator("[data-remove]").click()
    expect(rows).to_have_count(1)
    expect(rows.first.locator("summary")).to_be_focused()
    phone.keyboard.press("Enter")
    phone.keyboard.press("Tab")
    phone.keyboard.press("Enter")
    expect(rows).to_have_count(0)
    expect(web.locator("[data-empty]")).to_be_visible()
    expect(web.locator("[data-kept-title]")).to_be_focused()
    desk.reload()
    expect(shown).to_have_count(0)


def test_the_desk_opens_and_removes_without_a_script(
    oauth_demo: Demo, visitor: Visitor, picture: Picture
) -> None:
    demo = oauth_demo
    desk, phone = visitor(java_script_enabled=False), visitor()
    bind(demo, desk, phone)
    web = open_pictures(demo, phone)
    pick(web, "noodles")
    expect(web.locator("[data-gallery] > li")).to_have_count(1)
    desk.goto(f"{demo.site}/pictures")
    code = desk.locator("[data-outside] img")
    expect(code).to_be_visible()
    desk.locator("[data-gallery] > li summary").click()
    desk.locator("[data-gallery] > li [data-remove]").click()
    desk.wait_for_url(f"{demo.site}/pictures")
    expect(desk.locator("[data-empty]")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_who_is_not_bound_is_told_to_bind(
    demo: Demo, visitor: Visitor, picture: Picture, width: int
) -> None:
    desk = visitor(width=width)
    log_in(desk, demo)
    desk.goto(f"{demo.site}/pictures")
    expect(desk.locator("[data-unbound]")).to_be_visible()
    picture(desk, f"pictures-unbound-{width}")
    assert_nothing_sticks_out(desk)
    desk.click("[data-bind-first]")
    desk.wait_for_url(f"{demo.site}/bind")
