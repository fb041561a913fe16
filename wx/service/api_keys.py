"""API keys: made and revoked by whoever runs the server, shown by programs, and counted."""

import re
import sqlite3
import unicodedata
from collections.abc import Collection

from wx import secret
from wx.clock import Clock
from wx.errors import Refused, StorageUnavailable
from wx.model import Account, ApiKey
from wx.service.accounts import proper_name
from wx.service.background import Background
from wx.service.rate import Rate
from wx.store import accounts, api_keys
from wx.store.database import Database

SERVERCHAN = "serverchan"
WRITE, READ = "notices:write", "notices:read"
INVITES = "invites:write"
SCOPES = (
    WRITE,
    READ,
    "bindings:read",
    "accounts:write",
    INVITES,
    "js:read",
    "access-token:read",
    SERVERCHAN,
)
PREFIX = "wx_"
CACHE_SECONDS = 0.5  # that a key which was found is not looked up again
USED_EVERY_SECONDS = 60
_SHOWN = len(PREFIX) + 5  # letters that a key is known by in lists
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{secret.LENGTH}}}")
_DAY = 86400


class ApiKeys:
    """The keys, and how much is done with each.

    Args:
        background: writes down when a key was used, behind the answer; None: nobody does.
        per_minute: what one key may ask for in a minute.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        background: Background | None = None,
        *,
        per_minute: int = 6000,
    ) -> None:
        self._database = database
        self._clock = clock
        self._background = background
        self._calls = Rate(clock, per_minute=per_minute)
        # Keyed by digests of keys that were found, so that strangers cannot fill it.
        self._found: dict[bytes, tuple[float, ApiKey]] = {}
        self._used: dict[int, float] = {}

    async def add(
        self,
        name: str,
        scopes: Collection[str],
        *,
        account: str = "",
        expires_in: float | None = None,
    ) -> str:
        """Make a key: the key itself, which is kept nowhere and shown this once.

        The name of a key that was revoked or has expired may be used again: that is how a program
        gets a new key. It then goes on under its name, in the record of what it sent too, and the
        old key stays as useless as it was.

        Args:
            account: the only one that a key reaches, if there is one.
            expires_in: seconds; None for ever.

        Raises:
            Refused: 400, name, scopes or time will not do; 404, there is no such account; 409, a
                key that still holds has this name.
        """
        name = proper_name(name)
        _check_scopes(scopes, account)
        if expires_in is not None and not 0 < expires_in <= 100 * 366 * _DAY:
            raise Refused(400, "bad-expiry", "A key holds for more than no time, up to 100 years.")
        key = PREFIX + secret.new_secret()
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> ApiKey | None:
            owner = accounts.find_by_name(conn, account) if account else None
            if account and owner is None:
                raise _unknown_account(account)
            return api_keys.add(
                conn,
                name,
                secret.digest(key),
                prefix=key[:_SHOWN],
                scopes=set(scopes),
                account_id=owner.id if owner else None,
                expires_at=None if expires_in is None else now + expires_in,
                now=now,
            )

        if await self._database.write(work) is None:
            raise Refused(
                409,
                "name-taken",
                "There is a key of the name %(name)s. Revoke it first, or take another name.",
                name=name,
            )
        return key

    async def list_all(self) -> list[ApiKey]:
        """All keys by name, those that are over too."""
        return await self._database.read(api_keys.list_all)

    async def revoke(self, name: str) -> None:
        """Make a key useless; a running server takes no notice of it for half a second at most.

        Raises:
            Refused: 404, there is no such key.
        """
        name = unicodedata.normalize("NFC", name)
        now = self._clock.now()

        def work(conn: sqlite3.Connection) -> None:
            found = api_keys.find_by_name(conn, name)
            if found is None:
                raise Refused(
                    404, "unknown-key", "There is no key of the name %(name)s.", name=name
                )
            api_keys.mark_revoked(conn, found.id, now=now)

        await self._database.write(work)

    async def account_of(self, key: ApiKey) -> Account | None:
        """The only account that a key reaches, if there is one."""
        number = key.account_id
        if number is None:
            return None
        return await self._database.read(lambda conn: accounts.find(conn, number))

    async def check(self, key: str, scope: str) -> ApiKey:
        """The key that a program has shown, counted as one call.

        Raises:
            Refused: 401, it is no key, or over; 403, it lacks the scope; 429, its minute is used
                up.
        """
        known = await self._find(key)
        if wait := self._calls.try_take(known.id, 1):
            raise _too_many(known, wait)
        if scope not in known.scopes:
            raise Refused(
                403,
                "missing-scope",
                "This API key lacks the scope %(scope)s.",
                hint="Make one that has it, with: wxbind key add NAME --scope %(scope)s",
                more={"scope": scope},
                scope=scope,
                key=known.name,
            )
        self._note_use(known)
        return known

    def charge(self, key: ApiKey, more: int) -> None:
        """Count so many more, for one call that :meth:`check` has counted as one; all of them, or
        none.

        More than a minute's worth is let through once a whole minute's worth is there, and the key
        then waits for as long as it is in debt.

        Raises:
            Refused: 429, the key's minute is used up.
        """
        if wait := self._calls.try_take(key.id, more, before=1):
            raise _too_many(key, wait)

    def give_back(self, key: ApiKey, more: int) -> None:
        """Take back what :meth:`charge` has counted."""
        self._calls.give_back(key.id, more)

    async def _find(self, key: str) -> ApiKey:
        if not _FORM.fullmatch(key):
            raise _bad_key()
        digest = secret.digest(key)
        read_at, known = self._found.get(digest, (0.0, None))
        now = self._clock.monotonic()
        if known is None or now - read_at > CACHE_SECONDS:
            self._found.pop(digest, None)
            known = await self._database.read(lambda conn: api_keys.find_by_digest(conn, digest))
        if known is None or not known.holds(self._clock.now()):
            raise _bad_key()
        # Since before it was read: a revocation in between must not be hidden for longer.
        if digest not in self._found:
            self._found[digest] = (now, known)
        return known

    def _note_use(self, key: ApiKey) -> None:
        now = self._clock.now()
        noted = self._used.get(key.id, key.used_at or 0.0)
        if self._background is None or 0 <= now - noted < USED_EVERY_SECONDS:
            return
        self._used[key.id] = now
        self._background.spawn(self._mark_used(key, now))

    async def _mark_used(self, key: ApiKey, now: float) -> None:
        try:
            await self._database.write(lambda conn: api_keys.mark_used(conn, key.id, now=now))
        except StorageUnavailable:
            self._used.pop(key.id, None)  # at the next call


def _check_scopes(scopes: Collection[str], account: str) -> None:
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise Refused(
            400, "bad-scope", "The scopes of a key are some of: %(scopes)s", scopes=" ".join(SCOPES)
        )
    if SERVERCHAN in scopes and len(set(scopes)) > 1:
        raise Refused(
            400,
            "bad-scope",
            "A key for serverchan stands in addresses, where others may see it: it has no other"
            " scope.",
        )
    if SERVERCHAN in scopes and not account:
        raise Refused(
            400,
            "bad-recipient",
            "A key for serverchan reaches one account.",
            hint="Name that account with --to ACCOUNT.",
        )
    if account and not set(scopes) <= {SERVERCHAN, WRITE, READ, INVITES}:
        raise Refused(
            400,
            "bad-recipient",
            "A key for one account can send to it, read what was sent, and have it bound, and"
            " nothing else.",
            hint="Leave out --to, or every scope but %(scopes)s.",
            scopes=f"{WRITE} {READ} {INVITES}",
        )


def _too_many(key: ApiKey, wait: float) -> Refused:
    return Refused(
        429,
        "too-many-requests",
        "Too many requests with this API key.",
        hint="Wait as long as Retry-After says, or set api_per_minute higher.",
        retry_after=wait,
        key=key.name,
    )


def _bad_key() -> Refused:
    # One answer for all: which keys there were is nobody's business.
    return Refused(
        401,
        "bad-key",
        "There is no such API key, or it was revoked, or it has expired.",
        hint="Send a key as Authorization: Bearer KEY; make one with: wxbind key add NAME",
    )


def _unknown_account(name: str) -> Refused:
    return Refused(
        404, "unknown-account", "There is no account of the name %(name)s.", name=name[:64]
    )
