"""The verb ``menu``: shows the account's menu on the platform, puts one up or takes it away."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wx import logs, rules
from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, WrongUse
from wx.verbs import flags

HELP = "show the account's menu, put one up or take it away"


def add_words(parser: argparse.ArgumentParser) -> None:
    """Its own words."""
    parser.add_argument("action", choices=["show", "push", "clear"], metavar="show|push|clear")
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="with push: JSON; - is standard input"
    )


def run(options: argparse.Namespace) -> int:
    """Do what is asked; the exit code.

    Raises:
        WrongUse: the words do not fit together.
    """
    from wx.protocol import menu  # --help does without

    if (options.file is None) == (options.action == "push"):
        raise WrongUse("menu push takes a FILE, the others take none")
    configuration = flags.sources(options).config()
    logs.set_up(secrets=flags.secrets(configuration), level=logging.WARNING)
    pushed: dict[str, Any] = {}
    if options.action == "push":
        name = "standard input" if options.file == "-" else options.file
        try:
            pushed = menu.read(_content(options.file, limit=menu.FILE_LIMIT + 1))
        except OSError as error:
            print(f"wxbind: {name}: cannot be read: {error.strerror}", file=sys.stderr)
            return 2
        except menu.BadMenu as error:
            for problem in error.problems:
                print(f"wxbind: {name}: {problem}", file=sys.stderr)
            return 2
    return asyncio.run(_work(configuration, options.action, pushed))


def _content(file: str, *, limit: int) -> bytes:
    """The first ``limit`` bytes of a file, or of standard input."""
    if file == "-":
        return sys.stdin.buffer.read(limit)
    with Path(file).open("rb") as opened:
        return opened.read(limit)


async def _work(configuration: Config, action: str, pushed: dict[str, Any]) -> int:
    from wx.wechat.access_token import AccessTokenKeeper
    from wx.wechat.client import Client
    from wx.wechat.menu import Menus, advice
    from wx.wechat.transport import Transport

    # Each of its calls has a deadline, and there are four of them at most.
    transport = Transport(configuration.api_base, connections=1)
    keeper = AccessTokenKeeper(
        transport,
        Clock(),
        app_id=configuration.app_id,
        app_secret=configuration.app_secret,
        # Also where access_token_mode is classic: a classic call here would retire the access
        # token that the running server holds; this one leaves every other as it is.
        mode="stable",
    )
    menus = Menus(Client(transport, keeper))
    try:
        if action == "show":
            return _print(await menus.show())
        if action == "push":
            await menus.push(pushed)
            _print_pushed(pushed, configuration.replies)
        else:
            await menus.clear()
            print("the menu is gone, conditional ones too; phones notice within five minutes")
    except PlatformError as error:
        line = "".join(one if one.isprintable() else " " for one in f"{error}{advice(error)}")
        print(f"wxbind: {line}", file=sys.stderr)
        return 1
    finally:
        await keeper.close()
        transport.close()
    return 0


def _print(found: dict[str, Any] | None) -> int:
    from wx.protocol import menu

    if found is None:
        # A failure, so that `menu show > FILE && …` doesn't go on with an empty file.
        print(
            "wxbind: there is no menu (one made in WeChat's console is not shown)", file=sys.stderr
        )
        return 1
    # Bytes: the file is UTF-8 whatever the terminal's language is.
    sys.stdout.buffer.write(menu.write(menu.bare(found)))
    sys.stdout.buffer.flush()
    if found.get("conditionalmenu"):
        print("wxbind: there are conditional menus too, which are not shown", file=sys.stderr)
    return 0


def _print_pushed(pushed: dict[str, Any], replies: Iterable[rules.Rule]) -> None:
    from wx.protocol import menu
    from wx.service.replies import WORDS

    count = len(pushed["button"])
    shown = f"{count} button{'s' if count > 1 else ''}"
    print(f"menu of {shown} is up; phones show it within five minutes", flush=True)
    for key in menu.keys(pushed, of={"click"}):
        if key.casefold() not in WORDS and not any(
            rules.fits(rule, "click", key=key) for rule in replies
        ):
            print(f'wxbind: no reply rule answers a click with the key "{key}"', file=sys.stderr)
