"""Entry: signing in inside WeChat, where the platform says who is there, and binding who is new."""

import asyncio
import base64
import contextlib
import json
import logging
import re
import secrets
import sqlite3
from dataclasses import dataclass
from functools import partial

from wx.clock import Clock
from wx.config import Config
from wx.errors import Refused, StorageUnavailable
from wx.model import Account, Browser, Follower, InviteState
from wx.protocol import seal
from wx.service import callback, visit
from wx.service.authorization import SCOPE, Authorizations
from wx.service.binding import Bindings
from wx.service.hub import Hub
from wx.service.sessions import Sessions, SignedIn
from wx.service.speech import Translate
from wx.service.visit import Arrival, Visits
from wx.store import bindings, followers, invites
from wx.store.database import Database
from wx.wechat.oauth import Grant

log = logging.getLogger(__name__)

STRANGER_SECONDS = 600  # for typing a name and a password
PROFILE_GRACE_SECONDS = 1  # that people wait for their own nickname, which comes anyway
ROUTE = "entry"  # by which who signs in as a stranger is bound
_COOKIE = re.compile(r"[0-9A-Za-z_-]{1,2048}")


@dataclass(frozen=True, slots=True, repr=False)
class Entered:
    """What an arrival comes to: a new session; or, where there is none to be had, the name of the
    account that this WeChat is only reached for; or the cookie of somebody unknown."""

    signed_in: SignedIn | None = None
    reached: str = ""
    stranger: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Stranger:
    """A WeChat user who is bound to nobody, as their browser's cookie tells it."""

    openid: str
    unionid: str


@dataclass(frozen=True, slots=True, repr=False)
class Attempt:
    """A stranger's try to sign in.

    Args:
        replace: end the account's present binding for this one.
        address: the client's IP address.
        device: the cookie of a browser that has signed in before; "" for none.
        previous: the cookie of this browser's session, which ends; "" for none.
    """

    name: str
    password: str
    replace: bool
    address: str
    browser: Browser
    device: str
    previous: str


class Entries:
    """Lets people in whose WeChat is bound, and binds those who sign in with their password.

    Args:
        key: the server's own key; what a stranger's browser carries is sealed with it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        hub: Hub,
        visits: Visits,
        sessions: Sessions,
        bindings: Bindings,
        authorizations: Authorizations,
        *,
        key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._app_id = config.app_id
        self._hub = hub
        self._visits = visits
        self._sessions = sessions
        self._bindings = bindings
        self._authorizations = authorizations
        self._key = key
        # Nobody is bound without the phone's digits typed at the computer, where that is demanded.
        self.binds = config.bind_confirm != "desktop"
        self.asks_for_profile = self.binds and config.bind_scope == SCOPE

    def begin(self, to: str, visit: str) -> tuple[str, str]:
        """Where a browser inside WeChat is sent to be known, which asks nobody anything; and its
        cookie for the way.

        Args:
            to: the name of the page that it leads on to.
            visit: the cookie that it has already, perhaps for another way; "" for none.
        """
        return self._visits.begin(purpose(to), visit, path=f"/enter?to={to}")

    def begin_profile(self, to: str, visit: str) -> tuple[str, str]:
        """As :meth:`begin`, but to ask whoever was just bound for their name and picture."""
        return self._visits.begin(
            profile_purpose(to), visit, path=f"/enter?to={to}&for=profile", scope=SCOPE
        )

    async def arrive(self, arrival: Arrival, browser: Browser, *, previous: str) -> Entered:
        """Let in whoever came back, if their WeChat is bound.

        The same arrival again gets the same answer, and so the same session.

        Args:
            previous: the cookie of this browser's session, which ends; "" for none.

        Raises:
            Refused: 403 the account is disabled; and see :meth:`Visits.arrive`.
        """
        then = partial(self._enter, browser=browser, previous=previous)
        return await self._visits.arrive(arrival, then)

    def stranger(self, cookie: str) -> Stranger:
        """Whose browser this is.

        Raises:
            Refused: 403, the cookie is over, or none of ours.
        """
        if not _COOKIE.fullmatch(cookie):
            raise visit.refusal("unproved")
        try:
            sealed = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
            plain = seal.unseal(self._key, sealed, context=self._context())
        except ValueError:
            raise visit.refusal("unproved") from None
        openid, unionid, ends = json.loads(plain)
        if ends <= self._clock.now():
            raise visit.refusal("unproved")
        return Stranger(openid, unionid)

    async def sign_in(
        self, stranger: Stranger, attempt: Attempt, *, translate: Translate
    ) -> SignedIn:
        """Sign in whoever knows the password, and bind this WeChat to their account: both, or
        neither. Only signs in where :attr:`binds` says so.

        Raises:
            Refused: 409 the WeChat ("taken") or the account ("already-bound") is bound otherwise;
                and see :meth:`Sessions.sign_in`.
        """
        settled: list[str] = []  # codes on the account's other pages, which wait for nothing now

        def within(conn: sqlite3.Connection, account: Account) -> None:
            settled[:] = self._bind(conn, account, stranger, attempt, translate)

        try:
            signed_in = await self._sessions.sign_in(
                attempt.name,
                attempt.password,
                address=attempt.address,
                browser=attempt.browser,
                device=attempt.device,
                previous=attempt.previous,
                within=within if self.binds else None,
            )
        except Refused as refusal:
            if refusal.status == 409:
                log.info("a WeChat not bound at its sign-in: %s", refusal.code)
            raise
        if self.binds:
            log.info("account %s bound to the WeChat it was signed in with", signed_in.account.name)
            self._bindings.told(signed_in.account)
            for invite_id in settled:
                self._hub.publish(invite_id)
        return signed_in

    async def keep_profile(self, arrival: Arrival, account: Account) -> None:
        """Keep the name and the picture of whoever came back from :meth:`begin_profile`, if it is
        the account's own WeChat. Whatever goes wrong with it, nothing else is lost."""
        try:
            await self._visits.arrive(arrival, partial(self._profile, account=account))
        except (Refused, StorageUnavailable) as error:
            log.info("account %s: no profile: %s", account.name, error)

    async def _enter(self, grant: Grant, *, browser: Browser, previous: str) -> Entered:
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> tuple[Follower, Account, SignedIn | None] | None:
            follower = followers.find_by_openid(conn, self._app_id, grant.openid)
            bound = self._bindings.of_follower(conn, follower.id) if follower else None
            if follower is None or bound is None:
                return None
            account = bound[1]
            signed_in = self._sessions.start(
                conn, account.id, browser, previous=previous, now=now, follower_id=follower.id
            )
            return follower, account, signed_in

        found = await self._database.write(work)
        if found is None:
            return Entered(stranger=self._cookie(grant))
        follower, account, signed_in = found
        if signed_in:
            self._sessions.started(signed_in, browser, previous=previous, way="its WeChat")
            self._authorizations.came_by(follower)
            return Entered(signed_in)
        if account.disabled_at is None:
            return Entered(reached=account.name)
        log.info("account %s not signed in by its WeChat: it is disabled", account.name)
        raise disabled()

    def _bind(
        self,
        conn: sqlite3.Connection,
        account: Account,
        stranger: Stranger,
        attempt: Attempt,
        translate: Translate,
    ) -> list[str]:
        """Bind the WeChat to the account that is being signed in, or refuse both; the invites that
        are settled by it."""
        now = self._clock.now()
        follower_id = followers.use(conn, self._app_id, stranger.openid)
        if stranger.unionid:
            followers.mark_unionid(conn, self._app_id, stranger.openid, stranger.unionid)
        bound = self._bindings.of_follower(conn, follower_id)
        if bound and bound[1].id == account.id:
            return []  # the form came twice: they have been told
        joined = self._bindings.bind(
            conn,
            account,
            follower_id,
            replace=attempt.replace,
            route=ROUTE,
            browser=attempt.browser,
            now=now,
        )
        if joined.outcome != "bound":
            raise callback.refusal(joined.outcome)
        self._bindings.tell_joined(conn, account, follower_id, joined, translate, now=now)
        waiting = invites.list_open_of_account(conn, account.id, now=now)
        for invite in waiting:
            invites.mark(conn, invite.id, InviteState.BOUND, follower_id=follower_id)
        return [invite.id for invite in waiting]

    async def _profile(self, grant: Grant, *, account: Account) -> None:
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> Follower | None:
            bound = bindings.find_of_account(conn, self._app_id, account.id)
            follower = bound.follower if bound else None
            if follower is None or follower.profile.openid != grant.openid:
                return None
            kept = self._authorizations.keep(conn, follower.id, grant.openid, grant, now=now)
            return follower if kept else None

        follower = await self._database.write(work)
        if follower is None:
            log.info("account %s: no profile: it is another WeChat's, or none", account.name)
            return
        # It is read and kept also when nobody waits for it any more.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROFILE_GRACE_SECONDS):
                await self._authorizations.refresh(follower)

    def _cookie(self, grant: Grant) -> str:
        ends = int(self._clock.now()) + STRANGER_SECONDS
        plain = json.dumps([grant.openid, grant.unionid, ends]).encode()
        nonce = secrets.token_bytes(seal.NONCE)
        sealed = seal.seal(self._key, plain, context=self._context(), nonce=nonce)
        # Without what fills it up, which a cookie would have to put in quotation marks.
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def _context(self) -> str:
        return f"stranger {self._app_id}"


def purpose(to: str) -> str:
    """What a browser is sent away for that shall land on the page of this name."""
    return f"enter {to}"


def profile_purpose(to: str) -> str:
    """The same, where it is asked for the person's name and picture on the way."""
    return f"profile {to}"


def disabled() -> Refused:
    """The refusal of a WeChat whose account is disabled."""
    return Refused(
        403,
        "disabled",
        "This WeChat is bound to an account that is disabled. Please ask the operator of the site.",
    )
