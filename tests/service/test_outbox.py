"""The outbox: what it takes, what it refuses, its pages, and what the platform tells."""

import asyncio
import sqlite3
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.sending import (
    CUSTOM,
    SILENT,
    SUBSCRIBE,
    TEMPLATE,
    TEMPLATES,
    binding_of,
    courier,
    crowd,
    door,
    follower,
    found,
    join,
    put,
    put_one,
    rest,
    row,
    sent,
    stands,
    told_all,
    written,
)
from tests.service.test_templates import read
from tests.world import PASSWORD, World
from wx.errors import Refused, StorageUnavailable
from wx.model import Account, ApiKey, Browser, NoticeState
from wx.service.hub import Hub
from wx.service.outbox import Draft, Outbox, topic
from wx.service.templates import Templates
from wx.store import accounts, database, followers, subscriptions
from wx.store.database import Database

HOUR, DAY = 3600, 86400
LONG = "a text that is far too long for a field of twenty characters"


async def refusal(world: World, *to: str, **given: Any) -> Refused:
    """What putting this is refused with."""
    with pytest.raises(Refused) as refused:
        await put(world, *to, **given)
    return refused.value


def count(world: World) -> int:
    return world.rows("SELECT count(*) FROM outbox")[0][0]


async def key(world: World, name: str = "ci") -> ApiKey:
    keys = world.server.services.api_keys
    return await keys.check(await keys.add(name, ("notices:write",)), "notices:write")


def stop_courier(world: World) -> None:
    """Let nothing leave, so that a test sees what was kept."""
    courier(world)._stopping = True


async def account(world: World, name: str = "ann") -> Account:
    one = await written(world, lambda conn: accounts.find_by_name(conn, name))
    assert one is not None
    return one


# Taking


@pytest.mark.gen_test(timeout=20)
async def test_what_is_taken_is_on_disk_with_all_that_was_asked_for(world: World) -> None:
    await read(world)
    number = await join(world)
    stop_courier(world)
    (one,) = await put(
        world, "ANN", text=" backup\r\nfinished\x00 ", url=f"{world.base}/x", wish="template",
        expires_in=HOUR, origin="key ci",
    )  # fmt: skip
    assert (one.account, one.state, one.origin) == ("ann", NoticeState.QUEUED, "key ci")
    assert (one.text, one.url, one.wish) == ("backup\nfinished", f"{world.base}/x", "template")
    now = world.clock.now()
    assert (one.created_at, one.due_at, one.expires_at) == (now, now, now + HOUR)
    assert (one.follower_id, one.binding_id) == (number, await binding_of(world, "ann"))
    kept = await found(world, one.id)
    assert replace(kept, number=0) == one
    (two,) = await put(world)
    assert (two.due_at, two.expires_at) == (None, now + 2 * DAY)


@pytest.mark.gen_test(timeout=20)
async def test_a_thousand_are_taken_at_once_in_the_order_of_their_names(world: World) -> None:
    stop_courier(world)
    names = (await crowd(world, 1000))[::-1]
    taken = await put(world, *names)
    assert [one.account for one in taken] == names
    assert count(world) == 1000
    kept = world.rows("SELECT id FROM outbox ORDER BY number")
    assert [one["id"] for one in kept] == [one.id for one in taken]
    assert len({one.id for one in taken}) == 1000
    for wrong in ([*names, "p1000"], []):
        with pytest.raises(Refused) as refused:
            await door(world).put(wrong, Draft(text="x"), origin="send")
        assert (refused.value.status, refused.value.code) == (422, "bad-recipients")
        with pytest.raises(Refused):
            await door(world).plan(wrong, Draft(text="x"))


@pytest.mark.gen_test(timeout=20)
async def test_who_is_named_twice_gets_one(world: World) -> None:
    stop_courier(world)
    await join(world)
    await join(world, "bob", "li")
    taken = await put(world, "ann", "bob", "ANN", "Bob")
    assert [one.account for one in taken] == ["ann", "bob"]
    assert count(world) == 2


@pytest.mark.gen_test(timeout=20)
async def test_who_is_unknown_or_not_bound_is_named_and_nothing_is_kept(world: World) -> None:
    await join(world)
    await world.add_account("off")
    await join(world, "off", "zhang")
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'off'")
    both = await refusal(world, "ann", "eve", "bob", "Off", "mallory", "BOB")
    assert (both.status, both.code) == (404, "unknown-account")
    assert both.more == {"accounts": {"unknown": ["eve", "Off", "mallory"], "unbound": ["bob"]}}
    assert both.details["names"] == "eve, Off, mallory"
    unbound = await refusal(world, "ann", "bob")
    assert (unbound.status, unbound.code) == (409, "not-bound")
    assert unbound.more == {"accounts": {"unknown": [], "unbound": ["bob"]}}
    assert both.hint and unbound.hint
    many = await refusal(world, *(f"nobody{number}" for number in range(12)))
    assert str(many.details["names"]).endswith("nobody9, …")
    assert count(world) == 0


@pytest.mark.gen_test(timeout=20)
async def test_what_cannot_be_kept_is_not_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await join(world)

    async def full(work: object) -> None:
        raise StorageUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(door(world)._database, "write", full)
        with pytest.raises(StorageUnavailable):
            await put(world)
    assert count(world) == 0


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"text": ""}, "bad-text"),
        ({"text": " \n\x00 "}, "bad-text"),
        ({"text": "a" * 10_001}, "bad-text"),
        ({"text": "a", "template_id": "tid", "fields": {"thing1": "a"}}, "bad-text"),
        ({"wish": "fax"}, "bad-channel"),
        ({"wish": "custom", "template_id": "tid", "fields": {"thing1": "a"}}, "bad-channel"),
        ({"expires_in": 0}, "bad-expiry"),
        ({"expires_in": 0.5}, "bad-expiry"),
        ({"expires_in": 30 * DAY + 1}, "bad-expiry"),
        ({"expires_in": float("nan")}, "bad-expiry"),
        ({"template_id": "tid", "fields": {}}, "bad-field"),
        ({"template_id": "tid", "fields": {f"x{one}": "a" for one in range(51)}}, "bad-field"),
    ],
)
async def test_a_draft_that_is_wrong_is_refused_and_not_kept(
    world: World, given: dict[str, Any], code: str
) -> None:
    await join(world)
    refused = await refusal(world, **given)
    assert (refused.status, refused.code) == (422, code)
    whole = given if "template_id" in given else {"text": "x"} | given
    with pytest.raises(Refused) as planned:
        await door(world).plan(["ann"], Draft(**whole))
    assert planned.value.code == code
    assert count(world) == 0


@pytest.mark.gen_test(timeout=20)
async def test_the_longest_text_and_the_longest_wait_are_taken(world: World) -> None:
    stop_courier(world)
    await join(world)
    one = await found(world, await put_one(world, text="好" * 10_000, expires_in=30 * DAY))
    assert len(one.text) == 10_000
    assert (await found(world, await put_one(world, expires_in=1))).expires_at == (
        world.clock.now() + 1
    )


@pytest.mark.gen_test(timeout=20)
async def test_links_lead_to_our_own_host_and_to_those_that_are_allowed(world: World) -> None:
    await world.reconfigure(notice_url_hosts="ci.example.com,x.example:8443")
    stop_courier(world)
    await join(world)
    mine = world.base
    for good in (
        f"{mine}/builds/7?a=b#c",
        mine,
        "https://ci.example.com/x",
        "https://CI.Example.com/x",
        "https://x.example:8443/x",
    ):
        assert (await found(world, await put_one(world, url=good))).url == good
    before = count(world)
    for bad in (
        "http://ci.example.com/",
        "https://other.example/",
        "https://ci.example.com.evil.example/",
        "https://ci.example.com:444/",
        "https://x.example/",
        "https://ci.example.com@evil.example/",
        "https://evil@ci.example.com/",
        "https://ci.example.com\\@evil.example/",
        "javascript:alert(1)",
        "//ci.example.com/",
        "/builds/7",
        "ci.example.com",
        "https:///x",
        "https://ci.example.com/a b",
        "https://ci.example.com/\n",
        "https://ci.example.com/\u202e",
        "https://[ci.example.com/",
        "https://ci.example.com/" + "a" * 1000,
        "https://ci.example.com/" + "好" * 400,
        mine.replace("http:", "ftp:"),
    ):
        refused = await refusal(world, url=bad)
        assert (refused.status, refused.code) == (422, "bad-url"), bad
        assert refused.hint
    assert count(world) == before


@pytest.mark.gen_test(timeout=20)
async def test_a_star_lets_links_lead_anywhere_over_https(world: World) -> None:
    await world.reconfigure(notice_url_hosts="*")
    stop_courier(world)
    await join(world)
    assert await put_one(world, url="https://other.example/")
    for bad in ("http://other.example/", "https://us@other.example/", "https:///x"):
        assert (await refusal(world, url=bad)).code == "bad-url"


@pytest.mark.gen_test(timeout=20)
async def test_our_own_host_over_https_is_not_linked_to_without(world: World) -> None:
    host = world.base.partition("//")[2]
    await world.reconfigure(public_url=f"https://{host}")
    stop_courier(world)
    await join(world)
    assert await put_one(world, url=f"https://{host}/x")
    assert (await refusal(world, url=f"http://{host}/x")).code == "bad-url"


# Templates and their fields


@pytest.mark.gen_test(timeout=20)
async def test_an_unknown_template_or_field_is_refused_before_the_platform_does(
    world: World,
) -> None:
    await read(world)
    await join(world)
    mine = world.simulator.template_id
    good = {"thing1": "x", "time2": "09:30"}
    strange = await refusal(world, template_id="tid", fields=good)
    assert (strange.status, strange.code) == (422, "unknown-template")
    for fields, name in (
        ({"thing1": "x", "time2": "09:30", "thing3": "y"}, "thing3"),
        ({"thing1": "x"}, "time2"),
        ({"thing1": "x", "time2": "soon"}, "time2"),
    ):
        for wish in ("auto", "template"):
            refused = await refusal(world, template_id=mine, fields=fields, wish=wish)
            assert (refused.status, refused.code) == (422, "bad-field")
            assert refused.more == {"field": name} == refused.details | {"field": name}
            assert refused.hint
    empty = await refusal(world, template_id=mine, fields={"thing1": " ", "time2": "09:30"})
    assert empty.code == "bad-text" or empty.code == "bad-field"
    assert count(world) == 0
    assert world.simulator.calls[TEMPLATE] == 0
    taken = await sent(world, template_id=mine, fields=good | {"thing1": " x\n\x01 "})
    assert (taken.state, taken.channel, taken.why) == ("sent", "template", "template-given")
    assert taken.fields == good | {"thing1": "x"}


@pytest.mark.gen_test(timeout=20)
async def test_a_template_that_people_have_accepted_is_known_too(world: World) -> None:
    await read(world)
    number = await join(world)
    template_id = world.simulator.subscription_id
    fields = {"thing1": "x", "time2": "09:30", "thing3": "y"}
    assert (await refusal(world, template_id=template_id, fields=fields)).code == (
        "unknown-template"
    )
    forced = await sent(world, template_id=template_id, fields=fields, wish="subscribe")
    assert (forced.state, forced.reason) == ("failed", "not-subscribed")
    world.rows("INSERT INTO subscriptions VALUES (?, ?, 1)", number, template_id)
    world.simulator.world.people["wang"].subscriptions[template_id] = 1
    one = await sent(world, template_id=template_id, fields=fields)
    assert (one.state, one.channel, one.why) == ("sent", "subscribe", "subscribed")


# The same again


@pytest.mark.gen_test(timeout=20)
async def test_the_same_key_and_notice_give_the_same_notices_and_another_is_refused(
    world: World,
) -> None:
    stop_courier(world)
    await join(world)
    await join(world, "bob", "li")
    ci, other = await key(world), await key(world, "other")
    asked: dict[str, Any] = {"idempotency": "monday", "key": ci}
    first = await put(world, "ann", "bob", **asked)
    again = await put(world, "ann", "bob", **asked)
    assert [one.id for one in again] == [one.id for one in first]
    for to, draft in (
        (("ann",), {}),
        (("ann", "bob"), {"text": "another"}),
        (("ann", "bob"), {"url": world.base}),
        (("ann", "bob"), {"wish": "custom"}),
        (("ann", "bob"), {"expires_in": 60}),
        (("bob", "ann"), {}),
    ):
        refused = await refusal(world, *to, **asked | draft)
        assert (refused.status, refused.code) == (409, "idempotency-mismatch")
        assert refused.hint
    assert count(world) == 2
    none = {"idempotency": ""}
    for others in ({"key": other}, {"idempotency": "tuesday"}, none, none):
        assert len(await put(world, "ann", "bob", **asked | others)) == 2
    assert count(world) == 10


@pytest.mark.gen_test(timeout=20)
async def test_the_same_again_is_the_same_also_when_it_was_sent_and_nobody_is_bound_any_more(
    world: World,
) -> None:
    await join(world)
    ci = await key(world)
    (first,) = await put(world, key=ci, idempotency="monday")
    await rest(world)
    world.rows("UPDATE bindings SET ended_at = 1")
    (again,) = await put(world, key=ci, idempotency="monday")
    assert (again.id, again.state) == (first.id, "sent")


@pytest.mark.gen_test(timeout=20)
async def test_after_72_hours_the_same_key_gives_another_notice(world: World) -> None:
    stop_courier(world)
    await join(world)
    ci = await key(world)
    (first,) = await put(world, key=ci, idempotency="monday")
    world.clock.advance(72 * HOUR - 1)
    await door(world).purge()
    assert (await put(world, key=ci, idempotency="monday"))[0].id == first.id
    world.clock.advance(1)
    (later,) = await put(world, key=ci, idempotency="monday", text="another")
    assert later.id != first.id
    assert await found(world, first.id)
    assert (await put(world, key=ci, idempotency="monday", text="another"))[0].id == later.id


@pytest.mark.gen_test(timeout=20)
async def test_fifty_of_the_same_at_once_are_one(world: World) -> None:
    stop_courier(world)
    names = await crowd(world, 3)
    ci = await key(world)
    taken = await asyncio.gather(
        *(put(world, *names, key=ci, idempotency="monday") for _ in range(50))
    )
    assert len({tuple(one.id for one in each) for each in taken}) == 1
    assert count(world) == 3


@pytest.mark.gen_test(timeout=20)
async def test_of_different_ones_at_once_with_one_key_one_is_taken(world: World) -> None:
    stop_courier(world)
    await join(world)
    ci = await key(world)
    taken = await asyncio.gather(
        *(put(world, text=f"n{one}", key=ci, idempotency="monday") for one in range(20)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, list) for one in taken) == 1
    assert count(world) == 1


@pytest.mark.gen_test(timeout=20)
async def test_what_was_refused_leaves_its_key_free(world: World) -> None:
    stop_courier(world)
    ci = await key(world)
    assert (await refusal(world, key=ci, idempotency="monday")).code == "not-bound"
    await join(world)
    assert await put(world, key=ci, idempotency="monday", text="corrected")


# Who cannot be reached


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("change", "reason"), [("following = 0", "not-following"), ("blocked_at = 5", "blocked")]
)
async def test_a_notice_to_who_left_or_blocked_has_failed_at_once_and_holds_up_nobody(
    world: World, change: str, reason: str
) -> None:
    await join(world)
    await join(world, "bob", "zhang")
    world.simulator.world.people["zhang"].following = True
    world.rows(f"UPDATE followers SET {change} WHERE id = 1")
    one, other = await put(world, "ann", "bob")
    assert (one.state, one.reason, one.due_at) == ("failed", reason, None)
    assert one.settled_at == world.clock.now()
    assert (await found(world, one.id)).state == "failed"
    assert other.state == "queued"
    await rest(world)
    assert (await found(world, other.id)).state == "sent"
    assert world.simulator.calls[TEMPLATE] == 1


# What others see


@pytest.mark.gen_test(timeout=20)
async def test_notices_are_listed_the_newest_first_and_narrowed(world: World) -> None:
    stop_courier(world)
    await join(world)
    await join(world, "bob", "li")
    ids = []
    for name in ("ann", "bob", "ann", "ann"):
        world.clock.advance(0.5)
        ids.append((await put(world, name))[0].id)
    assert sorted(ids) == ids, "an id tells the order too"

    async def listed(**wanted: Any) -> list[int]:
        return [ids.index(one.id) for one in await door(world).newest(**wanted)]

    assert await listed() == [3, 2, 1, 0]
    assert await listed(to="ANN") == [3, 2, 0]
    assert await listed(limit=2) == [3, 2]
    assert await listed(before=ids[2]) == [1, 0]
    world.rows("UPDATE outbox SET state = 'failed' WHERE id = ?", ids[2])
    assert await listed(state=NoticeState.FAILED) == [2]
    assert await listed(to="ann", state=NoticeState.QUEUED, before=ids[3]) == [0]
    with pytest.raises(Refused) as refused:
        await door(world).newest(to="eve")
    assert (refused.value.status, refused.value.code) == (404, "unknown-account")
    assert await door(world).count_waiting() == 3
    assert await door(world).find("nobody's") is None


@pytest.mark.gen_test(timeout=20)
async def test_a_page_lists_an_account_s_own_without_our_words_that_reached_nobody(
    world: World,
) -> None:
    stop_courier(world)
    await join(world)
    await join(world, "bob", "li")
    ids = [await put_one(world, origin=origin) for origin in ("send", "bind", "bind", "page")]
    await put(world, "bob")
    world.rows("UPDATE outbox SET state = 'failed' WHERE id IN (?, ?)", ids[0], ids[1])
    ann = await account(world)
    shown = await door(world).of_account(ann)
    assert [one.id for one in shown] == [ids[3], ids[2], ids[0]]
    assert [one.id for one in await door(world).of_account(ann, limit=2)] == [ids[3], ids[2]]


@pytest.mark.gen_test(timeout=20)
async def test_whoever_waits_is_told_of_each_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook(rules=SILENT, bind_route="oauth")
    await join(world)
    told: list[tuple[str, str]] = []
    ann = (await account(world)).id

    def publish(name: str, news: object = None) -> None:
        states = world.rows("SELECT state FROM outbox")
        told.append((name, states[0]["state"] if states else ""))

    monkeypatch.setattr(world.server.services.hub, "publish", publish)
    world.simulator.pushes.receipt_delay = 0
    await put(world)
    await told_all(world)
    seen = [state for name, state in told if name == topic(ann)]
    assert list(dict.fromkeys(seen))[-1] == "delivered"
    assert set(seen) >= {"sending", "delivered"} and ("sent" in seen or len(seen) >= 3)


# A dry run


@pytest.mark.gen_test(timeout=20)
async def test_a_dry_run_says_what_each_would_get_and_does_nothing(world: World) -> None:
    await world.open_webhook(rules=SILENT, bind_route="oauth")
    await read(world)
    await world.simulator.phone("wang").say("hello")
    await world.rest()
    await join(world)
    await join(world, "gone", "zhang")
    await join(world, "eve", "li")
    world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'eve'")
    zhang = world.simulator.world.people["zhang"].openid
    world.rows("UPDATE followers SET following = 0 WHERE openid = ?", zhang)
    names = await crowd(world, 1)
    calls = world.simulator.calls.total()
    before = (follower(world)["window_left"], count(world))
    plans = await door(world).plan(
        ["ann", "Bob", "nobody", "eve", "gone", *names, "ANN"], Draft(text=LONG)
    )
    assert [(one.to, one.channel, one.why, one.reason, one.cut) for one in plans] == [
        ("ann", "custom", "window", "", False),
        ("bob", "", "", "not-bound", False),
        ("nobody", "", "", "unknown-account", False),
        ("eve", "", "", "unknown-account", False),
        ("gone", "", "", "not-following", False),
        (names[0], "template", "outside-window", "", True),
    ]
    assert plans[0].text == LONG
    assert plans[5].template_id == world.simulator.template_id
    assert plans[5].fields["thing1"] == LONG[:19] + "…"
    assert (follower(world)["window_left"], count(world)) == before
    assert world.simulator.calls.total() == calls


@pytest.mark.gen_test(timeout=20)
async def test_a_dry_run_asks_the_platform_for_no_template(world: World) -> None:
    await read(world)
    await join(world)
    world.clock.advance(60)
    with pytest.raises(Refused) as refused:
        await door(world).plan(["ann"], Draft(template_id="tid", fields={"thing1": "x"}))
    assert refused.value.code == "unknown-template"
    assert world.simulator.calls[TEMPLATES] == 1


# The page with the whole


def page_in(world: World) -> str:
    """The secret in the link of the last card that reached the chat."""
    url = world.simulator.world.people["wang"].chat[-1].url
    assert url.startswith(f"{world.base}/n/")
    return url.rpartition("/")[2]


async def over(world: World, code: str) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        await door(world).read_page(code)
    return refused.value.status, refused.value.code


@pytest.mark.gen_test(timeout=20)
async def test_what_was_cut_stands_whole_on_a_page_that_nobody_can_guess(world: World) -> None:
    await join(world)
    one = await sent(world, text=LONG, url=f"{world.base}/builds/7")
    secret = page_in(world)
    page = await door(world).read_page(secret)
    assert (page.text, page.url, page.account) == (LONG, f"{world.base}/builds/7", "ann")
    assert (page.account_id, page.created_at) == (one.account_id, one.created_at)
    other = await put_one(world)
    await rest(world)
    theirs = door(world).page_secret(other)
    for wrong in (
        secret[:-1],
        secret[:-1] + ("a" if secret[-1] != "a" else "b"),
        secret + "a",
        secret[:22],
        theirs[:22] + secret[22:],
        secret[:22] + theirs[22:],
        "",
        "é" * 43,
    ):
        assert await over(world, wrong) == (404, "not-found"), wrong
    assert await over(world, door(world).page_secret("x" * 22)) == (410, "notice-over")


@pytest.mark.gen_test(timeout=20)
async def test_a_page_is_over_after_thirty_days_and_without_its_binding(world: World) -> None:
    await join(world)
    await sent(world, text=LONG)
    secret = page_in(world)
    world.clock.advance(30 * DAY)
    assert (await door(world).read_page(secret)).text == LONG
    world.rows("UPDATE bindings SET ended_at = 1")
    assert await over(world, secret) == (410, "notice-over")
    world.rows("UPDATE bindings SET ended_at = NULL")
    world.clock.advance(1)
    assert await over(world, secret) == (410, "notice-over")


@pytest.mark.gen_test(timeout=20)
async def test_the_page_of_a_template_shows_its_whole_fields_until_they_are_forgotten(
    world: World,
) -> None:
    await world.reconfigure(notice_days="1")
    await read(world, 2)
    await join(world)
    fields = {"thing1": LONG, "time2": "09:30"}
    await sent(world, template_id=world.simulator.template_id, fields=fields)
    secret = page_in(world)
    page = await door(world).read_page(secret)
    assert page.text == f"内容：{LONG}\n时间：09:30"
    templates = world.server.services.templates
    known, templates._known = templates._known, None
    assert (await door(world).read_page(secret)).text == f"thing1: {LONG}\ntime2: 09:30"
    templates._known = known
    world.clock.advance(DAY)
    await door(world).purge()
    assert await over(world, secret) == (410, "notice-over")


@pytest.mark.gen_test(timeout=20)
async def test_the_page_of_another_server_s_key_does_not_open(world: World) -> None:
    await join(world)
    one = await sent(world, text=LONG)
    door(world)._key = bytes(32)
    forged = door(world).page_secret(one.id)
    await world.restart_server()
    assert await over(world, forged) == (404, "not-found")
    assert (await door(world).read_page(page_in(world))).text == LONG


# Our own words


@pytest.mark.gen_test(timeout=20)
async def test_our_own_words_carry_their_secret_only_when_they_leave(world: World) -> None:
    await world.bound()
    await rest(world)
    (kept,) = world.rows("SELECT * FROM outbox")
    assert (kept["origin"], kept["state"]) == ("bind", "sent")
    assert "{secret}" in kept["url"] and kept["hidden"].startswith("undo ")
    shown = world.simulator.world.people["wang"].chat[-1].url
    assert shown.startswith(f"{world.base}/undo/") and "{secret}" not in shown


@pytest.mark.gen_test(timeout=20)
async def test_a_chat_message_of_ours_has_its_text_and_its_link(world: World) -> None:
    await world.open_webhook(rules=SILENT, bind_route="oauth", notice_template="")
    await world.simulator.phone("wang").say("hello")
    await world.rest()
    await world.bound()
    (told,) = await world.told("wang")
    assert told.kind == "text"
    first, link = told.text.split("\n")
    assert "ann" in first and "Example" in first
    assert link.startswith(f"{world.base}/undo/")


@pytest.mark.gen_test(timeout=20)
async def test_who_cannot_be_reached_is_told_nothing_and_nothing_is_kept(world: World) -> None:
    number = await join(world)
    ann = await account(world)
    box = door(world)

    def tell(conn: Any) -> None:
        box.tell(conn, ann, number, "bound", now=world.clock.now())
        box.tell(conn, ann, 99, "bound", now=world.clock.now())

    world.rows("UPDATE followers SET following = 0")
    await written(world, tell)
    assert count(world) == 0
    world.rows("UPDATE followers SET following = NULL")
    stop_courier(world)
    await written(world, tell)
    await written(world, tell)
    dues = [one["due_at"] for one in world.rows("SELECT due_at FROM outbox ORDER BY number")]
    assert dues == [world.clock.now(), None], "the second one waits for the first"


# Receipts


async def open_quietly(world: World, **keys: str) -> None:
    await world.open_webhook(rules=SILENT, bind_route="oauth", **keys)
    await join(world)


async def receipt(world: World, number: object, status: str = "success", who: str = "wang") -> None:
    event = world.event("TEMPLATESENDJOBFINISH", who, MsgID=number, Status=status)
    assert (await world.send(event)).code == 200
    await rest(world)


@pytest.mark.gen_test(timeout=20)
async def test_a_receipt_turns_sent_into_delivered(world: World) -> None:
    await open_quietly(world)
    notice_id = await put_one(world)
    await told_all(world)
    one = await found(world, notice_id)
    assert (one.state, one.reason, one.settled_at) == ("delivered", "", world.clock.now())
    assert door(world).settled["template", "delivered"] == 1
    assert door(world).settled["template", "sent"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_receipt_that_comes_before_our_own_commit_counts_too(world: World) -> None:
    await open_quietly(world)
    world.simulator.pushes.receipt_first = True
    notice_id = await put_one(world)
    await told_all(world)
    assert await stands(world, notice_id) == ("delivered", "")
    assert door(world).settled["template", "delivered"] == 1
    assert world.rows("SELECT * FROM receipts") == []
    world.simulator.pushes.receipt_status = "failed: system failed"
    bad = await put_one(world)
    await told_all(world)
    assert await stands(world, bad) == ("failed", "delivery-failed")


@pytest.mark.gen_test(timeout=20)
async def test_a_second_receipt_a_late_one_and_a_stranger_s_change_nothing(world: World) -> None:
    await open_quietly(world)
    world.simulator.pushes.receipt_status = ""
    one = await sent(world)
    assert one.state == "sent" and one.settled_at is None
    await receipt(world, 123456789, "failed: system failed")
    assert await stands(world, one.id) == ("sent", "")
    await receipt(world, one.platform_id)
    assert await stands(world, one.id) == ("delivered", "")
    await receipt(world, one.platform_id, "failed: system failed")
    assert await stands(world, one.id) == ("delivered", "")
    world.rows("UPDATE outbox SET state = 'unknown' WHERE id = ?", one.id)
    await receipt(world, one.platform_id, "failed: system failed", who="li")
    assert await stands(world, one.id) == ("unknown", "")


@pytest.mark.gen_test(timeout=20)
async def test_who_blocked_gets_no_further_call_until_they_act(world: World) -> None:
    await open_quietly(world)
    world.simulator.pushes.receipt_status = ""
    one = await sent(world)
    held = [await put_one(world) for _ in range(2)]
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    await rest(world)
    calls = world.simulator.calls[TEMPLATE]
    await receipt(world, one.platform_id, "failed:user block")
    assert await stands(world, one.id) == ("failed", "blocked")
    assert follower(world)["blocked_at"] == world.clock.now()
    for notice_id in held:
        assert await stands(world, notice_id) == ("failed", "blocked")
    assert (await put(world))[0].reason == "blocked"
    world.clock.advance(HOUR)
    await rest(world)
    assert world.simulator.calls[TEMPLATE] == calls
    await world.simulator.phone("wang").say("hello")
    await world.rest()
    assert (await sent(world)).channel == "custom"


@pytest.mark.gen_test(timeout=20)
async def test_a_block_is_believed_also_when_its_notice_is_not_ours(world: World) -> None:
    await open_quietly(world)
    await receipt(world, 123456789, "failed:user block")
    assert follower(world)["blocked_at"] == world.clock.now()
    await receipt(world, 123456789, "failed:user block", who="li")
    assert await stands(world, (await put(world))[0].id) == ("failed", "blocked")


@pytest.mark.gen_test(timeout=20)
async def test_who_leaves_ends_all_that_waits_for_them(world: World) -> None:
    await open_quietly(world)
    await join(world, "bob", "zhang")
    world.simulator.faults.answer(TEMPLATE, errcode=45011)
    first = await put_one(world)
    await rest(world)
    second = await put_one(world)
    (bobs,) = await put(world, "bob")
    calls = world.simulator.calls[TEMPLATE]
    await world.simulator.phone("wang").unfollow()
    await world.simulator.pushes.settled()
    for notice_id in (first, second):
        assert await stands(world, notice_id) == ("failed", "not-following")
    assert (await found(world, bobs.id)).state == "queued"
    assert follower(world)["window_left"] == follower(world)["brief_left"] == 0
    assert world.simulator.calls[TEMPLATE] == calls


@pytest.mark.gen_test(timeout=20)
async def test_who_has_left_is_not_even_called_and_hears_again_once_they_are_back(
    world: World,
) -> None:
    await open_quietly(world)
    await world.simulator.phone("wang").unfollow()
    await world.simulator.pushes.settled()
    for _ in range(3):
        assert await stands(world, await put_one(world)) == ("failed", "not-following")
    await rest(world)
    assert world.simulator.calls[TEMPLATE] == world.simulator.calls[CUSTOM] == 0
    world.clock.advance(1)
    await world.simulator.phone("wang").follow()
    await world.simulator.pushes.settled()
    one = await sent(world)
    assert (one.state, one.channel, one.why) == ("sent", "template", "outside-window")


# Windows and subscriptions, as the platform tells of them


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("event", "fields", "window", "brief"),
    [
        ("", {}, (5, 48 * HOUR), (0, None)),
        ("CLICK", {"EventKey": "k"}, (0, None), (3, 60)),
        ("SCAN", {"EventKey": "s", "Ticket": "t"}, (0, None), (3, 60)),
        ("subscribe", {"EventKey": ""}, (0, None), (3, 60)),
        ("VIEW", {"EventKey": "https://x.example"}, (0, None), (0, None)),
        (
            "scancode_waitmsg",
            {"EventKey": "k", "ScanCodeInfo": {"ScanType": "qrcode", "ScanResult": "1"}},
            (0, None),
            (3, 60),
        ),
        ("LOCATION", {"Latitude": "1", "Longitude": "1", "Precision": "1"}, (0, None), (0, None)),
        ("unsubscribe", {"EventKey": ""}, (0, None), (0, None)),
    ],
)
async def test_each_act_opens_the_window_that_it_opens(
    world: World,
    event: str,
    fields: dict[str, Any],
    window: tuple[int, float | None],
    brief: tuple[int, float | None],
) -> None:
    await open_quietly(world)
    message = world.event(event, **fields) if event else world.text()
    assert (await world.send(message)).code == 200
    one, now = follower(world), world.clock.now()
    for name, (left, seconds) in (("window", window), ("brief", brief)):
        ends_at = 0 if seconds is None else now + seconds
        assert (one[f"{name}_left"], one[f"{name}_ends_at"]) == (left, ends_at), name


@pytest.mark.gen_test(timeout=20)
async def test_subscriptions_are_counted_as_people_accept_use_and_withdraw_them(
    world: World,
) -> None:
    template_id = world.simulator.subscription_id
    await open_quietly(world, notice_template="", subscribe_template=f"{template_id}:thing1,time2")
    wang = world.simulator.world.people["wang"]

    def left() -> int:
        found = world.rows("SELECT * FROM subscriptions")
        return found[0]["left"] if found else 0

    people = world.simulator.world
    for _ in range(2):
        people.accept_subscription(wang, template_id)
        world.clock.advance(1)  # to the letter the same in one second is one
    await world.rest()
    assert left() == 2
    people.reject_subscription(wang, template_id)
    await world.rest()
    assert left() == 2, "a no to one more takes nothing away"
    fields = {"thing1": "x", "time2": "09:30", "thing3": "y"}
    one = await put_one(world, template_id=template_id, fields=fields)
    await told_all(world)
    assert left() == 1
    assert await stands(world, one) == ("delivered", "")
    assert (await found(world, one)).channel == "subscribe"
    people.withdraw_subscription(wang, template_id)
    await world.rest()
    assert left() == 0
    assert await put(world, wish="subscribe", template_id=template_id, fields=fields)
    await rest(world)
    (last,) = await door(world).newest(limit=1)
    assert (last.state, last.reason) == ("failed", "not-subscribed")
    assert world.simulator.calls[SUBSCRIBE] == 1


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("status", "name"),
    [("failed: system failed", "delivery-failed"), ("failed:user block", "blocked")],
)
async def test_a_subscription_notice_s_receipt_may_say_that_it_failed(
    world: World, status: str, name: str
) -> None:
    await open_quietly(world)
    template_id = world.simulator.subscription_id
    world.simulator.world.accept_subscription(world.simulator.world.people["wang"], template_id)
    await world.rest()
    world.simulator.pushes.receipt_status = status
    fields = {"thing1": "x", "time2": "09:30", "thing3": "y"}
    one = await put_one(world, template_id=template_id, fields=fields, wish="subscribe")
    await told_all(world)
    assert await stands(world, one) == ("failed", name)
    assert (follower(world)["blocked_at"] is not None) is (name == "blocked")


# Forgetting


@pytest.mark.gen_test(timeout=20)
async def test_texts_are_forgotten_after_the_configured_days_and_rows_after_ninety(
    world: World,
) -> None:
    await world.reconfigure(notice_days="3")
    await open_quietly(world, notice_days="3")
    notice_id = await put_one(world)
    await told_all(world)
    world.clock.advance(3 * DAY - 1)
    await door(world).purge()
    assert row(world, notice_id)["text"]
    world.clock.advance(1)
    await door(world).purge()
    assert row(world, notice_id)["text"] == ""
    world.clock.advance(87 * DAY - 1)
    await door(world).purge()
    assert row(world, notice_id)
    world.clock.advance(1)
    await door(world).purge()
    assert count(world) == 0


@pytest.mark.gen_test(timeout=20)
async def test_receipts_that_nobody_used_are_forgotten_after_a_day(world: World) -> None:
    await open_quietly(world)
    await receipt(world, 123456789)
    world.clock.advance(DAY - 1)
    await door(world).purge()
    assert world.rows("SELECT * FROM receipts")
    world.clock.advance(1)
    await door(world).purge()
    assert not world.rows("SELECT * FROM receipts")


@pytest.mark.gen_test(timeout=60)
async def test_a_great_many_are_forgotten_in_pieces(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wx.service.outbox.PURGE_ROWS", 2)
    await world.reconfigure(notice_days="0")
    await join(world)
    world.rows("UPDATE followers SET following = 0")
    await put(world, *await crowd(world, 3))
    for _ in range(5):
        await put(world)
    await rest(world)
    await door(world).purge()
    assert world.rows("SELECT count(*) FROM outbox WHERE text <> ''")[0][0] == 0


# Beside the platform and beside other processes


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("how", ["refuses", "hang", "busy", "bad_gateway"])
async def test_a_dead_platform_slows_nobody_who_brings_something(world: World, how: str) -> None:
    await read(world)
    names = await crowd(world, 30)
    await put(world, *names)
    if how == "refuses":
        await world.simulator.go_down()
    else:
        world.simulator.faults.down(how)
    world.clock.advance(2 * HOUR)
    fields = {"thing1": "x", "time2": "09:30"}
    drafts: list[dict[str, Any]] = [
        {},
        {"template_id": world.simulator.template_id, "fields": fields},
    ]
    seconds = []
    for number in range(60):
        began = time.perf_counter()
        await put(world, names[number % 30], **drafts[number % 2])
        seconds.append(time.perf_counter() - began)
    assert sorted(seconds)[57] < 1, sorted(seconds)[-5:]
    assert count(world) == 90
    world.simulator.faults.up()


@pytest.mark.gen_test(timeout=20)
async def test_what_another_process_keeps_leaves_by_itself(world: World) -> None:
    await join(world)
    async with await Database.open(world.folder / "data" / database.FILE) as store:
        config = world.server.config
        other = Outbox(
            store,
            world.clock,
            config,
            Templates(store, world.clock, config),
            world.server.services.hub,
            key=bytes(32),
            woken=asyncio.Event(),
        )
        (one,) = await other.put(["ann"], Draft(text="from afar"), origin="send")
        assert (await world.told("wang"))[0].fields[0][1] == "from afar"
        await rest(world)
        assert (await found(world, one.id)).state == "sent"


@pytest.mark.gen_test(timeout=20)
async def test_putting_wakes_the_courier_at_once(world: World) -> None:
    await join(world)
    await rest(world)
    woken = asyncio.Event()
    door(world)._woken = woken
    await put(world)
    assert woken.is_set()


@pytest.mark.gen_test(timeout=20)
async def test_no_text_and_no_link_of_a_notice_is_logged(world: World, ear: Ear) -> None:
    await join(world)
    await sent(world, text="the red fox", url=f"{world.base}/quick")
    world.simulator.faults.answer(TEMPLATE, errcode=47003)
    await sent(world, text="the red fox", url=f"{world.base}/quick")
    world.simulator.faults.answer(CUSTOM, errcode=-1)
    await sent(world, text="the red fox", wish="custom")
    assert not [line for line in ear.lines if "red fox" in line or "/quick" in line]


# What a second look has found


@pytest.mark.gen_test(timeout=20)
async def test_a_repeat_is_the_same_though_the_notice_would_no_longer_be_taken(
    world: World,
) -> None:
    """Templates may be known only now, and settings may have changed."""
    world.simulator.faults.answer(TEMPLATES, errcode=-1, times=None)
    await world.reconfigure()
    await join(world)
    ci = await key(world)
    card = {"template_id": world.simulator.template_id, "fields": {"thing1": "x"}}
    (first,) = await put(world, key=ci, idempotency="once", **card)
    world.simulator.faults.clear()
    world.clock.advance(HOUR)
    await world.server.services.templates.refresh_if_due()
    assert (await refusal(world, **card)).code == "bad-field"
    (again,) = await put(world, key=ci, idempotency="once", **card)
    assert again.id == first.id


@pytest.mark.gen_test(timeout=20)
async def test_a_name_is_found_however_its_letters_are_composed(world: World) -> None:
    await join(world, "jos\u00e9", "wang")
    (one,) = await put(world, "jose\u0301", "JOS\u00c9")
    assert one.account == "jos\u00e9"
    assert [plan.reason for plan in await door(world).plan(["jose\u0301"], Draft(text="x"))] == [""]
    assert [each.id for each in await door(world).newest(to="jose\u0301")] == [one.id]


@pytest.mark.gen_test(timeout=20)
async def test_those_that_fail_at_once_are_counted_and_logged(world: World, ear: Ear) -> None:
    await world.open_webhook(rules=SILENT, bind_route="oauth")
    await join(world)
    await world.simulator.phone("wang").unfollow()
    await world.simulator.pushes.settled()
    notice_id = await put_one(world)
    assert door(world).settled["", NoticeState.FAILED] == 1
    assert [line for line in ear.lines if f"notice {notice_id} failed: not-following" in line]


@pytest.mark.gen_test(timeout=20)
async def test_what_another_process_ends_at_once_is_shown_too(world: World) -> None:
    await join(world)
    account = (
        await world.server.services.sessions.sign_in(
            "ann", PASSWORD, address="127.0.0.1", browser=Browser()
        )
    ).account
    told: list[str] = []
    publish = world.server.services.hub.publish

    def listening(name: str, news: object = None) -> None:
        told.append(name)
        publish(name, news)

    world.server.services.hub.publish = listening
    path = world.folder / "data" / database.FILE
    async with await Database.open(path) as other:
        templates = Templates(other, world.clock, world.server.config)
        away = Outbox(
            other,
            world.clock,
            world.server.config,
            templates,
            Hub(limit=0),
            key=b"k" * 32,
            woken=asyncio.Event(),
        )
        await written(world, lambda conn: followers.mark_blocked(conn, 1, at=world.clock.now()))
        await rest(world)
        told.clear()
        await away.put(["ann"], Draft(text="x"), origin="send")
    await courier(world).look()
    assert topic(account.id) in told


@pytest.mark.gen_test(timeout=20)
async def test_what_people_wanted_is_forgotten_with_them(world: World) -> None:
    def work(conn: sqlite3.Connection) -> int:
        number = followers.use(conn, world.simulator.app_id, "o-gone")
        subscriptions.mark_accepted(conn, number, "T")
        subscriptions.mark_accepted(conn, followers.use(conn, world.simulator.app_id, "o-on"), "T")
        followers.mark_following(conn, world.simulator.app_id, "o-on", True, at=1)
        return number

    number = await written(world, work)
    await world.server.services.bindings.purge()
    left = world.rows("SELECT follower_id FROM subscriptions")
    assert number not in [row["follower_id"] for row in left] and len(left) == 1
