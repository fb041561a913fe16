"""Parametric codes: what is asked for, and what counts as one."""

import json

import pytest

from wx.errors import PlatformError, Remedy
from wx.wechat.client import Client
from wx.wechat.qrcode import QRCodes

PATH = "/cgi-bin/qrcode/create"
TICKET = "gQH47joAAAAAAAAAASxodHRw+/A=="
URL = "http://weixin.qq.com/q/kZgfwMTm72WWPkovabbI"
ANSWERED = {"ticket": TICKET, "expire_seconds": 600, "url": URL}


@pytest.fixture
def codes(platform, keeper, transports):
    """Codes of a platform that answers as it is told."""
    platform.reply = ANSWERED
    return QRCodes(Client(transports(platform.base), keeper))


@pytest.mark.gen_test
async def test_a_code_for_a_time_with_a_text_is_asked_for(platform, codes):
    scene = "bind" + "aZ09" * 15
    code = await codes.create(scene, 600)
    assert (code.url, code.seconds) == (URL, 600)
    [request] = platform.requests
    assert (request.method, request.path) == ("POST", PATH)
    assert json.loads(request.body) == {
        "expire_seconds": 600,
        "action_name": "QR_STR_SCENE",
        "action_info": {"scene": {"scene_str": scene}},
    }


@pytest.mark.gen_test
async def test_whoever_prints_one_shows_no_address(codes):
    assert repr(await codes.create("a", 600)) == "Code(seconds=600)"


@pytest.mark.gen_test
async def test_the_platform_has_the_last_word_on_its_life(platform, codes):
    platform.reply = ANSWERED | {"expire_seconds": 60}
    assert (await codes.create("a", 600)).seconds == 60
    platform.reply = {"url": URL}
    code = await codes.create("a", 2592000)
    assert code.seconds == 2592000


@pytest.mark.parametrize("scene", ["", "a" * 65, "a_b", "a-b", "bind 1", "a\n", "é", "一"])
@pytest.mark.gen_test
async def test_a_scene_is_letters_and_digits(platform, codes, scene):
    with pytest.raises(ValueError, match="letters and digits"):
        await codes.create(scene, 600)
    assert platform.requests == []


@pytest.mark.parametrize("seconds", [0, -1, 2592001])
@pytest.mark.gen_test
async def test_a_code_lives_thirty_days_at_most(platform, codes, seconds):
    with pytest.raises(ValueError, match="seconds"):
        await codes.create("a", seconds)
    assert platform.requests == []


@pytest.mark.parametrize(
    "odd",
    [
        {"url": None},
        {"url": ""},
        {"url": 5},
        {"url": "weixin://q/a"},
        {"url": "javascript:alert(1)"},
        {"url": "https://"},
        {"url": " http://weixin.qq.com/q/a"},
        {"url": "http://weixin.qq.com/q/一"},
        {"url": "http://weixin.qq.com/q/a b"},
        {"url": "http://weixin.qq.com/".ljust(513, "q")},
        {"expire_seconds": 0},
        {"expire_seconds": None},
        {"expire_seconds": "600"},
    ],
)
@pytest.mark.gen_test
async def test_an_odd_answer_is_no_code(platform, codes, odd):
    platform.reply = ANSWERED | odd
    with pytest.raises(PlatformError) as caught:
        await codes.create("a", 600)
    assert (caught.value.remedy, caught.value.path) == (Remedy.RETRY, PATH)


@pytest.mark.gen_test
async def test_the_longest_address_is_taken(platform, codes):
    longest = "https://weixin.qq.com/".ljust(512, "q")
    platform.reply = {"url": longest}
    assert (await codes.create("a", 1)).url == longest


@pytest.mark.gen_test
async def test_a_refusal_keeps_its_number(platform, codes):
    platform.reply = {"errcode": 48001, "errmsg": "api unauthorized"}
    with pytest.raises(PlatformError) as caught:
        await codes.create("a", 600)
    assert caught.value.errcode == 48001


@pytest.mark.gen_test
async def test_the_simulator_gives_codes(client):
    first, second = [await QRCodes(client).create("bindA1", seconds) for seconds in (600, 60)]
    assert (first.seconds, second.seconds) == (600, 60)
    assert first.url.startswith("http")
    assert first.url != second.url
