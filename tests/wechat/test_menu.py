"""The menu's three calls, to the byte."""

import json

import pytest

from wx.errors import PlatformError, Remedy
from wx.protocol.answer import remedy
from wx.wechat.client import Client
from wx.wechat.menu import Menus, advice

MENU = {"button": [{"name": "帮助🌻", "type": "click", "key": "HELP"}]}
ANSWERED = {"menu": {"button": [MENU["button"][0] | {"sub_button": []}], "menuid": 20839}}


@pytest.fixture
def menus(platform, keeper, transports):
    """The menu of a platform that answers as it is told."""
    platform.reply = {"errcode": 0, "errmsg": "ok"}
    return Menus(Client(transports(platform.base), keeper))


async def errcode(call):
    with pytest.raises(PlatformError) as caught:
        await call
    return caught.value.errcode


@pytest.mark.gen_test
async def test_the_menu_is_what_the_platform_answers(platform, menus):
    platform.reply = ANSWERED
    assert await menus.show() == ANSWERED
    [request] = platform.requests
    assert (request.method, request.path) == ("GET", "/cgi-bin/menu/get")
    assert set(request.arguments) == {"access_token"}


@pytest.mark.gen_test
async def test_no_menu_is_no_failure(platform, menus):
    platform.reply = {"errcode": 46003, "errmsg": "menu no exist"}
    assert await menus.show() is None
    await menus.clear()
    assert await errcode(menus.push(MENU)) == 46003


@pytest.mark.parametrize("odd", [{}, {"menu": []}, {"menu": {"button": {}}}, {"button": []}])
@pytest.mark.gen_test
async def test_an_answer_without_a_menu_is_odd(platform, menus, odd):
    platform.reply = odd
    assert await errcode(menus.show()) is None


@pytest.mark.parametrize("given", [MENU, ANSWERED])
@pytest.mark.gen_test
async def test_a_menu_goes_up_as_real_utf8_and_without_the_wrapping(platform, menus, given):
    await menus.push(given)
    [request] = platform.requests
    assert (request.method, request.path) == ("POST", "/cgi-bin/menu/create")
    assert "帮助🌻".encode() in request.body
    assert json.loads(request.body) == MENU


@pytest.mark.gen_test
async def test_clearing_takes_it_away(platform, menus):
    await menus.clear()
    [request] = platform.requests
    assert (request.method, request.path) == ("GET", "/cgi-bin/menu/delete")


@pytest.mark.gen_test
async def test_refusals_come_out_with_their_number(platform, menus):
    platform.reply = {"errcode": 48001, "errmsg": "api unauthorized"}
    for call in (menus.show(), menus.push(MENU), menus.clear()):
        assert await errcode(call) == 48001
    assert len(platform.requests) == 3


def advised(code, path="/cgi-bin/menu/create"):
    kind = Remedy.RETRY if code is None else remedy(code)
    return advice(PlatformError(kind, code, "text", path=path))


def test_there_is_a_word_on_what_can_be_done():
    assert "has to be verified" in advised(48001)
    assert "tomorrow" in advised(45009)
    for code in (40015, 40028):
        assert "refuses a button" in advised(code)
    for code in (None, -1, 40001):
        assert advised(code) == "; try again in a moment"
    for code in (0, 40014 - 100, 99999):
        assert advised(code) == ""
    assert "check app_secret" in advised(40001, "/cgi-bin/stable_token")
    assert "app_secret" in advised(40125, "/cgi-bin/stable_token")
    assert "allowlist" in advised(40164, "/cgi-bin/stable_token")
    assert advised(None, "/cgi-bin/stable_token") == "; try again in a moment"
