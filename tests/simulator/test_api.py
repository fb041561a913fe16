"""How every call is answered."""

import json
import re

import pytest


@pytest.mark.gen_test
async def test_an_unknown_path_is_an_invalid_url_with_status_200(client):
    for body in (None, "{}"):
        answer = await client.fetch("/cgi-bin/nothing", body)
        assert (answer.code, json.loads(answer.body)["errcode"]) == (200, 40066)


@pytest.mark.gen_test
async def test_an_error_carries_a_rid_that_begins_with_the_time(client, clock):
    answer = await client.get("/cgi-bin/nothing")
    match = re.search(r" rid: ([0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{8}$", answer["errmsg"])
    assert match and int(match[1], 16) == int(clock.now())


@pytest.mark.parametrize(("body", "code"), [(b"", 44002), (b"{", 47001), (b"[]", 47001)])
@pytest.mark.gen_test
async def test_a_posted_body_must_be_a_json_object(client, body, code):
    token = await client.access_token()
    path = f"/cgi-bin/message/custom/send?access_token={token}"
    assert json.loads((await client.fetch(path, body)).body)["errcode"] == code


@pytest.mark.gen_test
async def test_calls_are_counted_and_logged(simulator, client):
    await client.access_token()
    await client.get("/sns/auth")
    assert simulator.calls == {"/cgi-bin/token": 1, "/sns/auth": 1}
    assert list(simulator.log) == [("/cgi-bin/token", 0), ("/sns/auth", 41001)]


@pytest.mark.gen_test
async def test_a_quota_ends_with_the_day(simulator, client, clock):
    simulator.world.quotas["/cgi-bin/token"] = 2
    answers = [await client.get("/cgi-bin/token", **client.credentials) for _ in range(3)]
    assert [answer.get("errcode", 0) for answer in answers] == [0, 0, 45009]
    clock.advance(86400)
    assert "access_token" in await client.get("/cgi-bin/token", **client.credentials)


@pytest.mark.gen_test
async def test_a_strangers_host_name_is_refused(simulator, client):
    for path in ("/cgi-bin/token", "/phone/wang", "/admin/state", "/phone/wang/live"):
        answer = await client.fetch(path, headers={"Host": "evil.example"})
        assert answer.code == 421
    answer = await client.fetch("/phone/wang", headers={"Host": f"localhost:{simulator.port}"})
    assert answer.code == 200
