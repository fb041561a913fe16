"""The verb ``account``: makes accounts, lists and changes them, and reads anew who is behind them;
beside a running server too."""

import argparse
import asyncio
import getpass
import logging
import sys
from typing import TYPE_CHECKING

from wx import logs
from wx.clock import Clock
from wx.config import Config
from wx.errors import Refused, WrongUse
from wx.verbs import flags

if TYPE_CHECKING:
    from wx.model import Account
    from wx.service.authorization import Refreshed

HELP = "manage accounts"


def add_words(parser: argparse.ArgumentParser) -> None:
    """Its own words."""
    parser.add_argument(
        "action",
        choices=["add", "list", "passwd", "disable", "enable", "refresh"],
        metavar="add|list|passwd|disable|enable|refresh",
    )
    parser.add_argument("name", nargs="?", metavar="NAME")
    parser.add_argument("--admin", action="store_true", help="with add: an administrator")
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )


def run(options: argparse.Namespace) -> int:
    """Do what is asked; the exit code.

    Raises:
        WrongUse: the words do not fit together.
        Refused: the password or the account cannot be, or there is no profile to be had.
    """
    if (options.name is None) != (options.action == "list"):
        raise WrongUse("account list takes no NAME, the others take one")
    if options.action == "refresh":
        return asyncio.run(_refresh(flags.sources(options).config(), options.name))
    configuration = flags.sources(options).config(complete=False)
    password = ""
    if options.action in ("add", "passwd"):
        password = _ask_password(options.password_stdin)
    return asyncio.run(_work(configuration, options, password))


async def _work(configuration: Config, options: argparse.Namespace, password: str) -> int:
    from wx.service.accounts import Accounts  # --help does without
    from wx.service.passwords import Passwords
    from wx.store import database
    from wx.store.database import Database

    hasher = Passwords()
    try:
        async with await Database.open(configuration.data_dir / database.FILE) as store:
            accounts = Accounts(store, Clock(), hasher)
            name = options.name or ""
            if options.action == "list":
                _print(await accounts.list_all())
                return 0
            if options.action == "add":
                name = (await accounts.add(name, password, admin=options.admin)).name
                print(f"account {name} added")
            elif options.action == "passwd":
                await accounts.change_password(name, password)
                print(f"password of {name} changed; all its sessions have ended")
                print(
                    "the bound WeChat, if any, can still enter; unbind it on the page if it is not"
                    " the person's own"
                )
            elif options.action == "disable":
                await accounts.disable(name)
                print(f"account {name} disabled; all its sessions have ended")
            else:
                await accounts.enable(name)
                print(f"account {name} enabled")
    finally:
        hasher.close()
    return 0


async def _refresh(configuration: Config, name: str) -> int:
    """Read the profile of whoever is behind an account, and say what has changed."""
    from wx.service.authorization import Authorizations
    from wx.service.background import Background
    from wx.store import database, server_key
    from wx.store.database import Database
    from wx.wechat.oauth import OAuth
    from wx.wechat.transport import Transport

    logs.set_up(secrets=flags.secrets(configuration), level=logging.WARNING)
    async with await Database.open(configuration.data_dir / database.FILE) as store:
        key = await asyncio.to_thread(server_key.load, configuration.data_dir)
        transport = Transport(configuration.api_base, connections=1)
        oauth = OAuth(
            transport,
            transport,
            app_id=configuration.app_id,
            app_secret=configuration.app_secret,
        )
        authorizations = Authorizations(store, Clock(), configuration, oauth, Background(), key=key)
        try:
            account, refreshed = await authorizations.refresh_account(name)
        finally:
            await authorizations.close()
            transport.close()
    print(f"account {account.name}: {_changes(refreshed)}")
    return 0


def _changes(refreshed: "Refreshed") -> str:
    """What is another one now; addresses and numbers that say nothing to a person without both."""
    before, after = refreshed.before, refreshed.after
    changes = []
    if after.nickname != before.nickname:
        was = f", was {before.nickname}" if before.nickname else ""
        changes.append(f"nickname {after.nickname}{was}")
    for name in ("avatar", "sex", "country", "province", "city", "privilege", "unionid"):
        if getattr(after, name) != getattr(before, name):
            changes.append(f"new {name}")
    return "; ".join(changes) or "nothing has changed"


def _print(rows: "list[Account]") -> None:
    for row in rows:
        told = {
            "admin": row.admin,
            "no password": not row.password,
            "disabled": row.disabled_at is not None,
        }
        marks = [mark for mark, on in told.items() if on]
        print(row.name + (f" ({', '.join(marks)})" if marks else ""))
    if not rows:
        print("no accounts yet; make one with: wxbind account add NAME", file=sys.stderr)


def _ask_password(from_input: bool) -> str:
    if from_input:
        try:
            return sys.stdin.buffer.readline().decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise Refused(400, "not-text", "The password is not UTF-8 text.") from None
    if not sys.stdin.isatty():
        raise Refused(400, "no-terminal", "No terminal to ask at; use --password-stdin.")
    try:
        password = getpass.getpass("Password: ")
        again = getpass.getpass("Again: ")
    except EOFError:
        raise Refused(400, "no-password", "No password was typed.") from None
    if again != password:
        raise Refused(400, "not-the-same", "The two are not the same.")
    return password
