"""Every address, and the settings that hold for all of them."""

import inspect
import re

import pytest
from tornado.web import RequestHandler

from tests.world import World
from wx.web.api import ApiHandler
from wx.web.base import Base
from wx.web.routes import BARE, ROUTES
from wx.web.views import ViewHandler

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ID, SECRET = "a" * 22, "b" * 43
# Written to without a session, by a right of their own.
OPEN = ("/b/", "/undo/", "/s/", "/not-me/", "/login/codes")


def example(pattern: str) -> str:
    """An address that a pattern takes."""
    return (
        pattern.replace(r"([0-9A-Za-z]{43})", SECRET)
        .replace(r"([0-9A-Za-z]{22})", ID)
        .replace(r"([A-Za-z0-9]{1,64})", "X")
        .replace(r"([0-9A-Za-z_-]{1,128})", "wx_" + SECRET)
        .replace(r"([^/]+)", "name")
        .replace("\\", "")
    )


def writers() -> list[str]:
    """The addresses of pages that take a POST."""
    return [
        example(path)
        for path, handler in ROUTES
        if handler.post is not RequestHandler.post and not issubclass(handler, ApiHandler)
    ]


def test_only_what_goes_by_api_key_is_exempt_from_the_tokens() -> None:
    exempt = {
        handler.__name__
        for _, handler in ROUTES
        if handler.check_xsrf_cookie is not RequestHandler.check_xsrf_cookie
        or handler.check_trusted_origin is not Base.check_trusted_origin
    }
    assert exempt == {
        *("Notices", "OneNotice", "OneBinding", "Description"),
        *("AccessToken", "ServerChan", "AnyJsConfig"),
        *("Accounts", "Invites", "ConfirmInvite"),
        *("ViewStatus", "ViewPicture", "LiveView"),
    }
    assert exempt == {handler.__name__ for _, handler in ROUTES if issubclass(handler, ApiHandler)}


@pytest.mark.gen_test(timeout=20)
async def test_what_is_exempt_from_the_tokens_goes_by_no_session(world: World) -> None:
    await world.reconfigure(serverchan="true", wechat_server="true")
    desktop = await world.signed_in()
    open_to_all = {"/api/v1/openapi.json"}
    for path, handler in ROUTES:
        if not issubclass(handler, ApiHandler):
            continue
        assert not handler.needs_session
        for method in handler.methods():
            answer = await desktop.fetch(
                example(path), method=method, body="{}" if method == "POST" else None
            )
            if example(path) in open_to_all:
                assert answer.code == 200
            elif issubclass(handler, ViewHandler):
                assert answer.code in (204, 403, 404), "its address is what lets in"
            else:
                assert answer.code in (400, 401), path
                assert any(word in answer.body for word in (b"no-key", b"bad-key")), path
            assert "Set-Cookie" not in answer.headers


def test_the_webhook_alone_stands_beside_the_handlers_and_so_beside_the_tokens() -> None:
    assert list(BARE) == ["/wechat"]
    assert not any(re.fullmatch(pattern, "/wechat") for pattern, _ in ROUTES)


@pytest.mark.gen_test(timeout=20)
async def test_no_browser_s_form_does_anything_at_the_webhook(world: World) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    token = await desktop.xsrf("/bind")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": world.base, "X-XSRFToken": token},
        {"Content-Type": "text/plain"},
    ):
        answer = await desktop.fetch(
            "/wechat", method="POST", body=world.text().decode(), headers=headers
        )
        assert (answer.code, answer.body) == (400, b"400\n"), headers
    assert world.rows("SELECT * FROM inbox") == []
    assert (await world.send(world.text())).code == 200


def test_nothing_but_get_and_post_is_answered() -> None:
    for _, handler in ROUTES:
        methods = {"head", "put", "patch", "delete", "options"}
        if issubclass(handler, ViewHandler):
            methods.remove("options")  # a browser asks before a page elsewhere may ask
        for method in methods:
            assert getattr(handler, method) is getattr(RequestHandler, method), handler


@pytest.mark.gen_test(timeout=20)
async def test_every_form_is_refused_without_its_token(world: World) -> None:
    desktop = await world.signed_in()
    assert len(writers()) >= 10
    for path in writers():
        answer = await desktop.fetch(path, method="POST", body="a=b", headers=FORM)
        assert answer.code == 403, path
        assert b"data-" in answer.body and b"Traceback" not in answer.body


@pytest.mark.gen_test(timeout=20)
async def test_every_form_is_refused_with_a_token_of_somebody_else(world: World) -> None:
    other = await world.desktop().xsrf()
    desktop = await world.signed_in()
    for path in writers():
        answer = await desktop.post(path, token=other)
        assert answer.code == 403, path


@pytest.mark.gen_test(timeout=20)
async def test_every_form_is_refused_from_another_site_also_with_the_right_token(
    world: World,
) -> None:
    desktop = await world.signed_in()
    token = await desktop.xsrf("/bind")
    body = f"_xsrf={token.replace('|', '%7C')}"
    sister = world.base.replace("127.0.0.1", "localhost")
    for path in writers():
        for more in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": sister},
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            answer = await desktop.fetch(path, method="POST", body=body, headers=FORM | more)
            assert answer.code == 403, (path, more)
    assert (await desktop.fetch("/bind")).code == 200, "nobody was logged out by that"
    for more in ({"Origin": world.base}, {"Sec-Fetch-Site": "same-origin"}):
        answer = await desktop.fetch("/bind/invites", method="POST", body=body, headers=FORM | more)
        assert answer.code in (201, 303), more


@pytest.mark.gen_test(timeout=20)
async def test_the_token_may_come_in_a_header(world: World) -> None:
    desktop = await world.signed_in()
    token = await desktop.xsrf("/bind")
    headers = FORM | {"Accept": "application/json", "X-XSRFToken": token}
    answer = await desktop.fetch("/bind/invites", method="POST", body="", headers=headers)
    assert answer.code == 201


@pytest.mark.gen_test(timeout=20)
async def test_nothing_that_needs_a_session_is_answered_without_one(world: World) -> None:
    await world.reconfigure(pictures="true")
    stranger = world.desktop()
    token = await stranger.xsrf()
    for path in writers():
        if path in ("/login", "/enter", "/callback") or path.startswith(OPEN):
            continue
        assert (await stranger.post(path, token=token)).code == 401, path
        answer = await stranger.post(path, token=token, json_answer=True)
        assert answer.code == 401 and b'"code": "signed-out"' in answer.body
    for path in ("/bind", "/bind/notices", f"/bind/invites/{ID}", f"/bind/invites/{ID}/qr.svg"):
        assert (await stranger.fetch(path)).code in (303, 401), path


@pytest.mark.gen_test(timeout=20)
async def test_a_form_has_at_most_fifty_fields_and_holds_no_files(world: World) -> None:
    desktop = world.desktop()
    token = (await desktop.xsrf()).replace("|", "%7C")
    many = f"_xsrf={token}&username=ann&" + "&".join(f"f{number}=1" for number in range(60))
    assert (await desktop.fetch("/login", method="POST", body=many, headers=FORM)).code == 400
    parts = (
        f'--x\r\nContent-Disposition: form-data; name="_xsrf"\r\n\r\n{desktop.cookies["xsrf"]}\r\n'
        '--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nann\r\n--x--\r\n'
    )
    headers = {
        "Content-Type": "multipart/form-data; boundary=x",
        "X-XSRFToken": desktop.cookies["xsrf"],
    }
    answer = await desktop.fetch("/login", method="POST", body=parts, headers=headers)
    assert answer.code == 400


@pytest.mark.gen_test(timeout=20)
async def test_a_body_of_more_than_64_kib_is_refused(world: World) -> None:
    desktop = world.desktop()
    token = (await desktop.xsrf()).replace("|", "%7C")
    start = f"_xsrf={token}&username=ann&password="
    fits = start + "x" * (65536 - len(start))
    assert (await desktop.fetch("/login", method="POST", body=fits, headers=FORM)).code == 401
    answer = await desktop.fetch("/login", method="POST", body=fits + "x", headers=FORM)
    assert answer.code in (400, 413, 599)
    assert (await desktop.fetch("/login")).code == 200


def test_the_code_s_secret_and_the_ids_stand_in_no_other_pattern() -> None:
    for pattern, handler in ROUTES:
        assert re.compile(pattern)
        groups = re.compile(pattern).groups
        method = handler.get
        if method is RequestHandler.get:
            continue
        names = list(inspect.signature(method).parameters)[1:]
        assert len(names) >= groups or "args" in names, pattern
