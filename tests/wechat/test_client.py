"""Calls with the access token: one new try with a new one, and never more."""

import pytest

from wx.errors import PlatformError, Remedy
from wx.wechat.client import Client

PATH = "/cgi-bin/message/custom/send"
STABLE = "/cgi-bin/stable_token"


@pytest.fixture
def odd_client(platform, keeper, transports):
    """Fetches tokens at the simulator, and calls a platform that answers as it is told."""
    return Client(transports(platform.base), keeper)


@pytest.mark.gen_test
async def test_the_access_token_travels_in_the_query_of_a_post(platform, odd_client, keeper):
    assert await odd_client.post(PATH, {"text": "王"}) == {"ok": 1}
    [request] = platform.requests
    assert (request.method, request.path) == ("POST", PATH)
    assert request.arguments == {"access_token": [(await keeper.get()).encode()]}
    assert request.body.decode() == '{"text": "王"}'


@pytest.mark.gen_test
async def test_a_get_carries_it_beside_its_own_parameters(platform, odd_client, keeper):
    token = (await keeper.get()).encode()
    assert await odd_client.get("/cgi-bin/menu/get") == {"ok": 1}
    await odd_client.get("/cgi-bin/user/info", {"openid": "o&1=王", "access_token": "another"})
    bare, asking = platform.requests
    assert (bare.method, bare.path) == ("GET", "/cgi-bin/menu/get")
    assert bare.arguments == {"access_token": [token]}
    assert asking.arguments == {"access_token": [token], "openid": ["o&1=王".encode()]}
    assert bare.body == b""


@pytest.mark.gen_test
async def test_a_get_too_is_tried_once_more_with_a_new_token(
    platform, odd_client, simulator, clock, keeper
):
    first = await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens()

    async def reply(handler):
        handler.write({"errcode": 42001} if len(platform.requests) == 1 else {"answer": 1})

    platform.reply = reply
    assert await odd_client.get("/cgi-bin/user/info", {"openid": "o"}) == {"answer": 1}
    used = [request.arguments["access_token"][0].decode() for request in platform.requests]
    assert used == [first, await keeper.get()]
    assert first != used[1]
    assert [one.arguments["openid"] for one in platform.requests] == [[b"o"]] * 2


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
@pytest.mark.gen_test
async def test_a_platform_that_always_refuses_the_token_gets_two_calls(
    platform, odd_client, simulator, clock, keeper, errcode
):
    first = await keeper.get()
    clock.advance(10)
    simulator.faults.kill_access_tokens()
    platform.reply = {"errcode": errcode, "errmsg": "invalid credential"}
    with pytest.raises(PlatformError) as caught:
        await odd_client.post(PATH, {"a": 1})
    assert (caught.value.errcode, caught.value.remedy) == (errcode, Remedy.NEW_ACCESS_TOKEN)
    assert keeper.stolen == (1 if errcode == 40001 else 0)
    used = [request.arguments["access_token"][0].decode() for request in platform.requests]
    assert len(used) == 2
    assert used[0] == first != used[1]
    assert platform.requests[0].body == platform.requests[1].body
    assert simulator.calls[STABLE] == 2


@pytest.mark.parametrize("errcode", [-1, 45009, 43004, 40125])
@pytest.mark.gen_test
async def test_any_other_refusal_is_final(platform, odd_client, simulator, errcode):
    platform.reply = {"errcode": errcode}
    with pytest.raises(PlatformError) as caught:
        await odd_client.post(PATH, {})
    assert caught.value.errcode == errcode
    assert len(platform.requests) == 1
    assert simulator.calls[STABLE] == 1


@pytest.mark.gen_test
async def test_a_second_try_may_fail_for_another_reason(
    platform, odd_client, simulator, clock, keeper
):
    await keeper.get()
    clock.advance(10)

    async def reply(handler):
        first = len(platform.requests) == 1
        handler.write({"errcode": 40001 if first else 45015})

    platform.reply = reply
    with pytest.raises(PlatformError) as caught:
        await odd_client.post(PATH, {})
    assert caught.value.errcode == 45015


@pytest.mark.gen_test
async def test_without_an_access_token_nothing_is_called(platform, odd_client, simulator):
    simulator.faults.answer(STABLE, errcode=40164)
    with pytest.raises(PlatformError) as caught:
        await odd_client.post(PATH, {})
    assert (caught.value.errcode, caught.value.path) == (40164, STABLE)
    assert caught.value.unsent
    assert platform.requests == []


@pytest.mark.gen_test
async def test_a_token_call_that_may_have_arrived_leaves_the_call_itself_unsent(
    platform, odd_client, simulator
):
    simulator.faults.cut_reply(STABLE)
    with pytest.raises(PlatformError) as caught:
        await odd_client.post(PATH, {})
    assert (caught.value.errcode, caught.value.path) == (None, STABLE)
    assert caught.value.unsent
    assert not caught.value.__cause__.unsent, "the token call itself may have arrived"
    assert platform.requests == []


@pytest.mark.gen_test
async def test_a_call_that_may_have_arrived_is_not_unsent(platform, odd_client):
    async def reply(handler):
        handler.detach().close()

    platform.reply = reply
    for call in (odd_client.post(PATH, {}), odd_client.get(PATH)):
        with pytest.raises(PlatformError) as caught:
            await call
        assert (caught.value.path, caught.value.unsent) == (PATH, False)


@pytest.mark.gen_test
async def test_when_no_new_token_can_be_had_that_is_told(
    platform, odd_client, simulator, clock, keeper
):
    await keeper.get()
    clock.advance(10)
    platform.reply = {"errcode": 42001}
    simulator.faults.answer(STABLE, errcode=-1)
    with pytest.raises(PlatformError) as caught:
        await odd_client.post(PATH, {})
    assert (caught.value.errcode, caught.value.path) == (-1, STABLE)
    assert caught.value.unsent, "the platform refused it, and so did nothing"
    assert len(platform.requests) == 1
