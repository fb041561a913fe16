"""From nothing to the first page, and what the server occupies while nobody comes (T1, T2)."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager

from tests.bench import harness
from tests.bench.clients import PAGE_HEADERS, fetch
from tests.bench.harness import MIB, Process, Row, Size, median

ROUNDS = 7
SETTLE_SECONDS = 1.5


async def bench(size: Size) -> list[Row]:
    """Start both in turns; both answer with the same login page."""
    here: list[tuple[float, int]] = []
    there: list[tuple[float, int]] = []
    async with (
        harness.floor("platform") as platform,
        # A database is made once in its life: what is measured is every later start.
        harness.prepared(platform.base) as (environ, _),
    ):
        for _ in range(size.pick(ROUNDS, 2)):
            there.append(await _start(harness.floor("pages")))
            here.append(await _start(harness.run("server.py", "serve", environ=environ)))
    seconds, floor_seconds = (median([one[0] for one in seen]) for seen in (here, there))
    memory, floor_memory = (median([one[1] for one in seen]) / MIB for seen in (here, there))
    return [
        Row(
            "start to the first page",
            1000 * seconds,
            1000 * floor_seconds,
            "ms",
            "T1 ≤ 1.8x",
            seconds / floor_seconds <= 1.8,
        ),
        Row(
            "memory while nobody comes",
            memory,
            floor_memory,
            "MiB",
            "T2 ≤ 1.8x",
            memory / floor_memory <= 1.8,
        ),
    ]


async def _start(starting: AbstractAsyncContextManager[Process]) -> tuple[float, int]:
    """Seconds to the first page, and bytes a while after."""
    begun = time.perf_counter()
    async with starting as server:
        answer = await fetch(server.base, "/login", PAGE_HEADERS)
        spent = time.perf_counter() - begun
        assert answer.status == 200
        await asyncio.sleep(SETTLE_SECONDS)
        return spent, server.memory()
