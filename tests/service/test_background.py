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
async def test_closing_waits_for_what_is_begun_meanwhile() -> None:
    made, done = Background(), []

    async def work(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)
        if number < 3:
            made.spawn(work(number + 1))

    made.spawn(work(1))
    await made.close()
    assert done == [1, 2, 3]


@pytest.mark.gen_test
async def test_what_begins_ever_anew_is_ended_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "CLOSE_SECONDS", 0.01)
    made, begun = Background(), []

    async def work() -> None:
        await asyncio.sleep(0)
        begun.append("work")
        made.spawn(work())

    made.spawn(work())
    await made.close()
    count = len(begun)
    await asyncio.sleep(0.01)
    assert len(begun) == count


@pytest.mark.gen_test
async def test_nothing_is_begun_after_the_close(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made, done = Background(), []

    async def work() -> None:
        done.append("work")

    await made.close()
    made.spawn(work())
    await asyncio.sleep(0)
    assert done == []
    assert [one.levelno for one in caplog.records] == [logging.DEBUG]
