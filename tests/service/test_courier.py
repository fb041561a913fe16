"""The courier: order, ways, retries, doubt, crashes, clocks, and the stop."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.sending import (
    CUSTOM,
    SILENT,
    SUBSCRIBE,
    TEMPLATE,
    TEMPLATES,
    TOKEN,
    courier,
    crowd,
    door,
    follower,
    found,
    join,
    later,
    put,
    put_one,
    rest,
    row,
    sent,
    stands,
    texts,
    told_all,
    way,
    written,
)
from tests.world import World
from wx.errors import StorageUnavailable
from wx.protocol import errcode
from wx.service import courier as module
from wx.service import reason
from wx.store import outbox

HOUR, DAY = 3600, 86400
PATHS = {"template": TEMPLATE, "custom": CUSTOM, "subscribe": SUBSCRIBE}


async def open_quietly(world: World, **keys: str) -> None:
    """With a webhook, ann bound, and a chat in which nothing is answered by itself."""
    await world.open_webhook(rules=SILENT, bind_route="oauth", **keys)
    await join(world)
    world.simulator.pushes.receipt_status = ""


async def writes(world: World, person: str = "wang") -> None:
    """They write to the account: five messages in 48 hours."""
    await world.simulator.phone(person).say("hello")
    await world.rest()


async def ready(world: World, channel: str) -> None:
    """What goes out takes this channel."""
    template_id = world.simulator.subscription_id
    keys = {
        "template": {},
        "custom": {"notice_template": ""},
        "subscribe": {"notice_template": "", "subscribe_template": f"{template_id}:thing1,time2"},
    }[channel]
    await open_quietly(world, **keys)
    if channel == "custom":
        await writes(world)
    if channel == "subscribe":
        one = world.simulator.world.subscription_templates[template_id]
        content = one.content.replace("{{thing3.DATA}}", "")
        world.simulator.world.subscription_templates[template_id] = type(one)(
            one.id, one.title, content, one.example
        )
        for _ in range(2):
            wang = world.simulator.world.people["wang"]
            world.simulator.world.accept_subscription(wang, template_id)
            world.clock.advance(1)
        await world.rest()


# The way that works


@pytest.mark.gen_test(timeout=20)
async def test_a_template_carries_the_text_and_the_moment_and_our_own_number(
    world: World,
) -> None:
    await ready(world, "template")
    one = await sent(world, text="backup finished", url=f"{world.base}/x")
    assert (one.state, one.channel, one.why, one.attempts) == (
        "sent",
        "template",
        "outside-window",
        1,
    )
    (taken,) = world.simulator.world.accepted
    assert taken.message is not None
    fields = dict(taken.message.fields)
    assert (fields["内容"], taken.message.url) == ("backup finished", f"{world.base}/x")
    assert fields["时间"]
    assert (one.platform_id, taken.client_msg_id) == (str(taken.msgid), one.id)
    assert (one.sent_at, one.settled_at) == (world.clock.now(), None)


@pytest.mark.gen_test(timeout=20)
async def test_a_text_that_no_field_holds_is_cut_and_leads_to_its_page(world: World) -> None:
    await ready(world, "template")
    await sent(world, text="a text of more than twenty characters")
    (text,) = texts(world)
    assert len(text) == 20 and text.endswith("…")
    assert world.simulator.world.people["wang"].chat[-1].url.startswith(f"{world.base}/n/")


@pytest.mark.gen_test(timeout=20)
async def test_a_chat_message_goes_while_the_window_and_its_count_last(world: World) -> None:
    await open_quietly(world)
    await writes(world)
    for left in (4, 3, 2, 1, 0):
        one = await sent(world, url=f"{world.base}/x")
        assert (one.state, one.channel, one.why) == ("sent", "custom", "window")
        assert (one.settled_at, one.platform_id) == (world.clock.now(), "")
        assert follower(world)["window_left"] == left
    assert texts(world)[0] == f"backup finished\n{world.base}/x"
    sixth = await sent(world)
    assert (sixth.channel, sixth.why) == ("template", "outside-window")
    await writes(world)
    world.clock.advance(48 * HOUR)
    assert (await sent(world)).channel == "template"
    assert world.simulator.calls[CUSTOM] == 5, "what is known to be closed is not tried"


@pytest.mark.gen_test(timeout=20)
async def test_a_subscription_notice_uses_one_up(world: World) -> None:
    await ready(world, "subscribe")
    for left in (1, 0):
        one = await sent(world)
        assert (one.state, one.channel, one.why) == ("sent", "subscribe", "subscribed")
        assert one.platform_id == str(world.simulator.world.accepted[-1].msgid)
        assert world.rows("SELECT left FROM subscriptions")[0]["left"] == left
    last = await sent(world)
    assert (last.state, last.reason) == ("failed", "window-closed")
    assert world.simulator.calls[SUBSCRIBE] == 2


@pytest.mark.gen_test(timeout=20)
async def test_a_template_message_that_has_no_number_has_no_receipt_to_wait_for(
    world: World,
) -> None:
    await ready(world, "template")
    world.simulator.faults.answer(TEMPLATE, body='{"errcode": 0, "errmsg": "ok"}')
    one = await sent(world)
    assert (one.state, one.platform_id, one.settled_at) == ("sent", "", world.clock.now())


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("errcode", "name"),
    [(45015, "window-closed"), (10706, "window-closed"), (45047, "window-full")],
)
async def test_a_window_that_is_closed_after_all_is_corrected_and_the_template_goes_at_once(
    world: World, errcode: int, name: str
) -> None:
    await open_quietly(world)
    await writes(world)
    world.simulator.faults.answer(CUSTOM, errcode=errcode)
    one = await sent(world)
    assert (one.state, one.channel, one.why, one.errcode) == (
        "sent",
        "template",
        "fell-over",
        None,
    )
    assert one.attempts == 2 and one.sent_at == one.created_at
    assert follower(world)["window_left"] == 0
    assert (await sent(world)).why == "outside-window"
    assert world.simulator.calls[CUSTOM] == 1
    world.simulator.faults.answer(CUSTOM, errcode=errcode)
    forced = await sent(world, wish="custom")
    assert (forced.state, forced.reason, forced.errcode) == ("failed", name, errcode)
    assert world.simulator.calls[CUSTOM] == 2


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("errcode", "name"), [(45015, "window-closed"), (45047, "window-full")])
async def test_without_another_way_a_closed_window_ends_it(
    world: World, errcode: int, name: str
) -> None:
    await ready(world, "custom")
    world.simulator.faults.answer(CUSTOM, errcode=errcode)
    one = await sent(world)
    assert (one.state, one.reason, one.errcode) == ("failed", name, errcode)
    assert (await sent(world)).state == "failed"
    assert world.simulator.calls[CUSTOM] == 1
    await writes(world)
    assert (await sent(world)).state == "sent"


@pytest.mark.gen_test(timeout=20)
async def test_without_a_webhook_the_platform_is_asked_each_time(world: World) -> None:
    await world.reconfigure(notice_template="")
    await join(world)
    assert (await sent(world)).reason == "window-closed"
    await world.simulator.phone("wang").say("hello")
    for _ in range(5):
        one = await sent(world)
        assert (one.state, one.channel, one.why) == ("sent", "custom", "try-window")
    assert (await sent(world)).reason == "window-full"


@pytest.mark.gen_test(timeout=20)
async def test_the_channel_that_was_asked_for_is_taken(world: World) -> None:
    await open_quietly(world)
    await writes(world)
    for wish, why in (("template", "asked-for"), ("custom", "asked-for")):
        one = await sent(world, wish=wish)
        assert (one.state, one.channel, one.why) == ("sent", wish, why)
    assert await stands(world, (await sent(world, wish="subscribe")).id) == (
        "failed",
        "not-subscribed",
    )


# Order


@pytest.mark.gen_test(timeout=60)
async def test_each_person_gets_theirs_in_the_order_of_acceptance_also_in_a_crowd_and_with_retries(
    world: World,
) -> None:
    names = await crowd(world, 8)
    chance = random.Random(7)
    world.simulator.faults.sometimes(TEMPLATE, "answer", 0.2, errcode=-1, seed=1)
    expected = defaultdict(list)
    for number in range(10):
        some = chance.sample(names, 5)
        await put(world, *some, text=f"n{number}")
        for name in some:
            expected[name].append(f"n{number}")
    for _ in range(60):
        await later(world, 5)
    assert {name: texts(world, name) for name in names} == expected
    states = world.rows("SELECT DISTINCT state FROM outbox")
    assert [one["state"] for one in states] == ["sent"]
    assert world.rows("SELECT max(attempts) AS most FROM outbox")[0]["most"] > 1


@pytest.mark.gen_test(timeout=20)
async def test_the_next_one_waits_while_the_first_is_tried_again_and_others_do_not(
    world: World,
) -> None:
    await open_quietly(world)
    await join(world, "bob", "zhang")
    world.simulator.world.people["zhang"].following = True
    world.simulator.faults.answer(TEMPLATE, errcode=-1)
    await put(world, text="first")
    await rest(world)
    await put(world, text="second")
    await put(world, "bob", text="third")
    await rest(world)
    assert (texts(world), texts(world, "zhang")) == ([], ["third"])
    await later(world, 2)
    assert texts(world) == ["first", "second"]


@pytest.mark.gen_test(timeout=20)
async def test_after_a_named_failure_the_next_one_leaves(world: World) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(TEMPLATE, errcode=47003)
    for text in ("first", "second", "third"):
        await put(world, text=text)
    await rest(world)
    assert texts(world) == ["second", "third"]


@pytest.mark.gen_test(timeout=20)
async def test_what_came_back_wakes_the_next_one_without_a_look(world: World) -> None:
    await open_quietly(world)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(10):
        await put(world)
    await world.told("wang", 10)
    assert loop.time() - began < 3, "a look comes twice a second only"


@pytest.mark.gen_test(timeout=20)
async def test_so_many_calls_are_under_way_at_once_and_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = await crowd(world, 30)
    messages = courier(world)._messages
    real, now, counts = messages.send_template, 0, []

    async def send(*args: Any, **kwargs: Any) -> str:
        nonlocal now
        now += 1
        counts.append(now)
        try:
            return await real(*args, **kwargs)
        finally:
            now -= 1

    monkeypatch.setattr(messages, "send_template", send)
    # The slow ones hold their places while others come back, one by one.
    world.simulator.faults.delay(TEMPLATE, 0.3, times=15)
    await put(world, *names)
    await put(world, *names)
    await rest(world)
    assert len(world.simulator.world.accepted) == 60
    assert max(counts) == 20
    assert courier(world).calls == 60


@pytest.mark.gen_test(timeout=20)
async def test_two_couriers_never_take_the_same(world: World) -> None:
    names = await crowd(world, 15)
    await put(world, *names)
    one = courier(world)
    await asyncio.gather(*(one._turn() for _ in range(5)))
    await rest(world)
    assert world.simulator.calls[TEMPLATE] == len(world.simulator.world.accepted) == 15


# What the platform refuses

FINAL = [
    *((code, "not-following") for code in (43004, 46004, 50005, 10700)),
    *((code, "blocked") for code in (43019, 48002, 62751, 10703)),
    *((code, "unknown-template") for code in (40036, 40037)),
    *((code, "platform") for code in (40003, 43101, 47001, 47003, 48001, 48004, 45002, 99999)),
]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("errcode", "name"), FINAL)
async def test_what_is_final_is_not_tried_again(world: World, errcode: int, name: str) -> None:
    await ready(world, "template")
    world.simulator.faults.answer(TEMPLATE, errcode=errcode)
    one = await sent(world)
    assert (one.state, one.reason, one.errcode) == ("failed", name, errcode)
    assert (one.settled_at, one.due_at, one.channel) == (world.clock.now(), None, "template")
    assert reason.explain(one) is not None
    assert door(world).settled["template", "failed"] == 1
    await later(world, 2 * HOUR)
    assert world.simulator.calls[TEMPLATE] == 1
    known = follower(world)
    assert (known["following"] == 0) is (name == "not-following")
    assert (known["blocked_at"] is not None) is (name == "blocked")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("errcode", "name"), [(43004, "not-following"), (48002, "blocked")])
async def test_what_waits_for_who_left_or_blocked_ends_with_one_call(
    world: World, errcode: int, name: str
) -> None:
    await ready(world, "template")
    world.simulator.faults.answer(TEMPLATE, errcode=errcode, times=None)
    ids = [one.id for _ in range(4) for one in await put(world)]
    await rest(world)
    assert [await stands(world, one) for one in ids] == [("failed", name)] * 4
    assert world.simulator.calls[TEMPLATE] <= 2
    calls = world.simulator.calls[TEMPLATE]
    assert await stands(world, (await sent(world)).id) == ("failed", name)
    assert world.simulator.calls[TEMPLATE] == calls
    world.simulator.faults.clear()
    world.clock.advance(1)
    await writes(world)
    assert (await sent(world)).state == "sent"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("errcode", "name"), [(43004, "not-following"), (48002, "blocked")])
async def test_without_a_webhook_nobody_is_given_up_for_good(
    world: World, errcode: int, name: str
) -> None:
    await join(world)
    world.simulator.faults.answer(TEMPLATE, errcode=errcode)
    assert (await sent(world)).reason == name
    assert (await sent(world)).state == "sent"


@pytest.mark.gen_test(timeout=20)
async def test_without_a_webhook_too_what_waits_behind_ends_with_it(world: World) -> None:
    await join(world)
    world.simulator.faults.delay(TEMPLATE, 0.2, times=1)
    world.simulator.faults.answer(TEMPLATE, errcode=43004)
    first = await put_one(world)
    await world.simulator.called(TEMPLATE)
    second = await put_one(world)
    await rest(world)
    for notice_id in (first, second):
        assert await stands(world, notice_id) == ("failed", "not-following")
    assert world.simulator.calls[TEMPLATE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_subscription_that_the_platform_does_not_know_of_is_forgotten(
    world: World,
) -> None:
    await ready(world, "subscribe")
    world.simulator.faults.answer(SUBSCRIBE, errcode=43101)
    one = await sent(world)
    assert (one.state, one.reason, one.errcode) == ("failed", "not-subscribed", 43101)
    assert world.rows("SELECT * FROM subscriptions") == []


# What is tried again


def test_pauses_grow_are_spread_and_end_at_an_hour() -> None:
    for attempts, seconds in ((1, 1), (2, 2), (3, 4), (11, 1024), (12, 2048), (13, 3600)):
        pauses = {module._pause(attempts) for _ in range(200)}
        assert 0.75 * seconds <= min(pauses) < 0.85 * seconds, attempts
        assert 1.15 * seconds < max(pauses) <= 1.25 * seconds, attempts
    assert 2700 <= module._pause(10_000) <= 4500
    assert 0.75 <= module._pause(0) <= 1.25


async def fails(world: World, how: str, path: str) -> None:
    faults = world.simulator.faults
    if how == "-1":
        faults.answer(path, errcode=-1)
    elif how == "html":
        faults.answer(path, body="<html>", status=200)
    elif how == "502":
        faults.answer(path, body="<html>", status=502)
    else:
        getattr(faults, how)(path, times=1)


AMBIGUOUS = ["html", "502", "drop", "cut_reply", "truncate"]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("how", AMBIGUOUS)
async def test_a_template_of_which_nobody_knows_is_sent_again_and_arrives_once(
    world: World, how: str
) -> None:
    await ready(world, "template")
    await fails(world, how, TEMPLATE)
    one = await sent(world)
    now = world.clock.now()
    assert (one.state, one.reason, one.attempts) == ("queued", "", 1)
    assert one.doubt_at == now
    assert one.due_at is not None and 0.75 <= one.due_at - now <= 1.25
    assert one.errcode is None
    assert reason.explain(one) is not None
    await later(world, 1.3)
    again = await found(world, one.id)
    assert (again.state, again.attempts, again.errcode) == ("sent", 2, None)
    (taken,) = world.simulator.world.accepted
    assert (again.platform_id, taken.client_msg_id) == (str(taken.msgid), one.id)
    assert len(texts(world)) == 1
    assert world.simulator.calls[TEMPLATE] == 2


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("channel", ["custom", "subscribe"])
@pytest.mark.parametrize("how", AMBIGUOUS)
async def test_what_has_no_number_of_ours_is_never_sent_twice(
    world: World, channel: str, how: str
) -> None:
    await ready(world, channel)
    await fails(world, how, PATHS[channel])
    one = await sent(world)
    assert (one.state, one.reason, one.channel) == ("unknown", "doubt", channel)
    assert one.settled_at == world.clock.now()
    assert door(world).settled[channel, "unknown"] == 1
    await later(world, 2 * HOUR)
    assert world.simulator.calls[PATHS[channel]] == 1
    if channel == "custom":
        assert follower(world)["window_left"] == 4, "it may have been used"
    else:
        assert world.rows("SELECT left FROM subscriptions")[0]["left"] == 1
    assert (await sent(world)).state == "sent"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("channel", ["template", "custom", "subscribe"])
async def test_a_platform_that_says_it_is_busy_is_asked_again(world: World, channel: str) -> None:
    await ready(world, channel)
    world.simulator.faults.answer(PATHS[channel], errcode=-1, times=2)
    one = await sent(world)
    assert (one.state, one.errcode, one.doubt_at) == ("queued", -1, None)
    await later(world, 2)
    await later(world, 3)
    again = await found(world, one.id)
    assert (again.state, again.channel, again.attempts) == ("sent", channel, 3)
    assert len(texts(world)) == 1


@pytest.mark.gen_test(timeout=30)
async def test_a_platform_that_is_busy_for_long_gets_the_notice_once_it_is_not(
    world: World,
) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(TEMPLATE, errcode=-1, times=None)
    notice_id = await put_one(world)
    await rest(world)
    for _ in range(12):
        await later(world, 300)
    assert (await found(world, notice_id)).state == "queued"
    world.simulator.faults.clear()
    await later(world, 3600)
    assert (await found(world, notice_id)).state == "sent"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("channel", ["template", "custom", "subscribe"])
async def test_what_cannot_have_left_is_tried_again_by_every_channel_and_uses_nothing_up(
    world: World, channel: str
) -> None:
    await ready(world, channel)
    path = PATHS[channel]
    await rest(world)
    await courier(world)._messages._client._access_token.get()
    calls = world.simulator.calls[path]
    await world.simulator.go_down()
    notice_id = await put_one(world)
    pauses = []
    for attempts in range(1, 9):
        await rest(world)
        one = await found(world, notice_id)
        assert (one.state, one.attempts, one.doubt_at) == ("queued", attempts, None)
        assert one.due_at is not None
        pauses.append(one.due_at - world.clock.now())
        world.clock.advance(pauses[-1])
    for number, pause in enumerate(pauses):
        assert 0.75 * 2**number <= pause <= 1.25 * 2**number + 1e-3
    assert follower(world)["window_left"] == (5 if channel == "custom" else 0)
    await world.simulator.come_back()
    await later(world, 400)
    one = await found(world, notice_id)
    assert (one.state, one.channel) == ("sent", channel)
    assert world.simulator.calls[path] == calls + 1


@pytest.mark.gen_test(timeout=20)
async def test_an_access_token_that_stays_refused_is_no_doubt(world: World) -> None:
    await ready(world, "custom")
    world.simulator.faults.answer(CUSTOM, errcode=40001, times=4)
    one = await sent(world)
    assert (one.state, one.errcode, one.doubt_at, one.attempts) == ("queued", 40001, None, 1)
    await later(world, 2)
    assert (await found(world, one.id)).attempts == 2
    await later(world, 3)
    done = await found(world, one.id)
    assert (done.state, done.channel, len(texts(world))) == ("sent", "custom", 1)


@pytest.mark.gen_test(timeout=30)
async def test_no_answer_for_too_long_leaves_it_in_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", 0.2)
    await open_quietly(world)
    world.simulator.faults.hang(TEMPLATE)
    world.simulator.faults.hang(CUSTOM)
    loop = asyncio.get_running_loop()
    began = loop.time()
    one = await sent(world)
    assert loop.time() - began < 5
    assert (one.state, one.doubt_at) == ("queued", world.clock.now())
    await join(world, "bob", "zhang")
    world.simulator.world.people["zhang"].following = True
    await writes(world, "zhang")
    (other,) = await put(world, "bob")
    await rest(world)
    assert await stands(world, other.id) == ("unknown", "doubt")


@pytest.mark.gen_test(timeout=20)
async def test_a_fault_of_our_own_in_a_call_stops_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    await ready(world, "template")
    await join(world, "bob", "zhang")
    world.simulator.world.people["zhang"].following = True
    messages = courier(world)._messages
    real = messages.send_template
    broken = [ValueError("of our own")]

    async def send(*args: Any, **kwargs: Any) -> str:
        if broken:
            raise broken.pop()
        return await real(*args, **kwargs)

    monkeypatch.setattr(messages, "send_template", send)
    one = await put_one(world)
    (other,) = await put(world, "bob")
    await rest(world)
    assert sorted([await stands(world, one), await stands(world, other.id)]) == [
        ("queued", ""),
        ("sent", ""),
    ]
    assert any("the call failed" in line for line in ear.lines)
    await later(world, 2)
    assert await stands(world, one) == await stands(world, other.id) == ("sent", "")


# Quotas and rates


def test_the_day_ends_at_midnight_in_china() -> None:
    for text, seconds in (
        ("2026-11-21T15:59:59", 1),
        ("2026-11-21T16:00:00", DAY),
        ("2026-11-21T04:00:00", 12 * HOUR),
        ("2026-12-31T15:00:00", HOUR),
    ):
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        assert seconds <= module._to_midnight(moment) <= seconds + 2, text


@pytest.mark.gen_test(timeout=20)
async def test_when_the_day_s_quota_is_used_up_that_channel_rests_until_midnight_in_china(
    world: World,
) -> None:
    await open_quietly(world)
    await join(world, "bob", "zhang")
    world.simulator.world.people["zhang"].following = True
    world.simulator.world.quotas[TEMPLATE] = 0
    one = await sent(world)
    assert (one.state, one.errcode) == ("queued", 45009)
    assert reason.explain(one) is not None
    (second,) = await put(world, "bob")
    await rest(world)
    assert (await found(world, second.id)).state == "queued"
    assert world.simulator.calls[TEMPLATE] == 1, "the others are not even tried"
    await writes(world)
    behind = await put_one(world)
    await writes(world, "zhang")
    left = 8 * HOUR  # it is four in the afternoon there
    for notice_id in (one.id, second.id):
        due_at = (await found(world, notice_id)).due_at
        assert due_at is not None and left <= due_at - one.created_at <= left + 35
    await later(world, left - 10)
    assert world.simulator.calls[TEMPLATE] == 1
    assert (await found(world, behind)).state == "queued", "not before the first"
    await later(world, 50)
    assert [(await found(world, each)).state for each in (one.id, second.id, behind)] == [
        "sent"
    ] * 3


@pytest.mark.gen_test(timeout=20)
async def test_while_one_channel_rests_another_is_used(world: World) -> None:
    await open_quietly(world)
    await writes(world)
    world.simulator.faults.answer(CUSTOM, errcode=45009)
    one = await sent(world)
    assert (one.state, one.channel, one.why) == ("sent", "template", "outside-window")
    assert (await sent(world)).channel == "template"
    assert world.simulator.calls[CUSTOM] == 1
    assert follower(world)["window_left"] == 5
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    assert (await sent(world)).state == "queued", "both rest"
    await later(world, 91)
    assert (await door(world).newest(limit=1))[0].channel == "template"
    world.clock.advance(8 * HOUR)
    assert (await sent(world)).channel == "custom"


@pytest.mark.gen_test(timeout=20)
async def test_a_rate_that_is_exceeded_slows_the_channel_for_a_minute(world: World) -> None:
    await open_quietly(world)
    names = await crowd(world, 3)
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    one = await sent(world)
    await put(world, *names)
    await rest(world)
    assert (one.state, one.errcode) == ("queued", 45011)
    due = [each["due_at"] - world.clock.now() for each in world.rows("SELECT due_at FROM outbox")]
    assert all(60 <= seconds <= 90 for seconds in due) and len(set(due)) == 4, "spread"
    await later(world, 59)
    assert world.simulator.calls[TEMPLATE] == 1
    await later(world, 32)
    assert world.simulator.calls[TEMPLATE] == 5
    rows = world.rows("SELECT DISTINCT state, attempts FROM outbox ORDER BY attempts")
    assert [tuple(each) for each in rows] == [("sent", 1), ("sent", 2)]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("errcode", [45009, 45011])
async def test_what_is_said_of_the_access_token_closes_no_channel(
    world: World, errcode: int
) -> None:
    await open_quietly(world)
    await sent(world)
    world.clock.advance(8000)
    await writes(world)
    world.simulator.faults.answer(TOKEN, errcode=errcode)
    one = await sent(world, wish="template")
    if one.state == "queued":  # or the timer was first to ask for it
        assert one.due_at is not None and one.due_at - world.clock.now() <= 1.25
        assert one.doubt_at is None
    await later(world, 5)
    await later(world, 5)
    assert (await found(world, one.id)).state == "sent"


@pytest.mark.gen_test(timeout=20)
async def test_an_unheard_of_pause_is_five_minutes(world: World) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(TEMPLATE, errcode=89503)
    await sent(world)
    await later(world, 299)
    assert world.simulator.calls[TEMPLATE] == 1
    await later(world, 32)
    assert world.simulator.calls[TEMPLATE] == 2


# Waiting too long


@pytest.mark.gen_test(timeout=20)
async def test_what_could_not_be_sent_in_time_expires(world: World) -> None:
    await open_quietly(world)
    world.simulator.world.quotas[TEMPLATE] = 0
    one = await put_one(world, expires_in=HOUR)
    await rest(world)
    behind = await put_one(world, expires_in=100)
    await later(world, 100)
    assert await stands(world, behind) == ("expired", "expired")
    await later(world, HOUR - 101)
    assert (await found(world, one)).state == "queued"
    await later(world, 1)
    kept = await found(world, one)
    assert (kept.state, kept.reason, kept.errcode) == ("expired", "expired", 45009)
    assert kept.settled_at == world.clock.now()
    assert sum(door(world).settled[way, "expired"] for way in ("", "template")) == 2
    assert world.simulator.calls[TEMPLATE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_behind_a_call_that_hangs_time_runs_out_too_and_the_rest_leaves_after_it(
    world: World,
) -> None:
    await open_quietly(world)
    world.simulator.faults.hang(TEMPLATE)
    head = await put_one(world, expires_in=60)
    await world.simulator.called(TEMPLATE)
    short, long = await put_one(world, expires_in=60), await put_one(world)
    world.simulator.faults.clear()
    world.clock.advance(60)
    await courier(world)._turn()
    assert await stands(world, short) == ("expired", "expired")
    assert (await found(world, head)).state == "sending"
    world.simulator.faults.release()
    await rest(world)
    assert await stands(world, head) == ("unknown", "doubt"), "its time is over, and it was begun"
    assert (await found(world, long)).state == "sent"
    assert door(world).settled["template", "unknown"] == 1
    assert door(world).settled["", "expired"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_what_is_in_doubt_when_its_time_is_over_is_unknown(world: World) -> None:
    await open_quietly(world)
    world.simulator.faults.drop(TEMPLATE, times=None)
    one = await sent(world, expires_in=60)
    await later(world, 60)
    assert await stands(world, one.id) == ("unknown", "doubt")


# Nine minutes


@pytest.mark.gen_test(timeout=20)
async def test_within_nine_minutes_it_is_sent_again_and_then_it_stays_in_doubt(
    world: World,
) -> None:
    await open_quietly(world)
    world.simulator.faults.drop(TEMPLATE, times=None)
    notice_id = await put_one(world)
    await rest(world)
    began = world.clock.now()
    while world.clock.now() < began + 538:
        await later(world, 2)
    calls = world.simulator.calls[TEMPLATE]
    assert 9 <= calls <= 11
    assert (await found(world, notice_id)).doubt_at == began
    behind = await put_one(world)
    await later(world, 5)
    assert await stands(world, notice_id) == ("unknown", "doubt")
    assert world.simulator.calls[TEMPLATE] <= calls + 2
    world.simulator.faults.clear()
    await later(world, 3)
    assert (await found(world, behind)).state == "sent"
    ours = [one for one in world.simulator.world.accepted if one.client_msg_id == notice_id]
    assert ours == []


@pytest.mark.gen_test(timeout=20)
async def test_what_is_in_doubt_does_not_wait_for_the_quota_s_day_to_end(world: World) -> None:
    await open_quietly(world)
    await writes(world)
    await fails(world, "cut_reply", TEMPLATE)
    one = await sent(world, wish="template")
    world.simulator.faults.answer(TEMPLATE, errcode=45009)
    await later(world, 2)
    behind = await put_one(world)
    assert (await found(world, one.id)).state == "queued"
    await later(world, 550)
    assert await stands(world, one.id) == ("unknown", "doubt")
    assert await way(world, behind) == ("custom", "window")
    assert world.simulator.calls[TEMPLATE] == 2


@pytest.mark.gen_test(timeout=20)
async def test_a_doubt_is_kept_when_the_template_is_taken_away(world: World) -> None:
    await open_quietly(world)
    await fails(world, "cut_reply", TEMPLATE)
    one = await sent(world)
    assert one.doubt_at is not None
    port = str(world.server.port)
    await world.reconfigure(**world.keys | {"notice_template": "", "port": port})
    await later(world, 5)
    assert await stands(world, one.id) == ("unknown", "doubt")
    await writes(world)
    assert (await sent(world)).channel == "custom", "and it is in nobody's way"


# After a crash


async def crashed(world: World, notice_id: str, channel: str, *, ago: float = 0) -> None:
    """Leave a notice as a crash leaves one that was on its way, and start again."""
    await world.server.stop()
    world.rows(
        """UPDATE outbox SET state = 'sending', due_at = NULL, doubt_at = NULL, claimed_at = ?,
                             channel = ?, why = 'window', sent_at = NULL, settled_at = NULL,
                             platform_id = '', attempts = 1 WHERE id = ?""",
        world.clock.now() - ago,
        channel,
        notice_id,
    )
    keys = world.keys
    await world.start_server(**keys)
    await rest(world)


@pytest.mark.gen_test(timeout=20)
async def test_a_template_that_was_on_its_way_is_sent_again_and_arrives_once(
    world: World,
) -> None:
    await open_quietly(world)
    one = await sent(world)
    behind = await put_one(world)
    await rest(world)
    await crashed(world, one.id, "template", ago=5)
    again = await found(world, one.id)
    assert (again.state, again.platform_id, again.attempts) == ("sent", one.platform_id, 2)
    assert again.doubt_at == world.clock.now() - 5
    assert world.simulator.world.repeats == 1
    assert len(texts(world)) == 2
    assert (await found(world, behind)).state == "sent"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("ago", "state"), [(540, "sent"), (541, "unknown"), (86400, "unknown")])
async def test_older_than_nine_minutes_it_is_not_sent_again(
    world: World, ago: float, state: str
) -> None:
    await open_quietly(world)
    one = await sent(world)
    calls = world.simulator.calls[TEMPLATE]
    await crashed(world, one.id, "template", ago=ago)
    assert (await found(world, one.id)).state == state
    assert world.simulator.calls[TEMPLATE] == calls + (state == "sent")


@pytest.mark.gen_test(timeout=20)
async def test_a_clock_that_was_set_back_meanwhile_leaves_it_in_doubt(world: World) -> None:
    await open_quietly(world)
    one = await sent(world)
    await crashed(world, one.id, "template", ago=-10)
    assert await stands(world, one.id) == ("unknown", "doubt")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("channel", ["custom", "subscribe"])
async def test_a_chat_message_that_was_on_its_way_stays_in_doubt_and_the_next_one_leaves(
    world: World, channel: str
) -> None:
    await open_quietly(world)
    one = await sent(world)
    behind = await sent(world)
    world.rows(
        "UPDATE outbox SET state = 'queued', due_at = NULL, attempts = 0 WHERE id = ?", behind.id
    )
    calls = world.simulator.calls.copy()
    await crashed(world, one.id, channel)
    assert await stands(world, one.id) == ("unknown", "doubt")
    assert (await found(world, one.id)).settled_at == world.clock.now()
    assert (await found(world, behind.id)).state == "sent"
    assert world.simulator.calls[PATHS[channel]] == calls[PATHS[channel]]


# The clock


async def noticed(world: World) -> None:
    """Wait until the courier has seen that the clock has jumped."""
    async with asyncio.timeout(5):
        while courier(world)._jump():
            await courier(world).look()
            await written(world, lambda conn: None)


async def waiting(world: World) -> tuple[str, str, str]:
    """One that is tried again in a moment, one behind it, and one that is put off a minute."""
    await open_quietly(world)
    await join(world, "bob", "zhang")
    world.simulator.world.people["zhang"].following = True
    await world.simulator.go_down()
    first = await put_one(world, expires_in=HOUR)
    await rest(world)
    await world.simulator.come_back()
    second = await put_one(world, expires_in=HOUR)
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    (third,) = await put(world, "bob", expires_in=HOUR)
    await rest(world)
    return first, second, third.id


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("jump", [DAY, HOUR, -HOUR, -DAY, 10, -10])
async def test_when_the_clock_jumps_nothing_is_stuck_expired_or_doubled(
    world: World, jump: float
) -> None:
    ids = await waiting(world)
    before = [await found(world, each) for each in ids]
    world.clock.jump(jump)
    await rest(world)
    for one in before:
        now = await found(world, one.id)
        assert now.state == "queued"
        assert now.expires_at == pytest.approx(one.expires_at + jump)
        assert one.due_at is None or now.due_at == pytest.approx(one.due_at + jump)
    assert world.simulator.calls[TEMPLATE] == 1
    await later(world, 91)
    assert [(await found(world, each)).state for each in ids] == ["sent"] * 3
    taken = [one.client_msg_id for one in world.simulator.world.accepted]
    assert sorted(taken) == sorted(ids)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("jump", [DAY, 1200, -1200, 10, -10])
async def test_what_is_in_doubt_when_the_clock_jumps_is_not_sent_again(
    world: World, jump: float
) -> None:
    """A machine that slept looks the same, and the platform has forgotten the number then."""
    await open_quietly(world)
    world.simulator.faults.cut_reply(TEMPLATE)
    notice_id = await put_one(world)
    await world.simulator.called(TEMPLATE)
    await rest(world)
    world.clock.jump(jump)
    await rest(world)
    await later(world, 10)
    assert await stands(world, notice_id) == ("unknown", "doubt")
    assert world.simulator.calls[TEMPLATE] == 1


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("jump", [DAY, HOUR, -HOUR, -DAY])
async def test_what_is_put_by_the_new_clock_before_the_jump_is_seen_keeps_its_time(
    world: World, jump: float
) -> None:
    await open_quietly(world)
    world.simulator.faults.hang(TEMPLATE)
    head = await put_one(world)
    await world.simulator.called(TEMPLATE)
    old = await put_one(world, expires_in=600)
    world.clock.jump(jump)
    behind = await put_one(world, expires_in=600)
    await noticed(world)
    for notice_id in (old, behind):
        assert await stands(world, notice_id) == ("queued", "")
        ends_at = (await found(world, notice_id)).expires_at
        assert ends_at == pytest.approx(world.clock.now() + 600)
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await rest(world)
    await later(world, 5)
    assert await stands(world, head) == ("unknown", "doubt")  # its call hung
    for notice_id in (old, behind):
        assert await stands(world, notice_id) == ("sent", "")


@pytest.mark.gen_test(timeout=20)
async def test_what_was_put_just_so_long_ago_is_not_taken_for_new(world: World) -> None:
    await open_quietly(world)
    world.simulator.world.quotas[TEMPLATE] = 0
    one = await sent(world)
    await later(world, HOUR)
    world.clock.jump(-HOUR)
    await rest(world)
    now = await found(world, one.id)
    assert one.due_at is not None and now.due_at == pytest.approx(one.due_at - HOUR, abs=1)
    assert now.expires_at == pytest.approx(one.expires_at - HOUR, abs=1)


@pytest.mark.gen_test(timeout=20)
async def test_a_jump_is_seen_by_itself_and_told_once(world: World, ear: Ear) -> None:
    await waiting(world)
    world.clock.jump(-DAY)
    await rest(world)
    world.clock.jump(2)
    await rest(world)
    told = [line for line in ear.lines if "the clock has jumped" in line]
    assert len(told) == 1 and "by -86400 s" in told[0]


@pytest.mark.gen_test(timeout=20)
async def test_a_jump_that_could_not_be_written_down_is_not_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await waiting(world)
    before = await found(world, ids[2])
    real, failures = door(world)._database.write, [StorageUnavailable("full")] * 3

    async def write(work: Callable[..., Any]) -> Any:
        if failures:
            raise failures.pop()
        return await real(work)

    world.clock.jump(-DAY)
    with monkeypatch.context() as patched:
        patched.setattr(door(world)._database, "write", write)
        for _ in range(3):
            with pytest.raises(StorageUnavailable):
                await courier(world)._turn()
        await rest(world)
    assert before.due_at is not None
    assert (await found(world, ids[2])).due_at == pytest.approx(before.due_at - DAY)


@pytest.mark.gen_test(timeout=20)
async def test_nine_minutes_are_over_by_the_steady_clock_too(world: World) -> None:
    await open_quietly(world)
    world.simulator.faults.drop(TEMPLATE, times=None)
    notice_id = await put_one(world)
    await rest(world)
    for _ in range(180):
        world.clock.advance(4)
        world.clock.jump(-3.9)  # drifts by less than what is taken for a jump, each time
        await rest(world)
    assert await stands(world, notice_id) == ("unknown", "doubt")


# Bindings


@pytest.mark.gen_test(timeout=20)
async def test_who_was_unbound_meanwhile_gets_no_call(world: World) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    one = await sent(world)
    behind = await put_one(world)
    world.rows("UPDATE bindings SET ended_at = 5")
    await later(world, 91)
    assert await stands(world, one.id) == await stands(world, behind) == ("failed", "unbound")
    assert world.simulator.calls[TEMPLATE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_who_was_forgotten_meanwhile_gets_no_call(world: World) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    one = await sent(world)
    world.rows("UPDATE outbox SET binding_id = NULL, follower_id = 999")
    await later(world, 91)
    assert await stands(world, one.id) == ("failed", "unbound")


# The access token


@pytest.mark.gen_test(timeout=30)
async def test_a_hundred_notices_on_a_dead_access_token_are_one_fetch(world: World) -> None:
    names = await crowd(world, 100)
    await join(world)
    await sent(world)
    world.clock.advance(10)
    fetched = world.simulator.calls[TOKEN]
    world.simulator.faults.kill_access_tokens()
    await put(world, *names)
    await rest(world)
    assert world.simulator.calls[TOKEN] == fetched + 1
    states = world.rows("SELECT state, count(*) AS many FROM outbox GROUP BY state")
    assert [tuple(one) for one in states] == [("sent", 101)]
    assert [len(texts(world, name)) for name in names] == [1] * 100


# The disk


@pytest.mark.gen_test(timeout=20)
async def test_what_came_back_is_kept_until_it_can_be_written_down(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_quietly(world)
    world.simulator.faults.hang(TEMPLATE, times=1)
    notice_id = await put_one(world)
    await world.simulator.called(TEMPLATE)
    behind = await put_one(world)
    real, failures = door(world)._database.write, []

    async def write(work: Callable[..., Any]) -> Any:
        failures.append(1)
        raise StorageUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(door(world)._database, "write", write)
        world.simulator.faults.release()
        async with asyncio.timeout(5):
            while len(failures) < 2:  # the timer looks again
                await asyncio.wait([asyncio.create_task(courier(world)._anything_due())])
        assert [job.notice.id for job in courier(world)._back] == [notice_id]
    assert door(world)._database.write == real
    await rest(world)
    await later(world, 2)
    assert [(await found(world, one)).state for one in (notice_id, behind)] == ["sent"] * 2
    assert world.simulator.calls[TEMPLATE] == 3


@pytest.mark.gen_test(timeout=20)
async def test_a_surprise_in_a_turn_is_told_and_the_next_one_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    await open_quietly(world)
    broken = [ValueError("of our own")]
    real = outbox.claim_due

    def claim_due(*args: Any, **kwargs: Any) -> Any:
        if broken:
            raise broken.pop()
        return real(*args, **kwargs)

    monkeypatch.setattr(outbox, "claim_due", claim_due)
    notice_id = await put_one(world)
    await world.told("wang")
    await rest(world)
    assert (await found(world, notice_id)).state == "sent"
    assert any("stands still for a moment" in line for line in ear.lines)


@pytest.mark.gen_test(timeout=20)
async def test_a_notice_that_we_fail_at_is_set_aside_alone_and_tried_again_later(
    world: World, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    await open_quietly(world)
    names = await crowd(world, 3)
    real = door(world).choice
    broken = True

    def choice(conn: Any, notice: Any, *args: Any, **kwargs: Any) -> Any:
        if broken and notice.text == "odd":
            conn.execute("UPDATE outbox SET text = 'half done' WHERE number = ?", (notice.number,))
            raise ValueError("of our own")
        return real(conn, notice, *args, **kwargs)

    monkeypatch.setattr(door(world), "choice", choice)
    odd, *_ = await put(world, names[1], text="odd")
    after, *_ = await put(world, names[1], text="after it")
    others = await put(world, names[0], names[2])
    for name in (names[0], names[2]):
        await world.told(name)
    await rest(world)
    assert [(await found(world, one.id)).state for one in others] == ["sent"] * 2
    kept = await found(world, odd.id)
    assert (kept.state, kept.text, kept.attempts) == ("queued", "odd", 0)
    assert sum(f"notice {odd.id}: not begun" in line for line in ear.lines) == 1
    for seconds in (61, 62, 124, 248):  # as long again as it has waited, a minute at least
        await later(world, seconds)
    assert sum(f"notice {odd.id}: not begun" in line for line in ear.lines) == 5
    broken = False
    await later(world, module.LONGEST_PAUSE)
    assert [(await found(world, one.id)).state for one in (odd, after)] == ["sent"] * 2
    assert texts(world, names[1]) == ["odd", "after it"]


@pytest.mark.gen_test(timeout=20)
async def test_what_came_of_a_call_and_cannot_be_written_down_is_in_doubt_and_holds_up_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    await open_quietly(world)
    names = await crowd(world, 2)
    real = outbox.mark_sent
    broken = True

    def mark_sent(conn: Any, number: int, **kwargs: Any) -> None:
        real(conn, number, **kwargs)
        if broken and number == odd.number:
            raise KeyError("of our own")

    world.simulator.faults.delay(TEMPLATE, 10)
    monkeypatch.setattr(outbox, "mark_sent", mark_sent)
    odd, other = await put(world, *names)
    behind, *_ = await put(world, names[0], text="behind it")
    await world.simulator.called(TEMPLATE, 2)
    odd = await found(world, odd.id)
    world.simulator.faults.release()
    world.simulator.faults.clear()
    await rest(world)
    assert [(await found(world, one.id)).state for one in (odd, other)] == ["unknown", "sent"]
    assert any(f"notice {odd.id}: not written down" in line for line in ear.lines)
    assert door(world).settled["template", "sent"] == 2, "it is not counted as sent too"
    assert (await found(world, behind.id)).state == "sent"
    assert world.simulator.calls[TEMPLATE] == 3, "and it is not sent again"


@pytest.mark.gen_test(timeout=20)
async def test_a_statement_that_makes_no_sense_is_a_fault_of_ours_and_no_full_disk(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_quietly(world)
    names = await crowd(world, 2)
    real = door(world).choice

    def choice(conn: Any, notice: Any, *args: Any, **kwargs: Any) -> Any:
        if notice.text == "odd":
            conn.execute("SELECT no_such_column FROM outbox")
        return real(conn, notice, *args, **kwargs)

    monkeypatch.setattr(door(world), "choice", choice)
    odd, *_ = await put(world, names[0], text="odd")
    other, *_ = await put(world, names[1])
    await world.told(names[1])
    await rest(world)
    assert [(await found(world, one.id)).state for one in (odd, other)] == ["queued", "sent"]


@pytest.mark.gen_test(timeout=20)
async def test_whoever_fails_to_hear_of_a_change_keeps_nobody_else_from_it(
    world: World, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    await open_quietly(world)
    real = door(world).changed
    broken = [ValueError("of our own")]

    def changed(accounts: Any) -> None:
        if broken and row(world, first)["state"] == "failed":
            raise broken.pop()
        real(accounts)

    world.simulator.faults.answer(TEMPLATE, errcode=43004)
    first, behind = await put_one(world), await put_one(world)
    monkeypatch.setattr(door(world), "changed", changed)
    await rest(world)
    assert not broken and any("was not told" in line for line in ear.lines)
    assert [(await found(world, one)).state for one in (first, behind)] == ["failed"] * 2
    assert any(f"notice {behind} failed" in line for line in ear.lines), "an act that came after it"


# The stop


@pytest.mark.gen_test(timeout=20)
async def test_a_stop_lets_calls_finish_and_writes_them_down(world: World) -> None:
    await open_quietly(world)
    names = await crowd(world, 30)
    world.simulator.faults.delay(TEMPLATE, 0.3)
    await put(world, *names)
    await world.simulator.called(TEMPLATE, 20)
    await world.server.stop()
    rows = world.rows("SELECT state, count(*) AS many FROM outbox GROUP BY state ORDER BY state")
    assert [tuple(one) for one in rows] == [("queued", 10), ("sent", 20)]
    assert world.simulator.calls[TEMPLATE] == 20
    world.simulator.faults.clear()
    await world.start_server(**world.keys)
    await rest(world)
    assert [len(texts(world, name)) for name in names] == [1] * 30


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("channel", "state", "after"),
    [("template", "queued", "sent"), ("custom", "unknown", "unknown")],
)
async def test_what_hangs_at_the_stop_is_cut_off_and_stays_in_doubt(
    world: World, monkeypatch: pytest.MonkeyPatch, channel: str, state: str, after: str
) -> None:
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.3)
    await ready(world, channel)
    world.simulator.faults.hang(PATHS[channel])
    notice_id = await put_one(world)
    await world.simulator.called(PATHS[channel])
    behind = await put_one(world)
    async with asyncio.timeout(5):
        await world.server.stop()
    kept = row(world, notice_id)
    assert kept["state"] == state
    assert (kept["doubt_at"] is not None) is (channel == "template")
    assert row(world, behind)["state"] == "queued"
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await world.start_server(**world.keys)
    await later(world, 3)
    assert (await found(world, notice_id)).state == after
    assert (await found(world, behind)).state == "sent"


@pytest.mark.gen_test(timeout=20)
async def test_what_is_claimed_while_the_stop_begins_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_quietly(world)
    real = door(world)._database.write
    claimed, go_on = asyncio.Event(), asyncio.Event()

    async def write(work: Callable[..., Any]) -> Any:
        done = await real(work)
        if getattr(done, "jobs", None):
            claimed.set()
            await go_on.wait()
        return done

    with monkeypatch.context() as patched:
        patched.setattr(door(world)._database, "write", write)
        notice_id = await put_one(world)
        await claimed.wait()
        stop = asyncio.create_task(world.server.stop())
        await asyncio.wait([stop], timeout=0.1)
        go_on.set()
        await stop
    assert row(world, notice_id)["state"] == "sent"


@pytest.mark.gen_test(timeout=20)
async def test_a_stop_while_the_access_token_is_fetched_ends_in_time_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.3)
    await open_quietly(world)
    await sent(world)
    world.clock.advance(8000)
    world.simulator.faults.hang(TOKEN)
    notice_id = await put_one(world)
    await world.simulator.called(TOKEN, world.simulator.calls[TOKEN] + 1)
    async with asyncio.timeout(10):
        await world.server.stop()
    assert row(world, notice_id)["state"] == "queued"
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await world.start_server(**world.keys)
    await later(world, 3)
    assert (await found(world, notice_id)).state == "sent"


@pytest.mark.gen_test(timeout=20)
async def test_what_came_back_at_the_stop_and_could_not_be_written_down_is_settled_at_the_start(
    world: World, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    await open_quietly(world)
    world.simulator.faults.delay(TEMPLATE, 0.3)
    notice_id = await put_one(world)
    await world.simulator.called(TEMPLATE)

    async def write(work: Callable[..., Any]) -> Any:
        raise StorageUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(door(world)._database, "write", write)
        await courier(world).close()
        assert row(world, notice_id)["state"] == "sending"
        await world.server.stop()
    assert row(world, notice_id)["state"] == "sending"
    assert any("could not be written down" in line for line in ear.lines)
    world.simulator.faults.clear()
    await world.start_server(**world.keys)
    await rest(world)
    assert (await found(world, notice_id)).state == "sent"
    assert (len(texts(world)), world.simulator.world.repeats) == (1, 1)


@pytest.mark.gen_test(timeout=20)
async def test_receipts_and_sends_are_counted_with_their_channel(world: World) -> None:
    await open_quietly(world)
    world.simulator.pushes.receipt_status = "success"
    await writes(world)
    await put(world)
    await put(world, wish="template")
    await told_all(world)
    assert courier(world).calls == 2
    settled = {key: many for key, many in door(world).settled.items() if many}
    assert settled == {
        ("custom", "sent"): 1,
        ("template", "sent"): 1,
        ("template", "delivered"): 1,
    }
    assert world.simulator.calls[TEMPLATES] >= 1


# What a second look has found


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("ends", ["unfollow", "unbind", "refusal", "blocked"])
async def test_what_may_have_arrived_is_not_called_failed_by_what_comes_after(
    world: World, ends: str
) -> None:
    await open_quietly(world)
    world.simulator.faults.cut_reply(TEMPLATE)
    notice_id = await put_one(world)
    await world.simulator.called(TEMPLATE)
    await rest(world)
    assert (await found(world, notice_id)).doubt_at is not None
    if ends == "unfollow":
        await world.simulator.phone("wang").unfollow()
        await world.simulator.pushes.settled()
    elif ends == "unbind":
        world.rows("UPDATE bindings SET ended_at = 5")
    elif ends == "refusal":
        world.simulator.faults.answer(TEMPLATE, errcode=47003)
    else:
        world.simulator.faults.answer(TEMPLATE, errcode=43004)
    await later(world, 2)
    assert await stands(world, notice_id) == ("unknown", "doubt")


@pytest.mark.gen_test(timeout=20)
async def test_an_account_without_the_right_to_chat_messages_takes_the_template(
    world: World,
) -> None:
    await open_quietly(world)
    await writes(world)
    world.simulator.faults.answer(CUSTOM, errcode=48001, times=None)
    for _ in range(2):
        one = await sent(world)
        assert (one.state, one.channel, one.why) == ("sent", "template", "fell-over")
    assert world.simulator.calls[CUSTOM] == 1, "it is not asked each time"
    asked_for = await sent(world, wish="custom")
    assert (asked_for.state, asked_for.reason, asked_for.errcode) == ("failed", "platform", 48001)
    world.clock.advance(HOUR)
    await writes(world)
    await sent(world)
    assert world.simulator.calls[CUSTOM] == 3, "the right may have been given meanwhile"


@pytest.mark.gen_test(timeout=20)
async def test_an_account_that_is_disabled_meanwhile_gets_no_call(world: World) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    one = await sent(world)
    world.rows("UPDATE accounts SET disabled_at = 5 WHERE name = 'ann'")
    calls = world.simulator.calls[TEMPLATE]
    await later(world, 91)
    assert await stands(world, one.id) == ("failed", "disabled")
    assert world.simulator.calls[TEMPLATE] == calls


@pytest.mark.gen_test(timeout=20)
async def test_what_waits_for_a_quota_says_so_and_a_restart_asks_again(world: World) -> None:
    await open_quietly(world)
    names = await crowd(world, 2)
    world.simulator.faults.answer(TEMPLATE, errcode=45009)
    first = await sent(world)
    (second,) = await put(world, names[0])
    await rest(world)
    for notice_id in (first.id, second.id):
        one = await found(world, notice_id)
        assert (one.state, one.errcode) == ("queued", 45009)
        assert reason.explain(one) == errcode.explain(45009)
    assert (await found(world, second.id)).attempts == 0, "no call was made for it"
    (seconds, why), *_ = courier(world).pauses().values()
    assert seconds > 60 and why == 45009
    verbose = (await world.look("/readyz?verbose")).body.decode()
    assert "sending as template pauses for" in verbose and errcode.explain(45009).cure in verbose
    metrics = (await world.look("/metrics")).body.decode()
    assert 'wxbind_sending_paused{channel="template"}' in metrics
    await world.restart_server()
    await rest(world)
    assert [(await found(world, each)).state for each in (first.id, second.id)] == ["sent"] * 2
    assert courier(world).pauses() == {}


@pytest.mark.gen_test(timeout=20)
async def test_where_no_call_was_made_none_is_counted(world: World) -> None:
    await open_quietly(world, notice_template="")
    one = await sent(world)
    assert (one.state, one.reason, one.attempts) == ("failed", "window-closed", 0)


@pytest.mark.gen_test(timeout=20)
async def test_what_waits_for_another_wechat_account_is_not_sent_by_this_one(world: World) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    one = await sent(world)
    world.rows("UPDATE outbox SET app_id = 'wx-other'")
    calls = world.simulator.calls[TEMPLATE]
    await later(world, 91)
    assert await stands(world, one.id) == ("failed", "unbound")
    assert world.simulator.calls[TEMPLATE] == calls
