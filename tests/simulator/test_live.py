"""The live socket of a drawn phone."""

import json

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from wx.simulator.world import Message


async def connect(simulator, person="wang", **headers):
    url = f"ws://127.0.0.1:{simulator.port}/phone/{person}/live"
    return await websocket_connect(HTTPRequest(url, headers=headers))


async def close(socket):
    socket.close()
    assert await socket.read_message() is None


@pytest.mark.gen_test
async def test_the_first_frame_is_how_things_stand_and_then_come_changes(simulator, clock):
    wang = simulator.world.people["wang"]
    simulator.world.deliver(wang, Message("text", "early", clock.now()))
    socket = await connect(simulator)
    first = json.loads(await socket.read_message())
    assert (first["following"], first["unread"], first["messages"]) == (True, 1, 1)
    simulator.world.deliver(wang, Message("text", "late", clock.now()))
    second = json.loads(await socket.read_message())
    assert (second["unread"], second["messages"]) == (2, 2)
    assert second["version"] > first["version"]
    simulator.world.unfollow(wang)
    assert json.loads(await socket.read_message())["following"] is False
    await close(socket)


@pytest.mark.gen_test
async def test_a_call_of_the_platform_is_a_change(simulator, client):
    socket = await connect(simulator, "li")
    first = json.loads(await socket.read_message())
    await client.access_token()
    assert json.loads(await socket.read_message())["version"] > first["version"]
    await close(socket)


@pytest.mark.gen_test
async def test_a_strangers_page_or_person_gets_no_socket(simulator):
    with pytest.raises(HTTPClientError) as error:
        await connect(simulator, Origin="https://evil.example")
    assert error.value.code == 403
    with pytest.raises(HTTPClientError) as error:
        await connect(simulator, "nobody")
    assert error.value.code == 404


@pytest.mark.gen_test
async def test_a_socket_is_forgotten_when_it_closes(simulator):
    socket = await connect(simulator)
    await socket.read_message()
    [live] = simulator.sockets
    await close(socket)
    assert live not in simulator.sockets


@pytest.mark.gen_test
async def test_the_end_of_the_simulator_is_told(simulator):
    socket = await connect(simulator)
    await socket.read_message()
    await simulator.stop()
    assert await socket.read_message() is None
    assert socket.close_code == 1001
    socket.close()
