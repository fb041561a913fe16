"""The addresses of other programs, in their forms."""

import json
import logging
import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tornado.httpclient import HTTPResponse

from tests.conftest import Ear
from tests.world import World
from wx.errors import StorageUnavailable
from wx.service.draft import TEXT_CHARACTERS
from wx.service.outbox import Outbox

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
TOKEN = "/api/wechat/access_token"


async def opened(world: World, *, account: str = "ann") -> str:
    """ServerChan's addresses are answered; a key that reaches this account, which is bound."""
    await world.reconfigure(serverchan="true")
    await world.bound()
    await world.told("wang")
    return await world.key("serverchan", account=account)


def texts(world: World) -> list[str]:
    rows = world.rows("SELECT text FROM outbox WHERE origin LIKE 'key %' ORDER BY number")
    return [row["text"] for row in rows]


def done(answer: HTTPResponse) -> str:
    """The number of the notice that ServerChan's form tells."""
    assert answer.code == 200, answer.body
    told = json.loads(answer.body)
    assert (told["code"], told["message"]) == (0, "")
    assert (told["data"]["error"], told["data"]["errno"]) == ("SUCCESS", 0)
    assert re.fullmatch(r"[0-9A-Za-z]{22}", told["data"]["pushid"])
    assert isinstance(told["data"]["readkey"], str)
    return str(told["data"]["pushid"])


def not_done(answer: HTTPResponse, status: int, number: int, kind: str) -> dict[str, Any]:
    assert answer.code == status, answer.body
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    told = json.loads(answer.body)
    assert told["code"] == number and told["message"].startswith(f"[{kind}]")
    assert told["info"] and told["args"] == [None]
    assert "wx_" not in answer.body.decode()
    assert "WWW-Authenticate" not in answer.headers
    return dict(told)


# ServerChan


@pytest.mark.gen_test(timeout=20)
async def test_serverchan_takes_a_query_a_form_and_json_at_both_addresses(world: World) -> None:
    key = await opened(world)
    said = {
        "title": "备份完成",
        "desp": "**3** files\n\nin 2 s & more",
        "channel": "9",
        "noip": "1",
    }
    for path in (f"/{key}.send", f"/send/{key}.send"):
        ids = {
            done(await world.ask(f"{path}?{urlencode(said)}")),
            done(await world.ask(path, body=urlencode(said).encode(), headers=FORM)),
            done(await world.ask(path, body=said, headers=JSON)),
        }
        assert len(ids) == 3
    assert texts(world) == ["备份完成\n\n**3** files\n\nin 2 s & more"] * 6
    [row] = world.rows("SELECT DISTINCT origin, account_id FROM outbox WHERE origin LIKE 'key %'")
    assert row["origin"] == "key program"
    assert "备份完成" in str((await world.told("wang", 2))[1].fields)


@pytest.mark.gen_test(timeout=20)
async def test_serverchan_wants_a_title_of_some_length(world: World) -> None:
    key = await opened(world)
    for query in ("", "?title=", "?title=%20", "?desp=x", f"?title={'x' * 1001}"):
        not_done(await world.ask(f"/{key}.send{query}"), 400, 40000, "INPUT")
        not_done(
            await world.ask(f"/{key}.send{query}", body=b"", headers=FORM), 400, 40000, "INPUT"
        )
    for body in (b"", b"[]", b'{"title": 1}', b'{"title": "x", "title": "y"}', b'{"desp": "x"}'):
        not_done(await world.ask(f"/{key}.send", body=body, headers=JSON), 400, 40000, "INPUT")
    assert texts(world) == []
    done(await world.ask(f"/{key}.send?title={'x' * 1000}"))
    done(await world.ask(f"/{key}.send?text=old"))
    done(await world.ask(f"/{key}.send?title=query", body=b"title=body", headers=FORM))
    done(await world.ask(f"/{key}.send?title=%ff"[:-3] + quote("名")))
    assert texts(world)[1:] == ["old", "body", "名"]


def parts(*fields: tuple[str, str], boundary: str = "Xb") -> bytes:
    """A form as curl's -F sends it."""
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    return f"{''.join(lines)}--{boundary}--\r\n".encode()


@pytest.mark.gen_test(timeout=20)
async def test_serverchan_takes_a_form_in_parts(world: World) -> None:
    key = await opened(world)
    form = {"Content-Type": "multipart/form-data; boundary=Xb"}
    said = parts(("title", "备份完成"), ("desp", "3 files\r\n& more=1"))
    for path in (f"/{key}.send", f"/send/{key}.send", f"/{key}.send?title=query"):
        done(await world.ask(path, body=said, headers=form))
    assert set(texts(world)) == {"备份完成\n\n3 files\n& more=1"}
    count = len(texts(world))
    for body, kind in (
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=Xb"),
        (said[:-6], "multipart/form-data; boundary=Xb"),
        (said, "multipart/form-data; boundary=other"),
        (said, "multipart/form-datax; boundary=Xb"),
        (parts(*[("title", "x")] * 21), "multipart/form-data; boundary=Xb"),
        (parts(("", "x")), "multipart/form-data; boundary=Xb"),
        (b"--Xb\r\n\xff\r\n\r\nx\r\n--Xb--", "multipart/form-data; boundary=Xb"),
    ):
        answer = await world.ask(f"/{key}.send", body=body, headers={"Content-Type": kind})
        told = not_done(answer, 400, 40000, "INPUT")
        for form_taken in ("application/x-www-form-urlencoded", "multipart/form-data", "JSON"):
            assert form_taken in told["info"], body
    not_done(
        await world.ask(f"/{key}.send", body=parts(("desp", "x")), headers=form),
        400,
        40000,
        "INPUT",
    )
    large = parts(("title", "x"), ("desp", "y" * 210_000))
    not_done(await world.ask(f"/{key}.send", body=large, headers=form), 413, 41300, "INPUT")
    assert len(texts(world)) == count
    for path in ("/login", "/api/v1/notices"):
        assert (await world.ask(path, body=said, headers=form)).code in (400, 401, 403)


@pytest.mark.gen_test(timeout=20)
async def test_what_serverchan_s_users_send_too_long_is_cut(world: World) -> None:
    key = await opened(world)
    room = TEXT_CHARACTERS - len("x\n\n")
    for length in (room, room + 1, 30_000):
        said = {"title": "x", "desp": "名" * length}
        done(await world.ask(f"/{key}.send", body=said, headers=JSON))
    whole, *cut = texts(world)
    assert whole == "x\n\n" + "名" * room
    assert cut == ["x\n\n" + "名" * (room - 1) + "…"] * 2


@pytest.mark.gen_test(timeout=20)
async def test_the_log_names_serverchan_s_keys_and_the_networks_of_strangers(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="wx.web.base")
    key = await opened(world)
    done(await world.ask(f"/{key}.send?title=x"))
    await world.ask(f"/{key}.send")
    await world.ask(f"/SCT{'a' * 20}.send?title=x")
    lines = [
        (one.levelno, one.getMessage())
        for one in caplog.records
        if " ServerChan " in one.getMessage()
    ]
    assert [level for level, _ in lines] == [logging.DEBUG, logging.INFO, logging.INFO]
    assert [re.sub(r"\d+ms", "", line) for _, line in lines] == [
        "GET ServerChan 200  key program",
        "GET ServerChan 400  key program",
        "GET ServerChan 400  from 127.0.0.0/24",
    ]


@pytest.mark.gen_test(timeout=20)
async def test_serverchan_takes_no_other_key(world: World) -> None:
    key = await opened(world)
    other = await world.key("notices:write", "notices:read", name="other")
    for wrong in (other, "SCT123abc", "wx_" + "a" * 43, key[:-1], key.swapcase()):
        for path in (f"/{wrong}.send?title=x", f"/send/{wrong}.send?title=x"):
            told = not_done(await world.ask(path), 400, 40001, "AUTH")
            assert told["error"] in ("bad-key", "missing-scope")
    await world.server.services.api_keys.revoke("program")
    world.clock.advance(1)
    not_done(await world.ask(f"/{key}.send?title=x"), 400, 40001, "AUTH")
    assert texts(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_serverchan_key_opens_nothing_else(world: World) -> None:
    await world.reconfigure(serverchan="true", wechat_server="true")
    key = await world.key("serverchan", account="ann")
    for path in ("/api/v1/notices", "/api/v1/bindings/ann", TOKEN):
        assert (await world.ask(path, key=key)).code == 403
    assert (
        await world.ask("/api/v1/notices", key=key, body={"to": "ann", "text": "x"})
    ).code == 403


@pytest.mark.gen_test(timeout=20)
async def test_serverchan_says_why_nothing_was_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await opened(world)
    bob = await world.key("serverchan", name="bob", account="bob")
    told = not_done(await world.ask(f"/{bob}.send?title=x"), 409, 40900, "INPUT")
    assert told["error"] == "not-bound"
    world.rows("UPDATE followers SET following = 0")
    told = not_done(await world.ask(f"/{key}.send?title=x"), 409, 40900, "INPUT")
    assert told["error"] == "not-following" and "follow" in told["info"]
    not_done(await world.ask(f"/{key}.send", body=b" " * 210_000), 413, 41300, "INPUT")
    answer = await world.ask(f"/{key}.send", method="DELETE")
    assert answer.headers["Allow"] == "GET, POST"
    not_done(answer, 405, 40500, "INPUT")

    async def full(self: Outbox, *_: object, **__: object) -> None:
        raise StorageUnavailable("disk full")

    monkeypatch.setattr(Outbox, "put", full)
    answer = await world.ask(f"/{key}.send?title=x")
    not_done(answer, 503, 50300, "SERVER")
    assert answer.headers["Retry-After"]


@pytest.mark.gen_test(timeout=20)
async def test_serverchan_s_calls_are_counted_too(world: World) -> None:
    await world.reconfigure(serverchan="true", api_per_minute="1")
    key = await world.key("serverchan", account="ann")
    assert (await world.ask(f"/{key}.send?title=x")).code == 409
    answer = await world.ask(f"/{key}.send?title=x")
    not_done(answer, 429, 42900, "INPUT")
    assert answer.headers["Retry-After"]


@pytest.mark.gen_test(timeout=20)
async def test_the_key_in_the_address_is_told_to_nobody(
    world: World, ear: Ear, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wx", "tornado.general", "tornado.application", "tornado.access"):
        caplog.set_level(logging.DEBUG, logger=name)
    key = await opened(world)
    host = f"Host: 127.0.0.1:{world.server.port}\r\nConnection: close\r\n"
    answers = [
        await world.ask(f"/{key}.send?title=x"),
        await world.ask(f"/send/{key}.send?title=%ff", body=b"\xff=%zz", headers=FORM),
        await world.ask(f"/{key}.send", body=b"x", headers={"Content-Type": "multipart/form-data"}),
        await world.ask(f"/{key}.send", headers={"Host": "evil.example"}),
        await world.ask(f"/{key}.send", headers={"Host": f"localhost:{world.server.port}"}),
        await world.ask(f"/{key}.send", method="BREW"),
        await world.ask(f"/{key}.sent"),
        await world.ask(f"/send/{key}", headers={"Accept": "text/html"}),
        await world.ask(f"//{key}.send", headers={"Accept": "text/html"}),
    ]

    async def broken(self: Outbox, *_: object, **__: object) -> None:
        raise RuntimeError(key)

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "put", broken)
        answers.append(await world.ask(f"/{key}.send?title=x"))
    assert answers[-1].code == 500
    monkeypatch.setattr(world.server.site, "closed", True)
    answers.append(await world.ask(f"/{key}.sent", headers={"Accept": "text/html"}))
    assert answers[-1].code == 503
    monkeypatch.undo()
    for request in (
        f"GET /{key}.send HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n",
        f"GET /{key}.send HTTP/1.1\r\n{host}Content-Length: 9999999\r\n\r\n",
        f"GET /{key}.send HTTP/9.9\r\n{host}\r\n",
        f"GET /{key}.send?title=\xff HTTP/1.1\r\n{host}\r\n",
        f"GET http://evil.example/{key}.send HTTP/1.1\r\n{host}\r\n",
        f"POST /{key}.send HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        await world.raw(request.encode("latin-1"))
    for answer in answers:
        assert key not in answer.body.decode() and key not in str(answer.headers), answer.body
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
    assert len(ear.lines) > 10
    assert not ear.leaks({key, key[3:]})


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_a_drop_in_that_is_off_is_an_address_that_is_nothing(
    world: World, accept: str
) -> None:
    key = await world.key("serverchan", account="ann")
    reader = await world.key("access-token:read", name="reader")
    headers = {"Accept": accept}
    for path in (f"/{key}.send?title=x", f"/send/{key}.send?title=x"):
        answer = await world.ask(path, headers=headers)
        nothing = await world.ask("/nowhere", headers=headers)
        assert (answer.code, answer.body) == (404, nothing.body)
        assert (await world.ask(path, body=b"title=x", headers=FORM)).code in (403, 404)
    answer = await world.ask(TOKEN, key=reader, headers=headers)
    nothing = await world.ask("/api/nowhere", headers=headers)
    assert (answer.code, answer.body) == (404, nothing.body)
    assert texts(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_each_drop_in_has_its_own_setting(world: World) -> None:
    await world.reconfigure(wechat_server="true")
    key = await world.key("serverchan", account="ann")
    reader = await world.key("access-token:read", name="reader")
    assert (await world.ask(f"/{key}.send?title=x")).code == 404
    assert (await world.ask(TOKEN, key=reader)).code == 200
    await world.reconfigure(serverchan="true")
    assert (await world.ask(f"/{key}.send?title=x")).code == 409
    assert (await world.ask(TOKEN, key=reader)).code == 404


# wechat-server


@pytest.mark.gen_test(timeout=20)
async def test_wechat_server_s_address_gives_the_access_token_that_is_held(world: World) -> None:
    await world.reconfigure(wechat_server="true")
    key = await world.key("access-token:read")
    told = set()
    for shown in (key, f"Bearer {key}", f"bearer  {key} "):
        answer = await world.ask(TOKEN, headers={"Authorization": shown})
        assert answer.code == 200, answer.body
        body = json.loads(answer.body)
        assert set(body) == {"success", "message", "access_token", "expiration"}
        assert (body["success"], body["message"]) == (True, "")
        assert isinstance(body["expiration"], int) and 0 < body["expiration"] <= 7200
        told.add(body["access_token"])
    [token] = told
    assert token in world.simulator.world.tokens
    assert world.simulator.calls["/cgi-bin/stable_token"] <= 2


@pytest.mark.gen_test(timeout=20)
async def test_the_access_token_is_for_keys_with_its_scope_alone(world: World) -> None:
    await world.reconfigure(wechat_server="true")
    await world.key("access-token:read")
    other = await world.key("notices:write", "bindings:read", name="other")
    for shown, status in (
        (None, 401),
        ("", 401),
        ("x", 401),
        (f"Basic {other}", 401),
        ("wx_" + "a" * 43, 401),
        (other, 403),
        (f"Bearer {other}", 403),
    ):
        headers = {} if shown is None else {"Authorization": shown}
        answer = await world.ask(TOKEN, headers=headers)
        assert answer.code == status, shown
        told = json.loads(answer.body)
        assert told["success"] is False and told["message"]
        assert "access_token" not in told
    assert (await world.ask(TOKEN, body=b"{}")).code == 405


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("errcode", "status"), [(-1, 503), (40125, 502)])
async def test_no_access_token_is_told_as_such(world: World, errcode: int, status: int) -> None:
    world.clock.advance(10)
    world.simulator.faults.answer("/cgi-bin/stable_token", errcode=errcode, times=None)
    await world.reconfigure(wechat_server="true")
    key = await world.key("access-token:read")
    answer = await world.ask(TOKEN, key=key)
    assert answer.code == status
    assert json.loads(answer.body)["success"] is False
    assert ("Retry-After" in answer.headers) == (status == 503)
