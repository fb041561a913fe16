"""Subscription notices."""

import pytest


@pytest.fixture
def accepted(simulator):
    """Wang has accepted one notice."""
    world = simulator.world
    world.accept_subscription(world.people["wang"], simulator.subscription_id)
    return world.people["wang"]


@pytest.mark.gen_test
async def test_one_notice_is_sent_for_each_that_was_accepted(simulator, sender, accepted, clock):
    simulator.world.accept_subscription(accepted, simulator.subscription_id)
    answer = await sender.subscription(page="http://127.0.0.1/x")
    assert answer["errcode"] == 0 and answer["msgid"] > 2**53
    [message] = accepted.chat
    assert (message.kind, message.title, message.at) == (
        "subscription",
        "任务完成提醒",
        clock.now(),
    )
    assert message.fields[0] == ("任务名称", "备份") and message.url == "http://127.0.0.1/x"
    assert [(await sender.subscription())["errcode"] for _ in range(2)] == [0, 43101]
    assert len(accepted.chat) == 2 and accepted.subscriptions[simulator.subscription_id] == 0
    taken = simulator.world.accepted[0]
    assert (taken.channel, taken.msgid, taken.message) == (
        "subscription",
        answer["msgid"],
        message,
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"touser": "nobody"}, 40003),
        ({"template_id": ""}, 40036),
        ({"template_id": "x"}, 40037),
        ({"page": "pages/index"}, 41030),
        ({"page": 5}, 41030),
        ({"data": {}}, 47003),
        ({"data": {"thing1": {"value": "x"}, "time2": {"value": "soon"}}}, 47003),
    ],
)
@pytest.mark.gen_test
async def test_a_wrong_notice_uses_nothing_up(simulator, sender, accepted, change, code):
    assert (await sender.subscription(**change))["errcode"] == code
    assert accepted.subscriptions == {simulator.subscription_id: 1}
    assert not simulator.world.messages


@pytest.mark.gen_test
async def test_who_never_said_yes_or_took_it_back_gets_none(simulator, sender, accepted):
    assert (await sender.subscription("li"))["errcode"] == 43101
    simulator.world.reject_subscription(simulator.world.people["li"], simulator.subscription_id)
    assert (await sender.subscription("li"))["errcode"] == 43101
    simulator.world.withdraw_subscription(accepted, simulator.subscription_id)
    assert (await sender.subscription())["errcode"] == 43101


@pytest.mark.gen_test
async def test_a_no_leaves_the_yes_before_it(simulator, sender, accepted):
    simulator.world.reject_subscription(accepted, simulator.subscription_id)
    assert (await sender.subscription())["errcode"] == 0


@pytest.mark.gen_test
async def test_nobody_needs_to_follow(simulator, sender, accepted):
    simulator.world.unfollow(accepted)
    assert (await sender.subscription())["errcode"] == 0
    assert accepted.chat[0].kind == "subscription"


@pytest.mark.gen_test
async def test_the_two_sorts_of_templates_are_not_mixed_up(simulator, sender, accepted, client):
    answer = await sender.subscription(template_id=simulator.template_id)
    assert answer["errcode"] == 40037
    answer = await sender.template(template_id=simulator.subscription_id)
    assert answer["errcode"] == 40037
    token = await client.access_token()
    path = "/cgi-bin/template/get_all_private_template"
    listed = (await client.get(path, access_token=token))["template_list"]
    assert simulator.subscription_id not in [one["template_id"] for one in listed]
    [template] = (await client.get("/wxaapi/newtmpl/gettemplate", access_token=token))["data"]
    assert template["priTmplId"] == simulator.subscription_id
    assert "{{thing1.DATA}}" in template["content"]


@pytest.mark.gen_test
async def test_each_call_wants_an_access_token(client):
    assert (await client.get("/wxaapi/newtmpl/gettemplate"))["errcode"] == 41001
    assert (await client.post("/cgi-bin/message/subscribe/bizsend", {}))["errcode"] == 41001


@pytest.mark.parametrize(
    ("status", "blocked", "told", "reached"),
    [
        ("success", False, ("0", "success"), 1),
        ("success", True, ("1", "user block"), 0),
        ("failed: system failed", False, ("1", "system failed"), 0),
    ],
)
@pytest.mark.gen_test
async def test_a_receipt_tells_what_became_of_it(
    simulator, sender, hook, accepted, status, blocked, told, reached
):
    await hook.set()
    simulator.pushes.receipt_status, simulator.pushes.receipt_delay = status, 0
    if blocked:
        simulator.world.block(accepted)
    answer = await sender.subscription()
    assert answer["errcode"] == 0
    await simulator.pushes.settled()
    [post] = hook.posts
    assert post.event == "subscribe_msg_sent_event"
    assert post.fields["FromUserName"] == accepted.openid
    assert post.fields["SubscribeMsgSentEvent"] == {
        "List": {
            "TemplateId": simulator.subscription_id,
            "MsgID": str(answer["msgid"]),
            "ErrorCode": told[0],
            "ErrorStatus": told[1],
        }
    }
    assert len(accepted.chat) == reached
    assert accepted.subscriptions[simulator.subscription_id] == 0
