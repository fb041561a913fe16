"""The drawn phone."""

import pytest

from wx.simulator.pages import entries, pieces
from wx.simulator.world import Message

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


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
async def test_a_notice_is_a_card_with_its_fields(simulator, client, clock):
    wang = simulator.world.people["wang"]
    card = Message("template", "", clock.now(), "系统通知", [("内容", "好")], "http://127.0.0.1/x")
    simulator.world.deliver(wang, card)
    page = (await client.fetch("/phone/wang/chat")).body.decode()
    assert "<h3>系统通知</h3>" in page and "<dt>内容</dt><dd>好</dd>" in page
    assert "/phone/wang/browser?url=http%3A%2F%2F127.0.0.1%2Fx" in page


@pytest.mark.gen_test
async def test_only_followers_write(simulator, client):
    for person in ("wang", "li"):
        await client.fetch(f"/phone/{person}/chat", "text=hello", headers=FORM)
    assert [one.text for _, one in simulator.world.messages] == ["hello"]
    assert simulator.world.people["wang"].chat


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


def test_a_time_stands_above_what_comes_after_a_while():
    chat = [Message("text", "x", at) for at in (1000.0, 1300.0, 1601.0)]
    assert [dated for _, dated in entries(chat)] == [True, False, True]


def test_links_are_found_in_a_text():
    text = 'a http://x/1, <a class="l" href="https://y/?a=1">b</a><a href="javascript:z">c</a>'
    assert pieces(text) == [
        ("a ", ""),
        ("http://x/1,", "http://x/1,"),
        (" ", ""),
        ("b", "https://y/?a=1"),
        ('<a href="javascript:z">c</a>', ""),
    ]
