"""Templates: read now and then, kept, and looked up for a field or a template that is new."""

import asyncio
from dataclasses import replace

import pytest

from tests.service.sending import TEMPLATES, door, join, put, rest
from tests.world import World
from wx.errors import Refused, StorageUnavailable
from wx.service.templates import Templates
from wx.simulator.template import SAMPLE


def known(world: World) -> Templates:
    return world.server.services.templates


async def read(world: World, times: int = 1) -> None:
    """Until they were read so often."""
    await world.simulator.called(TEMPLATES, times)
    reading = known(world)._reading
    if reading:
        await asyncio.wait([reading])


@pytest.mark.gen_test(timeout=20)
async def test_they_are_read_at_the_start_and_kept_an_hour(world: World) -> None:
    await read(world)
    found = known(world).known
    assert found is not None
    assert set(found) == set(world.simulator.world.templates)
    assert (found[SAMPLE.id].title, found[SAMPLE.id].content) == (SAMPLE.title, SAMPLE.content)
    world.clock.advance(3599)
    await known(world).refresh_if_due()
    assert world.simulator.calls[TEMPLATES] == 1
    newer = replace(SAMPLE, id="TemplateThatIsNew", content="{{first.DATA}}")
    world.simulator.world.templates = {newer.id: newer}
    world.clock.advance(1)
    await known(world).refresh_if_due()
    assert set(known(world).known or {}) == {newer.id}
    assert world.simulator.calls[TEMPLATES] == 2


@pytest.mark.gen_test(timeout=20)
async def test_they_are_known_over_a_restart_also_when_the_platform_is_silent(
    world: World,
) -> None:
    await read(world)
    before = known(world).known
    world.simulator.faults.hang(TEMPLATES)
    await world.restart_server()
    assert known(world).known == before


@pytest.mark.gen_test(timeout=20)
async def test_those_of_another_account_are_not_taken_up(world: World) -> None:
    await read(world)
    world.simulator.faults.hang(TEMPLATES)
    world.rows("UPDATE templates SET app_id = 'wx-other'")
    await world.restart_server()
    assert known(world).known is None


@pytest.mark.gen_test(timeout=20)
async def test_a_reading_that_fails_keeps_what_is_known_and_is_tried_again_in_a_minute(
    world: World,
) -> None:
    await read(world)
    before = known(world).known
    world.simulator.faults.answer(TEMPLATES, errcode=48001)
    world.clock.advance(3600)
    await known(world).refresh_if_due()
    assert world.simulator.calls[TEMPLATES] == 2
    assert known(world).known == before
    world.clock.advance(59)
    await known(world).refresh_if_due()
    assert world.simulator.calls[TEMPLATES] == 2
    world.clock.advance(1)
    await known(world).refresh_if_due()
    assert world.simulator.calls[TEMPLATES] == 3


@pytest.mark.gen_test(timeout=20)
async def test_readers_who_come_together_share_one_reading(world: World) -> None:
    await read(world)
    world.clock.advance(3600)
    world.simulator.faults.delay(TEMPLATES, 0.1)
    await asyncio.gather(*(known(world).refresh_if_due() for _ in range(5)))
    assert world.simulator.calls[TEMPLATES] == 2


@pytest.mark.gen_test(timeout=20)
async def test_a_template_that_is_new_is_found_at_once_and_not_looked_for_all_the_time(
    world: World,
) -> None:
    await read(world)
    await join(world)
    world.clock.advance(60)
    newer = replace(SAMPLE, id="TemplateThatIsNew", content="{{thing1.DATA}}")
    world.simulator.world.templates[newer.id] = newer
    (one,) = await put(world, template_id=newer.id, fields={"thing1": "x"})
    assert one.template_id == newer.id
    assert world.simulator.calls[TEMPLATES] == 2
    for template_id in ("none", "none", newer.id, SAMPLE.id):
        with pytest.raises(Refused):
            await put(world, template_id=template_id, fields={"thing9": "x"})
    assert world.simulator.calls[TEMPLATES] == 2, "another look within ten seconds"
    world.clock.advance(10)
    with pytest.raises(Refused):
        await put(world, template_id="none", fields={"thing1": "x"})
    assert world.simulator.calls[TEMPLATES] == 3
    await rest(world)


@pytest.mark.gen_test(timeout=20)
async def test_a_platform_that_hangs_holds_nobody_up_for_long(world: World) -> None:
    await read(world)
    world.clock.advance(60)
    world.simulator.faults.hang(TEMPLATES)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await known(world).look_for("none", seconds=0.2)
    assert 0.15 < loop.time() - began < 1
    began = loop.time()
    world.clock.advance(10)
    await known(world).look_for(SAMPLE.id, seconds=5)
    await known(world).look_for("none", seconds=0.2)
    await known(world).look_for("none", seconds=5)
    assert loop.time() - began < 1, "what is known needs no look, and one look is enough"
    assert world.simulator.calls[TEMPLATES] == 2, "the reading under way is joined"


@pytest.mark.gen_test(timeout=20)
async def test_while_none_are_known_nothing_is_refused_for_its_fields(world: World) -> None:
    await read(world)
    await join(world)
    known(world)._known = None
    world.simulator.faults.answer(TEMPLATES, errcode=48001)
    world.clock.advance(60)
    (one,) = await put(world, template_id="any", fields={"thing9": "x"})
    assert one.template_id == "any"
    await rest(world)


@pytest.mark.gen_test(timeout=20)
async def test_what_cannot_be_kept_is_known_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await read(world)
    known(world)._known = None

    async def full(work: object) -> None:
        raise StorageUnavailable("the disk is full")

    world.clock.advance(3600)
    with monkeypatch.context() as patched:
        patched.setattr(door(world)._database, "write", full)
        await known(world).refresh_if_due()
    assert SAMPLE.id in (known(world).known or {})


@pytest.mark.gen_test(timeout=20)
async def test_a_stop_ends_a_reading_that_hangs(world: World) -> None:
    await read(world)
    world.simulator.faults.hang(TEMPLATES)
    world.clock.advance(3600)
    task = asyncio.create_task(known(world).refresh_if_due())
    await world.simulator.called(TEMPLATES, 2)
    async with asyncio.timeout(2):
        await known(world).close()
    await asyncio.gather(task, return_exceptions=True)
    assert known(world)._reading is not None and known(world)._reading.cancelled()


@pytest.mark.gen_test(timeout=20)
async def test_where_nothing_may_be_asked_what_was_read_is_used(world: World) -> None:
    await read(world)
    server = world.server
    alone = Templates(door(world)._database, world.clock, server.config)
    assert alone.known is None
    await alone.look_for("none", seconds=5)
    await alone.load()
    assert set(alone.known or {}) == set(world.simulator.world.templates)
    assert world.simulator.calls[TEMPLATES] == 1
