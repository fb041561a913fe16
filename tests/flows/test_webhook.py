"""The webhook of a real process: killed, locked out, full, stopped, asked twice at once; each
message counts once, and no answer is late."""

import asyncio
import random
import resource
import shutil
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from tests.bench.people import Person, invite_people
from tests.flows.program import Program
from tests.flows.sender import TRIES, Message, Sender, count_rows, fetch, rows
from tests.vectors.hostile_xml import ACCEPTED, cases
from wx.simulator.app import Simulator

IN_FLIGHT = 20
LATEST = 4.5  # seconds that an answer may take, whatever happens


@pytest.fixture
def simulator(io_loop: IOLoop) -> Iterator[Simulator]:
    made = Simulator()
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


class Site:
    """A program with its webhook, and the sender that posts to it."""

    def __init__(self, folder: Path, simulator: Simulator, *, mode: str = "safe") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        keys = Sender.keys(mode)
        self.program = Program(folder, simulator, bind_route="oauth", **keys)
        self.sender = Sender(self.program, simulator, mode=mode)

    async def start(self, *, failpoint: str = "") -> None:
        await asyncio.to_thread(self.program.start, failpoint=failpoint)

    async def kill(self) -> None:
        await asyncio.to_thread(self.program.kill)

    async def stop(self) -> float:
        """Ask it to end; the seconds that it took."""
        begun = time.monotonic()
        self.program.terminate()
        assert await asyncio.to_thread(self.program.ended) == 0
        return time.monotonic() - begun

    def errors(self) -> list[str]:
        """The log's lines of errors."""
        return [line for line in self.program.log.read_text().splitlines() if " ERROR " in line]

    def expect_once(self, messages: list[Message]) -> None:
        """All were answered within WeChat's tries, and each has one row."""
        assert all(message.answer is not None for message in messages)
        assert max(len(message.tries) for message in messages) <= TRIES
        assert count_rows(self.program.database, messages) == [1] * len(messages)


@asynccontextmanager
async def running(folder: Path, simulator: Simulator, *, mode: str = "safe") -> AsyncIterator[Site]:
    """A site that runs."""
    site = Site(folder, simulator, mode=mode)
    await site.start()
    try:
        yield site
    finally:
        if site.program.process and site.program.process.poll() is None:
            await site.kill()


# --- kill -9 ---


class Story:
    """What one person does, in this order: each message waits for the answer to the one before."""

    def __init__(self, person: Person, sender: Sender) -> None:
        self.account = person.name
        openid = f"o{person.invite}"
        code = f"qrscene_bind{person.code}"
        # The message, what the chat says to it, and what is written down about the binding.
        self.acts = [
            (sender.event(openid, "subscribe", EventKey=code, Ticket="t"), "/undo/", "bound"),
            (sender.text(openid, "状态"), f"账号 {person.name}，绑定于", ""),
            (sender.text(openid, "解绑"), f"账号 {person.name} 解除绑定吗", ""),
            (sender.text(openid, "是"), f"账号 {person.name} 解除绑定。", "ended"),
            (sender.text(openid, "是"), "[是]", ""),
            (sender.event(openid, "unsubscribe", EventKey=""), "success", ""),
        ]
        self.done = 0

    @property
    def message(self) -> Message:
        return self.acts[self.done][0]


class Lane:
    """A site that is killed again and again while a number of people are busy with it."""

    def __init__(self, site: Site, people: list[Person], seed: str) -> None:
        self.site = site
        self._chance = random.Random(seed)
        self._told = iter([Story(person, site.sender) for person in people])
        self.stories = [next(self._told) for _ in range(IN_FLIGHT)]
        self._slots = list(self.stories)
        self._answers = asyncio.Condition()
        self._answered = 0
        self.kills = 0
        self.unanswered = Counter[int]()  # messages that a kill cut off, by their rows

    async def run(self, kills: int) -> None:
        """Start and kill it this often, judge each time, and then let everything end well."""
        lives = ("webhook-after-dedup", "", "webhook-before-answer", "")
        judging = asyncio.create_task(asyncio.sleep(0))
        for number in range(kills):
            await self.site.start(failpoint=lives[number % 4])
            await judging
            await self._live(lives[number % 4])
            self.kills += 1
            copy = self._copied()
            judging = asyncio.create_task(asyncio.to_thread(self._judge, copy, self._snapshot()))
        await self.site.start()
        await judging
        await asyncio.gather(*(self._tell(slot, fresh=False) for slot in range(IN_FLIGHT)))
        await self.site.stop()

    async def _live(self, failpoint: str) -> None:
        if failpoint:
            # Its first new message ends it; a third try is not wasted on that.
            able = [slot for slot in range(IN_FLIGHT) if not self._is_last_try(slot)]
            await asyncio.gather(*map(self._tell, able))
            assert await asyncio.to_thread(self.site.program.ended) == 137
            return
        last = [self._slots[slot].message for slot in range(IN_FLIGHT) if self._is_last_try(slot)]
        enough = self._answered + self._chance.randint(1, IN_FLIGHT)
        telling = [asyncio.create_task(self._tell(slot)) for slot in range(IN_FLIGHT)]
        async with self._answers:
            await self._answers.wait_for(
                lambda: (
                    self._answered >= enough and all(message.answer is not None for message in last)
                )
            )
        await asyncio.sleep(self._chance.uniform(0, 0.005))
        await self.site.kill()
        await asyncio.gather(*telling)

    def _is_last_try(self, slot: int) -> bool:
        return len(self._slots[slot].message.tries) == TRIES - 1

    async def _tell(self, slot: int, *, fresh: bool = True) -> None:
        """Go on with a story, and with others after it, until an answer stays away."""
        while True:
            story = self._slots[slot]
            if story.done == len(story.acts):
                if not fresh:
                    return
                self._slots[slot] = story = next(self._told)
                self.stories.append(story)
            message, says, _ = story.acts[story.done]
            done = await self.site.sender.post(message)
            if not done.status:
                return
            assert done.status == 200 and message.answer is not None
            assert says in message.answer, (says, message.answer)
            story.done += 1
            self._answered += 1
            async with self._answers:
                self._answers.notify_all()

    def _copied(self) -> Path:
        """The files as the kill left them: to look into them would tidy them up."""
        path = self.site.program.database
        folder = self.site.folder / f"judged-{self.kills}"
        folder.mkdir()
        for name in (path.name, f"{path.name}-wal"):
            shutil.copy(path.with_name(name), folder / name)
        return folder / path.name

    def _snapshot(self) -> list[tuple[str, str, Message, bool]]:
        """Account, trace, and whether it was answered, of each message so far."""
        return [
            (story.account, trace, message, message.answer is not None)
            for story in self.stories
            for message, _, trace in story.acts
            if message.tries
        ]

    def _judge(self, path: Path, told: list[tuple[str, str, Message, bool]]) -> None:
        """An answer has its row, a row has its effect, and there is no effect without one."""
        counted = count_rows(path, [message for _, _, message, _ in told])
        expected = Counter[tuple[str, str]]()
        for (account, trace, _, answered), count in zip(told, counted, strict=True):
            assert count <= 1, "a message has two rows"
            assert count or not answered, "a message was answered and not kept"
            if trace and count:
                expected[account, trace] += 1
            if not answered:
                self.unanswered[count] += 1
        traces = rows(
            path,
            """SELECT name, what FROM binding_events JOIN bindings ON bindings.id = binding_id
                 JOIN accounts ON accounts.id = account_id""",
        )
        assert Counter(traces) == expected
        shutil.rmtree(path.parent)


@pytest.mark.gen_test(timeout=300)
async def test_killed_a_hundred_times_each_message_counts_once(
    simulator: Simulator, tmp_path: Path
) -> None:
    lanes = []
    for mode in ("plain", "safe"):
        site = Site(tmp_path / mode, simulator, mode=mode)
        people = await invite_people(tmp_path / mode / "data", 300, app_id=simulator.app_id)
        lanes.append(Lane(site, people, mode))
    try:
        await asyncio.gather(*(lane.run(50) for lane in lanes))
    finally:
        for lane in lanes:
            if lane.site.program.process and lane.site.program.process.poll() is None:
                await lane.site.kill()
    assert sum(lane.kills for lane in lanes) == 100
    for lane in lanes:
        messages = [message for story in lane.stories for message, _, _ in story.acts]
        lane.site.expect_once(messages)
        # The kills came at both moments that matter: before the row, and between row and answer.
        assert lane.unanswered[0] > 50 and lane.unanswered[1] > 50
        assert not lane.site.errors()
        path = lane.site.program.database
        assert rows(path, "SELECT count(*) FROM bindings WHERE ended_at IS NULL") == [(0,)]
        assert rows(path, "SELECT count(*) FROM followers WHERE following") == [(0,)]


@pytest.mark.gen_test(timeout=60)
async def test_a_yes_that_comes_again_after_a_kill_unbinds_nothing_new(
    simulator: Simulator, tmp_path: Path
) -> None:
    people = await invite_people(tmp_path / "data", 2, app_id=simulator.app_id)
    scans = [f"qrscene_bind{person.code}" for person in people]
    async with running(tmp_path, simulator) as site:
        sender = site.sender
        yes = sender.text("oWang", "是")
        await sender.post(sender.event("oWang", "subscribe", EventKey=scans[0], Ticket="t"))
        await sender.post(sender.text("oWang", "解绑"))
        await site.kill()
        await site.start(failpoint="webhook-before-answer")
        assert (await sender.post(yes)).status == 0
        assert site.program.ended() == 137
        await site.start()
        # The platform has not come back yet, and they are bound again and asked again meanwhile.
        scan = sender.event("oWang", "SCAN", EventKey=scans[1].removeprefix("qrscene_"), Ticket="t")
        await sender.post(scan)
        await sender.post(sender.text("oWang", "解绑"))
        await sender.post(yes)
        assert yes.answer and "解除绑定。" in yes.answer
        bound = "SELECT account_id FROM bindings WHERE ended_at IS NULL"
        assert rows(site.program.database, bound) == [(2,)]
        await sender.post(sender.text("oWang", "是"))
        assert rows(site.program.database, bound) == []


# --- in time, whatever happens ---


@pytest.mark.gen_test(timeout=60)
async def test_a_platform_that_hangs_holds_up_no_answer_and_no_end(
    simulator: Simulator, tmp_path: Path
) -> None:
    for path in ("/cgi-bin/stable_token", "/cgi-bin/user/info"):
        simulator.faults.hang(path)
    async with running(tmp_path, simulator) as site:
        # Each of them is somebody of whom the platform is asked more.
        subscribes = [
            site.sender.event(f"oNew{number}", "subscribe", EventKey="") for number in range(300)
        ]
        todo = iter(subscribes)

        async def work() -> None:
            for message in todo:
                await site.sender.deliver(message)

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        spent = sorted(message.tries[0].seconds for message in subscribes)
        # The promise is one second; other tests may keep the machine busy meanwhile.
        assert spent[int(0.99 * len(spent))] < 3 and spent[-1] < LATEST
        assert await site.stop() < 15
        site.expect_once(subscribes)


@pytest.mark.gen_test(timeout=90)
async def test_a_locked_database_is_answered_503_in_time_and_the_repeat_is_kept(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with running(tmp_path, simulator) as site:
        sender, messages = site.sender, list[Message]()
        with closing(sqlite3.connect(site.program.database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            ends_at = time.monotonic() + 6
            reading = asyncio.create_task(read_on(site, until=ends_at))
            async with asyncio.TaskGroup() as deliveries:
                while time.monotonic() < ends_at:
                    messages.append(sender.text(f"o{len(messages)}", "你好"))
                    deliveries.create_task(sender.deliver(messages[-1]))
                    await asyncio.sleep(0.05)
                other.execute("ROLLBACK")
        tries = [one for message in messages for one in message.tries]
        assert {one.status for one in tries} == {200, 503}
        assert all(one.seconds < LATEST for one in tries)
        assert all(one.seconds > 2.9 for one in tries if one.status == 503)
        assert max(await reading) < 1
        site.expect_once(messages)
        assert "within a transaction" not in site.program.log.read_text()


@pytest.mark.gen_test(timeout=60)
async def test_a_full_disk_is_answered_503_and_needs_no_restart(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with running(tmp_path, simulator) as site:
        sender = site.sender
        before = [await sender.deliver(sender.text("oFirst", "你好")) for _ in range(3)]
        assert site.program.process
        pid = site.program.process.pid
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        wal = site.program.database.with_name("wxbind.db-wal")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal.stat().st_size + 5000, most))
        refused, status = list[Message](), 200
        while status == 200:
            refused.append(sender.text("oSecond", "你好"))
            status = (await sender.post(refused[-1])).status
            assert len(refused) < 100
        assert status == 503
        others = [sender.text(f"o{number}", "你好") for number in range(IN_FLIGHT)]
        tries = await asyncio.gather(*map(sender.post, others))
        assert {one.status for one in tries} == {503}
        assert max(one.seconds for one in tries) < LATEST
        assert max(await read_on(site, until=time.monotonic() + 1)) < 1
        counted = count_rows(site.program.database, before + refused + others)
        assert counted == [1] * len(before + refused[1:]) + [0] * len(refused[:1] + others)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        await asyncio.gather(*map(sender.deliver, others + refused[-1:]))
        site.expect_once(before + refused + others)
        assert await site.stop() < 10


async def read_on(site: Site, *, until: float) -> list[float]:
    """Ask for what needs no write, over and over; the seconds of each answer."""
    spent = []
    while time.monotonic() < until:
        for path in ("/healthz", "/login", "/metrics"):
            answer = await fetch(f"{site.program.base}{path}?")
            assert answer.status == 200
            spent.append(answer.seconds)
        echo = await fetch(site.sender.check_url())
        assert (echo.status, echo.body) == (200, b"echo")
        spent.append(echo.seconds)
        await asyncio.sleep(0.2)
    return spent


# --- the end, and crowds ---


@pytest.mark.gen_test(timeout=60)
async def test_what_has_begun_when_the_server_is_stopped_is_finished_and_answered(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with running(tmp_path, simulator) as site:
        first = await site.sender.deliver(site.sender.text("oFirst", "你好"))
        messages = [site.sender.text(f"o{number}", "你好") for number in range(IN_FLIGHT)]
        with closing(sqlite3.connect(site.program.database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            posts = asyncio.gather(*map(site.sender.post, messages))
            for _ in range(5):  # answered in turn, so the posts have come in
                assert (await fetch(f"{site.program.base}/healthz?")).status == 200
            stopping = asyncio.create_task(site.stop())
            await refused(site)
            other.execute("ROLLBACK")
        assert [one.status for one in await posts] == [200] * IN_FLIGHT
        assert await stopping < 10
        site.expect_once([first, *messages])


async def refused(site: Site) -> None:
    """Wait until it takes no more connections."""
    while (await fetch(f"{site.program.base}/healthz?")).status:
        continue


@pytest.mark.gen_test(timeout=90)
async def test_what_a_stop_answered_is_kept_and_what_it_cut_off_counts_once_later(
    simulator: Simulator, tmp_path: Path
) -> None:
    messages, answered = list[Message](), asyncio.Semaphore(0)

    async def repeat(site: Site) -> None:
        cut_off = [message for message in messages if message.answer is None]
        await asyncio.gather(*map(site.sender.deliver, cut_off))

    async def write(site: Site, number: int) -> None:
        while True:
            messages.append(site.sender.text(f"o{number}", "你好"))
            if (await site.sender.post(messages[-1])).status != 200:
                return
            answered.release()

    for life in range(4):
        async with running(tmp_path, simulator) as site:
            await repeat(site)
            writers = asyncio.gather(*(write(site, number) for number in range(IN_FLIGHT)))
            for _ in range(50 + 7 * life):
                await answered.acquire()
            assert await site.stop() < 10
            await writers
            counted = count_rows(site.program.database, messages)
            told = [int(message.answer is not None) for message in messages]
            assert counted == told, "a message was acted upon, and its answer was cut off"
            assert {one.status for message in messages for one in message.tries} <= {0, 200, 503}
            assert not site.errors()
    async with running(tmp_path, simulator) as site:
        await repeat(site)
        site.expect_once(messages)


@pytest.mark.parametrize("mode", ["plain", "safe"])
@pytest.mark.gen_test(timeout=60)
async def test_the_same_message_over_many_connections_at_once_counts_once(
    simulator: Simulator, tmp_path: Path, mode: str
) -> None:
    people = await invite_people(tmp_path / "data", 10, app_id=simulator.app_id)
    async with running(tmp_path, simulator, mode=mode) as site:
        stories = [Story(person, site.sender) for person in people]
        for done in range(len(stories[0].acts)):
            messages = [story.acts[done][0] for story in stories]

            async def post(message: Message) -> str | None:
                assert (await site.sender.post(message)).status == 200
                return message.answer

            crowd = [message for message in messages for _ in range(8)]
            random.Random(done).shuffle(crowd)
            answers = await asyncio.gather(*map(post, crowd))
            told = {(message.openid, says) for message, says in zip(crowd, answers, strict=True)}
            assert len(told) == len(messages), "the same message was answered in two ways"
            assert all(
                says in (message.answer or "")
                for message, says, _ in (story.acts[done] for story in stories)
            )
        everything = [message for story in stories for message, _, _ in story.acts]
        assert count_rows(site.program.database, everything) == [1] * len(everything)
        traces = "SELECT what, count(*) FROM binding_events GROUP BY what"
        assert rows(site.program.database, traces) == [("bound", 10), ("ended", 10)]
        figures = (await fetch(f"{site.program.base}/metrics?")).body.decode()
        assert 'wxbind_incoming_total{kind="text"} 40.0' in figures
        assert f"wxbind_incoming_repeats_total {7 * len(everything)}.0" in figures


@pytest.mark.parametrize("mode", ["plain", "safe"])
@pytest.mark.gen_test(timeout=60)
async def test_hostile_bodies_under_a_right_signature_reach_nothing(
    simulator: Simulator, tmp_path: Path, mode: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the-words-of-a-file")
    with socket.create_server(("127.0.0.1", 0)) as lure:
        lure.setblocking(False)
        bodies = cases(
            account=simulator.world.account_id,
            now=int(time.time()),
            file=secret.as_uri(),
            site=f"http://127.0.0.1:{lure.getsockname()[1]}",
        )
        async with running(tmp_path, simulator, mode=mode) as site:
            for case in bodies:
                if mode == "safe" and len(case.body) > 90_000:  # too long, once it is sealed
                    continue
                message = Message("oSomebody", case.body)
                done = await site.sender.post(message)
                assert done.status == (200 if case.expectation == ACCEPTED else 400), case.name
                assert done.seconds < 1, case.name
                assert "the-words-of-a-file" not in (message.answer or ""), case.name
            assert not site.errors()
            assert "the-words-of-a-file" not in site.program.log.read_text()
        with pytest.raises(BlockingIOError):
            lure.accept()
