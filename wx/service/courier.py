"""The courier: takes what is due out of the outbox, hands it to the platform, and writes down what
became of it.

One turn is one transaction: what came back is settled, and what is due is claimed. So a notice that
is claimed is on its way, one that is not was not begun, and a crash leaves no third case.
"""

import asyncio
import logging
import random
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial

from wx import failpoint
from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, Remedy, StorageUnavailable
from wx.logs import where
from wx.model import Follower, Notice, NoticeState
from wx.protocol.errcode import clause
from wx.service.channel import CUSTOM, SUBSCRIBE, TEMPLATE, WINDOW_SHUT, Choice
from wx.service.outbox import Outbox
from wx.service.receipts import unnumbered
from wx.store import followers, outbox, subscriptions
from wx.store.database import Database, apart
from wx.wechat.messages import Messages

log = logging.getLogger(__name__)

AT_ONCE = 20  # calls under way
SEND_SECONDS = 40  # that a call may take, with the access token that it may have to wait for
CLOSE_SECONDS = 5
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 3600.0  # seconds between two tries; it doubles
# The platform delivers one client_msg_id once within ten minutes (platform document, 4.1); a minute
# is for the call itself.
SURE_SECONDS = 540
JUMP_SECONDS = 5.0  # by which the wall clock may run away from the steady one
MINUTE_RATE, DAY_QUOTA = 45011, 45009
RATE_SECONDS, TROUBLE_SECONDS = 60.0, 300.0
_CHINA = timezone(timedelta(hours=8))

# What the platform's refusals mean (platform document, 4 and 11).
NOT_FOLLOWING = {43004, 46004, 50005, 10700}
BLOCKED = {43019, 48002, 62751, 10703}
NOT_SUBSCRIBED = 43101
NO_TEMPLATE = {40036, 40037}
NO_RIGHT = {48001, 48004, 48008}
BARRED_SECONDS = 3600.0
FAULT_SECONDS = 60.0  # after a fault of our own, whose end nobody tells us


@dataclass(slots=True)
class _Job:
    """A notice on its way, and what came of it: ``platform_id``, or ``error``; neither is a call
    that was cut off."""

    notice: Notice  # as it was claimed, before this call was counted
    follower: Follower
    choice: Choice
    platform_id: str | None = None
    error: PlatformError | None = None


@dataclass(slots=True)
class _Turn:
    """What a transaction came to."""

    jobs: list[_Job] = field(default_factory=list)
    concerned: set[int] = field(default_factory=set)  # accounts
    followers: set[int] = field(default_factory=set)  # whose next notice may leave
    counted: list[tuple[str, str]] = field(default_factory=list)  # channel and state
    lines: list[tuple[int, str]] = field(default_factory=list)  # of the log
    after: list[Callable[[], None]] = field(default_factory=list)  # once it is on disk
    last: int = 0  # the number of the last notice that was kept
    jump: float = 0.0  # of the wall clock, in seconds

    def add(self, piece: "_Turn") -> None:
        """What one notice's piece of the transaction came to."""
        self.jobs += piece.jobs
        self.concerned |= piece.concerned
        self.followers |= piece.followers
        self.counted += piece.counted
        self.lines += piece.lines
        self.after += piece.after


class Courier:
    """Delivers. :meth:`look` is a timer's; :meth:`close` ends everything.

    Args:
        woken: set whenever something may leave.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        door: Outbox,
        messages: Messages,
        *,
        woken: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._config = config
        self._outbox = door
        self._messages = messages
        self._woken = woken
        self._under_way: dict[int, asyncio.Task[None]] = {}  # by the notice's number
        self._back: list[_Job] = []  # came back, not written down yet
        self._closed_until: dict[str, float] = {}  # by channel, monotonic
        self._closed_by: dict[str, int | None] = {}  # by channel: the platform's number for why
        self._version = 0  # of what other processes have written
        self._barred_until: dict[str, float] = {}
        self._offset = clock.now() - clock.monotonic()
        self._last = 0  # the number of the last notice by that offset
        self._running: asyncio.Task[None] | None = None
        self._stopping = False
        self.calls = 0

    async def start(self) -> None:
        """Settle what a crash has left on its way, and begin to deliver.

        Raises:
            StorageUnavailable: the outbox could not be read.
        """
        self._last = await self._database.write(self._recover)
        self._version = await self._database.changed_elsewhere()
        self._running = asyncio.create_task(self._run(), name="courier")

    async def look(self) -> None:
        """Look whether something is due: time alone wakes nobody, and neither does another
        process."""
        version = await self._database.changed_elsewhere()
        if version != self._version:
            last = self._last
            self._version = version
            self._outbox.changed(
                await self._database.read(lambda conn: outbox.list_accounts_after(conn, last))
            )
        self._woken.set()

    def pauses(self) -> dict[str, tuple[float, int | None]]:
        """The channels that are closed for a while: for how many seconds more, and the platform's
        number for why."""
        left = self._running_on(self._closed_until)
        return {channel: (seconds, self._closed_by[channel]) for channel, seconds in left.items()}

    async def close(self) -> None:
        """Begin nothing more, wait for what is under way, for a bounded time, and write it down."""
        self._stopping = True
        self._woken.set()
        if self._running:
            # Not cancelled: what it claims meanwhile has to be sent, or it would stay in doubt.
            await asyncio.wait([self._running], timeout=CLOSE_SECONDS)
        if self._under_way:
            _, late = await asyncio.wait(self._under_way.values(), timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._back:
            try:
                await self._turn()
            except StorageUnavailable as error:
                # They are found "sending" at the next start, and settled then.
                log.error("what was sent at last could not be written down: %s", error)

    async def _run(self) -> None:
        while not self._stopping:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._take_turns()
            except StorageUnavailable as error:
                log.error("the outbox stands still: %s", error)
            except Exception as error:
                log.error("the outbox stands still for a moment: %s", where(error))

    async def _take_turns(self) -> None:
        """Turn after turn, while there is something to write down or to claim."""
        while (
            self._back
            or self._jump()
            or (len(self._under_way) < AT_ONCE and await self._anything_due())
        ):
            if not await self._turn():
                return

    async def _anything_due(self) -> bool:
        now = self._clock.now()
        return await self._database.read(lambda conn: outbox.is_anything_due(conn, now=now))

    async def _turn(self) -> bool:
        """Write down what came back, claim what is due, and send it; whether anything was done."""
        back, self._back = self._back, []
        room = 0 if self._stopping else AT_ONCE - len(self._under_way)
        closed, barred = self._running_on(self._closed_until), self._running_on(self._barred_until)
        work = partial(self._write, back, room, closed, frozenset(barred))
        try:
            turn = await self._database.write(work)
        except BaseException:
            self._back = back + self._back
            raise
        self._last = turn.last
        if jump := turn.jump:
            self._offset += jump
            log.warning("the clock has jumped by %.0f s: what waits goes by the new time", jump)
        if back:
            failpoint.here("after-commit")
        if turn.jobs:
            failpoint.here("outbox-after-claim")
        # First: what is claimed must be sent, whatever goes wrong here.
        for job in turn.jobs:
            task = asyncio.create_task(self._send(job), name=f"notice {job.notice.id}")
            self._under_way[job.notice.number] = task
        for level, line in turn.lines:
            log.log(level, line)
        for one in turn.counted:
            self._outbox.settled[one] += 1
        for act in [lambda: self._outbox.changed(turn.concerned), *turn.after]:
            try:
                act()
            except Exception as error:  # it is on disk all the same, and the others are told
                log.error("what has changed in the outbox was not told: %s", where(error))
        return bool(back or jump or turn.jobs or turn.concerned)

    def _jump(self) -> float:
        """By how much the wall clock has jumped since the last turn, in seconds."""
        jump = self._clock.now() - self._clock.monotonic() - self._offset
        return jump if abs(jump) >= JUMP_SECONDS else 0.0

    def _running_on(self, until: dict[str, float]) -> dict[str, float]:
        """Those of the channels whose time is not over, with the seconds that are left."""
        now = self._clock.monotonic()
        return {channel: end - now for channel, end in until.items() if end > now}

    # The transaction

    def _write(
        self,
        back: list[_Job],
        room: int,
        closed: Mapping[str, float],
        barred: Collection[str],
        conn: sqlite3.Connection,
    ) -> _Turn:
        # Both here: the transaction may have waited, and the clock jumped meanwhile.
        turn, now = _Turn(jump=self._jump()), self._clock.now()
        if turn.jump:
            outbox.mark_shifted(conn, turn.jump, last=self._last, now=now)
        for job in back:
            if failure := self._apart(conn, turn, partial(self._settle, job=job, now=now)):
                self._lost(conn, job, failure, turn, now=now)
        for notice in outbox.mark_expired(conn, now=now):
            self._ended(notice, notice.state, notice.reason, turn)
        claimed = outbox.claim_due(conn, now=now, limit=room) if room > 0 else []
        known = followers.find_all(conn, (one.follower_id for one in claimed))
        for notice in claimed:
            turn.concerned.add(notice.account_id)
            begin = partial(
                self._begin,
                notice=notice,
                follower=known.get(notice.follower_id),
                closed=closed,
                barred=barred,
                now=now,
            )
            if failure := self._apart(conn, turn, begin):
                self._set_aside(conn, notice, failure, now=now)
        outbox.mark_next_due(conn, turn.followers, now=now)
        turn.last = outbox.find_last(conn)
        return turn

    def _apart(
        self,
        conn: sqlite3.Connection,
        turn: _Turn,
        work: Callable[[sqlite3.Connection, _Turn], None],
    ) -> Exception | None:
        """Do one notice's piece of the transaction; its failure, if any. A fault of our own undoes
        that piece alone, and does not hold up all the others."""
        piece = _Turn()
        _, failure = apart(conn, lambda conn: work(conn, piece))
        if failure is None:
            turn.add(piece)
        return failure

    def _lost(
        self, conn: sqlite3.Connection, job: _Job, failure: Exception, turn: _Turn, *, now: float
    ) -> None:
        """We failed to write down what came of a call: it was made, and must not be made again."""
        log.error("notice %s: not written down: %s", job.notice.id, where(failure))
        state, reason = NoticeState.UNKNOWN, "doubt"
        outbox.mark_settled(conn, job.notice.number, state, reason=reason, errcode=None, now=now)
        self._ended(job.notice, state, reason, turn, channel=job.choice.channel)

    def _set_aside(
        self, conn: sqlite3.Connection, notice: Notice, failure: Exception, *, now: float
    ) -> None:
        """We failed to send a notice on its way: again when it has waited twice as long."""
        log.error("notice %s: not begun: %s", notice.id, where(failure))
        pause = min(now - notice.created_at, LONGEST_PAUSE)
        due_at = max(self._before_doubt(notice, now + pause), now + FAULT_SECONDS)
        outbox.mark_put_off(conn, notice.number, due_at=due_at, errcode=notice.errcode)

    def _begin(
        self,
        conn: sqlite3.Connection,
        turn: _Turn,
        *,
        notice: Notice,
        follower: Follower | None,
        closed: Mapping[str, float],
        barred: Collection[str],
        now: float,
    ) -> None:
        """Send a claimed notice on its way, or settle why not."""
        if notice.expires_at <= now:
            self._end(conn, notice, NoticeState.EXPIRED, "expired", turn, now=now)
            return
        obstacle = self._outbox.obstacle(conn, notice)
        if follower is None or obstacle:
            self._end(conn, notice, NoticeState.FAILED, obstacle or "unbound", turn, now=now)
            return
        if self._in_doubt(notice, now=now):
            self._end(conn, notice, NoticeState.UNKNOWN, "doubt", turn, now=now)
            return
        choice = self._outbox.choice(conn, notice, follower, closed=closed, barred=barred, now=now)
        if choice.reason:
            if choice.problem:
                turn.lines.append((logging.WARNING, f"notice {notice.id}: {choice.problem}"))
            self._end(conn, notice, NoticeState.FAILED, choice.reason, turn, now=now)
            return
        if not choice.channel:
            due_at = now + min(closed[one] for one in choice.waits) + _spread(30)
            due_at = self._before_doubt(notice, due_at)
            errcode = self._closed_by.get(choice.waits[0])
            outbox.mark_put_off(conn, notice.number, due_at=due_at, errcode=errcode)
            return
        outbox.mark_channel(conn, notice.number, choice.channel, choice.why)
        turn.jobs.append(_Job(notice, follower, choice))

    def _before_doubt(self, notice: Notice, due_at: float) -> float:
        """No later than when it would stay in doubt."""
        if notice.doubt_at is None:
            return due_at
        return min(due_at, notice.doubt_at + SURE_SECONDS + 1)

    def _in_doubt(self, notice: Notice, *, now: float) -> bool:
        """Whether an earlier call may have delivered the notice, and another would do so again."""
        if notice.doubt_at is None:
            return False
        if notice.channel != TEMPLATE:
            return True
        return not 0 <= now - notice.doubt_at <= SURE_SECONDS

    def _end(
        self,
        conn: sqlite3.Connection,
        notice: Notice,
        state: NoticeState,
        reason: str,
        turn: _Turn,
        *,
        errcode: int | None = None,
        channel: str = "",
        now: float,
    ) -> None:
        """Nothing more is tried. What an earlier call may have delivered stays in doubt, whatever
        stands in the way now."""
        if notice.doubt_at is not None:
            state, reason = NoticeState.UNKNOWN, "doubt"
        outbox.mark_settled(conn, notice.number, state, reason=reason, errcode=errcode, now=now)
        self._ended(notice, state, reason, turn, channel=channel)

    def _ended(
        self, notice: Notice, state: NoticeState, reason: str, turn: _Turn, *, channel: str = ""
    ) -> None:
        turn.concerned.add(notice.account_id)
        turn.followers.add(notice.follower_id)
        turn.counted.append((channel or notice.channel, state))
        turn.lines.append((logging.INFO, f"notice {notice.id} {state}: {reason}"))

    def _settle(self, conn: sqlite3.Connection, turn: _Turn, *, job: _Job, now: float) -> None:
        """Write down what came of a call."""
        notice, channel = job.notice, job.choice.channel
        turn.concerned.add(notice.account_id)
        if job.platform_id is not None:
            self._sent(conn, job, turn, now=now)
            return
        error = job.error
        if error is None or (error.errcode is None and not error.unsent):
            self._doubtful(conn, job, turn, now=now)
            return
        if error.unsent or error.remedy in (Remedy.RETRY, Remedy.NEW_ACCESS_TOKEN):
            self._again(conn, job, now=now)
            return
        if error.remedy is Remedy.PAUSE:
            # The channel is closed for a while: the next claim finds another way, or waits.
            outbox.mark_again(conn, notice.number, due_at=now, errcode=error.errcode)
            return
        self._refused(conn, job, error, turn, channel=channel, now=now)

    def _sent(self, conn: sqlite3.Connection, job: _Job, turn: _Turn, *, now: float) -> None:
        notice, channel = job.notice, job.choice.channel
        platform_id = job.platform_id or ""
        # A chat message has no receipt, and neither has a template message without a number.
        final = channel == CUSTOM or (channel == TEMPLATE and not platform_id)
        self._use(conn, job)
        outbox.mark_sent(conn, notice.number, platform_id=platform_id, final=final, now=now)
        turn.followers.add(notice.follower_id)
        turn.counted.append((channel, NoticeState.SENT))
        receipt = outbox.use_receipt(conn, platform_id or unnumbered(notice))
        if receipt:
            outbox.settle_by_receipt(conn, receipt, number=notice.number, now=now)
            turn.counted.append((channel, receipt.state))
        turn.lines.append(
            (logging.INFO, f"notice {notice.id} sent as {channel}, message {platform_id or '-'}")
        )

    def _use(self, conn: sqlite3.Connection, job: _Job) -> None:
        """Count what the platform has taken, or may have: it takes only so many. What it has not
        taken uses nothing up, however often it is tried."""
        if job.choice.channel == CUSTOM:
            began = job.notice.claimed_at or 0.0
            followers.mark_message_used(conn, job.follower.id, now=began)
        elif job.choice.channel == SUBSCRIBE:
            subscriptions.mark_used(conn, job.follower.id, job.choice.template_id)

    def _doubtful(self, conn: sqlite3.Connection, job: _Job, turn: _Turn, *, now: float) -> None:
        """Nobody knows whether the platform has taken it."""
        self._use(conn, job)
        notice, error = job.notice, job.error
        began = notice.claimed_at or now
        errcode = error.errcode if error else None
        if job.choice.channel == TEMPLATE:
            end = (notice.doubt_at or began) + SURE_SECONDS + 1  # it stays in doubt after that
            due_at = min(now + _pause(notice.attempts + 1), max(now, end))
            outbox.mark_again(conn, notice.number, due_at=due_at, errcode=errcode, doubtful=True)
            return
        self._end(
            conn,
            notice,
            NoticeState.UNKNOWN,
            "doubt",
            turn,
            errcode=errcode,
            channel=job.choice.channel,
            now=now,
        )

    def _again(self, conn: sqlite3.Connection, job: _Job, *, now: float) -> None:
        """The platform has not taken it, and may do so later."""
        error = job.error
        outbox.mark_again(
            conn,
            job.notice.number,
            due_at=now + _pause(job.notice.attempts + 1),
            errcode=error.errcode if error else None,
        )

    def _refused(
        self,
        conn: sqlite3.Connection,
        job: _Job,
        error: PlatformError,
        turn: _Turn,
        *,
        channel: str,
        now: float,
    ) -> None:
        """The platform will not take it like this."""
        notice, errcode = job.notice, error.errcode
        shut = channel == CUSTOM and errcode in WINDOW_SHUT
        barred = channel == CUSTOM and errcode in NO_RIGHT and notice.wish == "auto"
        if shut:
            followers.mark_window_closed(conn, notice.follower_id)
        if shut or barred:
            # At once: the next claim finds another way, or says that there is none.
            outbox.mark_again(conn, notice.number, due_at=now, errcode=errcode)
            return
        reason = "platform"
        # Without the webhook nobody tells us when they are back, so each notice has to try.
        told = bool(self._config.webhook_token)
        if errcode in NOT_FOLLOWING:
            reason = "not-following"
            if told:
                followers.mark_left(conn, notice.follower_id)
        elif errcode in BLOCKED:
            reason = "blocked"
            if told:
                followers.mark_blocked(conn, notice.follower_id, at=now)
        elif errcode == NOT_SUBSCRIBED and channel == SUBSCRIBE:
            reason = "not-subscribed"
            subscriptions.mark_none_left(conn, notice.follower_id, job.choice.template_id)
        elif errcode in NO_TEMPLATE:
            reason = "unknown-template"
        self._end(
            conn,
            notice,
            NoticeState.FAILED,
            reason,
            turn,
            errcode=errcode,
            channel=channel,
            now=now,
        )
        if reason in ("not-following", "blocked"):
            turn.after.append(
                self._outbox.give_up(conn, notice.follower_id, reason=reason, now=now)
            )

    def _recover(self, conn: sqlite3.Connection) -> int:
        """What was on its way when the process ended may have arrived: what can be sent again
        without a second copy is, all else stays in doubt. The number of the last notice."""
        now, turn = self._clock.now(), _Turn()
        for notice in outbox.list_sending(conn):
            if notice.channel == TEMPLATE:
                outbox.mark_again(
                    conn,
                    notice.number,
                    due_at=now,
                    errcode=notice.errcode,
                    doubtful=True,
                )
                log.info("notice %s was on its way: sent again", notice.id)
            else:
                self._end(conn, notice, NoticeState.UNKNOWN, "doubt", turn, now=now)
                log.warning("notice %s was on its way, and may have arrived", notice.id)
        outbox.mark_next_due(conn, turn.followers, now=now)
        outbox.mark_resumed(conn, now=now)
        return outbox.find_last(conn)

    # The call

    async def _send(self, job: _Job) -> None:
        self.calls += 1
        try:
            failpoint.here("before-send")
            async with asyncio.timeout(SEND_SECONDS):
                job.platform_id = await self._call(job)
            failpoint.here("after-send-before-commit")
        except PlatformError as error:
            job.error = error
            self._learn(job, error)
        except TimeoutError:
            log.warning("notice %s: no answer in %d s", job.notice.id, SEND_SECONDS)
        except asyncio.CancelledError:
            log.warning("notice %s: cut off by the stop", job.notice.id)
        except Exception as error:
            log.error("notice %s: the call failed: %s", job.notice.id, where(error))
        finally:
            self._under_way.pop(job.notice.number, None)
            self._back.append(job)
            self._woken.set()

    async def _call(self, job: _Job) -> str:
        """Hand it to the platform; its number of the message, "" for none."""
        notice, choice, openid = job.notice, job.choice, job.follower.profile.openid
        if choice.channel == CUSTOM:
            await self._messages.send_text(openid, choice.text)
            return ""
        if choice.channel == SUBSCRIBE:
            return await self._messages.send_subscription(
                openid, choice.template_id, choice.fields, url=choice.url
            )
        return await self._messages.send_template(
            openid, choice.template_id, choice.fields, url=choice.url, client_msg_id=notice.id
        )

    def _learn(self, job: _Job, error: PlatformError) -> None:
        """Remember what a failure says beyond this one notice."""
        channel, now = job.choice.channel, self._clock.monotonic()
        advice = clause(error.errcode)
        log.info("notice %s not taken as %s: %s%s", job.notice.id, channel, error, advice)
        if error.errcode in NO_RIGHT and channel == CUSTOM:
            self._barred_until[channel] = now + BARRED_SECONDS
        if error.remedy is not Remedy.PAUSE or error.unsent:
            return
        seconds = TROUBLE_SECONDS
        if error.errcode == MINUTE_RATE:
            seconds = RATE_SECONDS
        elif error.errcode == DAY_QUOTA:
            seconds = _to_midnight(self._clock.now())
        self._closed_until[channel] = max(self._closed_until.get(channel, 0.0), now + seconds)
        self._closed_by[channel] = error.errcode
        log.warning("sending as %s pauses for %.0f s: %s%s", channel, seconds, error, advice)


def _pause(attempts: int) -> float:
    """Seconds to the next try, after so many."""
    pause = min(FIRST_PAUSE * 2.0 ** min(max(attempts - 1, 0), 30), LONGEST_PAUSE)
    return pause * random.uniform(0.75, 1.25)


def _spread(seconds: float) -> float:
    return random.uniform(0, seconds)


def _to_midnight(now: float) -> float:
    """Seconds until the platform's day ends (platform document, 0: China time)."""
    here = datetime.fromtimestamp(now, _CHINA)
    tomorrow = (here + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - here).total_seconds() + 1
