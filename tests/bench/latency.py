"""From the request that binds to "bound" in the browser, while many wait (aim L2)."""

import asyncio
import time
from dataclasses import dataclass, field

from tests.bench import harness
from tests.bench.clients import PHONE_HEADERS, Connection, Waiting, fetch, open_all
from tests.bench.harness import Process, Row, Site, Size, percentile

PER_SESSION = 5
PAUSE_SECONDS = 0.01
_FRAME = b'{"state": "bound", "expires_in": 583, "number": "42", "follower": {"nickname": "x"}}'


async def bench(size: Size) -> list[Row]:
    """Scan, bind, echo, ask the platform: in turns, for one person after the other."""
    rows = []
    for waiting in [200] if size.quick else [1000, 5000]:
        rows += await _bench(waiting, binding=size.pick(300, 50))
    return rows


async def _bench(waiting: int, *, binding: int) -> list[Row]:
    # Those who bind wait with one socket each; all others with as many as a session may have.
    crowd = (waiting - binding) // PER_SESSION
    seen = Seen()
    async with (
        harness.floor("platform") as platform,
        harness.wxbind(platform.base, people=binding + crowd) as site,
        harness.floor("echo") as floor,
    ):
        places = [(f"/live/{one.invite}", one.browser_cookie) for one in site.people]
        places += places[binding:] * (PER_SESSION - 1)
        here = await open_all([Waiting(site.base, *place) for place in places], b"waiting")
        there = await open_all([Waiting(floor.base, *place) for place in places], b"hello")
        for number in range(binding):
            person = site.people[number]
            scan, callback = f"/b/{person.code}", person.callback
            seen.scanned.append(await _told(site, scan, {}, here[number], b'"scanned"'))
            cookie = person.phone_cookie
            seen.bound.append(await _told(site, callback, cookie, here[number], b'"bound"'))
            seen.echoed.append(await _echo(there[number]))
            seen.platform.append(await _platform(platform))
        for socket in here + there:
            socket.close()
    return seen.rows(waiting)


@dataclass(slots=True)
class Seen:
    """Milliseconds, of one person after the other."""

    scanned: list[float] = field(default_factory=list)
    bound: list[float] = field(default_factory=list)
    echoed: list[float] = field(default_factory=list)
    platform: list[float] = field(default_factory=list)

    def rows(self, waiting: int) -> list[Row]:
        rows = []
        for percent in (50, 99):
            scanned, bound, echoed, platform = (
                percentile(times, percent)
                for times in (self.scanned, self.bound, self.echoed, self.platform)
            )
            aimed = percent == 99 and waiting >= 5000
            aim = ("L2 ≤ 5 ms", bound <= 5) if aimed else ("", None)
            end = f"{waiting:,} waiting, p{percent}"
            rows += [
                Row(f"callback to browser, {end}", bound, echoed, "ms", *aim),
                Row("  of it the platform's two answers, asked by us", platform, None, "ms"),
                Row(f"scan to browser, {end}", scanned, echoed, "ms"),
            ]
        return rows


async def _told(
    site: Site, path: str, headers: dict[str, str], socket: Waiting, state: bytes
) -> float:
    """Milliseconds from a phone's request to the frame that says what came of it."""
    socket.expect(state)
    begun = time.perf_counter()
    request = asyncio.create_task(fetch(site.base, path, PHONE_HEADERS | headers))
    spent = 1000 * (await socket.came() - begun)
    assert (await request).status == 200
    await asyncio.sleep(PAUSE_SECONDS)
    return spent


async def _echo(socket: Waiting) -> float:
    socket.expect(b'"bound"')
    begun = time.perf_counter()
    socket.send(_FRAME)
    spent = 1000 * (await socket.came() - begun)
    await asyncio.sleep(PAUSE_SECONDS)
    return spent


async def _platform(platform: Process) -> float:
    """What the exchange and the profile take over a kept connection."""
    connection = await Connection(platform.base).open()
    begun = time.perf_counter()
    await connection.fetch("/sns/oauth2/access_token?code=x", {})
    await connection.fetch("/sns/userinfo?openid=x", {})
    spent = 1000 * (time.perf_counter() - begun)
    connection.close()
    return spent
