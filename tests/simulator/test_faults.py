"""What can be made to go wrong."""

import asyncio
import json

import pytest
from tornado.httpclient import HTTPError
from tornado.iostream import StreamClosedError

INFO = "/sns/userinfo"


@pytest.mark.gen_test
async def test_answers_come_in_order_and_then_all_is_well(simulator, client):
    simulator.faults.answer(INFO, errcode=-1, times=2)
    simulator.faults.answer(INFO, errcode=45009)
    codes = [(await client.get(INFO))["errcode"] for _ in range(4)]
    assert codes == [-1, -1, 45009, 41001]


@pytest.mark.gen_test
async def test_an_answer_can_be_anything(simulator, client):
    simulator.faults.answer(INFO, body="<h1>Bad</h1>", status=502, content_type="text/html")
    simulator.faults.answer(INFO, body=b'{"openid":"\xff')
    answer = await client.fetch(INFO)
    assert (answer.code, answer.body) == (502, b"<h1>Bad</h1>")
    assert answer.headers["Content-Type"] == "text/html"
    answer = await client.fetch(INFO)
    assert (answer.code, answer.body) == (200, b'{"openid":"\xff')
    assert answer.headers["Content-Type"] == "text/plain"


@pytest.mark.gen_test
async def test_a_fault_may_last_until_it_is_cleared(simulator, client):
    simulator.faults.answer(INFO, errcode=-1, times=None)
    for _ in range(5):
        assert (await client.get(INFO))["errcode"] == -1
    simulator.faults.clear()
    assert (await client.get(INFO))["errcode"] == 41001


@pytest.mark.gen_test
async def test_a_lost_reply_has_done_the_work(simulator, site):
    simulator.faults.lose_reply("/sns/oauth2/access_token")
    await simulator.phone("wang").bind(f"{site.url}/b/abc123")
    assert site.answers[0]["errcode"] == -1
    [code] = simulator.world.codes
    assert (await site.client.exchange(code))["errcode"] == 40163


@pytest.mark.gen_test
async def test_a_dropped_connection_has_no_answer(simulator, client):
    simulator.faults.drop(INFO)
    with pytest.raises((HTTPError, StreamClosedError)):
        await client.fetch(INFO)
    assert (await client.get(INFO))["errcode"] == 41001


@pytest.mark.gen_test
async def test_a_hanging_call_ends_when_it_is_released(simulator, client):
    simulator.faults.hang(INFO, times=1)
    call = asyncio.ensure_future(client.fetch(INFO))
    await simulator.called(INFO)
    assert not call.done()
    simulator.faults.release()
    with pytest.raises((HTTPError, StreamClosedError)):
        await call


@pytest.mark.gen_test
async def test_a_hanging_call_ends_when_the_simulator_stops(simulator, client):
    simulator.faults.hang(INFO)
    call = asyncio.ensure_future(client.fetch(INFO))
    await simulator.called(INFO)
    await simulator.stop()
    with pytest.raises((HTTPError, StreamClosedError)):
        await call


@pytest.mark.gen_test
async def test_a_delayed_answer_comes_when_it_is_released(simulator, client):
    simulator.faults.delay(INFO, 600, times=1)
    call = asyncio.ensure_future(client.fetch(INFO))
    await simulator.called(INFO)
    assert (await client.get("/sns/auth"))["errcode"] == 41001
    assert not call.done()
    simulator.faults.release()
    assert json.loads((await call).body)["errcode"] == 41001
    assert (await client.get(INFO))["errcode"] == 41001


@pytest.mark.gen_test
async def test_all_access_tokens_can_be_killed(simulator, client):
    old = await client.access_token()
    stable = await client.post("/cgi-bin/stable_token", client.credentials)
    simulator.faults.kill_access_tokens(42001)
    templates = "/cgi-bin/template/get_all_private_template"
    for token in (old, stable["access_token"]):
        assert (await client.get(templates, access_token=token))["errcode"] == 42001
    fresh = await client.post("/cgi-bin/stable_token", client.credentials)
    answer = await client.get(templates, access_token=fresh["access_token"])
    assert "errcode" not in answer


@pytest.mark.parametrize("gap", [0, 0.001])
@pytest.mark.gen_test
async def test_the_phone_can_open_a_callback_twice(simulator, site, gap):
    simulator.faults.double_callback = gap
    page = await simulator.phone("wang").bind(f"{site.url}/b/abc123")
    assert sum(uri.startswith("/callback") for _, uri, _ in site.seen) == 2
    texts = {page.text, page.again.text}
    assert texts == {f"bound {simulator.world.people['wang'].openid}", "bound 40163"}
