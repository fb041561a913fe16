"""Accounts: made, listed and changed by whoever runs the server, and made by programs."""

import re
import sqlite3
import unicodedata

from wx.clock import Clock
from wx.errors import Refused
from wx.model import Account
from wx.service import passwords
from wx.service.passwords import Passwords
from wx.store import accounts, scan_logins, sessions
from wx.store.database import Database

# Letters and digits of any script, with a few marks inside.
_NAME = re.compile(r"\w[\w.@+-]{0,63}")


class Accounts:
    """What the command line and programs do to accounts, and the admin pages later."""

    def __init__(self, database: Database, clock: Clock, hasher: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._passwords = hasher

    async def add(self, name: str, password: str, *, admin: bool = False) -> Account:
        """Make an account.

        Raises:
            Refused: 400, the name or the password will not do; 409, the name is taken.
        """
        name = proper_name(name)
        passwords.judge(password, name=name)
        kept = await self._passwords.hash(password)
        now = self._clock.now()
        try:
            return await self._database.write(
                lambda conn: accounts.add(conn, name, kept, admin=admin, now=now)
            )
        except sqlite3.IntegrityError:
            raise Refused(
                409, "name-taken", "There is an account of the name %(name)s.", name=name
            ) from None

    async def add_reachable(self, name: str) -> Account:
        """Make an account without a password: nobody signs in as it, it can only be reached.

        Raises:
            Refused: 400, the name will not do; 409, it is taken, and ``password`` beside the code
                says whether by an account that has one.
        """
        name = proper_name(name)
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> Account:
            if taken := accounts.find_by_name(conn, name):
                raise Refused(
                    409,
                    "name-taken",
                    "There is an account of the name %(name)s.",
                    hint="If password is false, it may be the one that an earlier request made.",
                    more={"password": bool(taken.password)},
                    name=taken.name,
                )
            return accounts.add(conn, name, "", admin=False, now=now)

        return await self._database.write(work)

    async def list_all(self) -> list[Account]:
        """All accounts by name."""
        return await self._database.read(accounts.list_all)

    async def change_password(self, name: str, password: str) -> None:
        """Set another password, or the first one of an account that had none; every session of the
        account ends, and so does what a phone is about to sign in by scan.

        Raises:
            Refused: 400, the password will not do; 404, there is no such account.
        """
        passwords.judge(password, name=name)
        account = await self._find(name)
        kept = await self._passwords.hash(password)
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> None:
            accounts.mark_password(conn, account.id, kept)
            sessions.remove_of_account(conn, account.id)
            scan_logins.refuse_of_account(conn, account.id, now=now)

        await self._database.write(work)

    async def disable(self, name: str) -> None:
        """Keep the account from signing in; every session of it ends, and so does what a phone is
        about to sign in by scan.

        Raises:
            Refused: 404, there is no such account.
        """
        account = await self._find(name)
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> None:
            accounts.mark_disabled(conn, account.id, at=now)
            sessions.remove_of_account(conn, account.id)
            scan_logins.refuse_of_account(conn, account.id, now=now)

        await self._database.write(work)

    async def enable(self, name: str) -> None:
        """Let a disabled account sign in again.

        Raises:
            Refused: 404, there is no such account.
        """
        account = await self._find(name)
        await self._database.write(lambda conn: accounts.mark_disabled(conn, account.id, at=None))

    async def _find(self, name: str) -> Account:
        name = unicodedata.normalize("NFC", name)
        account = await self._database.read(lambda conn: accounts.find_by_name(conn, name))
        if account is None:
            raise Refused(
                404, "unknown-account", "There is no account of the name %(name)s.", name=name
            )
        return account


def proper_name(name: str) -> str:
    """The name as it is kept.

    Raises:
        Refused: 400, it will not do.
    """
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise Refused(
            400,
            "bad-name",
            "A name has 1 to 64 letters, digits and . _ @ + - and begins with a letter or digit.",
        )
    return name
