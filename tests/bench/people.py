"""People with a code open, or bound, written into a data directory before the server starts.

Made by the program's own functions, so that a bench need not log in five thousand times.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

from wx import secret
from wx.clock import Clock
from wx.model import Browser, Invite, InviteState
from wx.service.api_keys import ApiKeys
from wx.service.passwords import hash_now
from wx.store import (
    accounts,
    bindings,
    consents,
    database,
    followers,
    invites,
    server_key,
    sessions,
)
from wx.store.database import Database

PASSWORD = "a long enough password 3"
INVITE_SECONDS = 3600
WINDOW = followers.Act(0.0, window_left=1_000_000, window_ends_at=4_000_000_000.0)
_BROWSER = Browser("127.0.0.0/24", "Chrome, Windows")


@dataclass(frozen=True, slots=True)
class Person:
    """An account's browser with its invite, and a phone that said yes to it.

    Args:
        session: the value of the browser's cookie.
        invite: the invite's id.
        code: what its code carries.
        state: what the phone comes back with.
        phone: the value of the phone's cookie.
    """

    name: str
    session: str
    invite: str
    code: str
    state: str
    phone: str

    @property
    def callback(self) -> str:
        """The address that the authorize page sends this phone to."""
        return f"/callback?code=code{self.invite}&state={self.state}"

    @property
    def phone_cookie(self) -> dict[str, str]:
        return {"Cookie": f"phone={self.phone}"}

    @property
    def browser_cookie(self) -> dict[str, str]:
        return {"Cookie": f"session={self.session}"}


async def invite_people(data: Path, count: int, *, app_id: str) -> list[Person]:
    """Make ``count`` people in the database of a data directory; all have the same password."""
    database.make_private(data)
    key = server_key.load(data)
    kept = hash_now(PASSWORD) if count else ""
    people = [_person(number, key) for number in range(count)]

    def work(conn: Connection) -> None:
        for person in people:
            _keep(conn, person, kept, app_id=app_id)

    async with await Database.open(data / database.FILE) as store:
        await store.write(work)
    return people


def _person(number: int, key: bytes) -> Person:
    invite = secret.new_id()
    return Person(
        name=f"person{number}",
        session=secret.new_secret(),
        invite=invite,
        code=secret.derive(key, f"invite {invite}"),
        state=secret.new_secret(),
        phone=secret.new_secret(),
    )


def _keep(conn: Connection, person: Person, password: str, *, app_id: str) -> None:
    now = Clock().now()
    account = accounts.add(conn, person.name, password, admin=False, now=now)
    session = secret.digest(person.session)
    sessions.add(conn, session, account.id, _BROWSER, now=now)
    invite = Invite(
        id=person.invite,
        account_id=account.id,
        session=session,
        app_id=app_id,
        number="42",
        state=InviteState.WAITING,
        replace=False,
        created_at=now,
        expires_at=now + INVITE_SECONDS,
        browser=_BROWSER,
        follower_id=None,
        confirm_state=None,
        confirm_until=0,
        confirm_tries=0,
    )
    invites.add(conn, invite, secret=secret.digest(person.code))
    consents.add(
        conn, secret.digest(person.state), person.invite, phone=secret.digest(person.phone), now=now
    )


async def bind_people(
    data: Path, openids: Sequence[str], *, app_id: str, open_to: Collection[str] = ()
) -> str:
    """Make an account for each openid, person0 and so on, and bind it; an API key that may send to
    them and look.

    Args:
        open_to: the openids that a customer-service message reaches, for good.
    """
    database.make_private(data)
    server_key.load(data)

    def work(conn: Connection) -> None:
        now = Clock().now()
        for number, openid in enumerate(openids):
            # Nobody logs in by it: no password fits.
            account = accounts.add(conn, f"person{number}", "*", admin=False, now=now)
            act = WINDOW if openid in open_to else followers.Act(0.0)
            known = followers.mark_acted(conn, app_id, {openid: act})
            bindings.add(conn, app_id, account.id, known[openid].id, route="scan", now=now)

    async with await Database.open(data / database.FILE) as store:
        await store.write(work)
        return await ApiKeys(store, Clock()).add("bench", {"notices:write", "notices:read"})
