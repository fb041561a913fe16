"""The headless phone."""

import pytest

from wx.simulator.phone import asks_for_consent


@pytest.mark.gen_test
async def test_a_person_binds_with_one_call(simulator, site):
    page = await simulator.phone("wang").bind(f"{site.url}/b/abc123")
    assert (page.status, page.text) == (200, f"bound {simulator.world.people['wang'].openid}")
    assert page.url.startswith(f"{site.url}/callback?code=")
    assert page.url.endswith("&state=abc123")


@pytest.mark.gen_test
async def test_each_step_can_be_taken_alone(simulator, site):
    phone = simulator.phone("li")
    page = await phone.open(f"{site.url}/b/abc123")
    assert [button.label for button in page.forms[0].buttons] == ["Bind", "This is not me"]
    page = await phone.submit(page, button="Bind")
    assert asks_for_consent(page)
    assert "wxbind demo" in page.text and "李静" in page.text
    page = await phone.refuse(page)
    assert page.text == "cancelled"
    assert page.url == f"{site.url}/callback?state=abc123"


@pytest.mark.gen_test
async def test_another_button_says_no(simulator, site):
    phone = simulator.phone("li")
    page = await phone.open(f"{site.url}/b/abc123")
    page = await phone.submit(page, button="This is not me")
    assert page.text == "refused"


@pytest.mark.gen_test
async def test_a_base_scope_asks_nothing(simulator, site):
    site.scope = "snsapi_base"
    page = await simulator.phone("zhang").bind(f"{site.url}/b/abc123")
    assert page.text == f"bound {simulator.world.people['zhang'].openid}"


@pytest.mark.gen_test
async def test_a_form_is_posted_as_a_browser_posts_it(simulator, site):
    await simulator.phone("wang").bind(f"{site.url}/b/abc123")
    method, uri, headers = site.seen[1]
    assert (method, uri) == ("POST", "/b/abc123")
    assert headers["Origin"] == site.url
    assert headers["Referer"] == f"{site.url}/b/abc123"
    assert headers["Cookie"] == "phone=here"
    assert "MicroMessenger" in headers["User-Agent"]
    assert headers["Sec-Fetch-Site"] == "same-origin"


@pytest.mark.gen_test
async def test_what_a_person_writes_opens_the_window_and_is_their_own_bubble(simulator):
    phone = simulator.phone("wang")
    await phone.say("hello")
    assert [(one.text, one.mine) for one in phone.person.chat] == [("hello", True)]
    assert phone.person.allowances["message"].left == 5
    assert phone.person.unread == 0


@pytest.mark.gen_test
async def test_following_and_leaving(simulator):
    phone = simulator.phone("li")
    await phone.follow()
    assert phone.person.following and phone.person.allowances["follow"].left == 3
    await phone.unfollow()
    assert not phone.person.following and not phone.person.allowances


@pytest.mark.gen_test
async def test_a_phone_sends_more_than_text(simulator, hook):
    await hook.set()
    phone = simulator.phone("wang")
    await phone.send("location", label="here")
    await phone.send("text", "chosen", menu_id="7")
    await phone.enter_chat()
    await simulator.pushes.settled()
    assert [post.fields.get("Label") for post in hook.posts] == ["here", None]
    assert hook.posts[1].fields["bizmsgmenuid"] == "7"
    assert [one.kind for one in phone.person.chat] == ["location", "text"]
