"""What a verb does that runs until somebody ends it."""

import signal
from pathlib import Path

import pytest

from tests import processes
from wx.verbs import running

SCRIPT = """
import asyncio, sys
from wx.verbs import running
running.GIVE_UP_SECONDS = 0.3

async def run(stopped):
    print("ready", flush=True)
    await stopped.wait()
    await asyncio.Event().wait()  # a stop that hangs

sys.exit(running.until_signal(run))
"""


@pytest.mark.gen_test(timeout=20)
async def test_the_process_ends_also_when_the_stop_hangs(tmp_path: Path) -> None:
    assert running.GIVE_UP_SECONDS <= 15
    script = tmp_path / "hang.py"
    script.write_text(SCRIPT)
    process = await processes.start_script(script)
    try:
        await process.line_with("ready")
        process.signal(signal.SIGTERM)
        assert (await process.ended()).code == 1
    finally:
        await process.kill()


def test_an_address_of_either_kind_stands_in_a_url() -> None:
    assert running.place("127.0.0.1", 8000) == "127.0.0.1:8000"
    assert running.place("::1", 8000) == "[::1]:8000"
