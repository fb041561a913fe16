"""The JS ticket: fetched when it is wanted, by one at a time, and kept while it lasts."""

import asyncio
import logging

import pytest

from wx.errors import PlatformError, Remedy
from wx.wechat import js_ticket as module
from wx.wechat.client import Client
from wx.wechat.js_ticket import JsTicketKeeper

PATH = "/cgi-bin/ticket/getticket"


@pytest.fixture
def tickets(io_loop, client, clock):
    made = JsTicketKeeper(client, clock)
    yield made
    io_loop.run_sync(made.close)


@pytest.fixture
def odd_tickets(io_loop, platform, transports, keeper, clock):
    made = JsTicketKeeper(Client(transports(platform.base), keeper), clock)
    yield made
    io_loop.run_sync(made.close)


@pytest.mark.gen_test
async def test_it_is_fetched_once_and_kept(simulator, tickets):
    assert not tickets.held
    ticket = await tickets.get()
    assert ticket in simulator.world.js_tickets
    assert tickets.held
    assert await tickets.get() == ticket
    assert simulator.calls[PATH] == 1


@pytest.mark.gen_test
async def test_what_is_asked_is_what_the_platform_wants(platform, odd_tickets, keeper):
    platform.reply = {"errcode": 0, "errmsg": "ok", "ticket": "t", "expires_in": 7200}
    assert await odd_tickets.get() == "t"
    [request] = platform.requests
    assert (request.method, request.path) == ("GET", PATH)
    token = (await keeper.get()).encode()
    assert request.arguments == {"type": [b"jsapi"], "access_token": [token]}


@pytest.mark.gen_test
async def test_whoever_never_uses_one_spends_no_call(simulator, tickets, clock):
    for _ in range(5):
        await tickets.refresh_if_due()
        clock.advance(7200)
    assert simulator.calls[PATH] == 0


@pytest.mark.parametrize(("lifetime", "due"), [(7200, 6900), (1200, 900), (500, 250), (100, 50)])
@pytest.mark.gen_test
async def test_it_is_renewed_early_while_it_is_used(platform, odd_tickets, clock, lifetime, due):
    tickets = odd_tickets

    async def reply(handler):
        handler.write({"ticket": f"t{len(platform.requests)}", "expires_in": lifetime})

    platform.reply = reply
    await tickets.get()
    await tickets.get()
    clock.advance(due - 1)
    await tickets.refresh_if_due()
    assert len(platform.requests) == 1
    clock.advance(1)
    await tickets.refresh_if_due()
    assert len(platform.requests) == 2
    clock.advance(lifetime - due)
    assert tickets.held, "nobody who uses it waits when the first one has ended"
    assert await tickets.get() == "t2"


@pytest.mark.gen_test
async def test_a_platform_that_gives_the_same_one_is_asked_once_more_and_at_its_end(
    simulator, tickets, clock
):
    first = await tickets.get()
    for _ in range(7199):
        assert await tickets.get() == first
        clock.advance(1)
        await tickets.refresh_if_due()
    assert simulator.calls[PATH] == 2
    clock.advance(1)
    assert await tickets.get() != first
    assert simulator.calls[PATH] == 3


@pytest.mark.gen_test
async def test_one_that_is_not_used_any_more_is_let_go(simulator, tickets, clock):
    await tickets.get()
    clock.advance(7000)
    await tickets.refresh_if_due()
    clock.advance(200)
    await tickets.refresh_if_due()
    assert not tickets.held
    assert simulator.calls[PATH] == 1
    await tickets.get()
    assert simulator.calls[PATH] == 2


@pytest.mark.gen_test
async def test_a_thousand_who_want_it_together_cause_one_fetch(platform, odd_tickets):
    async def reply(handler):
        await platform.released.wait()
        handler.write({"ticket": "t", "expires_in": 7200})

    platform.reply = reply
    waiting = [asyncio.create_task(odd_tickets.get()) for _ in range(1000)]
    await platform.asked.wait()
    waiting[0].cancel()  # and one who goes away does not take it from the others
    await asyncio.sleep(0)
    platform.released.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == ["t"] * 999
    assert len(platform.requests) == 1


@pytest.mark.gen_test
async def test_a_dead_access_token_is_replaced_once(simulator, tickets, keeper, clock):
    await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens()
    assert await tickets.get() in simulator.world.js_tickets
    assert simulator.calls[PATH] == 2


@pytest.mark.gen_test
async def test_after_a_failure_the_next_one_is_fetched_after_a_pause(simulator, tickets, clock):
    simulator.faults.answer(PATH, errcode=-1, times=None)
    for _ in range(3):
        with pytest.raises(PlatformError) as caught:
            await tickets.get()
        assert caught.value.errcode == -1
    assert simulator.calls[PATH] == 1, "asked again at once, it is not asked for again"
    for calls, pause in enumerate(module.RETRY_SECONDS, 1):
        assert simulator.calls[PATH] == calls
        clock.advance(pause * 0.74)
        with pytest.raises(PlatformError):
            await tickets.get()
        assert simulator.calls[PATH] == calls
        clock.advance(pause * 0.52)
        with pytest.raises(PlatformError):
            await tickets.get()
    simulator.faults.clear()
    clock.advance(module.RETRY_SECONDS[-1] * 1.26)
    assert await tickets.get()


@pytest.mark.parametrize("errcode", [48001, 45009, 40013])
@pytest.mark.gen_test
async def test_what_will_not_change_soon_is_not_asked_again_soon(
    simulator, tickets, clock, errcode
):
    simulator.faults.answer(PATH, errcode=errcode, times=None)
    for _ in range(4):
        with pytest.raises(PlatformError) as caught:
            await tickets.get()
        assert caught.value.errcode == errcode
        clock.advance(100)
    assert simulator.calls[PATH] == 1
    clock.advance(module.REFUSED_SECONDS)
    with pytest.raises(PlatformError):
        await tickets.get()
    assert simulator.calls[PATH] == 2


@pytest.mark.gen_test
async def test_a_failure_is_told_once_for_each_fetch_and_each_caller_gets_its_own_error(
    simulator, tickets, caplog
):
    simulator.faults.answer(PATH, errcode=48001, times=None)
    found = await asyncio.gather(*(tickets.get() for _ in range(5)), return_exceptions=True)
    assert {error.errcode for error in found} == {48001}
    later = []
    for _ in range(5):
        with pytest.raises(PlatformError) as caught:
            await tickets.get()
        later.append(caught.value)
    assert len({id(error) for error in later}) == 5, "one that is kept would gather all the frames"
    assert {str(error) for error in later} == {str(found[0])}
    assert caplog.text.count("JS ticket not fetched") == simulator.calls[PATH] == 1


@pytest.mark.gen_test
async def test_a_renewal_that_fails_keeps_the_present_one_and_says_so(
    simulator, tickets, clock, caplog
):
    caplog.set_level(logging.WARNING)
    first = await tickets.get()
    await tickets.get()
    clock.advance(6900)
    simulator.faults.answer(PATH, errcode=-1, times=3)
    await tickets.refresh_if_due()
    await tickets.refresh_if_due()
    assert await tickets.get() == first
    assert simulator.calls[PATH] == 2, "the timer keeps the pauses too"
    [line] = [one.getMessage() for one in caplog.records]
    assert "the present one still holds" in line and first not in line


@pytest.mark.parametrize(
    "answer",
    [
        {"errcode": 0, "errmsg": "ok"},
        {"ticket": "", "expires_in": 7200},
        {"ticket": ["t"], "expires_in": 7200},
        {"ticket": "a b", "expires_in": 7200},
        {"ticket": "t" * 513, "expires_in": 7200},
        {"ticket": "t"},
        {"ticket": "t", "expires_in": 0},
        {"ticket": "t", "expires_in": "7200"},
        {"ticket": "t", "expires_in": 10**12},
        b"<html>",
    ],
)
@pytest.mark.gen_test
async def test_an_odd_answer_is_none(platform, odd_tickets, answer):
    platform.reply = answer
    with pytest.raises(PlatformError) as caught:
        await odd_tickets.get()
    assert caught.value.remedy is Remedy.RETRY
    assert not odd_tickets.held


@pytest.mark.gen_test
async def test_nobody_waits_for_ever(simulator, tickets, monkeypatch):
    monkeypatch.setattr(module, "FETCH_SECONDS", 0.1)
    simulator.faults.hang(PATH)
    with pytest.raises(PlatformError) as caught:
        await tickets.get()
    assert caught.value.errmsg == "no answer in time"


@pytest.mark.gen_test
async def test_closing_ends_a_fetch(platform, odd_tickets):
    async def reply(handler):
        await platform.released.wait()

    platform.reply = reply
    waiting = asyncio.create_task(odd_tickets.get())
    await platform.asked.wait()
    await odd_tickets.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.gen_test
async def test_one_that_a_page_doubts_is_replaced_once_it_is_not_new(simulator, tickets, clock):
    first = await tickets.get()
    simulator.faults.kill_js_tickets()
    clock.advance(module.DOUBT_SECONDS - 1)
    for _ in range(3):
        tickets.doubt()
        assert await tickets.get() == first
    clock.advance(1)
    tickets.doubt()
    second = await tickets.get()
    assert second != first
    for _ in range(3):
        tickets.doubt()
        assert await tickets.get() == second
    assert simulator.calls[PATH] == 2


@pytest.mark.gen_test
async def test_one_that_a_page_doubts_serves_on_while_no_other_can_be_had(
    simulator, tickets, clock
):
    first = await tickets.get()
    simulator.faults.kill_js_tickets()
    simulator.faults.answer(PATH, errcode=45009, times=None)
    clock.advance(module.DOUBT_SECONDS)
    for _ in range(3):
        tickets.doubt()
        assert await tickets.get() == first
    assert simulator.calls[PATH] == 2, "tried for once"
    clock.advance(module.REFUSED_SECONDS * 1.3)
    assert await tickets.get() == first
    assert simulator.calls[PATH] == 2, "and not without a new doubt"
    tickets.doubt()
    assert await tickets.get() == first
    assert simulator.calls[PATH] == 3
    simulator.faults.clear()
    clock.advance(module.REFUSED_SECONDS * 1.3)
    tickets.doubt()
    assert await tickets.get() != first


@pytest.mark.gen_test
async def test_doubts_cost_a_bounded_number_of_calls_a_day(
    platform, odd_tickets, clock, monkeypatch
):
    monkeypatch.setattr(module, "DOUBTS_PER_DAY", 3)

    async def reply(handler):
        handler.write({"ticket": f"t{len(platform.requests)}", "expires_in": 7200})

    platform.reply = reply
    clock.advance(86400 - (clock.now() + 8 * 3600) % 86400)  # midnight in China
    await odd_tickets.get()
    for _ in range(6):
        clock.advance(module.DOUBT_SECONDS)
        odd_tickets.doubt()
        await odd_tickets.get()
    assert len(platform.requests) == 1 + 3
    clock.advance(86400 - 6 * module.DOUBT_SECONDS)
    await odd_tickets.get()
    clock.advance(module.DOUBT_SECONDS)
    odd_tickets.doubt()
    await odd_tickets.get()
    assert len(platform.requests) == 1 + 3 + 2, "the next day has its own"


@pytest.mark.gen_test
async def test_its_letters_stand_in_no_log_line(simulator, tickets, caplog):
    caplog.set_level(logging.DEBUG)
    ticket = await tickets.get()
    assert "JS ticket fetched, 7200 s to its end" in caplog.text
    assert ticket not in caplog.text
