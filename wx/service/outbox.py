"""The outbox: the one door for everything that is sent. What it takes is on disk; the courier
delivers it; the platform's receipts close it."""

import asyncio
import hashlib
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial

from wx import failpoint, secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import Refused
from wx.model import Account, ApiKey, Follower, Notice, NoticeState
from wx.service import channel
from wx.service.channel import SUBSCRIBE, Choice, Known
from wx.service.draft import Draft, check, cleaned, wrong
from wx.service.hub import Hub
from wx.service.rate import Rate
from wx.service.templates import Templates
from wx.store import accounts, bindings, followers, outbox, subscriptions
from wx.store.database import Database
from wx.store.outbox import Recipient

log = logging.getLogger(__name__)

RECIPIENTS = 1000
IDEMPOTENT_SECONDS = 72 * 3600
PAGE_SECONDS = 30 * 86400
ROW_SECONDS = 90 * 86400
RECEIPT_SECONDS = 86400  # that a receipt may come before our own commit, and far more
LOOK_SECONDS = 1.0  # that the list of templates may be waited for
PURGE_ROWS = 1000  # in one transaction
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Plan:
    """What a notice would become for one name. ``channel`` is "" where nothing would be sent;
    ``reason`` says why, by its stable name."""

    to: str
    channel: str = ""
    why: str = ""
    text: str = ""
    template_id: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    reason: str = ""
    errcode: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The whole of a notice that was cut. ``created_at`` is Unix time; ``openid`` is whom it is
    for, "" where that follower is no longer known."""

    account: str
    account_id: int
    text: str
    url: str
    created_at: float
    openid: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Request:
    """What came with an Idempotency-Key: ``key``, and the digest of what it asked for."""

    api_key_id: int
    key: str
    body: bytes


def topic(account_id: int) -> str:
    """What the hub calls the notices of an account."""
    return f"notices {account_id}"


class Outbox:
    """Takes what is to be sent. The methods that take a connection are pieces of a transaction.

    Args:
        key: the server's own key; the links in notices are derived from it.
        woken: set whenever something may leave.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        templates: Templates,
        hub: Hub,
        *,
        key: bytes,
        woken: asyncio.Event,
    ) -> None:
        self._database = database
        self._clock = clock
        self._config = config
        self._templates = templates
        self._hub = hub
        self._key = key
        self._woken = woken
        self._rate = Rate(clock, per_minute=config.notices_per_minute)  # of all programs
        self.settled: Counter[tuple[str, str]] = Counter()  # by channel and state

    async def put(
        self,
        to: Sequence[str],
        draft: Draft,
        *,
        origin: str,
        key: ApiKey | None = None,
        idempotency: str = "",
    ) -> list[Notice]:
        """Keep a notice for each of these accounts; they are on disk when this returns.

        Who cannot be reached gets one all the same, which has failed.

        Args:
            to: names of accounts; named twice is named once.
            origin: who asks, for the record.
            key: the API key of who asks; an ``idempotency`` key is its own, and all keys together
                send so many in a minute.
            idempotency: the same one with the same notice gives the same notices for 72 hours.

        Raises:
            Refused: 404 or 409 somebody is unknown or not bound, 429 somebody has had a day's
                worth, all of them are named and nothing is kept; 429 all programs together have
                had a minute's worth; 403 the key does not reach them, or the template is not for
                programs; 409 another notice came with this ``idempotency``; 422 the notice is
                wrong.
            StorageUnavailable: it could not be kept.
        """
        draft, names = cleaned(draft), _names(to)
        request = None
        if key and idempotency:
            request = _Request(key.id, idempotency, _digest([*names.values()], draft))
            # Before it is looked at: what was taken once may no longer fit what is known now.
            found = await self._database.read(partial(self._repeated, request))
            if found is not None:
                return found
        self._require_permission(key, draft)
        if draft.template_id and draft.wish != SUBSCRIBE:
            await self._templates.look_for(draft.template_id, seconds=LOOK_SECONDS)
        check(draft, self._config, self._templates.known)
        made = await self._database.write(partial(self._put, names, draft, origin, key, request))
        failpoint.here("after-commit-before-202")
        self._failed_at_once([one for one in made if not one.state.waiting])
        self.changed({one.account_id for one in made})
        return made

    def _put(
        self,
        names: Mapping[str, str],
        draft: Draft,
        origin: str,
        key: ApiKey | None,
        request: _Request | None,
        conn: sqlite3.Connection,
    ) -> list[Notice]:
        now, request_id = self._clock.now(), None
        if request:
            found = self._repeated(request, conn)  # it may have come twice at once
            if found is not None:
                return found
            request_id = outbox.add_request(
                conn, request.api_key_id, request.key, request.body, now=now
            )
        recipients = self._recipients(conn, names, key)
        self._require_template(conn, draft)
        self._require_room(conn, recipients, now=now)
        made = [self._made(one, draft, origin, now=now) for one in recipients]
        if key:
            self._charge(key, sum(one.state.waiting for one in made))
        outbox.add_all(conn, made, request_id=request_id)
        failpoint.here("after-accept-insert")
        return made

    def _repeated(self, request: _Request, conn: sqlite3.Connection) -> list[Notice] | None:
        """What came of the request when it came first; None if it had not.

        Raises:
            Refused: 409, another one came with its key.
        """
        after = self._clock.now() - IDEMPOTENT_SECONDS
        known = outbox.find_request(conn, request.api_key_id, request.key, after=after)
        if known is None:
            return None
        if known[1] != request.body:
            raise Refused(
                409,
                "idempotency-mismatch",
                "Another notice came with this Idempotency-Key.",
                hint="Use a new Idempotency-Key for each notice, and the same one to repeat it.",
            )
        return outbox.list_of_request(conn, known[0])

    def _recipients(
        self, conn: sqlite3.Connection, names: Mapping[str, str], key: ApiKey | None
    ) -> list[Recipient]:
        """Those who are named, all of them bound. Each is named as it is looked up, and as given.

        Raises:
            Refused: 403 the key does not reach somebody, 404 somebody is unknown, 409 somebody is
                not bound.
        """
        found = outbox.find_recipients(conn, self._config.app_id, names)
        _require_reach(key, names, found)
        unknown = [name for folded, name in names.items() if _missing(found.get(folded))]
        unbound = [
            name
            for folded, name in names.items()
            if not _missing(one := found.get(folded)) and one and one.follower is None
        ]
        more = {"accounts": {"unknown": unknown, "unbound": unbound}}
        if unknown:
            raise Refused(
                404,
                "unknown-account",
                "There is no such account: %(names)s",
                hint="Nothing was sent to anybody. The names are those of: wxbind account list",
                more=more,
                names=_listed(unknown),
            )
        if unbound:
            raise Refused(
                409,
                "not-bound",
                "Not bound to a WeChat: %(names)s",
                hint="Nothing was sent to anybody. Their owners log in and scan the code first.",
                more=more,
                names=_listed(unbound),
            )
        return [found[folded] for folded in names]

    def _require_template(self, conn: sqlite3.Connection, draft: Draft) -> None:
        """Refuse a template that the account has not, as far as its templates are known."""
        known = self._templates.known
        if not draft.template_id or draft.wish == SUBSCRIBE or known is None:
            return
        listed = draft.template_id in known
        if not listed and not subscriptions.is_known(conn, draft.template_id):
            raise wrong(
                "unknown-template",
                "The WeChat account has no template with this id.",
                hint="Look up the template's id in WeChat's console.",
            )

    def _charge(self, key: ApiKey, count: int) -> None:
        """Count notices of all programs together; only transactions do, one at a time."""
        if wait := self._rate.try_take(None, count):
            raise Refused(
                429,
                "too-many-requests",
                "Too many notices by all API keys together.",
                hint="Wait as long as Retry-After says, or set notices_per_minute higher.",
                retry_after=wait,
                key=key.name,
            )

    def _require_permission(self, key: ApiKey | None, draft: Draft) -> None:
        allowed = self._config.notice_templates
        if key and allowed and draft.template_id and draft.template_id not in allowed:
            raise Refused(
                403,
                "template-not-allowed",
                "This template is not one that programs may use.",
                hint="Those that they may use stand in notice_templates.",
                key=key.name,
            )

    def _require_room(
        self, conn: sqlite3.Connection, recipients: Iterable[Recipient], *, now: float
    ) -> None:
        """Refuse to flood anybody: a program that runs wild costs the account its quota, and its
        owner their patience."""
        full = {one.name: until for one in recipients if (until := self._full(conn, one, now=now))}
        if full:
            raise Refused(
                429,
                "too-many-notices",
                "Too many notices in 24 hours: %(names)s",
                hint="Nothing was sent to anybody. Wait as long as Retry-After says, or set"
                " notices_per_day higher.",
                more={"accounts": {"full": list(full)}},
                retry_after=max(full.values()) - now,
                names=_listed(list(full)),
            )

    def _full(self, conn: sqlite3.Connection, one: Recipient, *, now: float) -> float | None:
        """Until when an account has had a day's worth of notices; None if it has not."""
        limit = self._config.notices_per_day
        began = outbox.find_time_of(conn, one.account_id, back=limit) if limit else None
        return began + _DAY if began is not None and now - _DAY < began <= now else None

    def _made(self, one: Recipient, draft: Draft, origin: str, *, now: float) -> Notice:
        assert one.follower is not None
        seconds = draft.expires_in or self._config.notice_seconds
        made = _blank(
            self._config.app_id, one.account_id, one.name, one.follower.id, now=now, seconds=seconds
        )
        reason = one.follower.out_of_reach
        return replace(
            made,
            binding_id=one.binding_id,
            origin=origin,
            wish=draft.wish,
            text=draft.text,
            url=draft.url,
            template_id=draft.template_id,
            fields=dict(draft.fields),
            due_at=None if one.busy or reason else now,
            state=NoticeState.FAILED if reason else NoticeState.QUEUED,
            settled_at=now if reason else None,
            reason=reason,
        )

    def tell(
        self,
        conn: sqlite3.Connection,
        account: Account,
        follower_id: int,
        text: str,
        *,
        binding_id: int | None = None,
        url: str = "",
        hidden: str = "",
        now: float,
    ) -> None:
        """Keep a word of our own for a follower, if they can be reached; the caller calls
        :meth:`changed` once it is on disk.

        Args:
            binding_id: the binding without which it makes no sense any more.
            url: with a mark where the secret goes that is derived from ``hidden``.
        """
        follower = followers.find(conn, follower_id)
        if follower is None or follower.out_of_reach:
            return
        busy = outbox.is_busy(conn, follower_id)
        made = _blank(
            self._config.app_id,
            account.id,
            account.name,
            follower_id,
            now=now,
            seconds=self._config.notice_seconds,
        )
        made = replace(
            made,
            binding_id=binding_id,
            origin="bind",
            text=text,
            url=url,
            hidden=hidden,
            due_at=None if busy else now,
        )
        outbox.add_all(conn, [made])

    def changed(self, account_ids: Iterable[int]) -> None:
        """Notices of these accounts have changed, on disk: something may leave, and the pages that
        show them are told."""
        self._woken.set()
        for account_id in set(account_ids):
            self._hub.publish(topic(account_id))

    async def plan(
        self, to: Sequence[str], draft: Draft, *, key: ApiKey | None = None
    ) -> list[Plan]:
        """What :meth:`put` would come to; keeps nothing, sends nothing, and asks nobody.

        Raises:
            Refused: 403 the key does not reach somebody, or the template is not for programs; 422
                the notice is wrong.
        """
        draft, names = cleaned(draft), _names(to)
        self._require_permission(key, draft)
        check(draft, self._config, self._templates.known)
        return await self._database.read(partial(self._plan, names, draft, key))

    def _plan(
        self,
        names: Mapping[str, str],
        draft: Draft,
        key: ApiKey | None,
        conn: sqlite3.Connection,
    ) -> list[Plan]:
        now = self._clock.now()
        self._require_template(conn, draft)
        found = outbox.find_recipients(conn, self._config.app_id, names)
        _require_reach(key, names, found)
        plans = []
        for folded, name in names.items():
            one = found.get(folded)
            if one is None or one.disabled:
                plans.append(Plan(name, reason="unknown-account"))
            elif one.follower is None:
                plans.append(Plan(one.name, reason="not-bound"))
            elif self._full(conn, one, now=now):
                plans.append(Plan(one.name, reason="too-many-notices"))
            else:
                notice = self._made(one, draft, "dry run", now=now)
                choice = self.choice(conn, notice, one.follower, now=now)
                plans.append(
                    Plan(
                        one.name,
                        choice.channel,
                        choice.why,
                        choice.text,
                        choice.template_id,
                        choice.fields,
                        choice.cut,
                        choice.reason,
                    )
                )
        return plans

    def choice(
        self,
        conn: sqlite3.Connection,
        notice: Notice,
        follower: Follower,
        *,
        closed: Collection[str] = (),
        barred: Collection[str] = (),
        now: float,
    ) -> Choice:
        """The way that a notice takes now, and what it looks like there; see :class:`Known` for
        ``closed`` and ``barred``."""
        left = subscriptions.list_left(conn, follower.id)
        known = Known(self._templates.known, left, closed, barred)
        whole = replace(notice, url=self._link(notice)) if notice.hidden else notice

        def page() -> str:
            return f"{self._config.public_url}/n/{self.page_secret(notice.id)}"

        return channel.choose(whole, follower, known, self._config, page=page, now=now)

    def _link(self, notice: Notice) -> str:
        """The link of a notice, with its secret in its place."""
        if not notice.hidden:
            return notice.url
        return notice.url.replace(secret.MARK, secret.derive(self._key, notice.hidden))

    async def find(self, notice_id: str) -> Notice | None:
        """The notice with this id."""
        return await self._database.read(lambda conn: outbox.find(conn, notice_id))

    async def newest(
        self,
        *,
        key: ApiKey | None = None,
        to: str = "",
        state: NoticeState | None = None,
        limit: int = 50,
        before: str = "",
    ) -> list[Notice]:
        """The newest notices.

        Args:
            key: the API key of who asks, which may be for one account.
            to: only those to the account of this name.
            before: only those that are older than the one with this id.

        Raises:
            Refused: 403, the key does not reach this account; 404, there is no such account.
        """
        only = key.account_id if key else None

        def work(conn: sqlite3.Connection) -> list[Notice]:
            account = accounts.find_by_name(conn, to) if to else None
            if to and key and only is not None and (account is None or account.id != only):
                raise _not_allowed(key, [to])
            if to and account is None:
                raise Refused(
                    404, "unknown-account", "There is no such account: %(names)s", names=to[:100]
                )
            return outbox.list_newest(
                conn,
                self._config.app_id,
                account_id=account.id if account else only,
                state=state,
                before=before,
                limit=limit,
            )

        return await self._database.read(work)

    async def of_account(self, account: Account, *, limit: int = 5) -> list[Notice]:
        """The account's newest notices, without our own words that reached nobody."""
        found = await self._database.read(
            lambda conn: outbox.list_newest(
                conn, self._config.app_id, account_id=account.id, limit=2 * limit
            )
        )
        shown = [one for one in found if (one.origin, one.state) != ("bind", NoticeState.FAILED)]
        return shown[:limit]

    async def count_waiting(self) -> int:
        """How many notices have still to leave."""
        return await self._database.read(outbox.count_waiting)

    # The page with the whole of a notice

    def page_secret(self, notice_id: str) -> str:
        """What the address of the page ends in: the notice's id, and what shows that we made it."""
        return notice_id + secret.derive(self._key, f"page {notice_id}")[:21]

    async def read_page(self, code: str) -> Page:
        """The whole of a notice, by the secret of its page.

        Raises:
            Refused: 404 there is no such page; 410 it is over.
        """
        notice_id = code[:22]
        if not secret.same(code.encode(), self.page_secret(notice_id).encode()):
            raise Refused(404, "not-found", "There is no such notice.")
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> Page:
            notice = outbox.find(conn, notice_id)
            over = notice is None or now - notice.created_at > PAGE_SECONDS
            if notice is None or over or self.obstacle(conn, notice):
                raise Refused(410, "notice-over", "This notice is no longer kept here.")
            text = notice.text or self._rendered(notice)
            if not text:
                raise Refused(410, "notice-over", "This notice is no longer kept here.")
            url = self._link(notice)
            follower = followers.find(conn, notice.follower_id)
            openid = follower.profile.openid if follower else ""
            return Page(notice.account, notice.account_id, text, url, notice.created_at, openid)

        return await self._database.read(work)

    def obstacle(self, conn: sqlite3.Connection, notice: Notice) -> str:
        """Why a notice is nobody's business any more, by its stable name; "" where it still is."""
        if notice.app_id != self._config.app_id:
            return "unbound"  # from a WeChat account that this one has taken the place of
        if notice.binding_id is None:
            return ""
        if not bindings.is_present(conn, notice.binding_id):
            return "unbound"
        account = accounts.find(conn, notice.account_id)
        return "" if account and account.disabled_at is None else "disabled"

    def _rendered(self, notice: Notice) -> str:
        """The fields of a template, as the chat shows them; "" once they are forgotten."""
        if not notice.fields:
            return ""
        template = (self._templates.known or {}).get(notice.template_id)
        if template is None:
            return "\n".join(f"{name}: {value}" for name, value in notice.fields.items())
        text = template.content
        for name, value in notice.fields.items():
            text = text.replace(f"{{{{{name}.DATA}}}}", value)
        return text

    def give_up(
        self, conn: sqlite3.Connection, follower_id: int, *, reason: str, now: float
    ) -> Callable[[], None]:
        """End what waits for a follower who cannot be reached any more; what is to be done once it
        is on disk."""
        ended = outbox.mark_waiting_failed(conn, follower_id, reason=reason, now=now)

        def after() -> None:
            self._failed_at_once(ended)
            self.changed({one.account_id for one in ended})

        return after

    def _failed_at_once(self, notices: Collection[Notice]) -> None:
        """Count those that ended without a call, and say so."""
        for one in notices:
            self.settled[one.channel, one.state] += 1
            log.info("notice %s %s: %s", one.id, one.state, one.reason)

    async def purge(self) -> None:
        """Forget what is old: texts after the configured days, rows after ninety."""
        now = self._clock.now()
        texts = now - self._config.notice_days * 86400
        await self._purge(partial(outbox.purge_texts, before=texts))
        await self._purge(partial(outbox.purge, before=now - ROW_SECONDS))
        await self._purge(partial(outbox.purge_requests, before=now - IDEMPOTENT_SECONDS))
        await self._purge(partial(outbox.purge_receipts, before=now - RECEIPT_SECONDS))

    async def _purge(self, work: Callable[..., int]) -> None:
        removed = PURGE_ROWS
        while removed == PURGE_ROWS:  # in pieces, and others write in between
            removed = await self._database.write(partial(work, limit=PURGE_ROWS))


def _blank(
    app_id: str, account_id: int, account: str, follower_id: int, *, now: float, seconds: float
) -> Notice:
    """A notice that waits for its turn, to be completed."""
    return Notice(
        number=0,
        id=secret.new_ordered_id(now),
        app_id=app_id,
        account_id=account_id,
        account=account,
        binding_id=None,
        follower_id=follower_id,
        origin="",
        wish="auto",
        text="",
        url="",
        hidden="",
        template_id="",
        fields={},
        state=NoticeState.QUEUED,
        channel="",
        why="",
        attempts=0,
        due_at=None,
        created_at=now,
        expires_at=now + seconds,
        claimed_at=None,
        doubt_at=None,
        sent_at=None,
        settled_at=None,
        platform_id="",
        errcode=None,
        reason="",
    )


def _names(to: Sequence[str]) -> dict[str, str]:
    """The names as they are looked up, each with how it was given first.

    Raises:
        Refused: 422, there are none or too many.
    """
    names: dict[str, str] = {}
    for name in to:
        names.setdefault(accounts.folded(name), name)
    if not 1 <= len(names) <= RECIPIENTS:
        raise wrong("bad-recipients", "Name 1 to 1,000 accounts.")
    return names


def _require_reach(
    key: ApiKey | None, names: Mapping[str, str], found: Mapping[str, Recipient]
) -> None:
    """Refuse everybody whom a key does not reach, whether there is such an account or not."""
    if key is None or key.account_id is None:
        return
    others = [
        name
        for folded, name in names.items()
        if (one := found.get(folded)) is None or not key.reaches(one.account_id)
    ]
    if others:
        raise _not_allowed(key, others)


def _not_allowed(key: ApiKey, names: Sequence[str]) -> Refused:
    return Refused(
        403,
        "not-allowed",
        "This API key does not reach: %(names)s",
        hint="The key was made with --to, for one account.",
        more={"accounts": {"not_allowed": list(names)}},
        names=_listed(names),
        key=key.name,
    )


def _missing(one: Recipient | None) -> bool:
    return one is None or one.disabled


def _listed(names: Sequence[str]) -> str:
    """A few names, for a sentence."""
    shown = ", ".join(name[:64] for name in names[:10])
    return f"{shown}, …" if len(names) > 10 else shown


def _digest(names: Sequence[str], draft: Draft) -> bytes:
    """What tells one request from another."""
    said = json.dumps([names, asdict(draft)], sort_keys=True)
    return hashlib.sha256(said.encode()).digest()
