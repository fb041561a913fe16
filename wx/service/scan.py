"""Scans: a parametric code was scanned, and whoever scanned it is bound by that, or asked whether
they sign in at a computer."""

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from wx import secret
from wx.config import Config
from wx.model import Account, Follower, Invite, InviteState
from wx.protocol.incoming import Incoming, Scan, Subscribe
from wx.protocol.reply import TextReply
from wx.service.binding import Bindings, undo_purpose
from wx.service.hub import Hub
from wx.service.invites import (
    CONFIRM_SECONDS,
    Invites,
    crowded,
    digits_purpose,
    scene_secret,
    stands,
)
from wx.service.replies import Answer
from wx.service.scan_login import ScanLogins
from wx.service.speech import Speech
from wx.store import accounts, bindings, consents, invites

log = logging.getLogger(__name__)

_MESSAGES = {
    "taken": "This WeChat is bound to another account. Nothing was bound.",
    "already-bound": "This account is bound to another WeChat. Nothing was bound.",
    "used": "This code has been used. Nothing was bound; please make a new one on the page.",
    "expired": "This code is over. Nothing was bound; please make a new one on the page.",
    "crowded": "This code was used too often. Nothing was bound; please make a new one.",
}


class Scans:
    """Completes invites, and takes sign-ins on, by the events that scanning their codes gives
    (platform document, 5)."""

    def __init__(
        self,
        config: Config,
        hub: Hub,
        invite_service: Invites,
        binding_service: Bindings,
        speech: Speech,
        scan_logins: ScanLogins,
    ) -> None:
        self._config = config
        self._hub = hub
        self._invites = invite_service
        self._bindings = binding_service
        self._speech = speech
        self._scan_logins = scan_logins

    def complete(
        self,
        conn: sqlite3.Connection,
        message: Incoming,
        follower: Follower,
        *,
        now: float,
        after: list[Callable[[], None]],
    ) -> Answer | None:
        """Bind whoever scanned an invite's code, ask whoever scanned that of a sign-in; what the
        chat says. None: it is the code of neither.

        A piece of a transaction; ``after`` takes what is to be done once it is on disk.
        """
        if not isinstance(message, Subscribe | Scan):
            return None
        code = scene_secret(message.scene)
        if not code:
            return self._scan_logins.answer(conn, message, follower, now=now, after=after)
        invite = invites.find_by_secret(conn, secret.digest(code))
        account = accounts.find(conn, invite.account_id) if invite else None
        if invite is None or account is None:
            return self._say(follower, "expired")
        outcome = self._join(conn, invite, account, follower, now=now, after=after)
        after.append(partial(log.info, "invite %s scanned: %s", invite.id, outcome))
        view = self._invites.view_of(conn, invite.id)
        after.append(partial(self._hub.publish, invite.id, view))
        if outcome == "confirm":
            return self._ask_for_digits(conn, invite, follower)
        if outcome != "bound":
            return self._say(follower, outcome)
        return self._welcome(conn, invite, account, follower, now=now)

    def _join(
        self,
        conn: sqlite3.Connection,
        invite: Invite,
        account: Account,
        follower: Follower,
        *,
        now: float,
        after: list[Callable[[], None]],
    ) -> str:
        theirs = invite.follower_id == follower.id
        if invite.state is InviteState.BOUND:
            # Scanned again by whom it has bound: nothing changes, and they are told so.
            present = bindings.find_of_follower(conn, invite.app_id, follower.id)
            same = present is not None and present.account_id == invite.account_id
            return "bound" if theirs and same else "used"
        if not stands(conn, invite, now=now):
            return "expired"
        if invite.confirm_until > now:
            return "confirm" if theirs else "used"
        wants_digits = self._config.bind_confirm == "desktop"
        if wants_digits and not self._bindings.obstacle(conn, invite, follower.id):
            if crowded(conn, invite.id):
                return "crowded"
            self._await_digits(conn, invite, follower, now=now)
            return "confirm"
        joined = self._bindings.join(conn, invite, account, follower.id, route="scan", now=now)
        if joined.replaced:
            # The new one is told by the answer; the one before is told apart.
            others = replace(joined, binding_id=None)
            say = self._speech.to(joined.replaced.follower)
            self._bindings.tell_joined(conn, account, follower.id, others, say, now=now)
            after.append(partial(self._bindings.told, account))
        return joined.outcome

    def _await_digits(
        self, conn: sqlite3.Connection, invite: Invite, follower: Follower, *, now: float
    ) -> None:
        """Let the invite wait for the six digits. The scan stands for the yes, so it leaves a
        consent behind; its secrets are nobody's, because no phone comes back with them."""
        state = secret.digest(secret.new_secret())
        nobody = secret.digest(secret.new_secret())
        consents.add(conn, state, invite.id, phone=nobody, now=now, route="scan")
        consents.mark_outcome(conn, state, "confirm")
        invites.mark_confirming(
            conn, invite.id, consent=state, follower_id=follower.id, until=now + CONFIRM_SECONDS
        )

    def _ask_for_digits(
        self, conn: sqlite3.Connection, invite: Invite, follower: Follower
    ) -> Answer:
        waiting = invites.find(conn, invite.id)
        assert waiting is not None and waiting.confirm_state is not None
        say = self._speech.to(follower)
        text = say("Type these six digits into the page that shows the code: %(digits)s")
        hidden = digits_purpose(invite.id, waiting.confirm_state)
        return Answer(TextReply(text % {"digits": secret.MARK}), hidden)

    def _welcome(
        self,
        conn: sqlite3.Connection,
        invite: Invite,
        account: Account,
        follower: Follower,
        *,
        now: float,
    ) -> Answer:
        binding = bindings.find_of_follower(conn, invite.app_id, follower.id)
        assert binding is not None
        say = self._speech.to(follower)
        text = say("Bound to %(account)s of %(site)s.") % {
            "account": account.name,
            "site": self._config.site_name,
        }
        if not self._bindings.undoable(conn, binding.id, now=now):
            return Answer(TextReply(text))  # it was made more than a day ago
        link = f"{self._config.public_url}/undo/{secret.MARK}"
        undo = f'<a href="{link}">{say("This was a mistake: undo")}</a>'
        return Answer(
            TextReply(f"{text}\n{undo}\n{say('Possible for a day.')}"), undo_purpose(binding.id)
        )

    def _say(self, follower: Follower, outcome: str) -> Answer:
        return Answer(TextReply(self._speech.to(follower)(_MESSAGES[outcome])))
