"""Sites on the drawn phone's screen."""

import json
from urllib.parse import quote, urlencode

import pytest

from wx.simulator.world import QRCode

CODE = "http://weixin.qq.com/q/abc"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def web(site, path):
    return f"/phone/wang/web/{site.url.replace('://', '/')}{path}"


@pytest.mark.gen_test
async def test_a_site_is_shown_without_what_runs(site, client):
    answer = await client.fetch(web(site, "/b/abc123"))
    text = answer.body.decode()
    assert answer.code == 200 and "<h1>Bind?</h1>" in text
    assert "alert" not in text and "onload" not in text
    assert f'href="{web(site, "/other")}?x=1&amp;y=2"' in text


@pytest.mark.gen_test
async def test_scripts_run_at_js_safe_hosts_only(simulator, site, client):
    address, module = web(site, "/b/abc123"), web(site, "/page.js")
    as_module = {"Sec-Fetch-Dest": "script", "Sec-Fetch-Mode": "cors"}
    for hosts, runs in (
        (None, True),
        (["127.0.0.1"], True),
        ([f"127.0.0.1:{site.port}"], True),
        (["other.example"], False),
        ([], False),
    ):
        simulator.js_hosts = hosts
        answer = await client.fetch(address)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert ("script-src 'self'; connect-src 'self'" in policy) is runs
        assert ("sandbox allow-forms allow-same-origin" in policy) is not runs
        assert (b"frame.js" in answer.body) is runs
        script = await client.fetch(module, headers=as_module)
        kind = "text/javascript" if runs else "text/plain"
        assert script.headers["Content-Type"].startswith(kind)
        assert (b"frames.phoneScope" in script.body) is runs
    assert site.seen[1][2]["Sec-Fetch-Mode"] == "cors"


@pytest.mark.gen_test
async def test_the_platforms_own_pages_run_nothing(simulator, site, client):
    consent = web(site, "/b/x").replace(str(site.port), str(simulator.port))
    consent = consent.replace("/b/x", site.link().partition(simulator.base_url)[2].split("#")[0])
    answer = await client.fetch(consent)
    assert "王小明" in answer.body.decode() and b"frame.js" not in answer.body
    assert "script-src" not in answer.headers["Content-Security-Policy"]


@pytest.mark.gen_test
async def test_a_script_that_is_no_module_is_no_script_any_more(site, client):
    for headers in (
        {"Sec-Fetch-Dest": "script", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"},
    ):
        answer = await client.fetch(web(site, "/page.js"), headers=headers)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.gen_test
async def test_a_scripts_request_passes_with_what_it_says(simulator, site, client, method):
    headers = {
        "Sec-Fetch-Dest": "empty",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "same-origin",
        "Origin": simulator.base_url,
        "Referer": simulator.base_url + web(site, "/b/one?x=1"),
        "Accept": "application/json",
        "Content-Type": "application/json",
        "X-XSRFToken": "abc",
        "X-Simulator-Person": "li",
        "Cookie": "session=desktop",
        "User-Agent": "Chrome at the desk",
    }
    answer = await client._client.fetch(
        simulator.base_url + web(site, "/echo"),
        method=method,
        headers=headers,
        body='{"a": 1}' if method != "GET" else None,
        allow_nonstandard_methods=True,
    )
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["X-Told"] == "yes" and "Set-Cookie" not in answer.headers
    told = json.loads(answer.body)
    sent = told["headers"]
    assert told["method"] == method
    assert (told["body"], sent.get("origin")) == (
        ("", None) if method == "GET" else ('{"a": 1}', site.url)
    )
    assert sent["referer"] == f"{site.url}/b/one?x=1"
    assert sent["accept"] == "application/json" and sent["x-xsrftoken"] == "abc"
    assert sent["sec-fetch-mode"] == "cors" and sent["sec-fetch-dest"] == "empty"
    assert sent["sec-fetch-site"] == "same-origin" and "MicroMessenger" in sent["user-agent"]
    assert "cookie" not in sent and "x-simulator-person" not in sent
    assert simulator.phone("wang").browser.jar.get(site.url, "echo") == "1"


@pytest.mark.gen_test
async def test_a_scripts_request_fails_where_a_browser_would_let_it(simulator, site, client):
    script = {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}
    elsewhere = quote(f"{simulator.base_url}/avatar/wang.svg", safe="")
    answer = await client.fetch(web(site, f"/echo?to={elsewhere}"), headers=script)
    assert answer.code == 502 and answer.headers["X-Simulator-Network-Error"] == "1"
    assert "Location" not in answer.headers and not answer.body
    answer = await client.fetch(web(site, "/echo?to=/echo"), headers=script)
    assert answer.code == 302 and answer.headers["Location"] == web(site, "/echo")
    site.server.stop()
    answer = await client.fetch(web(site, "/echo"), headers=script)
    assert answer.code == 502 and answer.headers["X-Simulator-Network-Error"] == "1"


@pytest.mark.gen_test
async def test_a_page_is_told_as_the_source_by_itself_and_not_by_the_last_one_shown(
    simulator, site, client
):
    await client.fetch(web(site, "/b/one"))
    await client.fetch(web(site, "/b/two"))
    script = {"Sec-Fetch-Dest": "empty", "Referer": simulator.base_url + web(site, "/b/one")}
    answer = await client.fetch(web(site, "/echo"), headers=script)
    assert json.loads(answer.body)["headers"]["referer"] == f"{site.url}/b/one"


@pytest.mark.gen_test
async def test_cookies_stay_at_the_simulator(simulator, site, client):
    answer = await client.fetch(web(site, "/b/abc123"), headers={"Cookie": "session=desktop"})
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in site.seen[0][2]
    await client.fetch(web(site, "/b/abc123"), headers={"Cookie": "session=desktop"})
    assert site.seen[1][2]["Cookie"] == "phone=here"
    assert simulator.phone("wang").browser.jar.get(site.url, "phone") == "here"


@pytest.mark.gen_test
async def test_a_form_is_posted_with_the_sites_own_origin_and_leads_to_the_consent(
    simulator, site, client
):
    await client.fetch(web(site, "/b/abc123"))
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": simulator.base_url,
        "Sec-Fetch-Site": "same-origin",
    }
    answer = await client.fetch(web(site, "/b/abc123"), "answer=yes", headers=headers)
    assert answer.code == 303
    consent = f"/phone/wang/web/{simulator.base_url.replace('://', '/')}/connect/oauth2/authorize?"
    assert answer.headers["Location"].startswith(consent)
    method, _, seen = site.seen[1]
    assert method == "POST" and seen["Origin"] == site.url
    assert seen["Referer"] == f"{site.url}/b/abc123" and seen["Cookie"] == "phone=here"
    answer = await client.fetch(answer.headers["Location"].partition("#")[0])
    assert "王小明" in answer.body.decode()


@pytest.mark.gen_test
async def test_a_site_sees_a_link_a_picture_and_a_scan_as_what_they_are(simulator, site, client):
    frame = {"Sec-Fetch-Dest": "iframe", "Accept-Language": "en"}
    inside = frame | {"Referer": simulator.base_url + web(site, "/b/one")}
    outside = frame | {"Referer": f"{simulator.base_url}/phone/wang/browser"}
    picture = inside | {"Sec-Fetch-Dest": "image"}
    await client.fetch(web(site, "/b/one"), headers=outside)
    await client.fetch(web(site, "/b/picture"), headers=picture)
    await client.fetch(web(site, "/b/two"), headers=inside)
    await client.fetch(web(site, "/b/scanned"), headers=outside)
    names = ("Sec-Fetch-Dest", "Sec-Fetch-Site", "Referer")
    assert [tuple(seen.get(name) for name in names) for _, _, seen in site.seen] == [
        ("document", "none", None),
        ("image", "same-origin", f"{site.url}/b/one"),
        ("document", "same-origin", f"{site.url}/b/one"),
        ("document", "none", None),
    ]
    assert {seen["Accept-Language"] for _, _, seen in site.seen} == {"en"}


@pytest.mark.gen_test
async def test_a_page_of_the_web_cannot_post_for_a_person(site, client):
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = await client.fetch(web(site, "/b/abc123"), "answer=yes", headers=headers)
    assert answer.code == 403 and not site.seen


@pytest.mark.parametrize("address", ["http/example.com/", "http/SELF/admin/state"])
@pytest.mark.gen_test
async def test_it_is_no_way_to_other_places(simulator, client, address):
    address = address.replace("SELF", f"127.0.0.1:{simulator.port}")
    answer = await client.fetch(f"/phone/wang/web/{address}")
    assert answer.code == 502 and b"This page did not open." in answer.body


@pytest.mark.gen_test
async def test_a_scanned_link_opens_on_the_phone(simulator, site, client):
    link = quote(f"{site.url}/b/abc123", safe="")
    answer = await client.fetch(f"/phone/scan?url={link}&person=li")
    assert answer.code == 303
    assert answer.headers["Location"] == f"/phone/li/browser?url={link}"
    page = (await client.fetch(answer.headers["Location"])).body.decode()
    address = f"/phone/li/web/{site.url.replace('://', '/')}/b/abc123"
    assert f'<iframe src="{address}"' in page
    assert (
        (await client.fetch(f"/phone/scan?url={link}"))
        .headers["Location"]
        .startswith("/phone/wang/")
    )


@pytest.mark.gen_test
async def test_a_link_to_elsewhere_is_not_scanned(client):
    answer = await client.fetch("/phone/scan?url=https%3A%2F%2Fexample.com%2F")
    assert answer.code == 400
    assert (await client.fetch("/phone/scan?url=http%3A%2F%2F127.0.0.1%2F&person=x")).code == 404


def add_code(simulator, *, lasts=None):
    ends = None if lasts is None else simulator.world.clock.monotonic() + lasts
    simulator.world.qr_codes["t"] = QRCode("t", CODE, "bindabc", False, ends)


@pytest.mark.parametrize(
    ("person", "shown", "pushed"), [("wang", "chat", ["SCAN"]), ("li", "account", [])]
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.gen_test
async def test_a_code_leads_followers_to_the_chat_and_others_to_the_card(
    simulator, client, person, shown, pushed, verb
):
    add_code(simulator)
    events = []
    simulator.world.listeners.append(lambda who, fields: events.append(fields["Event"]))
    query = urlencode({"url": f" {CODE} ", "person": person})
    if verb == "GET":
        answer = await client.fetch(f"/phone/scan?{query}")
    else:
        answer = await client.fetch("/phone/scan", query, headers=FORM)
    assert (answer.code, answer.headers["Location"]) == (303, f"/phone/{person}/{shown}")
    assert events == pushed


@pytest.mark.gen_test
async def test_a_code_that_is_over_or_never_was_tells_nobody(simulator, client, clock):
    add_code(simulator, lasts=60)
    events = []
    simulator.world.listeners.append(lambda who, fields: events.append(fields["Event"]))
    clock.advance(61)
    for url in (CODE, "https://weixin.qq.com/q/other", "http://weixin.qq.com/q/"):
        answer = await client.fetch(f"/phone/scan?{urlencode({'url': url, 'person': 'wang'})}")
        assert answer.headers["Location"] == "/phone/wang/scan?over"
    assert not events


@pytest.mark.gen_test
async def test_whose_phone_scans_a_code_is_asked_and_asking_scans_nothing(simulator, client):
    add_code(simulator)
    simulator.world.listeners.append(lambda who, fields: pytest.fail("nobody scanned"))
    evil = CODE + '"><b>'
    for url in (CODE, evil):
        page = (await client.fetch(f"/phone/scan?{urlencode({'url': url})}")).body.decode()
        assert "Whose phone scans this code?" in page and "<b>" not in page.split("asking")[1]
        for person in ("wang", "li", "zhang"):
            assert f'<button name="person" value="{person}">' in page
    assert f'name="url" value="{CODE}&quot;&gt;&lt;b&gt;"' in page


@pytest.mark.gen_test
async def test_a_pasted_link_opens_on_the_phone_that_it_was_pasted_on(site, client):
    fields = urlencode({"url": f"{site.url}/b/abc123", "person": "li"})
    answer = await client.fetch("/phone/scan", fields, headers=FORM)
    assert answer.code == 303 and answer.headers["Location"].startswith("/phone/li/browser?url=")
    for url in ("", "nonsense", "javascript:alert(1)", "https://weixin.qq.com.evil.example/q/x"):
        fields = urlencode({"url": url, "person": "li"})
        assert (await client.fetch("/phone/scan", fields, headers=FORM)).code == 400
    fields = urlencode({"url": CODE, "person": "nobody"})
    assert (await client.fetch("/phone/scan", fields, headers=FORM)).code == 404


@pytest.mark.gen_test
async def test_another_page_of_the_web_cannot_scan_by_a_form(simulator, client):
    add_code(simulator)
    headers = FORM | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = await client.fetch("/phone/scan", f"person=li&url={quote(CODE)}", headers=headers)
    assert answer.code == 403 and simulator.world.people["li"].scanned is None
