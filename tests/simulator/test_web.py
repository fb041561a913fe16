"""Sites on the drawn phone's screen."""

from urllib.parse import quote

import pytest


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
    assert answer.code == 302
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
