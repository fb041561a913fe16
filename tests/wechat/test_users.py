"""What the platform tells about a user, in both of its shapes."""

import pytest

from wx.errors import PlatformError, Remedy
from wx.wechat.client import Client
from wx.wechat.users import UserInfo, Users

OPENID = "oWang_0-9"
FOLLOWING = {
    "subscribe": 1,
    "openid": OPENID,
    "language": "zh_CN",
    "subscribe_time": 1434093047,
    "unionid": "oUnion",
    "remark": "",
    "groupid": 0,
    "tagid_list": [],
    "subscribe_scene": "ADD_SCENE_QR_CODE",
    "qr_scene": 0,
    "qr_scene_str": "",
}


@pytest.fixture
def users(platform, keeper, transports):
    """Asks a platform that answers as it is told."""
    platform.reply = FOLLOWING
    return Users(Client(transports(platform.base), keeper))


@pytest.mark.gen_test
async def test_a_follower_is_asked_for_and_told(platform, users):
    assert await users.info(OPENID) == UserInfo(
        following=True, language="zh", came_by="ADD_SCENE_QR_CODE", unionid="oUnion"
    )
    [request] = platform.requests
    assert (request.method, request.path) == ("GET", "/cgi-bin/user/info")
    assert request.arguments["openid"] == [OPENID.encode()]
    assert request.arguments["lang"] == [b"zh_CN"]


@pytest.mark.gen_test
async def test_one_who_does_not_follow_is_no_failure(platform, users):
    platform.reply = {"subscribe": 0, "openid": OPENID}
    assert await users.info(OPENID) == UserInfo(following=False)
    platform.reply = {"subscribe": 0, "openid": OPENID, "unionid": "oUnion"}
    assert await users.info(OPENID) == UserInfo(following=False, unionid="oUnion")


@pytest.mark.gen_test
async def test_older_answers_have_a_name_and_a_picture(platform, users):
    platform.reply = FOLLOWING | {
        "nickname": "王\x08小\ud83c\udf3b明" + "x" * 200,
        "headimgurl": "https://thirdwx.qlogo.cn/a\x00/132",
    }
    info = await users.info(OPENID)
    assert info.nickname == ("王小🌻明" + "x" * 200)[:128]
    assert info.avatar == "https://thirdwx.qlogo.cn/a/132"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("zh_CN", "zh"),
        ("zh_TW", "zh"),
        ("zh", "zh"),
        ("ZH_hk", "zh"),
        ("en", "en"),
        ("en_US", "en"),
        ("ja", "en"),
        ("", ""),
        (None, ""),
        (7, ""),
        (["zh_CN"], ""),
    ],
)
@pytest.mark.gen_test
async def test_a_language_is_one_of_the_two_or_unknown(platform, users, language, expected):
    platform.reply = FOLLOWING | {"language": language}
    assert (await users.info(OPENID)).language == expected


@pytest.mark.parametrize("scene", [None, 5, "", "A B", "A-1", "A" * 65, "二维码", "A\n", ["A"]])
@pytest.mark.gen_test
async def test_how_they_came_is_a_plain_word_or_nothing(platform, users, scene):
    platform.reply = FOLLOWING | {"subscribe_scene": "A_" * 32}
    assert (await users.info(OPENID)).came_by == "A_" * 32
    platform.reply = FOLLOWING | {"subscribe_scene": scene}
    assert (await users.info(OPENID)).came_by == ""


@pytest.mark.parametrize("odd", [None, 2, -1, "yes", [], {}])
@pytest.mark.gen_test
async def test_whether_they_follow_is_never_guessed(platform, users, odd):
    platform.reply = FOLLOWING | {"subscribe": odd}
    with pytest.raises(PlatformError) as caught:
        await users.info(OPENID)
    assert (caught.value.remedy, caught.value.errcode) == (Remedy.RETRY, None)


@pytest.mark.gen_test
async def test_another_users_answer_is_not_taken(platform, users):
    platform.reply = FOLLOWING | {"openid": "oLi"}
    with pytest.raises(PlatformError) as caught:
        await users.info(OPENID)
    assert caught.value.remedy is Remedy.REFUSE
    assert "oLi" not in str(caught.value) and OPENID not in str(caught.value)


@pytest.mark.gen_test
async def test_a_stranger_is_refused_with_the_platforms_number(simulator, client):
    with pytest.raises(PlatformError) as caught:
        await Users(client).info("o-stranger")
    assert caught.value.errcode == 40003


@pytest.mark.gen_test
async def test_the_simulators_people_are_told_apart(simulator, client):
    wang, li = (simulator.world.people[name] for name in ("wang", "li"))
    assert wang.following and not li.following
    info = await Users(client).info(wang.openid)
    assert (info.following, info.language) == (True, "zh")
    assert info.came_by.startswith("ADD_SCENE_")
    assert not (await Users(client).info(li.openid)).following


@pytest.mark.gen_test
async def test_a_placeholder_is_told_as_nothing(platform, users):
    grey = {"nickname": "微信用户", "headimgurl": "https://thirdwx.qlogo.cn/grey/132"}
    platform.reply = FOLLOWING | grey
    info = await users.info(OPENID)
    assert (info.nickname, info.avatar, info.unionid) == ("", "", "oUnion")
