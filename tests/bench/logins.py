"""What five logins a second do to everybody else (aim S1)."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlencode

from tests.bench import harness
from tests.bench.clients import PAGE_HEADERS, Connection, round_trips
from tests.bench.harness import Row, Site, Size, median, percentile
from tests.bench.people import PASSWORD, Person

ROUNDS = 5
PER_SECOND = 5
PAUSE_SECONDS = 0.001


async def bench(size: Size) -> list[Row]:
    """The worst answer of a loop beside logins, and of a bare one beside nothing."""
    logins = PER_SECOND * size.pick(4, 1)
    async with (
        harness.floor("platform") as platform,
        harness.wxbind(platform.base, people=ROUNDS * logins) as site,
        harness.floor("pages") as floor,
    ):
        worst, usual, floor_worst, floor_usual = [], [], [], []
        for start in range(0, len(site.people), logins):
            bare = await _beside(floor.base, asyncio.sleep(logins / PER_SECOND))
            people = site.people[start : start + logins]
            busy = await _beside(site.base, _log_in_all(site, people))
            worst.append(max(busy))
            floor_worst.append(max(bare))
            usual.append(percentile(busy, 50))
            floor_usual.append(percentile(bare, 50))
    lag = median(worst)
    return [
        Row("answers beside five logins a second, p50", median(usual), median(floor_usual), "ms"),
        Row(
            "answers beside five logins a second, worst",
            lag,
            median(floor_worst),
            "ms",
            "S1 ≤ 10 ms",
            lag <= 10,
        ),
    ]


async def _beside(base: str, work: Coroutine[Any, Any, None]) -> list[float]:
    """Milliseconds of answers while ``work`` is done."""
    done = asyncio.Event()
    probe = asyncio.create_task(round_trips(base, "/healthz", {}, until=done, pause=PAUSE_SECONDS))
    await work
    done.set()
    return await probe


async def _log_in_all(site: Site, people: list[Person]) -> None:
    tasks = []
    for person in people:
        tasks.append(asyncio.create_task(_log_in(site, person)))
        await asyncio.sleep(1 / PER_SECOND)
    await asyncio.gather(*tasks)


async def _log_in(site: Site, person: Person) -> None:
    connection = await Connection(site.base).open()
    form = (await connection.fetch("/login", PAGE_HEADERS)).body.decode()
    token = re.search(r'name="_xsrf" value="([^"]+)"', form)
    assert token, "the login page has no form"
    fields = {"_xsrf": token[1], "username": person.name, "password": PASSWORD}
    headers = PAGE_HEADERS | {"Cookie": f"xsrf={token[1]}"}
    answer = await connection.fetch("/login", headers, body=urlencode(fields).encode())
    assert answer.status == 303, answer.status
    connection.close()
