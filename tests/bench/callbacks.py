"""Many phones that come back at once while the platform is slow (aims C1 and C2)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.bench import harness
from tests.bench.clients import PHONE_HEADERS, fetch
from tests.bench.harness import Process, Row, Site, Size, median, percentile
from tests.bench.people import Person

ROUNDS = 3
CONCURRENT = 200


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many at once, while the platform takes so long; the aim in milliseconds."""

    count: int
    latency: float
    limit: int
    aim: str


CROWDS = (
    Crowd(200, 0.1, 400, "C1 ≤ 400 ms"),
    Crowd(50, 1.0, 1300, "C2 ≤ 1.3 s"),
    Crowd(300, 1.0, 2500, "C2 ≤ 2.5 s"),
)


async def bench(size: Size) -> list[Row]:
    """Crowds that come at once, and then a crowd that never ends; each beside one that asks the
    platform itself, which is as fast as anybody can be."""
    rounds = size.pick(ROUNDS, 1)
    crowds = [Crowd(20, 0.1, 400, "C1 ≤ 400 ms")] if size.quick else CROWDS
    stream = size.pick(3 * CONCURRENT, 40)
    people = rounds * (sum(crowd.count for crowd in crowds) + stream)
    async with (
        harness.floor("platform") as platform,
        harness.wxbind(platform.base, people=people) as site,
    ):
        phones = Phones(site, platform)
        rows = []
        for crowd in crowds:
            rows += await _crowd(phones, crowd, rounds)
        rows += await _stream(phones, stream, rounds, latency=size.pick(10, 1) / 10)
    return rows


class Phones:
    """Calls back for one person after the other, and asks the platform in the same way."""

    def __init__(self, site: Site, platform: Process) -> None:
        self._site = site
        self._platform = platform
        self._people = iter(site.people)
        self.failed = 0

    async def latency(self, seconds: float) -> None:
        """From now on the platform takes so long."""
        await fetch(self._platform.base, f"/latency/{seconds}", {})

    async def here(self) -> float:
        """Milliseconds of one callback."""
        person: Person = next(self._people)
        begun = time.perf_counter()
        headers = PHONE_HEADERS | person.phone_cookie
        answer = await fetch(self._site.base, person.callback, headers)
        self.failed += answer.status != 200
        return 1000 * (time.perf_counter() - begun)

    async def there(self) -> float:
        """Milliseconds of one exchange, asked by ourselves."""
        begun = time.perf_counter()
        answer = await fetch(self._platform.base, "/sns/oauth2/access_token?code=x", {})
        assert answer.status == 200
        return 1000 * (time.perf_counter() - begun)

    def cpu(self) -> float:
        """Milliseconds of processor time that the server has used."""
        return 1000 * self._site.server.cpu()


async def _crowd(phones: Phones, crowd: Crowd, rounds: int) -> list[Row]:
    here, there = [], []
    for _ in range(rounds):
        await phones.latency(crowd.latency)
        for times, one in ((there, phones.there), (here, phones.here)):
            spent = await asyncio.gather(*[one() for _ in range(crowd.count)])
            times.append(percentile(spent, 99))
        await _quiet(phones)
    worst = median(here)
    failed, phones.failed = phones.failed, 0
    name = f"{crowd.count} callbacks at once, platform {1000 * crowd.latency:.0f} ms"
    return [
        Row(f"{name}, p99", worst, median(there), "ms", crowd.aim, worst <= crowd.limit),
        Row(f"{name}, failed", failed, None, "", "0", failed == 0),
    ]


async def _stream(phones: Phones, count: int, rounds: int, *, latency: float) -> list[Row]:
    here, there, cpu = [], [], []
    for _ in range(rounds):
        await phones.latency(latency)
        there.append(await _rate(phones.there, count))
        before = phones.cpu()
        here.append(await _rate(phones.here, count))
        await _quiet(phones)
        cpu.append((phones.cpu() - before) / count)
    name = f"callbacks/s, {CONCURRENT} in flight, platform {1000 * latency:.0f} ms"
    return [
        Row(name, median(here), median(there), "/s"),
        Row("CPU of a callback, its profile and notice included", median(cpu), None, "ms"),
    ]


async def _rate(one: Callable[[], Awaitable[float]], count: int) -> float:
    todo = iter(range(count))

    async def work() -> None:
        for _ in todo:
            await one()

    begun = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(CONCURRENT)])
    return count / (time.perf_counter() - begun)


async def _quiet(phones: Phones) -> None:
    """Let what follows a binding, the profile and the notice, come to its end."""
    await phones.latency(0)
    await asyncio.sleep(1.5)
