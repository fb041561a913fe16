"""Receipts: how the platform's word finds the notice that it is about."""

import sqlite3

import pytest

from tests.service.sending import SILENT, SUBSCRIBE, door, found, join, put_one, rest, written
from tests.world import World
from wx.model import NoticeState
from wx.protocol import incoming, xml
from wx.service.receipts import Receipts
from wx.store import followers, subscriptions

NO_NUMBER = '{"errcode": 0, "errmsg": "ok"}'


async def subscribed(world: World, *, times: int = 1) -> str:
    """Ann's follower has accepted a subscription notice so often; the template's id."""
    template = world.simulator.subscription_id
    await world.open_webhook(
        rules=SILENT,
        bind_route="oauth",
        notice_template="",
        subscribe_template=f"{template}:thing1",
    )
    number = await join(world)

    def work(conn: sqlite3.Connection) -> None:
        for _ in range(times):
            subscriptions.mark_accepted(conn, number, template)

    await written(world, work)
    # Nothing is told by itself: the tests tell what there is to tell.
    world.simulator.pushes.receipt_status = ""
    return template


async def told(
    world: World, template: str, *, number: str = "", status: str = "success", person: str = "wang"
) -> None:
    """The platform's event about one message of this template."""
    one = {"TemplateId": template, "ErrorCode": 0 if status == "success" else 1}
    one |= {"ErrorStatus": status} | ({"MsgID": number} if number else {})
    body = world.event("subscribe_msg_sent_event", person, SubscribeMsgSentEvent={"List": one})
    message = incoming.read(xml.read(body))
    openid = world.simulator.world.people[person].openid

    def work(conn: sqlite3.Connection) -> list:
        follower = followers.find_by_openid(conn, world.simulator.app_id, openid)
        return Receipts(world.server.config, door(world)).receive(
            conn, message, follower, now=world.clock.now()
        )

    for act in await written(world, work):
        act()


@pytest.mark.gen_test(timeout=20)
async def test_a_message_without_a_number_is_known_by_its_person_and_template(
    world: World,
) -> None:
    template = await subscribed(world, times=2)
    world.simulator.faults.answer(SUBSCRIBE, body=NO_NUMBER, times=2)
    first, second = await put_one(world), await put_one(world)
    await rest(world)
    assert [(await found(world, one)).settled_at for one in (first, second)] == [None, None]
    await told(world, "another-template", number="71")
    assert (await found(world, first)).state == "sent"
    await told(world, template, number="72")
    assert (await found(world, first)).state == "delivered"
    await told(world, template, status="failed: system failed")
    one = await found(world, second)
    assert (one.state, one.reason) == ("failed", "delivery-failed")
    assert door(world).settled["subscribe", NoticeState.DELIVERED] == 1


@pytest.mark.gen_test(timeout=20)
async def test_an_early_receipt_joins_a_message_without_a_number(world: World) -> None:
    template = await subscribed(world)
    world.simulator.faults.delay(SUBSCRIBE, 0.5)
    world.simulator.faults.answer(SUBSCRIBE, body=NO_NUMBER)
    notice_id = await put_one(world)
    await world.simulator.called(SUBSCRIBE)
    await told(world, template)
    await rest(world)
    one = await found(world, notice_id)
    assert (one.state, one.platform_id) == ("delivered", "")
    assert not world.rows("SELECT * FROM receipts")


@pytest.mark.gen_test(timeout=20)
async def test_who_wants_none_gets_nothing_more(world: World) -> None:
    template = await subscribed(world, times=2)
    world.simulator.faults.answer(SUBSCRIBE, body=NO_NUMBER, times=1)
    notice_id = await put_one(world)
    await rest(world)
    await told(world, template, status="user block")
    one = await found(world, notice_id)
    assert (one.state, one.reason) == ("failed", "blocked")
    calls = world.simulator.calls[SUBSCRIBE]
    again = await put_one(world)
    await rest(world)
    assert (await found(world, again)).reason == "blocked"
    assert world.simulator.calls[SUBSCRIBE] == calls
