"""Bindings: which account belongs to which WeChat; made, ended, restored, and told of."""

import logging
import sqlite3
import unicodedata
from dataclasses import dataclass

from wx import secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import Refused
from wx.model import Account, Binding, Browser, Follower, Invite, InviteState
from wx.service.outbox import Outbox
from wx.service.speech import Translate
from wx.store import accounts, bindings, followers, invites, sessions
from wx.store.database import Database

log = logging.getLogger(__name__)

UNDO_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Joined:
    """What a wish to bind came to: ``outcome`` is "bound", or why not. ``binding_id`` is the
    binding that was made, ``replaced`` the one whose place it takes."""

    outcome: str
    binding_id: int | None = None
    replaced: Binding | None = None


class Bindings:
    """What is bound to what. The methods that take a connection are pieces of a transaction.

    Args:
        key: the server's own key; the undo links are derived from it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        outbox: Outbox,
        *,
        key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._config = config
        self._outbox = outbox
        self._key = key

    async def of_account(self, account: Account) -> Binding | None:
        """The account's present binding."""
        return await self._database.read(
            lambda conn: bindings.find_of_account(conn, self._config.app_id, account.id)
        )

    async def of_name(self, name: str) -> tuple[Account, Binding | None]:
        """The account of this name, and its present binding.

        Raises:
            Refused: 404, there is no such account.
        """
        app_id = self._config.app_id
        return await self._database.read(lambda conn: find_by_name(conn, app_id, name))

    def window(self, follower: Follower) -> tuple[int, float | None]:
        """How many customer-service messages the follower's windows still allow, and until when."""
        now = self._clock.now()
        windows = (
            (follower.window_left, follower.window_ends_at),
            (follower.brief_left, follower.brief_ends_at),
        )
        open_ones = [(left, ends_at) for left, ends_at in windows if left > 0 and ends_at > now]
        return (
            sum(left for left, _ in open_ones),
            max((ends_at for _, ends_at in open_ones), default=None),
        )

    def of_follower(
        self, conn: sqlite3.Connection, follower_id: int
    ) -> tuple[Binding, Account] | None:
        """The follower's present binding and its account."""
        binding = bindings.find_of_follower(conn, self._config.app_id, follower_id)
        account = accounts.find(conn, binding.account_id) if binding else None
        return (binding, account) if binding and account else None

    def end_of_follower(
        self, conn: sqlite3.Connection, follower_id: int, *, route: str, now: float
    ) -> tuple[Binding, Account] | None:
        """End the follower's present binding, by themselves ("chat") or because their WeChat was
        given up ("cancelled"); what it was. The caller logs it, once it is on disk."""
        bound = self.of_follower(conn, follower_id)
        if bound:
            # Nobody did that on the phone: the platform told us that there is none any more.
            who = "the platform" if route == "cancelled" else "the phone"
            self._end(conn, bound[0], route=route, who=who, browser=Browser(), now=now)
        return bound

    async def remove(self, account: Account, browser: Browser, *, translate: Translate) -> bool:
        """Unbind the account; False if it was not bound."""
        now = self._clock.now()
        # Without a link to undo it: whoever was unbound must not bind themselves again.
        text = translate("%(account)s: unbound from %(site)s")

        def work(conn: sqlite3.Connection) -> Binding | None:
            present = bindings.find_of_account(conn, self._config.app_id, account.id)
            if present:
                self._end(conn, present, route="page", who=account.name, browser=browser, now=now)
                self._tell(conn, present.follower.id, account, text, now=now)
            return present

        ended = await self._database.write(work)
        if ended is None:
            return False
        log.info("account %s unbound at its page", account.name)
        self._outbox.changed([account.id])
        return True

    async def ended_by(self, account: Account) -> str:
        """By which route the account's last binding ended, if that was within a day: "page" (it can
        be restored), "undo" or "chat" (at the phone), "cancelled" (the WeChat account is gone);
        else ""."""
        after = self._clock.now() - UNDO_SECONDS
        app_id = self._config.app_id
        ended = await self._database.read(
            lambda conn: bindings.find_ended(conn, app_id, account.id, ended_after=after)
        )
        return ended[1] if ended else ""

    async def restore(self, account: Account, browser: Browser, *, translate: Translate) -> None:
        """Undo :meth:`remove`; the follower is told.

        Raises:
            Refused: 410 there is nothing to restore; 409 one of the two is bound otherwise now.
        """
        now = self._clock.now()
        app_id = self._config.app_id

        text = translate("%(account)s: bound to %(site)s")

        def work(conn: sqlite3.Connection) -> None:
            after = now - UNDO_SECONDS
            ended = bindings.find_ended(conn, app_id, account.id, ended_after=after)
            if ended is None or ended[1] != "page":
                raise _no_undo()
            last = ended[0]
            if bindings.find_of_follower(conn, app_id, last.follower.id):
                raise taken()
            binding_id = self._add(
                conn, account, last.follower.id, what="restored", route="page", browser=browser,
                now=now,
            )  # fmt: skip
            self._tell(conn, last.follower.id, account, text, binding_id=binding_id, now=now)

        await self._database.write(work)
        log.info("account %s bound again at its page", account.name)
        self._outbox.changed([account.id])

    def undo_secret(self, binding_id: int) -> str:
        """What the undo link of a binding carries."""
        return secret.derive(self._key, undo_purpose(binding_id))

    def undoable(self, conn: sqlite3.Connection, binding_id: int, *, now: float) -> bool:
        """Whether the undo link of a binding still works."""
        digest = secret.digest(self.undo_secret(binding_id))
        return bindings.find_undo(conn, digest, now=now) is not None

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

        def work(conn: sqlite3.Connection) -> Binding:
            binding = bindings.find_undo(conn, digest, now=now)
            if binding is None:
                raise _no_undo()
            bindings.mark_undo_used(conn, digest, now=now)
            self._end(conn, binding, route="undo", who="the phone", browser=browser, now=now)
            return binding

        ended = await self._database.write(work)
        log.info("binding %d ended by its undo link", ended.id)
        self._outbox.changed([ended.account_id])

    async def purge(self) -> None:
        """Forget what nobody can undo any more, and the people it was about."""
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> None:
            bindings.purge_undos(conn, now=now)
            followers.purge(conn, ended_before=now - UNDO_SECONDS)

        await self._database.write(work)

    def obstacle(self, conn: sqlite3.Connection, invite: Invite, follower_id: int) -> str:
        """Why this follower cannot be bound by this invite: "taken", "already-bound"; "" if they
        can."""
        return self._obstacle(conn, invite.account_id, follower_id, replace=invite.replace)

    def join(
        self,
        conn: sqlite3.Connection,
        invite: Invite,
        account: Account,
        follower_id: int,
        *,
        route: str,
        now: float,
    ) -> Joined:
        """Use an open invite up: bind its account to the follower, or settle why not."""
        joined = self.bind(
            conn,
            account,
            follower_id,
            replace=invite.replace,
            route=route,
            browser=invite.browser,
            now=now,
        )
        if joined.outcome == "bound":
            invites.mark(conn, invite.id, InviteState.BOUND, follower_id=follower_id)
        else:
            invites.mark(conn, invite.id, InviteState.TAKEN)
        return joined

    def bind(
        self,
        conn: sqlite3.Connection,
        account: Account,
        follower_id: int,
        *,
        replace: bool,
        route: str,
        browser: Browser,
        now: float,
    ) -> Joined:
        """Bind the account to the follower, or say why not. The caller has made sure that both
        want it, and calls :meth:`tell_joined`.

        Args:
            replace: the password was given for ending the account's present binding.
            browser: where the account's owner asked for it.
        """
        obstacle = self._obstacle(conn, account.id, follower_id, replace=replace)
        if obstacle:
            return Joined(obstacle)
        mine = bindings.find_of_account(conn, self._config.app_id, account.id)
        if mine and mine.follower.id == follower_id:
            return Joined("bound", mine.id)  # to the same WeChat, again: nothing changes
        if mine:
            self._end(conn, mine, route="replaced", who=account.name, browser=browser, now=now)
        binding_id = self._add(
            conn, account, follower_id, what="bound", route=route, browser=browser, now=now
        )
        return Joined("bound", binding_id, mine)

    def tell_joined(
        self,
        conn: sqlite3.Connection,
        account: Account,
        follower_id: int,
        joined: Joined,
        translate: Translate,
        *,
        now: float,
    ) -> None:
        """Tell the follower who is bound now, and the one who was before; in the same transaction,
        so that nobody is bound without a word. The caller calls :meth:`told` afterwards."""
        if joined.replaced:
            text = translate("%(account)s: unbound from %(site)s")
            self._tell(conn, joined.replaced.follower.id, account, text, now=now)
        if joined.binding_id is not None:
            text = translate("%(account)s: bound to %(site)s")
            self._tell(conn, follower_id, account, text, binding_id=joined.binding_id, now=now)

    def told(self, account: Account) -> None:
        """What became of the account's binding, with what :meth:`tell_joined` keeps, is on disk:
        its open pages hear of it."""
        self._outbox.changed([account.id])

    def _obstacle(
        self, conn: sqlite3.Connection, account_id: int, follower_id: int, *, replace: bool
    ) -> str:
        theirs = bindings.find_of_follower(conn, self._config.app_id, follower_id)
        if theirs and theirs.account_id != account_id:
            return "taken"
        mine = bindings.find_of_account(conn, self._config.app_id, account_id)
        if mine and mine.follower.id != follower_id and not replace:
            return "already-bound"
        return ""

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
        # Whoever came in by this WeChat is out: it may have been bound by somebody else's doing.
        sessions.remove_of_follower(conn, binding.follower.id)
        bindings.add_event(
            conn, binding.id, "ended", route=route, who=who, browser=browser, now=now
        )

    def _tell(
        self,
        conn: sqlite3.Connection,
        follower_id: int,
        account: Account,
        text: str,
        *,
        binding_id: int | None = None,
        now: float,
    ) -> None:
        """Tell the follower on WeChat, with a link that undoes the binding where there is one."""
        undo = {}
        if binding_id is not None:
            url = f"{self._config.public_url}/undo/{secret.MARK}"
            undo = {"url": url, "hidden": undo_purpose(binding_id)}
        message = text % {"account": account.name, "site": self._config.site_name}
        self._outbox.tell(
            conn, account, follower_id, message, binding_id=binding_id, now=now, **undo
        )


def find_by_name(
    conn: sqlite3.Connection, app_id: str, name: str
) -> tuple[Account, Binding | None]:
    """The account of this name, and its present binding.

    Raises:
        Refused: 404, there is no such account.
    """
    account = accounts.find_by_name(conn, unicodedata.normalize("NFC", name))
    if account is None:
        raise Refused(
            404,
            "unknown-account",
            "There is no such account: %(names)s",
            hint="Look at the names with: wxbind account list",
            names=name[:64],
        )
    return account, bindings.find_of_account(conn, app_id, account.id)


def undo_purpose(binding_id: int) -> str:
    """What the secret of a binding's undo link is derived for."""
    return f"undo {binding_id}"


def taken() -> Refused:
    """The refusal where the follower is bound to another account."""
    return Refused(409, "taken", "This WeChat is bound to another account.")


def _no_undo() -> Refused:
    return Refused(410, "undo-over", "This can no longer be undone.")
