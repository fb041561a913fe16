"""Accounts that programs make: reached, and never signed in as."""

import json
import re
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.ioloop import IOLoop

from tests.web.test_api import error
from tests.web.test_login import stripped
from tests.world import PASSWORD, World
from wx.errors import Refused
from wx.model import Browser
from wx.service.accounts import proper_name
from wx.service.passwords import Passwords

ACCOUNTS = "/api/v1/accounts"


@pytest.mark.gen_test(timeout=20)
async def test_an_account_is_made_without_a_password(world: World) -> None:
    key = await world.key("accounts:write")
    answer = await world.ask(ACCOUNTS, key=key, body={"name": "shop-7"})
    assert answer.code == 201
    told = json.loads(answer.body)
    assert set(told) == {"account", "created_at"} and told["account"] == "shop-7"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["created_at"])
    [row] = world.rows("SELECT * FROM accounts WHERE name = 'shop-7'")
    assert (row["password"], row["admin"], row["disabled_at"]) == ("", 0, None)
    [made] = [one for one in await world.server.services.accounts.list_all() if not one.password]
    assert not made.can_sign_in


@pytest.mark.gen_test(timeout=20)
async def test_a_name_that_is_taken_says_whether_by_such_an_account(world: World) -> None:
    key = await world.key("accounts:write")
    assert (await world.ask(ACCOUNTS, key=key, body={"name": "José"})).code == 201
    for name in ("José", "josé", unicodedata.normalize("NFD", "JOSÉ")):
        told = error(await world.ask(ACCOUNTS, key=key, body={"name": name}), 409, "name-taken")
        assert told["password"] is False and "José" in str(told["message"])
    told = error(await world.ask(ACCOUNTS, key=key, body={"name": "Ann"}), 409, "name-taken")
    assert told["password"] is True
    assert len(world.rows("SELECT * FROM accounts")) == 3


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    "name", ["", " ", "a b", "-a", ".", "a" * 65, "a\n", "a\0", "a/b", "a%b", "\u202eann", "🌻"]
)
async def test_a_name_that_will_not_do_is_refused(world: World, name: str) -> None:
    key = await world.key("accounts:write")
    error(await world.ask(ACCOUNTS, key=key, body={"name": name}), 400, "bad-name")
    assert len(world.rows("SELECT * FROM accounts")) == 2


@given(name=st.text(max_size=70))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_name_it_is_made_or_refused(world: World, io_loop: IOLoop, name: str) -> None:
    async def ask() -> None:
        key = next(iter(world.planted), "") or await world.key("accounts:write")
        answer = await world.ask(ACCOUNTS, key=key, body={"name": name})
        try:
            proper = proper_name(name)
        except Refused:
            error(answer, 400, "bad-name")
            return
        if answer.code == 409:
            error(answer, 409, "name-taken")
            return
        assert answer.code == 201 and json.loads(answer.body)["account"] == proper

    io_loop.run_sync(ask, timeout=20)


@pytest.mark.gen_test(timeout=20)
async def test_only_a_key_with_the_scope_makes_one(world: World) -> None:
    body = {"name": "shop-7"}
    error(await world.ask(ACCOUNTS, body=body), 401, "no-key")
    poor = await world.key("invites:write", "notices:write")
    told = error(await world.ask(ACCOUNTS, key=poor, body=body), 403, "missing-scope")
    assert told["scope"] == "accounts:write"
    with pytest.raises(Refused) as refusal:
        await world.key("accounts:write", name="one", account="ann")
    assert refusal.value.code == "bad-recipient"
    key = await world.key("accounts:write", name="rich")
    for wrong in ({}, {"name": 1}, {"name": "x", "password": "y"}, {"name": "x", "admin": True}):
        error(await world.ask(ACCOUNTS, key=key, body=wrong), 400, "bad-request")
    headers = {"Origin": "https://evil.example"}
    error(await world.ask(ACCOUNTS, key=key, body=body, headers=headers), 403, "forbidden")
    for method in ("GET", "DELETE"):
        error(await world.ask(ACCOUNTS, key=key, method=method), 405, "bad-method")
    assert len(world.rows("SELECT * FROM accounts")) == 2


@pytest.mark.gen_test(timeout=30)
async def test_signing_in_as_one_is_answered_as_for_a_name_that_nobody_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.key("accounts:write")
    await world.ask(ACCOUNTS, key=key, body={"name": "shop-7"})
    await world.desktop().log_in("nobody", "warm up")
    checked: list[str] = []
    real = Passwords._run

    async def watched(self: Passwords, work: object, *args: str) -> object:
        checked.append(args[-1] if args else "")
        return await real(self, work, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Passwords, "_run", watched)
    answers, works = [], []
    for name in ("nobody", "shop-7"):
        for password in (PASSWORD, "", "$argon2id$", "x" * 300):
            checked.clear()
            answers.append(stripped(await world.desktop().log_in(name, password)))
            works.append(len(checked))
            world.server.services.sessions._throttle._records.clear()
    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)
    assert set(works) == {1}, "as much is hashed for the one as for the other"


@pytest.mark.gen_test(timeout=20)
async def test_no_way_leads_to_a_session_of_one(world: World) -> None:
    made = await world.server.services.accounts.add_reachable("shop-7")
    sessions = world.server.services.sessions
    started = await sessions._database.write(
        lambda conn: sessions.start(conn, made.id, Browser(), previous="", now=world.clock.now())
    )
    assert started is None and world.rows("SELECT * FROM sessions") == []


@pytest.mark.gen_test(timeout=30)
async def test_a_password_makes_it_a_full_one(world: World) -> None:
    await world.server.services.accounts.add_reachable("shop-7")
    assert (await world.desktop().log_in("shop-7")).code == 401
    await world.server.services.accounts.change_password("shop-7", PASSWORD)
    assert (await world.desktop().log_in("shop-7")).code == 303
