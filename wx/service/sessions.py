"""Sessions: signing in and out, and noticing what other processes have ended."""

import asyncio
import logging
import re
import sqlite3
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace

from wx import secret
from wx.clock import Clock
from wx.errors import Refused
from wx.model import Account, Browser, Session
from wx.service.hub import SESSION, Hub
from wx.service.passwords import Passwords, needs_rehash
from wx.service.throttle import Throttle
from wx.store import accounts, sessions
from wx.store.database import Database

log = logging.getLogger(__name__)

DEVICE_SECONDS = 180 * 86400
_SEEN_EVERY_SECONDS = 60
_AUDIT_SECONDS = 30
_AUDITED_AT_ONCE = 100  # sessions: 2 ms, so that nobody's read waits for all of thousands


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session.

    Args:
        cookie: goes to the browser, and is kept by digest only.
        device: the cookie that makes the browser known to those who slow guessing down; "" where
            nobody has shown that they know the password.
    """

    account: Account
    cookie: str
    device: str = ""


class Sessions:
    """Who is signed in.

    Args:
        key: the server's own key; device cookies are signed with it.
        idle_seconds: an unused session ends after this.
        seconds: any session ends after this.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        hasher: Passwords,
        hub: Hub,
        *,
        key: bytes,
        idle_seconds: int,
        seconds: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = hasher
        self._throttle = Throttle(clock)
        self._hub = hub
        self._key = key
        self._idle_seconds = idle_seconds
        self.seconds = seconds
        self.device_seconds = DEVICE_SECONDS
        self._version: int | None = None
        self._audited_at = clock.monotonic()

    async def sign_in(
        self,
        name: str,
        password: str,
        *,
        address: str,
        browser: Browser,
        device: str = "",
        previous: str = "",
        within: Callable[[sqlite3.Connection, Account], None] | None = None,
    ) -> SignedIn:
        """A new session for whoever knows the password; ``previous``, this browser's, ends.

        A wrong name, a wrong password and a disabled account are refused alike, after the same
        work.

        Args:
            within: another piece of the same transaction; if it raises, nobody is signed in.

        Raises:
            Refused: 401 wrong, 429 too many tries; and what ``within`` refuses.
        """
        name = unicodedata.normalize("NFC", name)[:300]
        account = await self.check_password(name, password, address=address, device=device)
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> SignedIn | None:
            # The account may have changed while the password was being checked.
            present = accounts.find(conn, account.id)
            if present is None or present.password != account.password:
                return None
            signed_in = self.start(conn, account.id, browser, previous=previous, now=now)
            if signed_in and within:
                within(conn, signed_in.account)
            return signed_in

        signed_in = await self._database.write(work)
        if signed_in is None:
            raise _wrong()
        self.started(signed_in, browser, previous=previous, way="its password")
        kept = await self._rehash(account, password)
        return replace(signed_in, device=self._device_cookie(account.id, kept))

    def start(
        self,
        conn: sqlite3.Connection,
        account_id: int,
        browser: Browser,
        *,
        previous: str,
        now: float,
        follower_id: int | None = None,
    ) -> SignedIn | None:
        """A new session for an account; None if nobody may sign in as it. A piece of a transaction,
        after which the caller calls :meth:`started`.

        Args:
            previous: the cookie of this browser's session, which ends; "" for none.
            follower_id: whose WeChat proved who is there: the session ends with its binding.
        """
        account = accounts.find(conn, account_id)
        if account is None or not account.can_sign_in:
            return None
        cookie = secret.new_secret()
        if previous:
            sessions.remove(conn, secret.digest(previous))
        sessions.add(
            conn, secret.digest(cookie), account.id, browser, now=now, follower_id=follower_id
        )
        return SignedIn(account, cookie)

    def started(self, signed_in: SignedIn, browser: Browser, *, previous: str, way: str) -> None:
        """What :meth:`start` did is on disk: who waits with the previous session hears of its end.

        Args:
            way: what it was that proved who is there, for the log.
        """
        if previous:
            self._hub.end([secret.digest(previous)])
        log.info("account %s signed in by %s from %s", signed_in.account.name, way, browser.network)

    async def check_password(
        self, name: str, password: str, *, address: str, device: str
    ) -> Account:
        """The account whose name and password these are.

        Raises:
            Refused: 401 wrong, 429 too many tries.
        """
        account = await self._database.read(lambda conn: accounts.find_by_name(conn, name))
        known = self._known_device(device, account)
        wait = self._throttle.begin(name=name, address=address, device=known)
        if wait:
            await asyncio.sleep(wait)
        usable = account is not None and account.can_sign_in and len(password) <= 256
        kept = account.password if account is not None and usable else None
        right = await self._passwords.verify(password[:256], kept)
        if account is None or not right:
            log.info("sign-in refused for %r from %s", name, address)
            raise _wrong()
        self._throttle.succeeded(name=name, address=address, device=known)
        return account

    async def find(self, cookie: str) -> tuple[Session, Account] | None:
        """The session that a cookie stands for, and its account."""
        if not re.fullmatch(r"[0-9A-Za-z]{43}", cookie):
            return None
        digest = secret.digest(cookie)
        limits = self._limits()
        found = await self._database.read(lambda conn: sessions.find(conn, digest, **limits))
        if found is None:
            return None
        now = self._clock.now()
        if now - found[0].seen_at > min(_SEEN_EVERY_SECONDS, self._idle_seconds / 10):
            await self._database.write(lambda conn: sessions.mark_seen(conn, digest, now=now))
        return found

    async def check(self, session: Session) -> None:
        """Whether a session that was found still holds; does not count as using it.

        Raises:
            Refused: 403, it has ended meanwhile.
        """
        limits = self._limits()
        if await self._database.read(
            lambda conn: sessions.list_ended(conn, [session.digest], **limits)
        ):
            raise Refused(403, "signed-out", "Your session is over. Please sign in again.")

    async def sign_out(self, session: Session) -> None:
        """End a session, and what waits with it."""
        await self._database.write(lambda conn: sessions.remove(conn, session.digest))
        self._hub.end([session.digest])

    async def audit(self) -> None:
        """End what waits with sessions that are over: by time, or by another process's doing."""
        version = await self._database.changed_elsewhere()
        now = self._clock.monotonic()
        if version == self._version and now - self._audited_at < _AUDIT_SECONDS:
            return
        waiting = self._hub.keys(SESSION)
        for start in range(0, len(waiting), _AUDITED_AT_ONCE):
            await self._audit(waiting[start : start + _AUDITED_AT_ONCE])
        self._version, self._audited_at = version, now

    async def purge(self) -> None:
        """Remove sessions that are over by time."""
        limits = self._limits()
        await self._database.write(
            lambda conn: sessions.purge(
                conn,
                seen_before=limits["seen_after"],
                created_before=limits["created_after"],
            )
        )

    async def _audit(self, waiting: list[bytes]) -> None:
        limits = self._limits()
        ended = await self._database.read(lambda conn: sessions.list_ended(conn, waiting, **limits))
        self._hub.end(ended)

    def _limits(self) -> dict[str, float]:
        now = self._clock.now()
        return {"seen_after": now - self._idle_seconds, "created_after": now - self.seconds}

    async def _rehash(self, account: Account, password: str) -> str:
        """Keep the password under today's parameters, if it was hashed under others; how it is
        kept."""
        if not needs_rehash(account.password):
            return account.password
        try:
            kept = await self._passwords.hash(password)
        except Refused:
            return account.password  # too busy just now: at another sign-in

        def work(conn: sqlite3.Connection) -> str:
            present = accounts.find(conn, account.id)
            if present is None or present.password != account.password:
                return account.password
            accounts.mark_password(conn, account.id, kept)
            return kept

        return await self._database.write(work)

    def _device_cookie(self, account_id: int, password: str) -> str:
        """What makes a browser known to the throttle. Grants nothing by itself.

        Args:
            password: as it is kept: with it end the cookies of all browsers that knew it.
        """
        head = f"{account_id}.{int(self._clock.now()) + DEVICE_SECONDS}.{secret.new_id()}"
        return f"{head}.{self._device_mark(head, password)}"

    def _device_mark(self, head: str, password: str) -> str:
        return secret.derive(self._key, f"device {head} {password}")

    def _known_device(self, cookie: str, account: Account | None) -> str | None:
        head, _, signature = cookie.rpartition(".")
        parts = head.split(".")
        if account is None or len(parts) != 3 or not parts[1].isascii() or not parts[1].isdigit():
            return None
        right = self._device_mark(head, account.password)
        if not secret.same(signature.encode(), right.encode()):
            return None
        if parts[0] != str(account.id) or int(parts[1]) < self._clock.now():
            return None
        return parts[2]


def _wrong() -> Refused:
    return Refused(401, "wrong-password", "Wrong name or password.")
