"""The courier when things break: calls in doubt, crashes, clocks, the disk, faults of our own, the
stop."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.sending import (
    CUSTOM,
    SUBSCRIBE,
    TEMPLATE,
    TOKEN,
    courier,
    crowd,
    door,
    fails,
    found,
    join,
    later,
    open_quietly,
    put,
    put_one,
    ready,
    rest,
    row,
    sent,
    stands,
    texts,
    way,
    writes,
    written,
)
from tests.world import World
from wx.errors import StorageUnavailable
from wx.service import courier as module
from wx.store import outbox

HOUR, DAY = 3600, 86400
PATHS = {"template": TEMPLATE, "custom": CUSTOM, "subscribe": SUBSCRIBE}


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
