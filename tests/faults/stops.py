"""SIGTERM while people are sent to, and a wall clock that jumps."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.faults import shifted
from tests.faults.site import CUSTOM, TEMPLATE, Site, Verdict, open_site

RATE = 50  # notices a second
LATENCY = 0.1  # seconds that the platform takes
# Seconds that the clock is ahead, one after the other; a notice may wait for two days.
JUMPS = (3 * 86400, -3600, 3600, -3 * 86400, 0)


@dataclass(slots=True)
class Stopped:
    """What came of the stops. ``longest`` is in seconds, and must be within ``limit``."""

    verdict: Verdict
    longest: float
    limit: float = 10.0

    def wrong(self) -> list[str]:
        """What must not be (promise P12)."""
        late = [f"a stop took {self.longest:.1f} s"] if self.longest > self.limit else []
        return self.verdict.wrong() + late

    def __str__(self) -> str:
        return f"ended with 0 within {self.longest:.1f} s; {self.verdict}"


async def stops(folder: Path, *, times: int, hang: bool = False) -> Stopped:
    """Ask the program to end so often, in the midst of it, and start it again.

    Args:
        hang: it does not answer at all when the program ends.
    """
    async with open_site(folder, 24) as site:
        site.gather(*[1] * 16, 2, 3, 3)
        faults, longest = site.simulator.faults, 0.0
        faults.delay("*", LATENCY)
        async with site.traffic(rate=RATE):
            for _ in range(times):
                await site.start()
                await asyncio.sleep(site.chance.uniform(0.3, 1.0))
                if hang:
                    faults.down("hang")
                    await asyncio.sleep(0.5)
                longest = max(longest, await site.stop())
                faults.up()
                faults.delay("*", LATENCY)
            await site.start()
        await site.send_rest()
        await site.drained()
        # A call that is waited for leaves nothing in doubt.
        verdict = site.judge(unsure={CUSTOM} if hang else ())
        await site.stop()
        assert not site.errors(), site.errors()[:3]
        return Stopped(verdict, longest, 15.0 if hang else 10.0)


async def jumps(folder: Path, *, seconds: float) -> Verdict:
    """Let the wall clock jump ahead and back, and stay there for so long each time."""
    async with open_site(folder, 24) as site:
        site.program.script = Path(shifted.__file__)
        site.gather(*[1] * 16, 2, 3, 3)
        site.simulator.faults.delay("*", LATENCY)
        await site.start()
        async with site.traffic(rate=RATE):
            await asyncio.sleep(seconds)
            for number, ahead in enumerate(JUMPS):
                if number % 2:
                    await site.simulator.come_back()
                else:
                    await site.simulator.go_down()  # so that something waits
                    await asyncio.sleep(seconds / 2)
                shifted.shift(folder, ahead)
                await _noticed(site, number + 1)
                await asyncio.sleep(seconds)
            await site.simulator.come_back()
        await site.send_rest()
        await site.drained()
        await site.stop()
        # What was on its way when the platform went down is in doubt. Nothing of that is sent
        # again after a jump: a machine that slept looks the same.
        return site.judge(unsure={CUSTOM, TEMPLATE})


async def _noticed(site: Site, times: int) -> None:
    """Wait until the program has seen so many jumps: clocks do not jump twice in a moment."""
    async with asyncio.timeout(30):
        while site.program.log.read_text().count("the clock has jumped") < times:
            await _tick()


async def _tick() -> None:
    await asyncio.sleep(0.02)
