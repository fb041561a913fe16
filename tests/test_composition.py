"""What the server is made of."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from tests.service.steps import EXCHANGE, bindings
from tests.world import World
from wx import composition
from wx.clock import Clock
from wx.simulator.app import Simulator
from wx.timers import Timer, Timers


@pytest.mark.gen_test(timeout=30)
async def test_a_crowd_that_waits_for_one_thing_holds_up_nobody_who_waits_for_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "VISIT_CONNECTIONS", 1)
    await world.reconfigure()
    world.simulator.faults.hang(EXCHANGE, times=1)
    first = asyncio.create_task(world.simulator.phone("li").open(f"{world.base}/enter"))
    await world.simulator.called(EXCHANGE)
    second = asyncio.create_task(world.simulator.phone("zhang").open(f"{world.base}/enter"))
    await world.bound()
    assert bindings(world) == [("ann", "wang")]
    [told] = await world.told("wang")
    assert "ann" in str(told)
    assert not first.done() and not second.done()
    world.simulator.faults.release()
    await asyncio.gather(first, second)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("keep", ["true", "false"])
async def test_what_is_off_has_no_timer(
    world: World, monkeypatch: pytest.MonkeyPatch, keep: str
) -> None:
    seen: list[str] = []

    def note(timers: Timers, listed: list[Timer]) -> None:
        seen.extend(one.name for one in listed)
        made(timers, listed)

    made = Timers.__init__
    monkeypatch.setattr(Timers, "__init__", note)
    await world.reconfigure(keep_media=keep)
    assert ("pictures" in seen) == (keep == "true")
    assert {"access token", "outbox", "housekeeping"} <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.gen_test(timeout=20)
async def test_nothing_is_asked_of_the_platform_before_it_is_wanted(world: World) -> None:
    alone = Simulator()
    await alone.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(alone.stop)
        config = replace(world.server.config, api_base=alone.base_url)
        platform = composition.connect(config, Clock(), stack)
        await asyncio.sleep(0.05)
        assert not alone.calls
        await platform.access_token.get()
        assert sum(alone.calls.values()) == 1
