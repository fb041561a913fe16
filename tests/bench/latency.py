"""From the request that binds to "bound" in the browser, while many wait (aim L2)."""

import asyncio
import time

from tests.bench import harness
from tests.bench.clients import PHONE_HEADERS, Waiting, fetch, open_all
from tests.bench.harness import Row, Site, Size, percentile

ROUNDS = 5
PER_SESSION = 5
PAUSE_SECONDS = 0.01
_FRAME = b'{"state": "bound", "expires_in": 583, "number": "42", "follower": {"nickname": "x"}}'


async def bench(size: Size) -> list[Row]:
    """Bind one after the other, and echo one after the other, in turns."""
    rows = []
    for waiting in [200] if size.quick else [1000, 5000]:
        rows += await _bench(waiting, each=size.pick(60, 10))
    return rows


async def _bench(waiting: int, *, each: int) -> list[Row]:
    binding = ROUNDS * each
    # Those who bind wait with one socket each; all others with as many as a session may have.
    crowd = (waiting - binding) // PER_SESSION
    async with (
        harness.floor("platform") as platform,
        harness.wxbind(platform.base, people=binding + crowd) as site,
        harness.floor("echo") as floor,
    ):
        places = [(f"/live/{one.invite}", one.browser_cookie) for one in site.people]
        places += places[binding:] * (PER_SESSION - 1)
        here = await open_all([Waiting(site.base, *place) for place in places], b"waiting")
        there = await open_all([Waiting(floor.base, *place) for place in places], b"hello")
        bound: list[float] = []
        echoed: list[float] = []
        for start in range(0, binding, each):
            bound += await _bind(site, here, range(start, start + each))
            echoed += await _echo(there[start : start + each])
        for socket in here + there:
            socket.close()
    p99 = percentile(bound, 99)
    aim = ("≤ 5 ms", p99 <= 5) if waiting >= 5000 else ("", None)
    name = f"callback to browser, {waiting:,} waiting"
    return [
        Row(f"{name}, p50", percentile(bound, 50), percentile(echoed, 50), "ms"),
        Row(f"{name}, p99", p99, percentile(echoed, 99), "ms", *aim),
    ]


async def _bind(site: Site, sockets: list[Waiting], numbers: range) -> list[float]:
    """Milliseconds from each callback to its browser."""
    seen = []
    for number in numbers:
        person, socket = site.people[number], sockets[number]
        socket.expect(b'"bound"')
        begun = time.perf_counter()
        callback = asyncio.create_task(
            fetch(site.base, person.callback, PHONE_HEADERS | person.phone_cookie)
        )
        seen.append(1000 * (await socket.came() - begun))
        assert (await callback).status == 200
        await asyncio.sleep(PAUSE_SECONDS)
    return seen


async def _echo(sockets: list[Waiting]) -> list[float]:
    seen = []
    for socket in sockets:
        socket.expect(b'"bound"')
        begun = time.perf_counter()
        socket.send(_FRAME)
        seen.append(1000 * (await socket.came() - begun))
        await asyncio.sleep(PAUSE_SECONDS)
    return seen
