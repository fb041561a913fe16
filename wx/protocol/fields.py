"""How a value takes its parts out of the fields of a post: used as the defaults of a dataclass.

Names stand in the platform's spelling; the first that holds something counts. ``a/b`` is ``b``
inside of ``a``, and both may be repeated. What has the wrong shape, a structure where a text
belongs or the other way round, counts as absent. Texts lose control characters; tabs and line
breaks stay. What is absent is refused or has its default; what is odd is refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from dataclasses import fields as dataclass_fields
from typing import Any, TypeVar, cast

from wx.protocol import xml

Fields = Mapping[str, object]
Take = Callable[[Fields], object]
T = TypeVar("T")

COUNT = 2**53  # what JavaScript can count to; the platform counts people and bytes

NAME = re.compile(r"[A-Za-z0-9_@.-]{1,64}")
_DIGITS = re.compile(r"[0-9]{1,20}")
_SIGNED = re.compile(r"-?[0-9]{1,20}")
_DECIMAL = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,40})?(?:[eE]-?[0-9]{1,3})?")


class BadMessage(ValueError):
    """The platform sends no such message. Says which field is wrong, never what is in it."""


def takes(cls: type) -> tuple[tuple[str, Take], ...]:
    """The names of ``cls``'s fields that take something, each with how."""
    return tuple(
        (one.name, one.metadata["take"]) for one in dataclass_fields(cls) if "take" in one.metadata
    )


def text(*names: str) -> str:
    """A text, "" where there is none."""
    look = _look(*names)
    return _field(lambda fields: look(fields) or "", default="")


def present(*names: str) -> str:
    """A text that must be there but may be empty: a person wrote it."""
    look = _look(*names)

    def take(fields: Fields) -> str:
        if (value := look(fields)) is None:
            raise BadMessage(f"{names[0]} is missing")
        return value

    return _field(take)


def required(*names: str) -> str:
    """A text that must not be empty."""
    look = _look(*names)

    def take(fields: Fields) -> str:
        if not (value := look(fields)):
            raise BadMessage(f"{names[0]} is missing")
        return value

    return _field(take)


def name(*names: str) -> str:
    """What the platform calls somebody or something; must be there."""
    return _field(matching(NAME, *names))


def digits(*names: str) -> str:
    """A number that is only a name; must be there."""
    return _field(matching(_DIGITS, *names))


def some_digits(*names: str) -> str:
    """A number that is only a name, "" where there is none."""
    return _field(matching(_DIGITS, *names, absent=""), default="")


def word(name: str) -> str:
    """What :func:`name` takes, in lower case."""
    take = matching(NAME, name)
    return _field(lambda fields: take(fields).lower())


def says(name: str, expected: str) -> bool:
    """Whether the text is ``expected`` but for letter case and blanks."""
    look = _look(name)
    return _field(lambda fields: squeezed(look(fields) or "") == expected, default=False)


def meaning(name: str, table: Mapping[str, T], other: T) -> T:
    """What the table has for the text, compared as :func:`says` does; ``other`` for other texts."""
    look = _look(name)
    return _field(lambda fields: table.get(squeezed(look(fields) or ""), other), default=other)


def whole(*names: str, low: int = 0, high: int = COUNT, absent: int | None = None) -> int:
    """A whole number from ``low`` to ``high``; ``absent`` where there is none, if that is given."""
    look = _look(*names)

    def take(fields: Fields) -> int:
        if not (value := look(fields)) and absent is not None:
            return absent
        return _whole(value or "", names[0], low=low, high=high)

    return _field(take) if absent is None else _field(take, default=absent)


def decimal(*names: str, low: float, high: float, absent: float | None = None) -> float:
    """A number from ``low`` to ``high``; ``absent`` where there is none, if that is given."""
    look = _look(*names)

    def take(fields: Fields) -> float:
        if not (value := look(fields)) and absent is not None:
            return absent
        if not _DECIMAL.fullmatch(value or ""):
            raise BadMessage(f"{names[0]} is missing or no number")
        number = float(value or "")
        if not low <= number <= high:
            raise BadMessage(f"{names[0]} is out of range")
        return number

    return _field(take) if absent is None else _field(take, default=absent)


def texts(path: str) -> tuple[str, ...]:
    """All the texts there."""
    steps = path.split("/")

    def take(fields: Fields) -> tuple[str, ...]:
        found = _found(fields, steps)
        return tuple(clean(one) for one in found if isinstance(one, str) and one)

    return _field(take, default=())


def wholes(path: str, *, high: int) -> tuple[int, ...]:
    """All the whole numbers there, from 0 to ``high``."""
    steps = path.split("/")

    def take(fields: Fields) -> tuple[int, ...]:
        listed = [one for one in _found(fields, steps) if isinstance(one, str) and one]
        return tuple(_whole(one, steps[-1], low=0, high=high) for one in listed)

    return _field(take, default=())


def each(cls: type[T], *paths: str) -> tuple[T, ...]:
    """A value of ``cls`` for each structure there."""
    ways, steps = takes(cls), [path.split("/") for path in paths]

    def take(fields: Fields) -> tuple[T, ...]:
        return tuple(
            cls(**{name: way(one) for name, way in ways})
            for path in steps
            for one in _found(fields, path)
            if isinstance(one, dict)
        )

    return _field(take, default=())


def matching(
    pattern: re.Pattern[str], *names: str, absent: str | None = None
) -> Callable[[Fields], str]:
    """Takes what the pattern matches; ``absent`` where there is none, if that is given."""
    look = _look(*names)

    def take(fields: Fields) -> str:
        if not (value := look(fields)) and absent is not None:
            return absent
        if not pattern.fullmatch(value or ""):
            raise BadMessage(f"{names[0]} is missing or odd")
        return value or ""

    return take


def clean(value: str) -> str:
    """``value`` without control characters; a line ends in one character."""
    if value.isprintable():  # nearly every one is, and this looks fastest
        return value
    return xml.clean(value).replace("\r\n", "\n").replace("\r", "\n")


def squeezed(value: str) -> str:
    """``value`` in lower case without blanks: the platform is not steady with either (3.7)."""
    return "".join(value.lower().split())


def _field(take: Callable[[Fields], T], **default: object) -> T:
    # Not what it is, but what becomes of it: so each part's type is checked against its way.
    made: Any = field(**default, metadata={"take": take})  # type: ignore[call-overload]
    return cast(T, made)


def _look(*names: str) -> Callable[[Fields], str | None]:
    """Finds the first text under these names that is not empty, else "", else None."""
    paths = [name.split("/") for name in names]

    def look(fields: Fields) -> str | None:
        best: str | None = None
        for name in names:
            value = fields.get(name)
            if isinstance(value, str):
                best = clean(value)
                if best:
                    return best
        return best

    def look_inside(fields: Fields) -> str | None:
        best: str | None = None
        for value in (value for path in paths for value in _found(fields, path)):
            if isinstance(value, str):
                best = clean(value)
                if best:
                    return best
        return best

    # Nearly every name is flat, and is found without building lists.
    return look_inside if any("/" in name for name in names) else look


def _whole(value: str, name: str, *, low: int, high: int) -> int:
    # int() alone would also take plus signs, blanks, underscores and the digits of every script.
    if not (_SIGNED if low < 0 else _DIGITS).fullmatch(value):
        raise BadMessage(f"{name} is missing or no whole number")
    number = int(value)
    if not low <= number <= high:
        raise BadMessage(f"{name} is out of range")
    return number


def _found(fields: Fields, path: list[str]) -> list[object]:
    """What stands at the end of ``path``, through everything that is repeated on the way."""
    level: list[object] = [fields]
    for name in path:
        level = [inner for one in level for inner in _inner(one, name)]
    return level


def _inner(value: object, name: str) -> Iterator[object]:
    found = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(found, list):
        yield from found
    elif found is not None:
        yield found
