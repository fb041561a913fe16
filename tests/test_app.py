"""The server's start and stop."""

import asyncio
import gc
import shutil
import socket
import sqlite3
from pathlib import Path

import pytest
from tornado.simple_httpclient import HTTPStreamClosedError

from tests.support import free_port
from tests.world import World
from wx import config
from wx.app import Server
from wx.errors import AlreadyRunning, DatabaseDamaged, DatabaseNewer, StartError
from wx.service.outbox import Outbox
from wx.store import database


def server_on(world: World, folder: Path, **keys: str) -> Server:
    """Another server, with the world's platform, not started."""
    flags = world.keys | {"data_dir": str(folder)} | keys
    return Server(config.read(flags=flags, environ={}, file="/dev/null").config(), world.clock)


@pytest.mark.gen_test(timeout=20)
async def test_a_stop_waits_for_what_the_platform_is_being_asked(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    world.simulator.world.people["zhang"].following = True
    world.simulator.faults.delay("/cgi-bin/user/info", 30)
    assert (await world.send(world.event("subscribe", "zhang"))).code == 200
    await world.simulator.called("/cgi-bin/user/info")
    asyncio.get_running_loop().call_later(0.2, world.simulator.faults.release)
    await world.server.stop()
    assert [row["language"] for row in world.rows("SELECT language FROM followers")] == ["en"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("damage", "error", "code"),
    [
        ("running", AlreadyRunning, 3),
        ("newer", DatabaseNewer, 4),
        ("garbage", DatabaseDamaged, 5),
        ("torn", DatabaseDamaged, 5),
        ("foreign", DatabaseDamaged, 5),
        ("key", StartError, 1),
    ],
)
async def test_a_bad_start_opens_no_port_and_changes_no_file(
    world: World, damage: str, error: type[StartError], code: int
) -> None:
    folder = world.folder / "data"
    if damage != "running":
        await world.server.stop()
    path = folder / database.FILE
    if damage == "newer":
        world.rows("PRAGMA user_version = 99")
    elif damage == "garbage":
        path.write_bytes(b"this is no database at all" * 100)
    elif damage == "torn":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "foreign":
        path.unlink()
        conn = sqlite3.connect(path)
        conn.execute("CREATE TABLE recipes (name TEXT)")
        conn.close()
    elif damage == "key":
        (folder / "server.key").write_text("nonsense")
    port = free_port()
    before = contents(folder)
    with pytest.raises(error) as refusal:
        await server_on(world, folder, port=str(port)).start()
    assert refusal.value.exit_code == code
    assert str(refusal.value) and "\n" not in str(refusal.value)
    assert not is_open(port)
    after = contents(folder)
    for name in ("wxbind.db", "server.key"):
        assert after[name] == before[name], name
    if damage == "running":
        assert (await world.desktop().fetch("/healthz")).code == 200
    elif damage != "key":
        shutil.rmtree(folder)


@pytest.mark.gen_test(timeout=20)
async def test_a_taken_port_is_named_and_the_data_is_free_again(world: World) -> None:
    folder = world.folder / "other"
    taken = str(world.server.port)
    with pytest.raises(StartError) as refusal:
        await server_on(world, folder, port=taken).start()
    assert f"127.0.0.1:{taken}" in str(refusal.value)
    another = server_on(world, folder)
    await another.start()
    await another.stop()


@pytest.mark.gen_test(timeout=20)
async def test_the_data_is_its_owner_s_alone(world: World) -> None:
    folder = world.folder / "new" / "deep"
    another = server_on(world, folder)
    await another.start()
    try:
        assert folder.stat().st_mode & 0o077 == 0
        for path in folder.iterdir():
            assert path.stat().st_mode & 0o077 == 0, path
    finally:
        await another.stop()


@pytest.mark.gen_test(timeout=20)
async def test_a_platform_that_is_away_does_not_stop_the_start(world: World) -> None:
    await world.server.stop()
    await world.simulator.stop()
    await world.start_server()
    assert (await world.desktop().fetch("/login")).code == 200
    assert (await world.desktop().fetch("/readyz")).code == 503


@pytest.mark.gen_test(timeout=20)
async def test_stopping_finishes_what_has_begun_and_loses_nothing(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone = world.simulator.phone("wang")
    consent = await phone.submit(await phone.open(invite["url"]))
    world.simulator.faults.delay("/sns/oauth2/access_token", 30)
    world.simulator.faults.delay("/cgi-bin/message/template/send", 0.5)
    answering = asyncio.ensure_future(phone.agree(consent))
    await world.simulator.called("/sns/oauth2/access_token")
    port = world.server.port
    stopping = asyncio.ensure_future(world.server.stop())
    await asyncio.sleep(0)
    assert not is_open(port), "nothing more is accepted"
    assert not stopping.done()
    world.simulator.faults.release()
    page = await answering
    assert page.status == 200
    await stopping
    assert len(world.rows("SELECT * FROM bindings")) == 1
    assert len(phone.person.chat) == 1, "the notice, too, had begun"


@pytest.mark.gen_test(timeout=20)
async def test_a_request_that_hangs_does_not_hold_the_stop_up_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wx.app.DRAIN_SECONDS", 0.2)
    desktop = await world.bound()
    begun = asyncio.Event()

    async def hang(self: Outbox, *args: object, **more: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Outbox, "put", hang)
    asking = asyncio.ensure_future(desktop.post("/bind/test"))
    await begun.wait()
    async with asyncio.timeout(3):
        await world.server.stop()
    with pytest.raises(HTTPStreamClosedError):
        await asking


@pytest.mark.gen_test(timeout=30)
async def test_a_server_that_has_stopped_leaves_no_task_and_no_descriptor(world: World) -> None:
    def descriptors() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    async def life() -> None:
        await world.start_server()
        desktop = await world.signed_in()
        socket_ = await desktop.live(await desktop.invite())
        await socket_.frame()
        await world.server.stop()
        assert await socket_.frame() is None
        desktop.close()
        world.desktops.remove(desktop)

    await world.server.stop()
    await life()
    before, tasks = descriptors(), len(asyncio.all_tasks())
    for _ in range(3):
        await life()
    left = [task for task in asyncio.all_tasks() if not task.done()]
    assert len(left) <= tasks, left
    assert descriptors() <= before + 1


@pytest.mark.gen_test(timeout=20)
async def test_port_zero_picks_a_port_and_every_link_names_it(world: World) -> None:
    assert world.server.port > 0
    assert world.server.config.public_url == f"http://127.0.0.1:{world.server.port}"
    invite = await (await world.signed_in()).invite()
    assert invite["url"].startswith(f"http://127.0.0.1:{world.server.port}/b/")


@pytest.mark.gen_test(timeout=20)
async def test_codes_expire_and_old_things_go_without_anybody_asking(world: World) -> None:
    desktop = await world.signed_in()
    socket_ = await desktop.live(await desktop.invite())
    await socket_.frame()
    world.clock.advance(601)
    assert (await socket_.frame() or {})["state"] == "expired"
    assert world.rows("SELECT state FROM invites")[0]["state"] == "expired"


@pytest.mark.gen_test(timeout=20)
async def test_port_0_is_a_free_one_and_every_link_names_it(world: World) -> None:
    await world.reconfigure(port="0")
    assert world.server.port
    invite = await (await world.signed_in()).invite()
    assert invite["link"].startswith(f"http://127.0.0.1:{world.server.port}/b/")
