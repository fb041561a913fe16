"""JS tickets, and what pages may ask of the phone."""

import json

import pytest

from wx.simulator import jssdk, samples
from wx.simulator.jssdk import JsError

PATH = "/cgi-bin/ticket/getticket"
URL = "http://127.0.0.1:8000/pictures?x=1"


async def get_ticket(client, **more):
    query = {"access_token": await client.access_token(), "type": "jsapi"} | more
    return await client.get(PATH, **query)


async def config_for(simulator, client, url=URL, **more):
    """What a server answers its page with."""
    ticket = (await get_ticket(client))["ticket"]
    signed = jssdk.signature(ticket, "abc", "1414587457", url)
    given = {"appId": simulator.app_id, "timestamp": 1414587457, "nonceStr": "abc"}
    return given | {"signature": signed} | more


def test_the_platforms_own_example_of_a_signature():
    ticket = (
        "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
    )
    url = "http://mp.weixin.qq.com?params=value"
    for one in (url, url + "#part"):
        made = jssdk.signature(ticket, "Wm3WZYTPz0wzccnW", "1414587457", one)
        assert made == "0f9de62fce790f9a083d5c99e95740ceb90c27ed"


@pytest.mark.gen_test
async def test_a_ticket_stays_until_its_last_five_minutes(simulator, client, clock):
    first = await get_ticket(client)
    assert set(first) == {"errcode", "errmsg", "ticket", "expires_in"}
    assert (first["errcode"], first["errmsg"], first["expires_in"]) == (0, "ok", 7200)
    clock.advance(6900)
    again = await get_ticket(client)
    assert (again["ticket"], again["expires_in"]) == (first["ticket"], 300)
    clock.advance(1)
    late = await get_ticket(client)
    assert late["ticket"] != first["ticket"] and late["expires_in"] == 7200
    assert list(simulator.world.js_tickets) == [first["ticket"], late["ticket"]]


@pytest.mark.gen_test
async def test_the_life_of_a_ticket_can_be_short(simulator, client, clock):
    simulator.world.js_ticket_seconds = 60
    first = await get_ticket(client)
    clock.advance(30)
    assert (await get_ticket(client))["expires_in"] == 30
    clock.advance(1)
    assert (await get_ticket(client))["ticket"] != first["ticket"]


@pytest.mark.gen_test
async def test_a_ticket_is_for_the_account_and_counted(simulator, client):
    assert (await client.get(PATH, type="jsapi"))["errcode"] == 41001
    assert (await get_ticket(client, access_token="x"))["errcode"] == 40014
    for kind in ("wx_card", ""):
        assert (await get_ticket(client, type=kind))["errcode"] == 40035
    assert not simulator.world.js_tickets
    simulator.world.quotas[PATH] = simulator.calls[PATH] + 1
    assert "ticket" in await get_ticket(client)
    assert (await get_ticket(client))["errcode"] == 45009
    assert (await client.post(PATH, {}))["errcode"] == 43001


@pytest.mark.gen_test
async def test_a_right_signature_opens_what_was_asked_for(simulator, client):
    config = await config_for(simulator, client)
    phone = simulator.phone("wang")
    assert await phone.configure(URL + "#part", config) == frozenset(jssdk.CALLS)
    asked = config | {"jsApiList": ["chooseImage", "openLocation"]}
    assert await phone.configure(URL, asked) == {"chooseImage", "checkJsApi", "closeWindow"}
    other = {"app_id": config["appId"], "nonce_str": "abc", "timestamp": "1414587457"}
    assert await phone.configure(URL, other | {"signature": config["signature"]})


@pytest.mark.parametrize(
    "change",
    [
        {"signature": ""},
        {"signature": "猫"},
        {"timestamp": 1414587458},
        {"nonceStr": "abd"},
        {"nonceStr": None},
    ],
)
@pytest.mark.gen_test
async def test_a_wrong_signature_opens_nothing(simulator, client, change):
    config = await config_for(simulator, client)
    with pytest.raises(JsError, match=r"^config:invalid signature$"):
        await simulator.phone("wang").pick_picture(URL, config | change)


@pytest.mark.gen_test
async def test_the_page_and_the_ticket_are_part_of_the_signature(simulator, client, clock):
    phone = simulator.phone("wang")
    config = await config_for(simulator, client)
    for url in (URL + "&y=2", "http://127.0.0.1:8000/pictures", URL.replace("8000", "8001")):
        with pytest.raises(JsError, match="invalid signature"):
            await phone.configure(url, config)
    clock.advance(7199)
    assert await phone.configure(URL, config)
    clock.advance(1)
    with pytest.raises(JsError, match="invalid signature"):
        await phone.configure(URL, config)
    fresh = await config_for(simulator, client)
    assert await phone.configure(URL, fresh)
    simulator.faults.kill_js_tickets()
    with pytest.raises(JsError, match="invalid signature"):
        await phone.configure(URL, fresh)
    assert await phone.configure(URL, await config_for(simulator, client))


@pytest.mark.gen_test
async def test_the_host_must_be_a_js_safe_domain(simulator, client):
    phone = simulator.phone("wang")
    config = await config_for(simulator, client)
    for hosts in (None, ["127.0.0.1"], ["127.0.0.1:8000"]):
        simulator.js_hosts = hosts
        assert await phone.configure(URL, config)
    for hosts in ([], ["127.0.0.1:8001"], ["0.0.1"], ["example.com"]):
        simulator.js_hosts = hosts
        with pytest.raises(JsError, match=r"^config:invalid url domain$"):
            await phone.configure(URL, config)
    simulator.js_hosts = None
    for url in ("http://example.com/", "http://u@127.0.0.1/"):
        with pytest.raises(JsError, match=r"^config:invalid url domain$"):
            await phone.configure(url, await config_for(simulator, client, url))


@pytest.mark.gen_test
async def test_another_accounts_configuration_is_refused(simulator, client):
    config = await config_for(simulator, client, appId="wx0000000000000000")
    with pytest.raises(JsError, match=r"^config:invalid appid$"):
        await simulator.phone("wang").configure(URL, config)


@pytest.mark.gen_test
async def test_a_picture_is_picked_and_fetched(simulator, client):
    config = await config_for(simulator, client)
    media_id = await simulator.phone("wang").pick_picture(URL, config, "city")
    token = await client.access_token()
    answer = await client.fetch(f"/cgi-bin/media/get?access_token={token}&media_id={media_id}")
    assert answer.body == samples.jpeg("city")


@pytest.mark.gen_test
async def test_what_the_phone_does_not_let_a_page_do(simulator, client):
    phone = simulator.phone("wang")
    config = await config_for(simulator, client)
    with pytest.raises(JsError, match=r"^chooseImage:permission denied$"):
        await phone.pick_picture(URL, config | {"jsApiList": ["uploadImage"]})
    with pytest.raises(JsError, match=r"^uploadImage:permission denied$"):
        await phone.pick_picture(URL, config | {"jsApiList": ["chooseImage"]})
    with pytest.raises(JsError, match=r"^uploadImage:fail$"):
        await phone.pick_picture(URL, config, "nothing")
    assert not simulator.world.media


async def call(client, path, body, *, page=URL, person="wang"):
    """What the stub asks, from a page in the frame."""
    referer = f"http://x/phone/{person}/web/{page.replace('://', '/')}"
    headers = {"Content-Type": "application/json", "Referer": referer}
    answer = await client.fetch(f"/phone/{person}/jssdk/{path}", json.dumps(body), headers=headers)
    return json.loads(answer.body)


@pytest.mark.gen_test
async def test_the_stub_has_pages_checked_and_gets_a_pass(simulator, client):
    config = await config_for(simulator, client, jsApiList=["uploadImage"])
    told = await call(client, "config", config)
    assert told["errMsg"] == "config:ok"
    assert told["calls"] == ["checkJsApi", "closeWindow", "uploadImage"]
    upload = {"pass": told["pass"], "picture": "cat"}
    sent = await call(client, "upload", upload)
    assert sent["errMsg"] == "uploadImage:ok"
    assert simulator.world.media[sent["serverId"]].body == samples.jpeg("cat")
    for change, said in (
        ({"pass": "x"}, "permission denied"),
        ({"pass": None}, "permission denied"),
        ({"picture": "x"}, "fail"),
    ):
        assert await call(client, "upload", upload | change) == {"errMsg": f"uploadImage:{said}"}
    told = await call(client, "config", config, page=URL + "&more=1")
    assert told == {"errMsg": "config:invalid signature"}
    told = await call(client, "config", config | {"jsApiList": []})
    told = await call(client, "upload", {"pass": told["pass"], "picture": "cat"})
    assert told == {"errMsg": "uploadImage:permission denied"}


@pytest.mark.gen_test
async def test_the_stub_is_used_inside_the_phone_only(client):
    for referer in ("", "http://x/phone/wang/browser", "http://x/phone/li/web/http/127.0.0.1/"):
        headers = {"Referer": referer} if referer else {}
        answer = await client.fetch("/phone/wang/jssdk/config", "{}", headers=headers)
        assert answer.code == 403
    inside = {"Referer": "http://x/phone/wang/web/http/127.0.0.1/"}
    for body in ("[]", "x"):
        answer = await client.fetch("/phone/wang/jssdk/config", body, headers=inside)
        assert answer.code == 400
    assert (await client.fetch("/phone/nobody/jssdk/upload", "{}")).code == 404


@pytest.mark.parametrize(
    ("count", "most"), [("1", 1), ("3", 3), ("99", 9), ("0", 1), ("", 9), ("x", 9), ("²", 9)]
)
@pytest.mark.gen_test
async def test_the_picker_shows_every_picture(client, count, most):
    answer = await client.fetch(f"/phone/wang/jssdk/pictures?count={count}".replace("²", "%C2%B2"))
    text = answer.body.decode()
    assert f'data-most="{most}"' in text and ("data-done" in text) is (most > 1)
    for name in samples.NAMES:
        assert f'data-picture="{name}"' in text and f"picture-{name}.jpg" in text
    assert "<script" not in text


@pytest.mark.gen_test
async def test_the_script_is_there_for_everybody(client):
    for version in ("1.6.0", "1.4.0"):
        answer = await client.fetch(f"/open/js/jweixin-{version}.js")
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert b"window.wx = window.jWeixin" in answer.body
