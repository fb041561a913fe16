"""A disk that is full, and a database that another process has locked."""

import asyncio
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.harness import MIB
from tests.faults.site import Client, Site, Verdict, open_site

RATE = 50  # notices a second
DISK = 16 * MIB  # the log of what is written takes four, before it is folded in
BACK_SECONDS = 5.0  # after which the service must be back
LATEST_SECONDS = 5.5  # that a post may wait
READ_SECONDS = 1.0  # that a read may take


@dataclass(slots=True)
class Trouble:
    """What trouble with the storage came to. In seconds: ``back`` until all went on, the slowest
    answer to a post, and to a read."""

    verdict: Verdict
    refused: int
    back: float
    post: float
    read: float

    def wrong(self) -> list[str]:
        """What must not be (promises P14, P15)."""
        found = self.verdict.wrong()
        if self.back > BACK_SECONDS:
            found.append(f"back after {self.back:.1f} s")
        if self.post > LATEST_SECONDS:
            found.append(f"a post waited {self.post:.1f} s")
        if self.read > READ_SECONDS:
            found.append(f"a read waited {self.read:.1f} s")
        return found

    def __str__(self) -> str:
        return (
            f"{self.refused} refused meanwhile, posts within {self.post:.2f} s, reads within"
            f" {1000 * self.read:.0f} ms, all on after {self.back:.2f} s; {self.verdict}"
        )


async def full_disk(folder: Path, *, seconds: float, mounted: bool = False) -> Trouble:
    """Let the disk be full for so long, and have space again.

    Args:
        mounted: a real small disk, which root may mount; else a limit on what the process writes.
    """
    with _small_disk(folder, mounted) as data:
        async with open_site(folder, 24, data_dir=str(data)) as site:
            return await _fill(site, seconds, data if mounted else None)


@contextmanager
def _small_disk(folder: Path, mounted: bool) -> Iterator[Path]:
    data = folder / "data"
    data.mkdir(parents=True)
    if not mounted:
        yield data
        return
    options = f"size={DISK},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(data)], check=True)
    try:
        yield data
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)


async def _fill(site: Site, seconds: float, disk: Path | None) -> Trouble:
    site.gather(*[1] * 16, 2, 3, 3)
    await site.start()
    async with site.traffic(rate=RATE):
        await asyncio.sleep(0.5)
        with _full(site, disk):
            await _refused(site)
            slowest = await _read_on(site, seconds)
        back = await _accepted(site)
        await asyncio.sleep(0.5)
    await site.send_rest()
    await site.drained()
    trouble = Trouble(site.judge(), site.statuses[503], back, site.slowest, slowest)
    await site.stop()
    return trouble


@contextmanager
def _full(site: Site, disk: Path | None) -> Iterator[None]:
    if disk is not None:
        ballast = disk / "ballast"
        left = os.statvfs(disk)
        # Room for a little more, so that it is full in the midst of something.
        ballast.write_bytes(bytes(left.f_bavail * left.f_frsize - 100_000))
        try:
            yield
        finally:
            ballast.unlink()
        return
    assert site.program.process
    pid = site.program.process.pid
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    log = site.program.database.with_name("wxbind.db-wal")
    # The log of what it says is a file too, and the smaller one.
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 20_000, most))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


async def _refused(site: Site) -> None:
    """Wait until somebody is turned away."""
    async with asyncio.timeout(30):
        for _ in range(3000):
            if site.statuses[503]:
                return
            await asyncio.sleep(0.01)
    raise AssertionError("the disk is full, and nobody was refused")


async def _accepted(site: Site) -> float:
    """Wait until everybody's next post is accepted; the seconds until then."""
    begun = time.monotonic()
    before = {id(group): len(group.posts) for group in site.groups}
    async with asyncio.timeout(4 * BACK_SECONDS):
        for group in site.groups:
            while len(group.posts) <= before[id(group)]:  # a new one comes after an accepted one
                await _tick()
    return time.monotonic() - begun


async def _read_on(site: Site, seconds: float) -> float:
    """Ask for what needs no write; the seconds of the slowest answer."""
    client, slowest, ends_at = Client(site), 0.0, time.monotonic() + seconds
    while time.monotonic() < ends_at:
        for path in ("/api/v1/notices?limit=5", "/api/v1/notices?to=person3"):
            told = await client.call(path)
            assert told.status == 200, told
            slowest = max(slowest, told.seconds)
        await _tick()
    client.close()
    return slowest


async def locked(folder: Path, *, seconds: float) -> Trouble:
    """Let another process hold the database for so long while people are sent to."""
    async with open_site(folder, 24) as site:
        site.gather(*[1] * 16, 2, 3, 3)
        await site.start()
        async with site.traffic(rate=RATE):
            await asyncio.sleep(0.3)
            with closing(sqlite3.connect(site.program.database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                slowest = await _read_on(site, seconds)
                other.execute("ROLLBACK")
            back = await _accepted(site)
        await site.send_rest()
        await site.drained()
        trouble = Trouble(site.judge(), site.statuses[503], back, site.slowest, slowest)
        assert "within a transaction" not in site.program.log.read_text()
        await site.stop()
        return trouble


async def _tick() -> None:
    await asyncio.sleep(0.02)
