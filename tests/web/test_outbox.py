"""Notices by the API: sent, tried out, looked up."""

import asyncio
import json
import re
from typing import Any

import pytest

from tests.service.sending import crowd
from tests.web.test_api import error
from tests.world import World
from wx.service.draft import Draft
from wx.service.reason import REASONS

NOTICES = "/api/v1/notices"
ACCEPTED = {"id", "to", "channel", "state"}
EXPLAINED = {"reason_code", "reason", "cause", "hint"}
SHOWN = ACCEPTED | EXPLAINED | {"why", "origin", "attempts", "platform_id", "errcode", "created_at"}
SHOWN |= {"expires_at", "sent_at", "settled_at"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


async def sent(world: World, key: str, body: object, **more: Any) -> list[dict[str, Any]]:
    """The notices that a request is accepted as."""
    answer = await world.ask(NOTICES, key=key, body=body, **more)
    assert answer.code == 202, answer.body
    told = json.loads(answer.body)
    assert set(told) == {"notices"}
    return list(told["notices"])


async def found(world: World, key: str, query: str = "") -> list[dict[str, Any]]:
    """The notices that a list shows."""
    answer = await world.ask(NOTICES + query, key=key)
    assert answer.code == 200, answer.body
    return list(json.loads(answer.body)["notices"])


async def settled(world: World, key: str, notice_id: str, *states: str) -> dict[str, Any]:
    """A notice, once it is in one of these states."""
    async with asyncio.timeout(10):
        while True:
            answer = await world.ask(f"{NOTICES}/{notice_id}", key=key)
            told: dict[str, Any] = json.loads(answer.body)
            if told["state"] in states:
                return told
            await asyncio.sleep(0.02)


async def bound_key(world: World, *more: str) -> str:
    """A key that sends and reads; ann is bound, and has been told so."""
    await world.bound()
    key = await world.key("notices:write", "notices:read", *more)
    for notice in await found(world, key):
        await settled(world, key, notice["id"], "sent")
    return key


@pytest.mark.gen_test(timeout=20)
async def test_a_text_is_kept_sent_and_told_of(world: World) -> None:
    key = await bound_key(world)
    [notice] = await sent(world, key, {"to": "ann", "text": "backup finished"})
    assert set(notice) == ACCEPTED
    assert re.fullmatch(r"[0-9A-Za-z]{22}", notice["id"])
    assert (notice["to"], notice["state"]) == ("ann", "queued")
    await world.told("wang", 2)
    told = await settled(world, key, notice["id"], "sent", "delivered")
    assert set(told) == SHOWN
    assert (told["to"], told["channel"], told["why"]) == ("ann", "template", "outside-window")
    assert (told["attempts"], told["errcode"]) == (1, None)
    assert told["origin"] == "key program"
    assert told["platform_id"].isdigit()
    assert {told[name] for name in EXPLAINED} == {""}
    for name in ("created_at", "expires_at", "sent_at"):
        assert re.fullmatch(TIME, told[name]), name
    assert told["created_at"] == "2027-01-15T08:00:00.000Z"
    assert told["expires_at"] == "2027-01-17T08:00:00.000Z"
    [row] = world.rows("SELECT * FROM outbox WHERE id = ?", notice["id"])
    assert (row["origin"], row["text"]) == ("key program", "backup finished")


@pytest.mark.gen_test(timeout=20)
async def test_what_is_accepted_is_on_disk(world: World) -> None:
    key = await bound_key(world)
    [notice] = await sent(world, key, {"to": "ann", "text": "x"})
    assert world.rows("SELECT 1 FROM outbox WHERE id = ?", notice["id"])


@pytest.mark.gen_test(timeout=20)
async def test_a_list_is_sent_to_all_in_its_order_or_to_nobody(world: World) -> None:
    key = await bound_key(world)
    await world.bound("bob", "li")
    told = await sent(world, key, {"to": ["bob", "ann", "Bob"], "text": "x"})
    assert [one["to"] for one in told] == ["bob", "ann"]
    before = len(await found(world, key))
    await world.server.services.api_keys.list_all()
    for names, status, code in (
        (["ann", "nobody"], 404, "unknown-account"),
        (["nobody", "王"], 404, "unknown-account"),
    ):
        answer = await world.ask(NOTICES, key=key, body={"to": names, "text": "x"})
        told_error = error(answer, status, code)
        unknown = [name for name in names if name != "ann"]
        assert told_error["accounts"] == {"unknown": unknown, "unbound": []}
        assert told_error["hint"]
    assert len(await found(world, key)) == before


@pytest.mark.gen_test(timeout=20)
async def test_who_is_not_bound_is_named_beside_who_is_unknown(world: World) -> None:
    key = await bound_key(world)
    answer = await world.ask(NOTICES, key=key, body={"to": ["ann", "bob"], "text": "x"})
    told = error(answer, 409, "not-bound")
    assert told["accounts"] == {"unknown": [], "unbound": ["bob"]}
    answer = await world.ask(NOTICES, key=key, body={"to": ["x", "ann", "bob"], "text": "x"})
    told = error(answer, 404, "unknown-account")
    assert told["accounts"] == {"unknown": ["x"], "unbound": ["bob"]}
    answer = await world.ask(NOTICES, key=key, body={"to": "bob", "text": "x"})
    error(answer, 409, "not-bound")


@pytest.mark.gen_test(timeout=20)
async def test_an_empty_name_is_told_as_such(world: World) -> None:
    key = await bound_key(world)
    before = len(await found(world, key))
    for to in ("", " ", ["ann", ""], ["\u3000"]):
        for more in ({}, {"dry_run": True}):
            answer = await world.ask(NOTICES, key=key, body={"to": to, "text": "x"} | more)
            told = error(answer, 422, "bad-recipients")
            assert told["field"] == "to" and "is empty" in str(told["message"])
            assert "account list" in str(told["hint"])
    assert len(await found(world, key)) == before


@pytest.mark.gen_test(timeout=20)
async def test_a_field_of_the_template_that_is_missing_is_named_as_missing(world: World) -> None:
    key = await bound_key(world)
    template = {"id": world.simulator.template_id, "data": {"thing1": "backup"}}
    answer = await world.ask(NOTICES, key=key, body={"to": "ann", "template": template})
    told = error(answer, 422, "bad-field")
    assert told["field"] == "time2" and "is missing" in str(told["hint"])


@pytest.mark.gen_test(timeout=20)
async def test_a_template_is_sent_with_its_fields(world: World) -> None:
    key = await bound_key(world)
    template = {
        "id": world.simulator.template_id,
        "data": {"thing1": "backup", "time2": "2027-01-15 08:00"},
        "url": f"{world.base}/bind",
    }
    [notice] = await sent(world, key, {"to": "ann", "template": template})
    told = await settled(world, key, notice["id"], "sent", "delivered")
    assert (told["channel"], told["why"]) == ("template", "template-given")
    [row] = world.rows("SELECT * FROM outbox WHERE id = ?", notice["id"])
    assert json.loads(row["fields"]) == template["data"] and row["url"] == template["url"]
    nulls = {"text": None, "url": None, "dry_run": None, "channel": None, "expires_in": None}
    await sent(world, key, {"to": "ann", "template": template} | nulls)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"to": [], "text": "x"}, "bad-recipients"),
        ({"to": [f"n{number}" for number in range(1001)], "text": "x"}, "bad-recipients"),
        ({"to": "ann", "text": ""}, "bad-text"),
        ({"to": "ann", "text": " \n\t "}, "bad-text"),
        ({"to": "ann", "text": "\0\x1b"}, "bad-text"),
        ({"to": "ann", "text": "x" * 10_001}, "bad-text"),
        ({"to": "ann", "text": "x", "channel": "sms"}, "bad-channel"),
        ({"to": "ann", "text": "x", "channel": ""}, "bad-channel"),
        ({"to": "ann", "text": "x", "expires_in": 0}, "bad-expiry"),
        ({"to": "ann", "text": "x", "expires_in": -5}, "bad-expiry"),
        ({"to": "ann", "text": "x", "expires_in": 1e12}, "bad-expiry"),
        ({"to": "ann", "text": "x", "url": "javascript:alert(1)"}, "bad-url"),
        ({"to": "ann", "text": "x", "url": "https://evil.example/"}, "bad-url"),
        ({"to": "ann", "text": "x", "url": "//evil.example"}, "bad-url"),
        ({"to": "ann", "text": "x", "template": {"id": "t", "data": {"a": "b"}}}, "bad-text"),
        ({"to": "ann", "template": {"id": "", "data": {"a": "b"}}}, "bad-text"),
        ({"to": "ann", "template": {"id": "none", "data": {"a": "b"}}}, "unknown-template"),
        ({"to": "ann", "template": {"id": "T", "data": {}}}, "bad-field"),
        ({"to": "ann", "template": {"id": "T", "data": {"thing9": "x"}}}, "bad-field"),
        (
            {"to": "ann", "channel": "custom", "template": {"id": "T", "data": {"thing1": "x"}}},
            "bad-channel",
        ),
    ],
)
async def test_a_notice_that_cannot_be_is_refused_with_a_hint_and_not_kept(
    world: World, body: dict[str, Any], code: str
) -> None:
    key = await bound_key(world)
    if body.get("template", {}).get("id") == "T":
        body["template"]["id"] = world.simulator.template_id
    before = len(await found(world, key))
    for more in ({}, {"dry_run": True}):
        answer = await world.ask(NOTICES, key=key, body=body | more)
        if code == "unknown-template" and more:
            assert answer.code in (200, 422)  # as far as the templates are known: nobody is asked
            continue
        told = error(answer, 422, code)
        assert code != "bad-field" or told.get("field") in ("thing9", None)
    assert len(await found(world, key)) == before


@pytest.mark.gen_test(timeout=20)
async def test_a_wish_is_granted_and_a_short_life_ends(world: World) -> None:
    key = await bound_key(world)
    [notice] = await sent(world, key, {"to": "ann", "text": "x", "channel": "custom"})
    told = await settled(world, key, notice["id"], "sent", "failed")
    assert (told["channel"], told["why"]) == ("custom", "asked-for")
    [notice] = await sent(world, key, {"to": "ann", "text": "x", "expires_in": 90.5})
    told = json.loads((await world.ask(f"{NOTICES}/{notice['id']}", key=key)).body)
    assert told["expires_at"] == "2027-01-15T08:01:30.500Z"


# Trying out


@pytest.mark.gen_test(timeout=20)
async def test_a_dry_run_says_what_would_become_of_it_and_does_nothing(world: World) -> None:
    key = await bound_key(world)
    rows = world.rows("SELECT * FROM outbox")
    chat = len(world.simulator.world.people["wang"].chat)
    body = {"to": ["ann", "bob", "nobody"], "text": "word " * 30, "dry_run": True}
    headers = {"Idempotency-Key": "dry"}
    answer = await world.ask(NOTICES, key=key, body=body, headers=headers)
    assert answer.code == 200
    ann, bob, nobody = json.loads(answer.body)["notices"]
    assert (ann["to"], ann["channel"], ann["why"]) == ("ann", "template", "outside-window")
    assert ann["template"] == world.simulator.template_id
    assert ann["fields"]["thing1"] == "word word word word…" and ann["cut"] is True
    assert "text" not in ann and ann["reason"] == ""
    assert (bob["to"], bob["channel"], bob["reason_code"]) == ("bob", "", "not-bound")
    assert (nobody["to"], nobody["reason_code"]) == ("nobody", "unknown-account")
    for one in (bob, nobody):
        assert one["reason"] == REASONS[one["reason_code"]].sentence
        assert one["cause"] and one["hint"] and one["cut"] is False
    assert [tuple(row) for row in world.rows("SELECT * FROM outbox")] == [
        tuple(row) for row in rows
    ]
    assert len(world.simulator.world.people["wang"].chat) == chat
    assert not world.rows("SELECT * FROM requests")


@pytest.mark.gen_test(timeout=20)
async def test_a_dry_run_of_a_chat_message_shows_its_text(world: World) -> None:
    key = await bound_key(world)
    body = {"to": "ann", "text": "x", "url": f"{world.base}/bind", "channel": "custom"}
    answer = await world.ask(NOTICES, key=key, body=body | {"dry_run": True})
    [plan] = json.loads(answer.body)["notices"]
    assert (plan["channel"], plan["why"], plan["cut"]) == ("custom", "asked-for", False)
    assert plan["text"].startswith("x") and "fields" not in plan
    no = await world.ask(NOTICES, key=key, body=body | {"dry_run": False})
    assert no.code == 202


@pytest.mark.gen_test(timeout=20)
async def test_reasons_are_told_in_the_reader_s_language(world: World) -> None:
    key = await bound_key(world)
    body = {"to": "nobody", "text": "x", "dry_run": True}
    answer = await world.ask(NOTICES, key=key, body=body, headers={"Accept-Language": "zh"})
    [plan] = json.loads(answer.body)["notices"]
    assert plan["reason_code"] == "unknown-account"
    assert not any(plan[name].isascii() for name in ("reason", "cause", "hint"))


# The same request again


@pytest.mark.gen_test(timeout=20)
async def test_the_same_idempotency_key_and_body_give_the_same_notices(world: World) -> None:
    key = await bound_key(world)
    once = {"Idempotency-Key": "backup-1"}
    body = {"to": "ann", "text": "x"}
    first = await sent(world, key, body, headers=once)
    # The same request, written otherwise.
    again = await sent(world, key, b'{ "text":"\\u0078","to":["ann"]}', headers=once)
    assert [one["id"] for one in again] == [one["id"] for one in first]
    error(
        await world.ask(NOTICES, key=key, body={"to": "ann", "text": "y"}, headers=once),
        409,
        "idempotency-mismatch",
    )
    world.clock.advance(72 * 3600 - 1)
    assert (await sent(world, key, body, headers=once))[0]["id"] == first[0]["id"]
    world.clock.advance(2)
    assert (await sent(world, key, body, headers=once))[0]["id"] != first[0]["id"]


@pytest.mark.gen_test(timeout=20)
async def test_idempotency_keys_are_each_api_key_s_own(world: World) -> None:
    key = await bound_key(world)
    other = await world.key("notices:write", name="other")
    body, once = {"to": "ann", "text": "x"}, {"Idempotency-Key": "1"}
    one = await sent(world, key, body, headers=once)
    assert await sent(world, other, body, headers=once) != one
    assert await sent(world, key, body) != one


@pytest.mark.gen_test(timeout=20)
async def test_two_at_once_with_one_idempotency_key_make_one(world: World) -> None:
    key = await bound_key(world)
    body, once = {"to": "ann", "text": "x"}, {"Idempotency-Key": "1"}
    told = await asyncio.gather(*(sent(world, key, body, headers=once) for _ in range(10)))
    assert len({one["id"] for [one] in told}) == 1


@pytest.mark.gen_test(timeout=20)
async def test_an_idempotency_key_has_a_form(world: World) -> None:
    key = await bound_key(world)
    body = {"to": "ann", "text": "x"}
    for wrong in ("", "x" * 256, "\xe9"):
        answer = await world.ask(NOTICES, key=key, body=body, headers={"Idempotency-Key": wrong})
        assert error(answer, 400, "bad-request")["field"] == "Idempotency-Key", wrong
    for right in ("x", "x" * 255, "a b", '"quoted"', "8e03978e-40d5-43e8-bc93-6894a57f9324"):
        await sent(world, key, body, headers={"Idempotency-Key": right})


# Who cannot be reached


@pytest.mark.gen_test(timeout=20)
async def test_a_notice_to_somebody_who_left_has_failed_at_once_and_says_why(world: World) -> None:
    key = await bound_key(world)
    world.rows("UPDATE followers SET following = 0")
    [notice] = await sent(world, key, {"to": "ann", "text": "x"})
    assert set(notice) == ACCEPTED | EXPLAINED
    assert (notice["state"], notice["reason_code"]) == ("failed", "not-following")
    told = json.loads((await world.ask(f"{NOTICES}/{notice['id']}", key=key)).body)
    assert (told["state"], told["attempts"], told["sent_at"]) == ("failed", 0, None)
    assert re.fullmatch(TIME, told["settled_at"])
    assert told["reason"] == REASONS["not-following"].sentence
    assert told["hint"] == REASONS["not-following"].cure


# Looking up


@pytest.mark.gen_test(timeout=20)
async def test_notices_are_listed_newest_first_in_pieces(world: World) -> None:
    key = await bound_key(world)
    ids = [(await sent(world, key, {"to": "ann", "text": f"{n}"}))[0]["id"] for n in range(5)]
    first = json.loads((await world.ask(f"{NOTICES}?limit=2", key=key)).body)
    assert [one["id"] for one in first["notices"]] == ids[:2:-1]
    assert first["next"] == ids[3]
    second = json.loads((await world.ask(f"{NOTICES}?limit=200&before={ids[3]}", key=key)).body)
    assert [one["id"] for one in second["notices"]][:3] == ids[2::-1]
    assert second["next"] is None
    for one in second["notices"]:
        assert set(one) == SHOWN


@pytest.mark.gen_test(timeout=20)
async def test_a_list_is_of_one_account_or_one_state(world: World) -> None:
    key = await bound_key(world)
    await world.bound("bob", "li")
    world.rows("UPDATE followers SET following = 0 WHERE openid LIKE '%Li%'")
    await sent(world, key, {"to": ["ann", "bob"], "text": "x"})
    assert {one["to"] for one in await found(world, key)} == {"ann", "bob"}
    assert {one["to"] for one in await found(world, key, "?to=BOB")} == {"bob"}
    failed = await found(world, key, "?state=failed")
    assert {one["to"] for one in failed} == {"bob"}
    assert await found(world, key, "?to=ann&state=failed&limit=&before=") == []
    error(await world.ask(f"{NOTICES}?to=nobody", key=key), 404, "unknown-account")
    for query in (
        "?state=lost",
        "?state=Sent",
        "?limit=0",
        "?limit=201",
        "?limit=-1",
        "?limit=1.5",
        "?before=1",
        f"?before={'a' * 21}",
        f"?before={'a' * 23}",
        f"?before={'a' * 21}-",
        f"?before={'a' * 22}%0A",
        "?before=%20",
    ):
        told = error(await world.ask(NOTICES + query, key=key), 400, "bad-request")
        assert told["field"] == query[1:].partition("=")[0] and told["hint"]
    assert await found(world, key, f"?before={'a' * 22}") == []
    error(await world.ask(f"{NOTICES}?limit={'1' * 9000}", key=key), 400, "bad-request")


@pytest.mark.gen_test(timeout=20)
async def test_a_notice_that_is_none_is_not_found(world: World) -> None:
    key = await bound_key(world)
    for name in ("a" * 22, "1", "%00", "%E7%8E%8B", "a" * 4000, "..%2f..", "' OR 1=1"):
        path = f"{NOTICES}/{name.replace(' ', '%20')}"
        error(await world.ask(path, key=key), 404, "unknown-notice")


# How often


@pytest.mark.gen_test(timeout=20)
async def test_a_list_counts_as_many_and_nothing_of_it_is_kept_when_it_is_too_much(
    world: World,
) -> None:
    await world.reconfigure(api_per_minute="10")
    key = await bound_key(world)
    await world.bound("bob", "li")
    world.clock.advance(60)
    both = {"to": ["ann", "bob"], "text": "x"}
    for _ in range(4):
        await sent(world, key, both)
    many = {"to": ["ann", "bob", "x"], "text": "x"}
    count = world.rows("SELECT count(*) FROM outbox")[0][0]
    answer = await world.ask(NOTICES, key=key, body=many)  # of the two that are left, one goes
    error(answer, 429, "too-many-requests")
    assert 6 <= int(answer.headers["Retry-After"]) <= 13
    assert world.rows("SELECT count(*) FROM outbox")[0][0] == count
    assert not world.rows("SELECT 1 FROM requests")
    world.clock.advance(int(answer.headers["Retry-After"]))
    assert (await world.ask(NOTICES, key=key, body=many)).code == 404


@pytest.mark.gen_test(timeout=20)
async def test_all_keys_together_send_so_many_in_a_minute_and_what_is_not_sent_is_not_counted(
    world: World,
) -> None:
    await world.reconfigure(notices_per_minute="5", serverchan="true")
    key = await bound_key(world)
    other = await world.key("notices:write", name="other")
    router = await world.key("serverchan", name="router", account="ann")
    draft = {"to": "ann", "text": "x"}
    bobs = await world.key("notices:write", name="bobs", account="ann")
    [first] = await sent(world, key, draft, headers={"Idempotency-Key": "1"})
    for _ in range(7):
        assert (await world.ask(NOTICES, key=key, body=draft | {"dry_run": True})).code == 200
        again = await sent(world, key, draft, headers={"Idempotency-Key": "1"})
        assert [one["id"] for one in again] == [first["id"]]
        for one, body, code in (
            (bobs, {"to": "bob"}, 403),
            (key, {"to": "nobody"}, 404),
            (key, {"url": "https://elsewhere.example"}, 422),
        ):
            assert (await world.ask(NOTICES, key=one, body=draft | body)).code == code
    for one in (key, other, other):
        await sent(world, one, draft)
    assert (await world.ask(f"/{router}.send?title=x")).code == 200
    for one in (key, other):
        told = error(await world.ask(NOTICES, key=one, body=draft), 429, "too-many-requests")
        assert "notices_per_minute" in told["hint"]
    assert (await world.ask(f"/{router}.send?title=x")).code == 429
    again = await sent(world, key, draft, headers={"Idempotency-Key": "1"})
    assert [one["id"] for one in again] == [first["id"]], "what was taken once is told again"
    world.clock.advance(12)
    await sent(world, other, draft)


@pytest.mark.gen_test(timeout=20)
async def test_a_long_list_leaves_a_debt_that_stops_sending_and_nothing_else(world: World) -> None:
    await world.reconfigure(notices_per_minute="1")
    key = await bound_key(world)
    await world.bound("bob", "li")
    both = {"to": ["ann", "bob"], "text": "x"}
    await sent(world, key, both)
    error(await world.ask(NOTICES, key=key, body=both), 429, "too-many-requests")
    assert (await world.ask(NOTICES, key=key)).code == 200
    assert (await world.ask(NOTICES, key=key, body=both | {"dry_run": True})).code == 200
    many = {"to": [f"x{number}" for number in range(9)], "text": "x"}
    error(await world.ask(NOTICES, key=key, body=many), 404, "unknown-account")
    world.clock.advance(120)
    await sent(world, key, both)


@pytest.mark.gen_test(timeout=20)
async def test_one_account_gets_so_many_in_a_day_whoever_sends(world: World) -> None:
    await world.reconfigure(notices_per_day="4")
    key = await bound_key(world)  # the word that it is bound is the first of them
    await world.bound("bob", "li")
    world.clock.advance(30)
    for _ in range(3):
        await sent(world, key, {"to": "ann", "text": "x"})
        world.clock.advance(60)
    count = world.rows("SELECT count(*) FROM outbox")[0][0]
    answer = await world.ask(NOTICES, key=key, body={"to": ["bob", "ann"], "text": "x"})
    told = error(answer, 429, "too-many-notices")
    assert told["accounts"] == {"full": ["ann"]} and "ann" in told["message"]
    assert "bob" not in told["message"]
    [planned] = json.loads(
        (await world.ask(NOTICES, key=key, body={"to": "ann", "text": "x", "dry_run": True})).body
    )["notices"]
    assert (planned["channel"], planned["reason_code"]) == ("", "too-many-notices")
    assert planned["reason"] and planned["hint"]
    wait = int(answer.headers["Retry-After"])
    assert wait == 86400 - 30 - 180 + 1
    assert world.rows("SELECT count(*) FROM outbox")[0][0] == count, "nothing is half done"
    await sent(world, key, {"to": "bob", "text": "x"})
    desktop = await world.signed_in()
    assert (await desktop.post("/bind/test", json_answer=True)).code == 429
    world.clock.advance(wait)
    await sent(world, key, {"to": ["bob", "ann"], "text": "x"})
    error(
        await world.ask(NOTICES, key=key, body={"to": "ann", "text": "x"}), 429, "too-many-notices"
    )


@pytest.mark.gen_test(timeout=20)
async def test_where_several_are_full_the_last_one_says_how_long_to_wait(world: World) -> None:
    await world.reconfigure(notices_per_day="2")
    key = await bound_key(world)  # the word that it is bound is the first of them
    world.clock.advance(1000)
    await world.bound("bob", "li")
    await sent(world, key, {"to": ["ann", "bob"], "text": "x"})
    world.clock.advance(500)
    answer = await world.ask(NOTICES, key=key, body={"to": ["bob", "ann"], "text": "x"})
    assert error(answer, 429, "too-many-notices")["accounts"] == {"full": ["bob", "ann"]}
    assert int(answer.headers["Retry-After"]) == 86400 - 500 + 1


@pytest.mark.gen_test(timeout=20)
async def test_a_clock_that_was_set_back_holds_nobody_up(world: World) -> None:
    await world.reconfigure(notices_per_day="1")
    key = await bound_key(world)
    world.clock.jump(10 * 86400)
    await sent(world, key, {"to": "ann", "text": "x"})
    world.clock.jump(-10 * 86400)
    await sent(world, key, {"to": "ann", "text": "x"})
    draft = {"to": "ann", "text": "x"}
    error(await world.ask(NOTICES, key=key, body=draft), 429, "too-many-notices")


@pytest.mark.gen_test(timeout=20)
async def test_what_reaches_nobody_is_counted_too_for_a_day_and_not_for_a_minute(
    world: World,
) -> None:
    await world.reconfigure(notices_per_day="4", notices_per_minute="3")
    key = await bound_key(world)
    await world.bound("bob", "li")
    world.rows("UPDATE followers SET following = 0 WHERE openid LIKE '%Wang%'")
    for _ in range(3):
        [notice] = await sent(world, key, {"to": "ann", "text": "x"})
        assert notice["state"] == "failed"
    draft = {"to": "ann", "text": "x"}
    error(await world.ask(NOTICES, key=key, body=draft), 429, "too-many-notices")
    await sent(world, key, {"to": "bob", "text": "x"})


@pytest.mark.gen_test(timeout=20)
async def test_whoever_waits_as_told_is_let_in_where_both_limits_are_tight(world: World) -> None:
    await world.reconfigure(notices_per_minute="60", api_per_minute="60")
    names = await crowd(world, 40)
    key = await world.key("notices:write")
    other = await world.key("notices:write", name="other")
    await sent(world, other, {"to": names[:30], "text": "x"})
    answer = await world.ask(NOTICES, key=key, body={"to": names, "text": "x"})
    error(answer, 429, "too-many-requests")
    world.clock.advance(int(answer.headers["Retry-After"]))
    await sent(world, key, {"to": names, "text": "x"})


@pytest.mark.gen_test(timeout=20)
async def test_a_list_that_is_refused_harms_nobody_meanwhile(world: World) -> None:
    await world.reconfigure(notices_per_minute="10")
    key = await bound_key(world)
    other = await world.key("notices:write", name="other")
    unknown = {"to": [f"nobody{number}" for number in range(900)], "text": "x"}
    for _ in range(3):
        answers = await asyncio.gather(
            world.ask(NOTICES, key=key, body=unknown),
            world.ask(NOTICES, key=other, body={"to": "ann", "text": "x"}),
        )
        assert [answer.code for answer in answers] == [404, 202]
    drafts = [
        world.ask(
            NOTICES, key=other, body={"to": "ann", "text": "y"}, headers={"Idempotency-Key": "1"}
        )
        for _ in range(6)
    ]
    assert {answer.code for answer in await asyncio.gather(*drafts)} == {202}
    for _ in range(6):
        await sent(world, key, {"to": "ann", "text": "x"})
    draft = {"to": "ann", "text": "x"}
    error(await world.ask(NOTICES, key=key, body=draft), 429, "too-many-requests")


@pytest.mark.gen_test(timeout=20)
async def test_without_a_limit_of_the_day_there_is_none(world: World) -> None:
    await world.reconfigure(notices_per_day="0")
    key = await bound_key(world)
    for _ in range(5):
        await sent(world, key, {"to": "ann", "text": "x"})
    assert len(await found(world, key, "?to=ann")) == 6


# Whom and what a key reaches


@pytest.mark.gen_test(timeout=20)
async def test_a_key_for_one_account_reaches_no_other_and_learns_of_none(world: World) -> None:
    await bound_key(world)
    await world.bound("bob", "li")
    key = await world.key("notices:write", name="backup", account="ann")
    [notice] = await sent(world, key, {"to": "ANN", "text": "x"})
    assert notice["to"] == "ann"
    for to in ("bob", "nobody", ["ann", "bob"], ["nobody", "bob"]):
        for more in ({}, {"dry_run": True}):
            answer = await world.ask(NOTICES, key=key, body={"to": to, "text": "x"} | more)
            told = error(answer, 403, "not-allowed")
            names = [name for name in ([to] if isinstance(to, str) else to) if name != "ann"]
            assert told["accounts"] == {"not_allowed": names}
    assert len(world.rows("SELECT 1 FROM outbox WHERE origin = 'key backup'")) == 1
    error(await world.ask(NOTICES, key=key), 403, "missing-scope")


@pytest.mark.gen_test(timeout=20)
async def test_a_key_for_one_account_reads_what_was_sent_to_it_and_nothing_else(
    world: World,
) -> None:
    whole = await bound_key(world)
    await world.bound("bob", "li")
    key = await world.key("notices:write", "notices:read", name="backup", account="ann")
    [mine] = await sent(world, key, {"to": "ann", "text": "x"})
    [other] = await sent(world, whole, {"to": "bob", "text": "x"})
    for query in ("", "?to=Ann"):
        listed = await found(world, key, query)
        assert mine["id"] in [one["id"] for one in listed]
        assert {one["to"] for one in listed} == {"ann"}
    for query in ("?to=bob", "?to=nobody"):
        error(await world.ask(NOTICES + query, key=key), 403, "not-allowed")
    assert (await world.ask(f"{NOTICES}/{mine['id']}", key=key)).code == 200
    error(await world.ask(f"{NOTICES}/{other['id']}", key=key), 404, "unknown-notice")


@pytest.mark.gen_test(timeout=20)
async def test_where_templates_are_named_programs_use_no_other(world: World) -> None:
    await world.reconfigure(notice_templates="Other, Another")
    key = await bound_key(world)
    template = {
        "id": world.simulator.template_id,
        "data": {"thing1": "x", "time2": "2027-01-15 08:00"},
    }
    for more in ({}, {"dry_run": True}, {"channel": "subscribe"}):
        answer = await world.ask(NOTICES, key=key, body={"to": "ann", "template": template} | more)
        error(answer, 403, "template-not-allowed")
    outbox = world.server.services.outbox
    await outbox.plan(["ann"], Draft(template_id=template["id"], fields=template["data"]))
    await sent(world, key, {"to": "ann", "text": "a text goes by notice_template all the same"})
    await world.reconfigure(notice_templates=world.simulator.template_id)
    [notice] = await sent(world, key, {"to": "ann", "template": template})
    told = await settled(world, key, notice["id"], "sent", "delivered")
    assert (told["channel"], told["why"]) == ("template", "template-given")
