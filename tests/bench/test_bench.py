"""The benches run to their end. What they measure is for people to read, not for a test."""

import asyncio
import subprocess
import sys

import pytest

from tests.bench import callbacks, entry, latency, logins, memory, outbox, pages, start, webhook
from tests.bench.clients import Waiting, open_all
from tests.bench.harness import ROOT, Row, Size, floor, percentile, show

ROWS = {
    latency: 6,
    memory: 2,
    callbacks: 4,
    entry: 4,
    pages: 3,
    logins: 2,
    start: 2,
    webhook: 17 if webhook.has_flask() else 15,
    outbox: 16 if outbox.has_requests() else 14,
}


@pytest.mark.parametrize("module", ROWS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_quick_run_fills_its_table(module, capsys):
    rows = asyncio.run(module.bench(Size(quick=True)))
    assert len(rows) == ROWS[module]
    show("title", rows)
    printed = capsys.readouterr().out.splitlines()
    assert all(line.startswith(row.name) for line, row in zip(printed[2:], rows, strict=False))


def test_an_unknown_name_is_refused():
    command = [sys.executable, "-m", "tests.bench", "memroy"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no bench of the name memroy" in done.stderr


def test_a_row_shows_ratio_aim_and_verdict():
    assert Row("a", 3, 2, "ms", "≤ 1 ms", False).cells() == (
        "a",
        "3.00 ms",
        "2.00 ms",
        "1.50x",
        "≤ 1 ms",
        "MISSED",
    )
    assert Row("a", 1234, None, "/s").cells()[1:4] == ("1,234 /s", "-", "-")


def test_the_worst_is_the_hundredth_percentile():
    assert percentile([3, 1, 2], 100) == 3
    assert percentile(list(range(100)), 50) == 50


def test_a_server_ends_with_its_block():
    async def story() -> None:
        async with floor("echo") as server:
            await open_all([Waiting(server.base, "/", {}) for _ in range(3)], b"hello")
            assert server.memory() > 0 and server.cpu() >= 0
        with pytest.raises(ConnectionRefusedError):
            await open_all([Waiting(server.base, "/", {})], b"hello")

    asyncio.run(story())
