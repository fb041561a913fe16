"""The menu: set, asked for, tapped."""

import pytest

from wx.protocol.menu import TYPES

CREATE, GET, DELETE = "/cgi-bin/menu/create", "/cgi-bin/menu/get", "/cgi-bin/menu/delete"
CURRENT = "/cgi-bin/get_current_selfmenu_info"

CLICK = {"type": "click", "name": "今日", "key": "TODAY"}
VIEW = {"type": "view", "name": "Site", "url": "http://127.0.0.1:8000/login"}


def keyed(kind):
    return {"type": kind, "name": kind[:12], "key": kind.upper()}


MORE = {
    "name": "More",
    "sub_button": [
        keyed("scancode_push"),
        keyed("scancode_waitmsg"),
        keyed("pic_weixin"),
        keyed("location_select"),
        {"type": "media_id", "name": "Picture", "media_id": "m1"},
    ],
}
MENU = {"button": [CLICK, VIEW, MORE]}


class Menu:
    """Calls with a fresh access token."""

    def __init__(self, client):
        self.client = client

    async def create(self, *buttons):
        token = await self.client.access_token()
        return await self.client.post(CREATE, {"button": list(buttons)}, access_token=token)

    async def get(self, path=GET):
        return await self.client.get(path, access_token=await self.client.access_token())


@pytest.fixture
def menu(client):
    return Menu(client)


@pytest.mark.gen_test
async def test_a_menu_is_set_read_replaced_and_removed(simulator, menu):
    assert (await menu.get())["errcode"] == 46003
    assert (await menu.get(CURRENT))["is_menu_open"] == 0
    assert await menu.create(*MENU["button"]) == {"errcode": 0, "errmsg": "ok"}
    assert simulator.world.menu == MENU
    answer = await menu.get()
    assert set(answer) == {"menu"} and answer["menu"]["menuid"] > 0
    first, _, more = answer["menu"]["button"]
    assert first == CLICK | {"sub_button": []}
    assert more["sub_button"][0] == keyed("scancode_push") | {"sub_button": []}
    current = await menu.get(CURRENT)
    assert current["selfmenu_info"]["button"][2]["sub_button"] == {"list": MORE["sub_button"]}
    await menu.create(VIEW)
    assert simulator.world.menu == {"button": [VIEW]}
    assert await menu.get(DELETE) == {"errcode": 0, "errmsg": "ok"}
    assert simulator.world.menu is None


@pytest.mark.gen_test
async def test_what_the_platform_gave_can_be_sent_back(simulator, menu):
    await menu.create(*MENU["button"])
    await menu.create(*(await menu.get())["menu"]["button"])
    assert simulator.world.menu == MENU


def sub(*buttons):
    return {"name": "More", "sub_button": list(buttons)}


@pytest.mark.parametrize(
    ("buttons", "code"),
    [
        ([], 40016),
        ([CLICK] * 4, 40016),
        (["x"], 40017),
        ([{"name": "x"}], 40017),
        ([CLICK | {"type": "shake"}], 40017),
        ([CLICK | {"type": ["click"]}], 40017),
        ([CLICK | {"name": ""}], 40018),
        ([CLICK | {"name": "一二三四五ab"}], 40018),
        ([CLICK | {"key": ""}], 40019),
        ([CLICK | {"key": "字" * 43}], 40019),
        ([{"type": "click", "name": "x"}], 40019),
        ([VIEW | {"url": ""}], 40020),
        ([VIEW | {"url": "http://x/" + "a" * 1016}], 40020),
        ([VIEW | {"url": "ftp://x/"}], 40055),
        ([sub(*[CLICK] * 6)], 40023),
        ([sub("x")], 40024),
        ([sub({"name": "x"})], 40024),
        ([sub(CLICK | {"name": "字" * 20 + "a"})], 40025),
        ([sub(CLICK | {"key": 5})], 40026),
        ([sub(VIEW | {"url": "http://x/" + "a" * 1016})], 40027),
        ([sub(VIEW | {"url": "x"})], 40054),
        ([sub(sub(CLICK))], 40022),
        ([{"name": "More", "sub_button": "x"}], 40023),
        ([{"name": "x", "type": "media_id"}], 40007),
    ],
)
@pytest.mark.gen_test
async def test_a_wrong_menu_is_refused_and_the_old_one_stays(simulator, menu, buttons, code):
    await menu.create(VIEW)
    assert (await menu.create(*buttons))["errcode"] == code
    assert simulator.world.menu == {"button": [VIEW]}


@pytest.mark.gen_test
async def test_the_longest_menu_is_taken(menu):
    top = {"type": "click", "name": "一二三四五a", "key": "k" * 128}
    longest = sub(*[top | {"name": "字" * 20}] * 4, VIEW | {"url": "http://x/" + "a" * 1015})
    assert (await menu.create(top, top, longest))["errcode"] == 0


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.gen_test
async def test_every_type_is_known(menu, kind):
    needed = {"url": "http://x/", "key": "k", "appid": "wx1", "pagepath": "p"}
    button = {"type": kind, "name": "x", "media_id": "m", "article_id": "a"} | needed
    assert (await menu.create(button))["errcode"] == 0


# Taps


@pytest.fixture
def events(io_loop, simulator, hook, menu):
    """A phone in front of the menu, and what came of its taps."""
    io_loop.run_sync(hook.set)
    io_loop.run_sync(lambda: menu.create(*MENU["button"]))

    async def come():
        await simulator.pushes.settled()
        return [post.fields for post in hook.posts]

    return come


@pytest.mark.gen_test
async def test_a_click_is_told_and_opens_the_window(simulator, events):
    phone = simulator.phone("wang")
    assert await phone.tap(0) == ""
    [told] = await events()
    assert (told["MsgType"], told["Event"], told["EventKey"]) == ("event", "CLICK", "TODAY")
    assert "MsgId" not in told
    assert phone.person.allowances["click"].left == 3 and not phone.person.chat


@pytest.mark.gen_test
async def test_a_view_opens_its_page_and_no_window(simulator, events):
    phone = simulator.phone("wang")
    assert await phone.tap(1) == VIEW["url"]
    [told] = await events()
    assert (told["Event"], told["EventKey"]) == ("VIEW", VIEW["url"])
    assert told["MenuId"] == str(simulator.world.menu_id) and not phone.person.allowances


@pytest.mark.parametrize(("j", "kind"), [(0, "scancode_push"), (1, "scancode_waitmsg")])
@pytest.mark.gen_test
async def test_what_was_scanned_is_told(simulator, events, j, kind):
    phone = simulator.phone("wang")
    opens = await phone.tap(2, j, scanned="http://127.0.0.1/x")
    assert opens == ("http://127.0.0.1/x" if kind == "scancode_push" else "")
    assert await phone.tap(2, j) == ""
    told, _ = await events()
    assert (told["Event"], told["EventKey"]) == (kind, kind.upper())
    assert told["ScanCodeInfo"] == {"ScanType": "qrcode", "ScanResult": "http://127.0.0.1/x"}
    assert phone.person.allowances["click"].left == 3


@pytest.mark.gen_test
async def test_a_picture_follows_its_event(simulator, events):
    phone = simulator.phone("wang")
    await phone.tap(2, 2)
    told, image = await events()
    assert (told["Event"], told["SendPicsInfo"]["Count"]) == ("pic_weixin", "1")
    assert len(told["SendPicsInfo"]["PicList"]["item"]["PicMd5Sum"]) == 32
    assert image["MsgType"] == "image"
    assert [one.kind for one in phone.person.chat] == ["image"]
    assert list(phone.person.allowances) == ["message"]


@pytest.mark.gen_test
async def test_a_place_follows_its_event(simulator, events):
    await simulator.phone("wang").tap(2, 3)
    told, location = await events()
    assert told["Event"] == "location_select"
    assert told["SendLocationInfo"]["Label"] == location["Label"]
    assert location["MsgType"] == "location"


@pytest.mark.gen_test
async def test_a_medium_of_the_account_is_shown_and_not_told(simulator, events):
    phone = simulator.phone("wang")
    assert await phone.tap(2, 4) == ""
    assert not await events()
    [shown] = phone.person.chat
    assert (shown.kind, shown.mine) == ("image", False) and shown.picture


@pytest.mark.gen_test
async def test_a_mini_program_is_told(simulator, menu, events):
    page = {"appid": "wx1", "pagepath": "pages/a", "url": "http://x/"}
    await menu.create({"type": "miniprogram", "name": "x"} | page)
    assert await simulator.phone("wang").tap(0) == ""
    [told] = await events()
    assert (told["Event"], told["EventKey"]) == ("view_miniprogram", "pages/a")


@pytest.mark.parametrize(("i", "j"), [(3, None), (-1, None), (0, 0), (2, None), (2, 5), (2, -1)])
@pytest.mark.gen_test
async def test_what_is_not_there_cannot_be_tapped(simulator, events, i, j):
    with pytest.raises(LookupError, match="button"):
        await simulator.phone("wang").tap(i, j)
    assert not await events()


@pytest.mark.gen_test
async def test_a_menu_is_in_front_of_followers_only(simulator, menu, events):
    with pytest.raises(LookupError):
        await simulator.phone("li").tap(0)
    await menu.get(DELETE)
    with pytest.raises(LookupError):
        await simulator.phone("wang").tap(0)
    assert not await events()


@pytest.mark.gen_test
async def test_a_button_is_found_by_its_key(simulator, menu, events):
    phone = simulator.phone("wang")
    await phone.tap_key("TODAY")
    await phone.tap_key("PIC_WEIXIN")
    assert [told.get("EventKey") for told in await events()] == ["TODAY", "PIC_WEIXIN", None]
    with pytest.raises(LookupError):
        await phone.tap_key("NOTHING")
