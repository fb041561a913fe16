"""The errors that one floor raises and another can act on."""

from collections.abc import Mapping
from enum import Enum


class Refused(Exception):
    """A request that is answered with a "no" that a person can understand.

    Args:
        status: the HTTP status of the answer.
        code: a short name that never changes, for programs.
        message: an English sentence for a person; the web floor translates it. ``%(name)s``
            takes a value from ``details``.
        retry_after: seconds after which another try makes sense, if any.
        hint: an English sentence that says what to do about it, for programs and the command line;
            takes values from ``details`` too.
        more: what else a program is told, beside code, message and hint.
        details: values for the message.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        hint: str = "",
        more: Mapping[str, object] | None = None,
        **details: object,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.hint = hint
        self.more = more or {}
        self.details = details


class Remedy(Enum):
    """What to do about a failed platform call (platform document, section 11)."""

    RETRY = "retry"  # the same call may work in a moment
    NEW_ACCESS_TOKEN = "new access token"
    REFUSE = "refuse"  # the same call will never work
    PAUSE = "pause"  # a quota or rate is used up: later


class PlatformError(Exception):
    """The platform said no, said nonsense, or said nothing.

    Args:
        remedy: what can be done about it.
        errcode: the platform's number, or None when there was no usable answer.
        errmsg: the platform's text, or what went wrong; holds no URL and no secret.
        path: the path that was called, without its query.
        unsent: the call itself did not reach the platform, so nothing can have come of it.
    """

    def __init__(
        self,
        remedy: Remedy,
        errcode: int | None,
        errmsg: str,
        *,
        path: str,
        unsent: bool = False,
    ) -> None:
        super().__init__(f"{path}: {errcode if errcode is not None else 'no answer'}: {errmsg}")
        self.remedy = remedy
        self.errcode = errcode
        self.errmsg = errmsg
        self.path = path
        self.unsent = unsent

    def fresh(self) -> "PlatformError":
        """The same error, not raised yet. One that is kept and raised again and again gathers the
        frames of all who get it, and with them their requests."""
        return PlatformError(
            self.remedy, self.errcode, self.errmsg, path=self.path, unsent=self.unsent
        )


class StartError(Exception):
    """The program cannot start; ``exit_code`` says why (interface document, Commands)."""

    exit_code = 1


class ConfigError(StartError):
    """The configuration is wrong; every problem is named.

    Args:
        problems: one sentence each.
    """

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class WrongUse(StartError):
    """The words of a command line do not fit together."""

    exit_code = 2


class AlreadyRunning(StartError):
    """Another process holds this data directory."""

    exit_code = 3


class DatabaseNewer(StartError):
    """The database was written by a newer wxbind."""

    exit_code = 4


class DatabaseDamaged(StartError):
    """The database file is not a sound wxbind database."""

    exit_code = 5


class StorageUnavailable(Exception):
    """The database could not be read or written just now: locked, full, or an I/O error."""
