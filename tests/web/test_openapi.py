"""The API's description: true in both directions."""

import ast
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from tests.web.test_invites import digits_of
from tests.web.test_outbox import bound_key
from tests.world import World
from wx.errors import StorageUnavailable
from wx.service.api_keys import SCOPES
from wx.service.callback import _REFUSALS
from wx.service.outbox import Outbox
from wx.service.rate import Rate
from wx.service.reason import REASONS
from wx.web.api import MESSAGES, NothingHere
from wx.web.base import _code
from wx.web.openapi import ERRORS, PATHS, SCHEMAS, WHYS, description
from wx.web.routes import ROUTES

ROOT = Path(__file__).resolve().parents[2]
BASE = "/api/v1/"
WHOLE = description("https://wx.example.com")


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Any = WHOLE
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


KINDS: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}
KEYWORDS = {
    *("type", "enum", "properties", "required", "additionalProperties", "items", "oneOf"),
    *("pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems"),
    *("maxItems", "minProperties", "maxProperties", "description", "default", "$ref"),
}


def faults(value: Any, schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """What about a value is not as the schema says. Knows the keywords of :data:`KEYWORDS`."""
    schema = resolved(schema)
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    wanted = schema.get("type", [])
    kinds = [wanted] if isinstance(wanted, str) else wanted
    is_kind = [
        isinstance(value, KINDS[kind]) and not (isinstance(value, bool) and kind != "boolean")
        for kind in kinds
    ]
    if kinds and not any(is_kind):
        yield f"{place} is no {kinds}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is not among {schema['enum']}"
    if "oneOf" in schema:
        fitting = [one for one in schema["oneOf"] if not [*faults(value, one, place)]]
        if len(fitting) != 1:
            yield f"{place} fits {len(fitting)} of what it may be"
    size = len(value) if isinstance(value, str | list | dict) else value
    kind = {str: "Length", list: "Items", dict: "Properties"}.get(type(value))
    least = schema.get(f"min{kind}", schema.get("minimum"))
    most = schema.get(f"max{kind}", schema.get("maximum"))
    if (least is not None and size < least) or (most is not None and size > most):
        yield f"{place} has a size of {size}"
    if isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value):
            yield f"{place} is not of the form"
        if schema.get("format") == "date-time" and not re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value
        ):
            yield f"{place} is no time"
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from faults(one, schema.get("items", {}), f"{place}[{number}]")
    if isinstance(value, dict):
        yield from _faults_of_object(value, schema, place)


def _faults_of_object(value: dict[str, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    known = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            yield f"{place}.{name} is missing"
    for name, one in value.items():
        if name in known:
            yield from faults(one, known[name], f"{place}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{place}.{name} is not described"
        elif isinstance(schema.get("additionalProperties"), dict):
            yield from faults(one, schema["additionalProperties"], f"{place}.{name}")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in PATHS.items():
        for method, operation in methods.items():
            yield path, method, operation


def described(path: str, method: str) -> dict[str, Any]:
    """The operation behind an address."""
    path = path.partition("?")[0]
    for pattern in PATHS:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            return dict(PATHS[pattern][method.lower()])
    raise AssertionError(path)


def assert_described(answer: HTTPResponse, path: str, method: str) -> None:
    """Status, body and headers of an answer are as they are described."""
    response = described(path, method)["responses"][str(answer.code)]
    content = response["content"]["application/json"]["schema"]
    told = json.loads(answer.body)
    assert not [*faults(told, content)], (path, answer.code)
    if answer.code >= 400:
        assert f"`{told['error']['code']}`" in response["description"], (path, told)
    for header in response.get("headers", {}):
        assert header in answer.headers


# The routes


def address(pattern: str) -> str:
    """A route's pattern as the description writes it."""
    return (
        pattern.replace(r"notices/([^/]+)", "notices/{id}")
        .replace(r"bindings/([^/]+)", "bindings/{name}")
        .replace(r"invites/([^/]+)", "invites/{id}")
        .replace("\\", "")
    )


def test_every_route_and_method_is_described_and_every_described_one_exists() -> None:
    answered = {
        (address(pattern), method.lower())
        for pattern, handler in ROUTES
        if pattern.startswith(BASE)
        for method in handler.methods()
    }
    assert answered == {(path, method) for path, method, _ in operations()}
    assert len(answered) >= 5


def test_the_scopes_are_those_that_the_handlers_ask_for() -> None:
    for pattern, handler in ROUTES:
        if not pattern.startswith(BASE):
            continue
        for method in handler.methods():
            wanted = handler.scopes.get(method)
            security = PATHS[address(pattern)][method.lower()]["security"]
            assert security == ([{"key": [wanted]}] if wanted else [])
            assert wanted is None or wanted in SCOPES


def test_the_parameters_are_those_that_the_handlers_read() -> None:
    for pattern, handler in ROUTES:
        if not pattern.startswith(BASE):
            continue
        for method in handler.methods():
            given = PATHS[address(pattern)][method.lower()].get("parameters", [])
            path = {one["name"] for one in given if one["in"] == "path"}
            assert path == set(re.findall(r"\{(\w+)\}", address(pattern)))
            source = ast.unparse(ast.parse(Path(_file(handler)).read_text()))
            [cls] = [
                node
                for node in ast.walk(ast.parse(source))
                if isinstance(node, ast.ClassDef) and node.name == handler.__name__
            ]
            [function] = [
                node
                for node in cls.body
                if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
                and node.name == method.lower()
            ]
            read = re.findall(r"self\.query\(([^)]*)\)", ast.unparse(function))
            names = set(re.findall(r"'(\w+)'", "".join(read)))
            assert names == {one["name"] for one in given if one["in"] == "query"}


def _file(handler: type) -> str:
    import sys

    return str(sys.modules[handler.__module__].__file__)


# The document


def schemas(value: Any) -> Iterator[dict[str, Any]]:
    """Every schema in the document."""
    if isinstance(value, dict):
        for name, one in value.items():
            if name == "schema":
                yield one
            yield from schemas(one)
    elif isinstance(value, list):
        for one in value:
            yield from schemas(one)


def test_the_document_is_whole() -> None:
    assert WHOLE["openapi"] == "3.1.0" and WHOLE["servers"] == [{"url": "https://wx.example.com"}]
    assert set(WHOLE["components"]["securitySchemes"]) == {"key"}
    text = json.dumps(WHOLE)
    for reference in re.findall(r'"\$ref": "([^"]+)"', text):
        assert resolved({"$ref": reference})
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    for _, _, operation in operations():
        assert operation["summary"]
        for response in operation["responses"].values():
            assert response["description"]
    used = set(re.findall(r'#/components/schemas/(\w+)"', text))
    assert used == set(SCHEMAS)


def test_every_schema_is_of_the_keywords_that_are_checked_here() -> None:
    found = [*schemas(WHOLE["paths"]), *SCHEMAS.values()]
    assert len(found) > 20
    for schema in found:
        [*faults({}, schema)]


def test_the_reasons_and_the_whys_are_those_of_the_services() -> None:
    named = SCHEMAS["Notice"]["properties"]["reason_code"]["enum"]
    assert set(named) == {"", "platform", *REASONS}
    source = (ROOT / "wx" / "service" / "channel.py").read_text()
    for why in WHYS:
        assert f'"{why}"' in source, why


# The codes


def raised(*files: str) -> set[str]:
    """The codes of refusals in these files."""
    found = set()
    for file in files:
        tree = ast.parse((ROOT / "wx" / file).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            name = getattr(getattr(node, "func", None), "id", "") if node else ""
            if not isinstance(node, ast.Call) or name not in ("Refused", "wrong"):
                continue
            at = 1 if name == "Refused" else 0
            if len(node.args) > at and isinstance(node.args[at], ast.Constant):
                found.add(str(node.args[at].value))
    return {code for code in found if re.fullmatch("[a-z-]+", code)}


# What the same files refuse elsewhere: on the command line, and on the page of a notice.
ELSEWHERE = {"bad-scope", "bad-recipient", "unknown-key", "notice-over"}
ELSEWHERE |= {"unknown-view", "view-over"}


def test_every_code_that_is_raised_is_listed_and_every_listed_one_is_raised() -> None:
    codes = raised(
        *("service/outbox.py", "service/draft.py", "service/api_keys.py"),
        *("service/accounts.py", "service/views.py", "service/jssdk.py"),
        *("web/api.py", "web/outbox.py", "web/bindings.py", "web/openapi.py"),
        *("web/accounts.py", "web/invites.py"),
    )
    # Of what binding may come to, these can come of the digits.
    assert {"taken", "already-bound", "expired"} <= set(_REFUSALS)
    codes |= {"taken", "already-bound", "expired", "wrong-digits", "unknown-invite"}
    codes |= raised("service/invites.py") & {"too-many-codes"}
    codes |= {_code(status) for status in MESSAGES} | {"storage-unavailable"}
    assert codes == set(ERRORS) | ELSEWHERE


def test_every_code_is_listed_with_its_status_where_it_may_come() -> None:
    listed = set()
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            for code in re.findall(r"`([a-z-]+)`: ", response["description"]):
                if int(status) >= 400:
                    assert ERRORS[code][0] == int(status)
                    listed.add(code)
    # An address that is nothing has no description.
    assert listed == set(ERRORS) - {"not-found"}


# The answers


@pytest.mark.gen_test(timeout=20)
async def test_it_is_told_to_anybody(world: World) -> None:
    answer = await world.ask("/api/v1/openapi.json")
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert json.loads(answer.body) == json.loads(json.dumps(description(world.base)))
    for path, body in (("/api/v1/openapi.json?x=1", None), ("/api/v1/openapi.json", b"{}")):
        answer = await world.ask(path, body=body)
        assert answer.code in (400, 405)


@pytest.mark.gen_test(timeout=60)
async def test_the_answers_are_as_they_are_described(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.reconfigure(api_per_minute="500")
    key = await bound_key(world, "bindings:read")
    poor = await world.key("js:read", name="poor")
    template = {"id": world.simulator.template_id, "data": {"thing1": "x", "time2": "08:00"}}
    drafts: list[dict[str, Any]] = [
        {"to": "ann", "text": "x"},
        {"to": ["ann"], "text": "x", "channel": "custom", "expires_in": 60.5},
        {"to": "ann", "text": "x", "url": f"{world.base}/bind"},
        {"to": "ann", "template": template},
        {"to": "ann", "template": template | {"url": f"{world.base}/bind"}},
        {"to": "ann", "text": "x" * 10_000},
        {"to": ["ann", "bob", "nobody"], "text": "y" * 100, "dry_run": True},
        {"to": "ann", "text": "y" * 100, "channel": "custom", "dry_run": True},
        {"to": "ann", "text": "y", "channel": "subscribe", "dry_run": True},
    ]
    wrong: list[dict[str, Any]] = [
        {"to": "nobody", "text": "x"},
        {"to": "bob", "text": "x"},
        {"to": [], "text": "x"},
        {"to": "ann", "text": ""},
        {"to": "ann", "text": "x", "template": template},
        {"to": "ann", "text": "x", "url": "x"},
        {"to": "ann", "text": "x", "channel": "sms"},
        {"to": "ann", "text": "x", "expires_in": 0},
        {"to": "ann", "text": "x", "unknown": 1},
        {"to": "ann", "template": template | {"id": "none"}},
        {"to": "ann", "template": template | {"data": {"thing9": "x"}}},
        {"to": "ann", "template": template | {"data": {}}},
    ]
    notices = "/api/v1/notices"
    draft = SCHEMAS["Draft"]
    for body in drafts:
        assert not [*faults(body, draft)], body
        answer = await world.ask(notices, key=key, body=body)
        assert answer.code in (200, 202), answer.body
        assert_described(answer, notices, "POST")
    for body in wrong:
        answer = await world.ask(notices, key=key, body=body)
        assert 400 <= answer.code < 500
        assert_described(answer, notices, "POST")
    world.rows("UPDATE followers SET blocked_at = 5, following = 1")
    answer = await world.ask(notices, key=key, body=drafts[0])
    assert b"blocked" in answer.body
    assert_described(answer, notices, "POST")
    once = {"Idempotency-Key": "1"}
    for body in (drafts[0], drafts[2]):
        answer = await world.ask(notices, key=key, body=body, headers=once)
    assert answer.code == 409
    assert_described(answer, notices, "POST")

    listed = await world.ask(f"{notices}?limit=1", key=key)
    [one] = json.loads(listed.body)["notices"]
    paths = [
        *(notices, f"{notices}?limit=2", f"{notices}?state=failed", f"{notices}?to=nobody"),
        *(f"{notices}?limit=x", f"{notices}/{one['id']}", f"{notices}/{'a' * 22}"),
        *("/api/v1/bindings/ann", "/api/v1/bindings/bob", "/api/v1/bindings/nobody"),
        *("/api/v1/openapi.json", "/api/v1/openapi.json?x=1"),
    ]
    for path, shown in itertools.product(paths, (key, poor, "", "wx_" + "a" * 43)):
        assert_described(await world.ask(path, key=shown), path, "GET")
        answer = await world.ask(path, key=shown, headers={"Host": "evil.example"})
        assert answer.code == 421
        assert_described(answer, path, "GET")
    large = await world.ask(notices, key=key, body=b" " * 210_000)
    assert large.code == 413
    assert_described(large, notices, "POST")
    foreign = await world.ask(notices, key=key, body=b"{}", headers={"Origin": "https://x.example"})
    assert foreign.code == 403
    assert_described(foreign, notices, "POST")

    for cause in (StorageUnavailable("full"), RuntimeError("x")):

        async def broken(*_: object, cause: Exception = cause, **__: object) -> None:
            raise cause

        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "put", broken)
            answer = await world.ask(notices, key=key, body=drafts[0])
        assert answer.code >= 500
        assert_described(answer, notices, "POST")

    monkeypatch.setattr(Rate, "try_take", lambda *_, **more: 5.0)
    for path in paths[:-2]:
        answer = await world.ask(path, key=key)
        assert answer.code == 429
        assert_described(answer, path, "GET")


@pytest.mark.gen_test(timeout=60)
async def test_the_answers_about_accounts_and_codes_are_as_they_are_described(
    world: World,
) -> None:
    await world.reconfigure(bind_confirm="desktop", invites_per_hour="3")
    key = await world.key("accounts:write", "invites:write")
    poor = await world.key("js:read", name="poor")
    only = await world.key("invites:write", name="only", account="bob")
    accounts, invites = "/api/v1/accounts", "/api/v1/invites"
    statuses = []

    async def ask(path: str, body: object, shown: str = key) -> dict[str, Any]:
        answer = await world.ask(path, key=shown, body=body)
        assert_described(answer, path, "POST")
        statuses.append(answer.code)
        told: dict[str, Any] = json.loads(answer.body)
        world.planted |= (
            {told["view"], told["link"].rpartition("/")[2]} if "view" in told else set()
        )
        return told

    for body in ({"name": "shop"}, {"name": "shop"}, {"name": "a b"}, {}, {"name": "x", "y": 1}):
        await ask(accounts, body)
    wish = {"account": "shop", "browser": "Chrome/1", "address": "::1", "replace": True}
    assert not [*faults(wish | {"fresh": True}, SCHEMAS["Wish"])]
    made = await ask(invites, wish)
    confirm = f"{invites}/{made['id']}/confirm"
    for body in ({"code": "1"}, {"code": 1}, {}):
        await ask(confirm, body)
    page = await world.simulator.phone("wang").bind(made["url"])
    digits = await digits_of(page)
    await ask(confirm, {"code": "x"})
    await ask(f"{invites}/{'a' * 22}/confirm", {"code": digits})
    await ask(confirm, {"code": digits})
    other = await ask(invites, {"account": "ann"})
    page = await world.simulator.phone("wang").bind(other["url"])
    for body in (
        *({"account": "shop"}, {"account": "nobody"}, {"account": 1}),
        *({"account": "bob", "fresh": True},) * 4,
    ):
        await ask(invites, body)
    for path, body in ((accounts, {"name": "z"}), (invites, wish), (confirm, {"code": "1"})):
        for shown in (poor, "", "wx_" + "a" * 43):
            await ask(path, body, shown)
        foreign = {"Origin": "https://x.example"}
        answer = await world.ask(path, key=key, body=body, headers=foreign)
        assert_described(answer, path, "POST")
    await ask(invites, {"account": "ann"}, only)
    assert statuses[:5] == [201, 409, 400, 400, 400]
    assert {200, 400, 401, 403, 404, 409, 410, 429} <= set(statuses)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"to": "ann", "text": "x"}, True),
        ({"to": ["ann", "bob"], "text": "x"}, True),
        ({"text": "x"}, False),
        ({"to": 1, "text": "x"}, False),
        ({"to": [], "text": "x"}, False),
        ({"to": "", "text": "x"}, False),
        ({"to": ["ann", ""], "text": "x"}, False),
        ({"to": [1], "text": "x"}, False),
        ({"to": "ann"}, False),
        ({"to": "ann", "text": ""}, False),
        ({"to": "ann", "text": "x", "dry_run": 1}, False),
        ({"to": "ann", "text": "x", "expires_in": True}, False),
        ({"to": "ann", "text": "x", "expires_in": 0}, False),
        ({"to": "ann", "text": "x", "channel": "sms"}, False),
        ({"to": "ann", "text": "x", "more": 1}, False),
        ({"to": "ann", "text": "x", "template": {"id": "t", "data": {"a": "b"}}}, False),
        ({"to": "ann", "template": {"id": "t", "data": {"a": 1}}}, False),
        ({"to": "ann", "template": {"id": "t", "data": {}}}, False),
    ],
)
def test_the_validator_of_this_test_sees_what_is_wrong(value: dict[str, Any], fits: bool) -> None:
    assert (not [*faults(value, SCHEMAS["Draft"])]) == fits


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("x", True),
        ("x" * 255, True),
        ("a b", True),
        ("~!", True),
        ("", False),
        ("x" * 256, False),
        ("\xe9", False),
        ("a\x7f", False),
        ("a\tb", False),
        (" a", False),
    ],
)
def test_the_form_of_an_idempotency_key_is_described(given: str, fits: bool) -> None:
    [header] = PATHS["/api/v1/notices"]["post"]["parameters"]
    assert "pattern" in header["schema"]
    assert (not [*faults(given, header["schema"])]) == fits


def test_nothing_is_described_that_is_nothing() -> None:
    assert NothingHere not in [handler for _, handler in ROUTES]
