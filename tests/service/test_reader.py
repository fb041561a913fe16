"""Who reads the whole of a notice; the way there and back is in test_visit.py, the page itself in
tests/web/test_notice.py."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.service.steps import EXCHANGE
from tests.service.test_visit import code_of, openid_of, state_of
from tests.world import World
from wx.errors import Refused
from wx.service.reader import Readers

PAGE, OTHER = "p" * 43, "q" * 43


@dataclass
class Came:
    """What a browser brings back from the authorize page."""

    page: str
    visit: str
    state: str
    code: str


def door(world: World) -> Readers:
    return world.server.services.readers


def arrival(world: World, person: str = "wang", *, visit: str = "", page: str = PAGE) -> Came:
    """A browser that was sent away and has come back."""
    address, visit = door(world).begin(page, visit)
    return Came(page, visit, state_of(address), code_of(world, person))


async def prove(world: World, came: Came, openid: str) -> str:
    return await door(world).prove(
        came.page, openid, visit=came.visit, state=came.state, code=came.code
    )


async def refused(world: World, came: Came, openid: str = "") -> tuple[int, str]:
    with pytest.raises(Refused) as refusal:
        await prove(world, came, openid or openid_of(world))
    return refusal.value.status, refusal.value.code


@pytest.mark.gen_test(timeout=20)
async def test_the_way_to_the_platform_asks_nothing_and_leads_back_to_the_page(
    world: World,
) -> None:
    assert world.server.config.bind_scope == "snsapi_userinfo"
    address, visit = door(world).begin(PAGE, "")
    asked = parse_qs(urlsplit(address).query)
    assert asked["redirect_uri"] == [f"{world.base}/n/{PAGE}"]
    assert asked["scope"] == ["snsapi_base"]
    assert visit not in address


@pytest.mark.gen_test(timeout=20)
async def test_whom_it_is_for_is_known_for_an_hour_and_for_their_notices_only(
    world: World,
) -> None:
    cookie = await prove(world, arrival(world), openid_of(world))
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
    cookie = await prove(world, arrival(world), openid)
    ends, mark = cookie.split(".")
    _, visit = door(world).begin(PAGE, "")
    later = f"{int(ends) + 1}.{mark}"
    for made in (later, f"{ends}.{mark[:-1]}", f"{ends}.{'x' * 43}", f"{ends}.", mark, visit, "é"):
        assert not door(world).knows(made, openid), made
    other = Readers(world.clock, world.server.services.readers._visits, key=b"another key")
    assert not other.knows(cookie, openid)


@pytest.mark.gen_test(timeout=20)
async def test_somebody_else_is_refused_and_so_is_one_for_whom_nobody_is_known(
    world: World,
) -> None:
    came = arrival(world, "li")
    assert await refused(world, came) == (403, "not-yours")
    assert await refused(world, came) == (403, "not-yours")
    with pytest.raises(Refused, match="not-yours"):
        await prove(world, arrival(world), "")


@pytest.mark.gen_test(timeout=20)
async def test_a_way_that_was_begun_for_one_notice_opens_no_other(world: World) -> None:
    came = arrival(world)
    came.page = OTHER
    assert await refused(world, came) == (403, "unproved")
    assert world.simulator.calls[EXCHANGE] == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_way_that_was_begun_for_something_else_opens_no_notice(world: World) -> None:
    visits, openid = world.server.services.readers._visits, openid_of(world)
    for purpose in ("enter bind", PAGE, f"reader {PAGE}", "notice"):
        address, visit = visits.begin(purpose, "", path="/")
        came = Came(PAGE, visit, state_of(address), code_of(world))
        assert await refused(world, came, openid) == (403, "unproved")


@pytest.mark.gen_test(timeout=20)
async def test_the_same_arrival_again_is_answered_alike_by_one_exchange(world: World) -> None:
    came, openid = arrival(world), openid_of(world)
    assert door(world).knows(await prove(world, came, openid), openid)
    world.clock.advance(299)
    assert door(world).knows(await prove(world, came, openid), openid)
    assert world.simulator.calls[EXCHANGE] == 1


@pytest.mark.gen_test(timeout=20)
async def test_each_notice_has_a_share_of_its_own(world: World) -> None:
    came = arrival(world)
    for number in range(200):
        came.code = f"c{number}"
        assert (await refused(world, came))[1] == "code-expired"
    came.code = "one-more"
    assert (await refused(world, came))[0] == 429
    assert await prove(world, arrival(world, page=OTHER), openid_of(world))
