"""The server as its own process, for what only a killed process can show."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from tests.support import free_port
from wx.simulator.app import Simulator
from wx.store import database

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20


class Program:
    """``server.py serve`` on a folder's data, against a simulator.

    Args:
        keys: more of the configuration, the webhook's for example.

    Attributes:
        script: what is run; another one than ``server.py`` brings it to run in the end.
    """

    script = ROOT / "server.py"

    def __init__(self, folder: Path, simulator: Simulator, **keys: str) -> None:
        self.folder = folder
        self._flags = {
            "app-id": simulator.app_id,
            "app-secret": simulator.app_secret,
            "api-base": simulator.base_url,
            "open-base": simulator.base_url,
            "mp-base": simulator.base_url,
            "avatar-origins": simulator.base_url,
            "data-dir": str(folder / "data"),
            "site-name": "Example",
            "port": str(free_port()),
        } | {name.replace("_", "-"): value for name, value in keys.items()}
        self.base = ""
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *words: str, text: str = "") -> None:
        """Another verb, to its end."""
        command = [sys.executable, str(ROOT / "server.py"), *words]
        subprocess.run(
            [*command, "--data-dir", self._flags["data-dir"]],
            input=text.encode(),
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def start(self, *, failpoint: str = "") -> None:
        """Start, and wait until it listens; on the same port each time."""
        words = [word for name, value in self._flags.items() for word in (f"--{name}", value)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(self.script), "serve", *words],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
                env=os.environ | {"FAILPOINT": failpoint},
            )
        line = self._line()
        assert line.startswith("listening on "), self.log.read_text()
        self.base = line.split()[-1]

    @property
    def log(self) -> Path:
        """What it has written to standard error, in all of its lives."""
        return self.folder / "serve.log"

    @property
    def database(self) -> Path:
        """The database's file."""
        return self.folder / "data" / database.FILE

    def _line(self) -> str:
        assert self.process and self.process.stdout
        end, text = time.monotonic() + START_SECONDS, b""
        while not text.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], end - time.monotonic())
            chunk = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not chunk:
                break
            text += chunk
        return text.decode()

    def ended(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        assert self.process and self.process.stdout
        code = self.process.wait(START_SECONDS)
        self.process.stdout.close()
        return code

    def terminate(self) -> None:
        """Ask it to end, as an operator does."""
        assert self.process
        self.process.terminate()

    def kill(self) -> None:
        """As a power cut does."""
        assert self.process
        self.process.kill()
        self.ended()
