"""What holds for every answer: headers, hosts, languages, and how no is said."""

import asyncio
import json
from collections.abc import Mapping

import pytest
from tornado.httpclient import HTTPResponse

from tests.conftest import Ear
from tests.world import Desktop, World
from wx.errors import Refused, StorageUnavailable
from wx.service.invites import Invites
from wx.web.login import Home

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def assert_headers(answer: HTTPResponse, *, kept: bool = False) -> None:
    for name, value in HEADERS.items():
        assert answer.headers.get(name) == value, (answer.request.url, name)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy and "*" not in policy
    for rule in ("base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert rule in policy
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "Server" not in answer.headers
    assert kept or answer.headers["Cache-Control"] == "no-store"


async def raw(world: World, text: str) -> bytes:
    """What the server answers to these bytes, to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
    writer.write(text.encode("latin-1"))
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.gen_test(timeout=20)
async def test_every_kind_of_answer_has_the_security_headers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    json_wanted = {"Accept": "application/json"}
    post: dict[str, str] = {"method": "POST", "body": "x=1"}
    asked: list[tuple[int, str, Mapping[str, str], Mapping[str, str]]] = [
        (200, "/bind", {}, {}),
        (200, f"/bind/invites/{invite['id']}", {}, {}),
        (200, invite["qr"], {}, {}),
        (200, f"/b/{invite['url'].rpartition('/')[2]}", {}, {}),
        (200, "/healthz", {}, {}),
        (200, "/metrics", {}, {}),
        (303, "/", {}, {}),
        (303, "/login", {}, {}),
        (403, "/login", post, FORM),
        (403, f"/live/{invite['id']}", {}, {}),
        (404, "/nowhere", {}, {}),
        (404, "/nowhere", {}, json_wanted),
        (404, "/static/nowhere.css", {}, {}),
        (403, "/static/../server.py", {}, {}),
        (404, f"/b/{'x' * 43}", {}, {}),
        (400, "/callback", {}, {}),
        (405, "/logout", {}, {}),
        (410, f"/undo/{'x' * 43}", {}, {}),
        (421, "/login", {}, {"Host": "evil.example"}),
        (421, "/static/app.css", {}, {"Host": "evil.example"}),
    ]
    for status, path, how, headers in asked:
        answer = await desktop.fetch(path, headers=headers, **how)  # type: ignore[arg-type]
        assert answer.code == status, (path, answer.code)
        assert_headers(answer)
    static = await desktop.fetch("/static/app.css")
    assert static.code == 200
    assert_headers(static, kept=True)

    def broken(self: Home) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(Home, "get", broken)
    failed = await desktop.fetch("/")
    assert failed.code == 500
    assert_headers(failed)


@pytest.mark.gen_test(timeout=20)
async def test_the_policy_names_the_live_socket_and_the_avatars_hosts(world: World) -> None:
    policy = (await world.desktop().fetch("/login")).headers["Content-Security-Policy"]
    assert f"connect-src 'self' ws://127.0.0.1:{world.server.port};" in policy
    assert f"img-src 'self' data: {world.simulator.base_url};" in policy


@pytest.mark.gen_test(timeout=20)
async def test_another_site_s_name_is_answered_with_421(world: World) -> None:
    desktop = world.desktop()
    port = world.server.port
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{port + 1}",
        "localhost",
        f"127.0.0.1.evil.example:{port}",
        "::::",
        "[",
    ):
        for path in ("/login", "/bind", f"/b/{'x' * 43}", "/callback", "/nowhere"):
            assert (await desktop.fetch(path, headers={"Host": host})).code in (400, 421), host
    upper = await desktop.fetch("/login", headers={"Host": f"127.0.0.1:{port}".upper()})
    assert upper.code == 200
    page = await desktop.fetch("/login", headers={"Host": "evil.example"})
    assert world.base in page.body.decode() and b"evil.example" not in page.body


@pytest.mark.gen_test(timeout=20)
async def test_localhost_typed_for_the_loopback_address_leads_there(world: World) -> None:
    desktop = world.desktop()
    host = {"Host": f"localhost:{world.server.port}"}
    answer = await desktop.fetch("/login?lang=en", headers=host)
    assert answer.code == 302
    assert answer.headers["Location"] == f"{world.base}/login?lang=en"
    assert (await desktop.fetch("/login", method="POST", body="", headers=host | FORM)).code in (
        403,
        421,
    )
    evil = await desktop.fetch("//evil.example/", headers=host)
    assert evil.headers["Location"].startswith(world.base + "/")


@pytest.mark.gen_test(timeout=20)
async def test_a_crooked_request_line_leads_nowhere_else(world: World) -> None:
    host = f"localhost:{world.server.port}"
    for target in ("@evil.example/", ".evil.example/", "http://evil.example/"):
        answer = await raw(
            world, f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        assert b"Location" not in answer, target


@pytest.mark.gen_test(timeout=20)
async def test_the_page_speaks_the_browser_s_language_and_chinese_to_all_others(
    world: World,
) -> None:
    for asked, language in (
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("de,fr;q=0.5", "zh-CN"),
        ("", "zh-CN"),
        ("de,en;q=0.5", "en"),
        ("\xff;q=x,,;", "zh-CN"),
    ):
        text = (
            await world.desktop().fetch("/login", headers={"Accept-Language": asked})
        ).body.decode()
        assert f'<html lang="{language}">' in text, asked


@pytest.mark.gen_test(timeout=20)
async def test_the_language_switch_is_kept_and_beats_the_browser(world: World) -> None:
    desktop = world.desktop(language="en")
    page = (await desktop.fetch("/login")).body.decode()
    assert 'href="/login?lang=zh"' in page
    assert '<html lang="zh-CN">' in (await desktop.fetch("/login?lang=zh")).body.decode()
    page = (await desktop.fetch("/login")).body.decode()
    assert '<html lang="zh-CN">' in page and 'href="/login?lang=en"' in page
    for query in ("lang=xx", "lang=", "lang=%ff%fe", "lang=en%00", "lang[]=en"):
        answer = await desktop.fetch(f"/login?{query}")
        assert answer.code == 200 and '<html lang="zh-CN">' in answer.body.decode(), query
    missing = await desktop.fetch("/nowhere?lang=%ff")
    assert missing.code == 404 and "没有这个页面" in missing.body.decode()


ERRORS = [
    (403, "forbidden", "This is not allowed", "不允许这样做"),
    (404, "not-found", "There is no such page", "没有这个页面"),
    (410, "over", "This is over", "已经失效"),
    (500, "internal", "Something went wrong here", "出了点问题"),
    (503, "storage-unavailable", "Not available just now", "暂时无法使用"),
]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("status", "code", "english", "chinese"), ERRORS)
async def test_an_error_is_a_page_in_both_languages_and_json_for_a_program(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    english: str,
    chinese: str,
) -> None:
    causes: dict[int, Exception] = {
        410: Refused(410, "over", "This code is over. Please make a new one."),
        500: RuntimeError("a planted detail"),
        503: StorageUnavailable("disk I/O error at /var/x"),
    }

    async def ask(desktop: Desktop, accept: str) -> HTTPResponse:
        if status == 403:
            headers = FORM | {"Accept": accept}
            return await desktop.fetch("/logout", method="POST", body="", headers=headers)
        return await desktop.fetch("/nowhere" if status == 404 else "/", headers={"Accept": accept})

    def broken(self: Home) -> None:
        raise causes[status]

    monkeypatch.setattr(Home, "get", broken)
    for language, title in (("en", english), ("zh", chinese)):
        desktop = world.desktop(language=language)
        page = await ask(desktop, "text/html,*/*;q=0.8")
        assert page.code == status
        assert page.headers["Content-Type"] == "text/html; charset=UTF-8"
        text = page.body.decode()
        assert title in text and f'data-error="{code}"' in text
        answer = await ask(desktop, "application/json")
        assert answer.code == status
        assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
        error = json.loads(answer.body)["error"]
        assert set(error) == {"code", "message", "hint"} and error["code"] == code
        assert error["message"].isascii() == (language == "en")
        for one in (text, answer.body.decode()):
            assert "Traceback" not in one and "planted" not in one and "disk" not in one
        assert ("Retry-After" in page.headers) == (status == 503)


@pytest.mark.gen_test(timeout=20)
async def test_what_went_wrong_is_logged_without_its_text(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    detail = "-".join(("a", "planted", "detail"))

    def broken(self: Home) -> None:
        raise RuntimeError(detail)

    monkeypatch.setattr(Home, "get", broken)
    assert (await world.desktop().fetch("/?code=topsecret")).code == 500
    assert "RuntimeError" in caplog.text and "test_base.py" in caplog.text
    assert detail not in caplog.text and "topsecret" not in caplog.text


@pytest.mark.gen_test(timeout=20)
async def test_a_method_that_nobody_knows_is_not_written_down(world: World, ear: Ear) -> None:
    host = f"127.0.0.1:{world.server.port}"
    await raw(world, f"S3CRET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    assert [line for line in ear.lines if "? Home 405" in line]
    assert not ear.leaks({"S3CRET"})


@pytest.mark.gen_test(timeout=20)
async def test_a_refusal_tells_a_program_what_to_do_and_what_else_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: Home) -> None:
        raise Refused(
            409,
            "taken",
            "There is no account of the name %(name)s.",
            hint="There is a key of the name %(name)s. Revoke it first, or take another name.",
            more={"names": ["a"], "code": "never this one"},
            name="100%",
        )

    monkeypatch.setattr(Home, "get", refused)
    answer = await world.desktop().fetch("/", headers={"Accept": "application/json"})
    assert json.loads(answer.body)["error"] == {
        "names": ["a"],
        "code": "taken",
        "message": "There is no account of the name 100%.",
        "hint": "There is a key of the name 100%. Revoke it first, or take another name.",
    }
    page = await world.desktop().fetch("/")
    assert page.code == 409 and b"Revoke" not in page.body


@pytest.mark.gen_test(timeout=20)
async def test_the_address_behind_a_trusted_proxy_is_kept_as_its_network(world: World) -> None:
    await world.reconfigure(trusted_proxies="127.0.0.1")
    desktop = world.desktop()
    desktop.headers["X-Forwarded-For"] = "192.0.2.66, 198.51.100.9"
    desktop.headers["X-Real-Ip"] = "192.0.2.77"
    await desktop.log_in()
    assert [row["network"] for row in world.rows("SELECT * FROM sessions")] == ["198.51.100.0/24"]
    await world.reconfigure()
    desktop = world.desktop()
    desktop.headers["X-Forwarded-For"] = "198.51.100.9"
    await desktop.log_in()
    assert world.rows("SELECT network FROM sessions WHERE network = '127.0.0.0/24'")


@pytest.mark.gen_test(timeout=20)
async def test_a_request_is_not_begun_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await world.signed_in()
    begun, go = asyncio.Event(), asyncio.Event()
    real = Invites.last

    async def slow(self: Invites, session: object) -> object:
        begun.set()
        await go.wait()
        return await real(self, session)  # type: ignore[arg-type]

    monkeypatch.setattr(Invites, "last", slow)
    asking = asyncio.ensure_future(desktop.fetch("/bind"))
    await begun.wait()
    assert not world.server.site.idle.is_set()
    go.set()
    assert (await asking).code == 200
    for path in ("/nowhere", "/static/app.css", "/", "/healthz"):
        await desktop.fetch(path)
    assert world.server.site.idle.is_set()


@pytest.mark.gen_test(timeout=20)
async def test_a_static_file_is_kept_by_its_version_and_leads_nowhere_else(world: World) -> None:
    desktop = world.desktop()
    page = (await desktop.fetch("/login")).body.decode()
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    versioned = await desktop.fetch(address)
    assert versioned.code == 200 and "max-age=31536" in versioned.headers["Cache-Control"]
    for path in (
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/static/",
        "/static/simulator",
        "/static/%00",
    ):
        assert (await desktop.fetch(path)).code in (403, 404), path


@pytest.mark.gen_test(timeout=20)
async def test_headers_of_more_than_16_kib_are_refused(world: World) -> None:
    lines = "".join(f"X-Fill-{number}: {'x' * 1000}\r\n" for number in range(20))
    host = f"127.0.0.1:{world.server.port}"
    answer = await raw(world, f"GET /login HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
    assert not answer.startswith(b"HTTP/1.1 200")
    assert (await world.desktop().fetch("/login")).code == 200
