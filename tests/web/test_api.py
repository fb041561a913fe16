"""What holds for every endpoint for programs."""

import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httpclient import HTTPResponse

from tests import processes
from tests.conftest import Ear
from tests.world import World
from wx.errors import Refused, StorageUnavailable
from wx.service.api_keys import ApiKeys
from wx.web.api import BODY_BYTES, ApiHandler, Fields, read_object, rfc3339
from wx.web.openapi import ERRORS

NOTICES = "/api/v1/notices"
KEYED = [NOTICES, f"{NOTICES}/{'a' * 22}", "/api/v1/bindings/ann"]


def error(answer: HTTPResponse, status: int, code: str) -> dict[str, object]:
    """The error that was told, after a look at its form."""
    assert answer.code == status, (answer.code, answer.body)
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    told = json.loads(answer.body)
    assert set(told) == {"error"}
    found: dict[str, object] = told["error"]
    assert found["code"] == code, found
    assert ERRORS[code][0] == status
    assert isinstance(found["message"], str) and found["message"]
    assert isinstance(found["hint"], str)
    assert ("Retry-After" in answer.headers) == (status in (429, 503))
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert ("Allow" in answer.headers) == (status == 405)
    assert "Set-Cookie" not in answer.headers
    for secret in ("Traceback", "wx_"):
        assert secret not in answer.body.decode()
    return found


# Who asks


@pytest.mark.gen_test(timeout=20)
async def test_without_a_key_nobody_is_let_in(world: World) -> None:
    await world.key("notices:read", "bindings:read")
    for path in KEYED:
        answer = await world.ask(path)
        error(answer, 401, "no-key")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="wxbind"'
    error(await world.ask(NOTICES, body={"to": "ann", "text": "x"}), 401, "no-key")


@pytest.mark.gen_test(timeout=20)
async def test_a_key_counts_in_its_header_and_nowhere_else(world: World) -> None:
    key = await world.key("notices:read")
    for headers in (
        {"Cookie": f"key={key}; session={key}; Authorization=Bearer {key}"},
        {"Authorization": key},
        {"Authorization": f"Basic {key}"},
        {"Authorization": f"Bearer{key}"},
        {"Authorization": f"Bearer {key} {key}"},
        {"Authorization": f"Bearer {key}, Bearer {key}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": ""},
        {"X-Api-Key": key},
        {"Proxy-Authorization": f"Bearer {key}"},
    ):
        assert (await world.ask(NOTICES, headers=headers)).code == 401, headers
    for query in (f"?key={key}", f"?access_token={key}", f"?Authorization=Bearer%20{key}"):
        assert (await world.ask(NOTICES + query)).code == 401, query
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {key}"}
        assert (await world.ask(NOTICES, headers=headers)).code == 200, scheme
    twice = (
        f"GET {NOTICES} HTTP/1.1\r\nHost: 127.0.0.1:{world.server.port}\r\nConnection: close\r\n"
        f"Authorization: Bearer {key}\r\nAuthorization: Bearer {key}\r\n\r\n"
    )
    assert (await world.raw(twice.encode()))[0] == 401


@pytest.mark.gen_test(timeout=20)
async def test_wrong_keys_are_refused_alike(world: World) -> None:
    await world.key("notices:read", name="revoked")
    old = await world.key("notices:read", name="old")
    await world.server.services.api_keys.revoke("revoked")
    await world.server.services.api_keys.revoke("old")
    told = set()
    for wrong in (
        *("x", "wx_", "wx_" + "a" * 43, "wx_" + "a" * 42, "wx_" + "a" * 44, old, old.upper()),
        *(old[3:], "wx_" + "\xe9" * 43, "%00", "a" * 8000, "../../etc/passwd", "' OR 1=1 --"),
    ):
        answer = await world.ask(NOTICES, key=wrong)
        if " " in wrong:
            error(answer, 401, "no-key")
            continue
        error(answer, 401, "bad-key")
        told.add(answer.body)
    assert len(told) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_session_is_no_key_and_a_key_no_session(world: World) -> None:
    desktop = await world.signed_in()
    error(await desktop.fetch(NOTICES, headers={"Accept": "text/html"}), 401, "no-key")
    key = await world.key("notices:read", "notices:write", "bindings:read")
    headers = {"Authorization": f"Bearer {key}", "Cookie": f"session={key}"}
    assert (await world.ask("/bind", headers=headers)).code == 303


@pytest.mark.gen_test(timeout=20)
async def test_each_address_wants_its_own_scope(world: World) -> None:
    keys = {
        scope: await world.key(scope, name=scope.replace(":", "-"))
        for scope in ("notices:write", "notices:read", "bindings:read", "js:read")
    }
    asked: list[tuple[str, str, object]] = [
        ("notices:read", NOTICES, None),
        ("notices:read", KEYED[1], None),
        ("bindings:read", KEYED[2], None),
        ("notices:write", NOTICES, {"to": "ann", "text": "x"}),
        ("notices:write", NOTICES, {"to": "ann", "text": "x", "dry_run": True}),
    ]
    for wanted, path, body in asked:
        for scope, key in keys.items():
            answer = await world.ask(path, key=key, body=body)
            if scope == wanted:
                assert answer.code not in (401, 403), (path, scope)
            else:
                assert error(answer, 403, "missing-scope")["scope"] == wanted


@pytest.mark.gen_test(timeout=40)
async def test_a_key_that_another_process_revokes_is_out_within_a_second(world: World) -> None:
    key = await world.key("notices:read", name="backup")
    assert (await world.ask(NOTICES, key=key)).code == 200
    words = ["key", "revoke", "backup", f"--data-dir={world.folder / 'data'}"]
    ended = await processes.run(*words, folder=world.folder)
    assert (ended.code, ended.out) == (0, "key backup revoked\n"), ended.err
    world.clock.advance(0.6)
    error(await world.ask(NOTICES, key=key), 401, "bad-key")


@pytest.mark.gen_test(timeout=40)
async def test_a_key_that_another_process_makes_is_good_at_once(world: World) -> None:
    words = ["key", "add", "backup", "--scope", "notices:read"]
    made = await processes.run(*words, f"--data-dir={world.folder / 'data'}", folder=world.folder)
    world.planted.add(made.out.strip())
    assert (await world.ask(NOTICES, key=made.out.strip())).code == 200


@pytest.mark.gen_test(timeout=20)
async def test_too_many_calls_wait_as_long_as_they_are_told(world: World) -> None:
    await world.reconfigure(api_per_minute="6")
    key = await world.key("notices:read")
    for _ in range(6):
        assert (await world.ask(NOTICES, key=key)).code == 200
    answer = await world.ask(NOTICES, key=key)
    error(answer, 429, "too-many-requests")
    seconds = int(answer.headers["Retry-After"])
    assert 10 <= seconds <= 11
    world.clock.advance(seconds)
    assert (await world.ask(NOTICES, key=key)).code == 200
    assert (await world.ask(NOTICES, key=key)).code == 429
    error(await world.ask(NOTICES), 401, "no-key")  # costs nobody anything


# How it is asked


@pytest.mark.gen_test(timeout=20)
async def test_an_address_that_is_nothing_is_told_in_json(world: World) -> None:
    key = await world.key("notices:read")
    for path in ("/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/notices", "/api/v1/notices/"):
        for body in (None, {"a": 1}):
            for headers in ({}, {"Accept": "text/html"}):
                told = error(await world.ask(path, body=body, headers=headers), 404, "not-found")
                assert "/api/v1/openapi.json" in str(told["hint"])
                error(await world.ask(path, key=key, body=body), 404, "not-found")
    error(await world.ask("/api/v1/notices/a/b", key=key), 404, "not-found")
    error(await world.ask("/api/wechat/access_token", key=key), 404, "not-found")
    page = await world.ask("/apis", headers={"Accept": "text/html"})
    assert page.code == 404 and b"<html" in page.body


@pytest.mark.gen_test(timeout=20)
async def test_a_method_that_is_not_taken_is_told_with_those_that_are(world: World) -> None:
    key = await world.key("notices:read", "notices:write", "bindings:read")
    for path, allowed in (
        (NOTICES, "GET, POST"),
        (KEYED[1], "GET"),
        (KEYED[2], "GET"),
        ("/api/v1/openapi.json", "GET"),
    ):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "POST", "BREW"):
            if method in allowed:
                continue
            answer = await world.ask(path, key=key, method=method, body=b"{}")
            assert answer.headers["Allow"] == allowed
            if method == "HEAD":
                assert (answer.code, answer.body) == (405, b"")
            else:
                assert "Allow" in str(error(answer, 405, "bad-method")["hint"])


@pytest.mark.gen_test(timeout=20)
async def test_only_our_own_name_is_answered_and_nobody_is_led_elsewhere(world: World) -> None:
    key = await world.key("notices:read")
    for host in ("evil.example", f"localhost:{world.server.port}", "127.0.0.1"):
        answer = await world.ask(NOTICES, key=key, headers={"Host": host})
        assert world.base in str(error(answer, 421, "wrong-host")["message"])
        assert "Location" not in answer.headers


@pytest.mark.gen_test(timeout=20)
async def test_pages_of_other_sites_are_not_answered(world: World) -> None:
    key = await world.key("notices:write")
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await world.ask(NOTICES, key=key, body={"to": "ann", "text": "x"}, headers=headers)
        error(answer, 403, "forbidden")
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.gen_test(timeout=20)
async def test_errors_speak_the_reader_s_language_and_chinese_to_all_others(world: World) -> None:
    for asked, english in (
        ("en", True),
        ("en-GB", True),
        ("zh-CN", False),
        ("de", False),
        ("", False),
    ):
        for path in (NOTICES, "/api/nowhere"):
            answer = await world.ask(path, headers={"Accept-Language": asked})
            told = json.loads(answer.body)["error"]
            assert told["message"].isascii() == english, (asked, told)
    assert not json.loads((await world.look(NOTICES)).body)["error"]["message"].isascii()
    answer = await world.ask("/api/nowhere", headers={"Accept-Language": "zh"})
    assert "没有" in answer.body.decode(), "not in escapes"
    answer = await world.ask("/api/nowhere?lang=zh")
    assert json.loads(answer.body)["error"]["message"].isascii()


@pytest.mark.gen_test(timeout=20)
async def test_a_query_has_known_fields_once_each(world: World) -> None:
    key = await world.key("notices:read", "bindings:read")
    for query, field in (
        ("?limit=1&limit=2", "limit"),
        ("?key=x", "key"),
        ("?To=ann", "To"),
        ("?to=%ff", "to"),
        ("?%00=1", "\0"),
        ("?" + "a" * 500 + "=1", "a" * 64),
    ):
        assert (
            error(await world.ask(NOTICES + query, key=key), 400, "bad-request")["field"] == field
        )
    for path in KEYED[1:]:
        error(await world.ask(path + "?x=1", key=key), 400, "bad-request")
    error(await world.ask("/api/v1/bindings/%ff", key=key), 400, "bad-request")


# What comes


def nested(depth: int) -> bytes:
    return b'{"to": ' * depth + b"1" + b"}" * depth


HOSTILE: list[bytes] = [
    b"",
    b" ",
    b"\0",
    b"null",
    b"true",
    b"0",
    b'"text"',
    b"[]",
    b"[{}]",
    b"{",
    b"}",
    b"{]",
    b"{}{}",
    b"{} x",
    b"{,}",
    b'{"to"}',
    b'{"to":}',
    b'{"to": "ann",}',
    b"{'to': 'ann'}",
    b'{to: "ann"}',
    b'{"to": "ann" "text": "x"}',
    b'{"to": "ann", "text": "x"',
    b'{"to": "ann", "text": "x\n"}',
    b'{"to": "ann", "text": "\\x41"}',
    b'{"to": "ann", "text": "\\u12"}',
    b'{"to": "ann", "text": undefined}',
    b'{"to": "ann", "text": NaN}',
    b'{"to": "ann", "text": "x", "expires_in": NaN}',
    b'{"to": "ann", "text": "x", "expires_in": Infinity}',
    b'{"to": "ann", "text": "x", "expires_in": -Infinity}',
    b'{"to": "ann", "text": "x", "expires_in": 1e999}',
    b'{"to": "ann", "text": "x", "expires_in": ' + b"9" * 5000 + b"}",
    b'{"to": "ann", "text": "x", "expires_in": 0x10}',
    b'{"to": "ann", "text": "x", "expires_in": 010}',
    b'{"to": "ann", "text": "x", "expires_in": "60"}',
    b'{"to": "ann", "text": "x", "expires_in": true}',
    b'{"to": "ann", "text": "x", "expires_in": [60]}',
    b'{"to": "ann", "to": "bob", "text": "x"}',
    b'{"to": "ann", "text": "x", "text": "x"}',
    b'{"to": "ann", "t\\u006f": "bob", "text": "x"}',
    b'{"to": "ann", "template": {"id": "t", "id": "u", "data": {"a": "b"}}}',
    b'{"to": "ann", "template": {"id": "t", "data": {"a": "b", "a": "c"}}}',
    b'{"to": "ann", "text": "x", "unknown": 1}',
    b'{"to": "ann", "text": "x", "Text": "y"}',
    b'{"to": "ann", "text": "x", "": 1}',
    b'{"to": "ann", "text": "x", "__proto__": {}}',
    b'{"text": "x"}',
    b'{"to": null, "text": "x"}',
    b'{"to": 1, "text": "x"}',
    b'{"to": {}, "text": "x"}',
    b'{"to": [1], "text": "x"}',
    b'{"to": ["ann", null], "text": "x"}',
    b'{"to": [["ann"]], "text": "x"}',
    b'{"to": "ann"}',
    b'{"to": "ann", "text": null}',
    b'{"to": "ann", "text": 1}',
    b'{"to": "ann", "text": ["x"]}',
    b'{"to": "ann", "text": {"x": 1}}',
    b'{"to": "ann", "text": "x", "url": 1}',
    b'{"to": "ann", "text": "x", "channel": 1}',
    b'{"to": "ann", "text": "x", "channel": ["auto"]}',
    b'{"to": "ann", "text": "x", "dry_run": 1}',
    b'{"to": "ann", "text": "x", "dry_run": "true"}',
    b'{"to": "ann", "template": "t"}',
    b'{"to": "ann", "template": []}',
    b'{"to": "ann", "template": {}}',
    b'{"to": "ann", "template": {"id": "t"}}',
    b'{"to": "ann", "template": {"id": 1, "data": {"a": "b"}}}',
    b'{"to": "ann", "template": {"id": "t", "data": []}}',
    b'{"to": "ann", "template": {"id": "t", "data": {"a": 1}}}',
    b'{"to": "ann", "template": {"id": "t", "data": {"a": {"value": "b"}}}}',
    b'{"to": "ann", "template": {"id": "t", "data": {"a": "b"}, "more": 1}}',
    b'{"to": "ann", "template": {"id": "t", "data": {"a": "b"}, "url": 1}}',
    b'{"to": "ann", "template": {"id": "t", "data": {"a": "b"}}, "url": "https://x.example"}',
    b"\xef\xbb\xbf" * 2 + b'{"to": "ann", "text": "x"}',
    b"\xef\xbb\xbf",
    b'{"to": "ann", "text": "\xff"}',
    b'{"to": "ann", "text": "\xc0\xaf"}',
    b'{"to": "ann", "text": "\xed\xa0\x80"}',
    '{"to": "ann", "text": "x"}'.encode("utf-16"),
    '{"to": "ann", "text": "x"}'.encode("utf-16-le"),
    b"to=ann&text=x",
    b"<xml><to>ann</to></xml>",
    nested(9),
    nested(900),
    nested(20_000),
    b"[" * 200_000,
    b'{"a":' * 40_000,
    b'{"to": ' + b"[" * 500 + b"]" * 500 + b', "text": "x"}',
]


@pytest.mark.gen_test(timeout=60)
async def test_a_body_that_is_not_of_the_form_is_refused_and_nothing_is_kept(
    world: World, ear: Ear
) -> None:
    await world.bound()
    key = await world.key("notices:write")
    before = world.rows("SELECT count(*) FROM outbox")[0][0]
    assert len(HOSTILE) >= 80
    for body in HOSTILE:
        answer = await world.ask(NOTICES, key=key, body=body)
        error(answer, 400, "bad-request")
    assert world.rows("SELECT count(*) FROM outbox")[0][0] == before
    assert not [line for line in ear.lines if "failed" in line or "Error" in line]
    answer = await world.ask(NOTICES, key=key, body={"to": "ann", "text": "x"})
    assert answer.code == 202


@pytest.mark.gen_test(timeout=20)
async def test_the_wrong_field_is_named(world: World) -> None:
    key = await world.key("notices:write")
    for body, field in (
        ({"to": "ann", "text": "x", "txet": 1}, "txet"),
        ({"to": 1, "text": "x"}, "to"),
        ({"to": "ann"}, "text"),
        ({"to": "ann", "template": {"data": {"a": "b"}}}, "template.id"),
        ({"to": "ann", "template": {"id": "t", "data": {"a": 1}}}, "template.data.a"),
        ({"to": "ann", "template": {"id": "t", "data": {"a": "b"}, "x": 1}}, "template.x"),
        ({"to": "ann", "text": "x", "é" * 100: 1}, "é" * 64),
        ({"to": "ann", "text": "x", "\ud800": 1}, "\ufffd"),
    ):
        told = error(await world.ask(NOTICES, key=key, body=body), 400, "bad-request")
        assert told["field"] == field and field in str(told["message"])


@pytest.mark.gen_test(timeout=20)
async def test_the_place_of_an_error_in_the_json_is_told(world: World) -> None:
    key = await world.key("notices:write")
    answer = await world.ask(NOTICES, key=key, body=b'{"to": "ann",\n "text": x}')
    assert "line 2, column 10" in str(error(answer, 400, "bad-request")["message"])


@pytest.mark.gen_test(timeout=20)
async def test_a_body_of_more_than_200_kib_is_refused_as_such(world: World) -> None:
    key = await world.key("notices:write")
    start, end = b'{"to": "ann", "text": "', b'"}'
    fits = start + b"x" * (BODY_BYTES - len(start + end)) + end
    assert len(fits) == 200 * 1024
    assert (await world.ask(NOTICES, key=key, body=fits)).code == 422
    for size in (1, 1000, 150 * 1024):
        told = error(await world.ask(NOTICES, key=key, body=fits + b" " * size), 413, "too-large")
        assert "fewer accounts" in str(told["hint"])
    answer = await world.ask(NOTICES, key=key, body=b" " * 3_000_000)
    assert answer.code in (400, 413, 599)
    assert (await world.ask("/healthz")).code == 200


@pytest.mark.gen_test(timeout=20)
async def test_the_body_is_json_whatever_it_is_called(world: World) -> None:
    await world.bound()
    key = await world.key("notices:write")
    body = {"to": "ann", "text": "&" * 100 + "=1;%%41+"}
    for called in (
        "application/json",
        "application/x-www-form-urlencoded",  # by curl -d
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/json; charset=gbk",
        "nonsense",
        "",
    ):
        answer = await world.ask(NOTICES, key=key, body=body, headers={"Content-Type": called})
        assert answer.code == 202, (called, answer.body)
    kept = world.rows("SELECT text FROM outbox WHERE origin = 'key program'")
    assert {row["text"] for row in kept} == {body["text"]}


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"a": NaN}', b'{"a": [Infinity]}', b'{"a": {"b": -Infinity}}', b'{"NaN": NaN}'),
        *(b'{"a": ' + b"[" * 8 + b"]" * 8 + b"}", b'{"a":' * 9 + b"1" + b"}" * 9),
    ],
)
def test_what_other_readers_would_not_read_is_not_read_here(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_object(body)
    assert caught.value.code == "bad-request"


@pytest.mark.gen_test(timeout=20)
async def test_the_mark_that_windows_writes_before_utf_8_is_passed_over(world: World) -> None:
    await world.bound()
    key = await world.key("notices:write")
    body = b"\xef\xbb\xbf" + '{"to": "ann", "text": "备份"}'.encode()
    assert (await world.ask(NOTICES, key=key, body=body)).code == 202
    assert world.rows("SELECT text FROM outbox WHERE text = '备份'")


def test_eight_levels_are_read() -> None:
    assert read_object(b'{"a": ' + b"[" * 7 + b"1" + b"]" * 7 + b"}") == {"a": [[[[[[[1]]]]]]]}


def test_halves_of_characters_are_replaced_and_whole_ones_are_kept() -> None:
    body = (
        b'{"a": "\\ud83d", "b": "\\ud83c\\udf3b", "\\udc00": ["\\udc00x"], "c": {"d": "\\ud800"}}'
    )
    assert read_object(body) == {
        "a": "\ufffd",
        "b": "🌻",
        "\ufffd": ["\ufffdx"],
        "c": {"d": "\ufffd"},
    }


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        json.dumps(read_object(body), ensure_ascii=False).encode()
    except Refused as refusal:
        assert (refusal.status, refusal.code) == (400, "bad-request")


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["to", "text", "n", "flag", "x", "in"]), _JSON))
def test_fields_are_of_their_kind_or_refused(found: dict[str, object]) -> None:
    fields = Fields(found)
    try:
        assert isinstance(fields.text("text"), str)
        assert all(isinstance(one, str) for one in fields.texts("to"))
        number = fields.number("n")
        assert number is None or number - number == 0
        assert isinstance(fields.flag("flag"), bool)
        if "in" in fields:
            inner = fields.inner("in").all_texts()
            assert all(isinstance(one, str) for one in inner.values())
        fields.done()
        assert set(found) <= {"to", "text", "n", "flag", "in"}
    except Refused as refusal:
        assert (refusal.status, refusal.code) == (400, "bad-request")


# What goes wrong here


@pytest.mark.gen_test(timeout=20)
async def test_trouble_of_our_own_has_a_status_and_tells_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.key("notices:read")
    causes: list[tuple[Exception, int, str]] = [
        (StorageUnavailable("disk I/O error at /var/x"), 503, "storage-unavailable"),
        (RuntimeError("planted"), 500, "internal"),
    ]
    for cause, status, code in causes:

        async def broken(self: ApiKeys, key: str, scope: str, cause: Exception = cause) -> None:
            raise cause

        with monkeypatch.context() as patch:
            patch.setattr(ApiKeys, "check", broken)
            answer = await world.ask(NOTICES, key=key)
        error(answer, status, code)
        assert b"planted" not in answer.body and b"disk" not in answer.body


@pytest.mark.gen_test(timeout=20)
async def test_a_key_reaches_no_log_whatever_is_asked_with_it(world: World, ear: Ear) -> None:
    key = await world.key("notices:read")
    port = world.server.port
    await world.ask(f"/api/v1/notices/{key}", key=key)
    await world.ask(f"/api/v1/{key}", key=key)
    await world.ask(f"/{key}?{key}={key}", key=key)
    await world.ask(NOTICES, key=key + "x")
    await world.ask(NOTICES, key=key, body=key.encode())
    await world.ask(NOTICES, key=key, body=b"{}", headers={"Origin": f"https://{key}"})
    for request in (
        f"GET /{key}.send HTTP/1.1\r\n\r\n",
        f"GET /{key}.send\r\n\r\n",
        f"{key} / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n",
        f"GET {NOTICES} HTTP/1.1\r\nHost: {key}\r\nConnection: close\r\n\r\n",
        f"GET /%zz{key} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n",
        f"GET /api/v1/bindings/%ff{key} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {key}\r\nConnection: close\r\n\r\n",
    ):
        await world.raw(request.encode())
    assert ear.lines
    assert not ear.leaks({key, key[3:]})


@pytest.mark.gen_test(timeout=20)
async def test_the_log_names_the_key_and_of_strangers_the_network(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="wx.web.base")
    await world.reconfigure(api_per_minute="4", trusted_proxies="127.0.0.1")
    key = await world.key("notices:read", name="备份-1")
    path = "/api/v1/openapi.json"
    asked: list[tuple[dict[str, Any], str, int]] = [
        ({"path": NOTICES, "key": key}, "GET Notices 200 key 备份-1", logging.DEBUG),
        ({"path": f"{NOTICES}?x=1", "key": key}, "GET Notices 400 key 备份-1", logging.INFO),
        ({"path": KEYED[1], "key": key}, "GET OneNotice 404 key 备份-1", logging.INFO),
        (
            {"path": NOTICES, "key": key, "body": {"to": "ann"}},
            "POST Notices 403 key 备份-1",
            logging.INFO,
        ),
        ({"path": NOTICES, "key": key}, "GET Notices 429 key 备份-1", logging.INFO),
        ({"path": NOTICES}, "GET Notices 401 from 127.0.0.0/24", logging.INFO),
        (
            {"path": NOTICES, "key": key + "x", "headers": {"X-Forwarded-For": "203.0.113.77"}},
            "GET Notices 401 from 203.0.113.0/24",
            logging.INFO,
        ),
        (
            {"path": NOTICES, "headers": {"X-Forwarded-For": "2001:db8:1:2:3:4:5:6"}},
            "GET Notices 401 from 2001:db8:1:2::/64",
            logging.INFO,
        ),
        ({"path": path}, "GET Description 200", logging.DEBUG),
        ({"path": f"{path}?x=1"}, "GET Description 400", logging.INFO),
    ]
    for request, line, level in asked:
        caplog.clear()
        await world.ask(request.pop("path"), **request)
        [found] = [one for one in caplog.records if one.name == "wx.web.base"]
        assert re.sub(r" \d+ms", "", found.getMessage()) == line
        assert found.levelno == level
        assert key not in found.getMessage() and key[3:8] not in found.getMessage()


def test_a_moment_is_told_in_utc_and_can_be_read_again() -> None:
    assert rfc3339(None) is None
    assert rfc3339(0.0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1_800_000_000.1256) == "2027-01-15T08:00:00.125Z"


def test_no_handler_looks_for_a_session() -> None:
    assert ApiHandler.needs_session is False
