"""The webhook under load: whole posts, each with its durable row, beside the cheapest handler there
is (aims W1 to W5)."""

import asyncio
import base64
import importlib.util
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench import harness
from tests.bench.clients import PHONE_HEADERS, Connection, fetch
from tests.bench.harness import Process, Row, Site, Size, median, percentile
from tests.bench.people import Person
from wx.protocol import signature
from wx.protocol.envelope import Envelope

ROUNDS = 5
IN_FLIGHT = 16
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64)
TOKEN = "benchtoken"
AES_KEY = base64.b64encode(bytes(range(32))).decode()[:43]
KEYS = {"webhook_token": TOKEN, "webhook_aes_key": AES_KEY, "bind_route": "oauth"}
_NUMBERS = itertools.count(10**16)
_HEADERS = {"User-Agent": "Mozilla/4.0", "Accept": "*/*", "Pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class Post:
    """One post of the platform, ready to be sent."""

    path: str
    body: bytes


class Sender:
    """Writes posts as the platform does: a text message each, of one of many people.

    Args:
        sealed: in the safe mode.
    """

    def __init__(self, *, sealed: bool) -> None:
        self._envelope = Envelope(token=TOKEN, aes_key=AES_KEY, app_id=harness.APP_ID)
        self._sealed = sealed

    def posts(self, count: int) -> Iterator[Post]:
        """So many, each of them new."""
        return iter([self._post() for _ in range(count)])

    def _post(self) -> Post:
        number = next(_NUMBERS)
        now = int(time.time())
        message = (
            "<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName><FromUserName><![CDATA["
            f"oBench{number % 1000:022}]]></FromUserName><CreateTime>{now}</CreateTime><MsgType>"
            "<![CDATA[text]]></MsgType><Content><![CDATA[你好，今天有课吗？]]></Content><MsgId>"
            f"{number}</MsgId></xml>"
        ).encode()
        stamp, nonce = str(now), str(number)
        query = f"timestamp={stamp}&nonce={nonce}&openid=oBench"
        plain = signature.sign(TOKEN, stamp, nonce)
        if not self._sealed:
            return Post(f"/wechat?signature={plain}&{query}", message)
        sealed = self._envelope.encrypt(message, salt=os.urandom(16))
        signed = self._envelope.signature(stamp, nonce, sealed)
        return Post(
            f"/wechat?signature={plain}&{query}&encrypt_type=aes&msg_signature={signed}",
            f"<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName><Encrypt><![CDATA[{sealed}"
            "]]></Encrypt></xml>".encode(),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What one load came to: posts a second, milliseconds of each, processor time of each."""

    rate: float
    spent: Sequence[float]
    cpu: float


async def bench(size: Size) -> list[Row]:
    """New connections as WeChat makes them, kept ones in growing numbers, and a day's traffic
    beside people who bind while the platform is slow."""
    rows = await _new_connections(size)
    rows += await _growth(size)
    rows += await _beside_binds(size)
    return rows


async def _new_connections(size: Size) -> list[Row]:
    count, rounds = size.pick(2000, 60), size.pick(ROUNDS, 1)
    runs: dict[str, list[Run]] = {}
    async with (
        harness.floor("platform") as platform,
        harness.floor("webhook") as bare,
        harness.floor("no-row") as no_row,
        harness.wxbind(platform.base, **KEYS | {"webhook_aes_key": ""}) as plain,
        harness.wxbind(platform.base, **KEYS) as safe,
    ):
        loads: dict[str, tuple[Process, bool]] = {
            "bare": (bare, False),
            "no row": (no_row, False),
            "plain": (plain.server, False),
            "safe": (safe.server, True),
        }
        for number in range(rounds + 1):
            for name, (server, sealed) in loads.items():
                run = await _drive(server, Sender(sealed=sealed).posts(count))
                if number:  # the first is for warming up
                    runs.setdefault(name, []).append(run)
        flask = await _against_flask(size, plain.server, count, rounds)
    rates = {name: median([run.rate for run in all_of]) for name, all_of in runs.items()}
    cpus = {name: median([run.cpu for run in all_of]) for name, all_of in runs.items()}
    ratio = rates["plain"] / rates["bare"]
    against_no_row = rates["plain"] / rates["no row"]
    sealed_cpu = cpus["safe"] / cpus["plain"]
    rows = [
        Row("posts/s, plain, to a constant", rates["plain"], rates["bare"], "/s", "W2 ≥ 0.75x",
            ratio >= 0.75),
        Row("posts/s, safe, to a constant", rates["safe"], rates["bare"], "/s"),
        Row("posts/s, plain, to the same without a row", rates["plain"], rates["no row"], "/s",
            "W3 ≥ 0.90x", against_no_row >= 0.9),
        Row("CPU of a post, plain, to a constant's", cpus["plain"], cpus["bare"], "ms"),
        Row("CPU of a post, safe, to plain", cpus["safe"], cpus["plain"], "ms", "W5 ≤ 1.25x",
            sealed_cpu <= 1.25),
    ]  # fmt: skip
    for name in ("plain", "safe"):
        spent, floor = _pooled(runs[name]), _pooled(runs["bare"])
        for percent in (50, 99):
            rows.append(
                Row(
                    f"{name}, {IN_FLIGHT} in flight, p{percent}",
                    percentile(spent, percent),
                    percentile(floor, percent),
                    "ms",
                )
            )
    return rows + flask


def has_flask() -> bool:
    """Whether the extra `bench` is installed."""
    return all(importlib.util.find_spec(name) for name in ("flask", "gevent"))


async def _against_flask(size: Size, here: Process, count: int, rounds: int) -> list[Row]:
    """The same beside Flask and gevent, if the extra `bench` is installed."""
    if not has_flask():
        return []
    ours, theirs = [], []
    async with harness.run("-m", "tests.bench.flask_webhook") as flask:
        for number in range(rounds + 1):
            for server, runs in ((here, ours), (flask, theirs)):
                run = await _drive(server, Sender(sealed=False).posts(count))
                if number:
                    runs.append(run)
    rates = [median([run.rate for run in runs]) for runs in (ours, theirs)]
    cpus = [median([run.cpu for run in runs]) for runs in (ours, theirs)]
    return [
        Row("posts/s, to Flask + gevent", *rates, "/s", "W1 ≥ 1.6x", rates[0] >= 1.6 * rates[1]),
        Row("CPU of a post, to Flask + gevent's", *cpus, "ms", "W1 ≤ 0.65x",
            cpus[0] <= 0.65 * cpus[1]),
    ]  # fmt: skip


async def _growth(size: Size) -> list[Row]:
    """Kept connections, as a proxy in front keeps them."""
    count, rounds = size.pick(3000, 60), size.pick(3, 1)
    steps = CONNECTIONS if not size.quick else (1, 64)
    rows = []
    async with (
        harness.floor("platform") as platform,
        harness.floor("webhook") as bare,
        harness.wxbind(platform.base, **KEYS) as site,
    ):
        for server, sealed in ((bare, False), (site.server, True)):
            await _drive(server, Sender(sealed=sealed).posts(size.pick(500, 20)), kept=8)
        for connections in steps:
            here, there = [], []
            for _ in range(rounds):
                plain, sealed = (Sender(sealed=kind).posts(count) for kind in (False, True))
                there.append(await _drive(bare, plain, kept=connections))
                here.append(await _drive(site.server, sealed, kept=connections))
            rows.append(
                Row(
                    f"posts/s, safe, {connections} kept connection{'s'[: connections > 1]}",
                    median([run.rate for run in here]),
                    median([run.rate for run in there]),
                    "/s",
                )
            )
            worst = percentile(_pooled(here), 99)
            last = connections == CONNECTIONS[-1]
            aim = ("p99 < 50 ms", worst < 50) if last else ("", None)
            rows.append(
                Row(
                    f"p99, {connections} kept connection{'s'[: connections > 1]}",
                    worst,
                    percentile(_pooled(there), 99),
                    "ms",
                    *aim,
                )
            )
    return rows


async def _beside_binds(size: Size) -> list[Row]:
    """50 messages and 20 callbacks a second, while each call of the platform takes a second."""
    seconds = size.pick(10, 1)
    async with (
        harness.floor("platform") as platform,
        harness.wxbind(platform.base, people=20 * seconds, **KEYS) as site,
    ):
        await fetch(platform.base, f"/latency/{size.pick(10, 1) / 10}", {})
        spent: list[float] = []
        bound: list[int] = []
        begun = time.perf_counter()
        posts = Sender(sealed=True).posts(50 * seconds)
        async with asyncio.TaskGroup() as group:
            for number, post in enumerate(posts):
                group.create_task(_timed(site, post, begun + number / 50, spent))
            for number, person in enumerate(site.people):
                group.create_task(_bind(site, person, begun + number / 20, bound))
        await fetch(platform.base, "/latency/0", {})
    assert bound == [200] * len(bound)
    worst = percentile(spent, 99)
    return [
        Row("50 posts/s beside 20 binds/s, platform 1 s, p99", worst, None, "ms", "W4 ≤ 20 ms",
            worst <= 20),
        Row("the slowest of them", max(spent), None, "ms", "W4 ≤ 5 s", max(spent) <= 5000),
    ]  # fmt: skip


async def _timed(site: Site, post: Post, at: float, spent: list[float]) -> None:
    await asyncio.sleep(at - time.perf_counter())
    spent.append(await _send(site.base, post))


async def _bind(site: Site, person: Person, at: float, bound: list[int]) -> None:
    await asyncio.sleep(at - time.perf_counter())
    answer = await fetch(site.base, person.callback, PHONE_HEADERS | person.phone_cookie)
    bound.append(answer.status)


async def _drive(server: Process, posts: Iterator[Post], *, kept: int = 0) -> Run:
    """Send all of ``posts``: over ``kept`` connections, or over a new one for each."""
    spent: list[float] = []
    opened = [await Connection(server.base).open() for _ in range(kept)]

    async def work(connection: Connection | None) -> None:
        for post in posts:
            spent.append(await _send(server.base, post, connection))

    cpu, begun = server.cpu(), time.perf_counter()
    await asyncio.gather(*[work(one) for one in opened or [None] * IN_FLIGHT])
    took = time.perf_counter() - begun
    for connection in opened:
        connection.close()
    return Run(len(spent) / took, spent, 1000 * (server.cpu() - cpu) / len(spent))


async def _send(base: str, post: Post, kept: Connection | None = None) -> float:
    """Send one; the milliseconds until its answer."""
    begun = time.perf_counter()
    connection = kept or await Connection(base).open()
    answer = await connection.fetch(post.path, _HEADERS, body=post.body, kind="text/xml")
    spent = 1000 * (time.perf_counter() - begun)
    if kept is None:
        connection.close()
    assert answer.status == 200, answer.body[:200]
    return spent


def _pooled(runs: Sequence[Run]) -> list[float]:
    return [one for run in runs for one in run.spent]
