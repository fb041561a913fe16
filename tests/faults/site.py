"""A program with people bound to it, others that send to them, and the books that are kept: what
was accepted, what reached a chat, and in which order."""

import asyncio
import itertools
import json
import random
import re
import sqlite3
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.clients import Connection
from tests.bench.people import bind_people
from tests.flows.program import Program
from tests.flows.sender import TOKEN, Sender
from wx.simulator.app import Simulator
from wx.simulator.world import Allowance, Message, Person

FINAL = {"sent", "delivered"}
CUSTOM, TEMPLATE = "custom", "template"  # channels
KINDS = (CUSTOM, TEMPLATE, "auto")
WAITING = "state IN ('queued', 'sending')"
BURST = 3  # notices in a row to the same people
ENDLESS = 1_000_000  # messages, or seconds


@dataclass(slots=True)
class Told:
    """How a request was answered; ``status`` is 0 where the connection ended without an answer."""

    status: int
    seconds: float
    body: dict[str, Any] = field(default_factory=dict)
    retry_after: str | None = None


@dataclass(slots=True)
class Post:
    """A notice to a few people, and once it is accepted the id for each of them."""

    key: str
    text: str
    kind: str
    ids: dict[str, str] = field(default_factory=dict)  # by the account's name


class Client:
    """A program that sends, over a connection that it keeps."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._connection: Connection | None = None

    async def call(
        self, path: str, body: dict[str, Any] | None = None, *, idempotency: str = ""
    ) -> Told:
        """One request: POST where there is a body."""
        headers = {"Authorization": f"Bearer {self._site.key}"}
        if idempotency:
            headers["Idempotency-Key"] = idempotency
        raw = None if body is None else json.dumps(body).encode()
        begun = time.perf_counter()
        try:
            if self._connection is None or self._connection.closed:
                self._connection = await Connection(self._site.program.base).open()
            answer = await self._connection.fetch(path, headers, body=raw, kind="application/json")
        except OSError:
            self.close()
            return Told(0, time.perf_counter() - begun)
        except asyncio.CancelledError:
            self.close()  # an answer is still to come
            raise
        seconds = time.perf_counter() - begun
        told = {name.lower(): value for name, value in answer.headers}
        if told.get("connection") == "close":
            self.close()
        return Told(answer.status, seconds, json.loads(answer.body), told.get("retry-after"))

    def close(self) -> None:
        """Hang up."""
        if self._connection:
            self._connection.close()
        self._connection = None


class Group:
    """Somebody who sends to the same few people, each notice once the one before is accepted: so
    their order is known to both sides."""

    def __init__(self, site: "Site", name: str, people: Sequence[str], *, can: Sequence[str]):
        self.people = people
        self.posts: list[Post] = []
        self._site = site
        self._name = name
        self._can = can
        self._client = Client(site)

    async def send(self) -> Told:
        """Post the next notice, or once more the one that was not accepted yet."""
        if not self.posts or self.posts[-1].ids:
            kind = self._site.chance.choice(self._can)
            number = f"{self._name}-{len(self.posts)}"
            self.posts.append(Post(number, f"{number} 你好", kind))
        post = self.posts[-1]
        body: dict[str, Any] = {"to": list(self.people)}
        if post.kind == TEMPLATE:
            data = {"thing1": post.text, "time2": "2026-01-02 03:04"}
            body["template"] = {"id": self._site.simulator.template_id, "data": data}
        else:
            body |= {"text": post.text, "channel": post.kind}
        told = await self._client.call("/api/v1/notices", body, idempotency=post.key)
        if told.status == 202:
            post.ids = {one["to"]: one["id"] for one in told.body["notices"]}
            assert post.ids.keys() == set(self.people)
        return told

    def close(self) -> None:
        self._client.close()


class Site:
    """A program, its people, and who sends to them.

    Half of the people have a window for customer-service messages that never closes.
    """

    def __init__(
        self, folder: Path, simulator: Simulator, people: Sequence[Person], key: str, **keys: str
    ) -> None:
        self.folder = folder
        self.simulator = simulator
        self.people = people
        self.key = key
        self.chance = random.Random(str(folder.name))
        ours = Sender.keys("plain") | {
            "bind_route": "oauth",
            "notice_template": f"{simulator.template_id}:thing1,time2",
            "api_per_minute": "1000000",
            "notices_per_minute": "1000000",
            "notices_per_day": "0",
        }
        self.program = Program(folder, simulator, **ours | keys)
        self.alive = asyncio.Event()
        self.doubtful: set[str] = set()  # ids of customer-service messages that a kill cut off
        self.statuses = Counter[int]()
        self.spent: list[float] = []  # seconds of each accepted post
        self.slowest = 0.0  # of all posts that were answered
        self.groups: list[Group] = []
        self._first = len(simulator.world.messages)
        self._seen = deque(simulator.deliveries)
        simulator.deliveries = deque()  # all of them, not the last ones only

    async def start(self, *, failpoint: str = "") -> None:
        """Start, with receipts."""
        await asyncio.to_thread(self.program.start, failpoint=failpoint)
        if self.simulator.webhook is None:
            url = f"{self.program.base}/wechat"
            await self.simulator.set_webhook(url, token=TOKEN, mode="plain")
        self.alive.set()

    async def kill(self) -> None:
        """As a power cut does."""
        await asyncio.to_thread(self.program.kill)
        self.look_after_kill()

    def look_after_kill(self) -> None:
        """Note what a kill has left on its way, in a database that must be sound."""
        self.alive.clear()
        cut_off = self.rows("SELECT id FROM outbox WHERE state = 'sending' AND channel = 'custom'")
        self.doubtful |= {notice_id for (notice_id,) in cut_off}
        assert self.rows("PRAGMA integrity_check") == [("ok",)]

    async def stop(self) -> float:
        """Ask it to end; the seconds that it took."""
        begun = time.monotonic()
        self.program.terminate()
        assert await asyncio.to_thread(self.program.ended) == 0
        self.alive.clear()
        return time.monotonic() - begun

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement finds; nothing is tidied up by looking, not after a kill either."""
        path = self.program.database.resolve().as_uri()
        with closing(sqlite3.connect(f"{path}?mode=ro", uri=True)) as conn:
            return conn.execute(statement).fetchall()

    def resident(self) -> int:
        """The most memory that the program has held so far in this life, in MiB."""
        assert self.program.process
        status = Path(f"/proc/{self.program.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) // 1024

    # Who sends

    def gather(self, *sizes: int) -> None:
        """Let somebody send to as many people, for each of ``sizes``; nobody twice."""
        names = iter(range(len(self.people)))
        for size in sizes:
            numbers = [next(names) for _ in range(size)]
            is_open = all(number % 2 == 0 for number in numbers)
            can = KINDS if is_open else KINDS[1:]
            people = [f"person{number}" for number in numbers]
            self.groups.append(Group(self, f"g{len(self.groups)}", people, can=can))

    @asynccontextmanager
    async def traffic(self, *, rate: float) -> AsyncIterator[None]:
        """Meanwhile all of them send, so many posts a second together while the program lives."""
        gap = BURST * len(self.groups) / rate
        async with asyncio.TaskGroup() as tasks:
            senders = [tasks.create_task(self._keep_sending(one, gap)) for one in self.groups]
            yield
            for one in senders:
                one.cancel()

    async def _keep_sending(self, group: Group, gap: float) -> None:
        loop = asyncio.get_running_loop()
        next_at = loop.time() + self.chance.uniform(0, gap)
        while True:
            await asyncio.sleep(next_at - loop.time())
            await self.alive.wait()
            told = await group.send()
            self._note(told)
            # Who is turned away asks again at once, as impatient programs do. The others send a
            # few in a row, so that each has to wait for the one before.
            pause = gap if len(group.posts) % BURST == 0 else 0.0
            next_at = max(next_at, loop.time() - gap) + (pause if told.status == 202 else 0.01)

    def _note(self, told: Told) -> None:
        assert told.status in (0, 202, 503), told
        self.statuses[told.status] += 1
        self.slowest = max(self.slowest, told.seconds if told.status else 0.0)
        if told.status == 202:
            self.spent.append(told.seconds)
        elif told.status == 503:
            assert told.retry_after, "503 without Retry-After"

    async def send_rest(self) -> None:
        """Repeat every post that was not accepted yet."""
        for group in self.groups:
            while group.posts and not group.posts[-1].ids:
                self._note(await group.send())

    def count_waiting(self) -> int:
        """How many notices have still to leave."""
        ((count,),) = self.rows(f"SELECT count(*) FROM outbox WHERE {WAITING}")
        return int(count)

    async def drained(self, *, seconds: float = 60) -> float:
        """Wait until nothing waits and all receipts are told; the seconds that it took."""
        begun = time.monotonic()
        async with asyncio.timeout(seconds):
            for _ in _ticks(0.05):
                if not self.count_waiting():
                    break
                await asyncio.sleep(0.05)
        took = time.monotonic() - begun
        await self.simulator.pushes.settled()
        return took

    # The books

    @property
    def accepted(self) -> int:
        """How many notices were answered 202."""
        return sum(len(post.ids) for group in self.groups for post in group.posts)

    @property
    def reached(self) -> dict[str, list[str]]:
        """What reached the chat of each account's person, in order."""
        names = {one.id: f"person{number}" for number, one in enumerate(self.people)}
        found: dict[str, list[str]] = defaultdict(list)
        for person, message in self.simulator.world.messages[self._first :]:
            if person.id in names and not message.mine:
                found[names[person.id]].append(text_of(message))
        return found

    def judge(self, *, unsure: Collection[str] = ()) -> "Verdict":
        """Hold the books against each other, once everything has drained.

        Args:
            unsure: channels whose notices may be unknown; without any, those are unknown that a
                kill cut off, exactly.
        """
        verdict = Verdict(self.accepted)
        rows = {
            notice_id: (state, channel)
            for notice_id, state, channel in self.rows("SELECT id, state, channel FROM outbox")
        }
        reached = self.reached
        unknown = set()
        for group in self.groups:
            for name in group.people:
                verdict.inversions += _inversions(reached[name], group.posts)
                arrived = Counter(reached[name])
                for post in group.posts:
                    count, notice_id = arrived.pop(post.text, 0), post.ids.get(name, "")
                    state, channel = rows.pop(notice_id, ("", ""))
                    verdict.doubled += count > 1
                    if state == "unknown" and channel in (unsure or (CUSTOM,)):
                        unknown.add(notice_id)
                    elif state not in FINAL or count == 0:
                        verdict.lost.append(f"{post.text}: {state or 'no row'}, {count} in chat")
                verdict.strangers += sum(arrived.values())
        verdict.strangers += len(rows)
        verdict.unknown = len(unknown)
        verdict.wrongly_unknown = 0 if unsure else len(unknown ^ self.doubtful)
        verdict.untold = self._untold()
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        return verdict

    def _untold(self) -> int:
        """Receipts that were taken, and closed nothing."""
        taken = set()
        for delivery in self.simulator.deliveries:
            found = re.search(rb"<MsgID>(\d+)</MsgID>", delivery.body)
            if found and delivery.status == 200:
                taken.add(int(found[1]))
        states = dict(self.rows("SELECT id, state FROM outbox"))
        told = [one for one in self.simulator.world.accepted if one.msgid in taken]
        # What is in doubt has no number of the platform's to be known by.
        closed = ("delivered", "unknown")
        return sum(states.get(one.client_msg_id) not in closed for one in told)

    def errors(self) -> list[str]:
        """The log's lines of errors."""
        return [line for line in self.program.log.read_text().splitlines() if " ERROR " in line]


@dataclass(slots=True)
class Verdict:
    """What the books say. ``strangers``: rows and messages that nobody asked for."""

    accepted: int
    lost: list[str] = field(default_factory=list)
    doubled: int = 0
    inversions: int = 0
    strangers: int = 0
    unknown: int = 0
    wrongly_unknown: int = 0
    untold: int = 0

    def wrong(self) -> list[str]:
        """What must not be."""
        found = {
            "lost": len(self.lost),
            "doubled": self.doubled,
            "out of order": self.inversions,
            "sent by nobody": self.strangers,
            "wrongly unknown": self.wrongly_unknown,
            "receipts without effect": self.untold,
        }
        return [f"{count} {name}" for name, count in found.items() if count]

    def __str__(self) -> str:
        return (
            f"{self.accepted:,} accepted, {len(self.lost)} lost, {self.doubled} doubled,"
            f" {self.inversions} inversions, {self.unknown} unknown"
            f" ({self.wrongly_unknown} wrongly), {self.untold} receipts without effect,"
            f" {self.strangers} that nobody sent"
            + "".join(f"\n    lost: {one}" for one in self.lost[:10])
        )


@asynccontextmanager
async def open_site(folder: Path, count: int, **keys: str) -> AsyncIterator[Site]:
    """A simulator and a program beside it, not started yet, with so many people bound to it."""
    simulator = Simulator()
    await simulator.start()
    site = None
    try:
        world = simulator.world
        people = [world.add_person(f"p{number}") for number in range(count)]
        for one in people[::2]:
            until = world.clock.monotonic() + ENDLESS
            one.allowances["message"] = Allowance(ENDLESS, until)
        key = await bind_people(
            folder / "data",
            [one.openid for one in people],
            app_id=simulator.app_id,
            open_to={one.openid for one in people[::2]},
        )
        site = Site(folder, simulator, people, key, **keys)
        yield site
    finally:
        for group in site.groups if site else []:
            group.close()
        if site and site.program.process and site.program.process.poll() is None:
            await asyncio.to_thread(site.program.kill)
        await simulator.stop()


def text_of(message: Message) -> str:
    """What a bubble says, whichever way it came."""
    return message.fields[0][1] if message.fields else message.text


def _inversions(arrived: Sequence[str], posts: Sequence[Post]) -> int:
    """How often something came after what was accepted later."""
    places = {post.text: place for place, post in enumerate(posts)}
    known = [places[text] for text in arrived if text in places]
    return sum(later < earlier for earlier, later in itertools.pairwise(known))


def _ticks(seconds: float) -> range:
    return range(int(3600 / seconds))
