"""What the account sends."""

import asyncio

import pytest
from tornado.httpclient import HTTPError
from tornado.iostream import StreamClosedError

TEMPLATE = "/cgi-bin/message/template/send"


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
async def test_a_client_message_id_belongs_to_one_person(simulator, sender):
    await simulator.phone("li").follow()
    for person in ("wang", "li", "wang"):
        await sender.template(person, client_msg_id="a")
    assert [person.id for person, _ in simulator.world.messages] == ["wang", "li"]
    assert simulator.world.repeats == 1


@pytest.mark.gen_test
async def test_without_a_client_message_id_everything_is_sent_again(simulator, sender):
    for given in ({}, {}, {"client_msg_id": ""}, {"client_msg_id": None}):
        await sender.template(**given)
    assert len(simulator.world.messages) == 4 and not simulator.sent_templates


@pytest.mark.gen_test
async def test_a_wrong_message_does_not_use_its_client_message_id_up(simulator, sender):
    assert (await sender.template(data={}, client_msg_id="a"))["errcode"] == 47003
    assert (await sender.template(client_msg_id="a"))["errcode"] == 0
    assert len(simulator.world.messages) == 1


@pytest.mark.gen_test
async def test_old_client_message_ids_are_forgotten(simulator, sender, clock):
    for number in range(5):
        await sender.template(client_msg_id=str(number))
        clock.advance(200)
    assert [key for _, key in simulator.sent_templates] == ["2", "3", "4"]


@pytest.mark.parametrize("fault", ["lose_reply", "cut_reply", "truncate"])
@pytest.mark.gen_test
async def test_whoever_missed_the_answer_sends_again_and_it_arrives_once(simulator, sender, fault):
    getattr(simulator.faults, fault)(TEMPLATE)
    if fault == "lose_reply":
        assert (await sender.template(client_msg_id="a"))["errcode"] == -1
    else:
        with pytest.raises((HTTPError, StreamClosedError, ValueError)):
            await sender.template(client_msg_id="a")
    [first] = simulator.world.accepted
    answer = await sender.template(client_msg_id="a")
    assert answer == {"errcode": 0, "errmsg": "ok", "msgid": first.msgid}
    assert len(simulator.world.messages) == len(simulator.world.accepted) == 1


@pytest.mark.gen_test
async def test_a_caller_that_goes_away_does_not_stop_the_work(simulator, sender, client):
    simulator.faults.delay(TEMPLATE, 600)
    call = asyncio.ensure_future(sender.template(client_msg_id="a"))
    await simulator.called(TEMPLATE)
    client.close()
    await simulator.go_down()
    simulator.faults.release()
    with pytest.raises((HTTPError, StreamClosedError)):
        await call
    assert [one.client_msg_id for one in simulator.world.accepted] == ["a"]
    assert len(simulator.world.messages) == 1


@pytest.mark.gen_test
async def test_whoever_blocked_the_account_gets_nothing_and_still_follows(simulator, sender, clock):
    wang = simulator.world.people["wang"]
    simulator.world.say(wang, "hi")
    simulator.world.block(wang)
    answer = await sender.template(client_msg_id="a")
    assert answer["errcode"] == 0 and answer["msgid"] > 2**53
    assert (await sender.text())["errcode"] == 45015
    simulator.world.say(wang, "is this read?")
    assert (await sender.text())["errcode"] == 45015
    assert [one.mine for one in wang.chat] == [True, True]
    [taken] = simulator.world.accepted
    assert (taken.outcome, taken.message, taken.at) == ("failed:user block", None, clock.now())
    simulator.world.unblock(wang)
    assert (await sender.text())["errcode"] == 45015
    assert await sender.template(client_msg_id="a") == answer
    simulator.world.say(wang, "now it is")
    assert (await sender.text())["errcode"] == 0
    assert [one.kind for one in wang.chat if not one.mine] == ["text"]


@pytest.mark.gen_test
async def test_one_person_can_be_the_one_whom_nothing_reaches(simulator, sender):
    await simulator.phone("li").follow()
    simulator.world.people["wang"].receipt_status = "failed: system failed"
    for person in ("wang", "li"):
        assert (await sender.template(person))["errcode"] == 0
    assert [person.id for person, _ in simulator.world.messages] == ["li"]
    outcomes = [one.outcome for one in simulator.world.accepted]
    assert outcomes == ["failed: system failed", "success"]


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
async def test_each_action_renews_its_own_allowance_and_the_shorter_one_goes_first(
    simulator, sender, clock
):
    simulator.world.menu = {"button": [{"type": "click", "name": "x", "key": "x"}]}
    phone = simulator.phone("wang")
    await phone.say("hi")
    await phone.tap(0)
    left = lambda: {name: one.left for name, one in phone.person.allowances.items()}  # noqa: E731
    for _ in range(4):
        await sender.text()
    assert left() == {"message": 4, "click": 0}
    await phone.tap(0)
    assert left() == {"message": 4, "click": 3}
    clock.advance(60)
    codes = [(await sender.text())["errcode"] for _ in range(5)]
    assert codes == [0, 0, 0, 0, 45047]


@pytest.mark.gen_test
async def test_what_only_opens_a_page_opens_no_window(simulator, sender, site):
    simulator.world.menu = {"button": [{"type": "view", "name": "x", "url": f"{site.url}/b/x"}]}
    phone = simulator.phone("wang")
    await sender.template(url=f"{site.url}/b/abc123")
    await phone.enter_chat()
    await phone.bind(phone.person.chat[0].url)
    await phone.tap(0)
    assert site.answers[0]["openid"] == phone.person.openid
    assert (await sender.text())["errcode"] == 45015


@pytest.mark.gen_test
async def test_what_an_action_allows_can_be_changed(simulator, sender, clock):
    simulator.world.allowed["message"] = (2, 10)
    await simulator.phone("wang").say("hi")
    assert [(await sender.text())["errcode"] for _ in range(3)] == [0, 0, 45047]
    clock.advance(10)
    assert (await sender.text())["errcode"] == 45015


@pytest.mark.gen_test
async def test_what_somebody_wrote_before_they_followed_opens_nothing(simulator, sender, clock):
    await simulator.phone("li").say("anybody there?")
    await simulator.phone("li").follow()
    clock.advance(60)
    assert (await sender.text("li"))["errcode"] == 45015


@pytest.mark.gen_test
async def test_what_was_taken_is_kept_in_order(simulator, sender):
    await simulator.phone("wang").say("hi")
    answer = await sender.template(client_msg_id="a")
    await sender.text()
    await sender.template(client_msg_id="a")
    await sender.template("li")
    first, second = simulator.world.accepted
    assert (first.channel, first.msgid, first.client_msg_id, first.template_id) == (
        "template",
        answer["msgid"],
        "a",
        simulator.template_id,
    )
    assert (second.channel, second.msgid, second.outcome) == ("custom", 0, "")
    sent = [message for _, message in simulator.world.messages if not message.mine]
    assert [first.message, second.message] == sent


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
    template, *others = answer["template_list"]
    assert template["template_id"] == simulator.template_id
    assert len(template["template_id"]) == 43
    assert "{{thing1.DATA}}" in template["content"] and "{{time2.DATA}}" in template["content"]
    contents = "".join(one["content"] for one in others)
    assert "character_string1.DATA" in contents and "amount4.DATA" in contents


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
