"""Followers: who follows the account, since when, how they came, and when they last acted."""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError
from wx.model import Follower, Profile
from wx.protocol.incoming import (
    AuthorizationChange,
    Click,
    Incoming,
    Message,
    Scan,
    ScanCode,
    Subscribe,
    Unsubscribe,
    acted,
)
from wx.service import scan_login
from wx.service.authorization import Authorizations
from wx.service.background import Background
from wx.service.binding import Bindings
from wx.service.invites import scene_secret
from wx.service.outbox import Outbox
from wx.store import followers
from wx.store.database import Database
from wx.store.followers import Act
from wx.wechat.users import Users

log = logging.getLogger(__name__)

ASKED_AT_ONCE = 20
ASKED_IN_ALL = 100_000  # people who are remembered; the oldest make room
ASK_AGAIN_SECONDS = 3600
NO_RIGHT = 48001  # to know anything of its followers (platform document, 11)
FUTURE_SECONDS = 600  # that the platform's clock may be ahead
# Customer-service messages that an act allows, and for how many seconds (platform document, 4.4).
MESSAGE_ALLOWS, MESSAGE_SECONDS = 5, 48 * 3600
BRIEF_ALLOWS, BRIEF_SECONDS = 3, 60


class Followers:
    """What the platform's messages tell of the people behind them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        users: Users,
        bindings: Bindings,
        outbox: Outbox,
        authorizations: Authorizations,
        background: Background,
    ) -> None:
        self._database = database
        self._clock = clock
        self._app_id = config.app_id
        self._users = users
        self._bindings = bindings
        self._outbox = outbox
        self._authorizations = authorizations
        self._background = background
        self._asking: set[int] = set()
        self._withdrawn: set[int] = set()  # of those, who took back the right to it meanwhile
        self._asked: dict[int, float] = {}  # when, on the monotonic clock; the oldest first
        self._refused = False

    def met(
        self, conn: sqlite3.Connection, messages: Sequence[Incoming], *, now: float
    ) -> list[Follower | None]:
        """The followers behind messages of different people, marked as following or not by what
        they say; None where it is nobody's, or somebody's whom we do not know and need not."""
        app_id = self._app_id
        for message in messages:
            if isinstance(message, Subscribe | Unsubscribe):
                follows, at = isinstance(message, Subscribe), _time_of(message, now)
                followers.mark_following(conn, app_id, message.sender, follows, at=at)
        acts = {
            one.sender: _act(one, at=_time_of(one, now))
            for one in messages
            if acted(one) and not isinstance(one, Unsubscribe)
        }
        known = followers.mark_acted(conn, app_id, acts)
        return [
            known.get(one.sender) or followers.find_by_openid(conn, app_id, _person(one))
            for one in messages
        ]

    def changed(
        self, conn: sqlite3.Connection, message: Incoming, follower: Follower, *, now: float
    ) -> list[Callable[[], None]]:
        """Keep what else the message tells; what is to be done once that is on disk."""
        after = self._told(conn, message, follower, now=now)
        # Looked at here, where it costs nothing: for most messages nothing is due.
        here = acted(message) and not isinstance(message, Unsubscribe)
        if here and self._authorizations.is_due(follower):
            after.append(partial(self._authorizations.came_by, follower))
        return after

    def _told(
        self, conn: sqlite3.Connection, message: Incoming, follower: Follower, *, now: float
    ) -> list[Callable[[], None]]:
        # Of two that overtook each other, the older one tells nothing that is still so.
        stale = (follower.follow_changed_at or 0) > _time_of(message, now)
        match message:
            case Subscribe() if not stale:
                return self._came(conn, message, follower)
            case Unsubscribe() if not stale:
                return self._left(conn, follower, now=now)
            case AuthorizationChange():
                return self._authorization(conn, message, follower, now=now)
        return []

    def _came(
        self, conn: sqlite3.Connection, message: Subscribe, follower: Follower
    ) -> list[Callable[[], None]]:
        # The scene of an invite or a sign-in is a right, and belongs in no table.
        right = scene_secret(message.scene) or scan_login.scene_secret(message.scene)
        scene = "" if right else message.scene[:64]
        came_by = "ADD_SCENE_QR_CODE" if message.ticket or message.scene else ""
        followers.mark_origin(conn, follower.id, came_by=came_by, scene=scene)
        bound = self._bindings.of_follower(conn, follower.id)
        return [
            partial(log.info, "follower %d follows", follower.id),
            *([partial(self._bindings.told, bound[1])] if bound else []),
            partial(self.ask, follower),
        ]

    def _left(
        self, conn: sqlite3.Connection, follower: Follower, *, now: float
    ) -> list[Callable[[], None]]:
        """Nothing more is sent to who has left, and what allowed it is over."""
        followers.mark_window_closed(conn, follower.id)
        bound = self._bindings.of_follower(conn, follower.id)
        return [
            partial(log.info, "follower %d unfollowed", follower.id),
            self._outbox.give_up(conn, follower.id, reason="not-following", now=now),
            *([partial(self._bindings.told, bound[1])] if bound else []),
        ]

    def _authorization(
        self,
        conn: sqlite3.Connection,
        message: AuthorizationChange,
        follower: Follower,
        *,
        now: float,
    ) -> list[Callable[[], None]]:
        """The person changed, took back or ended what they let us know (platform document, 3.7)."""
        if message.change == "modified":
            return [
                partial(self.ask, follower),
                partial(self._authorizations.changed, follower),
            ]
        followers.mark_revoked(conn, follower.id)
        self._authorizations.forget(conn, follower.id)
        if follower.id in self._asking:
            # Here and not afterwards: the answer may be next in line for the database.
            self._withdrawn.add(follower.id)
        told = "follower %d: authorization %s, profile forgotten"
        after = [partial(log.info, told, follower.id, message.change)]
        if message.change == "cancelled":
            ended = self._bindings.end_of_follower(conn, follower.id, route="cancelled", now=now)
            if ended:
                after.append(partial(log.info, "binding %d ended: cancelled", ended[0].id))
                after.append(partial(self._bindings.told, ended[1]))
        return [*after]

    def ask(self, follower: Follower) -> None:
        """Ask the platform, in the background, for what its events leave out: language, how they
        came, unionid. In a crowd not for everybody: there is a next time."""
        if self._can_ask(follower):
            self._asking.add(follower.id)
            self._background.spawn(self._ask(follower))

    def ask_once(self, follower: Follower) -> None:
        """:meth:`ask`, unless that was done in the last hour: there may have been no answer, and
        some answers leave the language open."""
        now = self._clock.monotonic()
        last = self._asked.get(follower.id)
        if (last is None or now - last >= ASK_AGAIN_SECONDS) and self._can_ask(follower):
            self._asked.pop(follower.id, None)  # so that it stands at the end
            self._asked[follower.id] = now
            if len(self._asked) > ASKED_IN_ALL:
                del self._asked[next(iter(self._asked))]
            self.ask(follower)

    def _can_ask(self, follower: Follower) -> bool:
        free = len(self._asking) < ASKED_AT_ONCE and follower.id not in self._asking
        return free and not self._refused

    async def _ask(self, follower: Follower) -> None:
        try:
            await self._read_details(follower)
        finally:
            self._asking.discard(follower.id)
            self._withdrawn.discard(follower.id)

    async def _read_details(self, follower: Follower) -> None:
        openid = follower.profile.openid
        try:
            info = await self._users.info(openid)
        except PlatformError as error:
            if error.errcode == NO_RIGHT:
                # An account without the right still has followers, and they can be bound.
                self._refused = True
            log.info("follower %d: details not read: %s", follower.id, error)
            return
        if not info.following:
            return
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> None:
            known = followers.find(conn, follower.id)
            if known is None or known.profile.openid != openid:
                return  # forgotten meanwhile
            if info.language:
                followers.mark_language(conn, follower.id, info.language)
            if info.came_by:
                followers.mark_origin(conn, follower.id, came_by=info.came_by, scene=known.scene)
            profile = Profile(
                openid=openid, unionid=info.unionid, nickname=info.nickname, avatar=info.avatar
            )
            if follower.id in self._withdrawn:
                return
            if info.nickname or info.avatar:
                followers.mark_profile(conn, self._app_id, profile, now=now)
            elif info.unionid:
                # Not a profile that was read: a fuller one may be due.
                followers.mark_unionid(conn, self._app_id, openid, info.unionid)

        await self._database.write(work)


def _act(message: Incoming, *, at: float) -> Act:
    """What somebody did, with the window that it opens."""
    if isinstance(message, Message):
        return Act(at, MESSAGE_ALLOWS, at + MESSAGE_SECONDS)
    if isinstance(message, Subscribe | Scan | Click | ScanCode):
        return Act(at, brief_left=BRIEF_ALLOWS, brief_ends_at=at + BRIEF_SECONDS)
    return Act(at)


def _time_of(message: Incoming, now: float) -> float:
    """When it happened. A time far ahead would hold up every later change."""
    return min(message.created_at, now + FUTURE_SECONDS)


def _person(message: Incoming) -> str:
    """Whom a message is about."""
    return message.openid if isinstance(message, AuthorizationChange) else message.sender
