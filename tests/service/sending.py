"""Steps that tests of the outbox and of the courier take."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from tests.world import World
from wx.model import ApiKey, Notice
from wx.service.courier import Courier
from wx.service.outbox import Draft, Outbox
from wx.store import accounts, bindings, followers, outbox
from wx.store.outbox import find_recipients

T = TypeVar("T")
TEMPLATE = "/cgi-bin/message/template/send"
CUSTOM = "/cgi-bin/message/custom/send"
SUBSCRIBE = "/cgi-bin/message/subscribe/bizsend"
TOKEN = "/cgi-bin/stable_token"
TEMPLATES = "/cgi-bin/template/get_all_private_template"
SILENT = "replies = []\n"


def door(world: World) -> Outbox:
    return world.server.services.outbox


def courier(world: World) -> Courier:
    return world.server._courier


async def written(world: World, work: Callable[[sqlite3.Connection], T]) -> T:
    """What ``work`` does in the server's own database."""
    return await door(world)._database.write(work)


async def join(world: World, name: str = "ann", person: str = "wang") -> int:
    """Bind an account to a person, without a word to anybody; the follower's number. Both are made
    if they are not there."""
    people, app_id = world.simulator.world, world.simulator.app_id
    if person not in people.people:
        people.add_person(person)

    def work(conn: sqlite3.Connection) -> int:
        account = accounts.find_by_name(conn, name)
        if account is None:
            account = accounts.add(conn, name, "$argon2id$none", admin=False, now=0)
        follower = followers.use(conn, app_id, people.people[person].openid)
        bindings.add(conn, app_id, account.id, follower, route="oauth", now=0)
        return follower

    return await written(world, work)


async def crowd(world: World, count: int) -> list[str]:
    """The names of so many accounts, each bound to a person of the same name who follows."""
    names = [f"p{number}" for number in range(count)]
    await asyncio.gather(*(join(world, name, name) for name in names))
    return names


async def put(
    world: World,
    *to: str,
    origin: str = "send",
    key: ApiKey | None = None,
    idempotency: str = "",
    **draft: Any,
) -> list[Notice]:
    """Keep notices, as programs have it done."""
    wanted = Draft(**({} if "template_id" in draft else {"text": "backup finished"}) | draft)
    return await door(world).put(
        to or ["ann"], wanted, origin=origin, key=key, idempotency=idempotency
    )


async def put_one(world: World, **draft: Any) -> str:
    """Keep one for ann; its id."""
    (one,) = await put(world, **draft)
    return one.id


async def found(world: World, notice_id: str) -> Notice:
    one = await door(world).find(notice_id)
    assert one is not None
    return one


async def stands(world: World, notice_id: str) -> tuple[str, str]:
    """State and reason."""
    one = await found(world, notice_id)
    return one.state, one.reason


async def way(world: World, notice_id: str) -> tuple[str, str]:
    """Channel and why."""
    one = await found(world, notice_id)
    return one.channel, one.why


async def rest(world: World) -> None:
    """Wait until the courier has done all that is due now."""
    one, database = courier(world), door(world)._database

    def goes_on(conn: sqlite3.Connection) -> bool:
        # In one view: between two steps of the courier what it has in hand stands there as sending.
        return outbox.is_anything_due(conn, now=world.clock.now()) or bool(
            outbox.list_sending(conn)
        )

    async with asyncio.timeout(15):
        while await database.read(goes_on) or one._jump():
            await one.look()
            # A moment for its turn; a call under way takes as long as it takes.
            await asyncio.wait(one._under_way.values() or [one._running], timeout=0.01)
    await database.write(lambda conn: None)  # what follows the last commit is done after that


async def told_all(world: World) -> None:
    """As :func:`rest`, and until all receipts are told."""
    await rest(world)
    await world.simulator.pushes.settled()
    await rest(world)


async def sent(world: World, **draft: Any) -> Notice:
    """A notice for ann, once the courier has done what it can."""
    notice_id = await put_one(world, **draft)
    await rest(world)
    return await found(world, notice_id)


async def later(world: World, seconds: float) -> None:
    """Let time pass, and the courier do what is due then."""
    world.clock.advance(seconds)
    await rest(world)


async def binding_of(world: World, name: str) -> int | None:
    app_id = world.simulator.app_id
    found = await written(world, lambda conn: find_recipients(conn, app_id, [name]))
    return found[name].binding_id


def texts(world: World, person: str = "wang") -> list[str]:
    """What the account has said in the person's chat, the oldest first."""
    chat = world.simulator.world.people[person].chat
    return [one.text or dict(one.fields).get("内容", "") for one in chat if not one.mine]


def row(world: World, notice_id: str) -> sqlite3.Row:
    (one,) = world.rows("SELECT * FROM outbox WHERE id = ?", notice_id)
    return one


def follower(world: World, person: str = "wang") -> sqlite3.Row:
    openid = world.simulator.world.people[person].openid
    (one,) = world.rows("SELECT * FROM followers WHERE openid = ?", openid)
    return one


async def open_quietly(world: World, **keys: str) -> None:
    """With a webhook, ann bound, and a chat in which nothing is answered by itself."""
    await world.open_webhook(rules=SILENT, bind_route="oauth", **keys)
    await join(world)
    world.simulator.pushes.receipt_status = ""


async def writes(world: World, person: str = "wang") -> None:
    """They write to the account: five messages in 48 hours."""
    await world.simulator.phone(person).say("hello")
    await world.rest()


async def ready(world: World, channel: str) -> None:
    """What goes out takes this channel."""
    template_id = world.simulator.subscription_id
    keys = {
        "template": {},
        "custom": {"notice_template": ""},
        "subscribe": {"notice_template": "", "subscribe_template": f"{template_id}:thing1,time2"},
    }[channel]
    await open_quietly(world, **keys)
    if channel == "custom":
        await writes(world)
    if channel == "subscribe":
        one = world.simulator.world.subscription_templates[template_id]
        content = one.content.replace("{{thing3.DATA}}", "")
        world.simulator.world.subscription_templates[template_id] = type(one)(
            one.id, one.title, content, one.example
        )
        for _ in range(2):
            wang = world.simulator.world.people["wang"]
            world.simulator.world.accept_subscription(wang, template_id)
            world.clock.advance(1)
        await world.rest()


async def fails(world: World, how: str, path: str) -> None:
    """Let the next call of a path fail in this way."""
    faults = world.simulator.faults
    if how == "-1":
        faults.answer(path, errcode=-1)
    elif how == "html":
        faults.answer(path, body="<html>", status=200)
    elif how == "502":
        faults.answer(path, body="<html>", status=502)
    else:
        getattr(faults, how)(path, times=1)
