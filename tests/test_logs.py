"""What reaches the log, and what never does."""

import io
import logging
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wx import logs
from wx.logs import FIELD_LIMIT, LINE_LIMIT, REPEATS_PER_SECOND, Repeats, Scrubber

SECRET = "pl4nted5ecretpl4nted5ecret"


def line(
    message: str, *args: Any, secrets: tuple[str, ...] = (SECRET,), exc_info: Any = None
) -> str:
    """The line that a record becomes, without date and level."""
    record = logging.LogRecord("wx", logging.INFO, "", 0, message, args, exc_info)
    return Scrubber(secrets).format(record).partition(" INFO wx: ")[2]


def failure(text: str, depth: int = 0) -> Any:
    """Exception information."""
    try:
        _fall(text, depth)
    except ValueError:
        return sys.exc_info()


def _fall(text: str, depth: int) -> None:
    if depth:
        _stumble(text, depth)
    raise ValueError(text)


def _stumble(text: str, depth: int) -> None:
    _fall(text, depth - 1)


def test_an_ordinary_line_says_when_where_and_what():
    record = logging.makeLogRecord(
        {"name": "wx.app", "levelname": "INFO", "msg": "%s bound, id %d", "args": ("ann", 7)}
    )
    text = Scrubber().format(record)
    assert text.endswith(" INFO wx.app: ann bound, id 7")
    assert text[:4].isdigit()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (f"secret is {SECRET}!", "secret is [secret]!"),
        ("GET /x?access_token=74_ab&b=1", "GET /x?access_token=[secret]&b=1"),
        (
            "/sns?appid=wx1&secret=ab&code=cd&x=1",
            "/sns?appid=wx1&secret=[secret]&code=[secret]&x=1",
        ),
        ("errcode=40001 and code=ab", "errcode=40001 and code=[secret]"),
        ("/callback?code=a&STATE=b done", "/callback?code=[secret]&STATE=[secret] done"),
        ("refresh_token=a ticket=b", "refresh_token=[secret] ticket=[secret]"),
        ("signature=a&msg_signature=b", "signature=[secret]&msg_signature=[secret]"),
        ("username=ann&password=pw&_xsrf=2|ab", "username=ann&password=[secret]&_xsrf=[secret]"),
        ("GET /b/Ab12 200", "GET /b/[secret] 200"),
        ("http://h/undo/Ab12?x=1", "http://h/undo/[secret]?x=1"),
        ("/live/Ab12", "/live/[secret]"),
        ("GET /s/Ab12 200", "GET /s/[secret] 200"),
        ("http://h/s/Ab12/Cd34?x=1", "http://h/s/[secret]?x=1"),
        ("GET /not-me/Ab12/Cd34 200", "GET /not-me/[secret] 200"),
        ("/not-me/Ab12", "/not-me/[secret]"),
        ("/view/Ab12/live", "/view/[secret]/live"),
        ("Authorization: Bearer wx_abc/d+e=", "Authorization: Bearer [secret]"),
        ("authorization: bearer wx_abc", "authorization: bearer [secret]"),
        (f"key wx_{'aB3' * 14}x.", "key [secret]."),
        (f"'wx_{'aB3' * 14}x'", "'[secret]'"),
        ("GET /SCT123abc.send?title=x 404", "GET /[secret].send?title=x 404"),
        ("GET http://h/send/SCT123abc.send", "GET http://h/send/[secret].send"),
        (f"/wx_{'a' * 43}.send", "/[secret].send"),
        ("/n/Ab12", "/n/[secret]"),
        ("wx_short and wx5a17c0de00000001", "wx_short and wx5a17c0de00000001"),
        ("GET /bind 200", "GET /bind 200"),
    ],
)
def test_secrets_are_cut_away(message, expected):
    assert line(message) == expected
    assert line("%s", message) == expected
    assert line("%(it)s", {"it": message}) == expected


def test_a_secret_is_not_written_when_it_stands_in_an_object_or_a_traceback():
    assert line("%r and %s", {"key": SECRET}, ValueError(SECRET)) == (
        "{'key': '[secret]'} and [secret]"
    )
    text = line("failed", exc_info=failure(f"no {SECRET} /x?access_token=ab"))
    assert "ValueError: no [secret] /x?access_token=[secret]" in text


def test_a_secret_that_is_part_of_another_leaves_nothing_of_it():
    assert line("abcdefgh", secrets=("abc", "abcdefgh")) == "[secret]"
    assert line("x", secrets=("", "x")) == "x", "an unset secret would hide everything"


def test_a_secret_at_the_cut_leaves_no_head_of_it():
    for before in range(FIELD_LIMIT - len(SECRET) - 1, FIELD_LIMIT + 1):
        text = line("%s", "x" * before + SECRET + "y" * 50)
        assert SECRET[:4] not in text


def test_line_breaks_in_arguments_forge_no_line():
    forged = "ann\r\n2027-01-15 08:00:00,000 INFO wx.app: bob bound"
    for text in (line("no account %s", forged), line(forged), line("%(a)s", {"a": forged})):
        assert "\n" not in text and "\r" not in text
        assert "ann\\r\\n2027" in text


def test_line_breaks_in_an_exception_forge_no_line():
    text = line("failed", exc_info=failure("no\n2027-01-15 08:00:00,000 INFO wx.app: bob bound"))
    first, *others = text.split("\n")
    assert first == "failed"
    assert others and all(other.startswith("  ") for other in others)
    assert any("bob bound" in other for other in others)


def test_control_characters_are_shown_and_not_sent_to_the_terminal():
    text = line("%s", "\x00\x1b[31m\x7f\x85\x9b\u2028\u2029é🌻\t.")
    assert text == "\\x00\\x1b[31m\\x7f\\x85\\x9b\\x2028\\x2029é🌻\t."


def test_long_fields_are_cut_whatever_they_are():
    long = "x" * 5000
    for value in (long, ValueError(long), [long], long.encode()):
        text = line("%s.", value)
        assert len(text) == FIELD_LIMIT + 2
        assert text.endswith("….")
    assert line("%(a)s", {"a": long}) == "x" * FIELD_LIMIT + "…"
    assert line("%s %d %.1f %s", "x" * FIELD_LIMIT, 10**9, 0.25, None) == (
        "x" * FIELD_LIMIT + " 1000000000 0.2 None"
    )


def test_an_entry_is_bounded_and_keeps_both_its_ends():
    text = line("failed", exc_info=failure("x" * 100_000, depth=40))
    assert len(text) <= LINE_LIMIT
    assert text.startswith("failed\n  Traceback")
    text = line("failed", exc_info=failure("the reason", depth=100))
    assert len(text) <= LINE_LIMIT
    assert text.endswith("ValueError: the reason")


def test_a_line_with_the_wrong_arguments_is_still_scrubbed():
    text = line("%s and %s", SECRET)
    assert text == "%s and %s ('[secret]',)"
    assert "[secret]" in line("%d", SECRET)


def test_the_record_stays_as_it_was_for_other_handlers():
    record = logging.makeLogRecord({"name": "wx", "msg": "a %s", "args": ("x" * 500,)})
    Scrubber([SECRET]).format(record)
    assert record.getMessage() == "a " + "x" * 500


@given(
    secret=st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=6),
    before=st.text(max_size=300),
    after=st.text(max_size=300),
)
def test_a_planted_secret_is_never_written(secret, before, after):
    assume(secret not in line("", secrets=()) and secret not in "[secret]")
    assume(secret not in before + after and secret not in repr(before) + repr(after))
    text = before + secret + after
    for written in (
        line(text.replace("%", "%%"), secrets=(secret,)),
        line("%s", text, secrets=(secret,)),
        line("%s", ValueError(text), secrets=(secret,)),
        line("x", exc_info=(ValueError, ValueError(text), None), secrets=(secret,)),
    ):
        # The mark of a cut may complete another text to the secret, but not the planted one.
        assert secret not in written.replace("[secret]", "\0")
        assert "\r" not in written
        assert all(one.startswith("  ") for one in written.split("\n")[1:])


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moment that repeats are counted at."""
    now = [100.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    return now


def record_of(message: str) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "wx", "levelno": 30, "msg": message})


def test_repeats_are_collapsed_and_counted(seconds):
    repeats = Repeats()
    passed = [repeats.filter(record_of("again %s")) for _ in range(REPEATS_PER_SECOND + 25)]
    assert passed == [True] * REPEATS_PER_SECOND + [False] * 25
    assert repeats.filter(record_of("something else")), "others are not held up"
    seconds[0] += 1
    later = record_of("again %s")
    assert repeats.filter(later)
    assert later.msg == "(25 repeated lines left out) again %s"
    seconds[0] += 1
    quiet = record_of("again %s")
    assert repeats.filter(quiet)
    assert quiet.msg == "again %s"


@pytest.fixture
def root() -> Any:
    """The root logger, as it was afterwards."""
    logger = logging.getLogger()
    others = [logging.getLogger(name) for name in ("aiosqlite", "tornado.curl_httpclient")]
    before = (list(logger.handlers), logger.level, [other.level for other in others])
    yield logger
    logger.handlers[:], level, levels = before
    logger.setLevel(level)
    for other, old in zip(others, levels, strict=True):
        other.setLevel(old)


def test_all_lines_go_scrubbed_to_standard_error(root, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    logs.set_up(secrets=[SECRET])
    logging.getLogger("wx.any").info("held %s", SECRET)
    logging.getLogger("wx.any").debug("not this")
    logging.getLogger("aiosqlite").info("nor this")
    logging.getLogger("tornado.curl_httpclient").info("nor this")
    for _ in range(REPEATS_PER_SECOND * 3):
        logging.getLogger("wx.any").warning("again")
    assert len(root.handlers) == 1
    first, *others = out.getvalue().splitlines()
    assert first.endswith(" INFO wx.any: held [secret]")
    # The second may change while the loop runs.
    assert REPEATS_PER_SECOND <= len(others) <= 2 * REPEATS_PER_SECOND


def test_the_least_level_can_be_set(root):
    logs.set_up(level=logging.WARNING)
    assert root.level == logging.WARNING


def test_debugging_writes_no_statements_and_no_headers(root):
    logs.set_up(level=logging.DEBUG)
    for name in ("aiosqlite", "tornado.curl_httpclient"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)


def test_a_program_that_formats_wrongly_still_leaks_nothing():
    code = (
        "import logging; from wx import logs; logs.set_up(secrets=['pl4nted']);"
        "logging.getLogger('x').warning('%d', 'pl4nted'); logging.getLogger('x').warning('%s', 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pl4nted" not in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_where_an_error_was_raised_is_one_line_without_its_text() -> None:
    try:
        raise ValueError("what somebody sent")
    except ValueError as error:
        line = logs.where(error)
    assert line.startswith("ValueError: ") and "test_logs.py" in line
    assert "\n" not in line
    assert logs.where(ValueError("never raised")) == "ValueError: "
