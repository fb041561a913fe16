"""The real program in a process of its own, driven as an operator drives it."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 20


@dataclass
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str


class Process:
    """``python server.py …``, running."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []

    async def line_with(self, text: str) -> str:
        """The next line of standard output that holds ``text``."""
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS):
            while raw := await self._process.stdout.readline():
                self.lines.append(raw.decode())
                if text in self.lines[-1]:
                    return self.lines[-1].strip()
        raise AssertionError(f"ended before {text!r}: {self.lines} {(await self.ended()).err}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, given: bytes | None = None) -> Ended:
        """How it ended, once it has."""
        async with asyncio.timeout(SECONDS):
            out, err = await self._process.communicate(given)
        assert self._process.returncode is not None
        return Ended(self._process.returncode, "".join(self.lines) + out.decode(), err.decode())

    async def kill(self) -> None:
        """End it as a power cut does."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


async def start(*words: str, folder: Path, environ: Mapping[str, str] | None = None) -> Process:
    """Start ``python server.py WORDS`` in ``folder``."""
    return await _start(str(ROOT / "server.py"), *words, folder=folder, environ=environ or {})


async def start_script(script: Path) -> Process:
    """Start a script that uses the program's modules."""
    return await _start(str(script), folder=script.parent, environ={"PYTHONPATH": str(ROOT)})


async def _start(*words: str, folder: Path, environ: Mapping[str, str]) -> Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WXBIND_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=folder,
        env=kept | {"PYTHONWARNINGS": "error"} | dict(environ),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return Process(process)


async def run(
    *words: str,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    given: bytes = b"",
) -> Ended:
    """Run ``python server.py WORDS`` to its end."""
    return await (await start(*words, folder=folder, environ=environ)).ended(given)
