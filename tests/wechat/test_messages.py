"""What is sent to a chat, to the byte."""

import json

import pytest

from wx.errors import PlatformError
from wx.simulator.template import SAMPLE
from wx.wechat.client import Client
from wx.wechat.messages import Messages

TEMPLATE, CUSTOM = "/cgi-bin/message/template/send", "/cgi-bin/message/custom/send"


@pytest.fixture
def odd_messages(platform, keeper, transports):
    """Sends to a platform that answers as it is told."""
    return Messages(Client(transports(platform.base), keeper))


@pytest.fixture
def messages(client):
    return Messages(client)


@pytest.mark.gen_test
async def test_a_text_is_sent_as_real_utf8(platform, odd_messages):
    platform.reply = {"errcode": 0, "errmsg": "ok"}
    await odd_messages.send_text("o-wang", '你好 "王"\n🌻')
    [request] = platform.requests
    assert request.path == CUSTOM
    assert "你好".encode() in request.body and "🌻".encode() in request.body
    assert json.loads(request.body) == {
        "touser": "o-wang",
        "msgtype": "text",
        "text": {"content": '你好 "王"\n🌻'},
    }


@pytest.mark.gen_test
async def test_a_template_message_carries_what_was_given_and_no_more(platform, odd_messages):
    platform.reply = {"errcode": 0, "errmsg": "ok", "msgid": 1700827132819554304}
    fields = {"thing1": "通知🌻", "time2": "2027-01-15 08:00"}
    msgid = await odd_messages.send_template("o-wang", "T-1", fields)
    assert msgid == "1700827132819554304", "a double could not count so far"
    await odd_messages.send_template(
        "o-wang", "T-1", {}, url="https://wx.example.com/a?b=c&d", client_msg_id="n-1"
    )
    first, second = platform.requests
    assert first.path == TEMPLATE
    assert "通知🌻".encode() in first.body
    plain = {"touser": "o-wang", "template_id": "T-1"}
    assert json.loads(first.body) == plain | {
        "data": {"thing1": {"value": "通知🌻"}, "time2": {"value": "2027-01-15 08:00"}}
    }
    assert json.loads(second.body) == plain | {
        "data": {},
        "url": "https://wx.example.com/a?b=c&d",
        "client_msg_id": "n-1",
    }


@pytest.mark.parametrize(
    ("msgid", "expected"),
    [(5, "5"), ("5", "5"), (None, ""), ([5], ""), (1.5, ""), (True, ""), ("5\0" * 40, "5" * 32)],
)
@pytest.mark.gen_test
async def test_a_message_id_is_text_or_nothing(platform, odd_messages, msgid, expected):
    platform.reply = {"errcode": 0, "msgid": msgid}
    assert await odd_messages.send_template("o", "T", {}) == expected
    platform.reply = {"errcode": 0}
    assert await odd_messages.send_template("o", "T", {}) == ""


@pytest.mark.gen_test
async def test_a_subscription_notice_carries_what_was_given_and_no_more(platform, odd_messages):
    platform.reply = {"errcode": 0, "errmsg": "ok"}
    assert await odd_messages.send_subscription("o-wang", "S-1", {"thing8": "通知🌻"}) == ""
    platform.reply = {"errcode": 0, "msgid": 1700827132819554304}
    msgid = await odd_messages.send_subscription(
        "o-wang", "S-1", {}, url="https://wx.example.com/a?b=c&d"
    )
    assert msgid == "1700827132819554304"
    first, second = platform.requests
    assert (first.method, first.path) == ("POST", "/cgi-bin/message/subscribe/bizsend")
    assert "通知🌻".encode() in first.body
    plain = {"touser": "o-wang", "template_id": "S-1"}
    assert json.loads(first.body) == plain | {"data": {"thing8": {"value": "通知🌻"}}}
    assert json.loads(second.body) == plain | {"data": {}, "page": "https://wx.example.com/a?b=c&d"}


@pytest.mark.parametrize("errcode", [43101, 40037, 47003, 41030])
@pytest.mark.gen_test
async def test_a_refused_subscription_notice_keeps_its_number(platform, odd_messages, errcode):
    platform.reply = {"errcode": errcode}
    with pytest.raises(PlatformError) as caught:
        await odd_messages.send_subscription("o", "S", {"thing1": "x"})
    assert caught.value.errcode == errcode
    assert len(platform.requests) == 1


@pytest.mark.gen_test
async def test_what_is_sent_reaches_the_chat(simulator, messages):
    wang = simulator.world.people["wang"]
    simulator.world.say(wang, "hi")
    await messages.send_text(wang.openid, "你好🌻")
    assert wang.chat[-1].text == "你好🌻"
    fields = dict.fromkeys(SAMPLE.keywords, "2027-01-15 08:00")
    once = await messages.send_template(wang.openid, SAMPLE.id, fields, client_msg_id="n-1")
    again = await messages.send_template(wang.openid, SAMPLE.id, fields, client_msg_id="n-1")
    assert once == again and int(once) > 2**53
    assert len([one for one in wang.chat if one.kind == "template"]) == 1


@pytest.mark.gen_test
async def test_each_refusal_keeps_its_number(simulator, messages):
    world = simulator.world
    wang, li = world.people["wang"], world.people["li"]

    async def refused(call):
        with pytest.raises(PlatformError) as caught:
            await call
        return caught.value.errcode

    assert await refused(messages.send_text(wang.openid, "x")) == 45015
    world.say(wang, "hi")
    for _ in range(5):
        await messages.send_text(wang.openid, "x")
    assert await refused(messages.send_text(wang.openid, "x")) == 45047
    assert await refused(messages.send_text("o-stranger", "x")) == 40003
    assert await refused(messages.send_template(li.openid, SAMPLE.id, {})) == 43004
    assert await refused(messages.send_template(wang.openid, "T-none", {})) == 40037
    assert await refused(messages.send_template(wang.openid, SAMPLE.id, {})) == 47003
