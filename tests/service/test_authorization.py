"""What people allowed: kept sealed, used while it holds, forgotten when it is over."""

import asyncio
import itertools
import json
import sqlite3
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.steps import EXCHANGE, PROFILE, bindings, callback
from tests.world import Desktop, World
from wx import secret
from wx.errors import Refused
from wx.model import Follower
from wx.protocol import seal
from wx.service import authorization
from wx.service.authorization import Authorizations, Refreshed
from wx.simulator.oauth import Question, new_code
from wx.simulator.world import UserToken
from wx.store import followers, server_key
from wx.wechat.oauth import OAuth
from wx.wechat.transport import Transport

CHECK = "/sns/auth"
RENEW = "/sns/oauth2/refresh_token"
DAY = 86400
STALE = 7201  # seconds, after which a user's token works no more
QUIET = "replies = []\n"


def service(world: World) -> Authorizations:
    return world.server.services.authorizations


def row(world: World, person: str = "wang") -> sqlite3.Row | None:
    found = world.rows(
        """SELECT authorizations.* FROM authorizations
             JOIN followers ON followers.id = follower_id WHERE openid = ?""",
        world.simulator.world.people[person].openid,
    )
    return found[0] if found else None


def opened(world: World, blob: bytes, person: str = "wang") -> tuple[str, str]:
    """The two tokens in what is sealed for this person, opened as it is written down: with the
    server's key, for the app and the person."""
    key = server_key.load(world.folder / "data")
    openid = world.simulator.world.people[person].openid
    context = f"authorization {world.simulator.app_id} {openid}"
    access_token, refresh_token = json.loads(seal.unseal(key, blob, context=context))
    return access_token, refresh_token


def tokens(world: World, person: str = "wang") -> tuple[str, str]:
    """The two tokens that are kept of a person."""
    found = row(world, person)
    assert found is not None
    return opened(world, found["sealed"], person)


def given(world: World, person: str = "wang") -> UserToken:
    """The newest token that the platform has for a person."""
    return [one for one in world.simulator.world.user_tokens.values() if one.person.id == person][
        -1
    ]


async def known(world: World, person: str = "wang") -> Follower:
    openid = world.simulator.world.people[person].openid
    found = await service(world)._database.read(
        lambda conn: followers.find_by_openid(conn, world.simulator.app_id, openid)
    )
    assert found is not None
    return found


async def refresh(world: World, person: str = "wang") -> Refreshed:
    return await service(world).refresh(await known(world, person))


async def refused(world: World, person: str = "wang") -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        await refresh(world, person)
    return caught.value.status, caught.value.code


def calls(world: World) -> tuple[int, int, int]:
    """How often the platform was asked for a check, for new tokens, for a profile."""
    counted = world.simulator.calls
    return counted[CHECK], counted[RENEW], counted[PROFILE]


async def bound(world: World, person: str = "wang") -> Desktop:
    desktop = await world.bound("ann", person)
    await world.rest()
    return desktop


# Kept


@pytest.mark.gen_test(timeout=20)
async def test_what_a_person_agreed_to_is_kept_sealed_with_the_binding(world: World) -> None:
    await bound(world)
    found = row(world)
    assert found is not None
    assert found["ends_at"] == world.clock.now() + 30 * DAY
    token = given(world)
    assert tokens(world) == (token.value, token.refresh)
    with pytest.raises(seal.Broken):
        opened(world, found["sealed"], "li")


@pytest.mark.gen_test(timeout=20)
async def test_it_is_kept_with_the_consent_where_six_digits_are_still_to_be_typed(
    world: World,
) -> None:
    await world.reconfigure(bind_confirm="desktop")
    invite = await (await world.signed_in()).invite()
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200
    assert bindings(world) == []
    assert tokens(world) == (given(world).value, given(world).refresh)
    world.clock.advance(DAY - 1)
    await service(world).purge()
    assert row(world) is not None
    world.clock.advance(2)
    await service(world).purge()
    assert row(world) is None, "nothing came of it"


@pytest.mark.gen_test(timeout=20)
async def test_a_silent_authorization_is_not_kept(world: World) -> None:
    await world.reconfigure(bind_scope="snsapi_base")
    await bound(world)
    assert row(world) is None
    assert await refused(world) == (409, "never-asked")
    assert calls(world) == (0, 0, 0)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    "change", [{"is_snapshotuser": 1}, {"refresh_token": ""}, {"scope": "snsapi_base"}]
)
async def test_what_opens_no_profile_or_is_nobodys_is_not_kept(
    world: World, change: dict[str, Any]
) -> None:
    openid = world.simulator.world.people["wang"].openid
    grant = {"access_token": "A" * 20, "expires_in": 7200, "refresh_token": "R" * 20}
    grant |= {"openid": openid, "scope": "snsapi_userinfo"} | change
    world.simulator.faults.answer(EXCHANGE, body=json.dumps(grant))
    invite = await (await world.signed_in()).invite()
    await world.simulator.phone("wang").bind(invite["url"])
    assert row(world) is None
    assert world.rows("SELECT * FROM authorizations") == []


@pytest.mark.gen_test(timeout=20)
async def test_a_stolen_database_gives_no_token(world: World) -> None:
    await bound(world)
    world.clock.advance(STALE)
    await refresh(world)
    files = [*(world.folder / "data").glob("wxbind.db*")]
    assert {one.name for one in files} >= {"wxbind.db", "wxbind.db-wal"}
    content = b"".join(one.read_bytes() for one in files)
    openid = world.simulator.world.people["wang"].openid
    assert openid.encode() in content, "it is looked at where the rest stands"
    platform = world.simulator.world
    assert len(platform.web_secrets) == 3, "two access tokens and a refresh token"
    for one in platform.web_secrets:
        assert one.encode() not in content and one[4:40].encode() not in content
        assert one.encode().hex().encode() not in content
    found = row(world)
    assert found is not None
    for key in (bytes(32), b"x" * 32, secret.digest(world.simulator.app_secret)):
        with pytest.raises(seal.Broken):
            seal.unseal(
                key, found["sealed"], context=f"authorization {world.simulator.app_id} {openid}"
            )


# Refreshed


@pytest.mark.gen_test(timeout=20)
async def test_a_token_is_checked_before_it_is_used(world: World) -> None:
    await bound(world)
    world.simulator.world.people["wang"].nickname = "小明"
    world.clock.advance(60)
    done = await refresh(world)
    assert (done.before.nickname, done.after.nickname) == ("王小明🌻", "小明")
    assert calls(world) == (1, 0, 2), "it holds, so it is not renewed"
    found = await known(world)
    assert (found.profile.nickname, found.read_at) == ("小明", world.clock.now())
    order = []
    world.simulator.faults.delay(CHECK, 30)
    asking = asyncio.ensure_future(refresh(world))
    await world.simulator.called(CHECK, 2)
    order.append(calls(world))
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await asking
    assert order == [(2, 0, 2)], "nothing else is asked before the answer"


@pytest.mark.gen_test(timeout=20)
async def test_a_stale_token_is_renewed_once_and_the_new_pair_is_kept(world: World) -> None:
    await bound(world)
    before, ends_at = tokens(world), row(world)["ends_at"]  # type: ignore[index]
    world.clock.advance(STALE)
    world.simulator.world.people["wang"].nickname = "小明"
    assert (await refresh(world)).after.nickname == "小明"
    assert calls(world) == (1, 1, 2)
    after = tokens(world)
    assert after[0] != before[0] and after == (given(world).value, given(world).refresh)
    assert row(world)["ends_at"] == ends_at, "its 30 days began with the yes"  # type: ignore[index]
    await world.restart_server()
    assert (await refresh(world)).after.nickname == "小明"
    assert calls(world) == (2, 1, 3), "what was kept still holds, also for another start"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("refresh_token", ["R2" * 20, ""])
async def test_a_new_refresh_token_has_its_own_thirty_days(
    world: World, refresh_token: str
) -> None:
    await bound(world)
    openid, old = world.simulator.world.people["wang"].openid, tokens(world)
    ends_at = row(world)["ends_at"]  # type: ignore[index]
    world.clock.advance(20 * DAY)
    renewed = {"access_token": "A2" * 20, "expires_in": 7200, "refresh_token": refresh_token}
    renewed |= {"openid": openid, "scope": "snsapi_userinfo"}
    world.simulator.faults.answer(RENEW, body=json.dumps(renewed))
    told = {"openid": openid, "nickname": "小明"}
    world.simulator.faults.answer(PROFILE, body=json.dumps(told))
    assert (await refresh(world)).after.nickname == "小明"
    assert tokens(world) == ("A2" * 20, refresh_token or old[1])
    moved = row(world)["ends_at"]  # type: ignore[index]
    assert moved == (world.clock.now() + 30 * DAY if refresh_token else ends_at)


@pytest.mark.gen_test(timeout=20)
async def test_what_wechat_no_longer_gives_wipes_nothing_out(world: World) -> None:
    person = world.simulator.world.people["wang"]
    await bound(world)
    before = (await known(world)).profile
    assert before.nickname and before.avatar and before.city and before.sex and before.privilege
    world.simulator.world.placeholder_names = True
    world.simulator.world.regions = False
    person.privilege.clear()
    world.clock.advance(8 * DAY)
    done = await refresh(world)
    assert done.before == done.after == before
    assert (await known(world)).read_at == world.clock.now(), "it was read all the same"
    # The placeholder comes with a picture of its own.
    told = {"openid": person.openid, "nickname": "微信用户", "headimgurl": "https://x/grey/132"}
    world.simulator.faults.answer(PROFILE, body=json.dumps(told))
    assert (await refresh(world)).after == before
    world.simulator.world.placeholder_names = False
    person.nickname = "小明"
    after = (await refresh(world)).after
    assert (after.nickname, after.city) == ("小明", before.city)


# Over


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("errcode", [40030, 42002, 42007, 50001])
async def test_what_is_over_is_dropped_and_nothing_is_asked_again(
    world: World, ear: Ear, errcode: int
) -> None:
    await bound(world)
    before = (await known(world)).profile
    world.clock.advance(STALE)
    # The platform may repeat in its text what it was sent.
    text = {"errcode": errcode, "errmsg": f"invalid refresh_token {tokens(world)[1]}"}
    world.simulator.faults.answer(RENEW, body=json.dumps(text))
    assert await refused(world) == (410, "authorization-over")
    assert row(world) is None
    assert calls(world) == (1, 1, 1)
    assert await refused(world) == (410, "authorization-over")
    assert calls(world) == (1, 1, 1)
    assert (await known(world)).profile == before, "what is known stays"
    assert any(f"over and dropped: {errcode}" in line for line in ear.lines)
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_who_took_it_back_at_wechat_is_asked_for_no_more(world: World) -> None:
    await bound(world)
    world.simulator.world.revoke_web_tokens(world.simulator.world.people["wang"])
    assert await refused(world) == (410, "authorization-over")
    assert row(world) is None
    await world.bound("bob", "li")
    world.clock.advance(31 * DAY)
    await service(world).purge()
    assert row(world, "li") is None


@pytest.mark.gen_test(timeout=20)
async def test_after_thirty_days_nothing_is_asked(world: World) -> None:
    await bound(world)
    world.clock.advance(30 * DAY)
    assert await refused(world) == (410, "authorization-over")
    assert calls(world) == (0, 0, 1)
    await service(world).purge()
    assert row(world) is None


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize("path", [CHECK, RENEW, PROFILE])
@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ({"errcode": -1}, (502, "platform-error")),
        ({"errcode": 45011}, (502, "platform-error")),
        ({"body": "<html>502 Bad Gateway</html>", "status": 502}, (503, "unavailable")),
        ({"body": "{"}, (503, "unavailable")),
    ],
)
async def test_trouble_at_the_platform_drops_nothing(
    world: World, path: str, fault: dict[str, Any], answer: tuple[int, str]
) -> None:
    await bound(world)
    world.clock.advance(STALE)
    world.simulator.faults.answer(path, **fault)
    assert await refused(world) == answer
    assert tokens(world)[1] == given(world).refresh
    world.simulator.world.people["wang"].nickname = "小明"
    assert (await refresh(world)).after.nickname == "小明", "the next try works"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("path", [RENEW, PROFILE])
async def test_an_app_id_that_the_platform_refuses_drops_nothing_and_says_what_to_do(
    world: World, path: str, ear: Ear
) -> None:
    await bound(world)
    world.clock.advance(STALE)
    echo = {"errcode": 40013, "errmsg": f"invalid appid, token {tokens(world)[1]}"}
    world.simulator.faults.answer(path, body=json.dumps(echo))
    with pytest.raises(Refused) as caught:
        await refresh(world)
    assert (caught.value.status, caught.value.code) == (502, "platform-error")
    assert "app id" in caught.value.message and "app_id" in caught.value.hint
    assert row(world) is not None
    assert any("errcode 40013" in line for line in ear.lines)


@pytest.mark.gen_test(timeout=20)
async def test_tokens_of_another_person_are_neither_kept_nor_used(world: World) -> None:
    await bound(world)
    await world.bound("bob", "li")
    kept = tokens(world)
    world.clock.advance(STALE)
    theirs = {"access_token": "A" * 9, "expires_in": 7200, "refresh_token": "R" * 9}
    theirs |= {"openid": world.simulator.world.people["li"].openid, "scope": "snsapi_userinfo"}
    world.simulator.faults.answer(RENEW, body=json.dumps(theirs))
    asked = calls(world)[2]
    assert await refused(world) == (503, "unavailable")
    assert tokens(world) == kept and calls(world)[2] == asked


# Opened by nobody else


@pytest.mark.gen_test(timeout=20)
async def test_a_row_that_was_moved_to_another_person_opens_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await bound(world)
    await world.bound("bob", "li")
    asked = calls(world)
    mine = row(world)
    assert mine is not None
    world.rows("UPDATE authorizations SET sealed = ?", mine["sealed"])
    assert await refused(world, "li") == (410, "authorization-over")
    assert calls(world) == asked, "nothing of it went out"
    assert row(world, "li") is None and row(world) is not None
    [line] = [one for one in caplog.messages if "does not open" in one]
    assert "dropped" in line
    assert (await refresh(world)).after.nickname == "王小明🌻"


@pytest.mark.gen_test(timeout=20)
async def test_another_servers_key_opens_nothing(world: World) -> None:
    await bound(world)
    (world.folder / "data" / server_key.FILE).write_text("ab" * 32)
    await world.restart_server()
    asked = calls(world)
    assert await refused(world) == (410, "authorization-over")
    assert calls(world) == asked and row(world) is None


# At once


@pytest.mark.gen_test(timeout=20)
async def test_all_who_ask_for_one_person_share_one_try(world: World) -> None:
    await bound(world)
    world.clock.advance(STALE)
    world.simulator.faults.delay(CHECK, 30)
    follower = await known(world)
    asking = [asyncio.ensure_future(service(world).refresh(follower)) for _ in range(20)]
    await world.simulator.called(CHECK)
    asking[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking[0]
    world.simulator.faults.release()
    done = await asyncio.gather(*asking[1:])
    assert len(set(map(id, done))) == 1
    assert calls(world) == (1, 1, 2)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("path", [CHECK, RENEW, PROFILE])
@pytest.mark.parametrize("change", ["revoked", "forgotten", "unfollowed"])
async def test_nothing_is_kept_of_who_took_it_back_or_was_forgotten_meanwhile(
    world: World, path: str, change: str
) -> None:
    await world.open_webhook(rules=QUIET, bind_route="oauth")
    await bound(world)
    world.clock.advance(STALE)
    person = world.simulator.world.people["wang"]
    person.nickname = "小明"
    world.simulator.faults.delay(path, 30)
    asking = asyncio.ensure_future(refused(world))
    await world.simulator.called(path, 2 if path == PROFILE else 1)
    if change == "revoked":
        event = world.event("user_authorization_revoke", "li", OpenID=person.openid)
        assert (await world.send(event)).code == 200
    elif change == "forgotten":
        world.rows("DELETE FROM authorizations")
        world.rows("UPDATE followers SET openid = 'forgotten:' || id, nickname = ''")
    else:
        world.rows("DELETE FROM authorizations")
        world.rows("UPDATE followers SET nickname = ''")
    world.simulator.faults.clear()
    world.simulator.faults.release()
    assert (await asking)[0] in (409, 410)
    (found,) = world.rows("SELECT * FROM followers")
    assert found["nickname"] == ""
    assert world.rows("SELECT * FROM authorizations") == []


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(("path", "over"), [(RENEW, False), (RENEW, True), (PROFILE, False)])
async def test_a_new_yes_meanwhile_stays_and_is_used(world: World, path: str, over: bool) -> None:
    desktop = await bound(world)
    world.clock.advance(STALE)
    if over:
        world.simulator.faults.answer(path, errcode=42007)
    world.simulator.faults.delay(path, 30, times=1)
    asking = asyncio.ensure_future(refresh(world))
    await world.simulator.called(path, 2 if path == PROFILE else 1)
    again = await world.simulator.phone("wang").bind(
        (await desktop.invite(replace="1", password="a fine long secret 7"))["url"]
    )
    assert again.status == 200
    newest = tokens(world)
    world.simulator.world.people["wang"].nickname = "小明"
    world.simulator.faults.release()
    assert (await asking).after.nickname == "小明"
    assert tokens(world) == newest, "what the older yes came to takes nothing's place"


@pytest.mark.gen_test(timeout=30)
async def test_two_programs_renew_at_once_and_both_have_the_profile(world: World) -> None:
    """Each renewal ends the other's token: the platform has one for a person."""
    await bound(world)
    other_pool = Transport(world.simulator.base_url, connections=5)
    credentials = {"app_id": world.simulator.app_id, "app_secret": world.simulator.app_secret}
    here = service(world)
    other = Authorizations(
        here._database,
        world.clock,
        world.server.config,
        OAuth(other_pool, other_pool, **credentials),
        here._background,
        key=server_key.load(world.folder / "data"),
    )
    try:
        for path in (CHECK, RENEW, PROFILE):
            world.clock.advance(STALE)
            before = world.simulator.calls[path]
            world.simulator.faults.delay(path, 30, times=2)
            follower = await known(world)
            asking = asyncio.gather(here.refresh(follower), other.refresh(follower))
            # At the same point, as far as the first one's renewal lets the second come there.
            await world.simulator.called(path, before + 1)
            await asyncio.sleep(0.1)
            world.simulator.faults.release()
            world.simulator.faults.clear()
            world.simulator.faults.release()
            done = await asking
            assert [one.after.nickname for one in done] == ["王小明🌻"] * 2
        asked = calls(world)
        assert (await refresh(world)).after.nickname == "王小明🌻"
        assert calls(world)[0] == asked[0] + 1
    finally:
        await other.close()
        other_pool.close()


@pytest.mark.gen_test(timeout=20)
async def test_who_changes_it_again_and_again_ends_the_tries(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization, "PAUSE_SECONDS", 0.01)
    await bound(world)
    world.simulator.faults.answer(PROFILE, errcode=40001, times=None)
    assert await refused(world) == (503, "unavailable")
    assert calls(world) == (4, 0, 5)
    assert any("not read in 4 tries" in one for one in caplog.messages)
    assert row(world) is not None


@pytest.mark.gen_test(timeout=20)
async def test_a_stop_waits_for_what_is_being_read_and_not_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bound(world)
    monkeypatch.setattr(authorization, "CLOSE_SECONDS", 0.05)
    world.simulator.faults.hang(CHECK)
    asking = asyncio.ensure_future(refresh(world))
    await world.simulator.called(CHECK)
    await world.restart_server()
    with pytest.raises((asyncio.CancelledError, Refused)):
        await asking
    world.simulator.faults.clear()
    world.simulator.faults.release()
    assert (await refresh(world)).after.nickname == "王小明🌻"


# Coming by


@pytest.mark.gen_test(timeout=20)
async def test_who_comes_by_after_a_week_is_read_again_and_nobody_waits(world: World) -> None:
    await bound(world)
    world.simulator.world.people["wang"].nickname = "小明"
    for seconds, read in ((7 * DAY, False), (1, True), (DAY, False)):
        world.clock.advance(seconds)
        before = calls(world)
        service(world).came_by(await known(world))
        await world.rest()
        assert (calls(world) != before) is read, seconds
    assert (await known(world)).profile.nickname == "小明"


@pytest.mark.gen_test(timeout=20)
async def test_after_a_try_that_failed_the_next_is_an_hour_later(world: World) -> None:
    await bound(world)
    world.clock.advance(8 * DAY)
    world.simulator.faults.answer(CHECK, errcode=-1, times=None)
    for seconds, asked in ((0, 1), (1, 1), (3598, 1), (1, 2), (1, 2)):
        world.clock.advance(seconds)
        service(world).came_by(await known(world))
        await world.rest()
        assert world.simulator.calls[CHECK] == asked


@pytest.mark.gen_test(timeout=20)
async def test_a_profile_that_was_never_read_is_read_when_they_come_by(world: World) -> None:
    world.simulator.faults.answer(PROFILE, errcode=-1)
    await bound(world)
    assert (await known(world)).read_at is None
    service(world).came_by(await known(world))
    await world.rest()
    assert (await known(world)).profile.nickname == "王小明🌻"


@pytest.mark.gen_test(timeout=20)
async def test_in_a_crowd_not_everybody_is_read_and_nobody_loses_their_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bound(world)
    await world.bound("bob", "li")
    await world.rest()
    world.clock.advance(8 * DAY)
    monkeypatch.setattr(authorization, "AT_ONCE", 1)
    world.simulator.faults.delay(CHECK, 30)
    for person in ("wang", "wang", "li"):
        service(world).came_by(await known(world, person))
    await world.simulator.called(CHECK)
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await world.rest()
    assert world.simulator.calls[CHECK] == 1
    service(world).came_by(await known(world, "li"))
    await world.rest()
    assert world.simulator.calls[CHECK] == 2
    assert (await known(world, "li")).read_at == world.clock.now()


@pytest.mark.gen_test(timeout=20)
async def test_who_never_allowed_anything_costs_no_question(world: World) -> None:
    await world.reconfigure(bind_scope="snsapi_base")
    await bound(world)
    world.clock.advance(30 * DAY)
    assert not service(world).is_due(await known(world))
    service(world).came_by(await known(world))
    service(world).changed(await known(world))
    assert service(world)._reading == set()


async def statements(world: World, message: bytes) -> tuple[list[str], list[str]]:
    """What is asked of the database for a message: the writer's statements and the reader's."""
    database = service(world)._database
    written: list[str] = []
    read: list[str] = []
    await database.write(lambda conn: conn.set_trace_callback(written.append))
    await database.read(lambda conn: conn.set_trace_callback(read.append))
    try:
        assert (await world.send(message)).code == 200
        await world.rest()
    finally:
        await database.write(lambda conn: conn.set_trace_callback(None))
        await database.read(lambda conn: conn.set_trace_callback(None))
    ours = ("authorizations", "inbox", "followers", "signatures")
    return tuple(
        [" ".join(one.split()[:3]) for one in each if any(table in one for table in ours)]
        for each in (written, read)
    )  # type: ignore[return-value]


@pytest.mark.gen_test(timeout=30)
async def test_a_message_of_whose_profile_is_fresh_costs_no_statement_more(world: World) -> None:
    await world.open_webhook(rules=QUIET, bind_route="oauth")
    await bound(world)
    assert (await known(world, "wang")).read_at is not None
    await statements(world, world.text("hello", "zhang"))  # who is known from then on
    stranger = await statements(world, world.text("hello", "zhang"))
    fresh = await statements(world, world.text("hello", "wang"))
    assert fresh == stranger and len(fresh[0]) >= 3
    assert not any("authorizations" in one for each in fresh for one in each)
    world.clock.advance(8 * DAY)
    due = await statements(world, world.text("hello", "wang"))
    assert [one for one in due[1] if one not in fresh[1]], "then it is read, after the answer"
    assert (await known(world)).read_at == world.clock.now()


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("kind", ["text", "CLICK", "SCAN", "subscribe"])
async def test_in_the_chat_they_come_by_with_whatever_they_do(world: World, kind: str) -> None:
    await world.open_webhook(rules=QUIET, bind_route="oauth")
    await bound(world)
    world.clock.advance(8 * DAY)
    world.simulator.world.people["wang"].nickname = "小明"
    message = world.text() if kind == "text" else world.event(kind, EventKey="x")
    assert (await world.send(message)).code == 200
    await world.rest()
    assert (await known(world)).profile.nickname == "小明"


@pytest.mark.gen_test(timeout=20)
async def test_who_leaves_does_not_come_by(world: World) -> None:
    await world.open_webhook(rules=QUIET, bind_route="oauth")
    await bound(world)
    world.clock.advance(8 * DAY)
    asked = calls(world)
    for event in ("unsubscribe", "TEMPLATESENDJOBFINISH"):
        assert (await world.send(world.event(event, MsgID=7, Status="success"))).code == 200
        await world.rest()
    assert calls(world) == asked


@pytest.mark.gen_test(timeout=20)
async def test_who_binds_again_silently_has_come_by(world: World) -> None:
    await bound(world)
    await world.reconfigure(bind_scope="snsapi_base")
    world.clock.advance(8 * DAY)
    world.simulator.world.people["wang"].nickname = "小明"
    desktop = await world.signed_in()
    invite = await desktop.invite(replace="1", password="a fine long secret 7")
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200
    await world.rest()
    assert calls(world)[0] == 1
    assert (await known(world)).profile.nickname == "小明"


# Told by the platform


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("event", ["user_authorization_revoke", "user_authorization_cancellation"])
async def test_who_takes_it_back_is_forgotten_with_their_tokens(world: World, event: str) -> None:
    await world.open_webhook(rules=QUIET, bind_route="oauth")
    await bound(world)
    openid = world.simulator.world.people["wang"].openid
    assert (await world.send(world.event(event, "li", OpenID=openid))).code == 200
    assert world.rows("SELECT * FROM authorizations") == []
    assert await refused(world) == (409, "never-asked")
    assert calls(world) == (0, 0, 1)


@pytest.mark.gen_test(timeout=20)
async def test_a_profile_that_has_changed_is_read_however_fresh_it_is(world: World) -> None:
    await world.open_webhook(rules=QUIET, bind_route="oauth")
    await bound(world)
    person = world.simulator.world.people["wang"]
    person.nickname = "小明"
    world.clock.advance(1)
    event = world.event("user_info_modified", "li", OpenID=person.openid)
    assert (await world.send(event)).code == 200
    await world.rest()
    assert (await known(world)).profile.nickname == "小明"


@pytest.mark.gen_test(timeout=20)
async def test_who_is_unbound_keeps_it_for_a_day(world: World) -> None:
    desktop = await bound(world)
    assert (await desktop.post("/bind/remove")).code == 303
    world.clock.advance(DAY - 1)
    await service(world).purge()
    assert row(world) is not None
    world.clock.advance(2)
    await service(world).purge()
    assert row(world) is None
    assert await known(world), "who follows the account is still known"


# Many


async def many(world: World, names: list[str]) -> list[Desktop]:
    """A signed-in browser for each of so many accounts, that are made on the side."""
    desktops = []
    for number, name in enumerate(names):
        (account,) = world.rows(
            """INSERT INTO accounts (name, folded_name, password, admin, created_at)
               SELECT ?, ?, password, 0, created_at FROM accounts WHERE name = 'ann'
            RETURNING id""",
            name,
            name,
        )
        cookie = secret.new_secret()
        world.rows(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, '', '', NULL)",
            secret.digest(cookie),
            account["id"],
            world.clock.now(),
            world.clock.now(),
        )
        desktop = world.desktop()
        desktop.cookies["session"] = cookie
        desktop.seen.add(cookie)
        desktops.append(desktop)
        world.simulator.world.add_person(f"p{number:02d}", following=False)
    return desktops


@pytest.mark.gen_test(timeout=120)
async def test_fifty_callbacks_at_once_never_mix(world: World) -> None:
    people = [f"p{number:02d}" for number in range(50)]
    desktops = await many(world, [f"a-{person}" for person in people])
    brought = [
        await callback(world, await desktop.invite(), person)
        for desktop, person in zip(desktops, people, strict=True)
    ]
    faults = world.simulator.faults
    faults.delay(EXCHANGE, 60)
    faults.delay(PROFILE, 60)
    opening = [asyncio.ensure_future(phone.open(address)) for phone, address in brought]
    await world.simulator.called(EXCHANGE, 50)
    faults.release()
    await world.simulator.called(PROFILE, 50)
    faults.release()
    assert {page.status for page in await asyncio.gather(*opening)} == {200}
    await world.rest()
    assert bindings(world) == [(f"a-{person}", person) for person in people]
    await each_holds_their_own(world, people, "")

    # And the same where all of them are stale, and read again at once.
    for person in people:
        world.simulator.world.people[person].nickname += " anew"
    world.clock.advance(STALE)
    faults.clear()
    done = await asyncio.gather(*(refresh(world, person) for person in people))
    assert [one.after.nickname for one in done] == [f"{person} anew" for person in people]
    assert calls(world)[:2] == (50, 50)
    await each_holds_their_own(world, people, " anew")


async def each_holds_their_own(world: World, people: list[str], more: str) -> None:
    """Each row opens for its own person alone, and holds what the platform gave to them."""
    platform = world.simulator.world
    blobs = {}
    for person in people:
        access_token, refresh_token = tokens(world, person)
        token = platform.user_tokens[access_token]
        assert (token.person.id, token.refresh) == (person, refresh_token)
        profile = (await known(world, person)).profile
        assert profile.nickname == person + more
        assert profile.unionid == platform.people[person].unionid
        found = row(world, person)
        assert found is not None
        blobs[person] = found["sealed"]
    assert len(set(blobs.values())) == len(people)
    for one, other in itertools.permutations(people[:12], 2):
        with pytest.raises(seal.Broken):
            opened(world, blobs[one], other)


@pytest.mark.gen_test(timeout=20)
async def test_a_grant_is_kept_for_nobody_but_whom_it_is_of(world: World) -> None:
    await bound(world)
    await world.bound("bob", "li")
    li = await known(world, "li")
    question = Question(world.simulator.world.people["wang"], "x", "snsapi_userinfo", "s")
    code = new_code(world.simulator.world, question).value
    grant = await service(world)._oauth.exchange(code)
    kept = tokens(world, "li")

    def keep(conn: sqlite3.Connection) -> bool:
        now = world.clock.now()
        return service(world).keep(conn, li.id, li.profile.openid, grant, now=now)

    assert not await service(world)._database.write(keep)
    assert tokens(world, "li") == kept
