"""How often each call may be made."""

import pytest

AUTH, INFO = "/sns/auth", "/sns/userinfo"


async def codes(client, path, count):
    return [(await client.get(path))["errcode"] for _ in range(count)]


@pytest.mark.gen_test
async def test_a_day_has_its_quota_and_ends_at_midnight_in_china(simulator, client, clock):
    simulator.world.quotas[AUTH] = 2
    clock.advance(-clock.now() % 86400 + 15 * 3600)  # 23:00 there
    assert await codes(client, AUTH, 3) == [41001, 41001, 45009]
    clock.advance(3599)
    answer = await client.get(AUTH)
    assert answer["errcode"] == 45009
    assert answer["errmsg"].startswith("reach max api daily quota limit rid: ")
    clock.advance(1)
    assert simulator.quotas.today(AUTH) == 0
    assert await codes(client, AUTH, 3) == [41001, 41001, 45009]


@pytest.mark.gen_test
async def test_a_minute_has_its_rate(simulator, client, clock):
    simulator.world.rates[AUTH] = 2
    clock.advance(-clock.now() % 60 + 30)
    assert await codes(client, AUTH, 3) == [41001, 41001, 45011]
    clock.advance(29)
    answer = await client.get(AUTH)
    assert answer["errcode"] == 45011 and answer["errmsg"].startswith("api minute-quota reach")
    clock.advance(1)
    assert await codes(client, AUTH, 3) == [41001, 41001, 45011]


@pytest.mark.gen_test
async def test_each_path_has_its_own(simulator, client):
    simulator.world.quotas[AUTH] = simulator.world.rates[INFO] = 0
    assert await codes(client, AUTH, 1) == [45009]
    assert await codes(client, INFO, 1) == [45011]
    assert "access_token" in await client.get("/cgi-bin/token", **client.credentials)


@pytest.mark.gen_test
async def test_what_was_refused_is_not_done(simulator, client, sender):
    simulator.world.rates["/cgi-bin/message/template/send"] = 1
    assert [(await sender.template())["errcode"] for _ in range(2)] == [0, 45011]
    assert len(simulator.world.messages) == len(simulator.world.accepted) == 1


@pytest.mark.gen_test
async def test_quotas_are_cleared_ten_times_in_a_month(simulator, client, clock):
    simulator.world.quotas[AUTH] = 1
    ours = {"appid": simulator.app_id}

    async def clear(body):
        token = await client.access_token()
        return (await client.post("/cgi-bin/clear_quota", body, access_token=token))["errcode"]

    assert await clear({"appid": "wx0"}) == 40013
    for _ in range(10):
        assert await codes(client, AUTH, 2) == [41001, 45009]
        assert await clear(ours) == 0
    assert await clear(ours) == 48006
    assert await codes(client, AUTH, 2) == [41001, 45009]
    clock.advance(30 * 86400)
    assert await clear(ours) == 0
