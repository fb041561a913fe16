"""The one door to SQLite: a reader connection, a writer connection, and a queue before the writer.

A transaction is one function that runs in the connection's thread, never a row of awaits between
which others could slip in. Writers that come together share one durable commit, each inside its
own savepoint, so that one that fails takes nothing with it.
"""

import asyncio
import contextlib
import fcntl
import logging
import math
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast

import aiosqlite

from wx.errors import AlreadyRunning, DatabaseDamaged, DatabaseNewer, StorageUnavailable
from wx.store import migrations

log = logging.getLogger(__name__)

T = TypeVar("T")
FILE = "wxbind.db"
LOCK = "lock"
LOOK_SECONDS = 0.05  # far more than looking whether the lock is held takes
BUSY_MILLISECONDS = 5000  # that a transaction waits for another process, its turn here included
_LATE_MILLISECONDS = 100  # of these, that are not worth a shorter wait
BATCH = 256  # transactions that share a commit at most

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA secure_delete = ON",
    f"PRAGMA journal_size_limit = {64 * 1024 * 1024}",
)


class DirectoryLock:
    """Holds a data directory for this process, until it is closed or the process ends.

    Raises:
        AlreadyRunning: another process holds it.
    """

    def __init__(self, data_dir: Path) -> None:
        make_private(data_dir)
        self._file = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _lock(self._file, fcntl.LOCK_EX):
            return
        # Somebody who only looked whether it is held (is_held) has let it go by then.
        time.sleep(LOOK_SECONDS)
        if not _lock(self._file, fcntl.LOCK_EX):
            os.close(self._file)
            raise AlreadyRunning(f"another wxbind is running on {data_dir}")

    def close(self) -> None:
        """Let the next process have the directory."""
        os.close(self._file)


def is_held(data_dir: Path) -> bool:
    """Whether a process, say a server, holds a data directory now."""
    try:
        file = os.open(data_dir / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # nobody ever held it
    try:
        # Shared, so that two who look are not in each other's way.
        return not _lock(file, fcntl.LOCK_SH)
    finally:
        os.close(file)


def _lock(file: int, kind: int) -> bool:
    """Lock an open file, if that can be had at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def make_private(data_dir: Path) -> None:
    """Make the data directory if there is none, for its owner only."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)


def check(path: Path) -> None:
    """Make sure that ``path`` is no database, or a sound one that this program can read.

    Changes no file; beside a WAL only the ``-shm`` file, SQLite's index of the WAL, is made anew.

    Raises:
        DatabaseNewer: a newer wxbind wrote it.
        DatabaseDamaged: it is damaged, or no database of wxbind.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    # Without a WAL beside it the file is complete in itself: read it without making files.
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"
    try:
        conn = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
        try:
            (version,) = conn.execute("PRAGMA user_version").fetchone()
            (application,) = conn.execute("PRAGMA application_id").fetchone()
            if application == migrations.APPLICATION_ID and version > migrations.VERSION:
                raise DatabaseNewer(
                    f"{path} was written by a newer wxbind (schema {version}, this program"
                    f" knows {migrations.VERSION}); install the newer version"
                )
            (verdict,) = conn.execute("PRAGMA quick_check(1)").fetchone()
            (tables,) = conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        finally:
            conn.close()
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(f"{path} is damaged ({error}); restore a backup") from error
    if verdict != "ok":
        raise DatabaseDamaged(f"{path} is damaged ({verdict}); restore a backup")
    # Without any table it is ours too: a first start that was cut off leaves that.
    if application != migrations.APPLICATION_ID and tables:
        raise DatabaseDamaged(f"{path} is not a database of wxbind")


@dataclass(slots=True)
class _Job:
    """A transaction that waits, until that monotonic time for another process to let go."""

    work: Callable[[sqlite3.Connection], Any]
    done: "asyncio.Future[Any]"
    until: float


class _Locked(Exception):
    """Another process did not let go of the database: nothing was begun."""


class Database:
    """An open database. Made by :meth:`open`; :meth:`close` it, or its threads stay.

    ``read`` and ``write`` take a function of a plain ``sqlite3.Connection``; it runs in another
    thread and must not touch anything of the event loop.
    """

    def __init__(self, reader: aiosqlite.Connection, writer: aiosqlite.Connection) -> None:
        self._reader = reader
        self._writer = writer
        self._jobs: list[_Job] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._door = asyncio.create_task(self._serve(), name="database writer")

    @classmethod
    async def open(cls, path: Path) -> "Database":
        """Open the database, make it if there is none, and bring it up to date.

        Raises:
            DatabaseNewer, DatabaseDamaged: see :func:`check`.
            StorageUnavailable: it stayed locked, the disk is full, or it failed.
        """
        make_private(path.parent)
        await asyncio.to_thread(check, path)
        try:
            await asyncio.to_thread(_prepare, path)
        except sqlite3.OperationalError as error:
            raise StorageUnavailable(f"{path}: {error}") from error
        reader = await aiosqlite.connect(path, isolation_level=None)
        try:
            await _run(reader, _set_up, True)
            writer = await aiosqlite.connect(path, isolation_level=None)
        except BaseException:
            await reader.close()
            raise
        try:
            await _run(writer, _set_up, False)
        except BaseException:
            await reader.close()
            await writer.close()
            raise
        return cls(reader, writer)

    async def __aenter__(self) -> "Database":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` on the reader, on one unchanging view of the database.

        Raises:
            StorageUnavailable: the database could not be read.
        """
        if self._closing:
            raise StorageUnavailable("the database is closed")
        try:
            return await _run(self._reader, _snapshot, work)
        except sqlite3.DatabaseError as error:
            if not _is_trouble(error):
                raise
            raise StorageUnavailable(str(error)) from error

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` as one transaction; when this returns, it is on disk.

        Being cancelled here does not stop a transaction that waits or runs: it happens wholly or
        not at all. An exception in ``work`` undoes it and is raised here.

        Raises:
            StorageUnavailable: the database stayed locked, the disk is full, or it failed.
        """
        if self._closing:
            raise StorageUnavailable("the database is closed")
        until = time.monotonic() + BUSY_MILLISECONDS / 1000
        job = _Job(work, asyncio.get_running_loop().create_future(), until)
        self._jobs.append(job)
        self._wake.set()
        # Cancelled, this future is passed over; the work is no part of it.
        return cast(T, await job.done)

    async def changed_elsewhere(self) -> int:
        """A number that changes when another process has committed something."""
        # Asked on the writer, whose own commits do not count.
        (version,) = await _run(self._writer, _data_version)
        return int(version)

    async def close(self) -> None:
        """Finish the transactions that wait, and close both connections."""
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        try:
            await self._door
        finally:
            await self._reader.close()
            await self._writer.close()

    async def _serve(self) -> None:
        while not (self._closing and not self._jobs):
            await self._wake.wait()
            self._wake.clear()
            while self._jobs:
                batch, self._jobs = self._jobs[:BATCH], self._jobs[BATCH:]
                await self._commit(batch)

    async def _commit(self, batch: list[_Job]) -> None:
        left = math.ceil(1000 * (batch[0].until - time.monotonic()))
        try:
            results = await _run(self._writer, _transact, [job.work for job in batch], max(0, left))
        except Exception as error:
            if isinstance(error, _Locked):
                # Whoever came later, behind the first, has still some time to wait.
                now = time.monotonic()
                self._jobs[:0] = [job for job in batch if job.until > now]
                batch = [job for job in batch if job.until <= now]
            if batch:
                log.error("a transaction failed: %s", error)
            trouble = StorageUnavailable(str(error))
            trouble.__cause__ = error
            results = [(None, trouble)] * len(batch)
        for job, (result, failure) in zip(batch, results, strict=True):
            if job.done.cancelled():
                continue
            if failure is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(failure)


async def _run(connection: aiosqlite.Connection, work: Callable[..., T], *args: Any) -> T:
    """Run ``work(conn, *args)`` in the connection's own thread."""
    # aiosqlite offers statements one by one; a whole transaction in its thread needs its inner
    # door, and setup.cfg pins the versions in which that was seen to work.
    return cast(T, await connection._execute(work, connection._conn, *args))  # type: ignore[no-untyped-call]


def _prepare(path: Path) -> None:
    """Make the file for its owner only, and take the migration steps."""
    # Only a new file is opened here: closing it drops every lock that this process holds on it.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    conn = sqlite3.connect(path, isolation_level=None)
    try:
        _set_up(conn, False)
        (version,) = conn.execute("PRAGMA user_version").fetchone()
        if version < migrations.VERSION:
            migrations.migrate(conn)
            log.info("database %s brought from schema %d to %d", path, version, migrations.VERSION)
    finally:
        conn.close()


def _set_up(conn: sqlite3.Connection, reader: bool) -> None:
    conn.row_factory = sqlite3.Row
    conn.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    for pragma in _PRAGMAS:
        conn.execute(pragma)
    if reader:
        conn.execute("PRAGMA query_only = ON")


def _snapshot(conn: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    conn.execute("BEGIN")
    try:
        return work(conn)
    finally:
        conn.execute("ROLLBACK")


def _transact(
    conn: sqlite3.Connection, works: list[Callable[[sqlite3.Connection], Any]], milliseconds: int
) -> list[tuple[Any, Exception | None]]:
    """Run each function inside its own savepoint, all inside one transaction, which waits so long
    for another process."""
    results: list[tuple[Any, Exception | None]] = []
    try:
        _begin(conn, milliseconds)
        for work in works:
            result, failure = apart(conn, work)  # or nothing of this batch can be promised
            if isinstance(failure, StopIteration):  # which no future takes (PEP 479)
                cause, failure = failure, RuntimeError("a transaction raised StopIteration")
                failure.__cause__ = cause
            results.append((result, failure))
        conn.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors.
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
    return results


def apart(
    conn: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]
) -> tuple[T | None, Exception | None]:
    """Run a piece of a transaction so that it alone is undone if it fails: its result and its
    failure, one of which is None.

    Raises:
        sqlite3.DatabaseError: the database itself failed, and with it the whole transaction.
    """
    conn.execute("SAVEPOINT piece")
    result, failure = None, None
    try:
        result = work(conn)
    except Exception as error:
        if _is_trouble(error):
            raise
        conn.execute("ROLLBACK TO piece")
        failure = error
    conn.execute("RELEASE piece")
    return result, failure


def _begin(conn: sqlite3.Connection, milliseconds: int) -> None:
    short = milliseconds < BUSY_MILLISECONDS - _LATE_MILLISECONDS
    if short:
        conn.execute(f"PRAGMA busy_timeout = {milliseconds}")
    try:
        conn.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise _Locked(str(error)) from error
        raise
    finally:
        if short:
            conn.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")


def _is_trouble(error: Exception) -> bool:
    """Whether the database itself failed: locked, full, an I/O error, or damaged. A statement that
    makes no sense to it is a fault of ours."""
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def _data_version(conn: sqlite3.Connection) -> tuple[int]:
    return cast(tuple[int], tuple(conn.execute("PRAGMA data_version").fetchone()))
