"""Scan logins: whoever is bound signs a computer in by scanning its code and saying yes on the
phone. The computer's browser alone can go in by that yes."""

import logging
import re
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from wx import secret
from wx.clock import Clock
from wx.config import Config
from wx.errors import Refused
from wx.model import Account, Browser, Follower, ScanLogin, ScanLoginState
from wx.protocol.incoming import Incoming, Scan, Subscribe
from wx.protocol.reply import TextReply
from wx.service.authorization import Authorizations
from wx.service.hub import DESK, Hub
from wx.service.outbox import Outbox
from wx.service.rate import Rate
from wx.service.replies import Answer
from wx.service.sessions import Sessions, SignedIn
from wx.service.speech import Speech, Translate
from wx.service.throttle import neighbourhood, place
from wx.service.visit import Arrival, Visits
from wx.store import accounts, bindings, followers, scan_logins, sessions
from wx.store.database import Database
from wx.wechat.oauth import Grant

log = logging.getLogger(__name__)

CODE_SECONDS = 120
ENTER_SECONDS = 60  # that the computer has after the phone's yes
DESK_SECONDS = CODE_SECONDS + ENTER_SECONDS  # that a browser keeps its cookie
PER_MINUTE = 20  # new codes for each address
KEEP_SECONDS = 300  # one that has ended, so that its pages can still say what happened
# A code needs no account, and must not fill the disk. Nor may one network take it from all others.
OPEN_OF_NETWORK = 200
OPEN = 4000
ENDED = 10_000
PURGE_ROWS = 1000  # in one transaction
SCENE = "login"  # how a scene begins that is a sign-in's
_AUDIT_SECONDS = 30
_AUDITED_AT_ONCE = 100  # codes: a few ms, so that nobody's read waits for all of thousands
_TOPIC = "scan login "

_UNBOUND = "unbound"
# Why a scan does not lead on, by its stable name: status and sentence.
REFUSALS = {
    "unknown-code": (404, "There is no such code. Please scan it again."),
    "expired": (410, "This code is over. Please make a new one at the computer."),
    "used": (410, "This code has been used. Please make a new one at the computer."),
    "scanned-by-another": (409, "This code was scanned by another phone. Please make a new one."),
    "cannot-sign-in": (403, "Nobody can log in as the account that this WeChat is bound to."),
    "not-bound": (409, "This WeChat is no longer bound to that account. Nobody was logged in."),
}


@dataclass(frozen=True, slots=True)
class View:
    """How a sign-in stands. ``secret`` is what its code carries."""

    login: ScanLogin
    state: ScanLoginState
    secret: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Question:
    """What the phone is asked. ``done``: it has said yes already."""

    account_name: str
    login: ScanLogin
    done: bool


@dataclass(frozen=True, slots=True)
class Entered:
    """A computer that was signed in by a scan.

    Args:
        browser: what went in.
        asked: what had asked for the code.
        at: when, in Unix time.
    """

    account_name: str
    browser: Browser
    asked: Browser
    at: float


class ScanLogins:
    """Makes the codes of the login page, takes the phone's yes or no, and signs the waiting browser
    in; afterwards the phone can end that session.

    Args:
        key: the server's own key; what codes and links carry is derived from it.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        config: Config,
        hub: Hub,
        session_service: Sessions,
        outbox: Outbox,
        speech: Speech,
        visits: Visits,
        authorizations: Authorizations,
        *,
        key: bytes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._config = config
        self._hub = hub
        self._sessions = session_service
        self._outbox = outbox
        self._speech = speech
        self._visits = visits
        self._authorizations = authorizations
        self._key = key
        self._rate = Rate(clock, per_minute=PER_MINUTE)
        self._version: int | None = None
        self._audited_at = clock.monotonic()

    async def offered(self) -> bool:
        """Whether the login page shows a code: the setting is on, and somebody is bound."""
        if not self._config.scan_login:
            return False
        app_id = self._config.app_id
        return await self._database.read(lambda conn: scan_logins.is_offered(conn, app_id))

    # The computer

    async def open(
        self, desk: str, browser: Browser, *, address: str, near: bool, fresh: bool = False
    ) -> tuple[View, str]:
        """The browser's open code, a new one if it has none; and the cookie that it is known by,
        another one for each code: one that was once seen is good for nothing afterwards.

        Args:
            desk: the cookie that it has already; "" for none.
            address: where new codes are counted.
            near: that is this machine's own address, and may stand for everybody behind a proxy.
            fresh: end the one that is open, and make another.

        Raises:
            Refused: 404 nobody is bound; 429 too many codes for this address, or for the network
                around it; 503 too many in all.
        """
        if not await self.offered():
            raise Refused(404, "not-offered", "Logging in by scan is not possible here yet.")
        digest, now = secret.digest(desk), self._clock.now()
        opened = await self._database.read(
            lambda conn: scan_logins.list_open_of_desk(conn, digest, now=now)
        )
        if opened and not fresh:
            return self._view(opened[-1]), desk
        if not near:
            self._rate.take(place(address))
        desk = secret.new_secret()
        made = self._new(secret.digest(desk), browser, now)
        # What a proxy that is not told of in the settings hides is no network of anybody's.
        crowd = "" if near else neighbourhood(address)
        over = await self._database.write(partial(self._open, made, digest, crowd))
        for login_id in over:
            self._hub.publish(topic(login_id))
        return self._view(made), desk

    def _open(
        self, made: ScanLogin, previous: bytes, crowd: str, conn: sqlite3.Connection
    ) -> list[str]:
        """Keep a new one; those that end with it."""
        now = made.created_at
        over = []
        for login in scan_logins.list_open_of_desk(conn, previous, now=now):
            if not scan_logins.remove_waiting(conn, login.id):
                scan_logins.mark(conn, login.id, ScanLoginState.EXPIRED, now=now)
            over.append(login.id)
        mine = scan_logins.count_open_of_crowd(conn, crowd, now=now)
        if crowd and mine >= OPEN_OF_NETWORK:
            raise _too_many(429)
        if scan_logins.count_open(conn, now=now) >= OPEN:
            over.append(_make_room(conn, mine, now))
        scan_logins.add(conn, made, secret=secret.digest(self._secret_of(made.id)), crowd=crowd)
        return over

    async def view(self, login_id: str, desk: str) -> View:
        """How a sign-in stands, for the browser that shows its code.

        Raises:
            Refused: 404, there is none, or it is another browser's.
        """
        digest = secret.digest(desk)
        found = await self._database.read(lambda conn: _of_desk(conn, login_id, digest))
        return self._view(found)

    async def enter(
        self, login_id: str, desk: str, browser: Browser, *, previous: str
    ) -> SignedIn | None:
        """Sign the browser in whose code was confirmed; None if that was done already, as by
        another tab. The follower is told, if they can be reached.

        Args:
            previous: the cookie of this browser's session, which ends; "" for none.

        Raises:
            Refused: 404 none of this browser's; 403, 409 the account or its binding has changed;
                410 there is no yes, or it is over.
        """
        digest, now = secret.digest(desk), self._clock.now()

        def work(conn: sqlite3.Connection) -> tuple[SignedIn | None, str]:
            login = _of_desk(conn, login_id, digest)
            if login.state is ScanLoginState.ENTERED:
                return None, ""
            if login.state is not ScanLoginState.CONFIRMED:
                return None, "expired"
            if problem := self._problem(conn, login):
                scan_logins.mark(conn, login_id, ScanLoginState.REFUSED, now=now)
                return None, problem
            if not scan_logins.use(conn, login_id, until=now + self._sessions.seconds, now=now):
                return None, "expired"
            signed_in = self._sessions.start(
                conn,
                _known(login.account_id),
                browser,
                previous=previous,
                now=now,
                follower_id=login.follower_id,
            )
            assert signed_in is not None  # it was just found to be able to
            scan_logins.mark_session(conn, login_id, secret.digest(signed_in.cookie))
            self._tell(conn, login, signed_in.account, browser, now=now)
            return signed_in, ""

        signed_in, problem = await self._database.write(work)
        self._hub.publish(topic(login_id))
        if problem:
            raise refusal(problem)
        if signed_in:
            self._sessions.started(signed_in, browser, previous=previous, way="scan")
            self._outbox.changed([signed_in.account.id])
        return signed_in

    # The phone

    async def look(self, code: str) -> None:
        """Whether a code that was opened by its link leads on.

        Raises:
            Refused: 404 nobody's, 410 used or over.
        """
        digest, now = secret.digest(code), self._clock.now()
        login = await self._database.read(lambda conn: scan_logins.find_by_secret(conn, digest))
        if login is None:
            raise refusal("unknown-code")
        if login.state is ScanLoginState.ENTERED:
            raise refusal("used")
        if not login.state.open or login.expires_at <= now:
            raise refusal("expired")

    def begin(self, code: str, visit: str) -> tuple[str, str]:
        """Where a phone that opened a code's link is sent to be known, and its cookie for the way.

        Args:
            visit: the cookie that it has already, perhaps for another way; "" for none.
        """
        return self._visits.begin(visit_purpose(code), visit, path=f"/s/{code}")

    async def arrive(self, code: str, arrival: Arrival) -> str:
        """The code belongs to whoever came back in WeChat, if they are bound: the path of the page
        that asks them; "" if they are bound to nothing, and the code stays open.

        Args:
            arrival: what came back, for :func:`visit_purpose`.

        Raises:
            Refused: 403 the account, 404 nobody's, 409 another phone's, 410 used or over; and see
                :meth:`Visits.arrive`.
        """
        return await self._visits.arrive(arrival, partial(self._scanned, code))

    async def _scanned(self, code: str, grant: Grant) -> str:
        digest, app_id, now = secret.digest(code), self._config.app_id, self._clock.now()

        def work(conn: sqlite3.Connection) -> tuple[ScanLogin | None, str, Follower | None]:
            follower = followers.find_by_openid(conn, app_id, grant.openid)
            return *self._scan(conn, digest, follower, now=now), follower

        login, outcome, follower = await self._database.write(work)
        if follower:
            self._authorizations.came_by(follower)
        if outcome == _UNBOUND:
            return ""
        if outcome or login is None:
            raise refusal(outcome)
        self._hub.publish(topic(login.id))
        return f"/s/{login.id}/{secret.derive(self._key, _answer_purpose(login))}"

    def answer(
        self,
        conn: sqlite3.Connection,
        message: Incoming,
        follower: Follower,
        *,
        now: float,
        after: list[Callable[[], None]],
    ) -> Answer | None:
        """What the chat says to whoever scanned the parametric code of a sign-in; None: it was
        none. A piece of a transaction; ``after`` takes what is to be done once it is on disk."""
        code = scene_secret(message.scene) if isinstance(message, Subscribe | Scan) else ""
        if not code:
            return None
        say = self._speech.to(follower)
        login, outcome = self._scan(conn, secret.digest(code), follower, now=now)
        if outcome == _UNBOUND:
            return Answer(TextReply(self._how_to_bind(say)))
        if outcome or login is None:
            return Answer(TextReply(say(REFUSALS[outcome][1])))
        after.append(partial(self._hub.publish, topic(login.id)))
        account = accounts.find(conn, _known(login.account_id))
        assert account is not None  # it was just found to be able to sign in
        return self._ask_in_chat(say, account, login)

    async def question(self, login_id: str, answer: str) -> Question:
        """What the phone is asked by the page that its scan led to.

        Raises:
            Refused: 403, 404, 409, 410, it leads nowhere.
        """
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> Question:
            login = self._answered(conn, login_id, answer)
            account = accounts.find(conn, _known(login.account_id))
            assert account is not None  # the foreign key says so
            if login.state in (ScanLoginState.CONFIRMED, ScanLoginState.ENTERED):
                return Question(account.name, login, done=True)
            if login.state is not ScanLoginState.SCANNED or login.expires_at <= now:
                raise refusal("expired")
            if problem := self._problem(conn, login):
                raise refusal(problem)
            return Question(account.name, login, done=False)

        return await self._database.read(work)

    async def confirm(self, login_id: str, answer: str) -> Question:
        """The phone said yes. Said again it changes nothing.

        Raises:
            Refused: 403, 404, 409, 410, it leads nowhere.
        """
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> tuple[Question, str]:
            login = self._answered(conn, login_id, answer)
            account = accounts.find(conn, _known(login.account_id))
            assert account is not None  # the foreign key says so
            if login.state in (ScanLoginState.CONFIRMED, ScanLoginState.ENTERED):
                return Question(account.name, login, done=True), ""  # said before, or twice at once
            problem = "expired"
            if login.state is ScanLoginState.SCANNED and login.expires_at > now:
                problem = self._problem(conn, login)
                if problem:  # nothing can come of it any more: who waits hears of that
                    scan_logins.mark(conn, login_id, ScanLoginState.REFUSED, now=now)
                else:
                    scan_logins.mark_confirmed(conn, login_id, until=now + ENTER_SECONDS, now=now)
            return Question(account.name, login, done=False), problem

        question, problem = await self._database.write(work)
        self._hub.publish(topic(login_id))
        if problem:
            raise refusal(problem)
        return question

    async def decline(self, login_id: str, answer: str) -> str:
        """The phone said "this is not me": nobody is signed in by it. Where somebody has been, the
        path of the page that ends their session; else "".

        Raises:
            Refused: 404 nobody's.
        """
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> ScanLogin:
            login = self._answered(conn, login_id, answer)
            scan_logins.mark(conn, login_id, ScanLoginState.REFUSED, now=now)
            return login

        login = await self._database.write(work)
        if login.state is ScanLoginState.ENTERED:
            return f"/not-me/{login_id}/{secret.derive(self._key, _not_me_purpose(login_id))}"
        log.info("scan login %s refused on the phone", login_id)
        self._hub.publish(topic(login_id))
        return ""

    # Afterwards

    async def entered(self, login_id: str, code: str) -> Entered:
        """What the link in the notice of a sign-in would end.

        Raises:
            Refused: 404 nobody's, 410 that session is over.
        """
        return await self._database.read(lambda conn: self._entered(conn, login_id, code)[1])

    async def end(self, login_id: str, code: str) -> None:
        """End the session that came of a sign-in, by the link in its notice.

        Raises:
            Refused: 404 nobody's, 410 it is over already.
        """

        def work(conn: sqlite3.Connection) -> tuple[bytes, Entered]:
            digest, entered = self._entered(conn, login_id, code)
            sessions.remove(conn, digest)
            return digest, entered

        digest, entered = await self._database.write(work)
        self._hub.end([digest])
        log.info("account %s: a session by scan was ended on the phone", entered.account_name)

    async def expire(self) -> None:
        """End those whose time is over, and tell who waits."""
        now = self._clock.now()
        overdue = await self._database.read(lambda conn: scan_logins.list_overdue(conn, now=now))

        def work(conn: sqlite3.Connection) -> None:
            for login_id in overdue:
                scan_logins.mark(conn, login_id, ScanLoginState.EXPIRED, now=now)

        if overdue:
            await self._database.write(work)
        for login_id in overdue:
            self._hub.publish(topic(login_id))
        await self._audit()

    async def purge(self) -> None:
        """Forget those that ended a while ago, those that were entered once their session is over,
        and of a flood of ended ones all but the last."""
        before = self._clock.now() - KEEP_SECONDS
        for work in (
            partial(scan_logins.purge, expired_before=before, limit=PURGE_ROWS),
            partial(scan_logins.purge_without_session, created_before=before, limit=PURGE_ROWS),
            partial(scan_logins.purge_beyond, kept=ENDED, limit=PURGE_ROWS),
        ):
            removed = PURGE_ROWS
            while removed == PURGE_ROWS:  # in pieces, and others write in between
                removed = await self._database.write(work)

    async def _audit(self) -> None:
        """Tell those who wait for one that is over by another process's doing."""
        waiting = [name.removeprefix(_TOPIC) for name in self._hub.topics(DESK)]
        if not waiting:
            return
        version = await self._database.changed_elsewhere()
        now, today = self._clock.monotonic(), self._clock.now()
        if version == self._version and now - self._audited_at < _AUDIT_SECONDS:
            return
        for start in range(0, len(waiting), _AUDITED_AT_ONCE):
            asked = waiting[start : start + _AUDITED_AT_ONCE]
            still = await self._database.read(
                partial(scan_logins.list_open, login_ids=asked, now=today)
            )
            for login_id in set(asked).difference(still):
                self._hub.publish(topic(login_id))
        self._version, self._audited_at = version, now

    def _new(self, desk: bytes, browser: Browser, now: float) -> ScanLogin:
        return ScanLogin(
            id=secret.new_id(),
            desk=desk,
            app_id=self._config.app_id,
            number=f"{secrets.randbelow(90) + 10}",
            state=ScanLoginState.WAITING,
            created_at=now,
            expires_at=now + CODE_SECONDS,
            browser=browser,
        )

    def _secret_of(self, login_id: str) -> str:
        return secret.derive(self._key, f"scan login {login_id}")

    def _view(self, login: ScanLogin) -> View:
        now = self._clock.now()
        over = login.state.open and login.expires_at <= now
        left = login.expires_at - now if login.state.open else 0
        return View(
            login=login,
            state=ScanLoginState.EXPIRED if over else login.state,
            secret=self._secret_of(login.id),
            expires_in=max(0, round(left)),
        )

    def _scan(
        self, conn: sqlite3.Connection, digest: bytes, follower: Follower | None, *, now: float
    ) -> tuple[ScanLogin | None, str]:
        """Give the code to whoever scanned it; the name of what is against that, "" for nothing."""
        login = scan_logins.find_by_secret(conn, digest)
        if login is None:
            return None, "unknown-code"
        if login.state in (ScanLoginState.CONFIRMED, ScanLoginState.ENTERED):
            return None, "used"
        if not login.state.open or login.expires_at <= now:
            return None, "expired"
        bound = follower and bindings.find_of_follower(conn, login.app_id, follower.id)
        if not follower or not bound:
            return None, _UNBOUND
        account = accounts.find(conn, bound.account_id)
        if account is None or not account.can_sign_in:
            return None, "cannot-sign-in"
        if not scan_logins.mark_scanned(
            conn, login.id, follower_id=follower.id, account_id=account.id, now=now
        ):
            return None, "scanned-by-another"
        return scan_logins.find(conn, login.id), ""

    def _answered(self, conn: sqlite3.Connection, login_id: str, answer: str) -> ScanLogin:
        """The one that this phone may answer."""
        login = scan_logins.find(conn, login_id)
        if login is None or login.follower_id is None:
            raise refusal("unknown-code")
        right = secret.derive(self._key, _answer_purpose(login))
        if not secret.same(answer.encode(), right.encode()):
            raise refusal("unknown-code")
        return login

    def _problem(self, conn: sqlite3.Connection, login: ScanLogin) -> str:
        """Why whoever scanned it cannot be signed in any more; "" if they can."""
        bound = login.follower_id is not None and bindings.find_of_follower(
            conn, login.app_id, login.follower_id
        )
        if not bound or bound.account_id != login.account_id:
            return "not-bound"
        account = accounts.find(conn, bound.account_id)
        return "" if account and account.can_sign_in else "cannot-sign-in"

    def _entered(self, conn: sqlite3.Connection, login_id: str, code: str) -> tuple[bytes, Entered]:
        right = secret.derive(self._key, _not_me_purpose(login_id))
        if not secret.same(code.encode(), right.encode()):
            raise Refused(404, "unknown-link", "This link is not one of ours.")
        login = scan_logins.find(conn, login_id)
        found = (
            sessions.find(conn, login.session, seen_after=0, created_after=0)
            if login and login.session
            else None
        )
        if login is None or found is None:
            raise Refused(410, "session-over", "This login is over already.")
        session, account = found
        browser = sessions.find_browser(conn, session.digest)
        return session.digest, Entered(
            account.name, browser, asked=login.browser, at=session.created_at
        )

    def _tell(
        self,
        conn: sqlite3.Connection,
        login: ScanLogin,
        account: Account,
        browser: Browser,
        *,
        now: float,
    ) -> None:
        """Tell the follower, with the link that ends the session. A template's field takes some
        twenty characters of the first line, so the question stands at its beginning.

        Args:
            browser: what went in. Its network may honestly be another than that which asked, as of
                a machine with an IPv4 and an IPv6 address, or one that changes to a VPN, and its
                name can be feigned: so this is no reason to refuse, and both are told.
        """
        follower_id = _known(login.follower_id)
        follower = followers.find(conn, follower_id)
        if follower is None:
            return
        say = self._speech.to(follower)
        first = say("Not you? %(account)s logged in to %(site)s") % self._names(account)
        lines = [first, described(browser, say)]
        if browser != login.browser:
            asked = say("The code was shown by: %(browser)s")
            lines.append(asked % {"browser": described(login.browser, say)})
        lines.append(say("That was not you? End it here:"))
        self._outbox.tell(
            conn,
            account,
            follower_id,
            "\n".join(lines),
            url=f"{self._config.public_url}/not-me/{login.id}/{secret.MARK}",
            hidden=_not_me_purpose(login.id),
            now=now,
        )

    def _names(self, account: Account) -> dict[str, str]:
        return {"account": account.name, "site": self._config.site_name}

    def _how_to_bind(self, say: Translate) -> str:
        text = say(
            "This WeChat is not bound to an account of %(site)s yet, so it cannot log you in."
            " Bind it first:"
        )
        link = f'<a href="{self._config.public_url}/enter">{say("log in here and bind")}</a>'
        return f"{text % {'site': self._config.site_name}}\n{link}"

    def _ask_in_chat(self, say: Translate, account: Account, login: ScanLogin) -> Answer:
        number = say("The computer shows %(number)s.") % {"number": login.number}
        lines = [
            say("Log in to %(site)s as %(account)s at a computer?") % self._names(account),
            described(login.browser, say),
            number,
        ]
        link = f"{self._config.public_url}/s/{login.id}/{secret.MARK}"
        lines.append(f'<a href="{link}">{say("Yes or no: answer here")}</a>')
        return Answer(TextReply("\n".join(lines)), _answer_purpose(login))


def topic(login_id: str) -> str:
    """What the hub calls a sign-in by scan."""
    return f"{_TOPIC}{login_id}"


def scene_of(code: str) -> str:
    """The scene of a sign-in's parametric code: letters and digits (platform document, 5)."""
    return f"{SCENE}{code}"


def scene_secret(scene: str) -> str:
    """The secret in a sign-in's scene; "" where the scene is none of one."""
    found = re.fullmatch(rf"{SCENE}([0-9A-Za-z]{{{secret.LENGTH}}})", scene)
    return found[1] if found else ""


def refusal(name: str) -> Refused:
    """The refusal of a scan that does not lead on, by one of the names in :data:`REFUSALS`."""
    status, message = REFUSALS[name]
    return Refused(status, name, message)


def described(browser: Browser, say: Translate) -> str:
    """Where a request came from, in a few words; it says what is not known of it."""
    name = browser.name or say("unknown browser")
    return f"{name}, {browser.network or say('unknown address')}"


def _answer_purpose(login: ScanLogin) -> str:
    """What the secret of the page is derived for that asks whoever scanned it."""
    return f"login {login.id} {login.follower_id}"


def visit_purpose(code: str) -> str:
    """What a phone is sent away for that opened the link of this code."""
    return f"scan {code}"


def _not_me_purpose(login_id: str) -> str:
    """What the secret of the link is derived for that ends the session."""
    return f"not-me {login_id}"


def _of_desk(conn: sqlite3.Connection, login_id: str, desk: bytes) -> ScanLogin:
    login = scan_logins.find(conn, login_id)
    if login is None or not secret.same(login.desk, desk):
        raise Refused(404, "unknown-login", "There is no such code on this computer.")
    return login


def _make_room(conn: sqlite3.Connection, mine: int, now: float) -> str:
    """Remove one of the network that has most of all, if that has more than whoever asks has
    already; the id of it.

    Raises:
        Refused: 503, there is none to be removed.
    """
    crowd, number = scan_logins.find_largest_crowd(conn, now=now)
    removed = scan_logins.remove_newest_of_crowd(conn, crowd) if number > mine else ""
    if not removed:
        raise _too_many(503)
    return removed


def _too_many(status: int) -> Refused:
    message = "Too many computers are waiting for a scan. Please use your password."
    return Refused(status, "too-many-codes", message, retry_after=30)


def _known(number: int | None) -> int:
    """The number of somebody, where the state says that there is one."""
    assert number is not None
    return number
