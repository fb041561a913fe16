"""The phone's own browser."""

from urllib.parse import quote

import pytest

from wx.simulator.browser import BrowserError


@pytest.mark.gen_test
async def test_endless_redirects_end(simulator, site):
    with pytest.raises(BrowserError, match="too many redirects"):
        await simulator.phone("wang").open(f"{site.url}/loop")
    assert len(site.seen) == 11


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://127.0.0.1.example.com/",
        "http://user@127.0.0.1/",
        "file:///etc/passwd",
        "http://[bad",
        "http://10.0.0.1/",
    ],
)
@pytest.mark.gen_test
async def test_a_phone_goes_nowhere_but_this_machine(simulator, url):
    phone = simulator.phone("wang")
    assert not phone.browser.may_open(url)
    with pytest.raises(BrowserError):
        await phone.open(url)


@pytest.mark.parametrize("url", ["http://example.com/", "http://127.0.0.1:99999/", "http://[bad"])
@pytest.mark.gen_test
async def test_a_redirect_to_elsewhere_is_not_followed(simulator, site, url):
    with pytest.raises(BrowserError):
        await simulator.phone("wang").open(f"{site.url}/away?to={quote(url)}")


@pytest.mark.gen_test
async def test_a_way_over_another_site_is_not_forgotten(simulator, site):
    site.scope = "snsapi_base"
    await simulator.phone("wang").bind(f"{site.url}/b/abc123")
    sites = [headers["Sec-Fetch-Site"] for _, _, headers in site.seen]
    assert sites == ["none", "same-origin", "same-site"]


@pytest.mark.gen_test
async def test_a_phone_reaches_the_platform_but_not_the_knobs(simulator):
    browser = simulator.phone("wang").browser
    assert browser.may_open(f"{simulator.base_url}/connect/oauth2/authorize")
    for path in ("/admin/state", "/phone/wang", "/cgi-bin/token", "/"):
        assert not browser.may_open(simulator.base_url + path)
        assert not browser.may_open(f"http://localhost:{simulator.port}{path}")


@pytest.mark.gen_test
async def test_configured_hosts_are_allowed(simulator):
    simulator.oauth_hosts = ["wx.example.com"]
    browser = simulator.phone("wang").browser
    assert browser.may_open("https://wx.example.com/b/x")
    assert not browser.may_open("https://example.com/b/x")


@pytest.mark.gen_test
async def test_nobody_there_is_an_error_of_the_browser(simulator, site):
    site.server.stop()
    with pytest.raises(BrowserError, match="no usable answer came"):
        await simulator.phone("wang").open(f"{site.url}/b/x")


@pytest.mark.gen_test
async def test_people_do_not_share_cookies(simulator, site):
    await simulator.phone("wang").open(f"{site.url}/b/x")
    await simulator.phone("wang").open(f"{site.url}/b/x")
    await simulator.phone("li").open(f"{site.url}/b/x")
    assert [headers.get("Cookie") for _, _, headers in site.seen] == [None, "phone=here", None]


@pytest.mark.gen_test
async def test_an_old_phone_sends_no_fetch_metadata(simulator, site):
    phone = simulator.phone("wang")
    await phone.open(f"{site.url}/b/x")
    assert site.seen[0][2]["Sec-Fetch-Site"] == "none"
    phone.browser.sends_fetch_metadata = False
    await phone.open(f"{site.url}/b/x")
    assert not [name for name in site.seen[1][2] if name.startswith("Sec-")]


@pytest.mark.gen_test
async def test_the_site_does_not_learn_who_holds_the_phone(simulator, site):
    await simulator.phone("wang").bind(f"{site.url}/b/abc123")
    assert not [name for _, _, seen in site.seen for name in seen if "Simulator" in name]


@pytest.mark.gen_test
async def test_a_script_of_a_page_asks_with_the_persons_cookies(simulator, site):
    phone = simulator.phone("wang")
    page = await phone.open(f"{site.url}/b/one?x=1")
    answer = await phone.browser.fetch(page, "/echo?a=b", headers={"X-Mark": "1"})
    assert (answer.status, answer.url) == (200, f"{site.url}/echo?a=b")
    told = answer.json()
    sent = told["headers"]
    assert (told["method"], sent["cookie"], sent["x-mark"]) == ("GET", "phone=here", "1")
    assert sent["referer"] == f"{site.url}/b/one?x=1" and "origin" not in sent
    names = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")
    assert [sent[name] for name in names] == ["same-origin", "cors", "empty"]
    assert phone.browser.jar.get(site.url, "echo") == "1"
    other = await simulator.phone("li").browser.fetch(page, "/echo")
    assert "cookie" not in other.json()["headers"]


@pytest.mark.gen_test
async def test_a_script_sends_a_form_or_json(simulator, site):
    browser = simulator.phone("wang").browser
    told = (await browser.fetch(site.url + "/b/one", "/echo", fields={"word": "猫 & 1"})).json()
    assert told["body"] == "word=%E7%8C%AB+%26+1" and told["method"] == "POST"
    assert told["headers"]["content-type"].startswith("application/x-www-form-urlencoded")
    assert told["headers"]["origin"] == site.url
    told = (await browser.fetch(site.url, "/echo", json={"word": "猫"})).json()
    assert told["body"] == '{"word": "猫"}'
    assert told["headers"]["content-type"] == "application/json"
    told = (await browser.fetch(site.url, "/echo", method="DELETE")).json()
    assert (told["method"], told["headers"]["origin"]) == ("DELETE", site.url)
    told = (await browser.fetch(site.url, "/echo", method="POST")).json()
    assert (told["method"], told["body"]) == ("POST", "")


@pytest.mark.gen_test
async def test_a_script_follows_redirects_of_its_own_site_and_reads_no_other(simulator, site):
    browser = simulator.phone("wang").browser
    answer = await browser.fetch(site.url, "/echo?to=/echo", fields={"a": "1"})
    assert answer.url == f"{site.url}/echo" and answer.json()["method"] == "GET"
    away = f"/echo?to={quote(simulator.base_url + '/avatar/wang.svg', safe='')}"
    for path in (away, f"{simulator.base_url}/avatar/wang.svg", "http://127.0.0.1:9/"):
        with pytest.raises(BrowserError, match="elsewhere"):
            await browser.fetch(site.url, path)
    with pytest.raises(BrowserError, match="too many"):
        await browser.fetch(site.url, "/loop")
    site.server.stop()
    with pytest.raises(BrowserError, match="no usable answer"):
        await browser.fetch(site.url, "/echo")


@pytest.mark.gen_test
async def test_cookies_are_kept_for_each_person_over_many_pages(simulator, site):
    wang, li = simulator.phone("wang"), simulator.phone("li")
    for phone in (wang, li):
        phone.browser.jar.store(site.url, [f"who={phone.person.id}; Path=/"])
    for _ in range(3):
        for phone in (wang, li):
            page = await phone.open(f"{site.url}/b/x")
            told = await phone.browser.fetch(page, "/echo")
            assert f"who={phone.person.id}" in told.json()["headers"]["cookie"].split("; ")
    sent = [seen["Cookie"] for _, path, seen in site.seen if path == "/b/x"]
    assert [("who=wang" in one, "who=li" in one) for one in sent] == [
        (True, False),
        (False, True),
    ] * 3
