"""Signing in inside WeChat, below the pages; these are in tests/web/test_entry.py."""

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.steps import EXCHANGE, PROFILE, bindings, history
from tests.service.test_visit import code_of, openid_of, state_of
from tests.world import PASSWORD, World
from wx.errors import Refused
from wx.model import Browser
from wx.protocol import seal
from wx.service import entry
from wx.service.entry import Attempt, Entered, Entries, Stranger
from wx.service.visit import Arrival
from wx.simulator.oauth import Question, new_code

BROWSER = Browser("127.0.0.0/24", "WeChat, Android")
REFRESH = "/sns/auth"


def door(world: World) -> Entries:
    return world.server.services.entries


def arrival(world: World, person: str = "wang", *, to: str = "bind", visit: str = "") -> Arrival:
    """A browser that was sent away and has come back."""
    address, visit = door(world).begin(to, visit)
    code = code_of(world, person)
    return Arrival(entry.purpose(to), visit, state_of(address), code, share="192.0.2.7")


async def arrive(world: World, came: Arrival, *, previous: str = "") -> Entered:
    return await door(world).arrive(came, BROWSER, previous=previous)


def opened(cookie: str) -> bytes:
    return base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))


def closed(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


async def stranger(world: World, person: str = "wang") -> Stranger:
    entered = await arrive(world, arrival(world, person))
    return door(world).stranger(entered.stranger)


def attempt(name: str = "ann", password: str = PASSWORD, **more: Any) -> Attempt:
    usual = {"replace": False, "address": "127.0.0.1", "device": "", "previous": ""}
    return Attempt(name, password, browser=BROWSER, **usual | more)


async def sign_in(world: World, who: Stranger, tried: Attempt) -> Any:
    return await door(world).sign_in(who, tried, translate=lambda sentence: sentence)


async def refused(doing: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as refusal:
        await doing
    return refusal.value.status, refusal.value.code


async def holds(world: World, cookie: str) -> str:
    """The name of the account that a session's cookie is good for; "" for none."""
    found = await world.server.services.sessions.find(cookie)
    return found[1].name if found else ""


# Those who are bound


@pytest.mark.gen_test(timeout=20)
async def test_whoever_is_bound_gets_a_session_of_their_account(world: World, ear: Ear) -> None:
    await world.bound("ann", "wang")
    await world.bound("bob", "li")
    for name, person in (("ann", "wang"), ("bob", "li")):
        entered = await arrive(world, arrival(world, person))
        assert entered.signed_in and not entered.stranger and not entered.reached
        assert await holds(world, entered.signed_in.cookie) == name
        said = f"wx.service.sessions: account {name} signed in by its WeChat from 127.0.0.0/24"
        assert said in ear.lines
    kept = world.rows("SELECT network FROM sessions WHERE browser = 'WeChat, Android'")
    assert [row["network"] for row in kept] == ["127.0.0.0/24"] * 2


@pytest.mark.gen_test(timeout=20)
async def test_this_browser_s_previous_session_ends(world: World) -> None:
    await world.bound()
    first = await arrive(world, arrival(world))
    assert first.signed_in
    second = await arrive(world, arrival(world), previous=first.signed_in.cookie)
    assert second.signed_in and second.signed_in.cookie != first.signed_in.cookie
    assert await holds(world, first.signed_in.cookie) == ""
    assert await holds(world, second.signed_in.cookie) == "ann"


@pytest.mark.gen_test(timeout=30)
async def test_a_thousand_arrivals_at_once_are_one_session(world: World) -> None:
    await world.bound()
    came = arrival(world)
    exchanges, before = world.simulator.calls[EXCHANGE], len(world.rows("SELECT 1 FROM sessions"))
    world.simulator.faults.delay(EXCHANGE, 0.1)
    found = await asyncio.gather(*(arrive(world, came) for _ in range(1000)))
    assert len({one.signed_in.cookie for one in found if one.signed_in}) == 1
    assert len(world.rows("SELECT 1 FROM sessions")) == before + 1
    assert world.simulator.calls[EXCHANGE] == exchanges + 1


@pytest.mark.gen_test(timeout=20)
async def test_a_session_that_was_ended_is_not_brought_back_by_a_repeat(world: World) -> None:
    await world.bound()
    came = arrival(world)
    entered = await arrive(world, came)
    assert entered.signed_in
    found = await world.server.services.sessions.find(entered.signed_in.cookie)
    assert found
    await world.server.services.sessions.sign_out(found[0])
    again = await arrive(world, came)
    assert again.signed_in and await holds(world, again.signed_in.cookie) == ""


@pytest.mark.gen_test(timeout=20)
async def test_the_account_of_a_disabled_person_lets_nobody_in(world: World, ear: Ear) -> None:
    await world.bound()
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
    before = len(world.rows("SELECT 1 FROM sessions"))
    came = arrival(world)
    assert await refused(arrive(world, came)) == (403, "disabled")
    assert await refused(arrive(world, came)) == (403, "disabled")
    assert len(world.rows("SELECT 1 FROM sessions")) == before
    told = "wx.service.entry: account ann not signed in by its WeChat: it is disabled"
    assert ear.lines.count(told) == 1


@pytest.mark.gen_test(timeout=20)
async def test_an_account_without_a_password_can_only_be_reached(world: World) -> None:
    await world.bound()
    world.rows("UPDATE accounts SET password = '' WHERE name = 'ann'")
    entered = await arrive(world, arrival(world))
    assert (entered.reached, entered.signed_in, entered.stranger) == ("ann", None, "")
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
    assert await refused(arrive(world, arrival(world))) == (403, "disabled")


@pytest.mark.gen_test(timeout=20)
async def test_whoever_was_unbound_is_a_stranger(world: World) -> None:
    desktop = await world.bound()
    await desktop.post("/bind/remove")
    entered = await arrive(world, arrival(world))
    assert entered.signed_in is None
    assert door(world).stranger(entered.stranger).openid == openid_of(world)


@pytest.mark.gen_test(timeout=20)
async def test_a_way_that_was_begun_for_another_page_or_thing_is_none(world: World) -> None:
    await world.bound()
    visits = world.server.services.readers._visits
    for purpose in ("enter pictures", "profile bind", "notice bind", "enter", "bind"):
        address, visit = visits.begin(purpose, "", path="/enter?to=bind")
        came = Arrival("enter bind", visit, state_of(address), code_of(world), share="here")
        assert await refused(arrive(world, came)) == (403, "unproved")


@pytest.mark.gen_test(timeout=20)
async def test_a_profile_that_has_grown_old_is_read_again(world: World) -> None:
    await world.bound()
    await world.rest()
    world.simulator.world.people["wang"].nickname = "老王"
    await arrive(world, arrival(world))
    await world.rest()
    asked = world.simulator.calls[PROFILE]
    world.clock.advance(8 * 86400)
    await arrive(world, arrival(world))
    await world.rest()
    assert world.simulator.calls[PROFILE] == asked + 1
    assert world.rows("SELECT nickname FROM followers")[0]["nickname"] == "老王"


# Strangers


@pytest.mark.gen_test(timeout=20)
async def test_what_a_stranger_carries_tells_nobody_anything_and_ends(world: World) -> None:
    entered = await arrive(world, arrival(world))
    cookie, openid = entered.stranger, openid_of(world)
    plain = opened(cookie)
    assert openid not in cookie and openid.encode() not in plain
    assert base64.b64encode(openid.encode()).decode()[:20] not in cookie
    assert "=" not in cookie and len(cookie) < 400
    other = await arrive(world, arrival(world))
    assert other.stranger != cookie, "two of the same person cannot be told for it"
    assert door(world).stranger(cookie).openid == openid
    assert world.rows("SELECT * FROM followers") == [], "a stranger leaves nothing here"
    world.clock.advance(599)
    assert door(world).stranger(cookie)
    world.clock.advance(1)
    with pytest.raises(Refused, match="unproved"):
        door(world).stranger(cookie)


@pytest.mark.gen_test(timeout=20)
async def test_what_we_did_not_seal_for_a_stranger_is_nobody(world: World) -> None:
    cookie = (await arrive(world, arrival(world))).stranger
    sealed = opened(cookie)
    app_id, key = world.server.config.app_id, door(world)._key
    plain = json.dumps([openid_of(world), "", int(world.clock.now()) + 600]).encode()

    def made(key: bytes, context: str) -> str:
        blob = seal.seal(key, plain, context=context, nonce=b"n" * 12)
        return closed(blob)

    assert door(world).stranger(made(key, f"stranger {app_id}")), "or this shows nothing"
    wrong = ["", "x", "é", cookie[:-1], cookie + "A", cookie + "=", f" {cookie}", cookie.lower()]
    wrong += [plain.hex(), closed(plain), "A" * len(cookie), "\0"]
    wrong += [made(b"k" * 32, f"stranger {app_id}"), made(key, "stranger"), made(key, app_id)]
    wrong += [made(key, f"authorization {app_id} {openid_of(world)}")]
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        wrong.append(closed(bytes(changed)))
    for one in wrong:
        with pytest.raises(Refused, match="unproved"):
            door(world).stranger(one)


@pytest.mark.gen_test(timeout=20)
async def test_a_stranger_who_knows_a_password_is_signed_in_and_bound(
    world: World, ear: Ear
) -> None:
    await world.simulator.phone("wang").follow()
    signed_in = await sign_in(world, await stranger(world), attempt())
    assert await holds(world, signed_in.cookie) == "ann"
    assert bindings(world) == [("ann", "wang")]
    assert history(world) == [("bound", "entry", "ann")]
    [told] = await world.told("wang")
    assert "/undo/" in told.url
    said = "account ann bound to the WeChat it was signed in with"
    assert f"wx.service.entry: {said}" in ear.lines
    entered = await arrive(world, arrival(world))
    assert entered.signed_in, "from now on it comes in by itself"


@pytest.mark.gen_test(timeout=20)
async def test_the_same_form_twice_binds_and_tells_once(world: World) -> None:
    await world.simulator.phone("wang").follow()
    who = await stranger(world)
    both = await asyncio.gather(*(sign_in(world, who, attempt()) for _ in range(2)))
    for one in both:
        assert await holds(world, one.cookie) == "ann"
    assert history(world) == [("bound", "entry", "ann")]
    await world.rest()
    assert len(world.rows("SELECT 1 FROM outbox")) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_wrong_password_binds_nobody_and_leaves_nothing(world: World) -> None:
    who = await stranger(world)
    for name, password in (("ann", "wrong"), ("nobody", PASSWORD), ("", ""), ("ann", "")):
        assert await refused(sign_in(world, who, attempt(name, password))) == (
            401,
            "wrong-password",
        )
    assert bindings(world) == [] and world.rows("SELECT 1 FROM sessions") == []
    assert world.rows("SELECT 1 FROM followers") == []


@pytest.mark.gen_test(timeout=20)
async def test_tries_are_counted_with_those_of_the_login_page(world: World) -> None:
    who = await stranger(world)
    for _ in range(5):
        await refused(sign_in(world, who, attempt(password="wrong")))
    assert (await refused(sign_in(world, who, attempt(password="wrong"))))[0] == 401
    assert await refused(sign_in(world, who, attempt())) == (429, "too-many-tries")
    assert (await world.desktop().log_in()).code == 429


@pytest.mark.gen_test(timeout=20)
async def test_an_account_that_is_bound_keeps_its_wechat_unless_asked_otherwise(
    world: World,
) -> None:
    desktop = await world.bound("ann", "wang")
    await world.simulator.phone("li").follow()
    who, previous = await stranger(world, "li"), desktop.cookies["session"]
    before = len(world.rows("SELECT 1 FROM sessions"))
    tried = attempt(previous=previous)
    assert await refused(sign_in(world, who, tried)) == (409, "already-bound")
    assert bindings(world) == [("ann", "wang")]
    assert len(world.rows("SELECT 1 FROM sessions")) == before, "and is not signed in"
    assert await holds(world, previous) == "ann"
    assert world.rows("SELECT 1 FROM followers WHERE openid = ?", openid_of(world, "li")) == []
    told = len(world.simulator.world.people["wang"].chat)
    await sign_in(world, who, attempt(replace=True))
    assert bindings(world) == [("ann", "li")]
    assert [what for what, *_ in history(world)] == ["bound", "ended", "bound"]
    assert history(world)[1][1] == "replaced"
    assert len(await world.told("wang", told + 1)) >= told + 1 and await world.told("li")


@pytest.mark.gen_test(timeout=20)
async def test_a_wechat_that_was_bound_meanwhile_stays_where_it_is(world: World) -> None:
    who = await stranger(world, "wang")
    await world.bound("bob", "wang")
    for replace in (False, True):
        tried = attempt(replace=replace)
        assert await refused(sign_in(world, who, tried)) == (409, "taken")
    assert bindings(world) == [("bob", "wang")]
    assert history(world) == [("bound", "oauth", "bob")]


@pytest.mark.gen_test(timeout=20)
async def test_two_strangers_for_one_account_the_first_is_bound(world: World) -> None:
    people = ["wang", "li"]
    tries = [sign_in(world, await stranger(world, one), attempt()) for one in people]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["Refused", "SignedIn"]
    assert len(bindings(world)) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_disabled_account_is_answered_like_a_wrong_password(world: World) -> None:
    who = await stranger(world)
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
    assert await refused(sign_in(world, who, attempt())) == (401, "wrong-password")


@pytest.mark.gen_test(timeout=20)
async def test_an_account_disabled_while_its_password_is_checked_stays_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = world.server.services.sessions
    real = sessions.check_password

    async def slow(*args: Any, **more: Any) -> Any:
        account = await real(*args, **more)
        world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
        return account

    who = await stranger(world)
    monkeypatch.setattr(sessions, "check_password", slow)
    assert await refused(sign_in(world, who, attempt())) == (401, "wrong-password")
    assert bindings(world) == [] and world.rows("SELECT 1 FROM sessions") == []


@pytest.mark.gen_test(timeout=20)
async def test_with_digits_at_the_computer_nobody_is_bound_by_this(world: World) -> None:
    await world.reconfigure(bind_confirm="desktop")
    assert not door(world).binds and not door(world).asks_for_profile
    signed_in = await sign_in(world, await stranger(world), attempt(replace=True))
    assert await holds(world, signed_in.cookie) == "ann"
    assert bindings(world) == [] and world.rows("SELECT 1 FROM followers") == []


@pytest.mark.gen_test(timeout=20)
async def test_a_made_up_person_is_no_stranger_either(world: World) -> None:
    address, visit = door(world).begin("bind", "")
    code = code_of(world, snapshot=True)
    came = Arrival("enter bind", visit, state_of(address), code, share="here")
    assert await refused(arrive(world, came)) == (403, "snapshot")


# Their names


@pytest.mark.gen_test(timeout=20)
async def test_only_the_bound_wechat_s_own_profile_is_kept(world: World, ear: Ear) -> None:
    await world.reconfigure(bind_scope="snsapi_base")
    await world.bound("ann", "wang")
    await world.bound("bob", "li")
    found = await world.server.services.sessions.find((await world.signed_in()).cookies["session"])
    assert found
    ann = found[1]
    for person in ("li", "wang"):
        address, visit = door(world).begin_profile("bind", "")
        code = _asked(world, person)
        came = Arrival("profile bind", visit, state_of(address), code, share="here")
        await door(world).keep_profile(came, ann)
    await world.rest()
    names = {row["openid"]: row["nickname"] for row in world.rows("SELECT * FROM followers")}
    people = world.simulator.world.people
    assert names == {people["wang"].openid: people["wang"].nickname, people["li"].openid: ""}
    assert world.rows("SELECT count(*) AS n FROM authorizations")[0]["n"] == 1
    said = "account ann: no profile: it is another WeChat's, or none"
    assert f"wx.service.entry: {said}" in ear.lines


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("fault", ["no code", "silent", "exchange", "profile", "foreign", "slow"])
async def test_without_a_profile_nothing_else_is_lost(world: World, fault: str) -> None:
    await world.reconfigure(bind_scope="snsapi_base")
    desktop = await world.bound()
    found = await world.server.services.sessions.find(desktop.cookies["session"])
    assert found
    address, visit = door(world).begin_profile("bind", "")
    state, code, faults = state_of(address), _asked(world, "wang"), world.simulator.faults
    if fault == "no code":
        code = ""
    elif fault == "silent":
        code = code_of(world)
    elif fault == "exchange":
        faults.answer(EXCHANGE, errcode=40125)
    elif fault == "profile":
        faults.answer(PROFILE, errcode=48001)
    elif fault == "foreign":
        state = state_of(door(world).begin_profile("bind", "")[0])
    else:
        faults.hang(PROFILE)
    came = Arrival("profile bind", visit, state, code, share="here")
    await door(world).keep_profile(came, found[1])
    faults.release()
    assert bindings(world) == [("ann", "wang")]
    assert await holds(world, desktop.cookies["session"]) == "ann"


def _asked(world: World, person: str) -> str:
    """A code as the platform gives it to somebody who agreed to show their profile."""
    asked = Question(world.simulator.world.people[person], "", "snsapi_userinfo", "")
    return new_code(world.simulator.world, asked).value


@pytest.mark.gen_test(timeout=20)
async def test_no_secret_can_be_seen_from_outside(world: World) -> None:
    entered = await arrive(world, arrival(world))
    who = door(world).stranger(entered.stranger)
    shown = f"{entered!r} {who!r} {attempt(device='device-cookie', previous='session-cookie')!r}"
    for one in (entered.stranger, openid_of(world), PASSWORD, "device-cookie", "session-cookie"):
        assert one not in shown
