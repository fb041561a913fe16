"""What can be made to go wrong."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
from tornado.httpclient import HTTPError
from tornado.iostream import StreamClosedError

from wx.simulator.faults import ANY

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


TOKEN = "/cgi-bin/token"


@pytest.mark.gen_test
async def test_a_cut_reply_has_done_the_work(simulator, client):
    simulator.faults.cut_reply(TOKEN)
    with pytest.raises((HTTPError, StreamClosedError)):
        await client.access_token()
    assert len(simulator.world.tokens) == 1 and list(simulator.log) == [(TOKEN, 0)]
    assert await client.access_token()


@pytest.mark.gen_test
async def test_a_truncated_answer_has_done_the_work(simulator, client):
    simulator.faults.truncate(TOKEN)
    answer = await client.fetch(f"{TOKEN}?{urlencode(client.credentials)}")
    [token] = simulator.world.tokens
    assert answer.code == 200
    assert answer.body.startswith(b'{"access_token"') and not answer.body.endswith(b"}")
    assert token.encode() not in answer.body


@pytest.mark.gen_test
async def test_a_fault_of_any_path_comes_after_those_of_the_path_itself(simulator, client):
    simulator.faults.answer(ANY, errcode=-1, times=2)
    simulator.faults.answer(INFO, errcode=45009)
    codes = [(await client.get(path))["errcode"] for path in (INFO, INFO, TOKEN, TOKEN)]
    assert codes == [45009, -1, -1, 40002]


async def ends(client):
    """How a call of the platform ends: an errcode, a status, or nothing at all."""
    try:
        answer = await client.fetch(INFO)
    except (HTTPError, StreamClosedError):
        return "nothing"
    try:
        return json.loads(answer.body)["errcode"]
    except ValueError:
        return answer.code


@pytest.mark.parametrize(
    ("how", "end"),
    [
        ("drop", "nothing"),
        ("cut_reply", "nothing"),
        ("bad_gateway", 502),
        ("truncate", 200),
        ("busy", -1),
    ],
)
@pytest.mark.gen_test
async def test_a_platform_that_is_down_answers_nobody_until_it_is_up(simulator, client, how, end):
    simulator.faults.down(how)
    for _ in range(3):
        assert await ends(client) == end
    assert (await client.fetch("/phone/wang")).code == 200, "people do not go through the API"
    simulator.faults.up()
    assert await ends(client) == 41001


@pytest.mark.parametrize(("how", "end"), [("hang", "nothing"), ("slow", 41001)])
@pytest.mark.gen_test
async def test_what_waits_for_a_platform_that_is_down_ends_when_it_is_up(
    simulator, client, how, end
):
    simulator.faults.down(how, seconds=600)
    calls = [asyncio.ensure_future(ends(client)) for _ in range(3)]
    await simulator.called(INFO, 3)
    assert not any(call.done() for call in calls)
    simulator.faults.up()
    assert await asyncio.gather(*calls) == [end] * 3
    assert await ends(client) == 41001


@pytest.mark.gen_test
async def test_one_way_to_be_down_takes_the_place_of_another(simulator, client):
    simulator.faults.answer(INFO, errcode=45009, times=None)
    simulator.faults.down("drop")
    simulator.faults.down("busy")
    assert (await client.get(TOKEN))["errcode"] == -1
    simulator.faults.up()
    assert (await client.get(INFO))["errcode"] == 45009, "not a fault of every path"
    with pytest.raises(ValueError, match="bad_gateway"):
        simulator.faults.down("asleep")


@pytest.mark.gen_test
async def test_slow_is_as_slow_as_was_said(simulator, client):
    simulator.faults.down("slow", seconds=0.05)
    began = asyncio.get_running_loop().time()
    assert await ends(client) == 41001
    assert asyncio.get_running_loop().time() - began >= 0.05


@pytest.mark.gen_test
async def test_a_part_of_the_calls_meets_a_fault_by_chance(simulator, client):
    async def codes():
        return [(await client.get(INFO))["errcode"] for _ in range(60)]

    simulator.faults.sometimes(ANY, "answer", 0.3, errcode=45009, seed=7)
    first = await codes()
    assert set(first) == {41001, 45009} and 5 < first.count(45009) < 40
    simulator.faults.sometimes(ANY, "answer", 0.0)
    simulator.faults.sometimes(INFO, "answer", 0.3, errcode=45009, seed=7)
    assert await codes() == first, "the same seed, the same choice"
    simulator.faults.clear()
    assert set(await codes()) == {41001}
    with pytest.raises(ValueError, match="shrug"):
        simulator.faults.sometimes(INFO, "shrug", 1.0)
