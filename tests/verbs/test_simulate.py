"""The verb ``simulate`` as an operator meets it: the real program in a process of its own."""

import signal
from pathlib import Path

import pytest

from tests import processes
from tests.support import free_port
from tests.verbs.steps import one_line


@pytest.mark.gen_test(timeout=40)
async def test_the_simulator_alone_says_how_to_use_it_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    simulator = await processes.start("simulate", "--port", str(port), folder=tmp_path)
    try:
        await simulator.line_with("app_id")
        text = "".join(simulator.lines)
        assert f"listening on http://127.0.0.1:{port}" in text
        assert f"api_base, open_base and mp_base: http://127.0.0.1:{port}" in text
        second = await processes.run("simulate", "--port", str(port), folder=tmp_path)
        assert str(port) in one_line(second, 1)
        simulator.signal(signal.SIGINT)
        ended = await simulator.ended()
        assert (ended.code, ended.err) == (0, "")
    finally:
        await simulator.kill()
