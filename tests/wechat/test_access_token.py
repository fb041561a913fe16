"""The access token: fetched by one at a time, kept while it lasts, replaced before it ends."""

import asyncio
import contextlib
import itertools
import logging

import pytest

from wx.errors import PlatformError, Remedy
from wx.simulator.template import SAMPLE
from wx.wechat import access_token as module

STABLE, CLASSIC = "/cgi-bin/stable_token", "/cgi-bin/token"


@pytest.mark.gen_test
async def test_the_stable_call_gives_the_one_token_of_all_programs(simulator, keepers):
    one, other = keepers(), keepers()
    assert not one.held
    token = await one.get()
    assert token in simulator.world.tokens and token.startswith("75_")
    assert one.held
    assert await one.get() == await other.get() == token
    assert simulator.calls == {STABLE: 2}


@pytest.mark.gen_test
async def test_the_classic_call_can_be_chosen(simulator, keepers):
    token = await keepers(mode="classic").get()
    assert token.startswith("74_")
    assert simulator.calls == {CLASSIC: 1}


@pytest.mark.gen_test
async def test_what_is_sent_is_what_the_platform_wants(platform, keepers):
    platform.reply = {"access_token": "t", "expires_in": 7200}
    assert await keepers(base=platform.base).get() == "t"
    assert await keepers(base=platform.base, mode="classic").get() == "t"
    stable, classic = platform.requests
    assert (stable.method, stable.uri) == ("POST", STABLE), "the secret is not in the address"
    assert b'"grant_type": "client_credential"' in stable.body
    assert b"force_refresh" not in stable.body, "other programs are not cut off"
    assert (classic.method, classic.path) == ("GET", CLASSIC)
    assert set(classic.arguments) == {"grant_type", "appid", "secret"}


@pytest.mark.parametrize(("lifetime", "due"), [(7200, 6960), (600, 360), (345, 172.5), (100, 50)])
@pytest.mark.gen_test
async def test_the_next_one_is_fetched_before_the_returned_lifetime_ends(
    simulator, keeper, clock, lifetime, due
):
    simulator.world.token_seconds = lifetime
    first = await keeper.get()
    clock.advance(due - 1)
    await keeper.refresh_if_due()
    assert simulator.calls[STABLE] == 1
    clock.advance(1)
    await keeper.refresh_if_due()
    assert simulator.calls[STABLE] == 2
    if lifetime >= 600:
        assert await keeper.get() != first, "so late that the platform gives the next one"


@pytest.mark.gen_test
async def test_the_first_one_is_due_at_once(simulator, keeper):
    await keeper.refresh_if_due()
    assert keeper.held
    await keeper.refresh_if_due()
    assert simulator.calls[STABLE] == 1


@pytest.mark.gen_test
async def test_one_that_has_ended_is_not_given(simulator, keeper, clock):
    first = await keeper.get()
    clock.advance(7199)
    assert keeper.held
    clock.advance(1)
    assert not keeper.held
    assert await keeper.get() != first


@pytest.mark.gen_test(timeout=30)
async def test_a_thousand_calls_whose_token_died_cause_one_fetch(
    simulator, keeper, client, clock, caplog
):
    await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens()
    path = "/cgi-bin/message/template/send"
    fields = {name: {"value": "2027-01-15 08:00"} for name in SAMPLE.keywords}
    openid = simulator.world.people["wang"].openid
    body = {"touser": openid, "template_id": SAMPLE.id, "data": fields}
    before = simulator.calls[STABLE]
    answers = await asyncio.gather(*(client.post(path, body) for _ in range(1000)))
    assert len({answer["msgid"] for answer in answers}) == 1000
    assert simulator.calls[path] == 2000, "each was refused once, and tried once more"
    assert simulator.calls[STABLE] - before == 1
    warnings = [one for one in caplog.records if "refused the access token" in one.getMessage()]
    assert len(warnings) == 1


@pytest.mark.gen_test
async def test_the_current_one_is_given_with_the_seconds_to_its_end(simulator, keeper, clock):
    token, seconds = await keeper.current()
    assert (token, seconds) == (await keeper.get(), 7200)
    assert isinstance(seconds, int)
    clock.advance(100.4)
    assert await keeper.current() == (token, 7099)
    clock.advance(7099)
    assert await keeper.current() == (token, 0)
    clock.advance(1)
    other, seconds = await keeper.current()
    assert other != token and seconds == 7200
    assert simulator.calls[STABLE] == 2


@pytest.mark.gen_test
async def test_a_current_one_that_cannot_be_had_is_a_platform_error(simulator, keeper):
    simulator.faults.answer(STABLE, errcode=40125)
    with pytest.raises(PlatformError) as caught:
        await keeper.current()
    assert caught.value.errcode == 40125


# The thief


def thefts(caplog):
    """What the log says of another program, and what else of refusals."""
    refusals = [one for one in caplog.records if "refused the access token" in one.getMessage()]
    loud = [one for one in refusals if one.levelno >= logging.WARNING]
    return [one.getMessage() for one in loud if "another program" in one.getMessage()], refusals


@pytest.mark.gen_test
async def test_a_token_that_dies_early_was_taken_by_another_program(
    simulator, keeper, clock, caplog
):
    first = await keeper.get()
    assert (keeper.stolen, keeper.stolen_today) == (0, 0)
    clock.advance(10)
    # Another program, which makes the platform mint one at once.
    simulator.faults.kill_access_tokens()
    assert await keeper.replace(first, 40001) != first
    assert (keeper.stolen, keeper.stolen_today) == (1, 1)
    [line], refusals = thefts(caplog)
    assert "(1 today)" in line
    assert "stable_token" in line and "GET /api/wechat/access_token" in line
    assert len(refusals) == 1


@pytest.mark.gen_test(timeout=30)
async def test_of_a_thousand_refused_callers_one_tells_of_the_thief(
    simulator, keeper, client, clock
):
    await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens()
    openid = simulator.world.people["wang"].openid
    calls = (client.get("/cgi-bin/user/info", {"openid": openid}) for _ in range(1000))
    assert len(await asyncio.gather(*calls)) == 1000
    assert (keeper.stolen, simulator.calls[STABLE]) == (1, 2)


@pytest.mark.parametrize("refusal", [None, 40014, 42001])
@pytest.mark.gen_test
async def test_another_refusal_is_nobody_s_fault(simulator, keeper, clock, caplog, refusal):
    first = await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens()
    await keeper.replace(first, refusal)
    assert (keeper.stolen, keeper.stolen_today) == (0, 0)
    told, refusals = thefts(caplog)
    assert told == [] and len(refusals) == 1


@pytest.mark.parametrize(
    ("age", "stolen"), [(0, 0), (5, 0), (5.1, 1), (6899, 1), (6900, 0), (7199, 0)]
)
@pytest.mark.gen_test
async def test_neither_a_fresh_one_nor_one_that_ends_soon_was_taken(
    simulator, keeper, clock, monkeypatch, age, stolen
):
    monkeypatch.setattr(module, "FETCH_PAUSE_SECONDS", 0)
    first = await keeper.get()
    clock.advance(age)
    simulator.faults.kill_access_tokens()
    await keeper.replace(first, 40001)
    assert keeper.stolen == stolen


@pytest.mark.gen_test
async def test_one_that_was_replaced_by_ourselves_was_not_taken(simulator, keepers, clock):
    keeper = keepers(mode="classic")
    first = await keeper.get()
    clock.advance(6960)
    await keeper.refresh_if_due()
    second = await keeper.get()
    clock.advance(301)
    assert first != second
    assert await keeper.replace(first, 40001) == second
    assert keeper.stolen == 0


@pytest.mark.gen_test
async def test_a_thief_who_comes_again_is_told_of_once_an_hour(simulator, keeper, clock, caplog):
    caplog.set_level(logging.INFO)
    for number in range(1, 8):
        token = await keeper.get()
        clock.advance(600)
        simulator.faults.kill_access_tokens()
        await keeper.replace(token, 40001)
        assert keeper.stolen == number
    told, refusals = thefts(caplog)
    assert ["(1 today)" in one or "(7 today)" in one for one in told] == [True, True]
    assert len(refusals) == 7


# A storm: new ones are refused too

SEND = "/cgi-bin/message/custom/send"


class Storm:
    """Callers whose access tokens are all refused; nobody waits in real time."""

    def __init__(self, keepers, platform, clock, monkeypatch):
        monkeypatch.setattr(module, "WAIT_SECONDS", 0)
        monkeypatch.setattr(platform, "reply", self._reply)
        self.keeper = keepers(base=platform.base)
        self.fetched_at = []
        self._clock = clock

    async def _reply(self, handler):
        self.fetched_at.append(self._clock.monotonic())
        handler.write({"access_token": f"t{len(self.fetched_at)}", "expires_in": 7200})

    async def call(self):
        """One caller, who is refused with the token that it gets."""
        token = await self.keeper.get()
        await self.keeper.replace(token, 40001, "invalid credential")

    @property
    def pauses(self):
        """Seconds between the fetches."""
        return [after - at for at, after in itertools.pairwise(self.fetched_at)]


@pytest.fixture
def storm(keepers, platform, clock, monkeypatch):
    return Storm(keepers, platform, clock, monkeypatch)


async def lasts(storm, clock, seconds, *, step, timer=True):
    """Let callers come every ``step`` seconds, as the timer does, and be refused."""
    for _ in range(int(seconds / step)):
        with contextlib.suppress(PlatformError):
            await storm.call()
        clock.advance(step)
        if timer:
            await storm.keeper.refresh_if_due()


@pytest.mark.gen_test(timeout=30)
async def test_each_new_one_that_does_not_help_doubles_the_pause_before_the_next(storm, clock):
    await lasts(storm, clock, 3600, step=1)
    assert storm.pauses[:10] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600]
    assert set(storm.pauses[10:]) == {600}


@pytest.mark.parametrize("timer", [True, False])
@pytest.mark.parametrize("step", [3, 30, 59, 61, 90, 431, 601])
@pytest.mark.gen_test(timeout=60)
async def test_a_day_of_refusals_does_not_take_the_day_s_fetches(storm, clock, step, timer):
    await lasts(storm, clock, 86400, step=step, timer=timer)
    assert len(storm.fetched_at) < 200
    assert storm.keeper._fetches.maxlen == 200


@pytest.mark.gen_test
async def test_while_a_long_pause_runs_callers_are_refused_at_once(
    simulator, keeper, client, clock, io_loop
):
    await keeper.get()
    clock.advance(1000)
    simulator.faults.answer(SEND, errcode=40001, times=None)
    before = simulator.calls[STABLE]
    for number in range(2):
        with pytest.raises(PlatformError) as caught:
            await client.post(SEND, {})
        assert (caught.value.path, caught.value.unsent) == (SEND, False)
        assert caught.value.remedy is Remedy.NEW_ACCESS_TOKEN
        assert simulator.calls[STABLE] == before + number + 1, "one fetch, one new try"
        clock.advance(4)
    clock.advance(-3)
    sent = simulator.calls[SEND]
    began = io_loop.time()
    for _ in range(3):  # the first is refused by the platform, the others have no token
        with pytest.raises(PlatformError) as caught:
            await client.post(SEND, {})
        assert (caught.value.path, caught.value.unsent) == (STABLE, True)
        assert (caught.value.remedy, caught.value.errcode) == (Remedy.RETRY, 40001)
        assert "invalid credential" in caught.value.errmsg
    assert io_loop.time() - began < 1
    assert not keeper.held
    assert (simulator.calls[SEND], simulator.calls[STABLE]) == (sent + 1, before + 2)


@pytest.mark.gen_test(timeout=20)
async def test_a_pause_of_a_few_seconds_is_waited_for(
    simulator, keeper, clock, monkeypatch, io_loop
):
    monkeypatch.setattr(module, "FETCH_PAUSE_SECONDS", 0.1)
    token = await keeper.get()
    began = io_loop.time()
    for _ in range(3):
        token = await keeper.replace(token, 40001)
        clock.advance(0.001)
    assert 0.69 <= io_loop.time() - began < 2
    assert simulator.calls[STABLE] == 4


@pytest.mark.gen_test
async def test_a_good_one_heals_within_one_pause(storm, clock):
    await lasts(storm, clock, 3600, step=1)
    assert not storm.keeper.held
    count = len(storm.fetched_at)
    # Nobody asks: the timer fetches when the pause ends.
    for _ in range(600):
        clock.advance(1)
        await storm.keeper.refresh_if_due()
    assert storm.keeper.held and len(storm.fetched_at) == count + 1
    good = await storm.keeper.get()
    storm.keeper.accepted(good)
    await storm.keeper.refresh_if_due()
    assert await storm.keeper.get() == good
    assert len(storm.fetched_at) == count + 1


@pytest.mark.gen_test
async def test_one_that_has_helped_brings_the_short_pause_back(storm, clock):
    await lasts(storm, clock, 3600, step=1)
    clock.advance(600)
    token = await storm.keeper.get()
    clock.advance(59)
    storm.keeper.accepted(token)
    clock.advance(1)
    storm.keeper.accepted("another")
    with pytest.raises(PlatformError):
        await storm.keeper.replace(token, 40001)
    clock.advance(600)
    token = await storm.keeper.get()
    clock.advance(60)
    storm.keeper.accepted(token)
    count = len(storm.fetched_at)
    assert await storm.keeper.replace(token, 40001) != token
    assert len(storm.fetched_at) == count + 1
    await lasts(storm, clock, 100, step=1)
    assert storm.pauses[count:][:4] == [2, 4, 8, 16]


@pytest.mark.gen_test
async def test_a_call_that_is_answered_proves_the_access_token(
    simulator, keeper, client, clock, monkeypatch
):
    openid = simulator.world.people["wang"].openid
    first = await keeper.get()
    clock.advance(60)
    simulator.faults.answer("/cgi-bin/user/info", errcode=40001, times=1)
    await client.get("/cgi-bin/user/info", {"openid": openid})
    keeper._in_vain = 5
    await client.get("/cgi-bin/user/info", {"openid": openid})
    assert keeper._in_vain == 5, "it is new"
    clock.advance(60)
    await client.get("/cgi-bin/user/info", {"openid": openid})
    assert keeper._in_vain == 0
    simulator.faults.kill_access_tokens()
    assert await keeper.replace(await keeper.get(), 40001) != first


@pytest.mark.gen_test
async def test_a_fetch_that_fails_in_a_storm_is_tried_again_like_any_other(
    storm, platform, clock, monkeypatch
):
    await lasts(storm, clock, 3600, step=1)
    with monkeypatch.context() as patch:
        patch.setattr(platform, "reply", {"errcode": -1, "errmsg": "system error"})
        clock.advance(600)
        await storm.keeper.refresh_if_due()
        with pytest.raises(PlatformError) as caught:
            await storm.keeper.get()
        assert caught.value.errcode == -1
    clock.advance(3)
    await storm.keeper.refresh_if_due()
    assert storm.keeper.held


@pytest.mark.gen_test
async def test_a_storm_is_told_of_once_in_full_and_once_for_each_pause(storm, clock, caplog):
    caplog.set_level(logging.INFO)
    await lasts(storm, clock, 3600, step=1)
    lines = [one for one in caplog.records if "refuses new access tokens too" in one.getMessage()]
    assert len(lines) == len(storm.fetched_at)
    assert all(one.levelno == logging.WARNING for one in lines)
    told = [one.getMessage() for one in lines]
    cures = [one for one in told if "stable_token" in one and "check app_secret" in one]
    assert cures == told[:1], "what to do about it"
    assert "6 in a row: none is held, and the next is fetched in 64 s" in told[5]
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == lines
    caplog.clear()
    clock.advance(600)
    token = await storm.keeper.get()
    clock.advance(100)
    storm.keeper.accepted(token)
    await lasts(storm, clock, 20, step=1)
    told = [one.getMessage() for one in caplog.records if "too" in one.getMessage()]
    assert ["check app_secret" in one for one in told] == [True, False, False, False]


@pytest.mark.gen_test
async def test_a_day_s_count_ends_at_midnight_in_china(simulator, keeper, clock):
    # 2027-01-15 08:00 UTC: eight hours before midnight there.
    assert clock.now() == 1_800_000_000
    for _ in range(2):
        token = await keeper.get()
        clock.advance(1000)
        simulator.faults.kill_access_tokens()
        await keeper.replace(token, 40001)
    assert (keeper.stolen, keeper.stolen_today) == (2, 2)
    clock.advance(8 * 3600 - 2000 - 1)
    assert keeper.stolen_today == 2
    clock.advance(1)
    assert (keeper.stolen, keeper.stolen_today) == (2, 0)
    token = await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens()
    await keeper.replace(token, 40001)
    assert (keeper.stolen, keeper.stolen_today) == (3, 1)


@pytest.mark.gen_test
async def test_only_the_one_that_is_held_is_replaced(simulator, keeper, clock):
    first = await keeper.get()
    clock.advance(10)
    assert await keeper.replace("another") == first
    assert simulator.calls[STABLE] == 1
    simulator.faults.kill_access_tokens()
    second = await keeper.replace(first)
    assert second != first
    assert await keeper.replace(first) == second
    assert simulator.calls[STABLE] == 2


@pytest.mark.gen_test
async def test_a_failing_refresh_keeps_the_present_one_and_comes_back_ever_later(
    simulator, keeper, clock, caplog
):
    first = await keeper.get()
    clock.advance(7200 - 240)
    simulator.faults.answer(STABLE, errcode=-1, times=None)
    await keeper.refresh_if_due()
    assert (simulator.calls[STABLE], keeper.held) == (2, True)
    assert await keeper.get() == first
    message = caplog.records[-1].getMessage()
    assert message.startswith("access token not refreshed (the present one still holds): ")
    for number, seconds in enumerate((2, 5, 15, 30, 60, 60), 3):
        clock.advance(seconds * 0.74)
        await keeper.refresh_if_due()
        assert simulator.calls[STABLE] == number - 1
        clock.advance(seconds * 0.52)
        await keeper.refresh_if_due()
        assert simulator.calls[STABLE] == number
    clock.advance(60)
    simulator.faults.clear()
    clock.advance(60)
    await keeper.refresh_if_due()
    assert keeper.held and await keeper.get() != first


@pytest.mark.gen_test
async def test_without_one_a_failure_comes_out_and_the_next_try_waits(simulator, keeper, clock):
    simulator.faults.answer(STABLE, errcode=-1)
    for _ in range(3):
        with pytest.raises(PlatformError) as caught:
            await keeper.get()
        assert caught.value.errcode == -1
        clock.advance(0.9)
    assert simulator.calls[STABLE] == 1, "at most one in two seconds"
    assert await keeper.get()


@pytest.mark.gen_test
async def test_each_caller_gets_an_error_of_its_own(simulator, keeper):
    """One that is kept would gather the frames of all who get it."""
    simulator.faults.answer(STABLE, errcode=40125, times=None)
    found = []
    for _ in range(4):
        with pytest.raises(PlatformError) as caught:
            await keeper.get()
        found.append(caught.value)
    assert len({id(error) for error in found}) == 4
    assert len({(str(error), error.remedy, error.unsent) for error in found}) == 1
    assert simulator.calls[STABLE] == 1


@pytest.mark.gen_test
async def test_a_failure_that_is_over_is_forgotten(simulator, keeper, clock, monkeypatch):
    simulator.faults.answer(STABLE, errcode=-1, times=3)
    for _ in range(3):
        await keeper.refresh_if_due()
        clock.advance(30)
    first = await keeper.get()
    simulator.faults.kill_access_tokens()
    monkeypatch.setattr(module, "FETCH_PAUSE_SECONDS", 0.001)
    assert await keeper.replace(first) != first
    clock.advance(6960)
    simulator.faults.answer(STABLE, errcode=-1)
    await keeper.refresh_if_due()
    before = simulator.calls[STABLE]
    clock.advance(2 * 1.26)
    await keeper.refresh_if_due()
    assert simulator.calls[STABLE] == before + 1, "two seconds after the first failure again"


@pytest.mark.gen_test
async def test_of_two_fetches_in_a_row_the_second_waits(simulator, keeper, monkeypatch, io_loop):
    first = await keeper.get()
    simulator.faults.kill_access_tokens()
    monkeypatch.setattr(module, "FETCH_PAUSE_SECONDS", 0.05)
    began = io_loop.time()
    assert await keeper.replace(first) != first
    assert io_loop.time() - began >= 0.05


@pytest.mark.gen_test
async def test_a_days_fetches_are_bounded(simulator, keepers, clock, monkeypatch, caplog):
    assert module.FETCHES_PER_DAY == 200
    monkeypatch.setattr(module, "FETCHES_PER_DAY", 3)
    keeper = keepers()
    token = await keeper.get()
    for _ in range(2):
        clock.advance(10)
        simulator.faults.kill_access_tokens()
        token = await keeper.replace(token)
    clock.advance(10)
    with pytest.raises(PlatformError, match="another program") as caught:
        await keeper.replace(token)
    assert caught.value.remedy is Remedy.PAUSE
    clock.advance(7200)
    await keeper.refresh_if_due()
    assert simulator.calls[STABLE] == 3
    assert "none is held" in caplog.records[-1].getMessage()
    lines = len(caplog.records)
    clock.advance(59)  # asked each second, said once a minute
    await keeper.refresh_if_due()
    assert len(caplog.records) == lines
    clock.advance(86400 - 7200 - 59 - 30)
    assert await keeper.get()
    assert simulator.calls[STABLE] == 4


@pytest.mark.gen_test
async def test_a_hung_fetch_ends_and_the_next_one_works(simulator, keeper, clock, monkeypatch):
    monkeypatch.setattr(module, "FETCH_SECONDS", 0.05)
    simulator.faults.hang(STABLE, times=1)
    with pytest.raises(PlatformError, match="no answer in time") as caught:
        await keeper.get()
    assert caught.value.remedy is Remedy.RETRY
    monkeypatch.setattr(module, "FETCH_SECONDS", 5)
    clock.advance(3)
    assert await keeper.get()


@pytest.mark.gen_test(timeout=60)
async def test_a_day_of_failures_leaves_the_day_s_quota_whatever_callers_want(
    simulator, keeper, clock
):
    simulator.faults.answer(STABLE, errcode=-1, times=None)
    for _ in range(86400 // 20):
        with pytest.raises(PlatformError):
            await keeper.get()
        clock.advance(20)
    assert 100 < simulator.calls[STABLE] < 200
    simulator.faults.clear()
    clock.advance(800)
    assert await keeper.get()


@pytest.mark.gen_test
async def test_a_dead_platform_is_a_platform_error(keepers, simulator):
    simulator.faults.drop(STABLE)
    with pytest.raises(PlatformError) as caught:
        await keepers().get()
    assert caught.value.remedy is Remedy.RETRY
    simulator.faults.drop(STABLE)
    await keepers().refresh_if_due()


@pytest.mark.parametrize(
    "reply",
    [
        {"expires_in": 7200},
        {"access_token": "", "expires_in": 7200},
        {"access_token": "a b", "expires_in": 7200},
        {"access_token": "t" * 513, "expires_in": 7200},
        {"access_token": ["t"], "expires_in": 7200},
        {"access_token": "t"},
        {"access_token": "t", "expires_in": 0},
        {"access_token": "t", "expires_in": "7200"},
    ],
)
@pytest.mark.gen_test
async def test_an_odd_answer_holds_nothing(platform, keepers, reply):
    platform.reply = reply
    keeper = keepers(base=platform.base)
    with pytest.raises(PlatformError, match="missing or odd"):
        await keeper.get()
    assert not keeper.held


@pytest.mark.gen_test
async def test_a_caller_who_goes_away_takes_the_fetch_from_nobody(platform, keepers):
    async def reply(handler):
        await platform.released.wait()
        handler.write({"access_token": "t", "expires_in": 7200})

    platform.reply = reply
    keeper = keepers(base=platform.base)
    gone, stays = (asyncio.create_task(keeper.get()) for _ in range(2))
    await platform.asked.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    platform.released.set()
    assert await stays == "t"
    assert len(platform.requests) == 1


@pytest.mark.gen_test
async def test_a_failure_that_nobody_waits_for_is_not_complained_of(
    platform, keepers, caplog, io_loop
):
    async def reply(handler):
        await platform.released.wait()
        handler.write({"errcode": -1})

    platform.reply = reply
    keeper = keepers(base=platform.base)
    caller = asyncio.create_task(keeper.get())
    await platform.asked.wait()
    fetch = keeper._fetching
    caller.cancel()
    platform.released.set()
    await asyncio.wait([fetch])
    await asyncio.sleep(0)
    assert keeper._fetching is None
    del fetch
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


@pytest.mark.gen_test
async def test_closing_ends_a_fetch_under_way(simulator, keeper):
    simulator.faults.hang(STABLE)
    waiting = asyncio.create_task(keeper.get())
    await simulator.called(STABLE)
    await keeper.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await keeper.close()


@pytest.mark.parametrize(
    ("errcode", "advice"),
    [
        (40125, "check app_secret"),
        (40013, "check app_id"),
        (40164, "IP allowlist"),
        (40243, "frozen"),
        (89503, "administrator"),
    ],
)
@pytest.mark.gen_test
async def test_the_operator_is_told_what_to_do(simulator, keeper, caplog, errcode, advice):
    simulator.faults.answer(STABLE, errcode=errcode)
    await keeper.refresh_if_due()
    message = caplog.records[-1].getMessage()
    assert message.startswith("access token not refreshed (none is held): ")
    assert str(errcode) in message and advice in message


@pytest.mark.gen_test
async def test_no_secret_and_no_token_is_logged(simulator, keepers, clock, caplog):
    keeper = keepers(app_secret="wr0ngsecret")
    await keeper.refresh_if_due()
    keeper = keepers(mode="classic", app_secret="wr0ngsecret")
    await keeper.refresh_if_due()
    keeper = keepers()
    token = await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens()
    other = await keeper.replace(token)
    for secret in ("wr0ngsecret", simulator.app_secret, token, other):
        assert secret not in caplog.text
    assert "40125" in caplog.text and "check app_secret" in caplog.text
