"""The drawn phone."""

import re
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from wx.simulator.pages import FEET, PEOPLE_SHOWN, REFRESH_HEADER
from wx.simulator.pushes import Delivery
from wx.simulator.world import Message, QRCode

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MENU = {
    "button": [
        {"type": "click", "name": "Balance", "key": "balance"},
        {
            "name": "More <i>",
            "sub_button": [
                {"type": "view", "name": "Site", "url": "http://127.0.0.1:8000/?a=1&b=2"},
                {"type": "click", "name": "Help", "key": "help"},
            ],
        },
    ]
}
EVIL = '<b onload="x">&\'"'
ESCAPED = "&lt;b onload=&quot;x&quot;&gt;&amp;&#x27;&quot;"


async def chat(client, query=""):
    answer = await client.fetch(f"/phone/wang/chat{query}")
    assert answer.code == 200
    return answer.body.decode()


async def post(client, path, **fields):
    return await client.fetch(path, urlencode(fields), headers=FORM)


async def send(client, **fields):
    return await post(client, "/phone/wang/chat", **fields)


@pytest.mark.gen_test
async def test_every_screen_is_drawn_and_says_what_it_is(simulator, client):
    assert (await client.fetch("/")).headers["Location"] == "/phone/wang"
    for person in ("wang", "li", "zhang"):
        for path in ("", "/chat", "/account", "/scan", "/browser?url=x"):
            answer = await client.fetch(f"/phone/{person}{path}")
            text = answer.body.decode()
            assert answer.code == 200
            assert "WeChat simulator" in text and "Nothing here reaches the real WeChat." in text
            assert "style=" not in text and "<style" not in text and "Set-Cookie" not in text
            assert "Set-Cookie" not in answer.headers
            policy = answer.headers["Content-Security-Policy"]
            assert "script-src 'self'" in policy and "form-action 'self'" in policy
    assert (await client.fetch("/phone/nobody")).code == 404


@pytest.mark.gen_test
async def test_following_takes_one_click_and_so_does_leaving(simulator, client):
    li = simulator.world.people["li"]
    answer = await client.fetch("/phone/li/account", "following=yes", headers=FORM)
    assert (answer.code, answer.headers["Location"]) == (303, "/phone/li/chat")
    assert li.following
    answer = await client.fetch("/phone/li/account", "following=no", headers=FORM)
    assert answer.code == 303 and not li.following


@pytest.mark.gen_test
async def test_another_page_of_the_web_cannot_click(simulator, client):
    headers = FORM | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = await client.fetch("/phone/li/account", "following=yes", headers=headers)
    assert answer.code == 403 and not simulator.world.people["li"].following


@pytest.mark.gen_test
async def test_a_message_is_unread_until_the_chat_is_opened(simulator, client, clock):
    wang = simulator.world.people["wang"]
    text = 'Look: <a href="http://127.0.0.1:8000/n">here</a> <b>&'
    simulator.world.deliver(wang, Message("text", text, clock.now()))
    other = (await client.fetch("/phone/wang/account")).body.decode()
    assert 'class="banner"' in other and '<b class="badge">1</b>' in other
    page = (await client.fetch("/phone/wang/chat")).body.decode()
    link = "/phone/wang/browser?url=http%3A%2F%2F127.0.0.1%3A8000%2Fn"
    assert f'<a href="{link}">here</a> &lt;b&gt;&amp;' in page
    assert wang.unread == 0
    assert 'class="banner"' not in (await client.fetch("/phone/wang/account")).body.decode()


@pytest.mark.gen_test
async def test_the_banner_shows_the_last_message_of_the_account(simulator, client):
    wang = simulator.world.people["wang"]
    for text in ("older", "newer"):
        simulator.world.deliver(wang, Message("text", text, 1.0))
    simulator.world.say(wang, "my own")
    page = (await client.fetch("/phone/wang/account")).body.decode()
    assert "<span>newer</span>" in page and "my own" not in page


@pytest.mark.gen_test
async def test_a_notice_is_a_card_with_its_fields(simulator, client, clock):
    wang = simulator.world.people["wang"]
    card = Message("template", "", clock.now(), "系统通知", [("内容", "好")], "http://127.0.0.1/x")
    simulator.world.deliver(wang, card)
    page = (await client.fetch("/phone/wang/chat")).body.decode()
    assert "<h3>系统通知</h3>" in page and "<dt>内容</dt><dd>好</dd>" in page
    assert "/phone/wang/browser?url=http%3A%2F%2F127.0.0.1%2Fx" in page


@pytest.mark.gen_test
async def test_only_followers_write_and_tap(simulator, client):
    simulator.world.menu = MENU
    answers = [
        await post(client, f"/phone/{person}/{path}", text="hello", tap="0")
        for person in ("wang", "li")
        for path in ("chat", "menu")
    ]
    assert [one.code for one in answers] == [303, 303, 409, 409]
    assert 'href="/phone/li/account">Follow the account to write' in answers[2].body.decode()
    assert [one.text for _, one in simulator.world.messages] == ["hello"]
    assert simulator.world.people["wang"].chat


@pytest.mark.gen_test
async def test_following_again_works_after_leaving(simulator, client):
    pushed = []
    simulator.world.listeners.append(lambda person, fields: pushed.append(fields["Event"]))
    for following in ("yes", "no", "no", "yes", "yes"):
        await post(client, "/phone/li/account", following=following)
    assert pushed == ["subscribe", "unsubscribe", "subscribe"]
    card = (await client.fetch("/phone/li/account")).body.decode()
    assert "Unfollow" in card and "Open the chat" in card


@pytest.mark.gen_test
async def test_who_follows_after_a_scan_is_told_with_the_codes_scene(simulator, client):
    world = simulator.world
    code = QRCode("ticket", "http://weixin.qq.com/q/one", "bindabc", False, None)
    world.qr_codes["ticket"] = code
    pushed = []
    world.listeners.append(lambda person, fields: pushed.append((person.id, fields["EventKey"])))
    assert "From the code" not in (await client.fetch("/phone/li/account")).body.decode()
    await simulator.phone("li").scan_code(code.url)
    assert "From the code that you scanned" in (
        (await client.fetch("/phone/li/account")).body.decode()
    )
    await post(client, "/phone/li/account", following="yes")
    assert pushed == [("li", "qrscene_bindabc")]


@pytest.mark.parametrize(
    ("fields", "text", "parts"),
    [
        ({"text": "hi"}, "hi", {}),
        ({"kind": "text", "text": "hi"}, "hi", {}),
        ({"kind": "voice", "text": "said"}, "said", {}),
        ({"kind": "voice", "text": ""}, "", {}),
        ({"kind": "image", "picture": "cat"}, "", {"picture": "/static/simulator/picture-cat.svg"}),
        ({"kind": "video", "picture": "lake"}, "", {}),
        ({"kind": "location", "place": "beijing"}, "", {"latitude": "39.999870"}),
        ({"kind": "link", "url": "https://example.com/"}, "", {"title": "example.com"}),
        ({"kind": "file", "file": "photos"}, "", {"title": "Photos.zip"}),
    ],
)
@pytest.mark.gen_test
async def test_everything_can_be_sent_by_a_plain_form(simulator, client, fields, text, parts):
    answer = await send(client, foot="write", **fields)
    assert answer.code == 303
    assert answer.headers["Location"] == "/phone/wang/chat?foot=write"
    [message] = simulator.world.people["wang"].chat
    assert (message.kind, message.text) == (fields.get("kind", "text"), text)
    assert message.mine and parts.items() <= message.parts.items()
    assert 'class="message mine" id="m1"' in await chat(client)


@pytest.mark.parametrize(
    ("fields", "sentence", "kept"),
    [
        ({"text": "  "}, "The message is empty.", 'name="kind" value="choice"'),
        ({"text": EVIL + "x" * 600}, "That is too long", f'value="{ESCAPED}xxx'),
        ({"kind": "voice", "text": EVIL + "x" * 600}, "That is too long", f'value="{ESCAPED}xx'),
        ({"kind": "link", "url": f"ftp://{EVIL}"}, "A link begins", f'value="ftp://{ESCAPED}"'),
        ({"kind": "link", "url": "ftp:", "title": EVIL}, "A link begins", f'value="{ESCAPED}"'),
        ({"kind": "image", "picture": EVIL}, "one of the pictures", 'value="lake"'),
        ({"kind": "location", "place": EVIL}, "one of the places", 'value="beijing"'),
        ({"kind": "file", "file": EVIL}, "one of the files", 'value="bill"'),
        ({"kind": EVIL, "text": "x"}, "This phone cannot send that.", 'id="message"'),
        ({"kind": "choice", "choice": EVIL}, "This phone cannot send that.", 'id="message"'),
    ],
)
@pytest.mark.gen_test
async def test_what_is_refused_says_why_and_keeps_what_was_typed(
    simulator, client, fields, sentence, kept
):
    answer = await send(client, **fields)
    page = answer.body.decode()
    assert answer.code == 400
    problem = page.partition('<p class="problem" role="alert">')[2].partition("</p>")[0]
    assert sentence in problem
    assert kept in page and "<b onload" not in page
    assert not simulator.world.messages


@pytest.mark.gen_test
async def test_a_form_that_is_no_text_is_refused(simulator, client):
    answer = await client.fetch("/phone/wang/chat", b"text=%ff%fe", headers=FORM)
    assert answer.code == 400 and not simulator.world.messages
    assert (await post(client, "/phone/nobody/chat", text="x")).code == 404
    assert (await post(client, "/phone/nobody/menu", tap="0")).code == 404


@pytest.mark.gen_test
async def test_the_foot_is_the_menu_where_there_is_one_and_the_keyboard_else(simulator, client):
    page = await chat(client)
    assert 'id="message"' in page and 'id="foot-switch"' not in page
    assert 'id="message"' in await chat(client, "?foot=menu")
    simulator.world.menu = MENU
    for query in ("", "?foot=menu", f"?foot={EVIL}".replace(" ", "+").replace("&", "%26")):
        page = await chat(client, query)
        assert 'id="message"' not in page and 'href="/phone/wang/chat?foot=write"' in page
    page = await chat(client, "?foot=write")
    assert 'id="message"' in page and 'href="/phone/wang/chat?foot=menu"' in page


@pytest.mark.gen_test
async def test_every_sheet_is_reached_by_links(client):
    tiles = await chat(client, "?foot=more")
    for kind in FEET[3:]:
        assert f'href="/phone/wang/chat?foot={kind}"' in tiles
        sheet = await chat(client, f"?foot={kind}")
        assert f'name="kind" value="{kind}"' in sheet
        assert 'href="/phone/wang/chat?foot=more"' in sheet


@pytest.mark.gen_test
async def test_a_menu_is_drawn_escaped_and_its_buttons_do_what_they_do(simulator, client):
    world = simulator.world
    world.menu = MENU
    pushed = []
    world.listeners.append(lambda person, fields: pushed.append((person.id, fields["EventKey"])))
    page = await chat(client)
    assert '<button name="tap" value="0">Balance</button>' in page
    assert "More &lt;i&gt;</summary>" in page
    assert '<button name="tap" value="1-1">Help</button>' in page
    answer = await post(client, "/phone/wang/menu", tap="0", foot="menu")
    assert (answer.code, answer.headers["Location"]) == (303, "/phone/wang/chat?foot=menu")
    await post(client, "/phone/wang/menu", tap="1-1")
    answer = await post(client, "/phone/wang/menu", tap="1-0")
    assert answer.headers["Location"] == (
        "/phone/wang/browser?url=http%3A%2F%2F127.0.0.1%3A8000%2F%3Fa%3D1%26b%3D2"
    )
    keys = ["balance", "help", "http://127.0.0.1:8000/?a=1&b=2"]
    assert pushed == [("wang", key) for key in keys]


@pytest.mark.parametrize(
    ("tap", "code", "sentence"),
    [
        ("7", 409, "The account has changed its menu meanwhile."),
        ("0-3", 409, "The account has changed its menu meanwhile."),
        ("1", 409, "The account has changed its menu meanwhile."),
        ("", 400, "This phone cannot send that."),
        ("-1", 400, "This phone cannot send that."),
        ("1-", 400, "This phone cannot send that."),
        ("٣", 400, "This phone cannot send that."),
        ("1-0-0", 400, "This phone cannot send that."),
    ],
)
@pytest.mark.gen_test
async def test_a_button_that_is_not_there_is_no_button(simulator, client, tap, code, sentence):
    simulator.world.menu = MENU
    answer = await post(client, "/phone/wang/menu", tap=tap)
    assert answer.code == code and sentence in answer.body.decode()
    simulator.world.menu = None
    answer = await post(client, "/phone/wang/menu", tap="0")
    assert answer.code == 409 and b'id="message"' in answer.body


@pytest.mark.gen_test
async def test_a_form_leads_back_to_no_other_foot_than_there_is(client):
    answer = await send(client, text="x", foot="write&x=1#y")
    assert answer.headers["Location"] == "/phone/wang/chat"


@pytest.mark.gen_test
async def test_an_entry_of_a_menu_message_sends_its_text(simulator, client, clock):
    world = simulator.world
    wang = world.people["wang"]
    url = "weixin://bizmsgmenu?msgmenucontent=yes&msgmenuid=7"
    world.deliver(wang, Message("text", f'Sure? <a href="{url}">Yes!</a>', clock.now()))
    button = f'form="choice" name="choice" value="{url.replace("&", "&amp;")}">Yes!</button>'
    assert button in await chat(client)
    pushed = []
    world.listeners.append(lambda person, fields: pushed.append(fields))
    assert (await send(client, kind="choice", choice=url)).code == 303
    assert pushed[0]["Content"] == "yes" and pushed[0]["bizmsgmenuid"] == "7"
    await post(client, "/phone/wang/account", following="no")
    assert button not in await chat(client)


def bubble(kind, text="", *, image="", **parts):
    return Message(kind, text, 1.0, picture=image, parts=parts)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (bubble("image", image="/static/x.svg"), '<img src="/static/x.svg"'),
        (bubble("image"), '<span class="blank">'),
        (bubble("video", title="t", image="/static/x.svg"), 'class="play"'),
        (bubble("video", title="Film", image="/x.svg"), "<strong>Film</strong>"),
        (bubble("voice", "heard it"), '<p class="heard">heard it</p>'),
        (bubble("voice", "x" * 80), 'class="bubble voice long-2"'),
        (
            bubble("location", label="湖(街)", latitude="1.5", longitude="2.5"),
            "<strong>湖</strong>",
        ),
        (bubble("location", label="湖(街)", latitude="1.5", longitude="2.5"), 'alt="1.5, 2.5"'),
        (bubble("link", title="L", url="https://x/"), "/phone/wang/browser?url=https%3A%2F%2Fx%2F"),
        (bubble("music", title="M", url=""), '<a class="box music">'),
        (bubble("music", title="M", image="/static/x.svg"), '<img src="/static/x.svg"'),
        (bubble("news", title="N", url="https://x/"), "/phone/wang/browser?url=https%3A%2F%2Fx%2F"),
        (bubble("news", title="N", picture="https://example.com/x.jpg"), 'class="cover blank"'),
        (bubble("news", title="N", picture="//example.com/x.jpg"), 'class="cover blank"'),
        (
            bubble("news", picture="http://127.0.0.1:9/x"),
            'src="/phone/wang/web/http/127.0.0.1:9/x"',
        ),
        (bubble("file", title="a.pdf", size="2048"), '<span class="gist">2 KB</span>'),
        (bubble("file", title="a.pdf"), "kind-pdf"),
        (bubble("system", "Out of order."), '<p class="system" id="m1">Out of order.</p>'),
        (bubble("wxcard"), '<p class="bubble">[wxcard]</p>'),
    ],
)
@pytest.mark.gen_test
async def test_every_kind_has_its_bubble(simulator, client, message, shown):
    simulator.world.deliver(simulator.world.people["wang"], message)
    assert shown in await chat(client)


@pytest.mark.parametrize(
    "kind",
    [
        "text", "image", "voice", "video", "music", "news", "location", "link", "file", "system",
        "template", EVIL,
    ],
)  # fmt: skip
@pytest.mark.gen_test
async def test_whatever_comes_is_escaped_and_nothing_leaves_the_machine(simulator, client, kind):
    names = ("title", "description", "label", "latitude", "longitude", "size", "url", "picture")
    for value in (EVIL, f"https://example.com/{EVIL}", "javascript:alert(1)", ""):
        message = bubble(kind, value, **dict.fromkeys(names, value))
        message.title, message.fields, message.url = value, [(value, value)], value
        message.picture = value
        for mine in (False, True):
            message = replace(message, mine=mine)
            simulator.world.deliver(simulator.world.people["wang"], message)
            for path in ("/chat", "/account", ""):
                page = (await client.fetch(f"/phone/wang{path}")).body.decode()
                assert "<b onload" not in page and 'href="javascript' not in page
                assert 'src="http' not in page and 'href="http' not in page


@pytest.mark.gen_test
async def test_the_banner_tells_what_came_not_what_was_sent(simulator, client, clock):
    world = simulator.world
    wang = world.people["wang"]
    world.deliver(wang, bubble("image", image="/static/x.svg"))
    world.say(wang, "a text of mine")
    page = (await client.fetch("/phone/wang/account")).body.decode()
    assert "[Photo]" in page and "a text of mine" not in page


@pytest.mark.gen_test
async def test_looking_again_is_not_opening_the_chat(simulator, client):
    world = simulator.world
    world.reports_location = True
    pushed = []
    world.listeners.append(lambda person, fields: pushed.append(fields["Event"]))
    await chat(client)
    assert pushed == ["LOCATION"]
    await client.fetch("/phone/wang/chat", headers={REFRESH_HEADER: "1"})
    assert pushed == ["LOCATION"]


@pytest.mark.gen_test
async def test_a_page_tells_its_version_after_it_was_read(simulator, client, clock):
    wang = simulator.world.people["wang"]
    simulator.world.deliver(wang, Message("text", "x", clock.now()))
    assert f'data-version="{simulator.version + 1}"' in await chat(client)
    assert f'data-version="{simulator.version}"' in await chat(client)


@pytest.mark.gen_test
async def test_the_desk_shows_what_the_server_was_told(simulator, client, clock):
    assert "What your server was told" not in await chat(client)
    wang = simulator.world.people["wang"]
    delivery = Delivery(wang, "event", "CLICK", 2, clock.now(), "http://x/", b"")
    delivery.outcome, delivery.seconds, delivery.reason = "broken", 0.0123, EVIL
    simulator.record_delivery(delivery)
    page = await chat(client)
    assert '<li class="bad"><code>CLICK</code><small>try 2</small><b>broken</b>' in page
    assert "12 ms" in page and f"<em>{ESCAPED}</em>" in page


@pytest.mark.gen_test
async def test_a_code_that_is_over_gets_a_friendly_word(client):
    assert b"This code is over." in (await client.fetch("/phone/li/scan?over")).body
    assert b"This code is over." not in (await client.fetch("/phone/li/scan")).body


@pytest.mark.gen_test
async def test_a_snapshot_page_has_a_way_out(simulator, site, client):
    await client.fetch("/phone/wang/snapshot", "snapshot=yes", headers=FORM)
    phone = simulator.phone("wang")
    assert phone.person.snapshot
    await phone.open(site.link())
    page = (await client.fetch(f"/phone/wang/browser?url={site.url}/b/x")).body.decode()
    assert 'action="/phone/wang/full"' in page
    answer = await client.fetch("/phone/wang/full", "", headers=FORM)
    assert answer.headers["Location"].startswith("/phone/wang/browser?url=")
    assert phone.browser.full_service


@pytest.mark.gen_test
async def test_the_account_is_blocked_and_unblocked_by_a_switch(simulator, client):
    wang = simulator.world.people["wang"]

    async def card():
        return (await client.fetch("/phone/wang/account")).body.decode()

    assert 'name="blocked" value="yes" role="switch" aria-checked="true"' in await card()
    answer = await post(client, "/phone/wang/account", blocked="yes")
    assert (answer.code, answer.headers["Location"]) == (303, "/phone/wang/account")
    assert wang.blocked and wang.following
    page = await card()
    assert 'name="blocked" value="no" role="switch" aria-checked="false"' in page
    assert "receives nothing" in page and "You receive nothing from this account." in page
    assert "You receive nothing from this account." in await chat(client)
    await post(client, "/phone/wang/account", blocked="no")
    assert not wang.blocked and "You receive nothing" not in await chat(client)
    assert 'name="blocked"' not in (await client.fetch("/phone/li/account")).body.decode()


@pytest.mark.gen_test
async def test_subscription_notices_are_accepted_on_the_account_page(simulator, client):
    li, template = simulator.world.people["li"], simulator.subscription_id
    pushed = []
    simulator.world.listeners.append(lambda person, fields: pushed.append(fields["Event"]))

    async def press(answer):
        return await post(client, "/phone/li/subscription", template=template, answer=answer)

    assert "not accepted" in (await client.fetch("/phone/li/account")).body.decode()
    for _ in range(2):
        assert (await press("accept")).headers["Location"] == "/phone/li/account"
    page = (await client.fetch("/phone/li/account")).body.decode()
    assert "accepted: 2" in page and "任务完成提醒" in page and 'value="withdraw"' in page
    await press("reject")
    assert li.subscriptions == {template: 2}
    await press("withdraw")
    assert li.subscriptions == {}
    popup, change = "subscribe_msg_popup_event", "subscribe_msg_change_event"
    assert pushed == [popup, popup, popup, change]
    assert (await press("maybe")).code == 400
    wrong = await post(client, "/phone/li/subscription", template="x", answer="accept")
    assert wrong.code == 400 and not li.subscriptions


@pytest.mark.gen_test
async def test_a_subscription_notice_is_a_card_that_says_what_it_is(simulator, client, sender):
    world = simulator.world
    world.accept_subscription(world.people["wang"], simulator.subscription_id)
    await sender.subscription(page="http://127.0.0.1/x")
    page = await chat(client)
    assert 'class="card"' in page and "Subscription notice<" in page
    assert "<dt>任务名称</dt><dd>备份</dd>" in page
    assert "/phone/wang/browser?url=http%3A%2F%2F127.0.0.1%2Fx" in page
    await sender.template()
    assert (await chat(client)).count("Subscription notice<") == 1


@pytest.mark.gen_test
async def test_a_crowd_does_not_fill_the_desk(simulator, client):
    for number in range(50):
        simulator.world.add_person(f"p{number}")
    page = (await client.fetch("/phone/p40")).body.decode()
    links = re.findall(r'<a href="/phone/(\w+)"[^>]*><img', page)
    assert len(links) == PEOPLE_SHOWN + 1 and links[0] == "wang" and links[-1] == "p40"
    page = (await client.fetch("/phone/wang")).body.decode()
    assert len(re.findall(r'<a href="/phone/(\w+)"[^>]*><img', page)) == PEOPLE_SHOWN
