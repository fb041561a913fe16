"""The page of pictures in a real Chromium: at the desk, and in the drawn phone with its JS-SDK."""

from collections.abc import Callable

import pytest
from playwright.sync_api import FrameLocator, Page, Route, expect

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


def fault(demo: Demo, page: Page, **body: object) -> None:
    """Make the platform go wrong."""
    answer = page.request.post(f"{demo.phone}/admin/faults", data=body)
    assert answer.ok, answer.text()


@pytest.mark.console_may_say("410 (Gone)", "502 (Bad Gateway)", "404 (Not Found)")
@pytest.mark.parametrize(("width", "language"), [(1280, "en-GB"), (390, "zh-CN")])
def test_every_trouble_has_a_sentence_and_a_way_on(
    oauth_demo: Demo, visitor: Visitor, picture: Picture, width: int, language: str
) -> None:
    demo = oauth_demo
    desk, phone = visitor(), visitor(width=width, language=language)
    bind(demo, desk, phone)
    host = demo.site.removeprefix("http://")

    fault(demo, phone, verb="answer", path="/cgi-bin/ticket/getticket", errcode=48001)
    web = open_pictures(demo, phone)
    trouble, again = web.locator("[data-trouble-text]"), web.locator("[data-again] button")
    expect(trouble).to_contain_text("48001")
    expect(web.locator("[data-choose]")).to_be_disabled()
    picture(phone, f"pictures-no-ticket-{width}")

    told = {"errMsg": "config:ok"}
    phone.route("**/jssdk/config", lambda route: route.fulfill(json=told))
    sentences = set()
    for message, part in (
        ("config:invalid signature", host),
        ("config:invalid url domain", host),
        ("config:the permission value is offline verifying", ""),
        ("config:fail", ""),
    ):
        told["errMsg"] = message
        phone.route("**/js-config*", signed)
        web = open_pictures(demo, phone)
        expect(trouble).to_be_visible()
        expect(trouble).to_contain_text(part)
        sentences.add(trouble.inner_text())
        picture(phone, f"pictures-{message.split()[-1].replace(':', '-')}-{width}")
        expect(again).to_be_visible()
    assert len(sentences) == 4
    phone.unroute("**/jssdk/config")
    phone.unroute("**/js-config*")


def signed(route: object) -> None:
    """What the server would say, which has no JS ticket in these tests."""
    config = {"appId": "wx", "timestamp": 1, "nonceStr": "n", "signature": "s"}
    route.fulfill(json=config)  # type: ignore[attr-defined]


@pytest.mark.console_may_say("410 (Gone)", "net::ERR_FAILED", "404 (Not Found)", "409 (Conflict)")
def test_what_goes_wrong_on_the_way_is_told_and_what_was_sent_stays(
    oauth_demo: Demo, visitor: Visitor, picture: Picture
) -> None:
    demo = oauth_demo
    desk, phone = visitor(), visitor(language="en-GB")
    bind(demo, desk, phone)
    phone.route("**/open/js/*", lambda route: route.abort())
    web = open_pictures(demo, phone)
    trouble = web.locator("[data-trouble-text]")
    expect(trouble).to_contain_text("script could not be loaded")
    phone.unroute("**/open/js/*")
    web.locator("[data-again] button").click()
    expect(web.locator("[data-choose]")).to_be_enabled()
    expect(web.locator("[data-trouble]")).to_be_hidden()

    fault(demo, phone, verb="answer", path="/cgi-bin/media/get", errcode=40007)
    pick(web, "lake", "cat", "city")
    expect(trouble).to_contain_text("Pictures not sent: 1 of 3. WeChat has no such picture")
    expect(trouble).to_contain_text("pick it again")
    expect(web.locator("[data-choose]")).to_be_focused()
    expect(web.locator("[data-gallery] > li")).to_have_count(2)
    expect(web.locator("[data-status]")).to_contain_text("2")
    picture(phone, "pictures-gone")
    fault(demo, phone, verb="answer", path="/cgi-bin/media/get", errcode=40007)
    pick(web, "lake")
    expect(trouble).to_contain_text("pick it again")
    expect(trouble).not_to_contain_text("not sent")
    pick(web, "lake")
    expect(web.locator("[data-gallery] > li")).to_have_count(3)
    expect(web.locator("[data-trouble]")).to_be_hidden()

    phone.route("**/jssdk/upload", lambda route: route.fulfill(status=404))
    pick(web, "city")
    expect(trouble).to_contain_text("could not take the picture")
    phone.unroute("**/jssdk/upload")
    phone.route("**/web/http/*/pictures", lambda route: route.abort())
    pick(web, "city")
    expect(trouble).to_contain_text("is lost")
    phone.unroute_all()
    expect(web.locator("[data-gallery] > li")).to_have_count(3)
    posted = []
    full = {"error": {"code": "no-room", "message": "There is no room."}}

    def refuse(route: Route) -> None:
        posted.append(route.request.url)
        route.fulfill(status=409, json=full)

    phone.route("**/web/http/*/pictures", refuse)
    pick(web, "lake", "cat")
    expect(trouble).to_have_text("Pictures not sent: 2 of 2. There is no room.")
    assert len(posted) == 1, "the next one would meet the same"
    phone.unroute_all()


def test_a_ticket_that_died_early_is_noticed_by_the_page(
    oauth_demo: Demo, visitor: Visitor
) -> None:
    """It cannot be older than a moment here, so the page says what it knows."""
    demo = oauth_demo
    desk, phone = visitor(), visitor(language="en-GB")
    bind(demo, desk, phone)
    web = open_pictures(demo, phone)
    expect(web.locator("[data-choose]")).to_be_enabled()
    fault(demo, phone, verb="kill_js_tickets")
    asked = []
    phone.on("request", lambda sent: asked.append(sent.url) if "js-config" in sent.url else None)
    web = open_pictures(demo, phone)
    expect(web.locator("[data-trouble-text]")).to_contain_text("signature")
    assert [url.endswith("again=1") for url in asked] == [False, True], "once more, and no more"
