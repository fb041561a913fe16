"""What a waiting browser occupies in the server (aim L1)."""

import asyncio

from tests.bench import harness
from tests.bench.clients import Waiting, open_all
from tests.bench.harness import KIB, MIB, Process, Row, Size

PER_SESSION = 5  # as many as the hub lets one session have
SETTLE_SECONDS = 2.0


async def bench(size: Size) -> list[Row]:
    """Open more and more sockets on both, and look at what both occupy then."""
    steps = [100, 300] if size.quick else [1000, 5000, 10_000]
    async with (
        harness.floor("platform") as platform,
        harness.wxbind(platform.base, people=steps[-1] // PER_SESSION) as site,
        harness.floor("echo") as floor,
    ):
        places = [
            (f"/live/{person.invite}", person.browser_cookie)
            for person in site.people
            for _ in range(PER_SESSION)
        ]
        here = await _grow(site.server, places, steps, first=b'"state"')
        there = await _grow(floor, places, steps, first=b"hello")
    rows = []
    for step, mine, bare in zip(steps, here[1:], there[1:], strict=True):
        each, floor_each = (mine - here[0]) / step / KIB, (bare - there[0]) / step / KIB
        name = f"memory of a waiting browser, {step:,} waiting"
        rows.append(Row(name, each, floor_each, "KiB", "≤ 20 KiB", each <= 20))
    if not size.quick:
        whole = here[-1] / MIB
        name = "memory of the server, 10,000 waiting"
        rows.append(Row(name, whole, there[-1] / MIB, "MiB", "≤ 260 MiB", whole <= 260))
    return rows


async def _grow(
    server: Process, places: list[tuple[str, dict[str, str]]], steps: list[int], *, first: bytes
) -> list[int]:
    """Bytes with no socket open, and then after each step."""
    # The first few bring in what is loaded only once.
    warm = await open_all([Waiting(server.base, *place) for place in places[:20]], first)
    for socket in warm:
        socket.close()
    await asyncio.sleep(SETTLE_SECONDS)
    seen = [server.memory()]
    opened: list[Waiting] = []
    for step in steps:
        more = [Waiting(server.base, *place) for place in places[len(opened) : step]]
        opened += await open_all(more, first)
        await asyncio.sleep(SETTLE_SECONDS)
        seen.append(server.memory())
    for socket in opened:
        socket.close()
    return seen
