"""What all endpoints for programs share: an API key in, JSON in and out, and how no is said."""

import json
import math
import re
from asyncio import Future
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from tornado import locale
from tornado.web import HTTPError, RequestHandler

from wx.errors import Refused
from wx.model import ApiKey
from wx.web import client
from wx.web.base import Base

BODY_BYTES = 200 * 1024
DEPTH = 8  # levels of objects and lists
SHOWN = 64  # characters of a name that is told back
_SURROGATE = re.compile("[\ud800-\udfff]")
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)

# What an error says when nobody said more.
MESSAGES = {
    400: "The request is not right.",
    403: "Requests from other sites' pages are not answered here.",
    404: "There is no such address in the API.",
    405: "This address does not take this method.",
    413: "The body is too large: 200 KiB are the most.",
    421: "Please ask %(site)s by its own address.",
    500: "Something went wrong here. It was written down for the operator.",
    503: "The server is busy or being repaired. Please try again in a moment.",
}
# And what to do about it.
HINTS = {
    404: "All addresses are described at /api/v1/openapi.json, for which no key is needed.",
    405: "The header Allow names those that it takes.",
    413: "Send a shorter text with a link to the whole, or name fewer accounts at a time.",
}


class ApiHandler(Base):
    """An endpoint for programs. Nothing here goes by cookies, so nobody's browser can be made to
    use it; who asks is told by the key in the header ``Authorization``."""

    needs_session = False
    body_limit = BODY_BYTES
    messages = MESSAGES
    hints = HINTS
    scopes: Mapping[str, str] = {}  # what a key must be good for, by method; none: needs no key
    takes_forms = False
    key: ApiKey

    def initialize(self) -> None:
        super().initialize()
        if not self.takes_forms:
            # curl's -d calls everything a form; as one, JSON would be taken apart, and refused
            # where it holds many "&".
            self.request.headers.pop("Content-Type", None)

    def check_xsrf_cookie(self) -> None:
        """Not asked for: see above."""

    async def prepare(self) -> None:
        await super().prepare()
        # A method without a scope here is one that nobody needs a key for, or none that is taken.
        if scope := self.scopes.get(self.request.method or ""):
            await self.admit(self.shown_key(), scope)

    async def admit(self, shown: str, scope: str) -> None:
        """Take a request with this key, if it is good for ``scope``.

        Raises:
            Refused: it is not, or its minute is used up.
        """
        self.key = await self.services.api_keys.check(shown, scope)
        self.who = f"key {self.key.name}"

    @classmethod
    def methods(cls) -> list[str]:
        """The methods that are answered here."""
        return [
            method
            for method in cls.SUPPORTED_METHODS
            if getattr(cls, method.lower()) is not getattr(RequestHandler, method.lower())
        ]

    def shown_key(self) -> str:
        """The API key that came with the request.

        Raises:
            Refused: 401, there is none.
        """
        given = self.request.headers.get_list("Authorization")
        found = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
        if found is None:
            raise no_key()
        return found[1]

    def _check_host(self) -> None:
        # Nobody types these addresses: no leading on to the right one, which loses the key.
        if self.request.host.lower() != self.config.public_host:
            raise HTTPError(421)

    def get_user_locale(self) -> locale.Locale:
        """By the header alone, else Chinese: programs have no switch, and get no cookies."""
        return self.get_browser_locale("zh")

    def wants_json(self) -> bool:
        return True

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.methods()))
        if isinstance(error, Refused) and error.status == 401:
            self.set_header("WWW-Authenticate", 'Bearer realm="wxbind"')
            # An operator has to find out who tries keys, or has one that is over.
            self.who = f"from {client.network(self.address) or 'an unknown network'}"
        elif isinstance(error, Refused) and "key" in error.details:
            self.who = f"key {error.details['key']}"
        super().write_error(status_code, **kwargs)

    # What came

    def fields(self) -> "Fields":
        """The body's fields.

        Raises:
            Refused: 400, it is no JSON object.
        """
        return Fields(read_object(self.request.body))

    def query(self, *known: str) -> dict[str, str]:
        """The fields of the query, "" for those that are not there.

        Raises:
            Refused: 400, one is not known, comes twice, or is no text.
        """
        found = dict.fromkeys(known, "")
        for name, values in self.request.query_arguments.items():
            if name not in known:
                raise wrong("The field %(field)s is not known.", name)
            if len(values) > 1:
                raise wrong("The field %(field)s stands there twice.", name)
            try:
                found[name] = values[0].decode()
            except UnicodeDecodeError:
                raise wrong("The field %(field)s is no UTF-8 text.", name) from None
        return found

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> "Future[None]":
        if isinstance(chunk, dict):
            # Not by Tornado, which writes Chinese in escapes: this is read in shells, too.
            self.set_header("Content-Type", "application/json; charset=UTF-8")
            chunk = json.dumps(chunk, ensure_ascii=False) + "\n"
        return super().finish(chunk)

    def answer(self, status: int, **fields: object) -> None:
        """Answer with these fields."""
        self.set_status(status)
        self.finish(fields)


class NothingHere(ApiHandler):
    """Every address of the API that is nothing."""

    async def prepare(self) -> None:
        await Base.prepare(self)
        raise HTTPError(404)


class Fields:
    """The fields of a JSON object, each taken once. ``null`` is the same as nothing.

    Args:
        path: what stands before the names, where the object is itself a field.
    """

    def __init__(self, found: Mapping[str, Any], path: str = "") -> None:
        self._left = dict(found)
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._left.get(name) is not None

    def text(self, name: str, otherwise: str | None = None) -> str:
        """A text; without ``otherwise`` it must be there."""
        value = self._take(name)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, str):
            raise self._wrong("The field %(field)s must be a text.", name, value)
        return value

    def texts(self, name: str) -> list[str]:
        """A text or a list of them, as a list."""
        value = self._take(name)
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self._wrong("The field %(field)s must be a text or a list of texts.", name, value)
        return found

    def number(self, name: str) -> float | None:
        """A number that is not endless, if it is there."""
        value = self._take(name)
        if value is None:
            return None
        usable = isinstance(value, int | float) and not isinstance(value, bool)
        if not usable or not math.isfinite(value):
            raise self._wrong("The field %(field)s must be a number.", name, value)
        return cast(float, value)

    def flag(self, name: str) -> bool:
        """True or false; false if it is not there."""
        value = self._take(name)
        if not isinstance(value, bool | None):
            raise self._wrong("The field %(field)s must be true or false.", name, value)
        return bool(value)

    def inner(self, name: str) -> "Fields":
        """An object."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise self._wrong("The field %(field)s must be an object.", name, value)
        return Fields(value, f"{self._path}{name}.")

    def all_texts(self) -> dict[str, str]:
        """All that is left, which must be texts."""
        return {name: self.text(name) for name in list(self._left)}

    def done(self) -> None:
        """Refuse what nobody has taken."""
        for name in self._left:
            raise wrong("The field %(field)s is not known.", self._path + name)

    def _take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def _wrong(self, message: str, name: str, value: object) -> Refused:
        if value is None:
            message = "The field %(field)s is missing."
        return wrong(message, self._path + name)


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object from outside. Halves of characters are replaced, and the mark that Windows
    writes before UTF-8 is passed over.

    Raises:
        Refused: 400, it is none, or not one that all readers understand alike.
    """
    try:
        found = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_once_each, parse_constant=_no_constant
        )
        whole = _whole(found, DEPTH)
    except UnicodeDecodeError:
        raise wrong("The body is no UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise wrong(
            "The body is no JSON: see line %(line)d, column %(column)d.",
            line=error.lineno,
            column=error.colno,
        ) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or nested endlessly
        raise wrong("The body is no JSON that can be read here.") from None
    if not isinstance(whole, dict):
        raise wrong("The body must be a JSON object.")
    return whole


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise wrong("The field %(field)s stands there twice.", name)
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _whole(value: Any, depth: int) -> Any:
    """The value with no half of a character in its texts: no UTF-8 takes one.

    Raises:
        ValueError: there are more levels than ``depth``.
    """
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if not isinstance(value, list | dict):
        return value
    if not depth:
        raise ValueError("nested too deep")
    if isinstance(value, list):
        return [_whole(one, depth - 1) for one in value]
    return {_whole(name, 0): _whole(one, depth - 1) for name, one in value.items()}


def wrong(message: str, field: str = "", *, line: int = 0, column: int = 0) -> Refused:
    """The refusal of a request that is not of the form that is described."""
    shown = _SURROGATE.sub("\ufffd", field)[:SHOWN]
    return Refused(
        400,
        "bad-request",
        message,
        hint="The form of every request is described at /api/v1/openapi.json",
        more={"field": shown} if field else {},
        field=shown,
        line=line,
        column=column,
    )


def no_key() -> Refused:
    """The refusal of a request that shows no API key."""
    return Refused(
        401,
        "no-key",
        "This needs an API key.",
        hint="Send it as Authorization: Bearer KEY; make one with: wxbind key add NAME",
    )


def rfc3339(at: float | None) -> str | None:
    """A moment in UTC, to the millisecond; None for none."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
