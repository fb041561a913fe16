"""What is told about followers."""

import pytest


@pytest.mark.gen_test
async def test_a_follower_is_described_and_a_stranger_is_not(simulator, client, clock):
    token = await client.access_token()
    wang, li = simulator.world.people["wang"], simulator.world.people["li"]
    path = "/cgi-bin/user/info"
    answer = await client.get(path, access_token=token, openid=wang.openid)
    assert (answer["subscribe"], answer["unionid"]) == (1, wang.unionid)
    assert answer["subscribe_time"] == int(clock.now()) and "nickname" not in answer
    answer = await client.get(path, access_token=token, openid=li.openid)
    assert answer == {"subscribe": 0, "openid": li.openid}
    answer = await client.get(path, access_token=token, openid="nobody")
    assert answer["errcode"] == 40003


@pytest.mark.gen_test
async def test_everybody_has_a_picture(simulator, client):
    for person in simulator.world.people.values():
        answer = await client.fetch(person.avatar)
        assert answer.code == 200 and answer.body.startswith(b"<svg")
    assert (await client.fetch("/avatar/nobody.svg")).code == 404


@pytest.mark.parametrize(
    ("name", "scene", "number", "text"),
    [("QR_STR_SCENE", {"scene_str": "door"}, 0, "door"), ("QR_SCENE", {"scene_id": 7}, 7, "")],
)
@pytest.mark.gen_test
async def test_how_a_follower_came_is_told(simulator, client, clock, name, scene, number, text):
    token = await client.access_token()
    body = {"action_name": name, "action_info": {"scene": scene}}
    code = await client.post("/cgi-bin/qrcode/create", body, access_token=token)
    zhang = simulator.world.people["zhang"]
    clock.advance(10)
    await simulator.phone("zhang").scan_and_follow(code["url"])
    path = "/cgi-bin/user/info"
    answer = await client.get(path, access_token=token, openid=zhang.openid)
    assert answer["subscribe_scene"] == "ADD_SCENE_QR_CODE" and answer["language"] == "en"
    assert (answer["qr_scene"], answer["qr_scene_str"]) == (number, text)
    assert answer["subscribe_time"] == int(clock.now())
    wang = simulator.world.people["wang"]
    answer = await client.get(path, access_token=token, openid=wang.openid)
    assert answer["subscribe_scene"] == "ADD_SCENE_SEARCH" and answer["language"] == "zh_CN"
    assert (answer["qr_scene"], answer["qr_scene_str"]) == (0, "")
