"""The waiting page ends in the right state, whatever happens to it meanwhile."""

import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, WebSocket, expect

from tests.browser.conftest import Demo, log_in
from tests.browser.test_demo import agree

pytestmark = pytest.mark.browser

GONE = ("WebSocket", "Failed to load resource", "ERR_CONNECTION")


def test_a_reload_in_the_middle_and_a_second_tab_show_the_same_code(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    tab = desk.context.new_page()
    tab.goto(f"{demo.site}/bind")
    assert tab.locator("a[data-link]").get_attribute("href") == link
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    expect(desk.locator("main")).to_have_attribute("data-state", "scanned")
    expect(tab.locator("main")).to_have_attribute("data-state", "scanned")
    desk.reload()
    expect(desk.locator("main")).to_have_attribute("data-state", "scanned")
    assert desk.locator("a[data-link]").get_attribute("href") == link
    agree(phone)
    expect(desk.locator("[data-bound]")).to_be_visible()
    expect(tab.locator("[data-bound]")).to_be_visible()


@pytest.mark.console_may_say(*GONE)
def test_a_waiting_code_survives_kill_9(
    serve: Callable[..., Demo], visitor: Callable[..., Page]
) -> None:
    demo = serve()
    desk = visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    demo.server.kill()
    expect(desk.locator("main")).to_have_attribute("data-lost", "", timeout=15_000)
    demo.server.start()
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    agree(phone)
    expect(desk.locator("[data-bound]")).to_be_visible(timeout=30_000)


@pytest.mark.console_may_say(*GONE)
def test_bound_while_the_page_had_no_network_is_seen_afterwards(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    desk.context.set_offline(True)
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    agree(phone)
    expect(phone.frame_locator("iframe[data-frame]").locator("[data-done]")).to_be_visible()
    desk.context.set_offline(False)
    expect(desk.locator("[data-bound]")).to_be_visible(timeout=20_000)


@pytest.mark.console_may_say(*GONE)
def test_where_sockets_cannot_pass_polling_brings_the_page_to_the_end(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    desk.context.route_web_socket("**/live/*", lambda socket: socket.close())
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    expect(desk.locator("main")).to_have_attribute("data-state", "scanned", timeout=15_000)
    agree(phone)
    expect(desk.locator("[data-bound]")).to_be_visible(timeout=15_000)


def test_an_expired_code_is_renewed_by_itself(
    serve: Callable[..., Demo], visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    demo = serve("--invite-seconds", "4")
    desk = visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href")
    code = desk.locator("img[data-qr]").get_attribute("src")
    box = desk.locator("[data-box]").bounding_box()
    expect(desk.locator("a[data-link]")).not_to_have_attribute("href", link or "", timeout=15_000)
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    assert desk.locator("img[data-qr]").get_attribute("src") != code
    assert desk.locator("[data-box]").bounding_box() == box


def test_refused_on_the_phone_is_said_and_a_new_code_can_be_had(
    demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    desk = visitor()
    log_in(desk, demo)
    link = desk.locator("a[data-link]").get_attribute("href") or ""
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    phone.frame_locator("iframe[data-frame]").locator("[data-not-me]").click()
    expect(desk.locator("main")).to_have_attribute("data-state", "refused")
    picture(desk, "bind-refused")
    desk.click("[data-renew] button")
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    expect(desk.locator("a[data-link]")).not_to_have_attribute("href", link)


def open_socket(desk: Page, demo: Demo) -> WebSocket:
    """Log in; the page's socket once it is open and has spoken."""
    spoken: list[WebSocket] = []
    desk.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: spoken.append(socket)),
    )
    log_in(desk, demo)
    for _ in range(200):
        if spoken:
            break
        desk.wait_for_timeout(50)
    return spoken[-1]


def test_leaving_while_the_socket_is_being_opened_leaves_no_complaint(
    serve: Callable[..., Demo], visitor: Callable[..., Page]
) -> None:
    demo = serve()
    desk = visitor()
    open_socket(desk, demo)
    demo.server.process.send_signal(signal.SIGSTOP)  # the machine takes the connection, no answer
    try:
        with desk.expect_websocket():
            desk.evaluate("dispatchEvent(new Event('online'))")
        desk.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: false }))")
    finally:
        demo.server.process.send_signal(signal.SIGCONT)


def test_a_page_kept_for_the_way_back_hangs_up_and_catches_up_when_shown_again(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    socket = open_socket(desk, demo)
    with socket.expect_event("close"):
        desk.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    link = desk.locator("a[data-link]").get_attribute("href")
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    agree(phone)
    expect(phone.frame_locator("iframe[data-frame]").locator("[data-done]")).to_be_visible()
    assert desk.locator("main").get_attribute("data-state") == "waiting"
    desk.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(desk.locator("[data-bound]")).to_be_visible()


def test_without_scripts_the_page_tells_the_truth_when_reloaded(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor(java_script_enabled=False)
    log_in(desk, demo)
    assert desk.locator("noscript").count()
    link = desk.locator("a[data-link]").get_attribute("href")
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    agree(phone)
    expect(phone.frame_locator("iframe[data-frame]").locator("[data-done]")).to_be_visible()
    desk.reload()
    expect(desk.locator("[data-bound]")).to_be_visible()
    desk.locator("[data-unbind] summary").click()
    desk.click("[data-remove]")
    expect(desk.locator("[data-undo]")).to_be_visible()
    desk.click("[data-undo]")
    expect(desk.locator("[data-bound]")).to_be_visible()


def test_a_tab_that_was_left_behind_follows_a_new_code_taken_in_another(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    log_in(desk, demo)
    tab = desk.context.new_page()
    tab.goto(f"{demo.site}/bind")
    phone = visitor()
    phone.goto(f"{demo.phone}/phone/scan?url={desk.locator('a[data-link]').get_attribute('href')}")
    phone.frame_locator("iframe[data-frame]").locator("[data-not-me]").click()
    expect(desk.locator("main")).to_have_attribute("data-state", "refused")
    expect(tab.locator("main")).to_have_attribute("data-state", "refused")
    desk.click("[data-renew] button")
    expect(desk.locator("main")).to_have_attribute("data-state", "waiting")
    expect(tab.locator("main")).to_have_attribute("data-state", "waiting")
    link = desk.locator("a[data-link]").get_attribute("href")
    assert tab.locator("a[data-link]").get_attribute("href") == link
    phone.goto(f"{demo.phone}/phone/scan?url={link}")
    agree(phone)
    expect(desk.locator("[data-bound]")).to_be_visible()
    expect(tab.locator("[data-bound]")).to_be_visible()


@pytest.mark.console_may_say(*GONE)
def test_a_picture_that_cannot_be_had_is_asked_for_with_a_fresh_page(
    demo: Demo, visitor: Callable[..., Page]
) -> None:
    desk = visitor()
    asked: list[str] = []

    def picture(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(status=503, body="")
        else:
            route.continue_()

    desk.route("**/qr.svg*", picture)
    log_in(desk, demo)
    desk.wait_for_function(
        "() => { const one = document.querySelector('img[data-qr]');"
        " return one.complete && one.naturalWidth > 0; }"
    )
    assert len(asked) == 2
