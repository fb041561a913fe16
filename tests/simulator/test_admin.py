"""The knobs for programs outside."""

import json

import pytest


@pytest.mark.gen_test
async def test_faults_are_set_from_outside(simulator, client):
    fault = {"verb": "answer", "path": "/sns/auth", "errcode": -1}
    assert await client.post("/admin/faults", fault) == {"ok": True}
    assert (await client.get("/sns/auth"))["errcode"] == -1
    assert (await client.get("/sns/auth"))["errcode"] == 41001
    await client.post("/admin/faults", {"double_callback": 0.1, "allow_ips": ["10.0.0.1"]})
    assert simulator.faults.double_callback == 0.1
    assert simulator.faults.allow_ips == ["10.0.0.1"]
    await client.post("/admin/faults", {"verb": "clear"})
    assert simulator.faults.double_callback is None


@pytest.mark.parametrize(
    "body",
    [{}, {"verb": "take", "path": "/x"}, {"verb": "answer"}, {"verb": "x"}, {"other": 1}, []],
)
@pytest.mark.gen_test
async def test_a_wrong_knob_is_refused_with_a_sentence(client, body):
    answer = await client.fetch("/admin/faults", json.dumps(body))
    assert answer.code == 400 and json.loads(answer.body)["error"]


@pytest.mark.gen_test
async def test_people_act_from_outside(simulator, client):
    answer = await client.post("/admin/people/li", {"following": True, "say": "hi"})
    assert answer["following"] is True and answer["chat"][0]["text"] == "hi"
    li = simulator.world.people["li"]
    assert li.allowances["follow"].left == 3
    await client.post("/admin/people/li", {"following": False, "snapshot": True})
    assert li.snapshot and not li.following
    assert (await client.fetch("/admin/people/nobody", "{}")).code == 404
    assert (await client.fetch("/admin/people/li", "x")).code == 400


@pytest.mark.gen_test
async def test_the_state_tells_no_access_token(simulator, client):
    token = await client.access_token()
    answer = await client.fetch("/admin/state")
    state = json.loads(answer.body)
    assert [person["id"] for person in state["people"]] == ["wang", "li", "zhang"]
    assert state["calls"] == {"/cgi-bin/token": 1}
    assert state["log"] == [{"path": "/cgi-bin/token", "errcode": 0}]
    assert token not in answer.body.decode() and simulator.app_secret not in answer.body.decode()


@pytest.mark.gen_test
async def test_a_page_of_the_web_turns_no_knob(simulator, client):
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = await client.fetch("/admin/people/li", '{"following": true}', headers=headers)
    assert answer.code == 403 and not simulator.world.people["li"].following
