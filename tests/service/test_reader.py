"""Who reads the whole of a notice; the page itself is in tests/web/test_notice.py."""

import asyncio
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.service.steps import EXCHANGE
from tests.world import World
from wx.errors import Refused
from wx.service import reader
from wx.service.reader import Arrival, Readers
from wx.simulator.oauth import Question, new_code

PAGE, OTHER = "p" * 43, "q" * 43


def door(world: World) -> Readers:
    return world.server.services.readers


def state_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["state"][0]


def openid_of(world: World, person: str = "wang") -> str:
    return world.simulator.world.people[person].openid


def code_of(world: World, person: str = "wang") -> str:
    """A code as the platform's authorize page gives it to this person."""
    asked = Question(world.simulator.world.people[person], "", "snsapi_base", "")
    return new_code(world.simulator.world, asked).value


def arrival(world: World, person: str = "wang", *, visit: str = "", page: str = PAGE) -> Arrival:
    """A browser that was sent away and has come back."""
    address, visit = door(world).begin(page, visit)
    return Arrival(page=page, visit=visit, state=state_of(address), code=code_of(world, person))


async def refused(world: World, came: Arrival, openid: str = "") -> tuple[int, str]:
    with pytest.raises(Refused) as refusal:
        await door(world).prove(came, openid or openid_of(world))
    return refusal.value.status, refusal.value.code


@pytest.mark.gen_test(timeout=20)
async def test_the_way_to_the_platform_asks_nothing_and_leads_back_to_the_page(
    world: World,
) -> None:
    assert world.server.config.bind_scope == "snsapi_userinfo"
    address, visit = door(world).begin(PAGE, "")
    assert address.startswith(f"{world.simulator.base_url}/connect/oauth2/authorize?appid=")
    asked = parse_qs(urlsplit(address).query)
    assert asked["redirect_uri"] == [f"{world.base}/n/{PAGE}"]
    assert asked["scope"] == ["snsapi_base"]
    assert re.fullmatch(r"[0-9A-Za-z]{43}", asked["state"][0])
    assert address.endswith("#wechat_redirect")
    assert visit not in address


@pytest.mark.gen_test(timeout=20)
async def test_whom_it_is_for_is_known_for_an_hour_and_for_their_notices_only(
    world: World,
) -> None:
    cookie = await door(world).prove(arrival(world), openid_of(world))
    assert openid_of(world) not in cookie
    assert door(world).knows(cookie, openid_of(world))
    assert not door(world).knows(cookie, openid_of(world, "li"))
    assert not door(world).knows("", "") and not door(world).knows(cookie, "")
    world.clock.advance(3599)
    assert door(world).knows(cookie, openid_of(world))
    world.clock.advance(1)
    assert not door(world).knows(cookie, openid_of(world))


@pytest.mark.gen_test(timeout=20)
async def test_a_cookie_that_we_did_not_make_opens_nothing(world: World) -> None:
    openid = openid_of(world)
    cookie = await door(world).prove(arrival(world), openid)
    ends, mark = cookie.split(".")
    _, visit = door(world).begin(PAGE, "")
    later = f"{int(ends) + 1}.{mark}"
    for made in (later, f"{ends}.{mark[:-1]}", f"{ends}.{'x' * 43}", f"{ends}.", mark, visit, "é"):
        assert not door(world).knows(made, openid), made
    other = Readers(world.clock, world.server.config, door(world)._oauth, key=b"another key")
    assert not other.knows(cookie, openid)


@pytest.mark.gen_test(timeout=20)
async def test_somebody_else_is_refused_and_so_is_one_for_whom_nobody_is_known(
    world: World,
) -> None:
    assert await refused(world, arrival(world, "li")) == (403, "not-yours")
    with pytest.raises(Refused, match="not-yours"):
        await door(world).prove(arrival(world), "")


@pytest.mark.gen_test(timeout=20)
async def test_a_state_is_good_for_one_page_in_one_browser_for_ten_minutes(world: World) -> None:
    mine, theirs = arrival(world), arrival(world)
    assert mine.state != theirs.state and mine.visit != theirs.visit
    elsewhere = arrival(world, visit=mine.visit, page=OTHER)
    assert elsewhere.visit == mine.visit and elsewhere.state != mine.state
    long = f"{int(world.clock.now()) + 601}.{'x' * 43}"
    for wrong in (
        replace(mine, visit=""),
        replace(mine, visit=theirs.visit),
        replace(mine, state=theirs.state),
        replace(mine, state=elsewhere.state),
        replace(mine, page=OTHER),
        replace(mine, state=""),
        replace(mine, visit="x"),
        replace(mine, visit=long, state=door(world)._state(PAGE, long)),
    ):
        assert await refused(world, wrong) == (403, "unproved")
    world.clock.advance(600)
    assert await refused(world, mine) == (403, "unproved")
    assert world.simulator.calls[EXCHANGE] == 0, "nothing of it reached the platform"


@pytest.mark.gen_test(timeout=20)
async def test_two_notices_are_opened_by_one_cookie_which_is_renewed_in_time(
    world: World,
) -> None:
    _, visit = door(world).begin(PAGE, "")
    world.clock.advance(299)
    assert door(world).begin(OTHER, visit)[1] == visit
    world.clock.advance(2)
    assert door(world).begin(OTHER, visit)[1] != visit
    for odd in ("x", f"9{visit}", f"{visit}x", f"{'9' * 12}.{'x' * 43}"):
        assert door(world).begin(PAGE, odd)[1] != odd


@pytest.mark.gen_test(timeout=20)
async def test_the_same_arrival_again_is_answered_alike_by_one_exchange(world: World) -> None:
    came, openid = arrival(world), openid_of(world)
    world.simulator.faults.delay(EXCHANGE, 0.1)
    found = await asyncio.gather(*(door(world).prove(came, openid) for _ in range(5)))
    assert len(set(found)) == 1
    world.clock.advance(299)
    assert door(world).knows(await door(world).prove(came, openid), openid)
    assert world.simulator.calls[EXCHANGE] == 1
    again = replace(came, code=code_of(world))
    assert door(world).knows(await door(world).prove(again, openid), openid)
    assert world.simulator.calls[EXCHANGE] == 2, "another code is another exchange"
    world.clock.advance(300)
    await door(world).prove(arrival(world), openid)
    assert len(door(world)._known) == 1, "what is old is forgotten"


@pytest.mark.gen_test(timeout=20)
async def test_a_phone_that_goes_away_does_not_end_what_its_repeat_waits_for(
    world: World,
) -> None:
    came, openid = arrival(world), openid_of(world)
    world.simulator.faults.delay(EXCHANGE, 0.2)
    first = asyncio.create_task(door(world).prove(came, openid))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(door(world).prove(came, openid))
    await asyncio.sleep(0)
    first.cancel()
    assert door(world).knows(await second, openid)
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("errcode", "answer"),
    [
        (40029, (403, "code-expired")),
        (40163, (403, "code-expired")),
        (40226, (403, "risky")),
        (-1, (503, "unavailable")),
        (48001, (502, "platform-error")),
    ],
)
async def test_what_the_platform_refuses_is_said_and_asked_once(
    world: World, errcode: int, answer: tuple[int, str]
) -> None:
    came = arrival(world)
    world.simulator.faults.answer(EXCHANGE, errcode=errcode)
    assert await refused(world, came) == answer
    assert await refused(world, came) == answer
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_an_arrival_without_a_code_is_refused(world: World) -> None:
    assert await refused(world, replace(arrival(world), code="")) == (403, "code-expired")
    assert world.simulator.calls[EXCHANGE] == 0


@pytest.mark.gen_test(timeout=20)
async def test_whoever_plays_with_codes_uses_up_their_own_page_s_share(world: World) -> None:
    came = arrival(world)
    for number in range(reader.EXCHANGES_PER_MINUTE):
        assert (await refused(world, replace(came, code=f"c{number}")))[1] == "code-expired"
    assert (await refused(world, replace(came, code="one-more")))[0] == 429
    assert world.simulator.calls[EXCHANGE] == reader.EXCHANGES_PER_MINUTE
    assert (await refused(world, replace(came, code="c0")))[0] == 403, "known already"
    assert await door(world).prove(arrival(world, page=OTHER), openid_of(world))


@pytest.mark.gen_test(timeout=20)
async def test_no_more_is_remembered_than_so_much(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "REMEMBERED", 3)
    for _ in range(5):
        await door(world).prove(arrival(world), openid_of(world))
    assert len(door(world)._known) == 3


@pytest.mark.gen_test(timeout=20)
async def test_the_stop_ends_an_exchange_that_hangs(world: World) -> None:
    world.simulator.faults.hang(EXCHANGE)
    waiting = asyncio.create_task(door(world).prove(arrival(world), openid_of(world)))
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
    shown = f"{came!r} {reader._Outcome(openid_of(world))!r}"
    for secret in (came.state, came.visit, came.code, came.page, openid_of(world)):
        assert secret not in shown
