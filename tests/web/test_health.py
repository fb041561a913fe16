"""What watchdogs and graphs are told."""

import pytest

from tests.world import World
from wx.errors import StorageUnavailable
from wx.service.health import Health
from wx.service.outbox import Draft

TOKEN = "/cgi-bin/stable_token"


@pytest.mark.gen_test(timeout=20)
async def test_the_process_is_alive_whatever_the_platform_does(world: World) -> None:
    await world.simulator.stop()
    answer = await world.desktop().fetch("/healthz")
    assert (answer.code, answer.body) == (200, b"ok\n")


@pytest.mark.gen_test(timeout=20)
async def test_it_is_ready_when_there_is_an_access_token_and_not_before(world: World) -> None:
    world.clock.advance(10)
    world.simulator.faults.answer(TOKEN, errcode=40125, times=None)
    await world.reconfigure()
    await world.simulator.called(TOKEN, 2)
    answer = await world.desktop().fetch("/readyz")
    assert answer.code == 503 and answer.headers["Retry-After"]
    assert answer.body == b"database: ok\naccess token: no\n"
    world.simulator.faults.clear()
    world.clock.advance(10)
    await world.bound()
    await world.told("wang")
    answer = await world.desktop().fetch("/readyz")
    assert (answer.code, answer.body) == (200, b"database: ok\naccess token: ok\n")


@pytest.mark.gen_test(timeout=20)
async def test_a_thief_of_the_access_token_is_told_of_to_whoever_asks_for_more(
    world: World,
) -> None:
    desktop, keeper = world.desktop(), world.server.services.health._access_token
    ready = b"database: ok\naccess token: ok\n"
    token = await keeper.get()
    assert (await desktop.fetch("/readyz?verbose")).body == ready
    for _ in range(2):
        world.clock.advance(10)
        world.simulator.faults.kill_access_tokens()
        token = await keeper.replace(token, 40001)
    assert (await desktop.fetch("/readyz")).body == ready
    for query in ("verbose", "verbose=1", "verbose="):
        answer = await desktop.fetch(f"/readyz?{query}")
        assert answer.code == 200, "what is wrong does not keep the server from working"
        first, second, more = answer.body.decode().splitlines()
        assert f"{first}\n{second}\n".encode() == ready
        assert more.startswith("access token replaced by another program today: 2. ")
        assert "stable_token" in more and "GET /api/wechat/access_token" in more
        assert token not in more
    assert "wxbind_access_token_stolen_total 2.0" in (await desktop.fetch("/metrics")).body.decode()
    world.clock.advance(86400)
    await keeper.get()
    assert (await desktop.fetch("/readyz?verbose")).body == ready
    assert "wxbind_access_token_stolen_total 2.0" in (await desktop.fetch("/metrics")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_a_silent_database_makes_it_not_ready(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no(self: Health) -> bool:
        return False

    monkeypatch.setattr(Health, "database_answers", no)
    answer = await world.desktop().fetch("/readyz")
    assert answer.code == 503 and b"database: no" in answer.body


@pytest.mark.gen_test(timeout=20)
async def test_a_watchdog_may_ask_by_the_machine_s_address(world: World) -> None:
    desktop = world.desktop()
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = await desktop.fetch(path, headers={"Host": "10.1.2.3"})
        assert answer.code != 421, path


@pytest.mark.gen_test(timeout=20)
async def test_the_metrics_count_and_name_nobody(world: World) -> None:
    desktop = await world.bound()
    await desktop.fetch("/no/such/ann")
    socket = await (await world.signed_in("bob")).live(
        await world.desktops[-1].invite()  # bob's own
    )
    await socket.frame()
    text = (await world.desktop().fetch("/metrics")).body.decode()
    assert 'wxbind_requests_total{handler="NotFound",status="404"} 1.0' in text
    assert "wxbind_live_sockets 1.0" in text
    assert "wxbind_access_token_held 1.0" in text
    for secret in ("ann", "bob", "wang", *desktop.cookies.values()):
        assert secret not in text.replace("channel", "")


@pytest.mark.gen_test(timeout=20)
async def test_a_broken_disk_makes_pages_503_and_leaves_the_process_alive(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await world.signed_in()

    async def broken(work: object) -> None:
        raise StorageUnavailable("disk I/O error")

    monkeypatch.setattr(world.server.services.sessions._database, "read", broken)
    page = await desktop.fetch("/bind")
    assert page.code == 503 and page.headers["Retry-After"]
    assert b"disk I/O" not in page.body
    assert (await desktop.fetch("/healthz")).code == 200
    assert (await desktop.fetch("/readyz")).code == 503


@pytest.mark.gen_test(timeout=20)
async def test_the_metrics_count_notices_by_how_they_ended(world: World) -> None:
    await world.bound()
    await world.delivered()
    world.simulator.faults.drop("/cgi-bin/message/template/send", times=None)
    await world.server.services.outbox.put(["ann"], Draft(text="hello"), origin="test")
    await world.simulator.called("/cgi-bin/message/template/send", 2)
    text = (await world.look("/metrics")).body.decode()
    assert 'wxbind_notices_total{channel="template",state="sent"} 1.0' in text
    assert "wxbind_notices_waiting 1.0" in text
