"""Signatures over HTTP: for programs with a key, and for our own pages and nobody else's."""

import json
from urllib.parse import quote

import pytest

from tests.service.test_jssdk import BAD
from wx.protocol.jssdk import sign
from wx.service.jssdk import PER_MINUTE
from wx.simulator.jssdk import JsError

URL = "https://team.example/page?a=%20b#c"
TICKETS = "/cgi-bin/ticket/getticket"


async def api(world, url=URL, *, scope="js:read"):
    key = await world.key(scope)
    query = f"?url={quote(url, safe='')}"
    return await world.look(f"/api/v1/js-config{query}", headers={"Authorization": f"Bearer {key}"})


async def own(world, url, **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.look(f"/js-config?url={quote(url, safe='')}", headers=sent)


@pytest.mark.gen_test
async def test_a_program_gets_what_wx_config_takes(world):
    response = await api(world)
    assert response.code == 200
    said = json.loads(response.body)
    assert set(said) == {"appId", "timestamp", "nonceStr", "signature"}
    assert said["appId"] == world.simulator.app_id
    [ticket] = world.simulator.world.js_tickets
    right = sign(ticket, said["nonceStr"], said["timestamp"], "https://team.example/page?a=%20b")
    assert said["signature"] == right
    assert response.headers["Cache-Control"] == "no-store"
    assert ticket.encode() not in response.body


@pytest.mark.gen_test(timeout=20)
async def test_the_server_renews_the_ticket_by_itself_while_it_is_used(world):
    await world.server.services.jssdk.config(URL)
    await world.server.services.jssdk.config(URL)
    world.clock.advance(6900)
    await world.simulator.called(TICKETS, 2)


@pytest.mark.gen_test
async def test_a_key_must_be_good_for_it(world):
    assert (await world.look(f"/api/v1/js-config?url={quote(URL)}")).code == 401
    response = await api(world, scope="notices:read")
    assert response.code == 403
    assert json.loads(response.body)["error"]["code"] == "missing-scope"


@pytest.mark.gen_test
async def test_a_query_of_another_form_is_refused(world):
    key = await world.key("js:read")
    for query in ("", "?url=", "?url=x&url=y", "?u=x", "?url=%ff"):
        headers = {"Authorization": f"Bearer {key}"}
        response = await world.look(f"/api/v1/js-config{query}", headers=headers)
        assert response.code == 400, query
        assert json.loads(response.body)["error"]["code"] == "bad-request"
    headers = {"Authorization": f"Bearer {key}"}
    response = await world.look("/api/v1/js-config?url=javascript:x", headers=headers)
    assert (response.code, json.loads(response.body)["error"]["code"]) == (422, "bad-url")
    assert world.simulator.calls[TICKETS] == 0


@pytest.mark.gen_test(timeout=30)
async def test_a_page_of_ours_gets_one_for_itself(world):
    url = f"{world.base}/pictures?lang=en#x"
    for headers in (
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "same-origin", "Referer": url, "Sec_Fetch_Mode": "cors"},
        {"Referer": url},
        {"Referer": f"{world.base}/"},
        {"Origin": world.base},
        {},
    ):
        response = await own(world, url, **headers)
        assert response.code == 200, headers
        said = json.loads(response.body)
        [ticket] = world.simulator.world.js_tickets
        page = f"{world.base}/pictures?lang=en"
        assert said["signature"] == sign(ticket, said["nonceStr"], said["timestamp"], page)
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Type"].startswith("application/json")
        assert "Access-Control-Allow-Origin" not in response.headers
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.gen_test
async def test_a_page_whose_signature_is_refused_gets_one_that_is_not(world):
    await world.bound("ann", "wang")
    phone = world.simulator.phone("wang")
    page = await phone.open(f"{world.base}/enter")  # and is signed in
    asked = f"/js-config?url={quote(page.url, safe='')}"
    await phone.configure(page, (await phone.browser.fetch(page, asked)).json())
    world.simulator.faults.kill_js_tickets()
    world.clock.advance(600)
    with pytest.raises(JsError, match="invalid signature"):
        await phone.configure(page, (await phone.browser.fetch(page, asked)).json())
    await phone.configure(page, (await phone.browser.fetch(page, f"{asked}&again=1")).json())
    assert world.simulator.calls[TICKETS] == 2
    # Neither strangers nor other sites' pages can make the server fetch.
    world.clock.advance(600)
    assert (await world.look(f"{asked}&again=1")).code == 200
    answer = await own(world, f"{world.base}/&again=1", Sec_Fetch_Site="cross-site")
    assert answer.code == 403
    assert (await own(world, "https://evil.example/")).code == 422
    assert world.simulator.calls[TICKETS] == 2
    assert (await world.look(f"{asked}&again=2")).code == 400


@pytest.mark.gen_test(timeout=30)
async def test_one_address_asks_a_bounded_number_of_times(world):
    await world.reconfigure(trusted_proxies="127.0.0.1")
    url = f"{world.base}/pictures"
    for _ in range(PER_MINUTE):
        assert (await own(world, url, X_Forwarded_For="203.0.113.5")).code == 200
    response = await own(world, url, X_Forwarded_For="203.0.113.5")
    assert response.code == 429 and "Retry-After" in response.headers
    assert (await own(world, url, X_Forwarded_For="203.0.113.6")).code == 200


@pytest.mark.gen_test(timeout=30)
async def test_other_sites_pages_get_none(world):
    url = f"{world.base}/pictures"
    port = world.server.port
    for headers in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": ""},
        {"Sec_Fetch_Site": "Same-Origin"},
        {"Sec_Fetch_Site": "same-origin, cross-site"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "same-origin", "Referer": "https://evil.example/"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"{world.base}.evil.example"},
        {"Origin": f"{world.base}/"},
        {"Origin": f"http://localhost:{port}"},
        {"Origin": f"https://127.0.0.1:{port}"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
        {"Referer": "https://evil.example/"},
        {"Referer": f"https://evil.example/?{world.base}/"},
        {"Referer": f"{world.base}.evil.example/"},
        {"Referer": f"{world.base}@evil.example/"},
        {"Referer": f"{world.base}0/"},
        {"Referer": f"http://user@127.0.0.1:{port}/"},
        {"Referer": ""},
        {"Origin": world.base, "Referer": "https://evil.example/"},
    ):
        response = await own(world, url, **headers)
        assert response.code == 403, headers
        assert json.loads(response.body)["error"]["code"] == "forbidden"
    assert world.simulator.calls[TICKETS] == 0


@pytest.mark.gen_test(timeout=60)
async def test_only_addresses_of_ours_are_signed_for_pages(world):
    for url in [*BAD, URL, "https://evil.example/", f"{world.base}.evil.example/"]:
        if "\ud800" in url:
            continue
        response = await own(world, url, Sec_Fetch_Site="same-origin")
        assert response.code == 422, url
        assert json.loads(response.body)["error"]["code"] == "bad-url"
    assert (await world.look("/js-config")).code == 422
    assert (await world.look(f"/js-config?url={world.base}/&url={world.base}/")).code == 400
    assert (await world.look("/js-config?url=%ff%fe")).code == 422
    assert world.simulator.calls[TICKETS] == 0


@pytest.mark.gen_test
async def test_where_wechat_gives_no_ticket_both_are_told(world):
    world.simulator.faults.answer(TICKETS, errcode=48001, times=None)
    response = await api(world)
    assert response.code == 502
    error = json.loads(response.body)["error"]
    assert (error["code"], error["errcode"]) == ("platform-error", 48001)
    assert "微信" in error["message"] and error["hint"]
    response = await own(world, f"{world.base}/pictures")
    assert response.code == 502
    assert json.loads(response.body)["error"]["code"] == "platform-error"


@pytest.mark.gen_test
async def test_a_used_up_quota_says_when_to_come_back(world):
    world.simulator.faults.answer(TICKETS, errcode=45009, times=None)
    response = await own(world, f"{world.base}/pictures")
    assert response.code == 503
    assert int(response.headers["Retry-After"]) > 60


@pytest.mark.gen_test
async def test_another_host_s_name_gets_none(world):
    response = await world.look("/js-config?url=x", headers={"Host": "evil.example"})
    assert response.code == 421
