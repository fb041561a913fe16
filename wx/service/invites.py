"""Invites: the right to bind that a code carries, from the desktop's page to the phone's yes."""

import logging
import re
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wx import secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import Refused
from wx.model import Account, Browser, Follower, Invite, InviteState, Session
from wx.protocol import links
from wx.service.hub import Hub
from wx.store import accounts, api_keys, bindings, consents, followers, invites, sessions
from wx.store.database import Database

log = logging.getLogger(__name__)

OPEN_PER_ACCOUNT = 5
PHONES_PER_INVITE = 10
CONFIRM_SECONDS = 300
SCENE = "bind"  # how a scene begins that is an invite's, and not the operator's own
KEEP_SECONDS = 2 * 86400  # an ended invite, so that its last page can still say what happened


@dataclass(frozen=True, slots=True)
class View:
    """How an invite stands. ``secret`` is what its code carries."""

    invite: Invite
    state: InviteState
    secret: str
    expires_in: int
    follower: Follower | None
    confirm: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What the phone's page asks: whose invite it is, and from where it was made."""

    account_name: str
    invite: Invite


class Invites:
    """Makes invites, says how they stand, and takes the phone's yes or no.

    Args:
        key: the server's own key; the secrets of invites are derived from it, so that a second
            tab and a restarted server can show the same code although only digests are kept.
    """

    def __init__(
        self, database: Database, clock: Clock, hub: Hub, config: Config, *, key: bytes
    ) -> None:
        self._database = database
        self._clock = clock
        self._hub = hub
        self._config = config
        self._key = key

    def secret_of(self, invite_id: str) -> str:
        """What the code of an invite carries."""
        return secret.derive(self._key, f"invite {invite_id}")

    async def open(
        self,
        session: Session,
        account: Account,
        browser: Browser,
        *,
        fresh: bool = False,
        replace: bool = False,
    ) -> View:
        """The session's open invite; a new one if it has none.

        Args:
            fresh: end the one that is open, and make another.
            replace: the password was given for ending the account's present binding.

        Raises:
            Refused: 409 the account is bound already, 429 too many invites in an hour.
        """
        draft = self.draft(account.id, browser, replace=replace, session=session.digest)

        def work(conn: sqlite3.Connection) -> tuple[View, list[str]]:
            present = bindings.find_of_account(conn, self._config.app_id, account.id)
            if present and not replace:
                raise Refused(409, "already-bound", "This account is bound already.")
            return self.add(
                conn, draft, mine=lambda one: one.session == session.digest, fresh=fresh
            )

        view, over = await self._database.write(work)
        self.tell(over)
        return view

    def add(
        self,
        conn: sqlite3.Connection,
        draft: Invite,
        *,
        mine: Callable[[Invite], bool],
        fresh: bool,
    ) -> tuple[View, list[str]]:
        """Keep a new invite, if whoever asks has none that is open; which one stands there now, and
        the ids of those that it ended. A piece of a transaction, after which the caller calls
        :meth:`tell`.

        Args:
            mine: whether an open invite is the asker's own.
            fresh: end the asker's own, and make another.

        Raises:
            Refused: 429, too many invites in an hour.
        """
        account_id, now = draft.account_id, draft.created_at
        opened = invites.list_open_of_account(conn, account_id, now=now)
        own = [invite for invite in opened if mine(invite)]
        if own and not fresh and own[-1].replace == draft.replace:
            return self._view(own[-1], None), []
        self._refuse_haste(conn, account_id, now)
        others = [invite for invite in opened if invite not in own]
        over = own + others[: 1 - OPEN_PER_ACCOUNT]  # the oldest make room
        for invite in over:
            invites.mark(conn, invite.id, InviteState.EXPIRED)
        invites.add(conn, draft, secret=secret.digest(self.secret_of(draft.id)))
        return self._view(draft, None), [invite.id for invite in over]

    def tell(self, changed: Sequence[str]) -> None:
        """Have those who wait for these invites look how they stand."""
        for invite_id in changed:
            self._hub.publish(invite_id)

    async def last(self, session: Session) -> View | None:
        """How the session's newest invite stands, open or not."""

        def work(conn: sqlite3.Connection) -> View | None:
            invite = invites.find_last_of_session(conn, session.digest)
            return self._view_with_follower(conn, invite) if invite else None

        return await self._database.read(work)

    async def view(self, invite_id: str, session: Session) -> View:
        """How an invite stands, for the session that made it.

        Raises:
            Refused: 404, there is no such invite, or it is another session's; 403, the session has
                ended meanwhile.
        """

        def work(conn: sqlite3.Connection) -> View:
            invite = invites.find(conn, invite_id)
            if invite is None or invite.session != session.digest:
                raise Refused(404, "unknown-invite", "There is no such code on this computer.")
            if sessions.find(conn, session.digest, seen_after=0, created_after=0) is None:
                raise Refused(403, "signed-out", "Your session is over. Please sign in again.")
            return self._view_with_follower(conn, invite)

        return await self._database.read(work)

    def view_of(self, conn: sqlite3.Connection, invite_id: str) -> View | None:
        """How an invite stands, inside a transaction that has changed it."""
        invite = invites.find(conn, invite_id)
        return self._view_with_follower(conn, invite) if invite else None

    async def scanned(self, code: str, *, show: bool) -> Question:
        """What the phone that opened the code's link is asked.

        Args:
            code: the secret out of the link.
            show: tell the waiting page "scanned"; not for a browser that cannot go on.

        Raises:
            Refused: 404 nobody's, 410 used or over.
        """
        digest = secret.digest(code)
        now = self._clock.now()
        question = await self._database.read(lambda conn: self._question(conn, digest, now))
        invite = question.invite
        if show and invite.state in (InviteState.WAITING, InviteState.FAILED):
            await self._database.write(
                lambda conn: invites.mark(conn, invite.id, InviteState.SCANNED)
            )
            self._hub.publish(invite.id)
        return question

    async def agreed(self, code: str) -> tuple[str, str]:
        """The phone said yes: the authorize page's address, and the phone's cookie.

        Raises:
            Refused: 404 nobody's, 410 used or over, 429 too many phones.
        """
        digest = secret.digest(code)
        now = self._clock.now()
        state, phone = secret.new_secret(), secret.new_secret()

        def work(conn: sqlite3.Connection) -> str:
            invite = self._question(conn, digest, now).invite
            if crowded(conn, invite.id):
                raise Refused(
                    429, "too-many-phones", "This code was used too often. Please make a new one."
                )
            consents.add(conn, secret.digest(state), invite.id, phone=secret.digest(phone), now=now)
            invites.mark(conn, invite.id, InviteState.SCANNED)
            return invite.id

        self._hub.publish(await self._database.write(work))
        return self.authorize_url(state), phone

    async def declined(self, code: str) -> None:
        """The phone said "this is not me": the invite is over.

        Raises:
            Refused: 404 nobody's, 410 used or over.
        """
        digest = secret.digest(code)
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> str:
            invite = self._question(conn, digest, now).invite
            invites.mark(conn, invite.id, InviteState.REFUSED)
            return invite.id

        invite_id = await self._database.write(work)
        log.info("invite %s refused on the phone", invite_id)
        self._hub.publish(invite_id)

    def authorize_url(self, state: str) -> str:
        """The platform's page that asks the phone's owner for consent."""
        return links.authorize(
            open_base=self._config.open_base,
            app_id=self._config.app_id,
            redirect_uri=f"{self._config.public_url}/callback",
            scope=self._config.bind_scope,
            state=state,
        )

    async def expire(self) -> None:
        """End the invites whose time is over, and tell who waits."""
        now = self._clock.now()
        overdue = await self._database.read(lambda conn: invites.list_overdue(conn, now=now))
        if not overdue:
            return

        def work(conn: sqlite3.Connection) -> None:
            for invite_id in overdue:
                invites.mark(conn, invite_id, InviteState.EXPIRED)

        await self._database.write(work)
        self.tell(overdue)

    async def purge(self) -> None:
        """Remove invites that ended long ago."""
        before = self._clock.now() - KEEP_SECONDS
        await self._database.write(lambda conn: invites.purge(conn, expired_before=before))

    def draft(
        self,
        account_id: int,
        browser: Browser,
        *,
        replace: bool,
        session: bytes,
        invite_id: str = "",
        api_key_id: int | None = None,
    ) -> Invite:
        """A new invite, as it would be kept."""
        now = self._clock.now()
        return Invite(
            id=invite_id or secret.new_id(),
            account_id=account_id,
            session=session,
            app_id=self._config.app_id,
            number=f"{secrets.randbelow(90) + 10}",
            state=InviteState.WAITING,
            replace=replace,
            created_at=now,
            expires_at=now + self._config.invite_seconds,
            browser=browser,
            follower_id=None,
            confirm_state=None,
            confirm_until=0,
            confirm_tries=0,
            api_key_id=api_key_id,
        )

    def _refuse_haste(self, conn: sqlite3.Connection, account_id: int, now: float) -> None:
        count, first = invites.count_since(conn, account_id, now - 3600)
        if count >= self._config.invites_per_hour:
            wait = max(1.0, first + 3600 - now)
            raise Refused(
                429,
                "too-many-codes",
                "Too many codes in an hour. Please wait %(minutes)d minutes.",
                retry_after=wait,
                minutes=int(wait // 60) + 1,
            )

    def _question(self, conn: sqlite3.Connection, digest: bytes, now: float) -> Question:
        invite = invites.find_by_secret(conn, digest)
        if invite is None:
            raise Refused(404, "unknown-code", "There is no such code. Please scan it again.")
        if invite.state is InviteState.BOUND:
            raise Refused(410, "used", "This code has been used. Please make a new one.")
        account = accounts.find(conn, invite.account_id)
        if account is None or not stands(conn, invite, now=now):
            raise Refused(410, "expired", "This code is over. Please make a new one.")
        return Question(account.name, invite)

    def _view_with_follower(self, conn: sqlite3.Connection, invite: Invite) -> View:
        follower = None
        if invite.follower_id is not None and invite.state is InviteState.BOUND:
            follower = followers.find(conn, invite.follower_id)
        return self._view(invite, follower)

    def _view(self, invite: Invite, follower: Follower | None) -> View:
        now = self._clock.now()
        over = invite.state.open and invite.expires_at <= now
        state = InviteState.EXPIRED if over else invite.state
        return View(
            invite=invite,
            state=state,
            secret=self.secret_of(invite.id),
            expires_in=max(0, round(invite.expires_at - now)),
            follower=follower,
            confirm=state is InviteState.SCANNED and invite.confirm_until > now,
        )


def scene_of(code: str) -> str:
    """The scene of an invite's parametric code: letters and digits (platform document, 5)."""
    return f"{SCENE}{code}"


def scene_secret(scene: str) -> str:
    """The secret in an invite's scene; "" where the scene is none of an invite."""
    found = re.fullmatch(rf"{SCENE}([0-9A-Za-z]{{{secret.LENGTH}}})", scene)
    return found[1] if found else ""


def crowded(conn: sqlite3.Connection, invite_id: str) -> bool:
    """Whether as many phones as may have said yes to an invite already, by either route."""
    return consents.count(conn, invite_id) >= PHONES_PER_INVITE


def digits_purpose(invite_id: str, consent: bytes) -> str:
    """What the six digits are derived for that the phone of this consent shows."""
    return f"digits {invite_id} {consent.hex()}"


def stands(conn: sqlite3.Connection, invite: Invite, *, now: float) -> bool:
    """Whether a phone can still complete the invite: it is open and in time, and held."""
    return invite.state.open and invite.expires_at > now and held(conn, invite, now=now)


def held(conn: sqlite3.Connection, invite: Invite, *, now: float) -> bool:
    """Whether there is still whoever asked for the invite: the session has not been ended, or the
    program's key holds; and the account is not disabled."""
    if invite.api_key_id is None:
        return sessions.find(conn, invite.session, seen_after=0, created_after=0) is not None
    key = api_keys.find(conn, invite.api_key_id)
    account = accounts.find(conn, invite.account_id)
    if key is None or account is None or account.disabled_at is not None:
        return False
    if key.created_at > invite.created_at:
        return False  # that key is over, and its name with its row has gone to another one
    # Who has got a password since then is asked for it before their binding is replaced.
    return key.holds(now) and not (invite.replace and account.password)
