"""Views: what a page elsewhere follows a program's invite by, and the making of such invites."""

import logging
import sqlite3
import unicodedata

from wx import secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import Refused
from wx.model import ApiKey, Browser, Invite
from wx.service.hub import Hub
from wx.service.invites import Invites, View, held
from wx.store import accounts, bindings, invites
from wx.store.database import Database

VIEW = "view"  # the kind of secret that a listener is let in by
# After the code's end, so that a page which was cut off hears how it ended.
AFTERWARDS_SECONDS = 300
_AUDIT_SECONDS = 30
_AUDITED_AT_ONCE = 100  # views: a few ms, so that nobody's read waits for all of thousands

log = logging.getLogger(__name__)


class Views:
    """Invites that programs ask for, to be shown by pages elsewhere. Such a page is let in by the
    view's secret, which is good for that one invite and changes nothing.

    Args:
        key: the server's own key; the views' secrets are derived from it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        hub: Hub,
        config: Config,
        invite_service: Invites,
        *,
        key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._hub = hub
        self._config = config
        self._invites = invite_service
        self._key = key
        self._version: int | None = None
        self._audited_at = clock.monotonic()

    def secret_of(self, invite_id: str) -> str:
        """What an invite is followed by."""
        return secret.derive(self._key, f"view {invite_id}")

    async def open(
        self, key: ApiKey, name: str, browser: Browser, *, fresh: bool, replace: bool
    ) -> tuple[str, View]:
        """The invite that is open for this account, key and browser, a new one if there is none;
        and the account's name as it is kept.

        Args:
            browser: from where the person asks, as the program tells it.
            fresh: end the one that is open, and make another.
            replace: the account's present binding may end by it. Where somebody signs in as the
                account it may not: they give their password for that, on their own page.

        Raises:
            Refused: 403 the key does not reach this account, 404 there is none, 409 it is bound
                already, 429 too many invites in an hour.
        """
        name = unicodedata.normalize("NFC", name)
        invite_id = secret.new_id()
        session = secret.digest(self.secret_of(invite_id))

        def work(conn: sqlite3.Connection) -> tuple[str, View, list[str]]:
            account = accounts.find_by_name(conn, name)
            if key.account_id is not None and (account is None or not key.reaches(account.id)):
                raise _not_allowed(key, name)
            if account is None or account.disabled_at is not None:
                raise _unknown_account(name)
            if bindings.find_of_account(conn, self._config.app_id, account.id):
                if account.password:
                    raise _already_bound("Whoever signs in as it can replace that on their page.")
                if not replace:
                    raise _already_bound("Say replace: true to bind it to another WeChat.")
            draft = self._invites.draft(
                account.id,
                browser,
                replace=replace and not account.password,
                session=session,
                invite_id=invite_id,
                api_key_id=key.id,
            )

            def mine(one: Invite) -> bool:
                same = one.api_key_id == key.id and one.browser == browser
                return same and held(conn, one, now=draft.created_at)

            view, over = self._invites.add(conn, draft, mine=mine, fresh=fresh)
            return account.name, view, over

        account_name, view, over = await self._database.write(work)
        self._invites.tell(over)
        log.info("invite %s shown to key %s for account %s", view.invite.id, key.name, account_name)
        return account_name, view

    async def find(self, digest: bytes) -> View:
        """How the invite stands whose view's secret has this digest.

        Raises:
            Refused: 404, it is nobody's; 410, the invite ended a while ago, or whoever asked for it
                may no longer.
        """
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> View:
            invite = invites.find_by_view(conn, digest)
            view = self._invites.view_of(conn, invite.id) if invite else None
            if view is None:
                raise Refused(404, "unknown-view", "There is no such code.")
            if not self._lasts(conn, view.invite, now):
                raise Refused(410, "view-over", "This code is over. Please make a new one.")
            return view

        return await self._database.read(work)

    async def audit(self) -> None:
        """Let go who waits with a view that is over: by time, or by another process's doing."""
        waiting = self._hub.keys(VIEW)
        if not waiting:
            return
        version = await self._database.changed_elsewhere()
        now = self._clock.monotonic()
        if version == self._version and now - self._audited_at < _AUDIT_SECONDS:
            return
        for start in range(0, len(waiting), _AUDITED_AT_ONCE):
            await self._audit(waiting[start : start + _AUDITED_AT_ONCE])
        self._version, self._audited_at = version, now

    async def _audit(self, waiting: list[bytes]) -> None:
        self._hub.end(await self._database.read(lambda conn: self._over(conn, waiting)))

    def _over(self, conn: sqlite3.Connection, views: list[bytes]) -> list[bytes]:
        now = self._clock.now()
        found = {view: invites.find_by_view(conn, view) for view in views}
        return [
            view
            for view, invite in found.items()
            if invite is None or not self._lasts(conn, invite, now)
        ]

    def _lasts(self, conn: sqlite3.Connection, invite: Invite, now: float) -> bool:
        in_time = invite.expires_at + AFTERWARDS_SECONDS > now
        return in_time and held(conn, invite, now=now)


def _already_bound(hint: str) -> Refused:
    return Refused(409, "already-bound", "This account is bound already.", hint=hint)


def _not_allowed(key: ApiKey, name: str) -> Refused:
    return Refused(
        403,
        "not-allowed",
        "This API key does not reach: %(names)s",
        hint="The key was made with --to, for one account.",
        more={"accounts": {"not_allowed": [name[:64]]}},
        names=name[:64],
        key=key.name,
    )


def _unknown_account(name: str) -> Refused:
    return Refused(
        404,
        "unknown-account",
        "There is no such account: %(names)s",
        hint="Look at the names with: wxbind account list",
        more={"accounts": {"unknown": [name[:64]]}},
        names=name[:64],
    )
