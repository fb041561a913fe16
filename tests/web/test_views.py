"""What pages elsewhere follow a code by: to whom it is told, and until when."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.httpclient import HTTPClientError, HTTPResponse
from tornado.httputil import HTTPHeaders

from tests.web.test_invites import opened, reachable
from tests.world import Socket, World
from wx.service.api_keys import ApiKeys
from wx.service.views import AFTERWARDS_SECONDS
from wx.store import database
from wx.store.database import Database
from wx.web import live as live_sockets

APP = "https://app.example.com"
OTHER = "http://192.168.1.7:8080"
HOSTILE = [
    "null",
    "",
    "*",
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com/",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "https://app.example.com.",
    "https://app.example.com.evil.example",
    "https://evil.example/https://app.example.com",
    "https://evil.example#https://app.example.com",
    "https://app.example.com@evil.example",
    "https://evilapp.example.com",
    "https://sub.app.example.com",
    "https://APP.example.com",
    "HTTPS://app.example.com",
    "https://app.example.com, https://evil.example",
    "https://app.example.com https://app.example.com",
    "https://app.example.com,https://app.example.com",
    "https://app.example.com\t\\",
    "app.example.com",
    "//app.example.com",
    "wss://app.example.com",
    "http://192.168.1.7",
    "http://192.168.1.7:80800",
    "https://xn--pp-2ia.example.com",
]


async def ready(world: World, **keys: str) -> tuple[str, dict[str, Any]]:
    """A server whose codes two other sites may show, a key, and a code of its."""
    await world.reconfigure(invite_origins=f"{APP},{OTHER}", **keys)
    key = await world.key("invites:write", name="site")
    return key, await opened(world, key)


def path(invite: dict[str, Any], rest: str = "") -> str:
    """The path of a view."""
    return f"/view/{invite['view']}{rest}"


async def live(
    world: World, invite: dict[str, Any], *, origin: str = APP, **headers: str
) -> Socket:
    """The socket of a page elsewhere."""
    sent = {"Origin": origin, "Accept-Language": "en", "Sec-Fetch-Site": "cross-site"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    at = invite["live"].removeprefix(world.base.replace("http", "ws", 1))
    return await world.desktop().live({"live": at}, headers=sent)


async def refused(world: World, invite: dict[str, Any], **headers: str) -> int:
    """The status that the upgrade is refused with."""
    with pytest.raises(HTTPClientError) as error:
        await live(world, invite, **headers)
    return error.value.code


async def revoke(world: World, name: str) -> None:
    """End a key as the command line does, through a database door of its own."""
    async with await Database.open(world.folder / "data" / database.FILE) as door:
        await ApiKeys(door, world.clock).revoke(name)


def no(answer: HTTPResponse, status: int, code: str) -> dict[str, Any]:
    """The error that was told."""
    assert answer.code == status, (answer.code, answer.body)
    told: dict[str, Any] = json.loads(answer.body)["error"]
    assert told["code"] == code and told["message"]
    assert "Set-Cookie" not in answer.headers
    return told


# How it stands


@pytest.mark.gen_test(timeout=20)
async def test_the_view_tells_what_a_live_frame_tells(world: World) -> None:
    _, invite = await ready(world)
    answer = await world.ask(path(invite))
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    frame = json.loads(answer.body)
    assert frame == {
        "state": "waiting",
        "expires_in": 600,
        "number": invite["number"],
        "follower": None,
        "message": "Scan the code with WeChat.",
        "confirm": False,
    }
    socket = await live(world, invite)
    assert await socket.frame() == frame
    world.clock.advance(600)
    assert (await socket.until("expired"))["expires_in"] == 0
    assert json.loads((await world.ask(path(invite))).body)["state"] == "expired"


@pytest.mark.gen_test(timeout=20)
async def test_whoever_is_bound_is_shown_by_whole_addresses(world: World) -> None:
    _, invite = await ready(world)
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200
    told = json.loads((await world.ask(path(invite))).body)
    assert (told["state"], told["follower"]["nickname"]) == ("bound", "王小明🌻")
    assert told["follower"]["avatar"].startswith(world.simulator.base_url)
    world.rows("UPDATE followers SET avatar = ''")
    told = json.loads((await world.ask(path(invite))).body)
    avatar = told["follower"]["avatar"]
    assert avatar.startswith(f"{world.base}/static/avatar.svg?v=")
    picture = await world.look(avatar.removeprefix(world.base))
    assert picture.code == 200
    assert picture.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    other = await world.look("/static/live.js")
    assert other.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.gen_test(timeout=20)
async def test_the_language_is_that_of_the_header_alone_and_no_cookie_is_read_or_set(
    world: World,
) -> None:
    _, invite = await ready(world)
    for sent, message in (
        ({"Accept-Language": "zh-CN"}, "请用微信扫描二维码。"),
        ({"Accept-Language": "zh-CN", "Cookie": "lang=en"}, "请用微信扫描二维码。"),
        ({"Accept-Language": ""}, "请用微信扫描二维码。"),
        ({"Accept-Language": "en"}, "Scan the code with WeChat."),
        (
            {"Accept-Language": "en", "User-Agent": "MicroMessenger/8.0"},
            "Scan the code with WeChat.",
        ),
    ):
        answer = await world.ask(path(invite), headers=sent | {"Origin": APP})
        assert json.loads(answer.body)["message"] == message
        assert "Set-Cookie" not in answer.headers
        frame = await (await live(world, invite, **sent)).frame() or {}
        assert frame["message"] == message
    answer = await world.ask(path(invite) + "?lang=en")
    no(answer, 400, "bad-request")


@pytest.mark.gen_test(timeout=20)
async def test_a_cookie_of_ours_opens_no_view_and_a_view_no_page(world: World) -> None:
    _, invite = await ready(world)
    desktop = await world.signed_in()
    await desktop.invite()
    session = {"view": desktop.cookies["session"]}
    no(await world.ask(path(session)), 404, "unknown-view")
    own = {"live": f"{world.base.replace('http', 'ws')}/view/{session['view']}/live"}
    assert await refused(world, own) == 404
    thief = world.desktop()
    thief.cookies["session"] = invite["view"]
    assert (await thief.fetch("/bind")).code == 303
    assert (await thief.fetch(f"/b/{invite['view']}")).code == 404


@pytest.mark.gen_test(timeout=20)
async def test_the_picture_is_the_code_s_and_any_page_may_show_it(world: World) -> None:
    _, invite = await ready(world)
    desktop = await world.signed_in()
    hers = await desktop.invite()
    picture = await world.look(path(invite, "/qr.svg?route=oauth"))
    assert picture.code == 200 and picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert picture.body.startswith(b"<svg ") and invite["view"].encode() not in picture.body
    assert picture.body != (await desktop.fetch(hers["qr"])).body
    assert (await world.look(path(invite, "/qr.svg"))).body == picture.body
    no(await world.ask(path(invite, "/qr.svg?route=x")), 400, "bad-request")
    no(await world.ask(path({"view": "a" * 43}, "/qr.svg")), 404, "unknown-view")


@pytest.mark.gen_test(timeout=20)
async def test_the_picture_of_the_scan_route_is_never_that_of_the_other(world: World) -> None:
    await world.open_webhook(invite_origins=APP)
    invite = await opened(world, await world.key("invites:write"))
    scan = await world.look(path(invite, "/qr.svg?route=scan"))
    link = await world.look(path(invite, "/qr.svg?route=oauth"))
    assert scan.code == link.code == 200 and scan.body != link.body
    codes = world.server.services.codes
    codes._codes.clear()
    codes._pause("a test")
    no(await world.ask(path(invite, "/qr.svg?route=scan")), 503, "no-picture")


# Whom it is told to


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("rest", ["", "/qr.svg"])
async def test_pages_of_the_sites_that_are_named_may_read_it_and_no_cookies_go_along(
    world: World, rest: str
) -> None:
    _, invite = await ready(world)
    for origin in (APP, OTHER, world.base):
        answer = await world.ask(path(invite, rest), headers={"Origin": origin})
        assert answer.code == 200
        assert answer.headers.get_list("Access-Control-Allow-Origin") == [origin]
        assert answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    nobody = await world.ask(path(invite, rest))
    assert nobody.code == 200 and nobody.headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in nobody.headers


@pytest.mark.gen_test(timeout=60)
async def test_pages_of_all_others_are_refused(world: World) -> None:
    _, invite = await ready(world)
    for origin in HOSTILE:
        for rest in ("", "/qr.svg"):
            for method in ("GET", "OPTIONS"):
                answer = await world.ask(
                    path(invite, rest), method=method, headers={"Origin": origin}
                )
                no(answer, 403, "foreign-origin")
                assert "Access-Control-Allow-Origin" not in answer.headers
                assert answer.headers["Vary"] == "Origin"
        assert await refused(world, invite, Origin=origin) == 403
    twice = HTTPHeaders({"Origin": APP})
    twice.add("Origin", APP)
    no(await world.ask(path(invite), headers=twice), 403, "foreign-origin")
    assert len(world.server.services.hub) == 0


@given(origin=st.one_of(st.text("htps:/.example-app,0123456789 ", max_size=40), st.just(APP)))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_origin_is_let_in_only_if_it_is_one_of_those(
    world: World, io_loop: Any, origin: str
) -> None:
    async def ask() -> None:
        if not world.server.config.invite_origins:
            await ready(world)
        answer = await world.ask(f"/view/{'a' * 43}", headers={"Origin": origin})
        known = origin.strip() in (APP, OTHER, world.base)
        no(answer, *((404, "unknown-view") if known else (403, "foreign-origin")))
        assert ("Access-Control-Allow-Origin" in answer.headers) == known

    io_loop.run_sync(ask, timeout=20)


@pytest.mark.gen_test(timeout=20)
async def test_without_the_setting_only_programs_and_our_own_pages_ask(world: World) -> None:
    invite = await opened(world, await world.key("invites:write"))
    no(await world.ask(path(invite), headers={"Origin": APP}), 403, "foreign-origin")
    assert await refused(world, invite) == 403
    assert (await world.ask(path(invite))).code == 200
    assert (await world.ask(path(invite), headers={"Origin": world.base})).code == 200
    assert await (await live(world, invite, origin=world.base)).frame()


@pytest.mark.gen_test(timeout=20)
async def test_a_page_that_may_ask_may_also_read_why_not(world: World) -> None:
    _, invite = await ready(world)
    for code, method, status, name in (
        ("a" * 43, "GET", 404, "unknown-view"),
        (invite["view"], "PUT", 403, "forbidden"),
        (invite["view"], "HEAD", 405, ""),
    ):
        answer = await world.ask(
            path({"view": code}), method=method, headers={"Origin": APP}, body=None
        )
        assert answer.code == status
        if name:
            no(answer, status, name)
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.gen_test(timeout=20)
async def test_a_preflight_is_answered_for_those_who_may_ask(world: World) -> None:
    _, invite = await ready(world)
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "x-mine",
    }
    answer = await world.ask(path(invite), method="OPTIONS", headers=asked)
    assert answer.code == 204 and answer.body == b""
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Allow-Methods"] == "GET"
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert answer.headers["Vary"] == "Origin"
    for header in ("Credentials", "Headers", "Private-Network"):
        assert f"Access-Control-Allow-{header}" not in answer.headers
    bare = await world.ask(path(invite), method="OPTIONS")
    assert bare.code == 204 and bare.headers["Allow"] == "GET, OPTIONS"
    assert "Access-Control-Allow-Methods" not in bare.headers


@pytest.mark.gen_test(timeout=20)
async def test_the_view_changes_nothing(world: World) -> None:
    _, invite = await ready(world)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for rest in ("", "/qr.svg"):
            body = None if method == "DELETE" else b"state=bound"
            answer = await world.ask(path(invite, rest), method=method, body=body)
            no(answer, 405, "bad-method")
            assert answer.headers["Allow"] == "GET, OPTIONS"
    for address in (path(invite, "/"), path(invite, "/confirm"), "/view/", path(invite)[:-1]):
        assert (await world.ask(address)).code == 404
    assert (await world.ask(path(invite), headers={"Host": "evil.example"})).code == 421
    [row] = world.rows("SELECT state FROM invites")
    assert row["state"] == "waiting"


# The socket


@pytest.mark.gen_test(timeout=20)
async def test_the_socket_tells_each_change_and_ends_with_the_code(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_sockets, "LINGER_SECONDS", 0.2)
    _, invite = await ready(world)
    one, two = await live(world, invite), await live(world, invite, origin=OTHER)
    for socket in (one, two):
        assert (await socket.frame() or {})["state"] == "waiting"
    phone = world.simulator.phone("wang")
    question = await phone.open(invite["url"])
    for socket in (one, two):
        assert (await socket.frame() or {})["state"] == "scanned"
    await phone.agree(await phone.submit(question))
    for socket in (one, two):
        assert (await socket.until("bound"))["follower"]["nickname"] == "王小明🌻"
        assert await socket.frame() is None
        assert socket.connection.close_code == 1000
    assert len(world.server.services.hub) == 0
    late = await live(world, invite)
    assert (await late.frame() or {})["state"] == "bound"
    assert await late.frame() is None


@pytest.mark.gen_test(timeout=20)
async def test_who_leaves_after_the_last_state_leaves_no_timer_behind(world: World) -> None:
    _, invite = await ready(world)
    socket = await live(world, invite)
    await socket.frame()
    hub = world.server.services.hub
    (listener,) = hub._topics[invite["id"]]
    world.clock.advance(600)
    await socket.until("expired")
    hub.publish(invite["id"])
    assert await socket.frame()
    leaving = listener._leaving  # type: ignore[attr-defined]
    assert leaving and not leaving.cancelled()
    socket.close()
    async with asyncio.timeout(5):
        while len(hub):  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert leaving.cancelled() and listener._leaving is leaving  # type: ignore[attr-defined]


@pytest.mark.gen_test(timeout=20)
async def test_a_name_that_comes_late_is_still_told(world: World) -> None:
    _, invite = await ready(world)
    world.simulator.faults.delay("/sns/userinfo", 30)
    socket = await live(world, invite)
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200
    assert (await socket.until("bound"))["follower"]["nickname"] == "WeChat user"
    world.simulator.faults.release()
    assert (await socket.until("bound"))["follower"]["nickname"] == "王小明🌻"


@pytest.mark.gen_test(timeout=20)
async def test_the_upgrade_is_refused_with_a_real_status(world: World) -> None:
    _, invite = await ready(world)
    nobody = {"live": invite["live"].replace(invite["view"], "a" * 43)}
    assert await refused(world, nobody) == 404
    assert await refused(world, invite, Host="evil.example") == 421
    head = (
        f"GET {path(invite, '/live')} HTTP/1.1\r\nHost: 127.0.0.1:{world.server.port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    status, _ = await world.raw(head.replace("Upgrade\r\n", "close\r\n", 1).encode())
    assert status == 403, "no page's: a socket demands an origin"
    assert len(world.server.services.hub) == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_view_has_five_sockets_and_other_views_have_their_own(world: World) -> None:
    key, invite = await ready(world)
    sockets = [await live(world, invite) for _ in range(5)]
    for socket in sockets:
        await socket.frame()
    assert await refused(world, invite) == 429
    other = await opened(world, key, account="bob")
    assert await (await live(world, other)).frame()
    desktop = await world.signed_in()
    assert await (await desktop.live(await desktop.invite())).frame()


@pytest.mark.gen_test(timeout=20)
async def test_an_address_has_twenty_sockets(world: World) -> None:
    key, _ = await ready(world, trusted_proxies="127.0.0.1")
    sockets = []
    for number in range(5):
        invite = await opened(world, key, browser="", address=f"203.0.{number}.1")
        sockets += [await live(world, invite, X_Forwarded_For="203.0.113.9") for _ in range(4)]
    for socket in sockets:
        await socket.frame()
    assert await refused(world, invite, X_Forwarded_For="203.0.113.9") == 429
    assert await (await live(world, invite, X_Forwarded_For="203.0.113.10")).frame()


@pytest.mark.gen_test(timeout=20)
async def test_sessions_that_end_and_their_audit_leave_views_alone(world: World) -> None:
    _, invite = await ready(world)
    socket = await live(world, invite)
    await socket.frame()
    desktop = await world.signed_in()
    hers = await desktop.live(await desktop.invite())
    await hers.frame()
    await desktop.post("/logout")
    assert await hers.frame() is None
    world.server.services.sessions._version = None
    await world.server.services.sessions.audit()
    await world.simulator.phone("wang").open(invite["url"])
    assert (await socket.frame() or {})["state"] == "scanned"


@pytest.mark.gen_test(timeout=30)
async def test_after_a_restart_the_same_addresses_go_on(world: World) -> None:
    _, invite = await ready(world)
    socket = await live(world, invite)
    await socket.frame()
    await world.restart_server()
    assert await socket.frame() is None and socket.connection.close_code == 1001
    again = await live(world, invite)
    assert (await again.frame() or {})["state"] == "waiting"
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200
    assert await again.until("bound")


# Its end


@pytest.mark.gen_test(timeout=30)
@pytest.mark.parametrize("how", ["revoked", "disabled"])
async def test_a_key_or_an_account_that_is_over_ends_it_within_a_second(
    world: World, how: str
) -> None:
    _, invite = await ready(world)
    other = await opened(world, await world.key("invites:write", name="other"), account="bob")
    socket, kept = await live(world, invite), await live(world, other)
    assert await socket.frame() and await kept.frame()
    question = await world.simulator.phone("wang").open(invite["url"])
    assert (await socket.frame() or {})["state"] == "scanned"
    if how == "revoked":
        await revoke(world, "site")
    else:
        world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
    async with asyncio.timeout(5):
        assert await socket.frame() is None
    assert socket.connection.close_code == 4401
    told = no(await world.ask(path(invite), headers={"Origin": APP}), 410, "view-over")
    assert told["message"] == "This code is over. Please make a new one."
    no(await world.ask(path(invite, "/qr.svg")), 410, "view-over")
    assert await refused(world, invite) == 410
    assert (await world.simulator.phone("wang").submit(question)).status == 410
    assert (await world.simulator.phone("li").open(invite["url"])).status == 410
    assert world.rows("SELECT * FROM bindings") == []
    assert (await world.ask(path(other))).code == 200
    assert (await world.simulator.phone("li").bind(other["url"])).status == 200


@pytest.mark.gen_test(timeout=30)
async def test_a_key_that_runs_out_takes_its_codes_along(world: World) -> None:
    await ready(world)
    made = await world.server.services.api_keys.add("brief", ["invites:write"], expires_in=60)
    world.planted.add(made)
    invite = await opened(world, made, account="bob")
    phone = world.simulator.phone("wang")
    question = await phone.open(invite["url"])
    assert question.status == 200
    world.clock.advance(61)
    no(await world.ask(path(invite)), 410, "view-over")
    assert (await phone.submit(question)).status == 410


@pytest.mark.gen_test(timeout=30)
async def test_a_key_s_successor_under_its_name_does_not_raise_its_codes_from_the_dead(
    world: World,
) -> None:
    _, invite = await ready(world)
    await revoke(world, "site")
    world.clock.advance(1)
    new = await world.key("invites:write", name="site")
    no(await world.ask(path(invite)), 410, "view-over")
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 410
    fresh = await opened(world, new)
    assert fresh["id"] != invite["id"]
    assert (await world.simulator.phone("wang").bind(fresh["url"])).status == 200


@pytest.mark.gen_test(timeout=30)
async def test_a_password_that_comes_meanwhile_ends_the_right_to_replace(world: World) -> None:
    key, _ = await ready(world)
    await reachable(world, "shop-7")
    first = await opened(world, key, account="shop-7")
    assert (await world.simulator.phone("li").bind(first["url"])).status == 200
    second = await opened(world, key, account="shop-7", replace=True)
    world.rows("UPDATE accounts SET password = '$argon2id$x' WHERE name = 'shop-7'")
    assert (await world.simulator.phone("wang").bind(second["url"])).status == 410
    no(await world.ask(path(second)), 410, "view-over")
    [row] = world.rows("SELECT ended_at FROM bindings")
    assert row["ended_at"] is None


@pytest.mark.gen_test(timeout=20)
async def test_it_tells_how_it_ended_for_a_while_and_then_nothing(world: World) -> None:
    _, invite = await ready(world)
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200
    world.clock.advance(600 + AFTERWARDS_SECONDS - 1)
    assert json.loads((await world.ask(path(invite))).body)["state"] == "bound"
    world.clock.advance(1)
    no(await world.ask(path(invite)), 410, "view-over")
    assert await refused(world, invite) == 410
