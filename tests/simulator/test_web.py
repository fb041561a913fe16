"""Sites on the drawn phone's screen."""

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
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert "sandbox allow-forms allow-same-origin" in policy


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
    assert f'sandbox="allow-forms allow-same-origin" src="{address}"' in page
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
