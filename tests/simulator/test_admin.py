"""The knobs for programs outside."""

import json

import pytest

from tests.simulator.hook import AES_KEY, TOKEN


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


@pytest.mark.gen_test
async def test_people_do_more_from_outside(simulator, client, hook):
    await hook.set()
    token = await client.access_token()
    menu = {"button": [{"type": "click", "name": "x", "key": "TODAY"}]}
    await client.post("/cgi-bin/menu/create", menu, access_token=token)
    body = {"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "s"}}}
    code = await client.post("/cgi-bin/qrcode/create", body, access_token=token)
    li, wang = "/admin/people/li", "/admin/people/wang"
    assert (await client.post(li, {"scan": code["url"]}))["shown"] == "profile"
    assert (await client.post(li, {"scan_and_follow": code["url"]}))["following"] is True
    answer = await client.post(wang, {"send": {"kind": "link", "title": "t"}, "tap": "TODAY"})
    assert answer["opens"] == "" and answer["chat"][0]["parts"]["title"] == "t"
    await client.post(wang, {"tap": [0]})
    await simulator.pushes.settled()
    assert sorted(str(post.event) for post in hook.posts) == ["CLICK", "CLICK", "link", "subscribe"]


@pytest.mark.parametrize(
    "body",
    [
        {"fly": True},
        {"send": {"kind": "sticker"}},
        {"send": {"label": "x"}},
        {"send": {"kind": "text", "text": 5}},
        {"send": "x"},
        {"tap": "NOTHING"},
        {"tap": [0]},
        {"tap": []},
        {"tap": [True]},
        {"tap": 5},
    ],
)
@pytest.mark.gen_test
async def test_what_nobody_can_do_is_refused_with_a_sentence(simulator, client, body):
    answer = await client.fetch("/admin/people/wang", json.dumps(body))
    assert answer.code == 400 and json.loads(answer.body)["error"]
    assert not simulator.world.people["wang"].chat


@pytest.mark.gen_test
async def test_the_webhook_is_set_from_outside(simulator, client, hook):
    given = {"url": hook.url, "token": TOKEN, "aes_key": AES_KEY, "mode": "safe"}
    assert await client.post("/admin/webhook", given) == {"ok": True}
    assert len(hook.checks) == 1
    state = await client.fetch("/admin/state")
    assert json.loads(state.body)["webhook"] == {"url": hook.url, "mode": "safe"}
    assert TOKEN not in state.body.decode() and AES_KEY not in state.body.decode()
    hook.echo = lambda echo: b"no"
    for wrong, reason in (
        (given, "exactly the echostr"),
        (given | {"mode": "x"}, "mode"),
        ({"url": hook.url}, "Token"),
        ({"hook": hook.url}, "only url"),
        ({"url": 5}, "address"),
    ):
        answer = await client.fetch("/admin/webhook", json.dumps(wrong))
        assert answer.code == 400 and reason in json.loads(answer.body)["error"]
    assert simulator.webhook.mode == "safe"
    assert await client.post("/admin/webhook", {"url": ""}) == {"ok": True}
    assert simulator.webhook is None
    hook.echo = lambda echo: echo.encode()
    await client.post("/admin/webhook", {"url": hook.url, "token": TOKEN, "mode": None})
    assert simulator.webhook.mode == "plain"


@pytest.mark.gen_test
async def test_anything_is_pushed_from_outside_and_the_state_shows_how_it_ended(
    simulator, client, hook
):
    push = {"person": "wang", "fields": {"MsgType": "event", "Event": "new", "Deep": {"A": [1, 2]}}}
    assert (await client.fetch("/admin/push", json.dumps(push))).code == 400
    await hook.set()
    hook.then = b"junk"
    assert await client.post("/admin/push", push) == {"ok": True}
    await simulator.pushes.settled()
    assert hook.posts[0].fields["Deep"] == {"A": ["1", "2"]}
    [shown] = json.loads((await client.fetch("/admin/state")).body)["deliveries"]
    assert (shown["person"], shown["kind"], shown["name"]) == ("wang", "event", "new")
    assert (shown["outcome"], shown["status"], shown["attempt"]) == ("broken", 200, 1)
    assert shown["reason"].startswith("no XML")
    for wrong in ({"person": "x", "fields": {}}, push | {"fields": {"a b": ""}}, {"fields": {}}):
        assert (await client.fetch("/admin/push", json.dumps(wrong))).code == 400
    assert (await client.fetch("/admin/push", '{"person":"li","fields":{"A":1.5}}')).code == 400


@pytest.mark.gen_test
async def test_the_senders_knobs_are_set_from_outside(simulator, client):
    pushes = simulator.pushes
    assert await client.post("/admin/pushes", {"duplicate": 2, "stale": 600}) == {"ok": True}
    assert (pushes.duplicate, pushes.stale) == (2, 600)
    for wrong in ({"duplicate": "2"}, {"duplicate": True}, {"bad_signature": 1}, {"other": 1}):
        answer = await client.fetch("/admin/pushes", json.dumps(wrong | {"tries": 9}))
        assert answer.code == 400 and json.loads(answer.body)["error"]
    assert pushes.tries == 3


@pytest.mark.gen_test
async def test_the_state_shows_the_menu(simulator, client):
    simulator.world.menu = {"button": []}
    assert json.loads((await client.fetch("/admin/state")).body)["menu"] == {"button": []}
