"""The verb ``send``: puts a notice into the outbox, says what became of it, and may wait for that.

It works on the database alone: a running server takes the notice up within a second, and one that
starts later does so then.
"""

import asyncio
import sys
from collections.abc import Sequence

from wx.clock import Clock
from wx.config import Config
from wx.model import Notice, NoticeState
from wx.service import reason
from wx.service.draft import Draft
from wx.service.hub import Hub
from wx.service.outbox import Outbox, Plan
from wx.service.templates import Templates
from wx.store import database, server_key
from wx.store.database import Database

LOOK_SECONDS = 0.2
GOOD = (NoticeState.SENT, NoticeState.DELIVERED)


async def send(config: Config, to: str, draft: Draft, *, wait: float | None = None) -> int:
    """Put a notice into the outbox and print how it stands, a line for each change; the exit code.

    Args:
        to: the account's name.
        wait: seconds to wait for what becomes of it; None to print the first line only.

    Raises:
        Refused: it was not taken; nothing is kept then.
    """
    async with await Database.open(config.data_dir / database.FILE) as store:
        outbox = await _outbox(store, config)
        [notice] = await outbox.put([to], draft, origin="send")
        _print(notice)
        if notice.state.waiting and not database.is_held(config.data_dir):
            _say(f"no server is running on {config.data_dir}; the notice leaves once one runs")
        if wait is not None:
            notice = await _followed(outbox, notice, config, seconds=wait)
    return _outcome(notice, config, waited=wait)


async def dry_run(config: Config, to: str, draft: Draft) -> int:
    """Print what :func:`send` would come to; keeps nothing and sends nothing."""
    async with await Database.open(config.data_dir / database.FILE) as store:
        plans = await (await _outbox(store, config)).plan([to], draft)
    return _print_plans(plans)


async def _outbox(store: Database, config: Config) -> Outbox:
    """The outbox without anything that calls the platform."""
    clock = Clock()
    templates = Templates(store, clock, config)
    await templates.load()
    key = await asyncio.to_thread(server_key.load, config.data_dir)
    return Outbox(store, clock, config, templates, Hub(limit=0), key=key, woken=asyncio.Event())


async def _followed(outbox: Outbox, notice: Notice, config: Config, *, seconds: float) -> Notice:
    """The notice once it has come to its end, or as it stands after so many seconds."""
    clock = Clock()
    until = clock.monotonic() + seconds
    while not _settled(notice, config) and clock.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        before, notice = notice, await outbox.find(notice.id) or notice
        if (before.state, before.channel) != (notice.state, notice.channel):
            _print(notice)
    return notice


def _settled(notice: Notice, config: Config) -> bool:
    """Whether nothing more will be heard of it: receipts come to the webhook alone."""
    unheard = notice.state is NoticeState.SENT and not config.webhook_token
    return notice.settled_at is not None or unheard


def _outcome(notice: Notice, config: Config, *, waited: float | None) -> int:
    if notice.state.waiting:
        if waited is None:
            return 0
        _say(f"it has not left within {waited:g} seconds, and may leave later")
        return 1
    if notice.state in GOOD:
        if waited is not None and not _settled(notice, config):
            _say(f"no receipt has come within {waited:g} seconds")
        return 0
    _say(_why(notice))
    return 1


def _print(notice: Notice) -> None:
    print(f"{notice.id} {notice.account} {notice.state} {notice.channel or '-'}", flush=True)


def _print_plans(plans: Sequence[Plan]) -> int:
    for plan in plans:
        if not plan.channel:
            _say(f"{plan.to}: {_why(plan)}")
            continue
        print(f"{plan.to} {plan.channel} ({plan.why})")
        lines = [f"{name}: {value}" for name, value in plan.fields.items()]
        for line in lines or plan.text.splitlines():
            print(f"  {line}")
        if plan.cut:
            print("  (cut; the whole text stands on a page that it links to)")
    return 0 if all(plan.channel for plan in plans) else 1


def _why(one: Notice | Plan) -> str:
    known = reason.explain(one)
    return f"{known.sentence} {known.cure}" if known else "there is no way at the moment"


def _say(text: str) -> None:
    print(f"wxbind: {text}", file=sys.stderr, flush=True)
