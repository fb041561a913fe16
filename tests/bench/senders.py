"""What sending is measured against, each in a process: ``python -m tests.bench.senders KIND BASE
COUNT`` sends so many messages and prints a JSON line with the seconds and the processor time of
each."""

import asyncio
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.floors import open_database
from wx.wechat.transport import Transport

IN_FLIGHT = 20
PATH = "/cgi-bin/message/template/send"
QUERY = {"access_token": "the-token"}
BODY = {
    "touser": "oBench000000000000000000001",
    "template_id": "BenchTemplate",
    "data": {"thing1": {"value": "备份已完成"}, "time2": {"value": "2026-01-02 03:04"}},
    "client_msg_id": "0351YeqvJNNoUDxVem1BQg",
}


def bare(base: str, count: int) -> None:
    """Our own transport, and nothing around it: as fast as anybody can be who keeps to 20."""
    asyncio.run(_bare(base, count))


async def _bare(base: str, count: int) -> None:
    transport = Transport(base, connections=IN_FLIGHT)
    todo = iter(range(count))

    async def work() -> None:
        for _ in todo:
            await transport.post(PATH, QUERY, BODY)

    await asyncio.gather(*[work() for _ in range(IN_FLIGHT)])
    transport.close()


def blocking(base: str, count: int) -> None:
    """As people write it: a call that blocks, and connects anew each time."""
    import requests

    for _ in range(count):
        answer = requests.post(base + PATH, params=QUERY, json=BODY, timeout=10)
        assert answer.json()["errcode"] == 0


def inserts(base: str, count: int) -> None:
    """No messages: durable inserts, one after the other."""
    with tempfile.TemporaryDirectory(prefix="wxbind-bench-") as folder:
        conn = open_database(Path(folder) / "floor.db")
        for _ in range(count):
            _insert(conn)
        conn.close()


def _insert(conn: sqlite3.Connection) -> None:
    conn.execute("BEGIN IMMEDIATE")
    conn.execute(
        "INSERT INTO outbox (account, body, state) VALUES ('ann', ?, 'queued')", (json.dumps(BODY),)
    )
    conn.execute("COMMIT")


KINDS: dict[str, Callable[[str, int], None]] = {
    "bare": bare,
    "blocking": blocking,
    "inserts": inserts,
}


def main(kind: str, base: str, count: str) -> None:
    """Do it, after a few to warm up."""
    KINDS[kind](base, 5)
    begun, cpu = time.perf_counter(), sum(os.times()[:2])
    KINDS[kind](base, int(count))
    spent, used = time.perf_counter() - begun, sum(os.times()[:2]) - cpu
    print(json.dumps({"seconds": spent, "cpu": used / int(count)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
