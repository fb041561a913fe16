"""Callbacks: from the code that a phone brings back, to "bound" on the waiting page."""

import asyncio
import logging
import sqlite3
from dataclasses import dataclass

from wx import failpoint, secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, Refused, Remedy
from wx.model import Account, ApiKey, Consent, Follower, Invite, InviteState, Profile, Session
from wx.service.authorization import SCOPE, Authorizations
from wx.service.background import Background
from wx.service.binding import Bindings, Joined
from wx.service.hub import Hub
from wx.service.invites import CONFIRM_SECONDS, Invites, digits_purpose, held, stands
from wx.service.speech import Translate
from wx.store import accounts, bindings, consents, followers, invites
from wx.store.database import Database
from wx.wechat.oauth import Grant, OAuth

log = logging.getLogger(__name__)

CONFIRM_TRIES = 3
CLOSE_SECONDS = 5
# The profile comes with the binding if it comes quickly and few are waiting; else right after it.
PROFILE_GRACE_SECONDS = 0.2
PROFILE_GRACE_CALLBACKS = 20

# What a callback comes to; everything else is an outcome that is kept with the consent.
_ASK, _GO_ON, _JOIN = "ask", "go on", "join"
_WRONG = "wrong digits"


@dataclass(frozen=True, slots=True)
class Callback:
    """What the phone's browser brought back from the authorize page.

    Args:
        state: as we sent it along.
        code: for the exchange; "" if the person refused there.
        phone: the cookie that a phone gets for its yes; "" if there is none.
        asked: this browser was shown our question and said yes to it; ``phone`` is its cookie
            from now on.
    """

    state: str
    code: str
    phone: str
    asked: bool
    translate: Translate

    def __repr__(self) -> str:  # holds secrets
        return f"Callback(asked={self.asked})"


@dataclass(frozen=True, slots=True)
class Completed:
    """How a callback is answered: ``outcome`` is "bound", or "confirm" with ``digits`` to be typed
    at the computer first, or "refused" by the person on the platform's page."""

    outcome: str
    account_name: str = ""
    digits: str = ""
    undo: str = ""


class AskFirst(Exception):
    """The callback came without the phone's yes: ask, and bind only on its answer."""

    def __init__(self, account_name: str, invite: Invite) -> None:
        super().__init__("ask first")
        self.account_name = account_name
        self.invite = invite


# How a callback that did not bind is answered, by its settled outcome.
_REFUSALS: dict[str, tuple[int, str]] = {
    "taken": (409, "This WeChat is bound to another account."),
    "already-bound": (409, "This account is bound to another WeChat already."),
    "expired": (410, "This code is over. Please make a new one."),
    "used": (410, "This code has been used. Please make a new one."),
    "code-expired": (410, "WeChat's permission is over. Please scan the code again."),
    "refused": (410, "This was refused. Nothing was bound."),
    "snapshot": (
        403,
        "WeChat shows a preview of this page. Please tap “Use full service” at the bottom.",
    ),
    "risky": (403, "WeChat does not let this user sign in to other sites."),
    "unavailable": (503, "WeChat cannot be reached just now. Please try again in a moment."),
    "platform-error": (502, "WeChat gave an answer that does not help. Please try again later."),
}
_CODE_ERRORS = {40029, 40163, 42003}


class Callbacks:
    """Answers callbacks, each once, however often it comes.

    Args:
        key: the server's own key; the six digits are derived from it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        hub: Hub,
        config: Config,
        invite_service: Invites,
        binding_service: Bindings,
        oauth: OAuth,
        authorizations: Authorizations,
        background: Background,
        *,
        key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._hub = hub
        self._config = config
        self._invites = invite_service
        self._bindings = binding_service
        self._oauth = oauth
        self._authorizations = authorizations
        self._background = background
        self._key = key
        self._under_way: dict[bytes, asyncio.Task[None]] = {}

    async def complete(self, callback: Callback) -> Completed:
        """Bind whoever the code stands for to the account that made the invite.

        The same callback again, also at the same time, gets the same answer; the code is exchanged
        once.

        Raises:
            AskFirst: the phone has not said yes.
            Refused: 400 nobody's state, 403, 409, 410, 502, 503 (with the settled outcome as code).
        """
        state = secret.digest(callback.state)
        if not callback.code:
            return await self._declined(state, callback)
        now = self._clock.now()
        found, invite, account = await self._database.write(
            lambda conn: self._begin(conn, state, callback, now)
        )
        if found == _ASK:
            raise AskFirst(account.name, invite)
        if found in _REFUSALS:
            raise refusal(found)
        if found == _GO_ON:
            task = asyncio.create_task(self._exchange(state, invite, account, callback, now))
            self._under_way[state] = task
            task.add_done_callback(lambda _: self._under_way.pop(state, None))
        if state in self._under_way:
            # A phone that goes away, as WeChat's browser does on the first of two identical
            # requests, must not end the exchange that the other one waits for.
            await asyncio.shield(self._under_way[state])
        return _answer(
            await self._database.read(lambda conn: self._settled(conn, state, callback.phone))
        )

    async def link_of(self, state: str) -> str | None:
        """The path of the page where a phone starts again, from the state it came back with."""
        digest = secret.digest(state)
        consent = await self._database.read(lambda conn: consents.find(conn, digest))
        return f"/b/{self._invites.secret_of(consent.invite_id)}" if consent else None

    async def confirm(
        self, by: Session | ApiKey, invite_id: str, digits: str, *, translate: Translate
    ) -> None:
        """The six digits that the phone shows were typed at the computer.

        Args:
            by: who made the invite, and passes them on.

        Raises:
            Refused: 404 no such invite, 403 wrong digits, 409 taken meanwhile, 410 over.
        """
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> tuple[Joined, int, Account]:
            invite = invites.find(conn, invite_id)
            if invite is None or not _made_by(invite, by):
                raise Refused(404, "unknown-invite", "There is no such code on this computer.")
            follower_id, consent = invite.follower_id, invite.confirm_state
            waiting = invite.state is InviteState.SCANNED and invite.confirm_until > now
            if follower_id is None or consent is None or not waiting:
                raise refusal("expired")
            if not held(conn, invite, now=now):
                raise refusal("expired")
            account = accounts.find(conn, invite.account_id)
            assert account is not None  # the foreign key says so
            tries = invites.use_confirm_try(conn, invite_id)
            right = self._digits(invite_id, consent)
            if secret.same(digits.encode(), right.encode()):
                given = consents.find(conn, consent)
                joined = self._bindings.join(
                    conn,
                    invite,
                    account,
                    follower_id,
                    route=given.route if given else "oauth",
                    now=now,
                )
                consents.mark_outcome(conn, consent, joined.outcome)
                self._bindings.tell_joined(conn, account, follower_id, joined, translate, now=now)
            else:
                joined = Joined(_WRONG)
                if tries >= CONFIRM_TRIES:
                    invites.mark(conn, invite_id, InviteState.REFUSED)
                    consents.mark_outcome(conn, consent, "refused")
            return joined, CONFIRM_TRIES - tries, account

        joined, left, account = await self._database.write(work)
        self._hub.publish(invite_id)
        if joined.outcome == _WRONG:
            message = "Wrong digits. Tries left: %(left)d."
            left = max(0, left)
            raise Refused(403, "wrong-digits", message, more={"tries_left": left}, left=left)
        if joined.outcome != "bound":
            raise refusal(joined.outcome)
        self._bindings.told(account)

    async def close(self) -> None:
        """Wait for the exchanges that are under way, for a bounded time."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way.values(), timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _begin(
        self, conn: sqlite3.Connection, state: bytes, callback: Callback, now: float
    ) -> tuple[str, Invite, Account]:
        """What is to be done: ask first, go on with the exchange (which nobody else will), join
        whoever did and take the settled answer, or refuse."""
        consent, invite, account = _find(conn, state)
        code = secret.digest(callback.code)
        standing = stands(conn, invite, now=now)
        used = invite.state is InviteState.BOUND or invite.confirm_until > now
        sure = callback.asked or secret.same(secret.digest(callback.phone), consent.phone)
        if consent.code == code:
            found = _JOIN
        elif used or not standing:
            # Nobody is asked a question that can come to nothing.
            found = "used" if used else "expired"
        elif not sure:
            found = _ASK
        elif consents.claim(conn, state, code=code):
            found = _GO_ON
            if callback.asked:
                # The yes was this browser's: from now on it is the phone of this consent.
                consents.mark_phone(conn, state, phone=secret.digest(callback.phone))
        else:
            found = "used"
        return found, invite, account

    async def _exchange(
        self, state: bytes, invite: Invite, account: Account, callback: Callback, now: float
    ) -> None:
        """Exchange the code, bind, tell; how the callback is answered is settled with it."""
        profile_task: asyncio.Task[Profile | None] | None = None
        try:
            grant = await self._oauth.exchange(callback.code)
        except PlatformError as error:
            log.warning("invite %s: code not exchanged: %s", invite.id, error)
            await self._failed(state, invite, outcome_of(error))
            return
        failpoint.here("bind-after-exchange")
        if grant.snapshot:
            await self._failed(state, invite, "snapshot")
            return
        profile: Profile | None = None
        if SCOPE in grant.scope:
            profile_task = asyncio.create_task(self._read_profile(grant), name="profile")
            profile = await self._quick(profile_task)

        def work(conn: sqlite3.Connection) -> tuple[Joined, object, Follower | None]:
            joined = self._complete(conn, state, grant, profile, callback.translate, now)
            # Only whose profile does not come with the grant comes by for another one.
            known = None
            if profile_task is None:
                known = followers.find_by_openid(conn, invite.app_id, grant.openid)
            return joined, self._invites.view_of(conn, invite.id), known

        joined, view, known = await self._database.write(work)
        self._hub.publish(invite.id, view)
        log.info("invite %s: %s", invite.id, joined.outcome)
        if profile_task and profile is None:
            # Not "if it is not done": it may have come while the binding was being written.
            self._background.spawn(self._keep_profile(profile_task, invite.id))
        if joined.outcome == "bound":
            self._bindings.told(account)
        if known:
            self._authorizations.came_by(known)

    def _complete(
        self,
        conn: sqlite3.Connection,
        state: bytes,
        grant: Grant,
        profile: Profile | None,
        translate: Translate,
        now: float,
    ) -> Joined:
        """Bind, or wait for the digits, or say why not; the outcome is settled with it."""
        _, invite, account = _find(conn, state)
        if invite.confirm_until > now or not stands(conn, invite, now=now):
            joined = Joined("used" if invite.state is InviteState.BOUND else "expired")
        else:
            follower_id = followers.use(conn, invite.app_id, grant.openid)
            if profile:
                followers.mark_profile(conn, invite.app_id, profile, now=now)
            elif grant.unionid:
                followers.mark_unionid(conn, invite.app_id, grant.openid, grant.unionid)
            # The person has said yes to this, whether or not the binding waits for six digits.
            self._authorizations.keep(conn, follower_id, grant.openid, grant, now=now)
            joined = self._join(conn, state, invite, account, follower_id, now)
            self._bindings.tell_joined(conn, account, follower_id, joined, translate, now=now)
        consents.mark_outcome(conn, state, joined.outcome)
        failpoint.here("bind-before-commit")
        return joined

    def _join(
        self,
        conn: sqlite3.Connection,
        state: bytes,
        invite: Invite,
        account: Account,
        follower_id: int,
        now: float,
    ) -> Joined:
        wants_digits = self._config.bind_confirm == "desktop"
        if not wants_digits or self._bindings.obstacle(conn, invite, follower_id):
            return self._bindings.join(conn, invite, account, follower_id, route="oauth", now=now)
        invites.mark_confirming(
            conn, invite.id, consent=state, follower_id=follower_id, until=now + CONFIRM_SECONDS
        )
        return Joined("confirm")

    def _settled(self, conn: sqlite3.Connection, state: bytes, phone: str) -> Completed:
        """The answer that is kept. One that was cut off between exchange and commit is none: its
        code has been used, and the phone has to bring another. Digits and the right to undo are
        for the phone that said yes alone: the address may have been passed on."""
        consent, invite, account = _find(conn, state)
        known = secret.same(secret.digest(phone), consent.phone)
        outcome = consent.outcome or "code-expired"
        if outcome == "confirm":
            digits = self._digits(invite.id, state)
            return Completed(outcome, account.name, digits=digits) if known else Completed("used")
        if outcome != "bound":
            return Completed(outcome, account.name)
        binding = bindings.find_of_account(conn, invite.app_id, invite.account_id)
        # Whoever was bound here once must not end the binding of somebody else since then.
        mine = known and binding is not None and binding.follower.id == invite.follower_id
        undo = self._bindings.undo_secret(binding.id) if binding and mine else ""
        return Completed(outcome, account.name, undo=undo)

    async def _failed(self, state: bytes, invite: Invite, outcome: str) -> None:
        """Nothing was bound, and the phone may try again while the invite lasts."""

        def work(conn: sqlite3.Connection) -> None:
            consents.mark_outcome(conn, state, outcome)
            if outcome != "snapshot":
                invites.mark(conn, invite.id, InviteState.FAILED)

        await self._database.write(work)
        self._hub.publish(invite.id)

    async def _declined(self, state: bytes, callback: Callback) -> Completed:
        """The person refused on the platform's page: it sent them back without a code."""

        def work(conn: sqlite3.Connection) -> tuple[Invite, Completed]:
            consent, invite, account = _find(conn, state)
            sure = callback.asked or secret.same(secret.digest(callback.phone), consent.phone)
            if not sure:
                raise Refused(400, "no-code", "WeChat sent no code along. Please scan again.")
            if consent.outcome and consent.outcome != "refused":
                return invite, self._settled(conn, state, callback.phone)
            if invite.state.open:
                invites.mark(conn, invite.id, InviteState.REFUSED)
                consents.mark_outcome(conn, state, "refused")
            return invite, Completed("refused", account.name)

        invite, completed = await self._database.write(work)
        self._hub.publish(invite.id)
        return completed if completed.outcome == "refused" else _answer(completed)

    def _digits(self, invite_id: str, consent: bytes) -> str:
        return secret.derive_digits(self._key, digits_purpose(invite_id, consent))

    async def _quick(self, task: "asyncio.Task[Profile | None]") -> Profile | None:
        """The profile, if it comes before people would notice the wait."""
        if len(self._under_way) > PROFILE_GRACE_CALLBACKS:
            return None
        done, _ = await asyncio.wait([task], timeout=PROFILE_GRACE_SECONDS)
        return task.result() if done else None

    async def _read_profile(self, grant: Grant) -> Profile | None:
        try:
            return await self._oauth.profile(grant)
        except PlatformError as error:
            log.warning("profile not read: %s", error)
            return None

    async def _keep_profile(self, task: "asyncio.Task[Profile | None]", invite_id: str) -> None:
        profile = await task
        if profile is None:
            return
        now = self._clock.now()
        await self._database.write(
            lambda conn: followers.mark_profile(conn, self._config.app_id, profile, now=now)
        )
        self._hub.publish(invite_id)


def _made_by(invite: Invite, by: Session | ApiKey) -> bool:
    if isinstance(by, ApiKey):
        return invite.api_key_id == by.id
    return invite.api_key_id is None and invite.session == by.digest


def _find(conn: sqlite3.Connection, state: bytes) -> tuple[Consent, Invite, Account]:
    consent = consents.find(conn, state)
    invite = invites.find(conn, consent.invite_id) if consent else None
    account = accounts.find(conn, invite.account_id) if invite else None
    if consent is None or invite is None or account is None:
        raise Refused(400, "unknown-state", "This link is not one of ours. Please scan again.")
    return consent, invite, account


def _answer(completed: Completed) -> Completed:
    """The settled answer, raised if it is a refusal."""
    if completed.outcome in _REFUSALS:
        raise refusal(completed.outcome)
    return completed


def refusal(outcome: str) -> Refused:
    """The refusal that an outcome stands for."""
    status, message = _REFUSALS[outcome]
    return Refused(status, outcome, message)


def outcome_of(error: PlatformError) -> str:
    """The outcome that a failed exchange comes to."""
    if error.errcode in _CODE_ERRORS:
        return "code-expired"
    if error.errcode == 40226:
        return "risky"
    if error.remedy in (Remedy.RETRY, Remedy.PAUSE):
        return "unavailable"
    return "platform-error"
