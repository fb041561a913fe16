"""What the account sends."""

import pytest

TEMPLATE, CUSTOM = "/cgi-bin/message/template/send", "/cgi-bin/message/custom/send"


class Sender:
    """Sends to a person with a fresh access token."""

    def __init__(self, simulator, client):
        self.simulator, self.client = simulator, client

    async def template(self, person="wang", **more):
        body = {
            "touser": self.simulator.world.people[person].openid,
            "template_id": self.simulator.template_id,
            "data": {"thing1": {"value": "备份已完成"}, "time2": {"value": "09:30"}},
        }
        return await self.client.post(
            TEMPLATE, body | more, access_token=await self.client.access_token()
        )

    async def text(self, person="wang", **more):
        openid = self.simulator.world.people[person].openid
        body = {"touser": openid, "msgtype": "text", "text": {"content": "hello"}}
        return await self.client.post(
            CUSTOM, body | more, access_token=await self.client.access_token()
        )


@pytest.fixture
def sender(simulator, client):
    return Sender(simulator, client)


@pytest.mark.gen_test
async def test_a_template_message_reaches_the_chat(simulator, sender, clock):
    answer = await sender.template(url="http://127.0.0.1/x")
    assert answer["errcode"] == 0 and answer["msgid"] >= 2**60
    person = simulator.world.people["wang"]
    [message] = person.chat
    assert (message.kind, message.title, message.at) == ("template", "系统通知", clock.now())
    assert message.fields == [("内容", "备份已完成"), ("时间", "09:30")]
    assert message.url == "http://127.0.0.1/x"
    assert person.unread == 1
    assert simulator.world.messages == [(person, message)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"touser": "nobody"}, 40003),
        ({"touser": 5}, 40003),
        ({"template_id": ""}, 40036),
        ({"template_id": "x"}, 40037),
        ({"data": {}}, 47003),
        ({"data": "x"}, 47003),
    ],
)
@pytest.mark.gen_test
async def test_a_wrong_template_message_is_not_sent(simulator, sender, change, code):
    assert (await sender.template(**change))["errcode"] == code
    assert not simulator.world.messages


@pytest.mark.gen_test
async def test_the_wrong_field_is_named(sender):
    data = {"thing1": {"value": "一" * 21}, "time2": {"value": "09:30"}}
    answer = await sender.template(data=data)
    assert answer["errmsg"].startswith("argument invalid! data.thing1.value invalid rid:")


@pytest.mark.gen_test
async def test_only_followers_get_template_messages(simulator, sender):
    assert (await sender.template("li"))["errcode"] == 43004
    await simulator.phone("li").follow()
    assert (await sender.template("li"))["errcode"] == 0


@pytest.mark.gen_test
async def test_a_client_message_id_is_delivered_once_in_ten_minutes(simulator, sender, clock):
    first = await sender.template(client_msg_id="a")
    clock.advance(599)
    assert await sender.template(client_msg_id="a") == first
    assert len(simulator.world.messages) == 1
    await sender.template(client_msg_id="b")
    clock.advance(1)
    assert (await sender.template(client_msg_id="a"))["msgid"] != first["msgid"]
    assert len(simulator.world.messages) == 3


@pytest.mark.gen_test
async def test_a_custom_message_needs_something_that_the_person_did(simulator, sender):
    assert (await sender.text())["errcode"] == 45015
    await simulator.phone("wang").say("hi")
    assert await sender.text() == {"errcode": 0, "errmsg": "ok"}
    assert [one.text for one in simulator.world.people["wang"].chat] == ["hi", "hello"]


@pytest.mark.gen_test
async def test_a_message_of_the_person_allows_five_for_48_hours(simulator, sender, clock):
    await simulator.phone("wang").say("hi")
    clock.advance(48 * 3600 - 1)
    codes = [(await sender.text())["errcode"] for _ in range(6)]
    assert codes == [0, 0, 0, 0, 0, 45047]
    await simulator.phone("wang").say("more")
    assert (await sender.text())["errcode"] == 0
    clock.advance(48 * 3600)
    assert (await sender.text())["errcode"] == 45015


@pytest.mark.gen_test
async def test_following_allows_three_for_a_minute(simulator, sender, clock):
    await simulator.phone("li").follow()
    codes = [(await sender.text("li"))["errcode"] for _ in range(4)]
    assert codes == [0, 0, 0, 45047]
    clock.advance(60)
    assert (await sender.text("li"))["errcode"] == 45015


@pytest.mark.gen_test
async def test_nobody_who_left_gets_a_message(simulator, sender):
    await simulator.phone("wang").say("hi")
    await simulator.phone("wang").unfollow()
    assert (await sender.text())["errcode"] == 45015
    await simulator.phone("wang").say("still there?")
    assert (await sender.text())["errcode"] == 45015
    assert (await sender.template())["errcode"] == 43004


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"touser": "nobody"}, 40003),
        ({"msgtype": "telepathy"}, 40008),
        ({"msgtype": ["text"]}, 40008),
        ({"text": {"content": ""}}, 44004),
        ({"text": {"content": "字" * 683}}, 45002),
    ],
)
@pytest.mark.gen_test
async def test_a_wrong_custom_message_uses_nothing_up(simulator, sender, change, code):
    await simulator.phone("wang").say("hi")
    assert (await sender.text(**change))["errcode"] == code
    assert simulator.world.people["wang"].allowances["message"].left == 5


@pytest.mark.gen_test
async def test_the_templates_are_listed(simulator, client):
    path = "/cgi-bin/template/get_all_private_template"
    answer = await client.get(path, access_token=await client.access_token())
    [template] = answer["template_list"]
    assert template["template_id"] == simulator.template_id
    assert len(template["template_id"]) == 43
    assert "{{thing1.DATA}}" in template["content"] and "{{time2.DATA}}" in template["content"]


@pytest.mark.parametrize(
    ("kind", "content", "parts"),
    [
        ("image", {"media_id": "m"}, {}),
        ("video", {"media_id": "m", "title": "t", "thumb_media_id": "x"}, {"title": "t"}),
        ("music", {"title": "t", "musicurl": "http://x/"}, {"title": "t", "url": "http://x/"}),
        (
            "news",
            {"articles": [{"title": "t", "url": "http://x/", "picurl": "http://x/p"}]},
            {"title": "t", "url": "http://x/", "picture": "http://x/p"},
        ),
        ("news", {"articles": []}, {}),
        ("news", {"articles": ["x"]}, {}),
        ("image", "x", {}),
        ("image", {"media_id": 5, "title": 5}, {}),
    ],
)
@pytest.mark.gen_test
async def test_a_custom_message_is_shown_as_its_kind(simulator, sender, kind, content, parts):
    await simulator.phone("wang").say("hi")
    assert (await sender.text(msgtype=kind, **{kind: content}))["errcode"] == 0
    message = simulator.world.people["wang"].chat[1]
    assert (message.kind, message.parts) == (kind, parts)
    assert bool(message.picture) == (isinstance(content, dict) and content.get("media_id") == "m")
