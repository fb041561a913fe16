"""The drawn phone's chat in a real Chromium: what its scripts add, and that it works without."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import APIRequestContext, Page, expect

from tests.browser.conftest import Program

pytestmark = pytest.mark.browser

TOP = "e => e.getBoundingClientRect().top"
TAPPED = "a, button, summary, input:not([type=hidden])"


class Platform:
    """A running simulator, and calls that change it from outside."""

    def __init__(self, base: str, requests: APIRequestContext, keys: dict[str, str]) -> None:
        self.base = base
        self._requests = requests
        token = requests.get(
            f"{base}/cgi-bin/token", params={"grant_type": "client_credential"} | keys
        )
        self._token = token.json()["access_token"]

    def say(self, text: str, person: str = "wang") -> None:
        """The person writes, on another screen."""
        self._post(f"/admin/people/{person}", {"say": text})

    def answer(self, text: str) -> None:
        """The account writes to Wang."""
        openid = "oSim0001WangXiaoMing_aaaaaaa"
        message = {"touser": openid, "msgtype": "text", "text": {"content": text}}
        self._call("/cgi-bin/message/custom/send", message)

    def notify(
        self, fields: dict[str, str], *, template: str, url: str = "", subscription: bool = False
    ) -> None:
        """The account sends Wang a notice that is a template with fields."""
        data = {name: {"value": value} for name, value in fields.items()}
        openid = "oSim0001WangXiaoMing_aaaaaaa"
        body = {"touser": openid, "template_id": template, "data": data, "url": url, "page": url}
        call = "subscribe/bizsend" if subscription else "template/send"
        self._call(f"/cgi-bin/message/{call}", body)

    def outcomes(self) -> list[str]:
        """What became of each notice, in order."""
        answer = self._requests.get(f"{self.base}/admin/accepted").json()
        return [one["outcome"] for one in answer["accepted"]]

    def set_menu(self, *names: str) -> None:
        """A menu with a button for each name, and one that opens two more."""
        buttons: list[dict[str, object]] = [
            {"type": "click", "name": name, "key": name} for name in names
        ]
        below = [{"type": "click", "name": name, "key": name} for name in ("First", "Second")]
        buttons.append({"name": "More", "sub_button": below})
        self._call("/cgi-bin/menu/create", {"button": buttons})

    def heard(self) -> list[str]:
        """The kinds and texts in Wang's chat."""
        people = self._requests.get(f"{self.base}/admin/state").json()["people"]
        return [f"{one['kind']} {one['text']}".strip() for one in people[0]["chat"]]

    def _call(self, path: str, body: object) -> None:
        answer = self._post(f"{path}?access_token={self._token}", body)
        assert answer["errcode"] == 0, answer

    def _post(self, path: str, body: object) -> dict[str, object]:
        answer = self._requests.post(self.base + path, data=body)
        return dict(answer.json())


@pytest.fixture
def platform(tmp_path: Path, playwright: object) -> Iterator[Platform]:
    program = Program("simulate", "--port", "0", ready="app_secret", log=tmp_path / "simulate.log")
    requests = playwright.request.new_context()  # type: ignore[attr-defined]
    keys = {"appid": program.find(r"app_id (\w+)"), "secret": program.find(r"app_secret (\w+)")}
    yield Platform(program.find(r"listening on (\S+)"), requests, keys)
    requests.dispose()
    program.stop()


def test_a_message_is_sent_in_place_and_the_next_one_can_be_typed_at_once(
    platform: Platform, visitor: Callable[..., Page]
) -> None:
    page = visitor(language="en-GB")
    page.goto(f"{platform.base}/phone/wang/chat")
    page.evaluate("window.same = true")
    page.fill("#message", "one")
    page.keyboard.press("Enter")
    expect(page.locator(".mine .bubble")).to_have_text("one")
    expect(page.locator("#message")).to_have_value("")
    expect(page.locator("#message")).to_be_focused()
    page.keyboard.type("two")
    page.click(".send")
    expect(page.locator(".mine .bubble").last).to_have_text("two")
    assert page.evaluate("window.same")
    assert platform.heard() == ["text one", "text two"]


def test_what_is_half_typed_and_where_one_reads_stay_when_messages_come(
    platform: Platform, visitor: Callable[..., Page]
) -> None:
    page = visitor(language="en-GB")
    for number in range(30):
        platform.say(f"old {number}")
    page.goto(f"{platform.base}/phone/wang/chat")
    expect(page.locator(".bubble").last).to_be_in_viewport()
    page.fill("#message", "half typ")
    page.evaluate("document.querySelector('#message').setSelectionRange(2, 4)")
    first = page.locator("#m1").element_handle()
    platform.answer("new at the end")
    expect(page.locator(".bubble").last).to_have_text("new at the end")
    expect(page.locator(".bubble").last).to_be_in_viewport()
    assert first and first.is_visible(), "what was there was drawn again"
    expect(page.locator("#message")).to_have_value("half typ")
    expect(page.locator("#message")).to_be_focused()
    selection = "[document.activeElement.selectionStart, document.activeElement.selectionEnd]"
    assert page.evaluate(selection) == [2, 4]

    page.locator("#m10").scroll_into_view_if_needed()
    before = page.locator("#m10").evaluate(TOP)
    platform.answer("while reading")
    expect(page.locator(".bubble").last).to_have_text("while reading")
    assert abs(page.locator("#m10").evaluate(TOP) - before) < 1
    page.get_by_role("button", name="New messages").click()
    expect(page.locator(".bubble").last).to_be_in_viewport()
    expect(page.locator("[data-newer]")).to_be_hidden()

    # A menu comes into being: the foot is drawn anew around what is typed.
    page.fill("#message", "half typed")
    platform.set_menu("Balance")
    page.goto(f"{platform.base}/phone/wang/chat?foot=write")
    page.fill("#message", "half typed")
    platform.set_menu("Other")
    page.click("#foot-switch")
    expect(page.get_by_role("button", name="Other")).to_be_visible()
    page.click("#foot-switch")
    expect(page.locator("#message")).to_have_value("half typed")
    page.click("#foot-more")
    expect(page.locator(".tiles a").first).to_be_focused()
    expect(page.locator("#message")).to_have_value("half typed")


def test_the_menu_is_used_by_keyboard_and_stays_open_when_messages_come(
    platform: Platform, visitor: Callable[..., Page]
) -> None:
    platform.set_menu("Balance")
    page = visitor(language="en-GB")
    page.goto(f"{platform.base}/phone/wang/chat")
    more = page.locator("summary", has_text="More")
    more.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Second")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="First")).to_be_focused()
    platform.say("from elsewhere")
    expect(page.locator(".bubble")).to_have_text("from elsewhere")
    expect(page.get_by_role("button", name="First")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="First")).to_be_hidden()
    expect(more).to_be_focused()
    more.click()
    page.get_by_role("button", name="Second").click()
    expect(page.get_by_role("button", name="Second")).to_be_hidden()
    more.click()
    page.click(".bar h2")
    expect(page.get_by_role("button", name="Second")).to_be_hidden()
    platform.set_menu("Changed", "Twice")
    expect(page.get_by_role("button", name="Changed")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.console_may_say("400 (Bad Request)")
def test_everything_can_be_sent_with_and_without_scripts(
    platform: Platform, visitor: Callable[..., Page], scripts: bool
) -> None:
    platform.set_menu("Balance")
    page = visitor(width=390, language="en-GB", java_script_enabled=scripts)
    page.goto(f"{platform.base}/phone/wang/chat")

    def open_sheet(name: str) -> None:
        if page.locator("#foot-more").count() == 0:
            page.get_by_role("link", name="Write a message").click()
        page.get_by_role("link", name="Send something else").click()
        page.get_by_role("link", name=name, exact=True).click()

    open_sheet("Photo")
    page.get_by_role("button", name="Sleeping cat").click()
    expect(page.locator(".mine .photo img")).to_be_visible()
    open_sheet("Video")
    page.get_by_role("button", name="City at night").click()
    expect(page.locator(".mine .play")).to_be_visible()
    open_sheet("Voice")
    page.get_by_label("What was said").fill("hello there")
    page.keyboard.press("Enter")
    expect(page.locator(".mine .heard")).to_have_text("hello there")
    open_sheet("Location")
    page.get_by_role("button", name="Summer Palace").click()
    expect(page.locator(".mine .place strong")).to_have_text("颐和园")
    open_sheet("Link")
    page.get_by_label("Address").fill("ftp://nowhere")
    page.locator(".sheet").get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("A link begins with")
    expect(page.get_by_label("Address")).to_have_value("ftp://nowhere")
    page.get_by_label("Address").fill("https://example.com/a")
    page.locator(".sheet").get_by_role("button", name="Send").click()
    expect(page.locator(".mine .link")).to_contain_text("A walk around the lake")
    open_sheet("File")
    page.get_by_role("button", name="Photos.zip").click()
    expect(page.locator(".mine .file")).to_contain_text("7.3 MB")
    page.get_by_label("Message", exact=True).fill("and a text")
    page.keyboard.press("Enter")
    expect(page.locator(".mine .bubble").last).to_have_text("and a text")
    expect(page.locator(".mine .bubble").last).to_be_in_viewport()
    assert platform.heard() == [
        "image",
        "video",
        "voice hello there",
        "location",
        "link",
        "file",
        "text and a text",
    ]


def test_a_link_in_a_text_can_say_something_for_the_person(
    platform: Platform, visitor: Callable[..., Page]
) -> None:
    platform.say("hi")
    platform.answer(
        'Sure? <a href="weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=1">Yes, please</a>'
    )
    page = visitor(language="en-GB")
    page.goto(f"{platform.base}/phone/wang/chat")
    page.fill("#message", "half typed")
    page.get_by_role("button", name="Yes, please").click()
    expect(page.locator(".mine .bubble").last).to_have_text("yes")
    expect(page.locator("#message")).to_have_value("half typed")


@pytest.mark.parametrize("foot", ["menu", "write", "more", "image", "voice", "location", "link"])
def test_whatever_is_tapped_is_large_enough_and_has_a_name(
    platform: Platform,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    foot: str,
) -> None:
    platform.set_menu("Balance")
    page = visitor(width=390)
    page.goto(f"{platform.base}/phone/wang/chat?foot={foot}")
    picture(page, f"phone-foot-{foot}")
    found = page.locator(f".screen :is({TAPPED})")
    assert found.count() > 1
    for one in found.all():
        if not one.is_visible():
            continue
        box = one.bounding_box()
        assert box and min(box["height"], box["width"]) >= 44, one.evaluate("e => e.outerHTML")
        name = one.evaluate(
            "e => e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim()"
        )
        assert name, one.evaluate("e => e.outerHTML")
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]


ALARM = "SimTemplate0002_alarmOfAMachine_bbbbbbbbbbb"
SAMPLE = "SimTemplate0001_noticeThing1Time2_aaaaaaaaa"
SUBSCRIPTION = "SimSubscribe001_aTaskIsDone_eeeeeeeeeeeeeee"


@pytest.mark.parametrize("width", [390, 1280])
def test_notices_are_cards_with_their_fields_and_a_link(
    platform: Platform,
    visitor: Callable[..., Page],
    picture: Callable[[Page, str], None],
    width: int,
) -> None:
    page = visitor(width=width)
    page.goto(f"{platform.base}/phone/wang/account")
    page.get_by_role("button", name="允许一次").click()
    expect(page.get_by_text("已允许 1 次")).to_be_visible()
    page.goto(f"{platform.base}/phone/wang/chat")
    alarm = {
        "character_string1": "srv-03",
        "thing2": "磁盘已用 91%，请尽快清理或扩容",
        "time3": "2024-07-12 09:30:00",
        "phrase4": "严重",
    }
    link = f"{platform.base}/avatar/wang.svg"
    platform.notify(alarm, template=ALARM, url=link)
    done = {"thing1": "数据库备份", "time2": "09:30", "thing3": "用时 3 分钟"}
    platform.notify(done, template=SUBSCRIPTION, subscription=True)
    platform.say("在吗")
    platform.answer(f"备份已完成：{link} 请查看")
    expect(page.locator(".bubble a")).to_have_text(link)
    first, second = page.locator(".card").all()
    expect(first.locator("h3")).to_have_text("设备告警通知")
    expect(first.locator("dt")).to_have_text(["设备编号", "告警内容", "告警时间", "告警级别"])
    expect(first.locator("dd")).to_have_text(list(alarm.values()))
    expect(first.locator(".sort")).to_have_count(0)
    expect(second.locator(".sort")).to_have_text("订阅通知")
    expect(second.locator("dd")).to_have_text(list(done.values()))
    expect(second.locator("a")).to_have_count(0)
    picture(page, f"phone-cards-{width}")
    # Labels stand in a column of their own, and no value leaves its card.
    card = first.bounding_box()
    values = [one.bounding_box() for one in first.locator("dd").all()]
    assert len({box and box["x"] for box in values}) == 1
    for box in values:
        assert card and box and box["x"] + box["width"] <= card["x"] + card["width"]
    sides = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sides[0] <= sides[1]
    details = first.get_by_role("link", name="查看详情")
    box = details.bounding_box()
    assert box and box["height"] >= 44
    details.click()
    expect(page.locator("iframe")).to_be_visible()
    page.go_back()
    page.locator(".bubble a").click()
    expect(page.locator("iframe")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "name", "scripts"),
    [("zh-CN", "接收消息", True), ("en-GB", "Receive messages", False)],
)
def test_the_account_is_blocked_with_a_switch_and_nothing_comes_until_it_is_unblocked(
    platform: Platform, visitor: Callable[..., Page], language: str, name: str, scripts: bool
) -> None:
    page = visitor(width=390, language=language, java_script_enabled=scripts)
    page.goto(f"{platform.base}/phone/wang/account")
    switch = page.get_by_role("switch", name=name)
    expect(switch).to_be_checked()
    box = switch.bounding_box()
    assert box and box["height"] >= 44
    switch.click()
    expect(switch).not_to_be_checked()
    platform.notify({"thing1": "lost", "time2": "09:30"}, template=SAMPLE)
    page.goto(f"{platform.base}/phone/wang/chat")
    expect(page.locator(".system")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)
    page.goto(f"{platform.base}/phone/wang/account")
    switch.click()
    expect(switch).to_be_checked()
    platform.notify({"thing1": "arrives", "time2": "09:30"}, template=SAMPLE)
    page.goto(f"{platform.base}/phone/wang/chat")
    expect(page.locator(".card dd").first).to_have_text("arrives")
    expect(page.locator(".system")).to_have_count(0)
    assert platform.outcomes() == ["failed:user block", "success"]


def test_a_subscription_is_accepted_and_taken_back_on_the_account_page(
    platform: Platform, visitor: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    page = visitor(width=390, language="en-GB")
    page.goto(f"{platform.base}/phone/wang/account")
    expect(page.get_by_text("not accepted")).to_be_visible()
    for count in (1, 2):
        page.get_by_role("button", name="Accept once").click()
        expect(page.get_by_text(f"accepted: {count}")).to_be_visible()
    for one in page.locator(".settings button").all():
        box = one.bounding_box()
        assert box and min(box["height"], box["width"]) >= 44
    picture(page, "phone-account-390")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("not accepted")).to_be_visible()
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_text("not accepted")).to_be_visible()
