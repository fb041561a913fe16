"""Signatures for pages: what is signed, what is not, and where there is no JS ticket."""

import pytest

from wx.errors import Refused
from wx.protocol.jssdk import sign
from wx.service.jssdk import PER_MINUTE, URL_CHARACTERS

PATH = "/cgi-bin/ticket/getticket"
HERE = {"address": "127.0.0.1", "near": True}

GOOD = [
    "http://mp.weixin.qq.com?params=value",
    "https://x.example/",
    "https://x.example",
    "https://x.example:8443/a/b?c=d&e=%E7%8E%8B+%20&&f",
    "https://sub-domain.x.example./a;b=c/@user:1/~!$&'()*+,=[]|^`{}\"<>",
    "http://127.0.0.1:8000/pictures?from=singlemessage&isappinstalled=0",
    "http://[::1]:8000/a?b=http://evil.example/\\",
    "https://x.example/王?c=王",
    "HTTPS://X.Example/a",
    "https://under_score.example/",
    "https://x.example/" + "a" * (URL_CHARACTERS - 18),
]
BAD = [
    "",
    " ",
    "x",
    "/pictures",
    "//x.example/",
    "ftp://x.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "weixin://x.example/",
    "https:x.example/",
    "https:/x.example/",
    "https:///x.example/",
    "https://",
    "https://?a",
    "https:///",
    "https://:8000/",
    "https://x.example:/",
    "https://x.example:port/",
    "https://x.example:123456/",
    "https://user@x.example/",
    "https://user:password@x.example/",
    "https://x.example@evil.example/",
    "https://x.example\\@evil.example/",
    "https://x.example\\a",
    "https://x.example/a\\b",
    "https://-x.example/",
    "https://x example/",
    "https://x.example/a b",
    "https://x.example/a\tb",
    "https://x.example/a\nb",
    "https://x.example/a\r\nX: y",
    "https://x.example/a\0b",
    "https://x.example/a\x7fb",
    "https://x.example/a\x85b",
    "https://x.example/a\xa0b",
    "https://x.example/a\u200bb",
    "https://x.example/a\u202eb",
    "https://x.example/a\u2028b",
    "https://x.example/a\u3000b",
    "https://x.example/a\ufeffb",
    "https://x.example/a\ud800b",
    " https://x.example/",
    "https://x.example/ ",
    "https://x.example/#a b",
    "https://x.example/" + "a" * (URL_CHARACTERS - 17),
    "https://x.example/#" + "a" * URL_CHARACTERS,
    "https://%78.example/",
    "https://王.example/",
    "https://[::1/",
    "https://[evil.example]/",
]


@pytest.fixture
def jssdk(world):
    return world.server.services.jssdk


async def refusal(asked):
    with pytest.raises(Refused) as caught:
        await asked
    return caught.value


@pytest.mark.gen_test
async def test_an_address_is_signed_letter_by_letter(world, jssdk):
    for url in GOOD:
        made = await jssdk.config(url)
        [ticket] = world.simulator.world.js_tickets
        assert made.app_id == world.simulator.app_id
        assert made.timestamp == int(world.clock.now())
        assert made.signature == sign(ticket, made.nonce, made.timestamp, url), url
        assert (await jssdk.config(url)).nonce != made.nonce
    assert world.simulator.calls[PATH] == 1


@pytest.mark.gen_test
async def test_what_stands_behind_the_mark_is_not_signed(world, jssdk):
    made = await jssdk.config("https://x.example/a?b#c#d")
    [ticket] = world.simulator.world.js_tickets
    assert made.signature == sign(ticket, made.nonce, made.timestamp, "https://x.example/a?b")


@pytest.mark.gen_test
async def test_what_is_no_page_is_not_signed(world, jssdk):
    for url in BAD:
        error = await refusal(jssdk.config(url))
        assert (error.status, error.code) == (422, "bad-url"), url
    assert world.simulator.calls[PATH] == 0


@pytest.mark.gen_test
async def test_pages_of_ours_are_those_under_our_own_address(world, jssdk):
    base = world.base
    for path in ("/", "/pictures", "/pictures?lang=en#x", "/a//b", "/?x=http://evil.example/"):
        assert await jssdk.own_config(base + path, **HERE)
    host = base.removeprefix("http://")
    name, _, port = host.partition(":")
    for url in (
        base,
        f"{base}?a",
        f"{base}#a",
        f"{base}@evil.example/",
        f"{base}.evil.example/",
        f"{base}0/",
        f"{base}\\@evil.example/",
        f"https://{host}/",
        f"HTTP://{host}/",
        f"http://user@{host}/",
        f"http://user:password@{host}/",
        f"http://evil.example/{base}/",
        f"http://evil.example?{base}/",
        f"http://evil.example#{base}/",
        f"http://localhost:{port}/",
        f"http://{name}/",
        f"http://{name}:{int(port) + 1}/",
        f"http://{name}:0{port}/",
        f"http://{host}./",
        f"http://0x7f.0.0.1:{port}/",
        f"//{host}/",
        f"http:/{host}/",
        f"http:{host}/",
        f"http://{host}\\",
        f" {base}/",
        f"{base}/ ",
        f"{base}/a\\b",
        f"{base}/a\tb",
        "/pictures",
        "",
    ):
        error = await refusal(jssdk.own_config(url, **HERE))
        assert (error.status, error.code) == (422, "bad-url"), url


@pytest.mark.gen_test
async def test_one_address_gets_a_bounded_number_in_a_minute(world, jssdk):
    page = f"{world.base}/pictures"
    for number in range(PER_MINUTE):
        assert await jssdk.own_config(page, address=f"2001:db8::{number}", near=False)
    error = await refusal(jssdk.own_config(page, address="2001:db8::ffff", near=False))
    assert (error.status, error.code) == (429, "too-many-tries")
    assert await jssdk.own_config(page, address="2001:db8:0:1::1", near=False)
    for _ in range(PER_MINUTE + 1):
        assert await jssdk.own_config(page, **HERE), "which may be everybody behind a proxy"


@pytest.mark.parametrize(
    ("errcode", "status", "code", "hint"),
    [
        (48001, 502, "platform-error", "verified"),
        (40013, 502, "platform-error", "app_id"),
        (-1, 503, "platform-unavailable", "try again"),
        (45009, 503, "platform-unavailable", ""),
    ],
)
@pytest.mark.gen_test
async def test_where_there_is_no_ticket_it_is_told_why(world, jssdk, errcode, status, code, hint):
    world.simulator.faults.answer(PATH, errcode=errcode, times=None)
    error = await refusal(jssdk.config("https://x.example/"))
    assert (error.status, error.code) == (status, code)
    assert hint in error.hint and error.hint
    assert (error.retry_after is not None) == (status == 503)


@pytest.mark.gen_test
async def test_a_platform_that_is_away_is_told_too(world, jssdk):
    world.simulator.faults.drop(PATH)
    error = await refusal(jssdk.config("https://x.example/"))
    assert (error.status, error.code) == (503, "platform-unavailable")
