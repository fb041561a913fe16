"""Followers: who follows, since when, how they came, and when they last acted."""

import asyncio
import json
import logging
import sqlite3
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.steps import TEMPLATE, bindings, history
from tests.world import World
from wx.service import followers

INFO = "/cgi-bin/user/info"
NOTHING = "replies = []\n"
START = 1_800_000_000


def row(world: World, person: str = "wang") -> sqlite3.Row | None:
    openid = world.simulator.world.people[person].openid
    found = world.rows("SELECT * FROM followers WHERE openid = ?", openid)
    return found[0] if found else None


def known(world: World, person: str = "wang") -> sqlite3.Row:
    found = row(world, person)
    assert found is not None
    return found


async def tells(world: World, event: str, person: str = "wang", **fields: Any) -> None:
    assert (await world.send(world.event(event, person, **fields))).code == 200


async def open_quietly(world: World, **keys: str) -> None:
    await world.open_webhook(rules=NOTHING, bind_route="oauth", **keys)


# Following and leaving


@pytest.mark.gen_test(timeout=20)
async def test_following_leaving_and_following_again_are_kept(world: World, ear: Ear) -> None:
    await open_quietly(world)
    assert row(world, "li") is None
    phone = world.simulator.phone("li")
    for follows in (True, False, True, False):
        await (phone.follow() if follows else phone.unfollow())
        await world.rest()
        found = known(world, "li")
        assert (found["following"], found["follow_changed_at"]) == (follows, world.clock.now())
        world.clock.advance(5)
    number = known(world, "li")["id"]
    lines = [line.partition(": ")[2] for line in ear.lines if "wx.service.followers" in line]
    told = [f"follower {number} follows", f"follower {number} unfollowed"] * 2
    assert [line for line in lines if line in told] == told


@pytest.mark.gen_test(timeout=20)
async def test_of_events_that_overtake_each_other_the_later_one_counts(world: World) -> None:
    await open_quietly(world)
    follow, leave, again = (
        world.event(name, "li", CreateTime=START + second)
        for second, name in enumerate(("subscribe", "unsubscribe", "subscribe"))
    )
    for order, follows in (
        ((leave, follow), False),
        ((again, leave, follow), True),
        ((leave, again, follow), True),
        ((follow, leave, again), True),
    ):
        for event in order:
            assert (await world.send(event)).code == 200
        assert known(world, "li")["following"] == follows
        await world.rest()
        world.rows("DELETE FROM inbox")
        world.rows("DELETE FROM followers")


@pytest.mark.gen_test(timeout=20)
async def test_of_two_events_of_one_second_the_last_to_come_counts(world: World) -> None:
    await open_quietly(world)
    for name, follows in (("subscribe", True), ("unsubscribe", False)):
        await tells(world, name)
        assert known(world)["following"] == follows
    await tells(world, "unsubscribe", "li")
    await tells(world, "subscribe", "li")
    assert known(world, "li")["following"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_time_far_ahead_holds_up_no_later_change(world: World) -> None:
    await open_quietly(world)
    await tells(world, "subscribe", CreateTime=2**32 - 1)
    assert known(world)["follow_changed_at"] == known(world)["acted_at"] == START + 600
    world.clock.advance(601)
    await tells(world, "unsubscribe")
    assert known(world)["following"] == 0
    await tells(world, "subscribe", "li", CreateTime=START + 900)
    assert known(world, "li")["follow_changed_at"] == START + 900


@pytest.mark.gen_test(timeout=20)
async def test_who_writes_or_taps_follows_and_the_last_activity_never_goes_back(
    world: World,
) -> None:
    await open_quietly(world)
    await world.simulator.phone("wang").say("hello")
    await world.rest()
    assert (known(world)["following"], known(world)["acted_at"]) == (1, START)
    acts: list[tuple[str, dict[str, Any], bool]] = [
        ("CLICK", {"EventKey": "k"}, True),
        ("VIEW", {"EventKey": "https://example.com/"}, True),
        ("LOCATION", {"Latitude": "1", "Longitude": "2"}, False),
        ("TEMPLATESENDJOBFINISH", {"MsgID": "1", "Status": "success"}, False),
        ("kf_create_session", {"KfAccount": "a"}, False),
        ("SCAN", {"EventKey": "desk_1"}, True),
    ]
    for event, fields, acted in acts:
        world.clock.advance(10)
        before = known(world)["acted_at"]
        await tells(world, event, **fields)
        assert known(world)["acted_at"] == (world.clock.now() if acted else before), event
    latest = known(world)["acted_at"]
    await tells(world, "CLICK", EventKey="late", CreateTime=START + 1)
    assert known(world)["acted_at"] == latest
    assert world.rows("SELECT count(*) AS n FROM followers")[0]["n"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_message_that_was_overtaken_by_the_leaving_brings_nobody_back(
    world: World,
) -> None:
    await open_quietly(world)
    await tells(world, "unsubscribe", CreateTime=START + 10)
    await tells(world, "CLICK", EventKey="k", CreateTime=START + 5)
    assert (known(world)["following"], known(world)["acted_at"]) == (0, START + 5)
    await tells(world, "CLICK", EventKey="k", CreateTime=START + 15)
    assert known(world)["following"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_an_older_event_that_comes_late_tells_nothing(world: World, ear: Ear) -> None:
    await open_quietly(world)
    await tells(world, "subscribe", "li", EventKey="qrscene_new", CreateTime=START + 9)
    await world.rest()
    lines, calls = len(ear.lines), world.simulator.calls[INFO]
    await tells(world, "subscribe", "li", EventKey="qrscene_old", CreateTime=START + 5)
    await tells(world, "unsubscribe", "li", CreateTime=START + 6)
    await world.rest()
    found = known(world, "li")
    assert (found["scene"], found["following"]) == ("new", 1)
    assert world.simulator.calls[INFO] == calls
    assert not [line for line in ear.lines[lines:] if "follow" in line]


@pytest.mark.gen_test(timeout=20)
async def test_what_is_not_kept_is_not_written_down_as_if_it_were(
    world: World, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_quietly(world)
    await world.bound("ann", "wang")
    await world.rest()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    openid = world.simulator.world.people["wang"].openid
    lines = len(ear.lines)
    with monkeypatch.context() as broken:
        # The last thing in the transaction.
        broken.setattr("wx.store.inbox.add_all", full)
        for event, fields in (
            ("subscribe", {}),
            ("unsubscribe", {}),
            ("user_authorization_cancellation", {"openid": openid}),
        ):
            answer = await world.send(world.event(event, "wang", **fields))
            assert answer.code >= 500
    told = [line for line in ear.lines[lines:] if "wx.service.followers" in line]
    told += [line for line in ear.lines[lines:] if "wx.service.binding" in line]
    assert told == []
    assert bindings(world) == [("ann", "wang")]


# How they came, and what else is to be known


@pytest.mark.gen_test(timeout=20)
async def test_how_somebody_came_is_kept_and_the_rest_is_asked_for(world: World) -> None:
    await open_quietly(world)
    phone = world.simulator.phone("zhang")
    await phone.follow()
    await world.rest()
    found = known(world, "zhang")
    assert (found["came_by"], found["scene"], found["language"]) == ("ADD_SCENE_SEARCH", "", "en")
    assert found["unionid"] == world.simulator.world.people["zhang"].unionid
    assert found["read_at"] is None, "that alone is no profile"
    assert (found["nickname"], found["avatar"]) == ("", ""), "the platform tells them no more"
    await phone.unfollow()
    await tells(world, "subscribe", "li", EventKey="qrscene_desk_7", Ticket="gQx")
    await world.rest()
    found = known(world, "li")
    assert (found["came_by"], found["scene"]) == ("ADD_SCENE_QR_CODE", "desk_7")
    assert found["language"] == "", "who does not follow is told nothing of"
    assert world.simulator.calls[INFO] == 2


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("fields", "came_by", "scene"),
    [
        ({}, "", ""),
        ({"EventKey": ""}, "", ""),
        ({"EventKey": "qrscene_123", "Ticket": "gQx"}, "ADD_SCENE_QR_CODE", "123"),
        ({"EventKey": "qrscene_" + "x" * 100}, "ADD_SCENE_QR_CODE", "x" * 64),
        ({"EventKey": "last_trade_no_42"}, "", ""),
        ({"EventKey": "qrscene_bind" + "b" * 43, "Ticket": "gQx"}, "ADD_SCENE_QR_CODE", ""),
        ({"EventKey": "qrscene_bind" + "b" * 42}, "ADD_SCENE_QR_CODE", "bind" + "b" * 42),
    ],
)
async def test_the_event_itself_tells_how_somebody_came(
    world: World, fields: dict[str, str], came_by: str, scene: str
) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(INFO, errcode=48001)
    await tells(world, "subscribe", **fields)
    await world.rest()
    assert (known(world)["came_by"], known(world)["scene"]) == (came_by, scene)


@pytest.mark.gen_test(timeout=20)
async def test_details_that_cannot_be_had_change_nothing(world: World, ear: Ear) -> None:
    await open_quietly(world)
    faults = world.simulator.faults
    faults.answer(INFO, errcode=40003)
    faults.answer(INFO, errcode=-1)
    faults.answer(INFO, body='{"subscribe": 1, "openid": "oOther", "language": "en"}')
    faults.answer(INFO, body="no JSON")
    faults.answer(INFO, body="<html>", status=502)
    for number in range(5):
        world.clock.advance(1)
        await tells(world, "subscribe")
        await world.rest()
        found = known(world)
        assert (found["following"], found["language"], found["unionid"]) == (1, "", "")
        assert world.simulator.calls[INFO] == number + 1
    assert sum("details not read" in line for line in ear.lines) == 5
    world.clock.advance(1)
    await tells(world, "subscribe")
    await world.rest()
    assert known(world)["language"] == "zh", "the next time it is asked again"


@pytest.mark.gen_test(timeout=20)
async def test_what_the_platform_tells_of_a_name_is_kept_and_wipes_nothing_out(
    world: World,
) -> None:
    await open_quietly(world)
    await world.bound("ann", "wang")
    await world.rest()
    before = known(world)
    assert before["nickname"] == "王小明🌻" and before["city"] == "深圳"
    openid = before["openid"]
    told = json.dumps({"subscribe": 1, "openid": openid, "nickname": "明", "language": "zh_TW"})
    world.simulator.faults.answer(INFO, body=told)
    await tells(world, "subscribe")
    await world.rest()
    after = known(world)
    assert (after["nickname"], after["city"], after["language"]) == ("明", "深圳", "zh")
    assert after["privilege"] == before["privilege"] != "[]"
    grey = {"nickname": "微信用户", "headimgurl": "https://thirdwx.qlogo.cn/grey/132"}
    told = json.dumps({"subscribe": 1, "openid": openid} | grey)
    world.simulator.faults.answer(INFO, body=told)
    world.clock.advance(1)
    await tells(world, "subscribe")
    await world.rest()
    assert (known(world)["nickname"], known(world)["avatar"]) == ("明", before["avatar"])


@pytest.mark.gen_test(timeout=20)
async def test_details_that_are_left_out_wipe_nothing_out(world: World) -> None:
    await open_quietly(world)
    world.simulator.world.people["li"].following = True
    await tells(world, "subscribe", "li", EventKey="qrscene_desk_7", Ticket="gQx")
    await world.rest()
    found = known(world, "li")
    assert (found["language"], found["scene"]) == ("zh", "desk_7"), "the event alone tells that"
    assert found["came_by"] == "ADD_SCENE_SEARCH", "the platform knows best"
    openid = found["openid"]
    for more in ({}, {"subscribe": 0, "language": "en", "subscribe_scene": "ADD_SCENE_OTHERS"}):
        told = json.dumps({"subscribe": 1, "openid": openid} | more)
        world.simulator.faults.answer(INFO, body=told)
        await tells(world, "user_info_modified", OpenID=openid, CreateTime=START + len(more))
        await world.rest()
        after = known(world, "li")
        for name in ("language", "came_by", "scene", "unionid"):
            assert after[name] == found[name], name
    assert world.simulator.calls[INFO] == 3


@pytest.mark.gen_test(timeout=20)
async def test_in_a_crowd_not_everybody_is_asked_about_and_nobody_twice_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_quietly(world)
    monkeypatch.setattr(followers, "ASKED_AT_ONCE", 2)
    world.simulator.faults.hang(INFO)
    for person in ("wang", "li", "zhang"):
        await tells(world, "subscribe", person)
        world.clock.advance(1)
        await tells(world, "subscribe", person)
    await world.simulator.called(INFO, 2)
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await world.rest()
    assert world.simulator.calls[INFO] == 2
    await tells(world, "subscribe", "zhang", CreateTime=START + 99)
    await world.rest()
    assert world.simulator.calls[INFO] == 3, "and the next time there is room"


@pytest.mark.gen_test(timeout=20)
async def test_whoever_wrote_while_a_crowd_came_is_asked_about_when_they_write_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_quietly(world)
    monkeypatch.setattr(followers, "ASKED_AT_ONCE", 1)
    world.simulator.faults.hang(INFO)
    await tells(world, "subscribe", "li")
    await world.simulator.called(INFO)
    assert (await world.send(world.text("status"))).code == 200
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await world.rest()
    assert known(world)["language"] == ""
    for _ in range(2):
        assert (await world.send(world.text("status"))).code == 200
        await world.rest()
    assert known(world)["language"] == "zh"
    assert world.simulator.calls[INFO] == 2


@pytest.mark.gen_test(timeout=20)
async def test_somebody_who_is_forgotten_meanwhile_is_not_brought_back_by_details(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await open_quietly(world)
    world.simulator.faults.delay(INFO, 30)
    await tells(world, "subscribe")
    await world.simulator.called(INFO)
    world.rows("DELETE FROM followers")
    world.simulator.faults.release()
    await world.rest()
    assert world.rows("SELECT * FROM followers") == []
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("change", ["forgotten", "revoked"])
async def test_who_is_forgotten_or_takes_their_profile_back_meanwhile_is_told_nothing_of(
    world: World, change: str
) -> None:
    await open_quietly(world)
    person = world.simulator.world.people["wang"]
    person.following, openid = True, person.openid
    world.simulator.faults.delay(INFO, 30)
    await tells(world, "subscribe")
    await world.simulator.called(INFO)
    if change == "forgotten":
        world.rows("UPDATE followers SET openid = 'forgotten:' || id")
    else:
        await tells(world, "user_authorization_revoke", "li", OpenID=openid)
    world.simulator.faults.clear()
    world.simulator.faults.release()
    await world.rest()
    (found,) = world.rows("SELECT * FROM followers")
    assert (found["unionid"], found["read_at"]) == ("", None)
    assert found["language"] == ("" if change == "forgotten" else "zh")
    if change == "revoked":
        world.clock.advance(1)
        await tells(world, "subscribe")
        await world.rest()
        assert known(world)["unionid"] == person.unionid != "", "it was for that answer alone"


@pytest.mark.gen_test(timeout=20)
async def test_who_could_not_be_asked_about_is_asked_about_after_an_hour(world: World) -> None:
    await open_quietly(world)
    world.simulator.world.people["wang"].following = True
    world.simulator.faults.answer(INFO, errcode=-1)

    async def writes() -> tuple[str, int]:
        assert (await world.send(world.text("status"))).code == 200
        await world.rest()
        return known(world)["language"], world.simulator.calls[INFO]

    assert [await writes() for _ in range(2)] == [("", 1)] * 2
    world.clock.advance(3599)
    assert await writes() == ("", 1)
    world.clock.advance(1)
    assert await writes() == ("zh", 2)


@pytest.mark.gen_test(timeout=20)
async def test_of_too_many_to_remember_the_oldest_are_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_quietly(world)
    monkeypatch.setattr(followers, "ASKED_IN_ALL", 2)
    world.simulator.faults.answer(INFO, errcode=-1, times=None)
    calls = []
    for person in ("wang", "li", "zhang", "zhang", "li", "wang"):
        world.simulator.world.people[person].following = True
        assert (await world.send(world.text("status", person))).code == 200
        await world.rest()
        calls.append(world.simulator.calls[INFO])
    assert calls == [1, 2, 3, 3, 3, 4]


@pytest.mark.gen_test(timeout=20)
async def test_an_answer_on_its_way_does_not_bring_the_right_to_ask_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_quietly(world)
    world.simulator.faults.answer(INFO, errcode=48001)
    world.simulator.faults.answer(INFO, errcode=-1)
    world.simulator.faults.delay(INFO, 10)  # so that both are asked before either is answered
    await asyncio.gather(tells(world, "subscribe", "wang"), tells(world, "subscribe", "li"))
    await world.simulator.called(INFO, 2)
    world.simulator.faults.release()
    await world.rest()
    await tells(world, "subscribe", "zhang")
    await world.rest()
    assert world.simulator.calls[INFO] == 2


# Out of reach


@pytest.mark.gen_test(timeout=20)
async def test_who_has_left_stays_bound_out_of_reach_and_the_page_says_so(world: World) -> None:
    await open_quietly(world)
    desktop = await world.bound("ann", "wang")
    await world.told("wang")
    phone = world.simulator.phone("wang")

    async def reachable() -> bool:
        await world.rest()
        page = (await desktop.fetch("/bind")).body.decode()
        assert 'data-state="bound"' in page
        return "data-unreachable" not in page

    assert await reachable()
    await phone.unfollow()
    assert not await reachable()
    calls = world.simulator.calls[TEMPLATE]
    refused = await desktop.post("/bind/test", json_answer=True)
    assert refused.code == 409 and b"not-following" in refused.body
    assert world.simulator.calls[TEMPLATE] == calls
    assert bindings(world) == [("ann", "wang")]
    world.clock.advance(1)
    await phone.follow()
    assert await reachable()
    assert (await desktop.post("/bind/test", json_answer=True)).code == 200


# Rights that are taken back


@pytest.mark.gen_test(timeout=20)
async def test_who_takes_back_the_right_to_their_profile_stays_bound_without_one(
    world: World,
) -> None:
    await open_quietly(world)
    desktop = await world.bound("ann", "wang")
    await world.rest()
    assert known(world)["nickname"] == "王小明🌻"
    openid = world.simulator.world.people["wang"].openid
    # The platform itself is the sender.
    await tells(
        world, "user_authorization_revoke", "li", OpenID=openid, AppID="wx1", RevokeInfo="301"
    )
    found = known(world)
    for name in ("nickname", "avatar", "unionid", "city", "province", "country"):
        assert found[name] == "", name
    assert (found["sex"], found["privilege"], found["read_at"]) == (0, "[]", None)
    assert bindings(world) == [("ann", "wang")]
    page = (await desktop.fetch("/bind")).body.decode()
    assert "WeChat user" in page and "王小明" not in page
    assert row(world, "li") is None, "the sender did nothing"


@pytest.mark.gen_test(timeout=20)
async def test_a_wechat_that_is_given_up_is_unbound_and_the_page_says_so(world: World) -> None:
    await open_quietly(world)
    desktop = await world.bound("ann", "wang")
    await world.rest()
    openid = world.simulator.world.people["wang"].openid
    event = world.event("user_authorization_cancellation", "li", openid=openid, appid="wx1")
    answers = await asyncio.gather(*(world.send(event) for _ in range(5)))
    assert {answer.body for answer in answers} == {b"success"}
    assert known(world)["nickname"] == ""
    assert bindings(world) == []
    assert history(world) == [("bound", "oauth", "ann"), ("ended", "cancelled", "the platform")]
    page = (await desktop.fetch("/bind")).body.decode()
    assert "The binding was ended on the phone." in page and "/bind/restore" not in page


@pytest.mark.gen_test(timeout=20)
async def test_a_profile_that_has_changed_is_asked_for_again(world: World) -> None:
    await open_quietly(world)
    await world.bound("ann", "wang")
    await world.rest()
    person = world.simulator.world.people["wang"]
    told = json.dumps({"subscribe": 1, "openid": person.openid, "language": "en"})
    world.simulator.faults.answer(INFO, body=told)
    person.nickname = "新名字"  # which only they themselves let us read
    calls = world.simulator.calls[INFO]
    await tells(world, "user_info_modified", "li", OpenID=person.openid)
    await world.rest()
    assert world.simulator.calls[INFO] == calls + 1
    assert (known(world)["nickname"], known(world)["language"]) == ("新名字", "en")
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    "event", ["user_info_modified", "user_authorization_revoke", "user_authorization_cancellation"]
)
async def test_the_rights_of_somebody_unknown_are_nothing_to_us(world: World, event: str) -> None:
    await open_quietly(world)
    await tells(world, event, "li", OpenID="oNobodyThatWeKnow")
    await world.rest()
    assert world.rows("SELECT * FROM followers") == []
    assert world.simulator.calls[INFO] == 0
