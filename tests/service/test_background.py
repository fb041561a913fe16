"""Work that goes on after the answer."""

import asyncio
import logging

import pytest

from wx.service import background
from wx.service.background import Background


@pytest.mark.gen_test
async def test_closing_waits_for_what_is_under_way() -> None:
    made, done = Background(), []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    made.spawn(work())
    await made.close()
    assert done == ["work"]
    await made.close()


@pytest.mark.gen_test
async def test_what_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "CLOSE_SECONDS", 0.01)
    made, ended = Background(), asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    made.spawn(hang())
    await made.close()
    assert ended.is_set()


@pytest.mark.gen_test
async def test_what_fails_is_written_down_and_hurts_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made, done = Background(), []

    async def fail() -> None:
        raise RuntimeError("no")

    async def work() -> None:
        done.append("work")

    made.spawn(fail())
    made.spawn(work())
    await made.close()
    assert done == ["work"]
    assert [(one.levelno, one.name) for one in caplog.records] == [
        (logging.ERROR, "wx.service.background")
    ]


@pytest.mark.gen_test
async def test_closing_waits_for_an_adopted_task_too() -> None:
    made, go, done = Background(), asyncio.Event(), []

    async def work() -> str:
        await go.wait()
        done.append("work")
        return "an answer that nobody takes"

    task = asyncio.create_task(work())
    made.adopt(task)
    asyncio.get_running_loop().call_soon(go.set)
    await made.close()
    assert done == ["work"] and task.done()


@pytest.mark.gen_test
async def test_an_adopted_task_that_fails_is_written_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = Background()

    async def fail() -> None:
        raise RuntimeError("no")

    made.adopt(asyncio.create_task(fail()))
    await made.close()
    assert [(one.levelno, one.name) for one in caplog.records] == [
        (logging.ERROR, "wx.service.background")
    ]


@pytest.mark.gen_test
async def test_an_adopted_task_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "CLOSE_SECONDS", 0.01)
    made = Background()
    task = asyncio.create_task(asyncio.Event().wait())
    made.adopt(task)
    await made.close()
    assert task.cancelled()
