"""The simulator as a whole."""

import asyncio

import pytest
from tornado.httpclient import HTTPError
from tornado.iostream import StreamClosedError

from wx.simulator.app import LOG_LENGTH, Simulator
from wx.simulator.webhook import WebhookRefused


@pytest.mark.gen_test
async def test_it_starts_with_no_arguments_on_a_free_port_and_stops_twice():
    simulator = Simulator()
    await simulator.start()
    assert simulator.base_url == f"http://127.0.0.1:{simulator.port}"
    assert simulator.port > 0
    await simulator.stop()
    await simulator.stop()


@pytest.mark.gen_test
async def test_a_taken_port_is_an_error(simulator):
    other = Simulator()
    with pytest.raises(OSError, match="in use"):
        await other.start(port=simulator.port)


@pytest.mark.gen_test
async def test_waiting_for_a_call_ends(simulator, client):
    await client.get("/sns/auth")
    await simulator.called("/sns/auth")
    with pytest.raises(TimeoutError):
        await simulator.called("/sns/auth", 2, seconds=0.01)


@pytest.mark.gen_test
async def test_it_knows_itself_under_each_name(simulator):
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert simulator.is_self(f"{name}:{simulator.port}")
        assert not simulator.is_self(f"{name}:1")
    assert not simulator.is_own_host("evil.example")
    assert not simulator.is_own_host("[bad")
    assert not simulator.is_own_host("127.0.0.1.evil.example")


@pytest.mark.gen_test
async def test_a_phone_stays_the_same_and_strangers_have_none(simulator):
    assert simulator.phone("wang") is simulator.phone("wang")
    with pytest.raises(KeyError):
        simulator.phone("nobody")


@pytest.mark.gen_test
async def test_its_static_files_are_served(client):
    for name in ("phone.css", "phone.js", "platform.css"):
        assert (await client.fetch(f"/static/simulator/{name}")).code == 200


@pytest.mark.gen_test
async def test_a_refused_webhook_leaves_the_old_one(simulator, hook):
    await hook.set()
    before = simulator.webhook
    with pytest.raises(WebhookRefused):
        await simulator.set_webhook(hook.url, token="x")
    assert simulator.webhook is before


@pytest.mark.gen_test
async def test_deliveries_change_what_a_drawn_phone_shows_and_the_old_ones_go(simulator, hook):
    await hook.set()
    version = simulator.version
    simulator.pushes.push(simulator.world.people["wang"], {"MsgType": "x"})
    await simulator.pushes.settled()
    assert simulator.version > version
    [delivery] = simulator.deliveries
    for _ in range(LOG_LENGTH + 1):
        simulator.record_delivery(delivery)
    assert len(simulator.deliveries) == LOG_LENGTH


@pytest.mark.gen_test
async def test_a_platform_that_went_down_refuses_connections_and_keeps_its_port(simulator, client):
    port = simulator.port
    await simulator.go_down()
    await simulator.go_down()
    with pytest.raises(ConnectionRefusedError):
        await client.get("/sns/auth")
    other = Simulator()
    await other.start()
    assert other.port != port
    await other.stop()
    await simulator.come_back()
    await simulator.come_back()
    assert simulator.port == port and simulator.calls["/sns/auth"] == 0
    assert (await client.get("/sns/auth"))["errcode"] == 41001


@pytest.mark.gen_test
async def test_connections_are_cut_when_it_goes_down(simulator, client):
    simulator.faults.hang("/sns/auth")
    calls = [asyncio.ensure_future(client.fetch("/sns/auth")) for _ in range(3)]
    await simulator.called("/sns/auth", 3)
    await simulator.go_down()
    for call in calls:
        with pytest.raises((HTTPError, StreamClosedError)):
            await call


@pytest.mark.gen_test
async def test_it_comes_back_by_itself_where_that_was_said(simulator, client):
    simulator.go_down_for(0.05)
    began = asyncio.get_running_loop().time()
    with pytest.raises((ConnectionRefusedError, StreamClosedError)):
        while asyncio.get_running_loop().time() - began < 5:
            await client.get("/sns/auth")
    async with asyncio.timeout(5):
        await simulator.absence()
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert (await client.get("/sns/auth"))["errcode"] == 41001


@pytest.mark.gen_test
async def test_what_is_down_can_be_stopped(simulator):
    await simulator.go_down()
    await simulator.stop()
    await simulator.start(port=simulator.port)
    simulator.go_down_for(600)
    await simulator.stop()
    await simulator.start(port=simulator.port)
