"""Pictures from end to end: sent to the chat, or picked on the page, and through a kill."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from tornado.simple_httpclient import HTTPStreamClosedError

from tests.flows.program import Program
from tests.vectors.pictures import png
from tests.world import PASSWORD, WEBHOOK_TOKEN, Desktop, World
from wx.clock import Clock
from wx.simulator.app import Simulator

GET = "/cgi-bin/media/get"


@pytest.mark.gen_test(timeout=30)
async def test_a_picture_that_is_sent_to_the_chat_stands_on_the_page(world: World) -> None:
    await world.open_webhook("safe", keep_media="true", pictures="true")
    desktop = await world.bound("ann", "wang")
    phone = world.simulator.phone("wang")
    await phone.follow()
    await phone.send("image", picture="/static/simulator/picture-lake.svg")
    for _ in range(500):
        page = (await desktop.fetch("/pictures")).body.decode()
        if found := re.search(r'src="(/pictures/\w{22})"', page):
            break
        await asyncio.sleep(0.02)
    assert found, page
    [medium] = world.simulator.world.media.values()
    shown = await desktop.fetch(found[1])
    assert (shown.headers["Content-Type"], shown.body) == ("image/jpeg", medium.body)
    bob = await world.bound("bob", "li")
    assert (await bob.fetch(found[1])).code == 404


@pytest.fixture
def simulator(io_loop):
    made = Simulator(clock=Clock())
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def program(simulator, tmp_path):
    keys = {"webhook_token": WEBHOOK_TOKEN, "pictures": "true", "keep_media": "true"}
    made = Program(tmp_path, simulator, **keys)
    made.run("account", "add", "ann", "--password-stdin", text=PASSWORD)
    yield made
    if made.process and made.process.poll() is None:
        made.kill()


async def bound(program: Program, simulator: Simulator) -> Desktop:
    desktop = Desktop(program.base)
    assert (await desktop.log_in()).code == 303
    invite = await desktop.invite()
    assert (await simulator.phone("wang").bind(invite["link"])).status == 200
    return desktop


def files(folder: Path) -> list[str]:
    media = folder / "data" / "media"
    return sorted(path.name for path in media.iterdir()) if media.exists() else []


async def until(true, seconds: float = 15.0) -> None:
    """Until ``true()`` says so, which nobody announces."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.gen_test(timeout=60)
async def test_killed_between_file_and_row_the_page_s_picture_is_not_half_kept(
    program: Program, simulator: Simulator, tmp_path: Path
) -> None:
    await asyncio.to_thread(program.start, failpoint="picture-before-row")
    desktop = await bound(program, simulator)
    medium = simulator.world.add_medium("image", png(), "image/png")
    with pytest.raises(HTTPStreamClosedError):
        await desktop.post("/pictures", json_answer=True, media_id=medium.id)
    assert await asyncio.to_thread(program.ended) == 137
    assert len(files(tmp_path)) == 1
    await asyncio.to_thread(program.start)
    await until(lambda: files(tmp_path) == [])
    response = await desktop.post("/pictures", json_answer=True, media_id=medium.id)
    assert response.code == 201
    kept = json.loads(response.body)
    assert files(tmp_path) == [kept["id"]]
    desktop.close()


@pytest.mark.gen_test(timeout=60)
async def test_killed_between_row_and_file_a_removed_picture_stays_removed(
    program: Program, simulator: Simulator, tmp_path: Path
) -> None:
    await asyncio.to_thread(program.start, failpoint="picture-before-unlink")
    desktop = await bound(program, simulator)
    medium = simulator.world.add_medium("image", png(), "image/png")
    kept = json.loads((await desktop.post("/pictures", media_id=medium.id)).body)
    with pytest.raises(HTTPStreamClosedError):
        await desktop.post(f"{kept['url']}/remove")
    assert await asyncio.to_thread(program.ended) == 137
    assert files(tmp_path) == [kept["id"]]
    await asyncio.to_thread(program.start)
    assert (await desktop.fetch(kept["url"])).code == 404
    await until(lambda: files(tmp_path) == [])
    desktop.close()


@pytest.mark.parametrize("failpoint", ["picture-before-row", "webhook-after-dedup", "after-commit"])
@pytest.mark.gen_test(timeout=90)
async def test_killed_while_a_picture_of_the_chat_comes_it_is_kept_once_after_all(
    program: Program, simulator: Simulator, tmp_path: Path, failpoint: str
) -> None:
    await asyncio.to_thread(program.start)
    desktop = await bound(program, simulator)
    await simulator.set_webhook(f"{program.base}/wechat", token=WEBHOOK_TOKEN, mode="plain")
    phone = simulator.phone("wang")
    await phone.follow()
    program.kill()
    simulator.pushes.gap = 1.0
    simulator.pushes.tries = 60  # a busy machine takes longer to start than WeChat's three tries
    await asyncio.to_thread(program.start, failpoint=failpoint)
    await phone.send("image", picture="/static/simulator/picture-lake.svg")
    if failpoint != "after-commit":
        assert await asyncio.to_thread(program.ended) == 137
    else:
        await until(lambda: simulator.calls[GET])
        program.kill()
    await asyncio.to_thread(program.start)
    page = ""
    async with asyncio.timeout(40):
        while not (found := re.findall(r'src="(/pictures/\w{22})"', page)):
            await asyncio.sleep(0.2)
            page = (await desktop.fetch("/pictures")).body.decode()
    assert len(found) == 1
    await until(lambda: files(tmp_path) == [found[0].rpartition("/")[2]])
    desktop.close()
