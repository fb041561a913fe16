"""Log lines that an operator can act on: one line each, bounded, without secrets."""

import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Mapping

FIELD_LIMIT = 200  # characters of one value
LINE_LIMIT = 4000  # characters of a whole entry, a traceback included
REPEATS_PER_SECOND = 10  # of the same message, before they are counted instead of written

# Names that carry a secret in the platform's addresses and in ours; the value is cut away.
_QUERY = re.compile(
    r"(\b(?:access_token|secret|code|state|ticket|refresh_token|signature|msg_signature"
    r"|password|_xsrf)=)[^&\s\"']+",
    re.IGNORECASE,
)
_PATHS = re.compile(r"(/(?:b|n|undo|live|view)/)[A-Za-z0-9]+")
_PAIRS = re.compile(r"(/(?:s|not-me)/)[A-Za-z0-9]+(?:/[A-Za-z0-9]+)?")  # a sign-in by scan's
_KEYS = re.compile(r"\bwx_[0-9A-Za-z]{16,}")  # an API key, or so much of one that it is no name
_SEND = re.compile(r"(/(?:send/)?)[^/\s?\"']+(\.send\b)")  # ServerChan's addresses
_BEARER = re.compile(r"(Bearer\s+)\S+", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class Scrubber(logging.Formatter):
    """Formats a record without secrets, line breaks of others, or endless fields.

    Args:
        secrets: texts that are never written, whatever the surroundings.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        # The longest first: another may be a part of it.
        self._secrets = sorted((one for one in secrets if len(one) >= 3), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        record = logging.makeLogRecord(record.__dict__)
        if isinstance(record.args, tuple):
            record.args = tuple(self._bounded(value) for value in record.args)
        elif isinstance(record.args, Mapping):
            record.args = {name: self._bounded(value) for name, value in record.args.items()}
        # A line break that is not ours could forge a line of the log.
        message = _message(record).replace("\r", "\\r").replace("\n", "\\n")
        record.msg, record.args = message, None
        # Traceback lines are ours, but the exception's text may hold anything: set them in.
        text = self._hide(super().format(record)).replace("\n", "\n  ")
        text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
        if len(text) <= LINE_LIMIT:
            return text
        # A traceback says most at its two ends.
        return f"{text[: LINE_LIMIT // 2]} … {text[3 - LINE_LIMIT // 2 :]}"

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        text = _QUERY.sub(r"\1[secret]", text)
        text = _PATHS.sub(r"\1[secret]", text)
        text = _PAIRS.sub(r"\1[secret]", text)
        text = _SEND.sub(r"\1[secret]\2", text)
        text = _KEYS.sub("[secret]", text)
        return _BEARER.sub(r"\1[secret]", text)

    def _bounded(self, value: object) -> object:
        """``value``, or as much of it as a field may hold."""
        if value is None or isinstance(value, bool | int | float):
            return value
        text = str(value)
        # Hidden before it is cut, or the cut would leave the head of a secret that nobody knows.
        return value if len(text) <= FIELD_LIMIT else self._hide(text)[:FIELD_LIMIT] + "…"


class Repeats(logging.Filter):
    """Lets a message through a few times a second; says later how often it was left out."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._second = 0
        self._seen: dict[tuple[str, int, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        second = int(time.monotonic())
        key = (record.name, record.levelno, str(record.msg))
        with self._lock:
            if second != self._second:
                left_out = sum(max(0, n - REPEATS_PER_SECOND) for n in self._seen.values())
                self._second, self._seen = second, {}
                if left_out > 0:
                    record.msg = f"({left_out} repeated lines left out) {record.msg}"
            self._seen[key] = self._seen.get(key, 0) + 1
            return self._seen[key] <= REPEATS_PER_SECOND


def where(error: BaseException) -> str:
    """The kind of an error and where it was raised, in one line; not its text, which may hold what
    somebody sent."""
    frames = "".join(traceback.format_tb(error.__traceback__)).replace("\n", " | ")
    return f"{type(error).__name__}: {frames}"


def set_up(*, secrets: Iterable[str] = (), level: int = logging.INFO) -> None:
    """Send all log lines to standard error, scrubbed.

    Args:
        secrets: the configured secrets, which are never written.
        level: the least important level that is written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Scrubber(secrets))
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # At DEBUG these two write statements with their values, and requests with their headers.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    logging.getLogger("tornado.curl_httpclient").setLevel(logging.WARNING)


def _message(record: logging.LogRecord) -> str:
    record.msg = str(record.msg)
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # Left to the logging module, this would be written to standard error with its secrets.
        return f"{record.msg} {record.args}"
