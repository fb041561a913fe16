"""One round through the platform's authorize page; who stands on it is in test_reader.py and
test_entry.py."""

import asyncio
import gc
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.service.steps import EXCHANGE
from tests.world import World
from wx.errors import Refused, StorageUnavailable
from wx.service import visit
from wx.service.visit import Arrival, Visits
from wx.simulator.oauth import Question, new_code
from wx.timers import Timer, Timers
from wx.wechat.oauth import Grant

PURPOSE, OTHER = "notice one", "notice two"
SHARE = "192.0.2.7"


def door(world: World) -> Visits:
    return world.server.services.readers._visits


def state_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["state"][0]


def openid_of(world: World, person: str = "wang") -> str:
    return world.simulator.world.people[person].openid


def code_of(world: World, person: str = "wang", *, snapshot: bool = False) -> str:
    """A code as the platform's authorize page gives it to this person."""
    asked = Question(world.simulator.world.people[person], "", "snsapi_base", "")
    return new_code(world.simulator.world, asked, snapshot=snapshot).value


def arrival(
    world: World, person: str = "wang", *, cookie: str = "", purpose: str = PURPOSE
) -> Arrival:
    """A browser that was sent away and has come back."""
    address, cookie = door(world).begin(purpose, cookie, path="/there")
    return Arrival(purpose, cookie, state_of(address), code_of(world, person), share=SHARE)


async def openid(grant: Grant) -> str:
    return grant.openid


class Then:
    """What is made of a grant, and how often: it does these things in turn, then gives a new
    object each time."""

    def __init__(self, *things: Exception) -> None:
        self.times = 0
        self._things = [*things]

    async def __call__(self, grant: Grant) -> object:
        self.times += 1
        await asyncio.sleep(0)
        if self._things:
            raise self._things.pop(0)
        return object()


async def refused(
    world: World, came: Arrival, then: Callable[[Grant], Awaitable[Any]] = openid
) -> tuple[int, str]:
    with pytest.raises(Refused) as refusal:
        await door(world).arrive(came, then)
    return refusal.value.status, refusal.value.code


# The way there


@pytest.mark.gen_test(timeout=20)
async def test_the_way_to_the_platform_asks_for_no_more_than_it_is_told_to(world: World) -> None:
    assert world.server.config.bind_scope == "snsapi_userinfo"
    address, cookie = door(world).begin(PURPOSE, "", path="/there?to=bind")
    assert address.startswith(f"{world.simulator.base_url}/connect/oauth2/authorize?appid=")
    asked = parse_qs(urlsplit(address).query)
    assert asked["redirect_uri"] == [f"{world.base}/there?to=bind"]
    assert asked["scope"] == ["snsapi_base"]
    assert re.fullmatch(r"[0-9A-Za-z]{65}", asked["state"][0])
    assert re.fullmatch(visit.STATE, asked["state"][0])
    assert address.endswith("#wechat_redirect")
    assert cookie not in address and PURPOSE not in address
    address, _ = door(world).begin(PURPOSE, "", path="/there", scope="snsapi_userinfo")
    assert parse_qs(urlsplit(address).query)["scope"] == ["snsapi_userinfo"]


@pytest.mark.gen_test(timeout=20)
async def test_two_ways_go_by_one_cookie_which_is_renewed_in_time(world: World) -> None:
    def begin(cookie: str) -> str:
        return door(world).begin(OTHER, cookie, path="/there")[1]

    cookie = begin("")
    world.clock.advance(299)
    assert begin(cookie) == cookie
    world.clock.advance(2)
    assert begin(cookie) != cookie
    for odd in ("x", f"9{cookie}", f"{cookie}x", f"{'9' * 12}.{'x' * 43}", f"٣.{'x' * 43}"):
        assert begin(odd) != odd


# The way back


@pytest.mark.gen_test(timeout=20)
async def test_whoever_comes_back_is_known(world: World) -> None:
    for person in ("wang", "li"):
        came = arrival(world, person)
        assert await door(world).arrive(came, openid) == openid_of(world, person)


@pytest.mark.gen_test(timeout=20)
async def test_a_state_is_good_for_one_purpose_in_one_browser_for_ten_minutes(
    world: World,
) -> None:
    mine, theirs = arrival(world), arrival(world)
    assert mine.state != theirs.state and mine.visit != theirs.visit
    elsewhere = arrival(world, cookie=mine.visit, purpose=OTHER)
    assert elsewhere.visit == mine.visit and elsewhere.state != mine.state
    long = f"{int(world.clock.now()) + 601}.{'x' * 43}"
    over = f"{int(world.clock.now())}.{'x' * 43}"
    for wrong in (
        replace(mine, visit=""),
        replace(mine, visit=theirs.visit),
        replace(mine, state=theirs.state),
        replace(mine, state=elsewhere.state),
        replace(mine, purpose=OTHER),
        replace(mine, state=""),
        replace(mine, state="é" * 43),
        replace(mine, visit="x"),
        replace(mine, state=theirs.state[:22] + mine.state[22:]),
        replace(mine, state=mine.state[22:]),
        replace(mine, visit=long, state=door(world)._state(PURPOSE, long, "n" * 22)),
        replace(mine, visit=over, state=door(world)._state(PURPOSE, over, "n" * 22)),
        replace(mine, visit="", state=door(world)._state(PURPOSE, "", "n" * 22)),
        replace(mine, state=door(world)._state(PURPOSE, mine.visit, "")),
    ):
        assert await refused(world, wrong) == (403, "unproved")
    world.clock.advance(600)
    assert await refused(world, mine) == (403, "unproved")
    assert world.simulator.calls[EXCHANGE] == 0, "nothing of it reached the platform"


@pytest.mark.gen_test(timeout=20)
async def test_a_purpose_and_a_cookie_cannot_be_joined_in_another_way(world: World) -> None:
    """The blank between them could be anywhere, were a cookie not of one form."""
    mine = arrival(world, purpose="profile bind")
    other = replace(mine, purpose="profile", visit=f"bind {mine.visit}")
    assert door(world)._state(other.purpose, other.visit, mine.state[:22]) == mine.state
    assert await refused(world, other) == (403, "unproved")


@pytest.mark.gen_test(timeout=20)
async def test_a_state_of_another_server_is_none(world: World) -> None:
    other = Visits(world.clock, world.server.config, door(world)._oauth, key=b"another key")
    came = arrival(world)
    with pytest.raises(Refused, match="unproved"):
        await other.arrive(came, openid)


@pytest.mark.gen_test(timeout=20)
async def test_an_arrival_without_a_code_is_refused(world: World) -> None:
    assert await refused(world, replace(arrival(world), code="")) == (403, "code-expired")
    assert world.simulator.calls[EXCHANGE] == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_made_up_person_is_nobody(world: World) -> None:
    came = replace(arrival(world), code=code_of(world, snapshot=True))
    then = Then()
    assert await refused(world, came, then) == (403, "snapshot")
    assert then.times == 0


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("errcode", "answer"),
    [
        (40029, (403, "code-expired")),
        (40163, (403, "code-expired")),
        (42003, (403, "code-expired")),
        (40226, (403, "risky")),
        (-1, (503, "unavailable")),
        (45011, (503, "unavailable")),
        (40125, (502, "platform-error")),
        (48001, (502, "platform-error")),
    ],
)
async def test_what_the_platform_refuses_is_said_and_asked_once(
    world: World, errcode: int, answer: tuple[int, str]
) -> None:
    came, then = arrival(world), Then()
    world.simulator.faults.answer(EXCHANGE, errcode=errcode)
    assert await refused(world, came, then) == answer
    assert await refused(world, came, then) == answer
    assert (world.simulator.calls[EXCHANGE], then.times) == (1, 0)


# Repeats


@pytest.mark.gen_test(timeout=30)
async def test_a_thousand_arrivals_at_once_are_one_exchange_and_one_answer(world: World) -> None:
    came, then = arrival(world), Then()
    world.simulator.faults.delay(EXCHANGE, 0.1)
    found = await asyncio.gather(*(door(world).arrive(came, then) for _ in range(1000)))
    assert len(set(found)) == 1
    world.clock.advance(299)
    assert await door(world).arrive(came, then) is found[0]
    assert (world.simulator.calls[EXCHANGE], then.times) == (1, 1)


@pytest.mark.gen_test(timeout=20)
async def test_each_way_has_a_state_of_its_own_also_in_one_browser(world: World) -> None:
    ways = [door(world).begin(PURPOSE, "", path="/there")]
    ways += [door(world).begin(PURPOSE, ways[0][1], path="/there") for _ in range(20)]
    assert len({cookie for _, cookie in ways}) == 1
    assert len({state_of(address) for address, _ in ways}) == len(ways)


@pytest.mark.gen_test(timeout=20)
async def test_a_state_that_was_answered_takes_no_other_code(world: World) -> None:
    came, then = arrival(world), Then()
    first = await door(world).arrive(came, then)
    for person in ("wang", "li"):
        again = replace(came, code=code_of(world, person))
        assert await refused(world, again, then) == (403, "unproved")
    assert await door(world).arrive(came, then) is first, "its own code is answered still"
    assert (world.simulator.calls[EXCHANGE], then.times) == (1, 1)
    another = arrival(world, "li", cookie=came.visit)
    assert await door(world).arrive(another, openid) == openid_of(world, "li")


@pytest.mark.gen_test(timeout=20)
async def test_nor_does_one_whose_person_was_refused_or_whose_answer_failed(world: World) -> None:
    for failed in (Refused(409, "no", "No."), ValueError("odd")):
        came = arrival(world)
        with pytest.raises(type(failed)):
            await door(world).arrive(came, Then(failed))
        assert await refused(world, replace(came, code=code_of(world))) == (403, "unproved")
    world.simulator.faults.answer(EXCHANGE, errcode=40226)
    came = arrival(world)
    assert await refused(world, came) == (403, "risky")
    assert await refused(world, replace(came, code=code_of(world))) == (403, "unproved")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("errcode", [40029, 40163, -1, 45011, 40125, None])
async def test_where_nothing_was_decided_the_same_state_may_bring_another_code(
    world: World, errcode: int | None
) -> None:
    came, then = arrival(world), Then()
    if errcode is None:  # "use full service" runs authorize again with the same state
        came = replace(came, code=code_of(world, snapshot=True))
    else:
        world.simulator.faults.answer(EXCHANGE, errcode=errcode)
    await refused(world, came, then)
    again = replace(came, code=code_of(world))
    found = await door(world).arrive(again, then)
    assert await door(world).arrive(again, then) is found
    assert await refused(world, came, then) == (403, "unproved"), "the first is over now"
    assert (world.simulator.calls[EXCHANGE], then.times) == (2, 1)


@pytest.mark.gen_test(timeout=20)
async def test_another_code_at_the_same_time_waits_for_what_the_first_comes_to(
    world: World,
) -> None:
    came, then = arrival(world), Then()
    others = [replace(came, code=code_of(world, "li")) for _ in range(3)]
    world.simulator.faults.delay(EXCHANGE, 0.1)
    found = await asyncio.gather(
        *(door(world).arrive(one, then) for one in (came, *others)), return_exceptions=True
    )
    assert not isinstance(found[0], Exception)
    assert [getattr(one, "code", "") for one in found[1:]] == ["unproved"] * 3
    assert (world.simulator.calls[EXCHANGE], then.times) == (1, 1)
    snapshot = replace(arrival(world), code=code_of(world, snapshot=True))
    codes = (snapshot.code, code_of(world), code_of(world, "li"))
    first, second, third = await asyncio.gather(
        *(door(world).arrive(replace(snapshot, code=code), openid) for code in codes),
        return_exceptions=True,
    )
    assert isinstance(first, Refused) and first.code == "snapshot"
    assert second == openid_of(world)
    assert isinstance(third, Refused) and third.code == "unproved"


@pytest.mark.gen_test(timeout=20)
async def test_what_was_answered_is_forgotten_and_that_it_was_is_not(world: World) -> None:
    address, cookie = door(world).begin(PURPOSE, "", path="/there")
    came = Arrival(PURPOSE, cookie, state_of(address), code_of(world), share=SHARE)
    then = Then()
    await door(world).arrive(came, then)
    world.clock.advance(299)
    await door(world).forget()
    assert len(door(world)._known) == 1
    world.clock.advance(1)
    await door(world).forget()
    assert not door(world)._known, "also when nobody arrives"
    for code in (came.code, code_of(world)):
        assert await refused(world, replace(came, code=code), then) == (403, "code-expired")
    world.clock.advance(299)
    assert await refused(world, replace(came, code=code_of(world)), then) == (403, "code-expired")
    assert (world.simulator.calls[EXCHANGE], then.times) == (1, 1)
    world.clock.advance(1)
    await door(world).forget()
    assert not door(world)._used
    assert await refused(world, came, then) == (403, "unproved"), "its way took too long"


@pytest.mark.gen_test(timeout=20)
async def test_a_state_that_came_again_keeps_no_older_answer_in_mind(world: World) -> None:
    first, second = arrival(world), arrival(world)
    snapshot = replace(first, code=code_of(world, snapshot=True))
    await refused(world, snapshot)
    world.clock.advance(100)
    await door(world).arrive(second, openid)
    world.clock.advance(100)
    await door(world).arrive(first, openid)
    world.clock.advance(200)
    await door(world).forget()
    assert len(door(world)._known) == 1 and len(door(world)._used) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_timer_forgets(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Timer] = {}

    def note(timers: Timers, listed: list[Timer]) -> None:
        seen.update({one.name: one for one in listed})
        made(timers, listed)

    made = Timers.__init__
    monkeypatch.setattr(Timers, "__init__", note)
    await world.reconfigure()
    await door(world).arrive(arrival(world), openid)
    world.clock.advance(300)
    assert seen["visits"].seconds <= 60
    await seen["visits"].work()
    assert not door(world)._known


@pytest.mark.gen_test(timeout=20)
async def test_what_then_refuses_is_refused_again_without_asking_anybody(world: World) -> None:
    no = Refused(409, "not-now", "Not %(when)s.", retry_after=7, hint="Wait.", when="now")
    came, then = arrival(world), Then(no)
    assert await refused(world, came, then) == (409, "not-now")
    with pytest.raises(Refused) as again:
        await door(world).arrive(came, then)
    told = again.value
    assert (told.message, told.retry_after, told.hint) == ("Not %(when)s.", 7, "Wait.")
    assert told.details == {"when": "now"}
    assert (world.simulator.calls[EXCHANGE], then.times) == (1, 1)


@pytest.mark.gen_test(timeout=20)
async def test_another_failure_of_then_is_tried_again_without_a_second_exchange(
    world: World,
) -> None:
    came, then = arrival(world), Then(StorageUnavailable(), ValueError("odd"))
    with pytest.raises(StorageUnavailable):
        await door(world).arrive(came, then)
    both = [door(world).arrive(came, then) for _ in range(2)]
    for failed in await asyncio.gather(*both, return_exceptions=True):
        assert isinstance(failed, ValueError), "who comes at the same time gets the same"
    found = await door(world).arrive(came, then)
    assert await door(world).arrive(came, then) is found
    assert (world.simulator.calls[EXCHANGE], then.times) == (1, 3)


@pytest.mark.gen_test(timeout=20)
async def test_who_is_refused_again_and_again_leaves_nothing_behind(world: World) -> None:
    class Request:
        """What a handler holds."""

    async def one(came: Arrival, request: Request) -> None:
        with pytest.raises(Refused):
            await door(world).arrive(came, Then(Refused(409, "no", "No.")))

    world.simulator.faults.answer(EXCHANGE, errcode=40029)
    for came in (arrival(world), arrival(world)):
        for _ in range(50):
            await one(came, Request())
    gc.collect()
    left = [one for one in gc.get_objects() if isinstance(one, Request)]
    assert len(left) < 10, "the last ones are still at hand, not all hundred"


@pytest.mark.gen_test(timeout=20)
async def test_a_phone_that_goes_away_does_not_end_what_its_repeat_waits_for(
    world: World,
) -> None:
    came = arrival(world)
    world.simulator.faults.delay(EXCHANGE, 0.2)
    first = asyncio.create_task(door(world).arrive(came, openid))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(door(world).arrive(came, openid))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == openid_of(world)
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=30)
async def test_fifty_people_at_once_are_each_themselves(world: World) -> None:
    people = [world.simulator.world.add_person(f"p{number}") for number in range(50)]
    came = [arrival(world, person.id) for person in people]
    found = await asyncio.gather(*(door(world).arrive(one, openid) for one in came))
    assert found == [person.openid for person in people]


# Limits


@pytest.mark.gen_test(timeout=30)
async def test_whoever_plays_with_codes_uses_up_their_own_share(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    came, most = arrival(world), visit.EXCHANGES_PER_MINUTE
    for number in range(most):
        assert (await refused(world, replace(came, code=f"c{number}")))[1] == "code-expired"
    assert (await refused(world, replace(came, code="one-more")))[0] == 429
    assert world.simulator.calls[EXCHANGE] == most
    last = f"c{most - 1}"
    assert (await refused(world, replace(came, code=last)))[0] == 403, "known already"
    assert await door(world).arrive(replace(arrival(world), share="elsewhere"), openid)
    world.clock.advance(60 / most)
    assert (await refused(world, replace(came, code="one-more")))[0] == 403


@pytest.mark.gen_test(timeout=30)
async def test_whoever_succeeds_uses_up_nothing(world: World) -> None:
    for _ in range(visit.EXCHANGES_PER_MINUTE + 5):
        assert await door(world).arrive(arrival(world), openid)


@pytest.mark.gen_test(timeout=20)
async def test_no_more_is_remembered_than_so_much(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "REMEMBERED", 3)
    monkeypatch.setattr(visit, "USED", 4)
    came = [arrival(world) for _ in range(9)]
    for one in came:
        await door(world).arrive(one, openid)
        assert len(door(world)._known) <= 3 and len(door(world)._used) <= 4
    assert await refused(world, replace(came[4], code=code_of(world))) == (403, "code-expired")
    world.simulator.faults.answer(EXCHANGE, errcode=40029, times=9)
    for _ in range(9):
        await refused(world, arrival(world))
    assert await refused(world, replace(came[8], code=code_of(world))) == (403, "code-expired"), (
        "those that came to nothing do not crowd out those that did"
    )


@pytest.mark.gen_test(timeout=30)
async def test_no_more_exchanges_are_under_way_than_so_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert visit.AT_ONCE <= 300
    monkeypatch.setattr(visit, "AT_ONCE", 3)
    held = [arrival(world) for _ in range(3)]
    world.simulator.faults.hang(EXCHANGE)
    waiting = [asyncio.create_task(door(world).arrive(one, openid)) for one in held]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refusal:
        await door(world).arrive(arrival(world), openid)
    told = refusal.value
    assert (told.status, told.code) == (503, "busy") and told.retry_after
    again = asyncio.create_task(door(world).arrive(held[0], openid))
    await asyncio.sleep(0.05)
    assert not again.done(), "a repeat waits with the one that it repeats"
    assert len(door(world)._under_way) == 3
    await door(world).close()
    await asyncio.gather(again, *waiting, return_exceptions=True)
    world.simulator.faults.release()
    world.simulator.faults.clear()
    assert await door(world).arrive(arrival(world), openid)


@pytest.mark.gen_test(timeout=30)
async def test_a_customer_s_many_networks_are_one_and_nobody_has_more_than_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(share: str) -> Arrival:
        return replace(arrival(world), code="made-up", share=share)

    visits = Visits(world.clock, world.server.config, door(world)._oauth, key=door(world)._key)
    for rate, size in ((visits._of_share, 2), (visits._of_network, 4), (visits._of_all, 10)):
        monkeypatch.setattr(rate, "_size", float(size))
        monkeypatch.setattr(rate, "_per_second", size / 60)

    async def codes(*shares: str) -> list[str]:
        said = []
        for share in shares:
            with pytest.raises(Refused) as refusal:
                await visits.arrive(play(share), openid)
            said.append(refusal.value.code)
        return said

    mine = [f"2001:db8:7:{number}00::/64" for number in range(5)]
    theirs = [f"2001:db8:{number}::/64" for number in range(8, 12)]
    expired, many = "code-expired", "too-many-tries"
    assert await codes(mine[0], mine[0], mine[0]) == [expired, expired, many]
    assert await codes(mine[1], mine[2], mine[3], mine[4]) == [expired, expired, many, many]
    assert await codes("192.0.2.1", "192.0.2.2", theirs[0], "p" * 43) == [expired] * 4
    assert await codes(theirs[1], "192.0.2.3", theirs[2]) == [expired, expired, many]
    assert world.simulator.calls[EXCHANGE] == 10
    one = replace(arrival(world), share="192.0.2.9")
    world.clock.advance(7)
    assert await visits.arrive(one, openid), "as soon as there is room"
    assert await codes("192.0.2.4", "192.0.2.5") == [expired, many], "what succeeds is given back"
    world.clock.advance(60)
    assert await codes(mine[0], mine[0], mine[1], mine[1]) == [expired] * 4
    assert await codes(mine[3], mine[3]) == [many, many]
    world.clock.advance(15)
    assert await codes(mine[3]) == [expired], "what was refused has taken nothing of its own share"


@pytest.mark.gen_test(timeout=20)
async def test_the_stop_ends_an_exchange_that_hangs(world: World) -> None:
    world.simulator.faults.hang(EXCHANGE)
    waiting = asyncio.create_task(door(world).arrive(arrival(world), openid))
    await asyncio.sleep(0.05)
    assert door(world)._under_way
    await door(world).close()
    assert not door(world)._under_way
    with pytest.raises(asyncio.CancelledError):
        await waiting
    world.simulator.faults.release()


@pytest.mark.gen_test(timeout=20)
async def test_no_secret_can_be_seen_from_outside(world: World) -> None:
    came = arrival(world)
    await door(world).arrive(came, openid)
    [known] = door(world)._known.values()
    shown = f"{came!r} {known!r}"
    for secret in (came.state, came.visit, came.code, openid_of(world)):
        assert secret not in shown
