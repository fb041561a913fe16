"""The courier: order, ways, refusals, retries, quotas."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.sending import (
    CUSTOM,
    SUBSCRIBE,
    TEMPLATE,
    TEMPLATES,
    TOKEN,
    courier,
    crowd,
    door,
    fails,
    follower,
    found,
    join,
    later,
    open_quietly,
    put,
    put_one,
    ready,
    rest,
    sent,
    stands,
    texts,
    told_all,
    writes,
)
from tests.world import World
from wx.protocol import errcode
from wx.service import courier as module
from wx.service import reason

HOUR, DAY = 3600, 86400
PATHS = {"template": TEMPLATE, "custom": CUSTOM, "subscribe": SUBSCRIBE}


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


@pytest.mark.gen_test(timeout=20)
async def test_where_no_call_was_made_none_is_counted(world: World) -> None:
    await open_quietly(world, notice_template="")
    one = await sent(world)
    assert (one.state, one.reason, one.attempts) == ("failed", "window-closed", 0)


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


# What is tried again


def test_pauses_grow_are_spread_and_end_at_an_hour() -> None:
    for attempts, seconds in ((1, 1), (2, 2), (3, 4), (11, 1024), (12, 2048), (13, 3600)):
        pauses = {module._pause(attempts) for _ in range(200)}
        assert 0.75 * seconds <= min(pauses) < 0.85 * seconds, attempts
        assert 1.15 * seconds < max(pauses) <= 1.25 * seconds, attempts
    assert 2700 <= module._pause(10_000) <= 4500
    assert 0.75 <= module._pause(0) <= 1.25


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
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE accounts SET disabled_at = 5 WHERE name = 'ann'", "disabled"),
        ("UPDATE outbox SET app_id = 'wx-other'", "unbound"),  # for another WeChat account
        ("UPDATE outbox SET binding_id = NULL, follower_id = 999", "unbound"),  # was forgotten
    ],
)
async def test_whoever_is_taken_away_meanwhile_gets_no_call(
    world: World, change: str, why: str
) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    one = await sent(world)
    world.rows(change)
    calls = world.simulator.calls[TEMPLATE]
    await later(world, 91)
    assert await stands(world, one.id) == ("failed", why)
    assert world.simulator.calls[TEMPLATE] == calls


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
