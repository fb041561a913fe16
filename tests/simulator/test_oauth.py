"""Web authorization."""

import json
from urllib.parse import quote

import pytest

from wx.simulator.phone import asks_for_consent

EXCHANGE = "/sns/oauth2/access_token"


async def code_of(simulator, site, *, scope="snsapi_userinfo", person="wang"):
    """A fresh code, that the site has not exchanged."""
    simulator.faults.answer(EXCHANGE, errcode=-1)
    phone = simulator.phone(person)
    page = await phone.open(site.link(scope=scope))
    if asks_for_consent(page):
        page = await phone.agree(page)
    return page.url.partition("code=")[2].partition("&")[0]


async def user_token(simulator, site, client, **more):
    return await client.exchange(await code_of(simulator, site, **more))


@pytest.mark.gen_test
async def test_a_code_is_exchanged_once(simulator, site, client):
    code = await code_of(simulator, site)
    assert len(code) == 32
    answer = await client.exchange(code)
    wang = simulator.world.people["wang"]
    assert (answer["openid"], answer["unionid"]) == (wang.openid, wang.unionid)
    assert (answer["scope"], answer["expires_in"]) == ("snsapi_userinfo", 7200)
    assert "errcode" not in answer and "is_snapshotuser" not in answer
    assert (await client.exchange(code))["errcode"] == 40163


@pytest.mark.gen_test
async def test_a_code_ends_after_five_minutes(simulator, site, client, clock):
    code = await code_of(simulator, site)
    clock.advance(300)
    assert (await client.exchange(code))["errcode"] == 40029
    assert (await client.exchange("0" * 32))["errcode"] == 40029


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"appid": "wx1"}, 40013),
        ({"secret": "x"}, 40125),
        ({"grant_type": "x"}, 40002),
        ({"code": ""}, 41008),
    ],
)
@pytest.mark.gen_test
async def test_an_exchange_must_be_complete(client, change, code):
    query = client.credentials | {"grant_type": "authorization_code", "code": "c"} | change
    assert (await client.get(EXCHANGE, **query))["errcode"] == code


@pytest.mark.gen_test
async def test_the_silent_scope_gives_an_openid_and_no_profile(simulator, site, client):
    answer = await user_token(simulator, site, client, scope="snsapi_base")
    assert "unionid" not in answer
    query = {"access_token": answer["access_token"], "openid": answer["openid"]}
    assert (await client.get("/sns/userinfo", **query))["errcode"] == 48001
    assert (await client.get("/sns/auth", **query))["errcode"] == 0


@pytest.mark.gen_test
async def test_a_profile_is_utf_8_that_does_not_say_so(simulator, site, client):
    answer = await user_token(simulator, site, client)
    path = f"/sns/userinfo?access_token={answer['access_token']}&openid={answer['openid']}"
    raw = await client.fetch(path)
    assert raw.headers["Content-Type"] == "text/plain"
    assert "王小明🌻".encode() in raw.body
    profile = json.loads(raw.body)
    assert (profile["sex"], profile["province"], profile["city"]) == (1, "广东", "深圳")
    assert profile["privilege"] == ["chinaunicom"]
    picture = await client.fetch(profile["headimgurl"].removeprefix(simulator.base_url))
    assert picture.headers["Content-Type"] == "image/svg+xml"


@pytest.mark.gen_test
async def test_a_profile_can_be_as_poor_and_dirty_as_the_real_ones(simulator, site, client):
    simulator.world.regions = False
    simulator.world.dirty_nicknames = True
    answer = await user_token(simulator, site, client)
    path = f"/sns/userinfo?access_token={answer['access_token']}&openid={answer['openid']}"
    profile = json.loads((await client.fetch(path)).body, strict=False)
    assert (profile["sex"], profile["country"]) == (0, "")
    assert profile["nickname"] == "\x08王小明🌻"


@pytest.mark.gen_test
async def test_a_persons_token_is_for_that_person_and_two_hours(simulator, site, client, clock):
    answer = await user_token(simulator, site, client)
    token, openid = answer["access_token"], answer["openid"]
    other = simulator.world.people["li"].openid
    info = "/sns/userinfo"
    assert (await client.get(info, access_token=token, openid=other))["errcode"] == 40003
    assert (await client.get(info, access_token=token))["errcode"] == 41009
    server = await client.access_token()
    assert (await client.get(info, access_token=server, openid=openid))["errcode"] == 40001
    user_info = await client.get("/cgi-bin/user/info", access_token=token, openid=openid)
    assert user_info["errcode"] == 40014
    clock.advance(7200)
    assert (await client.get(info, access_token=token, openid=openid))["errcode"] == 42001


@pytest.mark.gen_test
async def test_a_persons_token_is_renewed_for_thirty_days(simulator, site, client, clock):
    answer = await user_token(simulator, site, client)
    query = {
        "appid": simulator.app_id,
        "grant_type": "refresh_token",
        "refresh_token": answer["refresh_token"],
    }
    path = "/sns/oauth2/refresh_token"
    clock.advance(30 * 86400 - 1)
    renewed = await client.get(path, **query)
    assert renewed["openid"] == answer["openid"] and "unionid" not in renewed
    assert renewed["access_token"] != answer["access_token"]
    clock.advance(1)
    assert (await client.get(path, **query))["errcode"] == 42002
    assert (await client.get(path, **(query | {"refresh_token": "x"})))["errcode"] == 40030
    assert (await client.get(path, **(query | {"refresh_token": ""})))["errcode"] == 41003


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("appid=wx5a17c0de00000001", "appid=", 10012),
        ("scope=snsapi_userinfo", "scope=", 10010),
        ("scope=snsapi_userinfo", "scope=snsapi_login", 10005),
        ("state=abc123", "state=", 10013),
        ("&state=abc123", "", 10013),
        ("127.0.0.1%3A", "example.com%3A", 10003),
        ("127.0.0.1%3A", "127.0.0.1.example.com%3A", 10003),
        ("http%3A", "ftp%3A", 10003),
        ("127.0.0.1%3A", "%5Bbad%3A", 10003),
        ("%2F%2F127.0.0.1", "%2F%2Fuser%40127.0.0.1", 10003),
    ],
)
@pytest.mark.gen_test
async def test_a_wrong_link_shows_the_platforms_page_and_never_the_site(
    simulator, site, before, after, code
):
    assert before in site.link()
    page = await simulator.phone("wang").open(site.link().replace(before, after))
    assert f'data-code="{code}"' in page.text
    assert not site.seen and not simulator.world.codes


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("response_type=code&scope=snsapi_userinfo", "scope=snsapi_userinfo&response_type=code"),
        ("response_type=code", "response_type=token"),
        ("state=abc123", "state=" + "a" * 129),
        ("state=abc123", "state=a%20b"),
        ("state=abc123", "state=abc123&more=1"),
        ("appid=wx5a17c0de00000001", "appid=wx5a17c0de00000002"),
        ("%2Fcallback", "/callback"),
        ("#wechat_redirect", ""),
    ],
)
@pytest.mark.gen_test
async def test_a_link_out_of_order_does_not_open(simulator, site, before, after):
    assert before in site.link()
    page = await simulator.phone("wang").open(site.link().replace(before, after))
    assert "This link cannot be opened." in page.text
    assert not site.seen and not simulator.world.codes


@pytest.mark.gen_test
async def test_a_site_that_forgets_the_end_of_the_link_is_told(simulator, site):
    site.end = ""
    page = await simulator.phone("wang").bind(f"{site.url}/b/abc123")
    assert "#wechat_redirect" in page.text and not simulator.world.codes


@pytest.mark.gen_test
async def test_only_the_configured_domain_is_sent_back_to(simulator, site):
    simulator.oauth_hosts = ["example.com"]
    page = await simulator.phone("wang").open(site.link())
    assert 'data-code="10003"' in page.text
    simulator.oauth_hosts = [f"127.0.0.1:{site.port}"]
    assert asks_for_consent(await simulator.phone("wang").open(site.link()))


@pytest.mark.gen_test
async def test_another_browser_is_told_to_use_wechat(simulator, site, client):
    path = site.link().removeprefix(simulator.base_url).partition("#")[0]
    answer = await client.fetch(path)
    assert b"Please open this link in the WeChat client." in answer.body
    assert not simulator.world.codes


@pytest.mark.gen_test
async def test_the_answer_joins_a_query_that_is_already_there(simulator, site):
    back = quote(f"{site.url}/callback?from=qr", safe="")
    link = site.link(scope="snsapi_base").replace(quote(f"{site.url}/callback", safe=""), back)
    page = await simulator.phone("wang").open(link)
    assert page.url.startswith(f"{site.url}/callback?from=qr&code=")


@pytest.mark.gen_test
async def test_a_consent_page_is_answered_once(simulator, site):
    phone = simulator.phone("wang")
    page = await phone.open(site.link())
    await phone.agree(page)
    assert "This page is out of date." in (await phone.agree(page)).text
    assert len(simulator.world.codes) == 1


@pytest.mark.gen_test
async def test_a_snapshot_page_gives_a_made_up_person_until_the_full_service(
    simulator, site, client
):
    phone = simulator.phone("wang")
    phone.person.snapshot = True
    await phone.bind(f"{site.url}/b/abc123")
    [fake] = site.answers
    assert fake["is_snapshotuser"] == 1
    assert fake["openid"] != phone.person.openid and len(fake["openid"]) == 28
    assert fake["unionid"] != phone.person.unionid
    query = {"access_token": fake["access_token"], "openid": fake["openid"]}
    assert (await client.get("/sns/userinfo", **query))["errcode"] == 48001
    page = await phone.agree(await phone.use_full_service())
    assert page.text == f"bound {phone.person.openid}"
    assert "is_snapshotuser" not in site.answers[1]


@pytest.mark.gen_test
async def test_a_nickname_can_be_a_placeholder(simulator, site, client):
    simulator.world.placeholder_names = True
    answer = await user_token(simulator, site, client)
    query = {"access_token": answer["access_token"], "openid": answer["openid"]}
    profile = await client.get("/sns/userinfo", **query)
    assert (profile["nickname"], profile["headimgurl"]) == ("微信用户", "")
    assert profile["sex"] == 1  # a knob of its own


@pytest.mark.gen_test
async def test_a_persons_tokens_can_be_revoked(simulator, site, client):
    answer = await user_token(simulator, site, client)
    people = simulator.world.people
    query = {"access_token": answer["access_token"], "openid": answer["openid"]}
    renewal = {
        "appid": simulator.app_id,
        "grant_type": "refresh_token",
        "refresh_token": answer["refresh_token"],
    }
    simulator.world.revoke_web_tokens(people["li"])
    assert (await client.get("/sns/auth", **query))["errcode"] == 0
    simulator.world.revoke_web_tokens(people["wang"])
    assert (await client.get("/sns/auth", **query))["errcode"] == 40001
    assert (await client.get("/sns/userinfo", **query))["errcode"] == 40001
    path = "/sns/oauth2/refresh_token"
    assert (await client.get(path, **renewal))["errcode"] == 40030
    simulator.faults.answer(path, errcode=42007)
    assert (await client.get(path, **renewal))["errcode"] == 42007
    assert {answer["access_token"], answer["refresh_token"]} <= simulator.world.web_secrets


@pytest.mark.gen_test
async def test_every_token_of_a_person_is_remembered_for_log_scans(simulator, site, client):
    answer = await user_token(simulator, site, client)
    query = {
        "appid": simulator.app_id,
        "grant_type": "refresh_token",
        "refresh_token": answer["refresh_token"],
    }
    renewed = await client.get("/sns/oauth2/refresh_token", **query)
    given = {one[name] for one in (answer, renewed) for name in ("access_token", "refresh_token")}
    assert simulator.world.web_secrets == given and len(given) == 3


@pytest.mark.gen_test
async def test_a_snapshot_is_given_where_consent_is_asked_for_at_once(simulator, site, client):
    simulator.world.people["wang"].snapshot = True
    phone = simulator.phone("wang")
    for scope, made_up in (("snsapi_userinfo", True), ("snsapi_base", False)):
        site.scope = scope
        await phone.open(site.link())
        answer = site.answers[-1]
        assert (answer.get("is_snapshotuser") == 1) is made_up
        assert (answer["openid"] != phone.person.openid) is made_up
    query = {"access_token": site.answers[0]["access_token"], "openid": site.answers[0]["openid"]}
    assert (await client.get("/sns/userinfo", **query))["errcode"] == 48001
    await phone.open(site.link(scope="snsapi_userinfo"))
    page = await phone.use_full_service()
    await phone.agree(page)
    assert site.answers[-1]["openid"] == phone.person.openid
    assert "is_snapshotuser" not in site.answers[-1]
