"""The verb ``key``: makes the API keys of programs, lists and revokes them."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from wx.clock import Clock, when
from wx.config import Config
from wx.errors import WrongUse
from wx.verbs import flags

if TYPE_CHECKING:
    from wx.model import ApiKey

HELP = "manage the API keys of programs"


def add_words(parser: argparse.ArgumentParser) -> None:
    """Its own words."""
    parser.add_argument("action", choices=["add", "list", "revoke"], metavar="add|list|revoke")
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument(
        "--scope",
        nargs="+",
        action="extend",
        metavar="SCOPE",
        help="with add: what it may do; invites:write is as strong as signing in",
    )
    parser.add_argument(
        "--to", metavar="ACCOUNT", help="with add: the only account that it reaches"
    )
    parser.add_argument("--expires", type=float, metavar="DAYS", help="with add: how long it holds")


def run(options: argparse.Namespace) -> int:
    """Do what is asked; the exit code.

    Raises:
        WrongUse: the words do not fit together.
        Refused: the key cannot be.
    """
    _check(options)
    configuration = flags.sources(options).config(complete=False)
    return asyncio.run(_work(configuration, options))


def _check(options: argparse.Namespace) -> None:
    """The name may also come after the scopes, where it looks like one more of them."""
    from wx.service.api_keys import SCOPES  # --help does without

    *scopes, last = options.scope or [""]
    if options.name is None and scopes and last not in SCOPES:
        options.name, options.scope = last, scopes
    unknown = [one for one in options.scope or () if one not in SCOPES]
    if (options.name is None) != (options.action == "list"):
        raise WrongUse("key list takes no NAME, the others take one")
    if (options.action == "add") != bool(options.scope):
        known = " ".join(SCOPES)
        raise WrongUse(f"key add takes --scope, the others do not; there are {known}")
    if unknown:
        raise WrongUse(f"there is no scope {unknown[0]!r}; there are {' '.join(SCOPES)}")
    if options.action != "add" and (options.to is not None or options.expires is not None):
        raise WrongUse("--to and --expires are for key add")


async def _work(configuration: Config, options: argparse.Namespace) -> int:
    from wx.service.api_keys import INVITES, ApiKeys
    from wx.store import accounts, database
    from wx.store.database import Database

    async with await Database.open(configuration.data_dir / database.FILE) as store:
        keys = ApiKeys(store, Clock())
        if options.action == "list":
            names = {one.id: one.name for one in await store.read(accounts.list_all)}
            _print(await keys.list_all(), names)
        elif options.action == "revoke":
            await keys.revoke(options.name)
            print(f"key {options.name} revoked")
        else:
            made = await keys.add(
                options.name,
                options.scope,
                account=options.to or "",
                expires_in=None if options.expires is None else options.expires * 86400,
            )
            # The key alone on standard output: KEY=$(wxbind key add …) takes it.
            print(made)
            print(f"key {options.name} added; it is shown this once", file=sys.stderr)
            if INVITES in options.scope and not options.to:
                print(
                    "whoever has it can bind a WeChat to any account that is not bound yet, and so"
                    " sign in as it",
                    file=sys.stderr,
                )
    return 0


def _print(rows: "list[ApiKey]", names: dict[int, str]) -> None:
    """A line for each key.

    Args:
        names: the accounts', by number.
    """

    def day(at: float | None, otherwise: str) -> str:
        return otherwise if at is None else when(at)

    table = [("name", "key", "scopes", "last used", "expires", "revoked")]
    for row in rows:
        scopes = ",".join(sorted(row.scopes))
        if row.account_id is not None:
            scopes += f" to {names.get(row.account_id, '?')}"
        ends = day(row.expires_at, "-")
        over = day(row.revoked_at, "-")
        table.append((row.name, f"{row.prefix}…", scopes, day(row.used_at, "never"), ends, over))
    if not rows:
        print(
            "no keys yet; make one with: wxbind key add NAME --scope notices:write", file=sys.stderr
        )
        return
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        )
