"""The outbox under load: taking notices, sending them, and holding a hundred thousand of them (aims
O1 and O2)."""

import asyncio
import importlib.util
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import certificate, harness
from tests.bench.clients import Connection, fetch
from tests.bench.harness import APP_ID, MIB, ROOT, Process, Row, Size, median, percentile
from tests.bench.people import bind_people
from tests.bench.senders import IN_FLIGHT

ROUNDS = 5
PEOPLE = 1000
LATENCY = 0.1  # seconds that the platform takes
QUEUED = 100_000
DRAIN_SECONDS = 30
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Sender:
    """A running wxbind with people bound to it, and a program with a key."""

    server: Process
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def send_many(self, count: int) -> None:
        """Have so many accepted, a thousand at a time."""
        connection = await Connection(self.server.base).open()
        for start in range(0, count, PEOPLE):
            to = [f"person{number}" for number in range(min(PEOPLE, count - start))]
            answer = await connection.fetch(
                "/api/v1/notices", self.headers, body=_notice(to), kind="application/json"
            )
            assert answer.status == 202, answer.body[:200]
        connection.close()


async def bench(size: Size) -> list[Row]:
    """Accepting beside durable inserts, sending beside our own transport alone and beside what
    people write, and a long queue."""
    with tempfile.TemporaryDirectory(prefix="wxbind-bench-") as folder:
        vouched = Path(folder) / "platform.pem"
        await asyncio.to_thread(certificate.write, vouched)
        rows = await _accepting(size)
        rows += await _sending(size, vouched)
        rows += await _cost(size, vouched)
        return rows + await _queue(size)


@asynccontextmanager
async def _running(
    platform: str, *, environ: dict[str, str] | None = None
) -> AsyncIterator[Sender]:
    keys = {
        "api_per_minute": "1000000",
        "notices_per_minute": "1000000",
        "notices_per_day": "0",
        "notice_template": "BenchTemplate:thing1,time2",
    }
    async with harness.prepared(platform, **keys) as (settings, _):
        openids = [f"oBench{number:022}" for number in range(PEOPLE)]
        key = await bind_people(Path(settings["WXBIND_DATA_DIR"]), openids, app_id=APP_ID)
        async with harness.run("server.py", "serve", environ=settings | (environ or {})) as server:
            yield Sender(server, key)


# Accepting


@dataclass(frozen=True, slots=True)
class Run:
    """What one load came to: notices a second, milliseconds of each, processor time of each."""

    rate: float
    spent: list[float]
    cpu: float


async def _accepting(size: Size) -> list[Row]:
    """While the platform hangs, so that nothing but accepting goes on."""
    count, rounds = size.pick(2000, 40), size.pick(ROUNDS, 1)
    rows = []
    async with (
        harness.floor("platform") as platform,
        harness.floor("insert") as floor,
        _running(platform.base) as sender,
    ):
        await fetch(platform.base, "/latency/1000", {})
        await sender.send_many(2 * IN_FLIGHT)
        for connections in (1, 32):
            here, there = [], []
            for number in range(rounds + 1):
                runs = [
                    await _drive(server, sender.headers, count, connections)
                    for server in (floor, sender.server)
                ]
                if number:  # the first is for warming up
                    there.append(runs[0])
                    here.append(runs[1])
            rows += _accepted(connections, here, there)
    bare = [await _alone("inserts", "none", count) for _ in range(rounds)]
    rows.append(Row("durable inserts/s, nothing around them", median(_rates(bare)), None, "/s"))
    return rows


def _accepted(connections: int, here: list[Run], there: list[Run]) -> list[Row]:
    name = f"{connections} connection{'s'[: connections > 1]}"
    rates, cpus = (
        [median([getattr(run, what) for run in runs]) for runs in (here, there)]
        for what in ("rate", "cpu")
    )
    slowest = [percentile([one for run in runs for one in run.spent], 99) for runs in (here, there)]
    return [
        Row(f"notices accepted/s, {name}, to a bare insert", *rates, "/s"),
        Row(f"p99, {name}", *slowest, "ms"),
        Row(f"CPU of accepting one, {name}", *cpus, "ms"),
    ]


async def _drive(server: Process, headers: dict[str, str], count: int, connections: int) -> Run:
    spent: list[float] = []
    todo = _bodies(count)

    async def work() -> None:
        connection = await Connection(server.base).open()
        for body in todo:
            begun = time.perf_counter()
            answer = await connection.fetch(
                "/api/v1/notices", headers, body=body, kind="application/json"
            )
            spent.append(1000 * (time.perf_counter() - begun))
            assert answer.status == 202, answer.body[:200]
        connection.close()

    cpu, begun = server.cpu(), time.perf_counter()
    await asyncio.gather(*[work() for _ in range(connections)])
    took = time.perf_counter() - begun
    return Run(count / took, spent, 1000 * (server.cpu() - cpu) / count)


def _bodies(count: int) -> Iterator[bytes]:
    return iter([_notice(f"person{next(_NUMBERS) % PEOPLE}") for _ in range(count)])


def _notice(to: str | list[str]) -> bytes:
    data = {"thing1": "备份已完成", "time2": "2026-01-02 03:04"}
    return json.dumps({"to": to, "template": {"id": "BenchTemplate", "data": data}}).encode()


# Sending


async def _sending(size: Size, vouched: Path) -> list[Row]:
    """Over TLS, to a platform that takes a tenth of a second."""
    count = size.pick(2000, 200)
    environ = {"SSL_CERT_FILE": str(vouched)}
    async with harness.floor("platform", str(vouched)) as platform:
        secure = (await _seen(platform))["secure"]
        await fetch(platform.base, f"/latency/{LATENCY}", {})
        there = await _alone("bare", secure, count, environ)
        before = await _seen(platform)
        async with _running(secure, environ=environ) as sender:
            await sender.send_many(count)
            here = await _measured(sender, platform, before["sends"], count)
        after = await _seen(platform)
    limit = IN_FLIGHT / LATENCY
    handshakes = after["connections"] - before["connections"]
    return [
        Row(f"notices sent/s over TLS, platform {1000 * LATENCY:.0f} ms, to {IN_FLIGHT} in flight",
            here.rate, limit, "/s", "O1 ≥ 0.85x", here.rate >= 0.85 * limit),
        Row("the same, to our transport alone", here.rate, count / there["seconds"], "/s"),
        Row("connections for these, to those that may be under way", handshakes, IN_FLIGHT, "",
            "O1 ≤ 1x", handshakes <= IN_FLIGHT),
    ]  # fmt: skip


async def _cost(size: Size, vouched: Path) -> list[Row]:
    """Over TLS, to a platform that answers at once."""
    count, rounds = size.pick(2000, 200), size.pick(3, 1)
    environ = {"SSL_CERT_FILE": str(vouched)}
    sending, whole, bare, blocking = [], [], [], []
    async with harness.floor("platform", str(vouched)) as platform:
        secure = (await _seen(platform))["secure"]
        for _ in range(rounds):
            before = (await _seen(platform))["sends"]
            async with _running(secure, environ=environ) as sender:
                # Started, its first access token fetched.
                await asyncio.sleep(1)
                cpu = sender.server.cpu()
                await sender.send_many(count)
                sending.append((await _measured(sender, platform, before, count)).cpu)
                await _until(platform, before + count)
                await asyncio.sleep(0.5)  # the last are written down
                whole.append(1000 * (sender.server.cpu() - cpu) / count)
            bare.append(1000 * (await _alone("bare", secure, count, environ))["cpu"])
            if has_requests():
                trusted = {"REQUESTS_CA_BUNDLE": str(vouched)}
                few = size.pick(300, 20)
                blocking.append(1000 * (await _alone("blocking", secure, few, trusted))["cpu"])
    rows = [Row("CPU of sending one, its rows included, to our transport alone", median(sending),
                median(bare), "ms")]  # fmt: skip
    if blocking:
        theirs = median(blocking)
        rows += [
            Row("CPU of sending one, its rows included, to requests.post", median(sending), theirs,
                "ms", "O2 ≤ 0.25x", median(sending) <= 0.25 * theirs),
            Row("the same with accepting it, a thousand at a time", median(whole), theirs, "ms",
                "O2 ≤ 0.25x", median(whole) <= 0.25 * theirs),
        ]  # fmt: skip
    return rows


def has_requests() -> bool:
    """Whether the extra `bench` is installed."""
    return importlib.util.find_spec("requests") is not None


async def _measured(sender: Sender, platform: Process, before: int, count: int) -> Run:
    """Rate and processor time of the sends from the first tenth to the last."""
    first = await _until(platform, before + count // 10)
    cpu, begun = sender.server.cpu(), time.perf_counter()
    last = await _until(platform, before + count - count // 10)
    took = time.perf_counter() - begun
    sent = last - first
    return Run(sent / took, [], 1000 * (sender.server.cpu() - cpu) / sent)


# A long queue


async def _queue(size: Size) -> list[Row]:
    """Notices pile up while the platform is down, and leave when it heals."""
    queued = size.pick(QUEUED, 2000)
    async with harness.floor("platform") as platform, _running(platform.base) as sender:
        await asyncio.sleep(1)
        empty = sender.server.memory()
        await fetch(platform.base, "/down/1", {})
        begun = time.perf_counter()
        await sender.send_many(queued)
        took = time.perf_counter() - begun
        await asyncio.sleep(size.pick(5, 1))
        full = sender.server.memory()
        await fetch(platform.base, "/down/0", {})
        before = (await _seen(platform))["sends"]
        begun = time.perf_counter()
        await asyncio.sleep(size.pick(DRAIN_SECONDS, 3))
        sent = (await _seen(platform))["sends"] - before
        drained = sent / (time.perf_counter() - begun)
    return [
        Row("notices accepted/s, a thousand at a time", queued / took, None, "/s"),
        Row(f"memory with {queued:,} queued, to none", full / MIB, empty / MIB, "MiB",
            "≤ 150 MiB", full <= 150 * MIB),
        Row("notices sent/s from that queue, once the platform is up", drained, None, "/s"),
    ]  # fmt: skip


async def _seen(platform: Process) -> dict[str, Any]:
    answer = await fetch(platform.base, "/seen", {})
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def _until(platform: Process, sends: int) -> int:
    """Wait until so many have come; how many have."""
    async with asyncio.timeout(120):
        for _ in range(120 * 100):
            if (seen := (await _seen(platform))["sends"]) >= sends:
                return int(seen)
            await asyncio.sleep(0.01)
    raise TimeoutError


async def _alone(
    kind: str, base: str, count: int, environ: dict[str, str] | None = None
) -> dict[str, float]:
    """What :mod:`tests.bench.senders` came to."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.senders", kind, base, str(count)),
        cwd=ROOT,
        env=os.environ | (environ or {}),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    found: dict[str, float] = json.loads(out)
    return found | {"count": count}


def _rates(runs: list[dict[str, float]]) -> list[float]:
    return [run["count"] / run["seconds"] for run in runs]
