"""The page that everybody opens, and the code on it (aim S2)."""

import asyncio

from tests.bench import harness
from tests.bench.clients import (
    PAGE_HEADERS,
    Connection,
    pages_per_second,
    round_trips,
)
from tests.bench.harness import KIB, Row, Site, Size, median, percentile

ROUNDS = 5
CONNECTIONS = 8
PAUSE_SECONDS = 0.001


async def bench(size: Size) -> list[Row]:
    """Pages a second, and how long one code keeps everybody else waiting."""
    pages, codes = size.pick(400, 40), size.pick(40, 5)
    async with (
        harness.floor("platform") as platform,
        harness.wxbind(platform.base, people=ROUNDS * codes) as site,
        harness.floor("pages") as floor,
    ):
        here, there = [], []
        for _ in range(ROUNDS):
            floor_requests = [("/bind", PAGE_HEADERS)] * pages
            there.append(
                await pages_per_second(floor.base, floor_requests, connections=CONNECTIONS)
            )
            people = [site.people[number % len(site.people)] for number in range(pages)]
            requests = [("/bind", PAGE_HEADERS | person.browser_cookie) for person in people]
            here.append(await pages_per_second(site.base, requests, connections=CONNECTIONS))
        lags: list[float] = []
        floor_lags: list[float] = []
        weights: list[int] = []
        for start in range(0, len(site.people), codes):
            floor_lags.append(percentile(await _idle(floor.base), 100))
            lag, weight = await _codes(site, range(start, start + codes))
            lags.append(percentile(lag, 100))
            weights.append(weight)
    lag, weight_kb = median(lags), max(weights) / KIB
    return [
        Row("pages/s of /bind", median(here), median(there), "/s"),
        Row(
            "worst answer while codes are drawn",
            lag,
            median(floor_lags),
            "ms",
            "S2 ≤ 6 ms",
            lag <= 6,
        ),
        Row("the code's picture", weight_kb, None, "kB", "S2 ≤ 4 kB", weight_kb <= 4),
    ]


async def _codes(site: Site, numbers: range) -> tuple[list[float], int]:
    """Milliseconds of other answers while new codes are drawn, one after the other; and the bytes
    of the heaviest code."""
    done = asyncio.Event()
    probe = asyncio.create_task(
        round_trips(site.base, "/healthz", {}, until=done, pause=PAUSE_SECONDS)
    )
    connection = await Connection(site.base).open()
    heaviest = 0
    for number in numbers:
        person = site.people[number]
        path = f"/bind/invites/{person.invite}/qr.svg"
        answer = await connection.fetch(path, PAGE_HEADERS | person.browser_cookie)
        assert answer.status == 200
        heaviest = max(heaviest, len(answer.body))
        await asyncio.sleep(5 * PAUSE_SECONDS)
    connection.close()
    done.set()
    return await probe, heaviest


async def _idle(base: str) -> list[float]:
    """Milliseconds of answers while nothing else is asked."""
    done = asyncio.Event()
    probe = asyncio.create_task(round_trips(base, "/healthz", {}, until=done, pause=PAUSE_SECONDS))
    await asyncio.sleep(0.5)
    done.set()
    return await probe
