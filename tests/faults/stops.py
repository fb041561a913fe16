"""SIGTERM while people are sent to, and a wall clock that jumps."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.faults.site import Verdict, open_site

RATE = 50  # notices a second


@dataclass(slots=True)
class Stopped:
    """What stops under load came to. ``longest`` is in seconds."""

    verdict: Verdict
    longest: float

    def __str__(self) -> str:
        return f"ended with 0 within {self.longest:.1f} s; {self.verdict}"


async def stops(folder: Path, *, times: int, latency: float = 0.1, hang: bool = False) -> Stopped:
    """Ask the program to end so often, in the midst of it, and start it again.

    Args:
        latency: seconds that the platform takes.
        hang: it does not answer at all when the program ends.
    """
    async with open_site(folder, 24) as site:
        site.gather(*[1] * 16, 2, 3, 3)
        faults, longest = site.simulator.faults, 0.0
        faults.delay("*", latency)
        async with site.traffic(rate=RATE):
            for _ in range(times):
                await site.start()
                await asyncio.sleep(site.chance.uniform(0.3, 1.0))
                if hang:
                    faults.down("hang")
                    await asyncio.sleep(0.5)
                longest = max(longest, await site.stop())
                faults.up()
                faults.delay("*", latency)
            await site.start()
        await site.send_rest()
        await site.drained()
        # A call that is waited for leaves nothing in doubt.
        verdict = site.judge(doubtful=not hang)
        await site.stop()
        assert not site.errors(), site.errors()[:3]
        return Stopped(verdict, longest)
