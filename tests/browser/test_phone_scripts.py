"""Scripts of a site inside the drawn phone, and the JS-SDK that they use, in a real Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser.conftest import Demo, Program
from tests.browser.site import ScriptedSite
from tests.browser.test_demo import agree

pytestmark = pytest.mark.browser


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ScriptedSite]:
    """A site with scripts, and a simulator beside it."""
    program = Program("simulate", "--port", "0", ready="app_secret", log=tmp_path / "simulate.log")
    keys = {"appid": program.find(r"app_id (\w+)"), "secret": program.find(r"app_secret (\w+)")}
    site = ScriptedSite(program.find(r"listening on (\S+)"), keys)
    yield site
    site.stop()
    program.stop()


def opened(page: Page, site: ScriptedSite, path: str = "/", person: str = "wang") -> Frame:
    """A page of the site on the phone, its scripts at their end."""
    page.goto(site.framed(path, person))
    page.frame_locator("[data-frame]").locator("[data-ready]").wait_for(state="attached")
    return page.frames[1]


def test_the_modules_of_a_site_run_and_see_the_sites_own_address(
    site: ScriptedSite, visitor: Callable[..., Page]
) -> None:
    frame = opened(visitor(), site, "/b/one?x=1#end")
    assert frame.evaluate("loaded") == ["mine", "/b/one", True]
    assert frame.evaluate("line") == 7  # no line is added in front
    assert frame.evaluate("[window.inline, window.classic]") == [None, None]
    told = frame.evaluate(
        """(({location: l, window: w, top}) => [l.href, `${l}`, l.origin, l.host, l.pathname,
            l.search, l.hash, w.location.href, top === w, document.URL])(site)"""
    )
    url = f"{site.url}/b/one?x=1#end"
    parts = [site.url, site.netloc, "/b/one", "?x=1", "#end"]
    assert told == [url, url, *parts, url, True, url]
    assert "MicroMessenger" in frame.evaluate("navigator.userAgent")


def test_a_script_moves_the_page_through_the_frame(
    site: ScriptedSite, visitor: Callable[..., Page]
) -> None:
    page = visitor()
    heading = page.frame_locator("[data-frame]").locator("h1")
    for path, move in (
        ("/one", "site.location.assign('/one')"),
        ("/two", "site.location.href = `${site.location.origin}/two`"),
        ("/three", "site.window.location = '/three'"),
        ("/four", "site.location.pathname = '/four'"),
        ("/five", "site.open('/five')"),
        ("/six", "site.location.replace('/six')"),
    ):
        frame = opened(page, site)
        frame.evaluate(f"void ({move})")
        expect(heading).to_have_text(path)
    frame = opened(page, site)
    frame.evaluate("site.history.replaceState({a: 1}, '', '/seven?y=2')")
    assert frame.evaluate("[site.location.href, site.history.state.a]") == [
        f"{site.url}/seven?y=2",
        1,
    ]
    frame.evaluate("site.location.hash = 'there'")
    assert frame.evaluate("site.location.href") == f"{site.url}/seven?y=2#there"


def test_a_script_asks_its_own_site_as_the_phones_browser_would(
    site: ScriptedSite, visitor: Callable[..., Page]
) -> None:
    frame = opened(visitor(), site, "/b/one?x=1")
    told = frame.evaluate(
        """async () => {
            const answer = await site.fetch("/said", {method: "POST", body: "word=1", headers: {
                Accept: "application/json", "X-XSRFToken": "abc"}});
            return [answer.status, answer.url, answer.headers.get("Content-Type"),
                await answer.json()];
        }"""
    )
    assert told[:3] == [201, f"{site.url}/said", "application/json; charset=utf-8"]
    assert told[3]["sent"] == "word=1"
    sent = {name.lower(): value for name, value in told[3]["headers"].items()}
    assert sent["origin"] == site.url and sent["referer"] == f"{site.url}/b/one?x=1"
    assert sent["cookie"] == "seen=b/one" and sent["x-xsrftoken"] == "abc"
    assert sent["host"] == site.netloc and "MicroMessenger" in sent["user-agent"]
    fetched = [sent[f"sec-fetch-{name}"] for name in ("site", "mode", "dest")]
    assert fetched == ["same-origin", "cors", "empty"]

    sent = frame.evaluate("async () => (await site.fetch(new site.Request('../json'))).json()")
    sent = {name.lower(): value for name, value in sent.items()}
    assert "origin" not in sent and sent["sec-fetch-dest"] == "empty"
    modules = [seen for _, path, seen in site.seen if path.startswith("/static/page.js")]
    assert modules[0]["Sec-Fetch-Dest"] == "script" and modules[0]["Sec-Fetch-Mode"] == "cors"
    assert "frame.js" not in "".join(path for _, path, _ in site.seen)


@pytest.mark.console_may_say("502 (Bad Gateway)")
def test_a_script_reads_no_other_place_and_has_no_socket(
    site: ScriptedSite, visitor: Callable[..., Page]
) -> None:
    frame = opened(visitor(), site)
    there = f"{site.platform}/avatar/wang.svg"  # which the phone itself may open
    for url in ("http://127.0.0.1:9/", f"{site.platform}/admin/state", there, "/away"):
        told = frame.evaluate("url => site.fetch(url).catch((error) => error.name)", url)
        assert told == "TypeError", url
    told = frame.evaluate(
        "() => { try { new site.WebSocket('ws://x/'); } catch (error) { return error.name; } }"
    )
    assert told == "SecurityError"


def test_what_scripts_write_into_the_page_leads_through_the_frame(
    site: ScriptedSite, visitor: Callable[..., Page]
) -> None:
    page = visitor()
    frame = opened(page, site, "/b/one")
    told = frame.evaluate(
        """() => {
            const real = (one) => one.attributes.href.value;
            const place = document.querySelector("#place");
            new Image().src = "/picture.png?loose";
            place.innerHTML = '<img src="/picture.png?inner"><a id="new" href="/other">x</a>';
            const link = document.createElement("a");
            link.setAttribute("href", "../up");
            const early = [real(place.querySelector("a")), real(link)];
            place.append(link, document.querySelector("#row").content.cloneNode(true));
            const page = new DOMParser().parseFromString('<a href="/parsed">x</a>', "text/html");
            early.push(real(page.body.firstChild));
            place.append(document.adoptNode(page.body.firstChild));
            place.insertAdjacentHTML("beforeend", '<a href="/beside">x</a>');
            return new Promise((done) => setTimeout(() => done({
                early,
                told: [...place.querySelectorAll("a")].map((one) => one.href),
                real: [...place.querySelectorAll("a")].map(real),
                form: document.querySelector("#form").action,
                link: document.querySelector("#link").getAttribute("href"),
            })));
        }"""
    )
    paths = ("/other", "/up", "/from-template", "/parsed", "/beside")
    assert told["told"] == [site.url + path for path in paths]
    assert told["real"] == [f"/phone/wang/web/http/{site.netloc}{path}" for path in paths]
    # At once, before anything is loaded from a wrong place.
    assert told["early"] == [told["real"][0], told["real"][1], told["real"][3]]
    assert (told["form"], told["link"]) == (f"{site.url}/said", f"{site.url}/next?x=1")
    # Also a picture that is in no page yet: it went to the site, not to the simulator.
    wanted = {"/picture.png", *(f"/picture.png?{one}" for one in ("made", "inner", "loose"))}
    site.wait_for(wanted)
    frame.locator("#new").click()
    heading = page.frame_locator("[data-frame]").locator("h1")
    expect(heading).to_have_text("/other")
    page.frame_locator("[data-frame]").locator("#form button").click()
    expect(heading).to_have_text("said word=hello")


def test_people_share_neither_cookies_nor_what_pages_keep(
    site: ScriptedSite, visitor: Callable[..., Page]
) -> None:
    page = visitor()
    frame = opened(page, site, "/mine")
    frame.evaluate(
        """() => {
            site.localStorage.setItem("kept", "wang");
            window.channel = new site.BroadcastChannel("all");
            document.cookie = "mark=1";
        }"""
    )
    other = opened(page.context.new_page(), site, "/theirs", "li")
    heard = "() => { window.heard = 0; const c = new site.BroadcastChannel('all');" + (
        " window.c = c; c.onmessage = () => window.heard++; }"
    )
    other.evaluate(heard)
    same = opened(page.context.new_page(), site, "/again")
    same.evaluate(heard)
    frame.evaluate("channel.postMessage('x')")
    same.wait_for_function("window.heard === 1")
    assert other.evaluate("window.heard") == 0
    kept = "[site.localStorage.getItem('kept'), site.localStorage.length, document.cookie]"
    assert other.evaluate(kept) == [None, 0, ""]
    assert same.evaluate(kept) == ["wang", 1, ""]
    cookies = {
        path: seen.get("Cookie") for _, path, seen in site.seen if path in ("/theirs", "/again")
    }
    assert cookies == {"/theirs": None, "/again": "seen=mine"}
    assert not page.context.cookies(site.platform + "/")


@pytest.mark.parametrize(
    ("language", "title", "cat"),
    [("zh-CN", "选择图片", "睡着的猫"), ("en-GB", "Choose a picture", "Sleeping cat")],
)
def test_a_page_chooses_a_picture_and_its_server_has_it(
    site: ScriptedSite,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    language: str,
    title: str,
    cat: str,
) -> None:
    page = visitor(language=language)
    frame = opened(page, site, "/sdk?x=%E7%8C%AB#part")
    frame.wait_for_function("said.length === 2")
    # Before the configuration was found good, nothing is allowed.
    assert [one["errMsg"] for one in frame.evaluate("said")] == [
        "chooseImage:permission denied",
        "ready",
    ]
    frame.evaluate("pick(1)")
    picker = frame.locator("dialog[data-picker]")
    expect(picker.get_by_role("heading")).to_have_text(title)
    expect(picker.get_by_role("button", name=cat)).to_be_visible()
    frame.wait_for_function(
        "[...document.querySelectorAll('[data-picker] img')].every((one) => one.naturalWidth)"
    )
    picture(page, f"phone-picker-{language}")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    frame.wait_for_function("said.length === 3")
    expect(picker).to_have_count(0)
    told = frame.evaluate("said[2]")
    assert told["errMsg"] == "chooseImage:ok" and len(told["localIds"]) == 1
    width = frame.evaluate(
        """async (id) => {
            const image = new Image();
            image.src = id;
            await image.decode();
            return image.naturalWidth;
        }""",
        told["localIds"][0],
    )
    assert width == 480
    upload = """(id) => new Promise((done) => wx.uploadImage(
        {localId: id, isShowProgressTips: 1, success: done, fail: done}))"""
    told = frame.evaluate(upload, told["localIds"][0])
    assert told["errMsg"] == "uploadImage:ok"
    body, kind = site.medium(told["serverId"])
    assert kind == "image/jpeg" and body.startswith(b"\xff\xd8\xff")
    assert frame.evaluate(upload, "weixin://resourceid/none-1")["errMsg"] == "uploadImage:fail"


def test_several_pictures_are_chosen_and_choosing_can_be_given_up(
    site: ScriptedSite, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    page = visitor(language="en-GB")
    frame = opened(page, site, "/sdk")
    frame.wait_for_function("said.length === 2")
    frame.evaluate("pick(2)")
    done = frame.locator("[data-picker] [data-done]")
    expect(done).to_be_disabled()
    for name in ("cat", "city", "lake"):
        frame.locator(f"[data-picture={name}]").click()
    expect(frame.locator("[data-picture=lake]")).to_have_attribute("aria-pressed", "false")
    picture(page, "phone-picker-two")
    done.click()
    frame.wait_for_function("said.length === 3")
    ids = frame.evaluate("said[2].localIds")
    assert [one.split("/")[-1].split("-")[0] for one in ids] == ["cat", "city"]
    for close in ("button", "Escape"):
        frame.evaluate("pick(1)")
        cancel = frame.locator("[data-picker] [data-cancel]")
        expect(cancel).to_be_visible()
        if close == "button":
            cancel.click()
        else:
            page.keyboard.press(close)
        frame.wait_for_function("said.at(-1).errMsg === 'chooseImage:cancel'")
        frame.evaluate("said.pop()")
        expect(cancel).to_have_count(0)


def test_a_picture_is_shown_large_and_read_and_the_window_is_closed(
    site: ScriptedSite, visitor: Callable[..., Page]
) -> None:
    page = visitor()
    frame = opened(page, site, "/sdk?sdk=https://res.wx.qq.com/open/js/jweixin-1.6.0.js")
    frame.wait_for_function("said.length === 2")
    id = "weixin://resourceid/noodles-1"
    told = frame.evaluate(
        "id => new Promise((done) => wx.getLocalImgData({localId: id, success: done}))", id
    )
    assert told["localData"].startswith("data:image/jpeg;base64,/9j/")
    told = frame.evaluate(
        """() => new Promise((done) => wx.checkJsApi(
            {jsApiList: ["chooseImage", "x"], success: done}))"""
    )
    assert told["checkResult"] == {"chooseImage": True, "x": False}
    frame.evaluate("id => wx.previewImage({current: id, urls: [id]})", id)
    preview = frame.locator("[data-preview] button")
    preview.click()
    expect(preview).to_have_count(0)
    frame.evaluate("wx.closeWindow()")
    page.wait_for_url(f"{site.platform}/phone/wang/chat")


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"url": "http://127.0.0.1/elsewhere"}, "config:invalid signature"),
        ({"jsapi_ticket": "x" * 86}, "config:invalid signature"),
    ],
)
def test_a_wrong_signature_opens_nothing(
    site: ScriptedSite, visitor: Callable[..., Page], lie: dict[str, str], said: str
) -> None:
    site.lie = lie
    frame = opened(visitor(), site, "/sdk")
    frame.wait_for_function("said.length === 2")
    assert frame.evaluate("said[1].errMsg") == said
    frame.evaluate("pick(1)")
    frame.wait_for_function("said.length === 3")
    assert frame.evaluate("said[2].errMsg") == "chooseImage:permission denied"


def test_a_call_that_was_not_asked_for_is_denied(
    site: ScriptedSite, visitor: Callable[..., Page]
) -> None:
    frame = opened(visitor(), site, "/sdk?calls=chooseImage")
    frame.wait_for_function("said.length === 2")
    frame.evaluate(
        "wx.uploadImage({localId: 'weixin://resourceid/cat-1', fail: (t) => said.push(t)})"
    )
    frame.wait_for_function("said.length === 3")
    assert frame.evaluate("said[2].errMsg") == "uploadImage:permission denied"


def test_the_bind_page_lives_inside_the_phone(
    oauth_demo: Demo, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    site, platform = oauth_demo.site, oauth_demo.phone
    page = visitor(language="en-GB")
    page.goto(f"{platform}/phone/wang/browser?url={site}/login")
    web = page.frame_locator("[data-frame]")
    web.locator("#username").fill("ann")
    web.locator("#password").fill(oauth_demo.password)
    web.locator("main form button[type=submit]").first.click()
    main = web.locator("main[data-page=bind]")
    expect(main).to_have_attribute("data-state", "waiting")
    link = web.locator("a[data-link]").first.get_attribute("href") or ""
    assert link.startswith(f"/phone/wang/web/{site.replace('://', '/')}/b/")
    picture(page, "phone-bind-page")
    # Another phone binds it, and this page hears of that without a socket, by asking.
    other = visitor()
    original = link.removeprefix("/phone/wang/web/").replace("/", "://", 1)
    other.goto(f"{platform}/phone/scan?person=li&url={original}")
    expect(main).to_have_attribute("data-state", "scanned", timeout=15_000)
    agree(other)
    expect(web.locator("[data-bound]")).to_be_visible(timeout=15_000)
    picture(page, "phone-bind-page-bound")
