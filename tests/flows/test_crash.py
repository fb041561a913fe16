"""kill -9 at the worst moments: nothing is half bound, and a waiting code still works."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tornado.ioloop import IOLoop

from tests.flows.program import Program
from tests.world import PASSWORD, Desktop
from wx.simulator.app import Simulator
from wx.simulator.browser import BrowserError


@pytest.fixture
def simulator(io_loop: IOLoop) -> Iterator[Simulator]:
    made = Simulator()
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def program(simulator: Simulator, tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path, simulator)
    made.run("account", "add", "ann", "--password-stdin", text=PASSWORD)
    yield made
    if made.process and made.process.poll() is None:
        made.kill()


def count(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "data" / "wxbind.db")) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.parametrize("failpoint", ["bind-after-exchange", "bind-before-commit"])
@pytest.mark.gen_test(timeout=60)
async def test_killed_while_binding_nothing_is_half_done_and_the_code_still_works(
    program: Program, simulator: Simulator, tmp_path: Path, failpoint: str
) -> None:
    await asyncio.to_thread(program.start, failpoint=failpoint)
    desktop = Desktop(program.base)
    assert (await desktop.log_in()).code == 303
    invite = await desktop.invite()
    phone = simulator.phone("wang")
    with pytest.raises(BrowserError):
        await phone.bind(invite["url"])
    assert program.ended() == 137
    assert count(tmp_path, "bindings") == 0
    await asyncio.to_thread(program.start)
    state = await desktop.state(invite)
    assert state["state"] == "scanned"
    done = await phone.bind(invite["url"])
    assert done.status == 200, done.text
    assert (await desktop.state(invite))["state"] == "bound"
    assert count(tmp_path, "bindings") == 1
    desktop.close()
    program.kill()


@pytest.mark.gen_test(timeout=60)
async def test_the_callback_that_a_kill_cut_off_says_to_scan_again(
    program: Program, simulator: Simulator
) -> None:
    await asyncio.to_thread(program.start, failpoint="bind-after-exchange")
    desktop = Desktop(program.base)
    await desktop.log_in()
    invite = await desktop.invite()
    phone = simulator.phone("wang")
    consent = await phone.submit(await phone.open(invite["url"]))
    (state,) = parse_qs(urlsplit(consent.url).query)["state"]
    with pytest.raises(BrowserError):
        await phone.agree(consent)
    program.ended()
    (code,) = simulator.world.codes
    await asyncio.to_thread(program.start)
    page = await phone.open(f"{program.base}/callback?code={code}&state={state}")
    assert page.status == 410
    assert f"/b/{invite['url'].rpartition('/')[2]}" in page.text
    assert simulator.calls["/sns/oauth2/access_token"] == 1
    done = await phone.bind(invite["url"])
    assert done.status == 200, done.text
    desktop.close()
    program.kill()


@pytest.mark.gen_test(timeout=60)
async def test_killed_while_the_schema_is_made_the_next_start_makes_it_whole(
    simulator: Simulator, tmp_path: Path
) -> None:
    program = Program(tmp_path, simulator)
    with pytest.raises(AssertionError):
        program.start(failpoint="migration-step")
    assert program.ended() == 137
    with closing(sqlite3.connect(tmp_path / "data" / "wxbind.db")) as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (0,)
        assert conn.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    await asyncio.to_thread(program.start)
    assert count(tmp_path, "accounts") == 0
    program.kill()


@pytest.mark.gen_test(timeout=60)
async def test_killed_with_a_fresh_access_token_the_next_start_fetches_one(
    program: Program, simulator: Simulator
) -> None:
    await asyncio.to_thread(program.start, failpoint="token-before-store")
    assert await asyncio.to_thread(program.ended) == 137
    await asyncio.to_thread(program.start)
    await simulator.called("/cgi-bin/stable_token", 2)
    desktop = Desktop(program.base)
    for _ in range(100):
        ready = await desktop.fetch("/readyz")
        if ready.code == 200:
            break
        await asyncio.sleep(0.05)
    assert ready.code == 200
    desktop.close()
    program.kill()
