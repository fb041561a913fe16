"""Silent sign-ins: a phone that taps the menu, up to the page that it was for."""

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench import harness
from tests.bench.clients import PHONE_HEADERS, Answer, Connection
from tests.bench.harness import APP_ID, Process, Row, Size, median, percentile
from tests.bench.people import bind_people

ROUNDS = 5
CONCURRENT = 20
PEOPLE = 50

Sign = Callable[[Connection, int], Awaitable[None]]


async def bench(size: Size) -> list[Row]:
    """One after the other, then many at once; beside a bare handler that redirects, asks the
    platform once by the same client, and redirects again."""
    alone, crowd = size.pick(300, 10), size.pick(1000, 40)
    async with (
        harness.floor("platform") as platform,
        _site(platform) as site,
        harness.floor("redirects", platform.base) as floor,
    ):
        ways: dict[Process, Sign] = {site: _silently, floor: _barely}
        for server, sign in ways.items():  # what is made at first use is made
            await _one_by_one(server, sign, 5)
        waits: dict[Process, list[float]] = {site: [], floor: []}
        late: dict[Process, list[float]] = {site: [], floor: []}
        rates: dict[Process, list[float]] = {site: [], floor: []}
        work: dict[Process, list[float]] = {site: [], floor: []}
        for _ in range(ROUNDS):
            for server, sign in ways.items():
                spent = await _one_by_one(server, sign, alone)
                waits[server].append(median(spent))
                late[server].append(percentile(spent, 99))
                before = server.cpu()
                rates[server].append(await _at_once(server, sign, crowd))
                work[server].append(1000 * (server.cpu() - before) / crowd)
    return [
        Row("silent sign-in, p50", median(waits[site]), median(waits[floor]), "ms"),
        Row("silent sign-in, p99", median(late[site]), median(late[floor]), "ms"),
        Row(f"sign-ins/s, {CONCURRENT} at once", median(rates[site]), median(rates[floor]), "/s"),
        Row("CPU of a sign-in", median(work[site]), median(work[floor]), "ms"),
    ]


@asynccontextmanager
async def _site(platform: Process) -> AsyncIterator[Process]:
    """A running server with people whose WeChat is bound."""
    with tempfile.TemporaryDirectory(prefix="wxbind-bench-") as folder:
        data = Path(folder) / "data"
        openids = [f"ocode{number}" for number in range(PEOPLE)]
        await bind_people(data, openids, app_id=APP_ID)
        async with (
            harness.prepared(platform.base, data_dir=str(data)) as (environ, _),
            harness.run("server.py", "serve", environ=environ) as server,
        ):
            yield server


async def _silently(connection: Connection, person: int) -> None:
    """Tap the menu, be sent to the platform, come back with its code, be signed in."""
    away = await connection.fetch("/enter", PHONE_HEADERS)
    state = re.search(r"[?&]state=(\w+)", _header(away, "Location"))
    assert away.status == 302 and state, away.status
    cookie = _header(away, "Set-Cookie").partition(";")[0]
    back = f"/enter?code=code{person}&state={state[1]}"
    answer = await connection.fetch(back, PHONE_HEADERS | {"Cookie": cookie})
    assert answer.status == 303 and "session=" in _header(answer, "Set-Cookie"), answer.status


async def _barely(connection: Connection, person: int) -> None:
    """The same on the floor."""
    assert (await connection.fetch("/away", PHONE_HEADERS)).status == 302
    answer = await connection.fetch(f"/back?code=code{person}", PHONE_HEADERS)
    assert answer.status == 303, answer.status


async def _one_by_one(server: Process, sign: Sign, count: int) -> list[float]:
    """Milliseconds of each."""
    connection = await Connection(server.base).open()
    spent = []
    for number in range(count):
        begun = time.perf_counter()
        await sign(connection, number % PEOPLE)
        spent.append(1000 * (time.perf_counter() - begun))
    connection.close()
    return spent


async def _at_once(server: Process, sign: Sign, count: int) -> float:
    """So many in a second."""
    todo = iter(range(count))

    async def work() -> None:
        connection = await Connection(server.base).open()
        for number in todo:
            await sign(connection, number % PEOPLE)
        connection.close()

    begun = time.perf_counter()
    await asyncio.gather(*[work() for _ in range(CONCURRENT)])
    return count / (time.perf_counter() - begun)


def _header(answer: Answer, name: str) -> str:
    """All headers of this name, in one line each."""
    found = [value for one, value in answer.headers if one.lower() == name.lower()]
    return "\n".join(found)
