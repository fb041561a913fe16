"""Pictures: those that people pick on our page or send to the chat, fetched from the platform and
kept within bounds."""

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from wx import failpoint, secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import PlatformError, Refused, Remedy, StorageUnavailable
from wx.logs import where
from wx.model import Account, Follower, Picture, PictureState
from wx.protocol.errcode import clause
from wx.protocol.incoming import Image, Incoming
from wx.service.rate import Rate
from wx.service.throttle import too_many
from wx.store import bindings, pictures
from wx.store.database import Database
from wx.store.picture_files import GIVEN_UP, PictureFile, PictureFiles
from wx.wechat.media import CONNECTIONS, Media, NoPicture

log = logging.getLogger(__name__)

MOST = 100  # pictures of one person
MEGABYTE = 1024 * 1024
PER_MINUTE = 30  # that one account may send from the page
WAIT_SECONDS = 45  # that the page may have to wait for one
FLIGHTS = 50  # that are fetched, or wait for their turn
AT_ONCE = 2  # of those from the chat, so that the page finds a connection free
CLOSE_SECONDS = 2  # what is not finished then is fetched after the next start
READERS = 8  # pictures that one browser is given at once; further ones wait for their turn
# Between two tries to fetch one from the chat; after the last there is one more, and it is given
# up. Two and a half days together: after three the platform forgets it (platform document, 9).
RETRY_SECONDS = (5, 30, 120, 600, *(hours * 3600 for hours in (1, 3, 6, 12, 18, 19)))
SURELY_NONE = 3  # times that something else came than a picture
LIFE_SECONDS = 3 * 86400
PAUSED_SECONDS = 3600  # after one that met a used-up quota
BUSY_SECONDS = 10
GONE = 40007  # there is no such media, or no more
# More rows than this, and more than this part of all, do not lose their files one by one.
LOST_ROWS = 3
LOST_PART = 0.1
TELL_SECONDS = 3600  # between two lines about the same trouble
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Unwanted(Exception):
    """Nobody wants the picture any more: it was removed, or its person forgotten."""


@dataclass(slots=True)
class Opened:
    """A picture that is being read: its kind, its size in bytes, and what it is made of."""

    kind: str
    size: int
    _file: PictureFile

    def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes, piece by piece."""
        return self._file.chunks()

    def close(self) -> None:
        """Let it go before its end."""
        self._file.close()


@dataclass(slots=True)
class _Desk:
    """One browser's reading: how many pictures it has asked for, and whose turn it is."""

    turns: asyncio.Semaphore
    asked: int = 0


class Pictures:
    """The pictures of all people. A picture belongs to the WeChat that it came from, and is shown
    to the account that this is bound to.

    A picture's file is there before its row says so, and is removed after its row: whatever a crash
    leaves is a file too many, which :meth:`sweep` removes.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        media: Media,
        files: PictureFiles,
    ) -> None:
        self._database = database
        self._clock = clock
        self._app_id = config.app_id
        self._room = config.media_megabytes * MEGABYTE
        self._media = media
        self._files = files
        self._rate = Rate(clock, per_minute=PER_MINUTE)
        self._flights: dict[tuple[int, str], asyncio.Task[Picture]] = {}  # by person and media id
        self._begun: set[tuple[int, str]] = set()  # those whose turn has come
        # From the first byte until the file is written, so that no more bodies are in memory.
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._desks: dict[object, _Desk] = {}
        self._writing: set[str] = set()  # ids whose file may be there before its row
        self._jobs: set[asyncio.Task[None]] = set()  # those of the chat
        self._look_at = 0.0  # monotonic; not before, after the database could not be used
        self._told_at = float("-inf")  # monotonic; of many files that are not there
        self._closed = False

    # For the page

    async def fetch(self, account: Account, media_id: str) -> Picture:
        """Have the picture that the account's person has just sent to the platform; the same one
        again, without another call, for a media id that is known.

        Args:
            media_id: what the JS-SDK calls ``serverId``.

        Raises:
            Refused: 400 it is no media id; 403 somebody else's; 409 not bound, or full; 410 WeChat
                has no such picture any more; 422 it is none; 429, 502, 503.
            StorageUnavailable: it could not be kept.
        """
        if not _MEDIA_ID.fullmatch(media_id):
            raise Refused(400, "bad-media-id", "This is not what WeChat calls a picture.")

        def look(conn: sqlite3.Connection) -> tuple[Follower, Picture | None]:
            follower = self._person(conn, account)
            known = pictures.find_by_media(conn, self._app_id, media_id)
            if known is None or known.state is not PictureState.KEPT:
                self._require_room(conn, follower.id, known, size=1)
            elif known.follower_id != follower.id:
                raise _not_yours()
            return follower, known

        follower, known = await self._database.read(look)
        if known and known.state is PictureState.KEPT:
            return known
        self._rate.take(account.id)
        key = follower.id, media_id
        flight = self._flight(*key, account=account)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                # Whoever goes away does not take the picture from the one who asks again.
                return await asyncio.shield(flight)
        except TimeoutError:
            raise (_late() if key in self._begun else _busy()) from None
        except asyncio.CancelledError:
            if flight.cancelled():  # by close(), and not whoever waits here
                raise _busy() from None
            raise
        except Unwanted:
            raise Refused(409, "removed", "This picture was removed meanwhile.") from None
        except NoPicture as error:
            log.info("a picture of account %s was not kept: %s", account.name, error)
            raise Refused(
                422, "no-picture", "WeChat gave something that is no JPEG, PNG or GIF picture."
            ) from error
        except PlatformError as error:
            log.warning(
                "a picture of account %s could not be fetched: %s%s",
                account.name,
                error,
                clause(error.errcode),
            )
            raise _refusal(error) from error

    async def list_of(self, account: Account) -> list[Picture]:
        """The pictures of the account's person that are kept, the newest first; none where the
        account is not bound."""

        def work(conn: sqlite3.Connection) -> list[Picture]:
            binding = bindings.find_of_account(conn, self._app_id, account.id)
            return pictures.list_kept(conn, self._app_id, binding.follower.id) if binding else []

        return await self._database.read(work)

    async def open(self, account: Account, picture_id: str) -> Opened:
        """A picture of the account's person, to be read.

        Raises:
            Refused: 404, there is none of this id that is theirs.
            StorageUnavailable: it could not be read.
        """
        picture = await self._database.read(partial(self._theirs, account, picture_id))
        file = await self._files.open(picture.id)
        if file is None:
            raise _unknown()  # removed in this moment, or its file is lost
        return Opened(picture.kind, file.size, file)

    @asynccontextmanager
    async def turn(self, browser: object) -> AsyncIterator[None]:
        """A browser's turn to read one more picture: whoever reads slowly holds a few files, and
        keeps nobody else waiting.

        Args:
            browser: what it is known by.

        Raises:
            Refused: 429, it waits for more than a person has.
        """
        desk = self._desks.setdefault(browser, _Desk(asyncio.Semaphore(READERS)))
        if desk.asked >= READERS + MOST:
            raise too_many(BUSY_SECONDS)
        desk.asked += 1
        try:
            async with desk.turns:
                yield
        finally:
            desk.asked -= 1
            if not desk.asked:
                del self._desks[browser]

    async def remove(self, account: Account, picture_id: str) -> None:
        """Remove a picture of the account's person.

        Raises:
            Refused: 404, there is none of this id that is theirs.
        """

        def work(conn: sqlite3.Connection) -> None:
            picture = self._theirs(account, picture_id, conn)
            pictures.remove(conn, [picture.id])

        await self._database.write(work)
        failpoint.here("picture-before-unlink")
        await self._unlink([picture_id])
        log.info("picture %s removed by account %s", picture_id, account.name)

    # For the chat

    def sent(
        self, conn: sqlite3.Connection, message: Incoming, follower: Follower, *, now: float
    ) -> list[Callable[[], None]]:
        """Want the picture that a message holds, if it holds one; what is to be done once that is
        on disk. A piece of the transaction that acts upon the message, and so done once."""
        if not isinstance(message, Image):
            return []
        if not _MEDIA_ID.fullmatch(message.media_id):
            return [partial(log.warning, "follower %d sent a picture of no name", follower.id)]
        if pictures.count_of(conn, self._app_id, follower.id) >= MOST:
            told = "a picture of follower %d is not kept: they have %d here"
            return [partial(log.info, told, follower.id, MOST)]
        pictures.add(
            conn,
            self._app_id,
            follower.id,
            message.media_id,
            picture_id=secret.new_id(),
            origin="chat",
            due_at=now,
            now=now,
        )
        return []

    async def look(self) -> None:
        """Begin to fetch those of the chat that are due. Waits for none of them."""
        free = AT_ONCE - len(self._jobs)
        if free <= 0 or self._closed or self._clock.monotonic() < self._look_at:
            return
        try:
            claimed = await self._claim_due(free)
        except StorageUnavailable as error:
            self._look_at = self._clock.monotonic() + BUSY_SECONDS
            log.warning("the pictures of the chat wait: %s", error)
            return
        for picture in claimed:
            if self._closed:
                return  # due again in a while, and by then there is another server
            job = asyncio.create_task(self._deliver(picture), name=f"picture {picture.id}")
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)

    async def settled(self) -> None:
        """Wait for what is being fetched, for a bounded time."""
        under_way = [*self._jobs, *self._flights.values()]
        if under_way:
            await asyncio.wait(under_way, timeout=CLOSE_SECONDS)

    async def close(self) -> None:
        """Wait as :meth:`settled` does, and end what is still under way; it is fetched after the
        next start."""
        self._closed = True
        await self.settled()
        late = [*self._jobs, *self._flights.values()]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    # For the order of the house

    async def sweep(self) -> None:
        """Make files and rows agree, and forget what never came. Whoever removes rows leaves the
        files to this, and a crash does.

        Where many files are not there, it is rather the folder that is not: then nothing of either
        is removed, until the folder is back or the operator says that they are gone."""
        before = self._clock.now() - LIFE_SECONDS
        await self._database.write(lambda conn: pictures.purge(conn, before=before))
        found = await self._files.list_all()
        there = found or set()
        # In this order: a file that is there by now and not being written has its row by now.
        busy = set(self._writing)
        kept = set(await self._database.read(pictures.list_kept_ids))
        # Looked at one by one: a picture that was kept meanwhile was not in the list.
        lost = await self._files.missing(sorted(kept - there))
        away = found is None or len(lost) > max(LOST_ROWS, LOST_PART * len(kept))
        if lost and away and not await self._files.given_up():
            self._tell_of_lost(len(lost), len(kept))
            return
        removed = await self._unlink(sorted(there - kept - busy))
        if removed:
            log.info("%d files of pictures removed that belonged to nobody", removed)
        if lost:
            await self._database.write(lambda conn: pictures.remove(conn, lost))
            log.warning("%d pictures forgotten whose files are lost", len(lost))

    # Inside

    def _tell_of_lost(self, lost: int, kept: int) -> None:
        now = self._clock.monotonic()
        if now - self._told_at < TELL_SECONDS:
            return
        self._told_at = now
        folder = self._files.folder
        log.error(
            "%d of %d pictures have no file in %s, and nothing is cleared up: put the folder back,"
            " mounted or from a backup; where they are gone for good, make an empty file %s there,"
            " and they are forgotten",
            lost,
            kept,
            folder,
            GIVEN_UP,
        )

    def _person(self, conn: sqlite3.Connection, account: Account) -> Follower:
        """Whom the account is bound to.

        Raises:
            Refused: 409, nobody.
        """
        binding = bindings.find_of_account(conn, self._app_id, account.id)
        if binding is None:
            raise Refused(409, "not-bound", "This account is not bound to a WeChat.")
        return binding.follower

    def _theirs(self, account: Account, picture_id: str, conn: sqlite3.Connection) -> Picture:
        binding = bindings.find_of_account(conn, self._app_id, account.id)
        picture = pictures.find(conn, picture_id)
        if (
            binding is None
            or picture is None
            or picture.state is not PictureState.KEPT
            or (picture.app_id, picture.follower_id) != (self._app_id, binding.follower.id)
        ):
            raise _unknown()  # the same for one that there is not and for somebody else's
        return picture

    def _require_room(
        self, conn: sqlite3.Connection, follower_id: int, known: Picture | None, *, size: int
    ) -> None:
        """Refuse one more picture of ``size`` bytes where there is no room for it.

        Args:
            known: what is known of this picture already; it is counted once.
        """
        if known and known.follower_id != follower_id:
            raise _not_yours()
        counted = known is not None and known.state is not PictureState.FAILED
        if pictures.count_of(conn, self._app_id, follower_id) - counted >= MOST:
            raise Refused(
                409,
                "too-many-pictures",
                "You have %(most)d pictures here, and there may be no more. Remove some, then try"
                " again.",
                most=MOST,
            )
        if pictures.size_of_all(conn) + size > self._room:
            raise Refused(
                409,
                "no-room",
                "There is no room for more pictures on this server just now. Its operator can make"
                " some.",
            )

    def _flight(
        self, follower_id: int, media_id: str, *, account: Account | None = None
    ) -> "asyncio.Task[Picture]":
        """The fetching of a picture: the one that is under way, or a new one."""
        key = follower_id, media_id
        if flight := self._flights.get(key):
            return flight
        if self._closed or len(self._flights) >= FLIGHTS:
            raise _busy()
        work = self._get(follower_id, media_id, account=account)
        flight = self._flights[key] = asyncio.create_task(work, name="picture")

        def done(task: "asyncio.Task[Picture]") -> None:
            self._flights.pop(key)
            self._begun.discard(key)
            if not task.cancelled():
                task.exception()  # looked at, also when nobody waits any more

        flight.add_done_callback(done)
        return flight

    async def _get(self, follower_id: int, media_id: str, *, account: Account | None) -> Picture:
        """Fetch a picture and keep it, once it is its turn.

        Args:
            account: who wants it on the page; None for what a row wants already.
        """

        def look(conn: sqlite3.Connection, *, size: int) -> Picture | None:
            known = pictures.find_by_media(conn, self._app_id, media_id)
            if known is None and account is None:
                raise Unwanted
            if known is None or known.state is not PictureState.KEPT:
                self._require_room(conn, follower_id, known, size=size)
            elif known.follower_id != follower_id:
                raise _not_yours()
            return known

        async with self._turns:
            self._begun.add((follower_id, media_id))
            # Where there is no room, the platform is spared the call.
            await self._database.read(partial(look, size=1))
            kind, body = await self._media.picture(media_id)
            # And the disk the file, which could besides take the place of somebody else's.
            known = await self._database.read(partial(look, size=len(body)))
            if known and known.state is PictureState.KEPT:
                return known  # by a flight that has just ended
            return await self._keep(follower_id, media_id, known, kind, body, account=account)

    async def _keep(
        self,
        follower_id: int,
        media_id: str,
        known: Picture | None,
        kind: str,
        body: bytes,
        *,
        account: Account | None,
    ) -> Picture:
        """Write a picture's file, and then its row."""
        picture_id = known.id if known else secret.new_id()

        def keep(conn: sqlite3.Connection) -> Picture:
            present = pictures.find_by_media(conn, self._app_id, media_id)
            if account and self._person(conn, account).id != follower_id:
                raise Unwanted
            if present is None and account is None:
                raise Unwanted
            # Here and nowhere else is it decided that there is room: two who see the last of it
            # come one behind the other.
            self._require_room(conn, follower_id, present, size=len(body))
            if present and present.id != picture_id:
                pictures.remove(conn, [present.id])  # the chat wanted it in this moment
                present = None
            if present is None:
                pictures.add(
                    conn,
                    self._app_id,
                    follower_id,
                    media_id,
                    picture_id=picture_id,
                    origin="page",
                    due_at=None,
                    now=self._clock.now(),
                )
            kept = pictures.mark_kept(conn, picture_id, kind=kind, size=len(body))
            assert kept is not None  # a flight is the only one for its picture
            return kept

        self._writing.add(picture_id)
        try:
            await self._files.add(picture_id, body)
            failpoint.here("picture-before-row")
            try:
                kept = await self._database.write(keep)
            except Exception:
                await self._unlink([picture_id])
                raise
        finally:
            self._writing.discard(picture_id)
        log.info("picture %s of follower %d kept: %s, %d bytes", kept.id, follower_id, kind,
                 len(body))  # fmt: skip
        return kept

    async def _unlink(self, picture_ids: Sequence[str]) -> int:
        """Remove files whose rows are gone, and say how many; what cannot be removed now is swept
        later."""
        failed = await self._files.remove(list(picture_ids))
        if failed:
            reasons = ", ".join(sorted(set(failed.values())))
            told = "%d files of pictures not removed, they are swept later: %s"
            log.warning(told, len(failed), reasons)
        return len(picture_ids) - len(failed)

    async def _claim_due(self, limit: int) -> list[Picture]:
        now = self._clock.now()
        # Read first: a write each second would be one each second for nothing.
        if not await self._database.read(lambda conn: pictures.is_due(conn, self._app_id, now=now)):
            return []
        return await self._database.write(partial(self._claim, limit, now))

    def _claim(self, limit: int, now: float, conn: sqlite3.Connection) -> list[Picture]:
        """Take what is due; a crash now lets it be due again in a while."""
        claimed = pictures.claim_due(conn, self._app_id, now=now, limit=limit)
        for picture in claimed:
            pause = RETRY_SECONDS[min(picture.attempts, len(RETRY_SECONDS)) - 1]
            pictures.mark_due(conn, picture.id, now + pause)
        return claimed

    async def _deliver(self, picture: Picture) -> None:
        """Fetch a picture of the chat. Never raises."""
        try:
            await self._try(picture)
        except StorageUnavailable as error:
            log.warning("picture %s could not be kept, it is tried again: %s", picture.id, error)
        except Exception as error:
            log.error("picture %s failed: %s", picture.id, where(error))

    async def _try(self, picture: Picture) -> None:
        final = picture.attempts > len(RETRY_SECONDS)
        try:
            await self._flight(picture.follower_id, picture.media_id)
            return
        except Unwanted:
            return
        except Refused as refusal:
            reason: object = refusal
            final = refusal.status != 503 or final
        except NoPicture as error:
            reason = error
            final = picture.attempts >= SURELY_NONE
        except PlatformError as error:
            reason = error
            final = final or error.remedy is Remedy.REFUSE
            if error.remedy is Remedy.PAUSE:
                # A used-up quota says nothing of this picture: that was no try.
                final, until = False, self._clock.now() + PAUSED_SECONDS
                await self._database.write(lambda conn: pictures.put_off(conn, picture.id, until))
        if self._clock.now() >= picture.created_at + LIFE_SECONDS:
            final = True
        if final:
            await self._database.write(lambda conn: pictures.mark_failed(conn, picture.id))
        log.info(
            "picture %s of follower %d not kept, %s: %s",
            picture.id,
            picture.follower_id,
            "given up" if final else "tried again",
            reason,
        )


def _refusal(error: PlatformError) -> Refused:
    """What is told to whoever waits for a picture that the platform does not give."""
    if error.errcode == GONE:
        return Refused(410, "gone", "WeChat has no such picture any more. Please pick it again.")
    if error.remedy in (Remedy.RETRY, Remedy.PAUSE):
        return Refused(
            503,
            "platform-unavailable",
            "WeChat cannot be reached just now. Please try again in a moment.",
            retry_after=BUSY_SECONDS,
        )
    return Refused(
        502,
        "platform-error",
        "WeChat does not give the picture (error %(errcode)s).",
        errcode=error.errcode,
    )


def _late() -> Refused:
    return Refused(
        503,
        "late",
        "The picture did not come in time. Please try again in a moment.",
        retry_after=BUSY_SECONDS,
    )


def _busy() -> Refused:
    return Refused(
        503,
        "busy",
        "Other pictures are being fetched just now. Please try again in a moment.",
        retry_after=BUSY_SECONDS,
    )


def _not_yours() -> Refused:
    return Refused(403, "not-yours", "This picture was sent by somebody else.")


def _unknown() -> Refused:
    return Refused(404, "unknown-picture", "There is no such picture, or it was removed.")
