"""The whole demo by the OAuth route: a desktop tab, a phone tab, nothing else."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ARTEFACTS, Demo, assert_nothing_sticks_out, log_in

pytestmark = pytest.mark.browser

README_PICTURE = Path(__file__).parent / "readme.png"


def agree(phone: Page) -> None:
    """Say yes on our page, then on WeChat's, both inside the drawn phone."""
    web = phone.frame_locator("iframe[data-frame]")
    web.locator("[data-bind]").click()
    web.get_by_role("button", name="允许").or_(web.get_by_role("button", name="Allow")).click()


@pytest.mark.parametrize("width", [1280, 390])
def test_log_in_scan_with_the_virtual_phone_and_see_bound(
    oauth_demo: Demo,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    width: int,
) -> None:
    demo = oauth_demo
    desk = visitor(width=width)
    desk.goto(f"{demo.site}/login")
    picture(desk, f"login-{width}")
    log_in(desk, demo)
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    number = desk.locator("[data-number]").inner_text()
    picture(desk, f"bind-waiting-{width}")
    expect(desk.locator("body")).to_contain_text("绑定微信")
    assert_nothing_sticks_out(desk)

    with desk.expect_popup() as opened:
        desk.click("[data-demo-phone]")
    phone = opened.value
    web = phone.frame_locator("iframe[data-frame]")
    expect(web.locator("[data-number]")).to_have_text(number)
    expect(web.locator("h1")).to_contain_text("ann")
    picture(phone, f"phone-asks-{width}")
    # "Bind" and "This is not me" are the same size.
    sizes = [web.locator(one).bounding_box() for one in ("[data-bind]", "[data-not-me]")]
    assert sizes[0] and sizes[1] and sizes[0]["width"] == sizes[1]["width"]
    assert sizes[0]["height"] == sizes[1]["height"]

    expect(desk.locator("main")).to_have_attribute("data-state", "scanned")
    expect(desk.locator("[data-status]")).to_contain_text("已扫码")
    picture(desk, f"bind-scanned-{width}")
    if width == 1280:
        _keep_readme_picture(desk, phone)
    heading = desk.locator("h1").bounding_box()
    box = desk.locator("[data-box]").bounding_box()

    agree(phone)
    expect(web.locator("[data-done]")).to_be_visible()
    picture(phone, f"phone-done-{width}")
    expect(desk.locator("main")).to_have_attribute("data-state", "bound")
    # No layout jump when the state changes.
    assert desk.locator("h1").bounding_box() == heading
    assert desk.locator("[data-box]").bounding_box() == box
    expect(desk.locator("[data-bound] [data-nickname]")).to_have_text("王小明🌻")
    picture(desk, f"bind-bound-{width}")
    assert_nothing_sticks_out(desk)

    desk.click("[data-test]")
    expect(desk.locator("[data-notices] > [data-state=delivered]")).to_have_count(2)
    phone.goto(f"{demo.phone}/phone/wang/chat")
    expect(phone.locator("article.card").last).to_contain_text("ann")
    picture(phone, f"phone-chat-{width}")


@pytest.mark.console_may_say("409 (Conflict)")
def test_three_people_can_be_played_side_by_side(demo: Demo, visitor: Callable[..., Page]) -> None:
    desk, other = visitor(), visitor()
    log_in(desk, demo, "ann")
    log_in(other, demo, "bob")
    first = desk.locator("a[data-link]").get_attribute("href")
    second = other.locator("a[data-link]").get_attribute("href")
    wang, li = visitor(), visitor()
    wang.goto(f"{demo.phone}/phone/scan?person=wang&url={first}")
    li.goto(f"{demo.phone}/phone/scan?person=li&url={second}")
    agree(wang)
    agree(li)
    expect(desk.locator("[data-bound] [data-nickname]")).to_have_text("王小明🌻")
    expect(other.locator("[data-bound] [data-nickname]")).to_contain_text("李静")
    # Wang's WeChat is bound, so a third account cannot have it.
    other.locator("[data-unbind] summary").click()
    other.click("[data-remove]")
    third = other.locator("a[data-link]").get_attribute("href")
    wang.goto(f"{demo.phone}/phone/scan?person=wang&url={third}")
    agree(wang)
    expect(wang.frame_locator("iframe[data-frame]").locator("[data-problem]")).to_be_visible()
    expect(other.locator("main")).to_have_attribute("data-state", "taken")


def test_the_pages_speak_english_too_and_remember_the_switch(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    page = visitor(language="en-GB")
    log_in(page, demo)
    expect(page.locator("h1")).to_have_text("Bind WeChat")
    picture(page, "bind-english")
    page.click("[data-language]")
    expect(page.locator("h1")).to_have_text("绑定微信")
    page.goto(f"{demo.site}/bind")
    expect(page.locator("h1")).to_have_text("绑定微信")
    assert page.locator("html").get_attribute("lang") == "zh-CN"


def _keep_readme_picture(desk: Page, phone: Page) -> None:
    """Put both side by side, as the README shows them."""
    shots = [base64.b64encode(page.screenshot()).decode() for page in (desk, phone)]
    sheet = desk.context.new_page()
    sheet.set_viewport_size({"width": 1280, "height": 450})
    # The sheet is the test's own, so it may carry its style inside.
    sheet.set_content(
        "<style>body{margin:0;display:flex}img{width:50%}</style>"
        + "".join(f'<img src="data:image/png;base64,{shot}">' for shot in shots)
    )
    path = README_PICTURE if os.environ.get("KEEP_PICTURE") else ARTEFACTS / "readme.png"
    sheet.screenshot(path=path)
    sheet.close()
