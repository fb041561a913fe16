"""The sender of pushes, against a server that answers as told."""

import asyncio
import re

import pytest

from tests.simulator.hook import AES_KEY, DROP, HANG, TOKEN, signature, text_reply
from wx.simulator.pushes import OUT_OF_ORDER
from wx.simulator.webhook import WebhookRefused

TEMPLATE = "/cgi-bin/message/template/send"


async def said(simulator, text="hi", person="wang"):
    """What the chat shows after a person wrote."""
    simulator.world.say(simulator.world.people[person], text)
    await simulator.pushes.settled()
    return [(one.kind, one.text) for one in simulator.world.people[person].chat[1:]]


def outcomes(simulator):
    return [one.outcome for one in simulator.deliveries]


@pytest.mark.gen_test
async def test_a_message_is_posted_as_the_platform_posts_it(simulator, hook, clock):
    await hook.set()
    wang = simulator.world.people["wang"]
    clock.advance(0.9)
    assert await said(simulator, "]]> <你好> &") == []
    [post] = hook.posts
    assert list(post.query) == ["signature", "timestamp", "nonce", "openid"]
    assert post.query["openid"] == wang.openid
    assert post.query["timestamp"] == str(int(clock.now()))
    signed = signature(TOKEN, post.query["timestamp"], post.query["nonce"])
    assert post.query["signature"] == signed
    assert post.headers["Content-Type"] == "text/xml"
    assert re.fullmatch(
        rf"<xml><ToUserName><!\[CDATA\[gh_5a17c0de0001\]\]></ToUserName>"
        rf"<FromUserName><!\[CDATA\[{wang.openid}\]\]></FromUserName>"
        rf"<CreateTime>{int(clock.now())}</CreateTime><MsgType><!\[CDATA\[text\]\]></MsgType>"
        rf"<Content>.*</Content><MsgId>\d{{19}}</MsgId></xml>",
        post.body.decode(),
    )
    assert post.fields["Content"] == "]]> <你好> &"
    assert int(str(post.fields["MsgId"])) < 2**63
    [delivery] = simulator.deliveries
    assert (delivery.kind, delivery.name) == ("text", post.fields["MsgId"])
    assert (delivery.person, delivery.attempt, delivery.status) == (wang, 1, 200)
    assert (delivery.outcome, delivery.at) == ("silent", clock.now())
    assert TOKEN not in repr(delivery) and signed not in repr(delivery)


@pytest.mark.gen_test
async def test_no_two_messages_have_one_number(simulator, hook):
    await hook.set()
    for _ in range(20):
        await said(simulator)
    assert len({post.fields["MsgId"] for post in hook.posts}) == 20


@pytest.mark.parametrize(
    ("mode", "names"), [("safe", {"ToUserName", "Encrypt"}), ("compatible", {"Content", "Encrypt"})]
)
@pytest.mark.gen_test
async def test_the_other_modes_seal_the_message(simulator, hook, mode, names):
    await hook.set(mode)
    await said(simulator, "sealed")
    [post] = hook.posts
    assert post.query["encrypt_type"] == "aes"
    parts = (post.query["timestamp"], post.query["nonce"], str(post.outer["Encrypt"]))
    assert post.query["msg_signature"] == signature(TOKEN, *parts)
    assert post.query["signature"] == signature(TOKEN, *parts[:2])
    assert names <= set(post.outer) and (mode == "compatible" or names == set(post.outer))
    assert post.fields["Content"] == "sealed"
    assert (b"sealed" in post.body) == (mode == "compatible")
    assert outcomes(simulator) == ["silent"]


@pytest.mark.gen_test
async def test_nothing_is_pushed_without_a_webhook(simulator, hook):
    assert await said(simulator) == [] and not hook.posts
    await hook.set()
    simulator.webhook = None
    assert await said(simulator) == [("text", "hi")] and not hook.posts


# Answers


@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
@pytest.mark.gen_test
async def test_a_reply_reaches_the_chat(simulator, hook, mode):
    await hook.set(mode)
    hook.then = lambda fields: text_reply(fields, "yes?")
    if mode == "safe":
        seal = hook.envelope.seal
        hook.then = lambda fields: seal(
            text_reply(fields, "yes?"), timestamp=1800000000, nonce="n0nce", salt=bytes(16)
        )
    assert await said(simulator) == [("text", "yes?")]
    assert outcomes(simulator) == ["answered"]
    assert simulator.world.people["wang"].unread == 1


@pytest.mark.gen_test
async def test_what_is_no_reply_is_said_on_the_phone_at_once(simulator, hook):
    await hook.set()
    hook.then = b'{"reply": "hello"}'
    assert await said(simulator) == [("system", OUT_OF_ORDER)]
    assert outcomes(simulator) == ["broken"] and len(hook.posts) == 1
    assert simulator.deliveries[0].reason.startswith("no XML")


@pytest.mark.gen_test
async def test_a_reply_to_somebody_else_is_dropped_without_a_word(simulator, hook):
    await hook.set()
    hook.then = lambda fields: text_reply(fields, ToUserName=fields["ToUserName"])
    assert await said(simulator) == []
    assert outcomes(simulator) == ["broken"] and "swapped" in simulator.deliveries[0].reason


@pytest.mark.parametrize(("trouble", "outcome"), [(500, "refused"), (DROP, "dropped")])
@pytest.mark.gen_test
async def test_a_push_is_tried_three_times_in_all(simulator, hook, trouble, outcome):
    await hook.set()
    hook.then = trouble
    assert await said(simulator) == [("system", OUT_OF_ORDER)]
    assert outcomes(simulator) == [outcome] * 3
    assert [one.attempt for one in simulator.deliveries] == [1, 2, 3]
    assert len({post.body for post in hook.posts}) == 1
    assert len({post.query["nonce"] for post in hook.posts}) == 3
    assert len({post.query["signature"] for post in hook.posts}) == 3


@pytest.mark.gen_test
async def test_a_later_try_may_be_answered(simulator, hook):
    await hook.set()
    hook.answers = [302, DROP, lambda fields: text_reply(fields, "at last")]
    assert await said(simulator) == [("text", "at last")]
    assert outcomes(simulator) == ["refused", "dropped", "answered"]
    assert [one.status for one in simulator.deliveries] == [302, None, 200]


@pytest.mark.gen_test
async def test_who_is_too_late_is_asked_again(simulator, hook):
    await hook.set()
    simulator.pushes.deadline = 6.0
    simulator.pushes.time_scale = 20
    hook.answers = [HANG]
    simulator.world.say(simulator.world.people["wang"], "hi")
    await hook.came(1)
    simulator.pushes.deadline = 200.0
    await simulator.pushes.settled()
    assert outcomes(simulator) == ["late", "silent"]
    assert len(simulator.world.people["wang"].chat) == 1
    assert 0.3 <= simulator.deliveries[0].seconds < 5


@pytest.mark.gen_test
async def test_tries_and_the_gap_between_them_can_be_set(simulator, hook):
    await hook.set()
    simulator.pushes.tries, simulator.pushes.gap, simulator.pushes.time_scale = 2, 30, 600
    simulator.pushes.deadline = 3000
    hook.then = 500
    began = asyncio.get_running_loop().time()
    await said(simulator)
    assert len(hook.posts) == 2
    assert asyncio.get_running_loop().time() - began >= 0.05


@pytest.mark.gen_test
async def test_nobody_may_be_there_at_all(simulator, hook):
    await hook.set()
    await hook.stop()
    assert await said(simulator) == [("system", OUT_OF_ORDER)]
    assert outcomes(simulator) == ["dropped"] * 3


@pytest.mark.gen_test
async def test_where_nobody_waits_nothing_is_shown(simulator, hook):
    await hook.set()
    wang = simulator.world.people["wang"]
    hook.then = b"broken"
    for name in ("VIEW", "LOCATION", "TEMPLATESENDJOBFINISH", "unsubscribe"):
        simulator.world.event(wang, name)
    await simulator.pushes.settled()
    hook.then = lambda fields: text_reply(fields)
    simulator.world.event(wang, "VIEW")
    simulator.world.unfollow(wang)
    await simulator.pushes.settled()
    assert not wang.chat and len(hook.posts) == 6
    simulator.world.follow(wang)
    await simulator.pushes.settled()
    hook.then = 500
    for name in ("CLICK", "SCAN"):
        simulator.world.event(wang, name)
    await simulator.pushes.settled()
    assert [one.kind for one in wang.chat] == ["text", "system", "system"]


@pytest.mark.gen_test
async def test_who_has_left_meanwhile_gets_no_answer(simulator, hook):
    await hook.set()
    hook.answers = [HANG]
    hook.then = lambda fields: text_reply(fields)
    wang = simulator.world.people["wang"]
    simulator.world.say(wang, "one")
    await hook.came(1)
    simulator.world.say(wang, "two")
    simulator.world.unfollow(wang)
    hook.release()
    await simulator.pushes.settled()
    assert [one.text for one in wang.chat] == ["one", "two"]
    assert [post.event for post in hook.posts] == ["text", "text", "unsubscribe"]


# Order, faults, the end


@pytest.mark.gen_test
async def test_a_persons_pushes_come_in_order_and_others_do_not_wait(simulator, hook):
    await hook.set()
    hook.answers = [HANG]
    wang, li = simulator.world.people["wang"], simulator.world.people["li"]
    for text in ("one", "two", "three"):
        simulator.world.say(wang, text)
    await hook.came(1)
    simulator.world.follow(li)
    await hook.came(2)
    assert [post.event for post in hook.posts] == ["text", "subscribe"]
    hook.release()
    await simulator.pushes.settled()
    texts = [post.fields.get("Content") for post in hook.posts]
    assert texts == ["one", None, "two", "three"]


@pytest.mark.gen_test
async def test_pushes_can_come_in_the_wrong_order(simulator, hook):
    await hook.set()
    simulator.pushes.reorder = 3
    wang = simulator.world.people["wang"]
    for text in ("one", "two", "three", "four"):
        simulator.world.say(wang, text)
    await hook.came(3)
    assert [post.fields["Content"] for post in hook.posts[:3]] == ["three", "two", "one"]
    await simulator.pushes.settled()
    assert [post.fields["Content"] for post in hook.posts[3:]] == ["four"]


@pytest.mark.gen_test
async def test_copies_come_at_once_and_one_answer_is_shown(simulator, hook):
    await hook.set()
    simulator.pushes.duplicate = 60
    hook.answers = [HANG] * 59
    hook.then = lambda fields: text_reply(fields, "once")
    wang = simulator.world.people["wang"]
    simulator.world.say(wang, "hi")
    await hook.came(60)
    assert len({post.fields["MsgId"] for post in hook.posts}) == 1
    hook.release()
    await simulator.pushes.settled()
    assert [one.text for one in wang.chat] == ["hi", "once"]
    simulator.pushes.duplicate = 2
    hook.answers = [b"junk", b"success"]
    simulator.world.say(wang, "more")
    await simulator.pushes.settled()
    assert len(wang.chat) == 3


@pytest.mark.gen_test
async def test_a_push_can_be_late_stale_or_wrongly_signed(simulator, hook, clock):
    await hook.set("safe")
    simulator.pushes.delay, simulator.pushes.time_scale = 10.0, 200
    simulator.pushes.deadline = 1000
    simulator.pushes.stale, simulator.pushes.bad_signature = 600, True
    began = asyncio.get_running_loop().time()
    await said(simulator)
    assert asyncio.get_running_loop().time() - began >= 0.05
    [post] = hook.posts
    assert post.query["timestamp"] == str(int(clock.now()) - 600)
    parts = (post.query["timestamp"], post.query["nonce"])
    assert post.query["signature"] != signature(TOKEN, *parts)
    sealed = str(post.outer["Encrypt"])
    assert post.query["msg_signature"] != signature(TOKEN, *parts, sealed)


@pytest.mark.gen_test
async def test_a_post_can_be_replayed_to_the_letter(simulator, hook, clock):
    await hook.set("safe")
    await said(simulator)
    clock.advance(3600)
    hook.then = b"junk"
    simulator.pushes.replay(simulator.deliveries[0])
    await simulator.pushes.settled()
    first, second = hook.posts
    assert (first.query, first.body) == (second.query, second.body)
    assert outcomes(simulator) == ["silent", "broken"]
    assert len(simulator.world.people["wang"].chat) == 1


@pytest.mark.gen_test
async def test_anything_can_be_pushed(simulator, hook):
    await hook.set()
    wang, pushes = simulator.world.people["wang"], simulator.pushes
    pushes.push(wang, {"MsgType": "telepathy", "CreateTime": None, "FromUserName": "o-other"})
    pushes.push(wang, b"<!DOCTYPE x><xml/>")
    await pushes.settled()
    told, raw = hook.posts
    assert told.fields == {
        "ToUserName": "gh_5a17c0de0001",
        "FromUserName": "o-other",
        "MsgType": "telepathy",
    }
    assert raw.body == b"<!DOCTYPE x><xml/>"
    with pytest.raises(ValueError, match="name"):
        pushes.push(wang, {"a b": "c"})
    with pytest.raises(TypeError):
        pushes.push(wang, {"Content": 1.5})
    await hook.set("safe")
    pushes.push(wang, b"<xml><a>b</a></xml>")
    await pushes.settled()
    assert hook.posts[-1].fields == {"a": "b"}


@pytest.mark.gen_test
async def test_what_is_under_way_ends_with_the_simulator(simulator, hook, caplog):
    await hook.set()
    hook.then = HANG
    for person in simulator.world.people.values():
        simulator.pushes.push(person, {"MsgType": "text"})
        simulator.pushes.push(person, {"MsgType": "text"})
    await hook.came(3)
    await simulator.stop()
    assert len(hook.posts) == 3
    assert not [task for task in asyncio.all_tasks() if "Pushes" in repr(task)]
    await hook.stop()
    assert not caplog.records


# The console


@pytest.mark.gen_test
async def test_the_webhook_is_asked_before_it_is_taken(simulator, hook, clock):
    await hook.set("safe")
    [query] = hook.checks
    assert list(query) == ["signature", "timestamp", "nonce", "echostr"]
    assert query["signature"] == signature(TOKEN, query["timestamp"], query["nonce"])
    assert query["timestamp"] == str(int(clock.now())) and query["echostr"].isdigit()
    await hook.set()
    assert hook.checks[1]["echostr"] != query["echostr"]
    assert simulator.webhook.mode == "plain"
    assert TOKEN not in repr(simulator.webhook) and AES_KEY not in repr(simulator.webhook)


@pytest.mark.parametrize(
    ("echo", "reason"),
    [
        (lambda echo: echo.encode() + b"\n", "exactly"),
        (lambda echo: f'"{echo}"'.encode(), "exactly"),
        (lambda echo: b"", "exactly"),
        (lambda echo: 403, "403"),
        (lambda echo: 302, "302"),
        (lambda echo: DROP, "nobody"),
        (lambda echo: HANG, "in time"),
    ],
)
@pytest.mark.gen_test
async def test_a_server_that_fails_the_check_is_refused(simulator, hook, echo, reason):
    await hook.set()
    before = simulator.webhook
    if reason == "in time":
        simulator.pushes.deadline = 0.05
    hook.echo = echo
    with pytest.raises(WebhookRefused, match=reason):
        await hook.set("safe")
    assert simulator.webhook is before


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/wechat", "neither"),
        ("http://127.0.0.1.example.com/", "neither"),
        ("http://127.0.0.1:1/", "nobody"),
        ("ftp://127.0.0.1/", "no http"),
    ],
)
@pytest.mark.gen_test
async def test_only_servers_nearby_are_asked(simulator, url, reason):
    with pytest.raises(WebhookRefused, match=reason):
        await simulator.set_webhook(url, token=TOKEN)


# Receipts


async def send(simulator, client, **more):
    body = {
        "touser": simulator.world.people["wang"].openid,
        "template_id": simulator.template_id,
        "data": {"thing1": {"value": "备份已完成"}, "time2": {"value": "09:30"}},
    }
    return await client.post(TEMPLATE, body | more, access_token=await client.access_token())


@pytest.mark.parametrize("status", ["success", "failed:user block", "failed: system failed"])
@pytest.mark.gen_test
async def test_a_template_message_gets_a_receipt(simulator, client, hook, status):
    await hook.set()
    simulator.pushes.receipt_status, simulator.pushes.receipt_delay = status, 0.01
    answer = await send(simulator, client, client_msg_id="a")
    assert not hook.posts
    await send(simulator, client, client_msg_id="a")
    await simulator.pushes.settled()
    [post] = hook.posts
    wang = simulator.world.people["wang"]
    assert post.fields["FromUserName"] == wang.openid
    assert post.fields["Event"] == "TEMPLATESENDJOBFINISH"
    assert (post.fields["MsgID"], post.fields["Status"]) == (str(answer["msgid"]), status)
    assert len(wang.chat) == (1 if status == "success" else 0)


@pytest.mark.gen_test
async def test_a_receipt_may_come_before_the_answer(simulator, client, hook):
    await hook.set()
    simulator.pushes.receipt_first = True
    hook.answers = [HANG]
    call = asyncio.ensure_future(send(simulator, client))
    await hook.came(1)
    assert not call.done()
    hook.release()
    answer = await call
    assert hook.posts[0].fields["MsgID"] == str(answer["msgid"])


@pytest.mark.gen_test
async def test_a_receipt_does_not_wait_for_the_persons_turn(simulator, client, hook):
    await hook.set()
    hook.answers = [HANG]
    simulator.world.say(simulator.world.people["wang"], "hi")
    await hook.came(1)
    for simulator.pushes.receipt_first in (True, False):
        assert (await send(simulator, client))["errcode"] == 0
    await hook.came(3)
    assert [post.event for post in hook.posts] == ["text", *["TEMPLATESENDJOBFINISH"] * 2]
    hook.release()
    await simulator.pushes.settled()


@pytest.mark.gen_test
async def test_no_receipt_comes_for_what_was_refused(simulator, client, hook):
    await send(simulator, client)
    await hook.set()
    await send(simulator, client, data={})
    simulator.pushes.receipt_status = ""
    await send(simulator, client)
    await simulator.pushes.settled()
    assert not hook.posts


@pytest.mark.gen_test
async def test_each_of_several_receipts_in_flight_tells_of_its_own_message(simulator, client, hook):
    world, pushes = simulator.world, simulator.pushes
    world.follow(world.people["li"])
    await hook.set()
    expected = {}
    for number, (name, delay) in enumerate((("wang", 600), ("li", 0), ("wang", 0))):
        pushes.receipt_delay = delay
        person = world.people[name]
        person.receipt_status = f"failed: reason {number}"
        answer = await send(simulator, client, touser=person.openid)
        expected[str(answer["msgid"])] = (person.openid, person.receipt_status)
    late = next(iter(expected))
    await hook.came(2)
    told = {one["MsgID"]: (one["FromUserName"], one["Status"]) for one in map(_fields, hook.posts)}
    assert told | {late: expected[late]} == expected and late not in told


def _fields(post):
    return post.fields


@pytest.mark.gen_test
async def test_who_blocked_is_told_of_in_the_receipt_and_sees_no_answer(simulator, client, hook):
    await hook.set()
    simulator.pushes.receipt_delay = 0
    wang = simulator.world.people["wang"]
    simulator.world.block(wang)
    wang.receipt_status = "success"
    await send(simulator, client)
    await simulator.pushes.settled()
    assert hook.posts[0].fields["Status"] == "failed:user block"
    hook.answers = [lambda fields: text_reply(fields)]
    simulator.world.say(wang, "hi")
    await simulator.pushes.settled()
    assert [delivery.outcome for delivery in simulator.deliveries] == ["silent", "answered"]
    assert [one.text for one in wang.chat] == ["hi"]


@pytest.mark.gen_test
async def test_a_persons_receipts_can_be_left_out(simulator, client, hook):
    await hook.set()
    wang = simulator.world.people["wang"]
    wang.receipt_status = ""
    await send(simulator, client)
    await simulator.pushes.settled()
    assert not hook.posts and len(wang.chat) == 1
