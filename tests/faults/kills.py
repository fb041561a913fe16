"""kill -9 at random moments, and at every failpoint of a notice's way, while notices come in."""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.site import Site, Verdict, open_site

RATE = 50  # notices a second
LONGEST_LIFE = 0.6  # seconds, where no failpoint ends it
LATEST = 10.0  # seconds until a failpoint must have been passed
FAILPOINTS = (
    "after-accept-insert",
    "after-commit-before-202",
    "outbox-after-claim",
    "before-send",
    "after-send-before-commit",
    "after-commit",
)
ONE_FOLDER = 250  # kills, after which everything is judged and begins anew


@dataclass(slots=True)
class Kills:
    """What came of so many kills."""

    count: int
    verdict: Verdict

    def wrong(self) -> list[str]:
        """What must not be (promises P01 to P05)."""
        return self.verdict.wrong()

    def __str__(self) -> str:
        return f"{self.count:,} kills, {self.verdict}"


async def kills(folder: Path, *, count: int) -> Kills:
    """Kill the program so often, bring it back, let everything drain, and judge."""
    whole = Verdict(0)
    for done in range(0, count, ONE_FOLDER):
        begun = time.monotonic()
        part = min(ONE_FOLDER, count - done)
        verdict = await _folder(folder / f"kills-{done}", part)
        whole = _sum(whole, verdict)
        if count > ONE_FOLDER:
            seconds = time.monotonic() - begun
            print(
                f"  {done + part} kills ({seconds:.0f} s): {verdict}", file=sys.stderr, flush=True
            )
    return Kills(count, whole)


async def _folder(folder: Path, count: int) -> Verdict:
    async with open_site(folder, 24) as site:
        site.gather(*[1] * 16, 2, 3, 3)
        async with site.traffic(rate=RATE):
            for number in range(count):
                # Each failpoint in its turn, and between them no moment in particular.
                named = FAILPOINTS[number // 2 % len(FAILPOINTS)] if number % 2 else ""
                # Some receipts come before the answer to the call, and so before our commit.
                site.simulator.pushes.receipt_first = number % 3 == 0
                await _live(site, named)
            site.simulator.pushes.receipt_first = False
            await site.start()
            await asyncio.sleep(0.2)
        await site.send_rest()
        await site.drained()
        verdict = site.judge()
        await site.stop()
        assert not site.errors(), site.errors()[:3]
    return verdict


async def _live(site: Site, named: str) -> None:
    """One life, to its end."""
    if not named:
        await site.start()
        await asyncio.sleep(site.chance.uniform(0, LONGEST_LIFE))
        await site.kill()
        return
    await site.start(failpoint=f"{named}@{site.chance.randint(1, 12)}")
    async with asyncio.timeout(LATEST):
        assert await asyncio.to_thread(site.program.ended) == 137
    site.look_after_kill()


def _sum(one: Verdict, other: Verdict) -> Verdict:
    return Verdict(
        one.accepted + other.accepted,
        one.lost + other.lost,
        one.doubled + other.doubled,
        one.inversions + other.inversions,
        one.strangers + other.strangers,
        one.unknown + other.unknown,
        one.wrongly_unknown + other.wrongly_unknown,
        one.untold + other.untold,
    )
