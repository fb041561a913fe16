"""What a watchdog is told."""

import pytest

from tests.world import World
from wx.errors import StorageUnavailable
from wx.store.database import Database

TOKEN = "/cgi-bin/stable_token"


@pytest.mark.gen_test(timeout=20)
async def test_an_access_token_is_held_from_its_fetch_to_its_end(world: World) -> None:
    health = world.server.services.health
    await world.bound()
    await world.told("wang")  # which took an access token
    assert health.access_token_held()
    world.simulator.faults.answer(TOKEN, errcode=-1, times=None)
    world.clock.advance(7201)
    assert not health.access_token_held()


@pytest.mark.gen_test(timeout=20)
async def test_a_database_that_cannot_be_read_is_said_to_be_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = world.server.services.health
    assert await health.database_answers()

    async def broken(self: Database, work: object) -> None:
        raise StorageUnavailable("disk I/O error")

    monkeypatch.setattr(Database, "read", broken)
    assert not await health.database_answers()


@pytest.mark.gen_test(timeout=20)
async def test_stolen_access_tokens_are_counted_in_all_and_for_the_day(world: World) -> None:
    health = world.server.services.health
    keeper = health._access_token
    token = await keeper.get()
    assert (health.stolen(), health.stolen_today()) == (0, 0)
    world.clock.advance(10)
    world.simulator.faults.kill_access_tokens()
    await keeper.replace(token, 40001)
    assert (health.stolen(), health.stolen_today()) == (1, 1)
    world.clock.advance(86400)
    assert (health.stolen(), health.stolen_today()) == (1, 0)


@pytest.mark.gen_test(timeout=20)
async def test_the_waiting_browsers_are_counted(world: World) -> None:
    desktop = await world.signed_in()
    assert world.server.services.health.waiting() == 0
    socket = await desktop.live(await desktop.invite())
    await socket.frame()
    assert world.server.services.health.waiting() == 1
