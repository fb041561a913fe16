"""Web authorization, from the code to the profile."""

import pytest

from wx.errors import PlatformError, Remedy
from wx.model import Profile
from wx.simulator.oauth import Question, new_code
from wx.wechat.oauth import Grant, OAuth

EXCHANGE, REFRESH = "/sns/oauth2/access_token", "/sns/oauth2/refresh_token"
USERINFO, AUTH = "/sns/userinfo", "/sns/auth"
GRANT = Grant("o-wang", "u-wang", "user-token", "refresh-token", 7200, "snsapi_userinfo", False)


@pytest.fixture
def oauth(simulator, transports):
    return OAuth(
        transports(simulator.base_url),
        transports(simulator.base_url),
        app_id=simulator.app_id,
        app_secret=simulator.app_secret,
    )


@pytest.fixture
def odd_oauth(platform, transports):
    """Asks a platform that answers as it is told."""
    return OAuth(
        transports(platform.base), transports(platform.base), app_id="wx1", app_secret="s3cret"
    )


def code_of(simulator, person="wang", scope="snsapi_userinfo", *, snapshot=False):
    """The code that the phone of this person brings."""
    question = Question(simulator.world.people[person], "http://127.0.0.1/callback", scope, "s")
    return new_code(simulator.world, question, snapshot=snapshot).value


@pytest.mark.gen_test
async def test_a_code_is_exchanged_once_for_the_person_who_brought_it(simulator, oauth):
    code, wang = code_of(simulator), simulator.world.people["wang"]
    grant = await oauth.exchange(code)
    assert (grant.openid, grant.unionid) == (wang.openid, wang.unionid)
    assert (grant.expires_in, grant.scope, grant.snapshot) == (7200, "snsapi_userinfo", False)
    assert grant.access_token and grant.refresh_token
    with pytest.raises(PlatformError) as caught:
        await oauth.exchange(code)
    assert (caught.value.errcode, caught.value.remedy) == (40163, Remedy.REFUSE)


@pytest.mark.gen_test
async def test_a_strange_or_old_code_is_refused(simulator, oauth, clock):
    code = code_of(simulator)
    clock.advance(301)
    for wrong in (code, "nonsense"):
        with pytest.raises(PlatformError) as caught:
            await oauth.exchange(wrong)
        assert caught.value.errcode == 40029


@pytest.mark.gen_test
async def test_a_snapshot_page_is_told_from_a_person(simulator, oauth):
    grant = await oauth.exchange(code_of(simulator, snapshot=True))
    assert grant.snapshot
    assert grant.openid != simulator.world.people["wang"].openid


@pytest.mark.parametrize(
    ("flag", "expected"),
    [(1, True), ("1", True), (True, True), (0, False), ("0", False), (None, False), ([], False)],
)
@pytest.mark.gen_test
async def test_the_snapshot_flag_may_come_in_several_forms(platform, odd_oauth, flag, expected):
    platform.reply = {
        "access_token": "t",
        "expires_in": 7200,
        "openid": "o-1",
        "is_snapshotuser": flag,
    }
    assert (await odd_oauth.exchange("c")).snapshot is expected


@pytest.mark.gen_test
async def test_the_profile_is_read_as_utf8(simulator, oauth):
    simulator.world.dirty_nicknames = True
    grant = await oauth.exchange(code_of(simulator))
    wang = simulator.world.people["wang"]
    assert await oauth.profile(grant) == Profile(
        openid=wang.openid,
        unionid=wang.unionid,
        nickname="王小明🌻",
        sex=1,
        province="广东",
        city="深圳",
        country="中国",
        avatar=f"{simulator.base_url}/avatar/wang.svg",
        privilege=["chinaunicom"],
    )


@pytest.mark.gen_test
async def test_a_silent_authorization_gives_no_profile(simulator, oauth):
    grant = await oauth.exchange(code_of(simulator, scope="snsapi_base"))
    assert grant.unionid == ""
    with pytest.raises(PlatformError) as caught:
        await oauth.profile(grant)
    assert caught.value.errcode == 48001


@pytest.mark.gen_test
async def test_a_users_token_is_renewed_and_checked(simulator, oauth, clock):
    grant = await oauth.exchange(code_of(simulator))
    assert await oauth.check(grant)
    clock.advance(7200)
    assert not await oauth.check(grant)
    renewed = await oauth.refresh(grant.refresh_token)
    assert (renewed.openid, renewed.unionid) == (grant.openid, "")
    assert await oauth.check(renewed) and not await oauth.check(grant)
    assert (await oauth.profile(renewed)).nickname == "王小明🌻"
    clock.advance(31 * 86400)
    with pytest.raises(PlatformError) as caught:
        await oauth.refresh(renewed.refresh_token)
    assert caught.value.errcode == 42002


@pytest.mark.parametrize("errcode", [40003, 40001, 42001])
@pytest.mark.gen_test
async def test_a_token_that_the_platform_refuses_does_not_work(platform, odd_oauth, errcode):
    platform.reply = {"errcode": errcode}
    assert await odd_oauth.check(GRANT) is False


@pytest.mark.parametrize("errcode", [-1, 45009, 45011])
@pytest.mark.gen_test
async def test_a_platform_that_does_not_say_whether_a_token_works_is_no_answer(
    platform, odd_oauth, errcode
):
    platform.reply = {"errcode": errcode}
    with pytest.raises(PlatformError):
        await odd_oauth.check(GRANT)
    platform.status = 502
    with pytest.raises(PlatformError):
        await odd_oauth.check(GRANT)


@pytest.mark.gen_test
async def test_each_call_sends_what_the_platform_wants(platform, odd_oauth):
    platform.reply = {"access_token": "t", "expires_in": 1, "openid": "o-wang"}
    await odd_oauth.exchange("c&d")
    await odd_oauth.refresh("r")
    await odd_oauth.profile(GRANT)
    platform.reply = {"errcode": 0}
    await odd_oauth.check(GRANT)
    sent = [
        (one.method, one.path, {name: value[0] for name, value in one.arguments.items()})
        for one in platform.requests
    ]
    exchange = {"appid": b"wx1", "secret": b"s3cret", "code": b"c&d"}
    refresh = {"appid": b"wx1", "grant_type": b"refresh_token", "refresh_token": b"r"}
    user = {"access_token": b"user-token", "openid": b"o-wang"}
    assert sent == [
        ("GET", EXCHANGE, exchange | {"grant_type": b"authorization_code"}),
        ("GET", REFRESH, refresh),
        ("GET", USERINFO, user | {"lang": b"zh_CN"}),
        ("GET", AUTH, user),
    ]


@pytest.mark.gen_test
async def test_exchanges_have_connections_of_their_own(platform, simulator, transports):
    slow, fast = transports(platform.base, connections=1), transports(simulator.base_url)
    oauth = OAuth(fast, slow, app_id=simulator.app_id, app_secret=simulator.app_secret)
    await oauth.exchange(code_of(simulator))
    assert platform.requests == []
    with pytest.raises(PlatformError):
        await oauth.profile(GRANT)
    assert [one.path for one in platform.requests] == [USERINFO]


@pytest.mark.parametrize(
    "change",
    [
        {"openid": None},
        {"openid": "o wang"},
        {"openid": "o/../wang"},
        {"openid": "o" * 65},
        {"openid": 7},
        {"access_token": ""},
        {"access_token": "t\n"},
        {"expires_in": -1},
    ],
)
@pytest.mark.gen_test
async def test_an_odd_grant_binds_nobody(platform, odd_oauth, change):
    platform.reply = {"access_token": "t", "expires_in": 7200, "openid": "o-1"} | change
    with pytest.raises(PlatformError) as caught:
        await odd_oauth.exchange("c")
    assert (caught.value.path, caught.value.errcode) == (EXCHANGE, None)


@pytest.mark.parametrize("openid", ["o-li", "", None, ["o-wang"]])
@pytest.mark.gen_test
async def test_the_profile_of_another_user_is_refused(platform, odd_oauth, openid):
    platform.reply = {"openid": openid, "nickname": "x"}
    with pytest.raises(PlatformError, match="another user's"):
        await odd_oauth.profile(GRANT)


@pytest.mark.gen_test
async def test_a_profile_of_nonsense_is_read_as_far_as_it_makes_sense(platform, odd_oauth):
    platform.reply = {
        "openid": "o-wang",
        "unionid": 5,
        "nickname": "a\u0000b" + "x" * 500,
        "sex": "1",
        "province": None,
        "city": ["深圳"],
        "headimgurl": "x" * 2000,
        "privilege": ["a\u001b", 7, "", *"b" * 50],
    }
    profile = await odd_oauth.profile(GRANT)
    assert profile.unionid == "u-wang", "what the exchange told"
    assert profile.nickname == "ab" + "x" * 126
    assert (profile.sex, profile.province, profile.city, profile.country) == (0, "", "", "")
    assert len(profile.avatar) == 1024
    assert profile.privilege == ["a"] + ["b"] * 17
    for sex, expected in ((2, 2), (3, 0), (True, 0), (None, 0)):
        platform.reply = {"openid": "o-wang", "sex": sex, "privilege": "all"}
        profile = await odd_oauth.profile(GRANT)
        assert (profile.sex, profile.privilege) == (expected, [])


def test_a_grant_shows_no_secret():
    shown = repr(GRANT)
    assert shown == "Grant(scope='snsapi_userinfo', snapshot=False)"


@pytest.mark.gen_test
async def test_a_nickname_is_one_line_that_turns_nothing_around(platform, odd_oauth):
    nickname = "wang\n\u202e\u2066 gnaw\u2069"
    platform.reply = {"openid": GRANT.openid, "nickname": nickname}
    assert (await odd_oauth.profile(GRANT)).nickname == "wang gnaw"


@pytest.mark.gen_test
async def test_the_platform_s_placeholder_is_nobody_s_name(simulator, oauth, platform, odd_oauth):
    simulator.world.placeholder_names = True
    simulator.world.regions = False
    profile = await oauth.profile(await oauth.exchange(code_of(simulator)))
    assert (profile.nickname, profile.avatar, profile.sex, profile.city) == ("", "", 0, "")
    grey = {"nickname": "微信用户", "headimgurl": "https://thirdwx.qlogo.cn/grey/132"}
    platform.reply = {"openid": GRANT.openid} | grey
    profile = await odd_oauth.profile(GRANT)
    assert (profile.nickname, profile.avatar) == ("", "")
