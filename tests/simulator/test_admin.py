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


@pytest.mark.gen_test
async def test_the_platform_goes_down_from_outside(simulator, client):
    assert await client.post("/admin/faults", {"verb": "down", "how": "busy"}) == {"ok": True}
    assert (await client.get("/sns/auth"))["errcode"] == -1
    assert await client.post("/admin/faults", {"verb": "up"}) == {"ok": True}
    for verb in ("cut_reply", "truncate"):
        await client.post("/admin/faults", {"verb": verb, "path": "/sns/auth"})
        assert simulator.faults.take("/sns/auth").kind == verb
    chance = {"verb": "sometimes", "path": "*", "kind": "drop", "chance": 1.0}
    await client.post("/admin/faults", chance)
    assert simulator.faults.take("/sns/auth").kind == "drop"
    for wrong in ({"verb": "down", "how": "x"}, {"verb": "down"}, chance | {"kind": "x"}):
        answer = await client.fetch("/admin/faults", json.dumps(wrong))
        assert answer.code == 400 and json.loads(answer.body)["error"]


@pytest.mark.gen_test
async def test_connections_are_refused_from_outside_for_a_while(simulator, client):
    assert await client.post("/admin/down", {"seconds": 0.2}) == {"ok": True}
    with pytest.raises(ConnectionRefusedError):
        await client.get("/sns/auth")
    await simulator.absence()
    assert (await client.get("/sns/auth"))["errcode"] == 41001
    for wrong in ({}, {"seconds": "1"}, {"seconds": True}, {"seconds": -1}, {"seconds": 1, "x": 1}):
        assert (await client.fetch("/admin/down", json.dumps(wrong))).code == 400


@pytest.mark.gen_test
async def test_limits_are_set_from_outside(simulator, client):
    world = simulator.world
    given = {"quotas": {"/a": 1, "/b": 2}, "rates": {"/a": 3}, "allowed": {"click": [9, 0.5]}}
    assert await client.post("/admin/limits", given) == {"ok": True}
    assert await client.post("/admin/limits", {"quotas": {"/a": None, "/c": None}}) == {"ok": True}
    assert (world.quotas, world.rates) == ({"/b": 2}, {"/a": 3})
    assert world.allowed["click"] == (9, 0.5) and world.allowed["message"] == (5, 172800)
    for wrong in (
        {"quotas": {"/b": "1"}},
        {"quotas": {"/b": True}},
        {"quotas": {"/b": -1}},
        {"rates": 5},
        {"allowed": {"wink": [1, 1]}},
        {"allowed": {"click": 5}},
        {"allowed": {"click": [1, "1"]}},
        {"quota": {}},
    ):
        answer = await client.fetch("/admin/limits", json.dumps({"rates": {"/z": 1}} | wrong))
        assert answer.code == 400 and json.loads(answer.body)["error"]
    assert (world.quotas, world.rates) == ({"/b": 2}, {"/a": 3})


@pytest.mark.gen_test
async def test_a_person_blocks_and_subscribes_from_outside(simulator, client):
    template, wang = simulator.subscription_id, simulator.world.people["wang"]
    answer = await client.post("/admin/people/wang", {"say": "hi", "accept": template})
    assert answer["subscriptions"] == {template: 1}
    assert answer["windows"] == {"message": {"left": 5, "seconds": 172800}}
    answer = await client.post(
        "/admin/people/wang", {"blocked": True, "receipt_status": "failed:x"}
    )
    assert answer["blocked"] is True and answer["following"] is True and answer["windows"] == {}
    assert answer["receipt_status"] == wang.receipt_status == "failed:x"
    answer = await client.post(
        "/admin/people/wang", {"blocked": False, "withdraw": template, "receipt_status": None}
    )
    assert (answer["blocked"], answer["subscriptions"]) == (False, {})
    assert wang.receipt_status is None
    pushed = []
    simulator.world.listeners.append(lambda person, fields: pushed.append(fields["Event"]))
    await client.post("/admin/people/wang", {"reject": template})
    assert pushed == ["subscribe_msg_popup_event"]
    for wrong in ({"accept": "x"}, {"receipt_status": 5}):
        assert (await client.fetch("/admin/people/wang", json.dumps(wrong))).code == 400


@pytest.mark.gen_test
async def test_a_crowd_is_added_from_outside(simulator, client):
    people = (await client.post("/admin/people", {"add": 3}))["people"]
    assert list(people) == ["p0", "p1", "p2"]
    world = simulator.world
    assert world.by_openid(people["p1"]) is world.people["p1"] and world.people["p1"].following
    more = await client.post("/admin/people", {"add": 1, "prefix": "q", "following": False})
    assert list(more["people"]) == ["q0"] and not world.people["q0"].following
    wrongs = (
        {"add": 9},
        {"add": -1},
        {"add": "1"},
        {},
        {"add": 1, "x": 1},
        {"add": 1, "prefix": "!"},
    )
    for wrong in wrongs:
        answer = await client.fetch("/admin/people", json.dumps(wrong))
        assert answer.code == 400 and json.loads(answer.body)["error"]
    assert len(world.people) == 7


@pytest.mark.gen_test
async def test_the_state_counts_and_is_brief_when_asked(simulator, client, sender):
    await sender.template(client_msg_id="a")
    await sender.template(client_msg_id="a")
    state = json.loads((await client.fetch("/admin/state")).body)
    assert state["people"][0]["chat"][0]["kind"] == "template"
    assert state["counts"] == {
        "people": 3,
        "messages": 1,
        "accepted": {"template": 1},
        "delivered": {"template": 1},
        "repeats": 1,
        "doubled": 0,
    }
    brief = json.loads((await client.fetch("/admin/state?brief")).body)
    assert brief["people"] == [] and brief["counts"] == state["counts"]


@pytest.mark.gen_test
async def test_what_was_taken_is_told_in_order_and_from_any_place(simulator, client, sender):
    for number in range(3):
        await sender.template(client_msg_id=str(number))
    told = json.loads((await client.fetch("/admin/accepted")).body)
    assert (told["count"], told["next"]) == (3, 3)
    assert [one["client_msg_id"] for one in told["accepted"]] == ["0", "1", "2"]
    rest = json.loads((await client.fetch("/admin/accepted?after=2")).body)
    assert [one["client_msg_id"] for one in rest["accepted"]] == ["2"] and rest["next"] == 3
    assert json.loads((await client.fetch("/admin/accepted?after=9")).body)["accepted"] == []
    for wrong in ("x", "-1", "", "1" * 12):
        assert (await client.fetch(f"/admin/accepted?after={wrong}")).code == 400
