"""Authorizations: what people allowed us to read of them, kept sealed, and used while it holds."""

import asyncio
import contextlib
import json
import logging
import random
import secrets
import sqlite3
from dataclasses import dataclass
from functools import partial

from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, Refused, Remedy
from wx.model import Account, Follower, Profile
from wx.protocol import errcode, seal
from wx.service import binding
from wx.service.background import Background
from wx.store import authorizations, followers
from wx.store.authorizations import Sealed
from wx.store.database import Database
from wx.wechat.oauth import Grant, OAuth

log = logging.getLogger(__name__)

SCOPE = "snsapi_userinfo"  # the one that opens a profile (platform document, 2.1)
DAY = 86400
REFRESH_TOKEN_SECONDS = 30 * DAY  # platform document, 2.3
FRESH_SECONDS = 7 * DAY  # that a profile is taken for what it still is
TRY_AGAIN_SECONDS = 3600
AT_ONCE = 20  # people whose profiles are read in the background
TRIES = 4  # where somebody else changes what is kept meanwhile
PAUSE_SECONDS = 1.0  # before another try at most; by chance, so that two do not meet again
CLOSE_SECONDS = 2
# The person has to agree again (platform document, 2.3 and 11).
_OVER = {40030, 42002, 42007, 50001}


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A profile that was read again, as it was kept before and is now."""

    before: Profile
    after: Profile


@dataclass(frozen=True, slots=True, repr=False)
class _Opened:
    """An authorization as it is kept, and what is in it."""

    sealed: Sealed
    grant: Grant


class Authorizations:
    """Keeps the tokens of people who agreed on WeChat's page, and reads their profiles anew.

    The server and the command line may do so at the same time: what is kept is replaced only where
    it still is what was opened.

    Args:
        oauth: with connections of its own, so that nobody who waits is held up.
        key: the server's own key; what is kept is sealed with it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        oauth: OAuth,
        background: Background,
        *,
        key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._app_id = config.app_id
        self._oauth = oauth
        self._background = background
        self._key = key
        # All who have an authorization, and some who had one: so that a message of anybody else
        # costs nothing. Filled inside transactions, which may come to nothing.
        self._known: set[int] = set()
        self._tried: dict[int, float] = {}  # when, on the monotonic clock; of those above
        self._reading: set[int] = set()  # in the background
        self._under_way: dict[int, asyncio.Task[Refreshed]] = {}  # by the follower's number

    async def load(self) -> None:
        """Learn who has an authorization, before anybody comes by."""
        self._known |= set(await self._database.read(authorizations.list_followers))

    def keep(
        self, conn: sqlite3.Connection, follower_id: int, openid: str, grant: Grant, *, now: float
    ) -> bool:
        """Keep a person's grant from now on, in the place of an older one: a piece of a
        transaction. False if it opens no profile, or is of a made-up person."""
        asked = SCOPE in grant.scope and not grant.snapshot
        if not asked or not grant.refresh_token or grant.openid != openid:
            return False
        self._known.add(follower_id)
        ends_at = now + REFRESH_TOKEN_SECONDS
        authorizations.keep(conn, self._sealed(follower_id, grant, ends_at=ends_at))
        return True

    def forget(self, conn: sqlite3.Connection, follower_id: int) -> None:
        """Forget what a person allowed, because they took it back: a piece of a transaction. What
        is being read for it is not kept either."""
        authorizations.remove_of_follower(conn, follower_id)

    def is_due(self, follower: Follower) -> bool:
        """Whether the person's profile may be read again, and is old. Asks no database."""
        if follower.id not in self._known:
            return False
        return follower.read_at is None or self._clock.now() - follower.read_at > FRESH_SECONDS

    def came_by(self, follower: Follower) -> None:
        """Somebody is here, in the chat or on a page: if their profile is old it is read again in
        the background, at most one try for each of them in an hour."""
        if not self.is_due(follower):
            return
        now = self._clock.monotonic()
        last = self._tried.get(follower.id)
        if (last is None or now - last >= TRY_AGAIN_SECONDS) and self._read_later(follower):
            self._tried[follower.id] = now

    def changed(self, follower: Follower) -> None:
        """The platform says that a person's profile is another one now: it is read again in the
        background, however old what is kept may be."""
        if follower.id in self._known:
            self._read_later(follower)

    async def refresh(self, follower: Follower) -> Refreshed:
        """Read a person's profile again and keep it; whoever asks meanwhile gets the same.

        Raises:
            Refused: 409 they never allowed it; 410 what they allowed is over, and is forgotten;
                502, 503 the platform's trouble, after which another try may work.
        """
        if follower.id not in self._under_way:
            task = asyncio.create_task(self._refresh(follower), name="authorization")
            self._under_way[follower.id] = task
            task.add_done_callback(partial(self._done, follower.id))
        return await asyncio.shield(self._under_way[follower.id])

    async def refresh_account(self, name: str) -> tuple[Account, Refreshed]:
        """:meth:`refresh` for the person behind the account of this name.

        Raises:
            Refused: 404 no such account, 409 it is not bound; and see :meth:`refresh`.
        """
        account, bound = await self._database.read(
            lambda conn: binding.find_by_name(conn, self._app_id, name)
        )
        if bound is None:
            raise Refused(
                409,
                "not-bound",
                "This account is not bound to a WeChat.",
                hint="Ask its owner to log in and to scan the code.",
            )
        return account, await self.refresh(bound.follower)

    async def purge(self) -> None:
        """Forget what is over, and what people allowed who have been bound no more for a day."""
        now = self._clock.now()
        await self._database.write(
            lambda conn: authorizations.purge(
                conn,
                now=now,
                unbound_before=now - DAY,
                ends_before=now - DAY + REFRESH_TOKEN_SECONDS,
            )
        )

    async def close(self) -> None:
        """Wait for what is being read, for a bounded time: a new pair of tokens should be kept."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way.values(), timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _read_later(self, follower: Follower) -> bool:
        """Begin to read a profile in the background; False in a crowd: there is a next time."""
        if len(self._reading) >= AT_ONCE or follower.id in self._reading:
            return False
        self._reading.add(follower.id)
        self._background.spawn(self._read(follower))
        return True

    async def _read(self, follower: Follower) -> None:
        try:
            with contextlib.suppress(Refused):  # which the log has told of
                await self.refresh(follower)
        finally:
            self._reading.discard(follower.id)

    def _done(self, follower_id: int, task: "asyncio.Task[Refreshed]") -> None:
        del self._under_way[follower_id]
        if not task.cancelled():
            task.exception()  # looked at, also when everybody has gone

    async def _refresh(self, follower: Follower) -> Refreshed:
        # Again where another program, or a new yes, has changed what was opened: the platform has
        # one token for a person, and each renewal ends the one before.
        for number in range(TRIES):
            if number:
                await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))
            opened = await self._open(follower)
            try:
                if not await self._oauth.check(opened.grant):
                    renewed = await self._renew(follower, opened)
                    if renewed is None:
                        continue
                    opened = renewed
                profile = await self._oauth.profile(opened.grant)
            except PlatformError as error:
                if error.errcode in _OVER:
                    if await self._drop(follower, opened, error):
                        raise _not_allowed(follower) from error
                elif error.remedy is not Remedy.NEW_ACCESS_TOKEN:
                    raise self._trouble(follower, error) from error
                continue  # there is something newer, or what was opened was renewed elsewhere
            if (refreshed := await self._keep_profile(follower, opened, profile)) is not None:
                return refreshed
        log.warning("follower %d: profile not read in %d tries", follower.id, TRIES)
        raise _unavailable()

    async def _open(self, follower: Follower) -> _Opened:
        """What is kept for a person, opened.

        Raises:
            Refused: 409, 410 there is nothing, or nothing that this server can open.
        """
        now = self._clock.now()
        sealed = await self._database.read(
            lambda conn: authorizations.find(conn, follower.id, now=now)
        )
        if sealed is None:
            raise _not_allowed(follower)
        openid = follower.profile.openid
        try:
            plain = seal.unseal(self._key, sealed.blob, context=_context(follower.app_id, openid))
        except seal.Broken:
            # Another server's key, or another person's row: it never opens again.
            log.error("follower %d: the authorization does not open, and is dropped", follower.id)
            await self._database.write(lambda conn: authorizations.remove(conn, sealed))
            raise _not_allowed(follower) from None
        access_token, refresh_token = json.loads(plain)
        return _Opened(sealed, Grant(openid, "", access_token, refresh_token, 0, SCOPE, False))

    async def _renew(self, follower: Follower, opened: _Opened) -> _Opened | None:
        """Get a new pair of tokens, and keep it; None if what is kept has changed meanwhile.

        Raises:
            PlatformError: there is none.
        """
        old = opened.grant
        new = await self._oauth.refresh(old.refresh_token)
        if new.openid != old.openid:
            path = "/sns/oauth2/refresh_token"
            raise PlatformError(Remedy.REFUSE, None, "the tokens are another user's", path=path)
        refresh_token = new.refresh_token or old.refresh_token
        same = refresh_token == old.refresh_token
        now = self._clock.now()
        # Its 30 days are counted from where it was first given.
        ends_at = opened.sealed.ends_at if same else now + REFRESH_TOKEN_SECONDS
        grant = Grant(old.openid, "", new.access_token, refresh_token, 0, SCOPE, False)
        sealed = self._sealed(follower.id, grant, ends_at=ends_at)
        kept = await self._database.write(
            lambda conn: authorizations.replace(conn, opened.sealed, sealed)
        )
        return _Opened(sealed, grant) if kept else None

    async def _keep_profile(
        self, follower: Follower, opened: _Opened, profile: Profile
    ) -> Refreshed | None:
        """Keep what was read; None if the right to it has changed meanwhile."""
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> Refreshed | None:
            # Whoever is forgotten, or took it back, has no authorization any more.
            before = followers.find(conn, follower.id)
            if before is None or not authorizations.is_kept(conn, opened.sealed):
                return None
            followers.mark_profile(conn, self._app_id, profile, now=now)
            after = followers.find(conn, follower.id)
            assert after is not None
            return Refreshed(before.profile, after.profile)

        refreshed = await self._database.write(work)
        if refreshed:
            log.info("follower %d: profile refreshed", follower.id)
        return refreshed

    async def _drop(self, follower: Follower, opened: _Opened, error: PlatformError) -> bool:
        """Forget what the platform gives nothing for any more; False if that is not what is
        kept."""
        dropped = await self._database.write(
            lambda conn: authorizations.remove(conn, opened.sealed)
        )
        if dropped:
            log.info("follower %d: authorization over and dropped: %s", follower.id, error.errcode)
        return dropped

    def _trouble(self, follower: Follower, error: PlatformError) -> Refused:
        """The refusal for what another try may do. The platform's text stays out of the log: it
        may repeat what it was sent."""
        number = "no answer" if error.errcode is None else f"errcode {error.errcode}"
        log.info("follower %d: profile not read: %s: %s", follower.id, error.path, number)
        if error.errcode is None:
            return _unavailable()
        known = errcode.explain(error.errcode)
        return Refused(502, "platform-error", known.sentence, hint=known.cure)

    def _sealed(self, follower_id: int, grant: Grant, *, ends_at: float) -> Sealed:
        blob = seal.seal(
            self._key,
            json.dumps([grant.access_token, grant.refresh_token]).encode(),
            context=_context(self._app_id, grant.openid),
            nonce=secrets.token_bytes(seal.NONCE),
        )
        return Sealed(follower_id, blob, ends_at)


def _context(app_id: str, openid: str) -> str:
    """What an authorization is sealed for: moved to another person's row, it opens nothing."""
    return f"authorization {app_id} {openid}"


def _not_allowed(follower: Follower) -> Refused:
    if follower.read_at is None:
        return Refused(
            409,
            "never-asked",
            "WeChat was never asked for this person's profile, or they took that back.",
            hint="They are asked when they bind by WeChat's consent page and bind_scope is"
            " snsapi_userinfo, or by the page /enter.",
        )
    return Refused(
        410,
        "authorization-over",
        "The permission to read this person's profile is over.",
        hint="They have to agree on WeChat's consent page once more: when they bind again, or by"
        " the page /enter.",
    )


def _unavailable() -> Refused:
    return Refused(
        503,
        "unavailable",
        "WeChat cannot be reached just now. Please try again in a moment.",
    )
