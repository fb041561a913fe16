"""Binding: from the code that a phone brings back, to "bound" on the waiting page."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from wx import failpoint, secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, Refused, Remedy
from wx.model import Account, Binding, Browser, Consent, Invite, InviteState, Profile, Session
from wx.service.hub import Hub
from wx.service.invites import CONFIRM_SECONDS, Invites, stands
from wx.service.notices import Notices
from wx.store import accounts, bindings, consents, followers, invites
from wx.store.database import Database
from wx.wechat.oauth import Grant, OAuth

log = logging.getLogger(__name__)

UNDO_SECONDS = 86400
CONFIRM_TRIES = 3
# The profile comes with the binding if it comes quickly and few are waiting; else right after it.
PROFILE_GRACE_SECONDS = 0.2
PROFILE_GRACE_CALLBACKS = 20

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Callback:
    """What the phone's browser brought back from the authorize page.

    Args:
        state: as we sent it along.
        code: for the exchange; "" if the person refused there.
        phone: the cookie that a phone gets for its yes; "" if there is none.
        asked: this browser was shown our question and said yes to it.
    """

    state: str
    code: str
    phone: str
    asked: bool
    browser: Browser
    translate: Translate

    def __repr__(self) -> str:  # holds secrets
        return f"Callback(asked={self.asked})"


@dataclass(frozen=True, slots=True)
class Completed:
    """The callback's answer: bound; or with ``digits`` to be typed at the computer first; or
    ``declined`` by the person on the platform's page."""

    account_name: str
    digits: str = ""
    undo: str = ""
    declined: bool = False


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


class Bindings:
    """Completes invites, and ends, replaces and restores bindings.

    Args:
        key: the server's own key; the six digits and the undo links are derived from it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        hub: Hub,
        config: Config,
        invite_service: Invites,
        oauth: OAuth,
        notices: Notices,
        *,
        key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._hub = hub
        self._config = config
        self._invites = invite_service
        self._oauth = oauth
        self._notices = notices
        self._key = key
        self._under_way: dict[bytes, asyncio.Task[str]] = {}
        self._background: set[asyncio.Task[None]] = set()

    async def of_account(self, account: Account) -> Binding | None:
        """The account's present binding."""
        return await self._database.read(
            lambda conn: bindings.find_of_account(conn, self._config.app_id, account.id)
        )

    async def link_of(self, state: str) -> str | None:
        """The path of the page where a phone starts again, from the state it came back with."""
        digest = secret.digest(state)
        consent = await self._database.read(lambda conn: consents.find(conn, digest))
        return f"/b/{self._invites.secret_of(consent.invite_id)}" if consent else None

    async def complete(self, callback: Callback) -> Completed:
        """Bind whoever the code stands for to the account that made the invite.

        The same callback again, also at the same time, gets the same answer; the code is exchanged
        once.

        Raises:
            AskFirst: the phone has not said yes.
            Refused: 400 nobody's state, 403, 409, 410, 502, 503 (with the settled outcome as code).
        """
        state = secret.digest(callback.state)
        now = self._clock.now()
        consent, invite, account, standing = await self._database.read(
            lambda conn: (*(found := _find(conn, state)), stands(conn, found[1], now=now))
        )
        sure = callback.asked or secret.same(secret.digest(callback.phone), consent.phone)
        code = secret.digest(callback.code)
        if not callback.code:
            return await self._declined(consent, invite, account, sure=sure)
        repeated = consent.code is not None and consent.code == code
        if not sure and not (repeated and consent.outcome):
            # Nobody is asked a question that can come to nothing.
            if invite.state is InviteState.BOUND:
                raise _refusal("used")
            if not standing:
                raise _refusal("expired")
            raise AskFirst(account.name, invite)
        outcome = consent.outcome if repeated and consent.outcome else ""
        if not outcome:
            outcome = await self._join(state, code, callback)
        return await self._answer(outcome, invite, account)

    async def confirm(
        self, session: Session, invite_id: str, digits: str, *, translate: Translate
    ) -> None:
        """The six digits that the phone shows were typed at the computer.

        Raises:
            Refused: 404 no such invite, 403 wrong digits, 409 taken meanwhile, 410 over.
        """
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> tuple[str, int, Binding | None]:
            invite = invites.find(conn, invite_id)
            if invite is None or invite.session != session.digest:
                raise Refused(404, "unknown-invite", "There is no such code on this computer.")
            follower_id, consent = invite.follower_id, invite.confirm_state
            waiting = invite.state is InviteState.SCANNED and invite.confirm_until > now
            if follower_id is None or consent is None or not waiting:
                raise Refused(410, "expired", "This code is over. Please make a new one.")
            tries = invites.use_confirm_try(conn, invite_id)
            right = self._digits(invite_id, consent)
            if not secret.same(digits.encode(), right.encode()):
                if tries >= CONFIRM_TRIES:
                    invites.mark(conn, invite_id, InviteState.REFUSED)
                    consents.mark_outcome(conn, consent, "refused")
                return "wrong", tries, None
            outcome, replaced = self._bind(conn, invite, follower_id, route="oauth", now=now)
            consents.mark_outcome(conn, consent, outcome)
            return outcome, tries, replaced

        outcome, tries, replaced = await self._database.write(work)
        self._hub.publish(invite_id)
        if outcome == "wrong":
            left = CONFIRM_TRIES - tries
            message = "Wrong digits. Tries left: %(left)d."
            raise Refused(403, "wrong-digits", message, left=max(0, left))
        if outcome != "bound":
            raise _refusal(outcome)
        self._spawn(self._tell_bound(invite_id, replaced, translate))

    async def remove(self, account: Account, browser: Browser, *, translate: Translate) -> bool:
        """Unbind the account; False if it was not bound."""
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> Binding | None:
            present = bindings.find_of_account(conn, self._config.app_id, account.id)
            if present:
                self._end(conn, present, route="page", who=account.name, browser=browser, now=now)
            return present

        ended = await self._database.write(work)
        if ended is None:
            return False
        log.info("account %s unbound at its page", account.name)
        # Without a link to undo it: whoever was unbound must not bind themselves again.
        text = translate("Unbound from account %(account)s of %(site)s.")
        self._spawn(self._tell(ended, account.name, text))
        return True

    async def removed(self, account: Account) -> bool:
        """Whether the account's page has unbound it within a day, so that it can be restored."""
        after = self._clock.now() - UNDO_SECONDS
        return await self._database.read(
            lambda conn: (
                bindings.find_removed(conn, self._config.app_id, account.id, ended_after=after)
                is not None
            )
        )

    async def restore(self, account: Account, browser: Browser, *, translate: Translate) -> None:
        """Undo :meth:`remove`; the follower is told.

        Raises:
            Refused: 410 there is nothing to restore; 409 one of the two is bound otherwise now.
        """
        now = self._clock.now()
        app_id = self._config.app_id

        def work(conn: sqlite3.Connection) -> tuple[Binding, int]:
            last = bindings.find_removed(conn, app_id, account.id, ended_after=now - UNDO_SECONDS)
            if last is None:
                raise _no_undo()
            if bindings.find_of_follower(conn, app_id, last.follower.id):
                raise _refusal("taken")
            return last, self._add(
                conn, account, last.follower.id, what="restored", route="page", browser=browser,
                now=now,
            )  # fmt: skip

        last, binding_id = await self._database.write(work)
        log.info("account %s bound again at its page", account.name)
        text = translate("Bound to account %(account)s of %(site)s.")
        self._spawn(self._tell(last, account.name, text, self.undo_secret(binding_id)))

    def undo_secret(self, binding_id: int) -> str:
        """What the undo link of a binding carries."""
        return secret.derive(self._key, f"undo {binding_id}")

    async def undo_question(self, code: str) -> str:
        """The name of the account that an undo link would unbind.

        Raises:
            Refused: 410, nobody's, used or over.
        """
        digest, now = secret.digest(code), self._clock.now()

        def work(conn: sqlite3.Connection) -> str:
            binding = bindings.find_undo(conn, digest, now=now)
            account = accounts.find(conn, binding.account_id) if binding else None
            if account is None:
                raise _no_undo()
            return account.name

        return await self._database.read(work)

    async def undo(self, code: str, browser: Browser) -> None:
        """End a binding by its undo link, at the phone.

        Raises:
            Refused: 410, nobody's, used or over.
        """
        digest, now = secret.digest(code), self._clock.now()

        def work(conn: sqlite3.Connection) -> int:
            binding = bindings.find_undo(conn, digest, now=now)
            if binding is None:
                raise _no_undo()
            bindings.mark_undo_used(conn, digest, now=now)
            self._end(conn, binding, route="undo", who="the phone", browser=browser, now=now)
            return binding.id

        log.info("binding %d ended by its undo link", await self._database.write(work))

    async def purge(self) -> None:
        """Forget what nobody can undo any more, and the people it was about."""
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> None:
            bindings.purge_undos(conn, now=now)
            followers.purge(conn, ended_before=now - UNDO_SECONDS)

        await self._database.write(work)

    async def close(self) -> None:
        """Wait, for a bounded time, for what is still under way."""
        tasks = [*self._under_way.values(), *self._background]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=5)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _join(self, state: bytes, code: bytes, callback: Callback) -> str:
        """Join the exchange of this state that is under way, or start it."""
        task = self._under_way.get(state)
        if task is None:
            task = asyncio.create_task(self._exchange(state, code, callback), name="callback")
            self._under_way[state] = task
            task.add_done_callback(lambda _: self._under_way.pop(state, None))
        # A phone that goes away, as WeChat's browser does on the first of two identical requests,
        # must not end the exchange that the other one waits for.
        return await asyncio.shield(task)

    async def _exchange(self, state: bytes, code: bytes, callback: Callback) -> str:
        """Claim the state, exchange the code, bind; the settled outcome."""
        now = self._clock.now()
        refusal, invite = await self._database.write(
            lambda conn: self._claim(conn, state, code, now)
        )
        if refusal:
            return refusal
        profile_task: asyncio.Task[Profile | None] | None = None
        try:
            grant = await self._oauth.exchange(callback.code)
        except PlatformError as error:
            outcome = _outcome_of(error)
            log.warning("invite %s: code not exchanged: %s", invite.id, error)
            await self._settle_failure(state, invite, outcome)
            return outcome
        failpoint.here("bind-after-exchange")
        if grant.snapshot:
            await self._settle_failure(state, invite, "snapshot")
            return "snapshot"
        profile: Profile | None = Profile(openid=grant.openid, unionid=grant.unionid)
        if "snsapi_userinfo" in grant.scope:
            profile_task = asyncio.create_task(self._read_profile(grant), name="profile")
            profile = await self._quick(profile_task) or profile
        outcome, replaced = await self._database.write(
            lambda conn: self._complete(conn, state, invite.id, grant.openid, profile, now)
        )
        self._hub.publish(invite.id)
        log.info("invite %s: %s", invite.id, outcome)
        if profile_task and not profile_task.done():
            self._spawn(self._keep_profile(profile_task, invite.id))
        if outcome == "bound":
            self._spawn(self._tell_bound(invite.id, replaced, callback.translate))
        return outcome

    def _claim(
        self, conn: sqlite3.Connection, state: bytes, code: bytes, now: float
    ) -> tuple[str, Invite]:
        consent, invite, _ = _find(conn, state)
        if consent.code == code:
            # Claimed, and not under way here: it was cut off between exchange and commit.
            return consent.outcome or "code-expired", invite
        if invite.state is InviteState.BOUND or invite.confirm_until > now:
            return "used", invite
        if not stands(conn, invite, now=now):
            return "expired", invite
        if not consents.claim(conn, state, code=code):
            return "used", invite
        return "", invite

    def _complete(
        self,
        conn: sqlite3.Connection,
        state: bytes,
        invite_id: str,
        openid: str,
        profile: Profile | None,
        now: float,
    ) -> tuple[str, Binding | None]:
        """Bind, or ask for the digits, or say why not; the outcome is settled with it. The second
        is the binding that this one takes the place of."""
        invite = invites.find(conn, invite_id)
        assert invite is not None  # purged days after its end only
        replaced = None
        if invite.confirm_until > now or not stands(conn, invite, now=now):
            outcome = "used" if invite.state is InviteState.BOUND else "expired"
            consents.mark_outcome(conn, state, outcome)
            return outcome, replaced
        follower_id = followers.use(conn, invite.app_id, openid)
        if profile:
            followers.mark_profile(conn, invite.app_id, profile, now=now)
        if self._config.bind_confirm == "desktop":
            outcome = self._obstacle(conn, invite, follower_id) or "confirm"
            if outcome == "confirm":
                until = now + CONFIRM_SECONDS
                invites.mark_confirming(
                    conn, invite.id, consent=state, follower_id=follower_id, until=until
                )
            else:
                invites.mark(conn, invite.id, InviteState.TAKEN)
        else:
            outcome, replaced = self._bind(conn, invite, follower_id, route="oauth", now=now)
        consents.mark_outcome(conn, state, outcome)
        failpoint.here("bind-before-commit")
        return outcome, replaced

    def _obstacle(self, conn: sqlite3.Connection, invite: Invite, follower_id: int) -> str:
        """Why this follower cannot be bound by this invite; "" if they can."""
        theirs = bindings.find_of_follower(conn, invite.app_id, follower_id)
        if theirs and theirs.account_id != invite.account_id:
            return "taken"
        mine = bindings.find_of_account(conn, invite.app_id, invite.account_id)
        if mine and mine.follower.id != follower_id and not invite.replace:
            return "already-bound"
        return ""

    def _bind(
        self,
        conn: sqlite3.Connection,
        invite: Invite,
        follower_id: int,
        *,
        route: str,
        now: float,
    ) -> tuple[str, Binding | None]:
        """The outcome, and the binding that was replaced."""
        obstacle = self._obstacle(conn, invite, follower_id)
        if obstacle:
            invites.mark(conn, invite.id, InviteState.TAKEN)
            return obstacle, None
        account = accounts.find(conn, invite.account_id)
        assert account is not None  # the foreign key says so
        invites.mark(conn, invite.id, InviteState.BOUND, follower_id=follower_id)
        mine = bindings.find_of_account(conn, invite.app_id, invite.account_id)
        if mine and mine.follower.id == follower_id:
            return "bound", None  # to the same WeChat, again: nothing changes
        if mine:
            self._end(
                conn, mine, route="replaced", who=account.name, browser=invite.browser, now=now
            )
        self._add(
            conn, account, follower_id, what="bound", route=route, browser=invite.browser, now=now
        )
        return "bound", mine

    def _add(
        self,
        conn: sqlite3.Connection,
        account: Account,
        follower_id: int,
        *,
        what: str,
        route: str,
        browser: Browser,
        now: float,
    ) -> int:
        """Join the two, with a trace of it, and the right to undo it for a day."""
        app_id = self._config.app_id
        binding_id = bindings.add(conn, app_id, account.id, follower_id, route=route, now=now)
        bindings.add_event(
            conn, binding_id, what, route=route, who=account.name, browser=browser, now=now
        )
        bindings.add_undo(
            conn,
            secret.digest(self.undo_secret(binding_id)),
            binding_id,
            expires_at=now + UNDO_SECONDS,
        )
        return binding_id

    def _end(
        self,
        conn: sqlite3.Connection,
        binding: Binding,
        *,
        route: str,
        who: str,
        browser: Browser,
        now: float,
    ) -> None:
        bindings.mark_ended(conn, binding.id, now=now)
        bindings.add_event(
            conn, binding.id, "ended", route=route, who=who, browser=browser, now=now
        )

    async def _settle_failure(self, state: bytes, invite: Invite, outcome: str) -> None:
        """Nothing was bound, and the phone may try again while the invite lasts."""

        def work(conn: sqlite3.Connection) -> None:
            consents.mark_outcome(conn, state, outcome)
            if outcome != "snapshot":
                invites.mark(conn, invite.id, InviteState.FAILED)

        await self._database.write(work)
        self._hub.publish(invite.id)

    async def _declined(
        self, consent: Consent, invite: Invite, account: Account, *, sure: bool
    ) -> Completed:
        """The person refused on the platform's page: it sent them back without a code."""
        if not sure:
            raise Refused(400, "no-code", "WeChat sent no code along. Please scan again.")
        if not consent.outcome and invite.state.open:

            def work(conn: sqlite3.Connection) -> None:
                invites.mark(conn, invite.id, InviteState.REFUSED)
                consents.mark_outcome(conn, consent.state, "refused")

            await self._database.write(work)
            self._hub.publish(invite.id)
        return Completed(account.name, declined=True)

    async def _answer(self, outcome: str, invite: Invite, account: Account) -> Completed:
        if outcome == "confirm":
            consent = await self._database.read(
                lambda conn: (present := invites.find(conn, invite.id)) and present.confirm_state
            )
            return Completed(account.name, digits=self._digits(invite.id, consent or b""))
        if outcome != "bound":
            raise _refusal(outcome)

        def work(conn: sqlite3.Connection) -> str:
            binding = bindings.find_of_account(conn, invite.app_id, invite.account_id)
            present = invites.find(conn, invite.id)
            # Whoever was bound here once must not end the binding of somebody else since then.
            mine = binding and present and binding.follower.id == present.follower_id
            return self.undo_secret(binding.id) if binding and mine else ""

        return Completed(account.name, undo=await self._database.read(work))

    def _digits(self, invite_id: str, consent: bytes) -> str:
        return secret.derive_digits(self._key, f"digits {invite_id} {consent.hex()}")

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

    async def _tell_bound(
        self, invite_id: str, replaced: Binding | None, translate: Translate
    ) -> None:
        """Tell the follower who is bound now, and the one who was before."""

        def work(conn: sqlite3.Connection) -> tuple[Binding | None, str]:
            invite = invites.find(conn, invite_id)
            account = accounts.find(conn, invite.account_id) if invite else None
            if invite is None or account is None:
                return None, ""
            return bindings.find_of_account(conn, invite.app_id, account.id), account.name

        binding, name = await self._database.read(work)
        if replaced:
            text = translate("Unbound from account %(account)s of %(site)s.")
            await self._tell(replaced, name, text)
        if binding:
            text = translate("Bound to account %(account)s of %(site)s.")
            await self._tell(binding, name, text, self.undo_secret(binding.id))

    async def _tell(self, binding: Binding, account_name: str, text: str, undo: str = "") -> None:
        """Tell the follower on WeChat; best effort, since not everybody can be reached."""
        message = text % {"account": account_name, "site": self._config.site_name}
        url = f"{self._config.public_url}/undo/{undo}" if undo else ""
        try:
            await self._notices.send(binding.follower.profile.openid, message, url=url)
        except PlatformError as error:
            log.info("binding %d: follower not told: %s", binding.id, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on with something after the answer; :meth:`close` waits for it."""
        task = asyncio.create_task(self._guarded(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("work after a callback failed")


def _find(conn: sqlite3.Connection, state: bytes) -> tuple[Consent, Invite, Account]:
    consent = consents.find(conn, state)
    invite = invites.find(conn, consent.invite_id) if consent else None
    account = accounts.find(conn, invite.account_id) if invite else None
    if consent is None or invite is None or account is None:
        raise Refused(400, "unknown-state", "This link is not one of ours. Please scan again.")
    return consent, invite, account


def _no_undo() -> Refused:
    return Refused(410, "undo-over", "This can no longer be undone.")


def _refusal(outcome: str) -> Refused:
    status, message = _REFUSALS[outcome]
    return Refused(status, outcome, message)


def _outcome_of(error: PlatformError) -> str:
    if error.errcode in _CODE_ERRORS:
        return "code-expired"
    if error.errcode == 40226:
        return "risky"
    if error.remedy in (Remedy.RETRY, Remedy.PAUSE):
        return "unavailable"
    return "platform-error"
