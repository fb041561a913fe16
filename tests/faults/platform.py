"""A platform that refuses, hangs, drops, talks nonsense; an access token that dies under many."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.harness import percentile
from tests.faults.site import CUSTOM, Site, Verdict, open_site
from wx.simulator import faults

REFUSING = "refusing"
WAYS = (REFUSING, *faults.DOWN)
RATE = 50  # notices a second
SLOW_SECONDS = 3
MOST_MIB = 200
MOST_SECONDS = 0.1  # until a notice is accepted, at p99
TOKEN = "/cgi-bin/stable_token"


@dataclass(slots=True)
class Outage:
    """What a bad platform came to. Seconds; ``accept`` is the 99th percentile of the posts that
    were accepted meanwhile."""

    verdict: Verdict
    accept: float
    mebibytes: int
    backlog: int
    drained: float
    refused: int

    def wrong(self) -> list[str]:
        """What must not be (promise P17)."""
        found = self.verdict.wrong()
        if self.accept > MOST_SECONDS:
            found.append(f"accepted in {self.accept:.2f} s at p99")
        if self.mebibytes > MOST_MIB:
            found.append(f"{self.mebibytes} MiB")
        if self.refused:
            found.append(f"{self.refused} posts were not accepted")
        return found

    def __str__(self) -> str:
        return (
            f"accepted in {1000 * self.accept:.0f} ms at p99, {self.mebibytes} MiB at most,"
            f" a backlog of {self.backlog} drained in {self.drained:.1f} s; {self.verdict}"
        )


async def outage(folder: Path, ways: Sequence[str], *, seconds: float, between: float) -> Outage:
    """Be bad in these ways, one after the other, for so long each, and well again ``between``."""
    async with open_site(folder, 24) as site:
        site.gather(*[1] * 16, 2, 3, 3)
        await site.start()
        backlog = 0
        async with site.traffic(rate=RATE):
            for way in ways:
                await asyncio.sleep(between)
                await _down(site, way)
                await asyncio.sleep(seconds)
                backlog = max(backlog, site.count_waiting())
                await _up(site, way)
        await site.send_rest()
        mebibytes = site.resident()
        # Each try doubles the pause before the next.
        drained = await site.drained(seconds=60 + 3 * seconds)
        verdict = site.judge(unsure={CUSTOM})
        await site.stop()
        assert not site.errors(), site.errors()[:3]
        spent = percentile(site.spent, 99)
        return Outage(verdict, spent, mebibytes, backlog, drained, site.statuses[503])


async def _down(site: Site, way: str) -> None:
    if way == REFUSING:
        await site.simulator.go_down()
        return
    site.simulator.faults.down(way, SLOW_SECONDS)


async def _up(site: Site, way: str) -> None:
    if way == REFUSING:
        await site.simulator.come_back()
        return
    site.simulator.faults.up()


@dataclass(slots=True)
class Storm:
    """What a dead access token came to."""

    verdict: Verdict
    fetches: int
    most_attempts: int

    def wrong(self) -> list[str]:
        """What must not be (promise P09)."""
        found = self.verdict.wrong()
        if self.fetches != 1:
            found.append(f"{self.fetches} access tokens fetched")
        if self.most_attempts > 1:
            found.append(f"a notice was taken up {self.most_attempts} times")
        return found

    def __str__(self) -> str:
        return f"{self.fetches} fetched, {self.most_attempts} tries at most; {self.verdict}"


async def dead_token(folder: Path, *, count: int) -> Storm:
    """Send to so many people at once while the access token dies, again and again."""
    async with open_site(folder, count) as site:
        site.gather(count)
        await site.start()
        platform = site.simulator
        await platform.called(TOKEN)
        before = platform.calls[TOKEN]
        platform.faults.kill_access_tokens()
        told = await site.groups[0].send()
        assert told.status == 202, told
        await site.drained()
        ((most,),) = site.rows("SELECT max(attempts) FROM outbox")
        storm = Storm(site.judge(), platform.calls[TOKEN] - before, most)
        await site.stop()
        return storm
