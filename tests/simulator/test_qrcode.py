"""Parametric codes, from the call to the scan."""

from urllib.parse import quote

import pytest

from wx.simulator.qrcode import is_code

CREATE, SHOW = "/cgi-bin/qrcode/create", "/cgi-bin/showqrcode"


class Codes:
    """Makes codes with a fresh access token."""

    def __init__(self, client):
        self.client = client

    async def create(self, scene="bind_7f3a", *, name="QR_STR_SCENE", **more):
        key = "scene_str" if "STR" in name else "scene_id"
        body = {"action_name": name, "action_info": {"scene": {key: scene}}} | more
        return await self.client.post(CREATE, body, access_token=await self.client.access_token())


@pytest.fixture
def codes(client):
    return Codes(client)


def events(hook):
    """The events that came, each with its key and ticket."""
    return [
        (post.event, post.fields.get("EventKey"), post.fields.get("Ticket")) for post in hook.posts
    ]


@pytest.mark.gen_test
async def test_a_code_is_made(simulator, codes):
    answer = await codes.create(expire_seconds=600)
    assert set(answer) == {"ticket", "expire_seconds", "url"}
    assert answer["expire_seconds"] == 600
    assert is_code(answer["url"]) and answer["url"].startswith("http://weixin.qq.com/q/")
    assert len(answer["ticket"]) == 94 and answer["ticket"].endswith("==")
    assert (await codes.create())["expire_seconds"] == 60
    assert (await codes.create())["url"] != answer["url"]
    assert "expire_seconds" not in await codes.create(name="QR_LIMIT_STR_SCENE")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"action_name": "QR_OTHER"}, 40053),
        ({"action_name": ["QR_SCENE"]}, 40053),
        ({"action_info": {}}, 40053),
        ({"action_info": "x"}, 40053),
        ({"action_info": {"scene": {"scene_id": 5}}}, 40053),
        ({"action_info": {"scene": {"scene_str": ""}}}, 40053),
        ({"action_info": {"scene": {"scene_str": "a" * 65}}}, 40053),
        ({"expire_seconds": 0}, 40035),
        ({"expire_seconds": 2592001}, 40035),
        ({"expire_seconds": "60"}, 40035),
        ({"expire_seconds": True}, 40035),
    ],
)
@pytest.mark.gen_test
async def test_a_wrong_call_makes_no_code(simulator, codes, change, code):
    assert (await codes.create(**change))["errcode"] == code
    assert not simulator.world.qr_codes


@pytest.mark.parametrize(
    ("name", "scene", "works"),
    [
        ("QR_SCENE", 1, True),
        ("QR_SCENE", 2**32 - 1, True),
        ("QR_SCENE", 2**32, False),
        ("QR_SCENE", 0, False),
        ("QR_SCENE", "1", False),
        ("QR_SCENE", True, False),
        ("QR_LIMIT_SCENE", 100000, True),
        ("QR_LIMIT_SCENE", 100001, False),
        ("QR_STR_SCENE", "a" * 64, True),
        ("QR_LIMIT_STR_SCENE", "a" * 64, True),
    ],
)
@pytest.mark.gen_test
async def test_a_scene_has_its_bounds(codes, name, scene, works):
    answer = await codes.create(scene, name=name)
    assert answer.get("errcode", 0) == (0 if works else 40053)


@pytest.mark.gen_test
async def test_an_account_may_lack_the_right(simulator, client, codes):
    simulator.world.may_make_codes = False
    assert (await codes.create())["errcode"] == 48001
    assert (await client.post(CREATE, {}))["errcode"] == 41001


@pytest.mark.gen_test
async def test_the_picture_is_for_whoever_has_the_ticket(simulator, client, codes):
    code = await codes.create()
    path = f"{SHOW}?ticket={quote(code['ticket'], safe='')}"
    answer = await client.fetch(path)
    assert (answer.code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert code["url"] in answer.body.decode()
    for bad in ("", "?ticket=", "?ticket=x", f"?ticket={quote(code['ticket'][:-1])}"):
        assert (await client.fetch(SHOW + bad)).code == 404

    async def draw(url):
        return f"<svg>{url}</svg>"

    simulator.draw_code = draw
    assert (await client.fetch(path)).body.decode() == f"<svg>{code['url']}</svg>"


# On the phone


@pytest.mark.gen_test
async def test_a_stranger_sees_the_profile_and_follows_with_the_scene(
    simulator, client, hook, codes
):
    await hook.set()
    code = await codes.create()
    phone = simulator.phone("li")
    assert await phone.scan_code(code["url"]) == "profile"
    await simulator.pushes.settled()
    assert not hook.posts and not phone.person.following
    await phone.follow()
    await simulator.pushes.settled()
    assert events(hook) == [("subscribe", "qrscene_bind_7f3a", code["ticket"])]
    assert (phone.person.came_by, phone.person.scanned) == ("ADD_SCENE_QR_CODE", None)
    assert list(phone.person.allowances) == ["follow"]


@pytest.mark.gen_test
async def test_a_follower_sees_the_chat_and_each_scan_is_told(simulator, hook, codes):
    await hook.set()
    code = await codes.create(7, name="QR_SCENE")
    phone = simulator.phone("wang")
    for _ in range(2):
        assert await phone.scan_code(code["url"]) == "chat"
    await simulator.pushes.settled()
    assert events(hook) == [("SCAN", "7", code["ticket"])] * 2
    assert phone.person.allowances["scan"].left == 3


@pytest.mark.gen_test
async def test_many_people_scan_one_code(simulator, hook, codes):
    await hook.set()
    code = await codes.create()
    shown = [await simulator.phone(name).scan_and_follow(code["url"]) for name in ("wang", "li")]
    await simulator.pushes.settled()
    assert shown == ["chat", "profile"]
    assert sorted(event for event, _, _ in events(hook)) == ["SCAN", "subscribe"]


@pytest.mark.gen_test
async def test_an_ended_code_is_a_notice_on_the_phone(simulator, hook, codes, clock):
    await hook.set()
    short, for_ever = await codes.create(), await codes.create(name="QR_LIMIT_STR_SCENE")
    clock.advance(59)
    assert await simulator.phone("wang").scan_code(short["url"]) == "chat"
    clock.advance(1)
    for name in ("wang", "li"):
        assert await simulator.phone(name).scan_and_follow(short["url"]) == "expired"
        assert await simulator.phone(name).scan_code("http://weixin.qq.com/q/x") == "expired"
    assert not simulator.world.people["li"].following
    await simulator.pushes.settled()
    assert len(hook.posts) == 1
    assert await simulator.phone("wang").scan_code(for_ever["url"]) == "chat"
    await simulator.pushes.settled()


@pytest.mark.gen_test
async def test_who_left_is_a_stranger_again(simulator, hook, codes):
    await hook.set()
    code = await codes.create()
    phone = simulator.phone("wang")
    await phone.unfollow()
    assert await phone.scan_and_follow(code["url"]) == "profile"
    await phone.unfollow()
    await phone.follow()
    await simulator.pushes.settled()
    assert events(hook) == [
        ("unsubscribe", "", None),
        ("subscribe", "qrscene_bind_7f3a", code["ticket"]),
        ("unsubscribe", "", None),
        ("subscribe", "", None),
    ]
    assert phone.person.came_by == "ADD_SCENE_SEARCH"


def test_other_links_are_no_codes():
    assert is_code("https://weixin.qq.com/q/abc")
    assert not is_code("http://weixin.qq.com/r/abc") and not is_code("http://127.0.0.1/b/abc")
