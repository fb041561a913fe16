"""The account's access tokens."""

import pytest

TOKEN, STABLE = "/cgi-bin/token", "/cgi-bin/stable_token"


async def errcode(client, token):
    """What an API call with this access token is answered with; 0 when it works."""
    answer = await client.get("/cgi-bin/user/info", access_token=token, openid="nobody")
    return 0 if answer["errcode"] == 40003 else answer["errcode"]


@pytest.mark.gen_test
async def test_a_classic_token_looks_like_one_and_lives_two_hours(simulator, client, clock):
    answer = await client.get(TOKEN, **client.credentials)
    assert set(answer) == {"access_token", "expires_in"}
    assert answer["expires_in"] == 7200 and answer["access_token"].startswith("74_")
    clock.advance(7199)
    assert await errcode(client, answer["access_token"]) == 0
    clock.advance(1)
    assert await errcode(client, answer["access_token"]) == 42001


@pytest.mark.gen_test
async def test_a_new_classic_token_retires_the_old_one_after_five_minutes(client, clock):
    old, new = await client.access_token(), await client.access_token()
    assert old != new
    clock.advance(299)
    assert await errcode(client, old) == 0
    clock.advance(1)
    assert await errcode(client, old) == 40001
    assert await errcode(client, new) == 0


@pytest.mark.gen_test
async def test_a_stable_token_stays_until_its_last_five_minutes(client, clock):
    first = await client.post(STABLE, client.credentials)
    clock.advance(6900)
    again = await client.post(STABLE, client.credentials)
    assert again == {"access_token": first["access_token"], "expires_in": 300}
    clock.advance(1)
    late = await client.post(STABLE, client.credentials)
    assert late["access_token"] != first["access_token"] and late["expires_in"] == 7200
    assert await errcode(client, first["access_token"]) == 0
    clock.advance(299)
    assert await errcode(client, first["access_token"]) == 42001


@pytest.mark.gen_test
async def test_the_two_families_leave_each_other_alone(client, clock):
    stable = (await client.post(STABLE, client.credentials))["access_token"]
    classic = await client.access_token()
    await client.post(STABLE, client.credentials | {"force_refresh": True})
    clock.advance(1000)
    assert await errcode(client, classic) == 0
    assert await errcode(client, stable) == 40001


@pytest.mark.gen_test
async def test_a_forced_refresh_kills_at_once_but_not_twice_in_thirty_seconds(client, clock):
    force = client.credentials | {"force_refresh": True}
    first = (await client.post(STABLE, client.credentials))["access_token"]
    second = (await client.post(STABLE, force))["access_token"]
    assert await errcode(client, first) == 40001
    clock.advance(29)
    assert (await client.post(STABLE, force))["access_token"] == second
    clock.advance(1)
    assert (await client.post(STABLE, force))["access_token"] != second


@pytest.mark.gen_test
async def test_a_refresh_can_be_forced_twenty_times_a_day(client, clock):
    force = client.credentials | {"force_refresh": True}
    for _ in range(20):
        assert "access_token" in await client.post(STABLE, force)
        clock.advance(30)
    assert (await client.post(STABLE, force))["errcode"] == 45009
    clock.advance(86400)
    assert "access_token" in await client.post(STABLE, force)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"grant_type": "password"}, 40002),
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"appid": "wx0000000000000000"}, 40013),
        ({"secret": "0" * 32}, 40125),
        ({"secret": "秘密"}, 40125),
    ],
)
@pytest.mark.gen_test
async def test_a_wrong_proof_is_refused_by_both(client, change, code):
    assert (await client.get(TOKEN, **(client.credentials | change)))["errcode"] == code
    assert (await client.post(STABLE, client.credentials | change))["errcode"] == code


@pytest.mark.gen_test
async def test_each_endpoint_has_its_method(client):
    assert (await client.post(TOKEN, {}, **client.credentials))["errcode"] == 43001
    assert (await client.get(STABLE, **client.credentials))["errcode"] == 43002


@pytest.mark.gen_test
async def test_an_address_that_is_not_allowed_gets_no_token_but_may_call(simulator, client):
    token = await client.access_token()
    simulator.faults.allow_ips = ["10.0.0.1"]
    answer = await client.get(TOKEN, **client.credentials)
    assert answer["errcode"] == 40164
    assert "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist rid:" in answer["errmsg"]
    assert (await client.post(STABLE, client.credentials))["errcode"] == 40164
    assert await errcode(client, token) == 0


@pytest.mark.gen_test
async def test_a_call_needs_an_access_token_that_was_given(client):
    assert (await client.get("/cgi-bin/user/info"))["errcode"] == 41001
    assert await errcode(client, "garbage") == 40014


@pytest.mark.gen_test
async def test_a_short_life_is_possible(simulator, client, clock):
    simulator.world.token_seconds = 60
    first = await client.post(STABLE, client.credentials)
    assert first["expires_in"] == 60
    clock.advance(30)
    assert (await client.post(STABLE, client.credentials))["access_token"] == first["access_token"]
    clock.advance(1)
    assert (await client.post(STABLE, client.credentials))["expires_in"] == 60
