"""What all benches share: processes that are measured from outside, and the table they fill."""

import asyncio
import ctypes
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.people import Person, invite_people

ROOT = Path(__file__).parents[2]
APP_ID = "wx0123456789abcdef"
START_SECONDS = 20
STOP_SECONDS = 20
MIB = 1024 * 1024
KIB = 1024
_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Size:
    """How much a run does; ``quick`` only shows that the benches still work."""

    quick: bool

    def pick(self, full: int, quick: int) -> int:
        """The number for this run."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was seen here and on the floor, in the same unit.

    Args:
        aim: as it stands in performance.md; "" for a figure that only explains another.
        ok: whether the aim is met; None without one.
    """

    name: str
    here: float
    floor: float | None
    unit: str
    aim: str = ""
    ok: bool | None = None

    def cells(self) -> tuple[str, ...]:
        ratio = f"{self.here / self.floor:.2f}x" if self.floor else "-"
        floor = "-" if self.floor is None else _number(self.floor, self.unit)
        verdict = {True: "ok", False: "MISSED", None: ""}[self.ok]
        return self.name, _number(self.here, self.unit), floor, ratio, self.aim, verdict


def show(title: str, rows: Iterable[Row]) -> None:
    """Print one bench's table."""
    table = [(title, "here", "floor", "ratio", "aim", ""), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(6)]
    widths[0] = max(46, widths[0])
    for number, line in enumerate(table):
        first = line[0].ljust(widths[0])
        rest = [
            cell.rjust(max(9, width)) for cell, width in zip(line[1:4], widths[1:4], strict=True)
        ]
        print(f"{first} {' '.join(rest)}  {line[4].ljust(widths[4])}  {line[5]}".rstrip())
        if number == 0:
            print("-" * (sum(widths[:5]) + 20))
    print(flush=True)


def _number(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Process:
    """A server in a process of its own, which dies with us.

    Args:
        base: where it listens.
    """

    def __init__(self, process: asyncio.subprocess.Process, base: str) -> None:
        self._process = process
        self.base = base
        self.port = int(base.rpartition(":")[2])

    def cpu(self) -> float:
        """Seconds of processor time it has used, user and system."""
        # The name in brackets may hold spaces.
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self) -> int:
        """Bytes of memory it occupies: all of its own pages, and its share of the common ones."""
        for line in Path(f"/proc/{self._process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KIB
        raise AssertionError("no Pss line")

    async def stop(self) -> None:
        """Ask it to end, then end it."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


@asynccontextmanager
async def run(*arguments: str, environ: Mapping[str, str] | None = None) -> AsyncIterator[Process]:
    """Run ``python ARGUMENTS`` until the block ends; it has to print ``listening on URL``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
        | dict(environ or {}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=_die_with_parent,
    )
    made: Process | None = None
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        word, _, base = line.decode().strip().rpartition(" ")
        if word != "listening on":
            raise RuntimeError(f"{' '.join(arguments)} did not start: {line!r}")
        made = Process(process, base)
        yield made
    finally:
        await (made or Process(process, "http://none:0")).stop()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def floor(kind: str, *arguments: str) -> AbstractAsyncContextManager[Process]:
    """One of the servers of :mod:`tests.bench.floors`."""
    return run("-m", "tests.bench.floors", kind, *arguments)


@dataclass(frozen=True, slots=True)
class Site:
    """A running wxbind, and the people who have a code open on it."""

    server: Process
    people: list[Person]

    @property
    def base(self) -> str:
        return self.server.base


@asynccontextmanager
async def prepared(
    platform: str, *, people: int = 0, **keys: str
) -> AsyncIterator[tuple[dict[str, str], list[Person]]]:
    """The environment of a wxbind against ``platform``, its data directory with a database in it,
    and as many people who have a code open.

    Args:
        keys: more of the configuration.
    """
    with tempfile.TemporaryDirectory(prefix="wxbind-bench-") as folder:
        data = Path(folder) / "data"
        invited = await invite_people(data, people, app_id=APP_ID)
        settings = {
            "port": "0",
            "data_dir": str(data),
            "app_id": APP_ID,
            "app_secret": "the-secret-of-the-bench",
            "api_base": platform,
            "open_base": platform,
            "mp_base": platform,
            "invites_per_hour": "100000",
            "live_sockets": "20000",
        }
        yield {f"WXBIND_{key.upper()}": value for key, value in (settings | keys).items()}, invited


@asynccontextmanager
async def wxbind(platform: str, *, people: int = 0, **keys: str) -> AsyncIterator[Site]:
    """A running server, otherwise as :func:`prepared`."""
    async with (
        prepared(platform, people=people, **keys) as (environ, invited),
        run("server.py", "serve", environ=environ) as server,
    ):
        yield Site(server, invited)
