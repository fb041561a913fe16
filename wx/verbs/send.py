"""The verb ``send``: puts a notice into the outbox, says what became of it, and may wait for that.

It works on the database alone: a running server takes the notice up within a second, and one that
starts later does so then.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from wx import logs
from wx.clock import Clock
from wx.config import Config
from wx.errors import ConfigError, Refused, WrongUse
from wx.verbs import flags

if TYPE_CHECKING:
    from wx.model import Notice
    from wx.service.draft import Draft
    from wx.service.outbox import Outbox, Plan

HELP = "send a notice to the person behind an account"
WAIT_SECONDS = 60  # for what becomes of a notice, unless said otherwise
LOOK_SECONDS = 0.2
TEXT_BYTES = 64 * 1024  # of a notice's text on standard input; more than any may have


def add_words(parser: argparse.ArgumentParser) -> None:
    """Its own words."""
    parser.add_argument("account", metavar="ACCOUNT", help="the account's name")
    parser.add_argument("text", nargs="?", metavar="TEXT", help="- is standard input")
    parser.add_argument("--template", metavar="ID", help="a template's id, instead of TEXT")
    parser.add_argument("--data", metavar="JSON", help='its fields: {"thing1": "…"}')
    parser.add_argument("--url", default="", help="where a tap leads")
    parser.add_argument(
        "--channel", default="auto", choices=["auto", "custom", "template", "subscribe"]
    )
    parser.add_argument(
        "--expires-in", type=float, metavar="SECONDS", help="that it may wait to be sent"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be sent, and send nothing"
    )
    parser.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=WAIT_SECONDS,
        metavar="SECONDS",
        help=f"for what becomes of it; {WAIT_SECONDS} unless said otherwise",
    )


def spelled_out(words: list[str]) -> list[str]:
    """With its seconds after each bare ``--wait``, so that ``send --wait ann hi`` waits for no
    "ann" seconds."""
    end = words.index("--") if "--" in words else len(words)
    return [
        f"--wait={WAIT_SECONDS}"
        if word == "--wait" and place < end and not _is_number(words[place + 1 : place + 2])
        else word
        for place, word in enumerate(words)
    ]


def _is_number(words: list[str]) -> bool:
    try:
        float(words[0])
    except (IndexError, ValueError):
        return False
    return True


def run(options: argparse.Namespace) -> int:
    """Put a notice into the outbox and print how it stands, a line for each change; the exit code.

    Raises:
        WrongUse: the words do not fit together.
        Refused: the notice was not taken; nothing is kept then.
    """
    _check(options)
    configuration = flags.sources(options).config(complete=False)
    if not configuration.app_id:
        raise ConfigError(["app_id: is required"])
    draft = _draft(options)
    logs.set_up(secrets=flags.secrets(configuration), level=logging.WARNING)
    if options.dry_run:
        return asyncio.run(_dry_run(configuration, options.account, draft))
    return asyncio.run(_send(configuration, options.account, draft, wait=options.wait))


def _check(options: argparse.Namespace) -> None:
    given = [one is not None for one in (options.text, options.template, options.data)]
    if given not in ([True, False, False], [False, True, True]):
        raise WrongUse("send takes a TEXT, or --template with --data")
    if options.wait is not None and not options.wait >= 0:
        raise WrongUse("--wait takes a number of seconds")


def _draft(options: argparse.Namespace) -> "Draft":
    from wx.service.draft import Draft  # --help does without

    fields = {} if options.data is None else _fields(options.data)
    return Draft(
        text=_text(options.text or ""),
        url=options.url,
        template_id=options.template or "",
        fields=fields,
        wish=options.channel,
        expires_in=options.expires_in,
    )


def _fields(data: str) -> dict[str, str]:
    """The fields of a template, as ``--data`` gives them."""
    try:
        fields = json.loads(data)
        if not isinstance(fields, dict) or not all(isinstance(one, str) for one in fields.values()):
            raise ValueError
    except (ValueError, RecursionError):
        raise WrongUse('--data is no JSON of the form {"thing1": "…"}') from None
    return fields


def _text(given: str) -> str:
    """The text of a notice, from standard input where it is ``-``."""
    try:
        if given == "-":
            return sys.stdin.buffer.read(TEXT_BYTES).decode("utf-8")
        given.encode()  # bytes of another encoding come as halves of characters
    except UnicodeError:
        raise Refused(400, "not-text", "The text is not UTF-8.") from None
    return given


async def _send(config: Config, to: str, draft: "Draft", *, wait: float | None) -> int:
    """Put a notice into the outbox, and follow it.

    Args:
        to: the account's name.
        wait: seconds to wait for what becomes of it; None to print the first line only.
    """
    from wx.store import database

    async with _outbox(config) as outbox:
        [notice] = await outbox.put([to], draft, origin="send")
        _print(notice)
        if notice.state.waiting and not database.is_held(config.data_dir):
            _say(f"no server is running on {config.data_dir}; the notice leaves once one runs")
        if wait is not None:
            notice = await _followed(outbox, notice, config, seconds=wait)
    return _outcome(notice, config, waited=wait)


async def _dry_run(config: Config, to: str, draft: "Draft") -> int:
    """Print what :func:`_send` would come to; keeps nothing and sends nothing."""
    async with _outbox(config) as outbox:
        plans = await outbox.plan([to], draft)
    return _print_plans(plans)


@asynccontextmanager
async def _outbox(config: Config) -> "AsyncIterator[Outbox]":
    """The outbox without anything that calls the platform."""
    from wx.service.hub import Hub
    from wx.service.outbox import Outbox
    from wx.service.templates import Templates
    from wx.store import database, server_key
    from wx.store.database import Database

    clock = Clock()
    async with await Database.open(config.data_dir / database.FILE) as store:
        templates = Templates(store, clock, config)
        await templates.load()
        key = await asyncio.to_thread(server_key.load, config.data_dir)
        yield Outbox(store, clock, config, templates, Hub(limit=0), key=key, woken=asyncio.Event())


async def _followed(
    outbox: "Outbox", notice: "Notice", config: Config, *, seconds: float
) -> "Notice":
    """The notice once it has come to its end, or as it stands after so many seconds."""
    clock = Clock()
    until = clock.monotonic() + seconds
    while not _settled(notice, config) and clock.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        before, notice = notice, await outbox.find(notice.id) or notice
        if (before.state, before.channel) != (notice.state, notice.channel):
            _print(notice)
    return notice


def _settled(notice: "Notice", config: Config) -> bool:
    """Whether nothing more will be heard of it: receipts come to the webhook alone."""
    from wx.model import NoticeState

    unheard = notice.state is NoticeState.SENT and not config.webhook_token
    return notice.settled_at is not None or unheard


def _outcome(notice: "Notice", config: Config, *, waited: float | None) -> int:
    from wx.model import NoticeState

    if notice.state.waiting:
        if waited is None:
            return 0
        _say(f"it has not left within {waited:g} seconds, and may leave later")
        return 1
    if notice.state in (NoticeState.SENT, NoticeState.DELIVERED):
        if waited is not None and not _settled(notice, config):
            _say(f"no receipt has come within {waited:g} seconds")
        return 0
    _say(_why(notice))
    return 1


def _print(notice: "Notice") -> None:
    print(f"{notice.id} {notice.account} {notice.state} {notice.channel or '-'}", flush=True)


def _print_plans(plans: "Sequence[Plan]") -> int:
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


def _why(one: "Notice | Plan") -> str:
    from wx.service import reason

    known = reason.explain(one)
    return f"{known.sentence} {known.cure}" if known else "there is no way at the moment"


def _say(text: str) -> None:
    print(f"wxbind: {text}", file=sys.stderr, flush=True)
