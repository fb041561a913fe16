"""The door to SQLite: what starts it, what it promises, and what it does when things go wrong."""

import asyncio
import fcntl
import gc
import hashlib
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wx.errors import AlreadyRunning, DatabaseDamaged, DatabaseNewer, StorageUnavailable
from wx.store import accounts, database, migrations
from wx.store.database import Database, DirectoryLock

NOW = 1_800_000_000.0


def sums(folder: Path) -> dict[str, str]:
    """What each file of a folder holds."""
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.iterdir()}


def adding(name: str) -> Any:
    """A transaction that adds an account."""
    return lambda conn: accounts.add(conn, name, "x", admin=False, now=NOW).id


def names(conn: sqlite3.Connection) -> list[str]:
    return [account.name for account in accounts.list_all(conn)]


def integrity(path: Path) -> str:
    conn = sqlite3.connect(path)
    (verdict,) = conn.execute("PRAGMA integrity_check").fetchone()
    conn.close()
    return str(verdict)


async def make(path: Path) -> None:
    """A sound database with one account, closed."""
    async with await Database.open(path) as db:
        await db.write(adding("ann"))


def alter(path: Path, *statements: str) -> None:
    """Change a closed database, and leave nothing beside it."""
    conn = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        conn.execute(statement)
    conn.close()
    assert [one.name for one in path.parent.iterdir()] == [path.name]


async def refused(path: Path, kind: type[Exception]) -> str:
    """What a start is refused with."""
    try:
        db = await Database.open(path)
    except kind as error:
        return str(error)
    await db.close()  # or its threads would keep the tests from ending
    raise AssertionError("it was opened")


class Other:
    """Another process that runs ``code``; what it prints is read line by line."""

    def __init__(self, code: str, *arguments: object) -> None:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def others() -> Iterator[Any]:
    """Starts other processes; those that live at the end are killed."""
    started: list[Other] = []

    def start(code: str, *arguments: object) -> Other:
        started.append(Other(code, *arguments))
        return started[-1]

    yield start
    for other in started:
        other.kill()


class Gate:
    """A transaction that waits inside the writer's thread until the test opens it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open = threading.Event()
        self.entered = asyncio.Event()

    def __call__(self, conn: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self.entered.set)
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()


# Starting


@pytest.mark.gen_test
async def test_a_new_database_is_made_for_its_owner_only(path):
    async with await Database.open(path) as db:
        await db.write(adding("ann"))
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
        assert modes == {"wxbind.db": 0o600, "wxbind.db-wal": 0o600, "wxbind.db-shm": 0o600}
    async with await Database.open(path) as db:
        assert await db.read(names) == ["ann"]


@pytest.mark.gen_test
async def test_both_connections_run_with_the_settings_that_were_decided(db):
    def settings(conn: sqlite3.Connection) -> dict[str, Any]:
        asked = (
            "journal_mode synchronous foreign_keys trusted_schema secure_delete busy_timeout"
            " journal_size_limit query_only"
        )
        return {name: conn.execute(f"PRAGMA {name}").fetchone()[0] for name in asked.split()}

    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "secure_delete": 1,
        "busy_timeout": 5000,
        "journal_size_limit": 64 * 1024 * 1024,
    }
    assert await db.write(settings) == expected | {"query_only": 0}
    assert await db.read(settings) == expected | {"query_only": 1}


@pytest.mark.gen_test
async def test_a_newer_database_is_refused_and_nothing_changes(path):
    await make(path)
    alter(path, f"PRAGMA user_version = {migrations.VERSION + 1}")
    before = sums(path.parent)
    assert "install the newer version" in await refused(path, DatabaseNewer)
    assert sums(path.parent) == before


@pytest.mark.gen_test
async def test_a_newer_database_whose_program_was_killed_is_refused_too(path, tmp_path):
    async with await Database.open(path) as db:
        await db.write(lambda conn: conn.execute("PRAGMA user_version = 99").fetchall())
        left = tmp_path / "left"
        left.mkdir()
        for one in path.parent.iterdir():
            (left / one.name).write_bytes(one.read_bytes())
    before = sums(left)
    assert await refused(left / path.name, DatabaseNewer)
    after = sums(left)
    # SQLite's index of the WAL is no data.
    del before["wxbind.db-shm"], after["wxbind.db-shm"]
    assert after == before


@pytest.mark.parametrize("offset", [0, 100, 4096 + 8, 2 * 4096 + 8])
@pytest.mark.gen_test
async def test_a_damaged_database_is_refused_and_nothing_changes(path, offset):
    await make(path)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * 600)
    before = sums(path.parent)
    assert "is damaged" in await refused(path, DatabaseDamaged)
    assert sums(path.parent) == before


@pytest.mark.gen_test
async def test_a_cut_database_is_refused_and_nothing_changes(path):
    await make(path)
    path.write_bytes(path.read_bytes()[:-4096])
    before = sums(path.parent)
    assert await refused(path, DatabaseDamaged)
    assert sums(path.parent) == before


@pytest.mark.gen_test
async def test_what_another_program_wrote_is_refused_and_nothing_changes(path):
    path.parent.mkdir()
    path.write_text("dear diary, " * 100)
    before = sums(path.parent)
    assert await refused(path, DatabaseDamaged)
    assert sums(path.parent) == before
    path.unlink()
    alter(path, "CREATE TABLE diary (day TEXT)")
    before = sums(path.parent)
    assert "not a database of wxbind" in await refused(path, DatabaseDamaged)
    assert sums(path.parent) == before


@pytest.mark.gen_test
async def test_an_empty_file_is_filled(path):
    path.parent.mkdir()
    path.touch()
    async with await Database.open(path) as db:
        assert await db.read(names) == []


@pytest.mark.gen_test
async def test_a_start_whose_migration_fails_leaves_the_old_database(path, monkeypatch):
    await make(path)
    wrong = (*migrations.STEPS, ("CREATE TABLE later (a TEXT)", "CREATE TABLE accounts (a TEXT)"))
    monkeypatch.setattr(migrations, "STEPS", wrong)
    monkeypatch.setattr(migrations, "VERSION", len(wrong))
    assert await refused(path, StorageUnavailable)
    monkeypatch.undo()
    async with await Database.open(path) as db:
        assert await db.read(names) == ["ann"]
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'later'"
        assert await db.read(lambda conn: conn.execute(tables).fetchone()[0]) == 0


@pytest.mark.gen_test
async def test_a_database_that_is_locked_at_the_start_is_unavailable(path, monkeypatch):
    await make(path)
    monkeypatch.setattr(database, "BUSY_MILLISECONDS", 20)
    monkeypatch.setattr(migrations, "VERSION", migrations.VERSION + 1)
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, ()))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert "locked" in await refused(path, StorageUnavailable)
    holder.close()


# The directory's lock

LOCK = """
import sys, pathlib
from wx.store.database import DirectoryLock
from wx.errors import AlreadyRunning
try:
    lock = DirectoryLock(pathlib.Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.read()
except AlreadyRunning as error:
    print(error.exit_code, error, flush=True)
"""


def test_two_processes_cannot_hold_one_directory(tmp_path, others):
    folder = tmp_path / "data"
    first = others(LOCK, folder)
    assert first.line() == "held"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "lock").stat().st_mode) == 0o600
    assert others(LOCK, folder).line() == f"3 another wxbind is running on {folder}"
    with pytest.raises(AlreadyRunning):
        DirectoryLock(folder)
    first.kill()
    lock = DirectoryLock(folder)
    assert others(LOCK, folder).line().startswith("3 ")
    lock.close()
    assert others(LOCK, folder).line() == "held"


def test_whether_a_directory_is_held_can_be_looked_at(tmp_path, others):
    folder = tmp_path / "data"
    assert not database.is_held(folder)
    assert not folder.exists(), "looking makes nothing"
    first = others(LOCK, folder)
    assert first.line() == "held"
    assert database.is_held(folder) and database.is_held(folder)
    assert others(LOCK, folder).line().startswith("3 "), "looking has not let it go"
    first.kill()
    assert not database.is_held(folder)
    assert others(LOCK, folder).line() == "held"


def test_whoever_only_looks_is_in_nobody_s_way(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    DirectoryLock(folder).close()
    file = os.open(folder / "lock", os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_SH)
    assert not database.is_held(folder), "two may look at once"
    # Whoever looks has let it go by the time that it is asked for again.
    monkeypatch.setattr("time.sleep", lambda seconds: os.close(file))
    DirectoryLock(folder).close()


# Writing


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many transactions each commit held."""
    seen: list[int] = []
    transact = database._transact

    def counted(conn: sqlite3.Connection, works: list[Any], milliseconds: int) -> Any:
        seen.append(len(works))
        return transact(conn, works, milliseconds)

    monkeypatch.setattr(database, "_transact", counted)
    return seen


@pytest.mark.gen_test
async def test_writes_that_come_together_share_a_commit(db, commits, io_loop):
    gate = Gate(io_loop.asyncio_loop)
    first = asyncio.create_task(db.write(gate))
    await gate.entered.wait()
    many = [asyncio.create_task(db.write(adding(f"n{number:03}"))) for number in range(300)]
    await asyncio.sleep(0)
    gate.open()
    ids = await asyncio.gather(first, *many)
    assert commits == [1, database.BATCH, 300 - database.BATCH]
    assert ids[1:] == list(range(1, 301)), "in the order they came, each with its own result"
    assert len(await db.read(names)) == 300


@pytest.mark.gen_test
async def test_one_write_that_fails_leaves_the_others_of_its_commit_alone(db, commits, io_loop):
    def half(conn: sqlite3.Connection) -> None:
        adding("half")(conn)
        raise KeyError("half done")

    gate = Gate(io_loop.asyncio_loop)
    first = asyncio.create_task(db.write(gate))
    await gate.entered.wait()
    works = [adding("ann"), half, adding("ANN"), adding("bob")]
    tasks = [asyncio.create_task(db.write(work)) for work in works]
    await asyncio.sleep(0)
    gate.open()
    ann, failed, taken, bob = await asyncio.gather(*tasks, return_exceptions=True)
    await first
    assert commits == [1, 4]
    assert isinstance(ann, int) and isinstance(bob, int)
    assert isinstance(failed, KeyError) and failed.args == ("half done",)
    assert isinstance(taken, sqlite3.IntegrityError)
    assert await db.read(names) == ["ann", "bob"]


@pytest.mark.gen_test
async def test_a_write_is_on_disk_when_it_returns(db, path, tmp_path):
    await db.write(adding("ann"))
    # What a computer that loses its power now would find.
    for one in path.parent.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    copy = sqlite3.connect(tmp_path / path.name)
    assert copy.execute("SELECT name FROM accounts").fetchall() == [("ann",)]
    copy.close()


@pytest.mark.gen_test
async def test_a_cancelled_write_happens_wholly_and_the_next_one_works(db, io_loop):
    def two(conn: sqlite3.Connection) -> None:
        adding("ann")(conn)
        gate(conn)
        adding("bob")(conn)

    gate = Gate(io_loop.asyncio_loop)
    running = asyncio.create_task(db.write(two))
    await gate.entered.wait()
    waiting = asyncio.create_task(db.write(adding("cid")))
    failing = asyncio.create_task(db.write(lambda conn: conn.execute("SELECT ?").fetchone()))
    await asyncio.sleep(0)
    for task in (running, waiting, failing):
        task.cancel()
    await asyncio.wait([running, waiting, failing])
    assert running.cancelled() and waiting.cancelled() and failing.cancelled()
    gate.open()
    await db.write(adding("dan"))
    assert await db.read(names) == ["ann", "bob", "cid", "dan"]


@pytest.mark.gen_test
async def test_an_exception_that_nobody_waits_for_is_not_complained_of(db, io_loop, caplog):
    gate = Gate(io_loop.asyncio_loop)
    first = asyncio.create_task(db.write(gate))
    await gate.entered.wait()

    async def leads() -> None:
        await db.write(adding("ann"))
        lost[1].cancel()  # whose own result is there already

    leading = asyncio.create_task(leads())
    lost = [asyncio.create_task(db.write(lambda conn: 1 // 0)) for _ in range(2)]
    await asyncio.sleep(0)
    lost[0].cancel()
    gate.open()
    await asyncio.wait([first, leading, *lost])
    assert [one.cancelled() for one in lost] == [True, True]
    lost.clear()
    gc.collect()
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.gen_test
async def test_an_exception_in_a_write_undoes_it_and_comes_out(db):
    def work(conn: sqlite3.Connection) -> None:
        adding("ann")(conn)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await db.write(work)
    assert await db.read(names) == []


@pytest.mark.gen_test
async def test_a_write_that_runs_out_of_rows_does_not_stop_the_writer(db):
    with pytest.raises(RuntimeError, match="StopIteration"):
        await db.write(lambda conn: next(iter(())))
    assert await db.write(adding("ann")) == 1


# Reading


@pytest.mark.gen_test
async def test_the_reader_writes_nothing(db):
    with pytest.raises(StorageUnavailable, match="readonly"):
        await db.read(adding("ann"))
    assert await db.read(names) == []


@pytest.mark.gen_test
async def test_a_read_sees_one_unchanging_view(db, io_loop):
    await db.write(adding("ann"))
    gate = Gate(io_loop.asyncio_loop)

    def twice(conn: sqlite3.Connection) -> tuple[list[str], list[str]]:
        before = names(conn)
        gate(conn)
        return before, names(conn)

    reading = asyncio.create_task(db.read(twice))
    await gate.entered.wait()
    await db.write(adding("bob"))
    gate.open()
    assert await reading == (["ann"], ["ann"])
    assert await db.read(names) == ["ann", "bob"]


@pytest.mark.gen_test
async def test_an_exception_in_a_read_comes_out_and_ends_the_view(db):
    with pytest.raises(LookupError):
        await db.read(lambda conn: {}["gone"])
    await db.write(adding("ann"))
    assert await db.read(names) == ["ann"]


@pytest.mark.gen_test
async def test_a_cancelled_read_breaks_nothing(db, io_loop):
    gate = Gate(io_loop.asyncio_loop)
    reading = asyncio.create_task(db.read(gate))
    await gate.entered.wait()
    reading.cancel()
    gate.open()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await db.read(names) == []


# Trouble


@pytest.mark.gen_test
async def test_a_database_that_stays_locked_is_unavailable_until_it_is_free(path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_MILLISECONDS", 20)
    async with await Database.open(path) as db:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            db.write(adding("ann")), db.write(adding("bob")), return_exceptions=True
        )
        assert [type(one) for one in results] == [StorageUnavailable] * 2
        assert "locked" in str(results[0])
        assert await db.read(names) == [], "reading goes on"
        holder.execute("COMMIT")
        holder.close()
        await db.write(adding("cid"))
        assert await db.read(names) == ["cid"]


@pytest.mark.gen_test
async def test_the_wait_for_a_locked_database_counts_from_the_call_not_from_the_turn(
    path, monkeypatch
):
    monkeypatch.setattr(database, "BUSY_MILLISECONDS", 1200)
    async with await Database.open(path) as db:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        loop = asyncio.get_running_loop()
        ends = dict[str, float]()

        async def write(name: str) -> None:
            begun = loop.time()
            try:
                await db.write(adding(name))
            finally:
                ends[name] = loop.time() - begun

        first = asyncio.create_task(write("ann"))
        await asyncio.sleep(0.7)
        second = asyncio.create_task(write("bob"))  # waits behind the first
        with pytest.raises(StorageUnavailable, match="locked"):
            await first
        third = asyncio.create_task(write("cid"))
        with pytest.raises(StorageUnavailable, match="locked"):
            await second
        # One that counted from its turn would take 1.7 s.
        assert 1.19 < ends["ann"] < 1.65 and 1.19 < ends["bob"] < 1.65, ends
        holder.execute("COMMIT")
        holder.close()
        await third
        assert await db.read(names) == ["cid"], "whose time was not over"
        timeout = "PRAGMA busy_timeout"
        assert (await db.write(lambda conn: conn.execute(timeout).fetchone()))[0] == 1200


@pytest.mark.gen_test
async def test_a_full_disk_refuses_whole_transactions_and_needs_no_restart(db, caplog):
    await db.write(adding("ann"))

    def limit(pages: int) -> Any:
        return lambda conn: conn.execute(f"PRAGMA max_page_count = {pages}").fetchall()

    def large(conn: sqlite3.Connection) -> None:
        adding("bob")(conn)
        accounts.add(conn, "large", "x" * 1_000_000, admin=False, now=NOW)

    await db.write(limit(1))
    with pytest.raises(StorageUnavailable, match="full"):
        await db.write(large)
    assert await db.read(names) == ["ann"]
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR] == [
        "a transaction failed: database or disk is full"
    ]
    await db.write(adding("cid"))
    await db.write(limit(1 << 30))
    await db.write(large)
    assert await db.read(names) == ["ann", "bob", "cid", "large"]


@pytest.mark.gen_test
async def test_when_the_disk_fills_nothing_of_a_shared_commit_is_promised(db, io_loop):
    gate = Gate(io_loop.asyncio_loop)
    first = asyncio.create_task(db.write(gate))
    await gate.entered.wait()
    full = sqlite3.OperationalError("database or disk is full")

    def fails(conn: sqlite3.Connection) -> None:
        raise full

    tasks = [asyncio.create_task(db.write(work)) for work in (adding("ann"), fails)]
    await asyncio.sleep(0)
    gate.open()
    results = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [type(one) for one in results[1:]] == [StorageUnavailable] * 2
    assert results[2].__cause__ is full
    assert await db.read(names) == []
    assert await db.write(adding("bob"))


@pytest.mark.gen_test
async def test_when_the_file_turns_out_damaged_nothing_is_written_on(path, io_loop):
    await make(path)
    async with await Database.open(path) as db:
        with path.open("r+b") as file:  # the index of names, which nothing has read yet
            file.seek(2 * 4096)
            file.write(b"\xa5" * 4096)

        def find(conn: sqlite3.Connection) -> Any:
            return accounts.find_by_name(conn, "ann")

        with pytest.raises(StorageUnavailable, match="malformed"):
            await db.read(find)
        gate = Gate(io_loop.asyncio_loop)
        first = asyncio.create_task(db.write(gate))
        await gate.entered.wait()
        wal = path.with_name(path.name + "-wal").read_bytes()
        works = [lambda conn: conn.execute("DELETE FROM undos").rowcount, find]
        tasks = [asyncio.create_task(db.write(work)) for work in works]
        await asyncio.sleep(0)
        gate.open()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await first
        assert [type(one) for one in results] == [StorageUnavailable] * 2
        assert path.with_name(path.name + "-wal").read_bytes() == wal


@pytest.mark.gen_test
async def test_a_mistake_in_a_read_is_not_called_trouble_of_the_database(db):
    with pytest.raises(sqlite3.ProgrammingError):
        await db.read(lambda conn: conn.execute("SELECT ?").fetchone())


@pytest.mark.gen_test
async def test_a_transaction_that_sqlite_rolled_back_itself_fails_as_a_whole(db, caplog):
    def work(conn: sqlite3.Connection) -> None:
        adding("ann")(conn)
        conn.execute("INSERT OR ROLLBACK INTO accounts SELECT * FROM accounts")

    with pytest.raises(StorageUnavailable):
        await db.write(work)
    await db.write(adding("bob"))
    assert await db.read(names) == ["bob"]


# Stopping


@pytest.mark.gen_test
async def test_closing_finishes_the_writes_that_wait_and_takes_no_more(path, io_loop):
    db = await Database.open(path)
    gate = Gate(io_loop.asyncio_loop)
    tasks = [asyncio.create_task(db.write(gate)), asyncio.create_task(db.write(adding("ann")))]
    await gate.entered.wait()
    closing = asyncio.create_task(db.close())
    await asyncio.sleep(0)
    for late in (db.write(adding("late")), db.read(names)):
        with pytest.raises(StorageUnavailable, match="closed"):
            await late
    assert not closing.done()
    gate.open()
    await closing
    assert [task.done() for task in tasks] == [True, True]
    await asyncio.gather(*tasks)
    await db.close()
    assert [one.name for one in path.parent.iterdir()] == [path.name], "all is in the one file"
    async with await Database.open(path) as again:
        assert await again.read(names) == ["ann"]


@pytest.mark.gen_test
async def test_a_closed_database_leaves_no_thread(path):
    before = threading.active_count()
    db = await Database.open(path)
    assert threading.active_count() > before
    workers = [one for one in threading.enumerate() if "asyncio" not in one.name]
    await db.close()
    for one in set(workers) - {threading.main_thread()}:
        await asyncio.to_thread(one.join, 5)
        assert not one.is_alive()


WRITE = """
import asyncio, sys, pathlib
from wx.store import accounts
from wx.store.database import Database
async def main():
    db = await Database.open(pathlib.Path(sys.argv[1]))
    number = 0
    while True:
        def two(conn, number=number):
            for half in "ab":
                accounts.add(conn, f"{number:06}{half}", "x" * 3000, admin=False, now=1.0)
        await db.write(two)
        print(number, flush=True)
        number += 1
asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 20, 60])
@pytest.mark.gen_test(timeout=30)
async def test_a_kill_in_the_middle_of_writing_loses_nothing_that_was_promised(path, others, after):
    other = others(WRITE, path)
    while (last := int(other.line())) < after:
        pass
    other.kill()
    async with await Database.open(path) as db:
        kept = await db.read(names)
    assert integrity(path) == "ok"
    assert len(kept) % 2 == 0, "both halves of a transaction or none"
    assert kept[: 2 * last + 2] == [f"{n:06}{half}" for n in range(last + 1) for half in "ab"]


COMMIT = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("INSERT INTO accounts (name, folded_name, password, created_at)"
             " VALUES ('eve', 'eve', 'x', 1.0)")
print("done", flush=True)
sys.stdin.read()
"""


@pytest.mark.gen_test
async def test_what_another_process_commits_is_noticed_and_our_own_is_not(db, path, others):
    first = await db.changed_elsewhere()
    await db.write(adding("ann"))
    await db.read(names)
    assert await db.changed_elsewhere() == first
    assert others(COMMIT, path).line() == "done"
    second = await db.changed_elsewhere()
    assert second != first
    assert await db.changed_elsewhere() == second
    assert await db.read(names) == ["ann", "eve"]
