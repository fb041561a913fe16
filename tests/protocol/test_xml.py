"""Reading what anybody may post, and writing what WeChat must be able to read."""

import contextlib
import ctypes
import gc
import itertools
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.protocol import test_incoming
from tests.vectors.hostile_xml import ACCEPTED, CASES, LIMIT, REFUSED, cases
from wx.protocol import reply, xml
from wx.protocol.incoming import OtherEvent, OtherMessage
from wx.protocol.reply import (
    ImageReply,
    MusicReply,
    NewsReply,
    TextReply,
    TransferReply,
    VideoReply,
    VoiceReply,
)
from wx.protocol.xml import BadXML

REASONS = {
    "too long",
    "it does not begin with the element xml",
    "not well-formed",
    "a document type",
    "an entity",
    "the root is not xml",
    "a namespace",
    "an element twice",
    "text between the elements",
    "too deep",
    "too many elements",
}
NOTHING = re.compile(b"(?!)")
ANY_TEXT = st.text(st.characters(exclude_categories=()))
MARKUP = [
    "]]>",
    "]",
    "]]",
    ">",
    "<![CDATA[",
    "&amp;",
    "<",
    "&",
    "</xml>",
    "<!--",
    "a",
    "你好",
    "🌻",
]
ODD = ["\0", "\x1b", "\x7f", "\x85", "\ufffe", "\ud83c", "\udf3b", "\r\n", "\r", "\n", "\t", " "]
TRICKY = st.lists(st.sampled_from([*MARKUP, *ODD])).map("".join)
TEXTS = ANY_TEXT | TRICKY
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,12}", fullmatch=True)
LEAVES = TEXTS | st.integers()
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=3)
        | st.lists(LEAVES | st.dictionaries(NAMES, inner, max_size=2), max_size=3)
    ),
    max_leaves=8,
)


def refused(body: bytes) -> str:
    with pytest.raises(BadXML) as caught:
        xml.read(body)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert str(caught.value) in REASONS
    return str(caught.value)


def message(inside: str) -> bytes:
    return f"<xml>{inside}</xml>".encode()


# --- what must be refused, and what not ---


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_bodies(case):
    if case.expectation == REFUSED:
        refused(case.body)
        return
    fields = xml.read(case.body)
    if case.expectation == ACCEPTED:
        assert fields["Content"] == case.content


def test_the_table_of_hostile_bodies_is_wide():
    assert len({case.name for case in CASES}) == len({case.body for case in CASES}) == len(CASES)
    assert sum(case.expectation == REFUSED for case in CASES) >= 300
    assert max(len(case.body) for case in CASES) == LIMIT + 1
    assert sorted(len(case.body) for case in CASES)[-2] == LIMIT == xml.LIMIT


@pytest.mark.parametrize("apart", [False, True])
def test_both_ways_of_reading_agree(apart, monkeypatch):
    if apart:
        monkeypatch.setattr(xml, "_PLAIN", NOTHING)
    else:
        monkeypatch.setattr(xml, "_parse_apart", xml._parse)
    for case in CASES:
        if case.expectation == REFUSED:
            refused(case.body)
        elif case.expectation == ACCEPTED:
            assert xml.read(case.body)["Content"] == case.content


def test_a_document_type_does_not_reach_the_parser(monkeypatch):
    monkeypatch.setattr(xml, "_parse", lambda body: pytest.fail("parsed"))
    before_the_root = [
        case
        for case in CASES
        if case.name.startswith("document type:") and not case.name.endswith("the root")
    ]
    assert len(before_the_root) > 50
    for case in before_the_root:
        assert refused(case.body) == "it does not begin with the element xml"


def test_the_parser_has_no_network():
    """Today's libxml2 speaks no HTTP anyway, so no behaviour could tell."""
    assert xml._PARSER["no_network"] is True


def test_a_document_type_is_refused_even_if_the_parser_meets_it(monkeypatch):
    """The second lock holds by itself."""
    monkeypatch.setattr(xml, "_BEGINNING", re.compile(b""))
    named = [case for case in CASES if case.name.startswith("document type:")]
    assert len(named) > 50
    for case in named:
        refused(case.body)
    assert refused(b"<!DOCTYPE xml><xml/>") == "a document type"
    assert refused(b"<!DOCTYPE xml [<!ENTITY e 'x'>]><xml><a>&e;</a></xml>") == "a document type"
    assert refused(b"<XML/>") == "the root is not xml"


def test_an_entity_is_refused_even_if_a_document_type_is_not():
    """The third: no entity is put in, and the node that stands for it is no field."""
    from lxml import etree

    body = b"<!DOCTYPE xml [<!ENTITY e 'x'>]><xml><a>&e;</a></xml>"
    root = etree.fromstring(body, etree.XMLParser(**xml._PARSER))
    with pytest.raises(BadXML, match="an entity"):
        xml._Reader().fields(root, depth=2)


# --- no file, no connection, no time, no memory ---


class Watch:
    """Hears of every file opened in a folder, also by code that is not Python's. Linux only."""

    OPEN_OR_READ = 0x20 | 0x01

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        libc.inotify_add_watch(self._descriptor, os.fsencode(folder), self.OPEN_OR_READ)

    def heard(self) -> bytes:
        """What happened since the last question; empty for nothing."""
        try:
            return os.read(self._descriptor, 65536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self._descriptor)


_heard: list[str] | None = None


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _heard is not None and event.split(".")[0] in {"open", "os", "socket", "subprocess"}:
        _heard.append(event)


@pytest.fixture
def heard():
    """What Python code opens, connects to or starts meanwhile."""
    global _heard
    if _heard is None and not hasattr(sys, "_wx_hears"):
        sys._wx_hears = True
        sys.addaudithook(_hear)  # cannot be taken away again, so it listens only for a while
    _heard = []
    yield _heard
    _heard = None


@pytest.mark.skipif(sys.platform != "linux", reason="inotify")
@pytest.mark.parametrize("locked", [True, False], ids=["", "without the first lock"])
def test_no_file_and_no_server_is_touched(heard, locked, tmp_path, monkeypatch):
    canary = tmp_path / "canary.txt"
    canary.write_text("secret canary")
    monkeypatch.chdir(tmp_path)
    if not locked:
        monkeypatch.setattr(xml, "_BEGINNING", re.compile(b""))
    watch = Watch(tmp_path)
    try:
        canary.read_bytes()
        assert watch.heard(), "the watch sleeps"
        assert "open" in heard, "the hook sleeps"
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            site = f"http://127.0.0.1:{server.getsockname()[1]}"
            hostile = cases(file=canary.as_uri(), site=site)
            heard.clear()
            for case in hostile:
                with contextlib.suppress(BadXML):
                    assert "canary" not in str(xml.read(case.body))
            assert heard == []
            with pytest.raises(BlockingIOError):
                server.accept()
        assert watch.heard() == b""
    finally:
        watch.close()


def test_no_body_takes_long():
    """50 ms at most for each, so the best of three tries must be far below."""
    for case in CASES:
        best = min(_seconds(case.body) for _ in range(3))
        assert best < 0.05, f"{case.name}: {best * 1000:.0f} ms"


def _seconds(body: bytes) -> float:
    start = time.thread_time()
    with contextlib.suppress(BadXML):
        xml.read(body)
    return time.thread_time() - start


def _kilobytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize(
    "made",
    [
        lambda n: "".join(f"<a{n:0200}b{m}/>" for m in range(480)),
        lambda n: "".join(f"<a b{n:0200}c{m}=''/>" for m in range(480)),
        lambda n: "<a" + "".join(f" b{n:08}c{m}=''" for m in range(4_000)) + "/>",
        lambda n: f"<a{n:040000}/>",
        lambda n: "".join(f"<a xmlns:b{n:090}c{m}='d{n:090}e{m}'/>" for m in range(480)),
        lambda n: "".join(f"<a xml:id='b{n:0200}c{m}'/>" for m in range(480)),
        lambda n: "".join(f"<?a{n:0100}b{m}?>" for m in range(900)),
        lambda n: f"&a{n:040000};",
        lambda n: "".join(f"<a/>{_blanks(n * 1000 + m)}" for m in range(480)),
    ],
    ids=["names", "attributes", "attributes of one", "long", "spaces", "ids", "pis", "&", "blanks"],
)
def test_made_up_names_do_not_stay_in_memory(made):
    """The parser never forgets a name, and these are new ones each time, 100 KB in each body."""
    numbers = iter(range(10**6, 10**7))

    def post(count: int) -> None:
        for number in itertools.islice(numbers, count):
            with contextlib.suppress(BadXML):
                xml.read(message(made(number)))
        gc.collect()

    post(40)
    before = _kilobytes()
    post(150)
    assert _kilobytes() - before < 4_000


def _blanks(number: int) -> str:
    """Forty blanks, others for each number."""
    return "".join(" \t"[number >> place & 1] for place in range(40))


def test_made_up_names_do_not_make_real_messages_slow(monkeypatch):
    """Nothing is learned of bodies, so nobody can wear it out."""
    for number in range(3_000):
        with contextlib.suppress(BadXML):
            xml.read(message(f"<a{number}/>"))
    monkeypatch.setattr(xml, "_parse_apart", lambda body: pytest.fail("read apart"))
    assert xml.read(message("<Content>1</Content>")) == {"Content": "1"}


def platform_bodies() -> Iterator[bytes]:
    """One of each kind that the platform document has, as the platform writes it."""
    for post, value in test_incoming.POSTS:
        if type(value) not in (OtherMessage, OtherEvent):
            yield post
    header = {"to": "o1", "sender": "gh_1", "now": 1}
    for answer in (
        TextReply("]]> <b> &amp;"),
        ImageReply("m"),
        VoiceReply("m"),
        VideoReply("m", "t", "d"),
        MusicReply("t", "d", "https://u", "https://h", "m"),
        NewsReply("t", "d", "https://p", "https://u"),
        TransferReply("a@b"),
    ):
        yield reply.write(answer, **header)
    yield xml.write({"ToUserName": "gh_1", "Encrypt": "YQ=="})
    yield xml.write({"Encrypt": "YQ==", "MsgSignature": "a", "TimeStamp": 1, "Nonce": "b"})


def test_nothing_of_the_platforms_needs_a_thread(monkeypatch):
    apart = lambda body: pytest.fail(f"read apart: {body.decode()}")  # noqa: E731
    monkeypatch.setattr(xml, "_parse_apart", apart)
    for body in platform_bodies():
        found = xml.read(body)
        for blanks in (b"\n", b"\r\n            "):
            assert xml.read(re.sub(rb"(</\w+>)\s*", rb"\1" + blanks, body)) == found
        assert xml.read(test_incoming.bare(body).replace(b"&", b"+"))


@pytest.mark.parametrize(
    "odd",
    [
        "<a b='c'/>",
        "<a/><!-- b -->",
        "<?a?>",
        "<a>&amp;</a>",
        "<a>&#65;</a>",
        f"<{'a' * 41}/>",
        f"<{'a' * 100}/>",
        "<微/>",
        "<a.é/>",
        "<Content />",
        "<Content>&amp;</Content>",
        "<Content> made up</Content>",
        "<Contents/>",
        "<content/>",
        "<Content:a/>",
        "<a/>",
        " " * 16,
        "<a><![CDATA[<b]]><c d='e'/></a>",
        "<a b='<![CDATA['/>",
        "<![CDATA[]]><b c='d'/>",
    ],
)
def test_whatever_else_could_stay_in_the_table_is_read_apart(odd, monkeypatch):
    monkeypatch.setattr(xml, "_parse", lambda body: pytest.fail("read here"))
    monkeypatch.setattr(xml, "_parse_apart", lambda body: {"read": "apart"})
    assert xml.read(message(odd)) == {"read": "apart"}


@pytest.mark.parametrize("before", [b"\n", b"\xef\xbb\xbf", b"<?xml version='1.0'?>", b"<!--a-->"])
def test_a_body_that_begins_with_more_than_its_root_is_read_apart(before, monkeypatch):
    monkeypatch.setattr(xml, "_parse_apart", lambda body: {"read": "apart"})
    assert xml.read(before + b"<xml></xml>") == {"read": "apart"}


KNOWN = ["<item>", "</item>", "<List/>", "<![CDATA[", "]]>"]
UNKNOWN = ["<a>", "</a>", "<item a='b'>", "<!--", "-->", "<?a?>", "&amp;", "<", ">", "]", "]]"]


@given(pieces=st.lists(st.sampled_from([*KNOWN, *UNKNOWN, "x", " x", " ", " " * 15, " " * 16])))
@example(pieces=["<![CDATA[", "]]>", "<a>"])
@example(pieces=["<![CDATA[", "]", "]]>", "<a>", "</a>"])
@example(pieces=["<item>", " " * 15, " ", "</item>"])
def test_only_known_tags_are_plain(pieces):
    """Said in another way than the program says it: piece by piece."""
    body = message("".join(pieces))
    if not xml._PLAIN.fullmatch(body):
        return
    left = body
    while left:
        if left.startswith(b"<![CDATA["):
            _, end, left = left.partition(b"]]>")
            continue
        text, _, left = left.partition(b"<")
        assert b"&" not in text
        assert not text[:1].isspace() or (text.isspace() and len(text) < 16)
        if left.startswith(b"![CDATA["):
            left = b"<" + left
        elif left:
            tag, end, left = left.partition(b">")
            assert end
            assert tag.strip(b"/") in (b"xml", b"item", b"List")


def test_a_system_without_threads_refuses_for_now(monkeypatch):
    def start(self: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(BadXML, match=r"^it cannot be read now$") as caught:
        xml.read(message("<a/>"))
    assert caught.value.__suppress_context__
    assert xml.read(message("<item/>")) == {"item": ""}


def test_whatever_fails_in_the_thread_is_a_refusal_without_content(monkeypatch):
    printed = []
    monkeypatch.setattr(threading, "excepthook", printed.append)

    def parse(body: bytes) -> None:
        raise MemoryError(body)

    monkeypatch.setattr(xml, "_parse", parse)
    with pytest.raises(BadXML, match=r"^it cannot be read$"):
        xml.read(message("<a/>"))
    assert printed == []


# --- what is read ---


def test_a_message_is_its_texts_by_name():
    body = message(
        "<ToUserName><![CDATA[gh_1]]></ToUserName>\n <CreateTime>1700000000</CreateTime>\n"
        "<Content><![CDATA[ 你好\n]]></Content><EventKey><![CDATA[]]></EventKey><Ticket/>"
    )
    assert xml.read(body) == {
        "ToUserName": "gh_1",
        "CreateTime": "1700000000",
        "Content": " 你好\n",
        "EventKey": "",
        "Ticket": "",
    }


def test_nested_elements_are_a_dict_and_repeated_ones_a_list():
    body = message(
        "<SendPicsInfo><Count>3</Count>\n<PicList>\n"
        "<item><PicMd5Sum>a</PicMd5Sum></item>\n<item><PicMd5Sum>b</PicMd5Sum></item>"
        "<item><PicMd5Sum>c</PicMd5Sum></item></PicList></SendPicsInfo>"
        "<One><item>1</item></One><Mixed>x<a>1</a>y<a><b>2</b></a>z</Mixed>"
    )
    assert xml.read(body) == {
        "SendPicsInfo": {
            "Count": "3",
            "PicList": {"item": [{"PicMd5Sum": "a"}, {"PicMd5Sum": "b"}, {"PicMd5Sum": "c"}]},
        },
        "One": {"item": "1"},
        "Mixed": {"a": ["1", {"b": "2"}]},
    }


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("<a>1</a><a>2</a>", "an element twice"),
        ("<a/><b/><a/>", "an element twice"),
        ("<a/>b", "text between the elements"),
        ("a<b/>", "text between the elements"),
        ("<a/>&#65;<b/>", "text between the elements"),
        ("<a xmlns='b'/>", "a namespace"),
        ("<a><b xmlns='c'/></a>", "a namespace"),
        ("<a>&b;</a>", "not well-formed"),
        ("<a>", "not well-formed"),
    ],
)
def test_reasons_say_what_is_wrong_and_quote_nothing(inside, reason):
    assert refused(message(inside)) == reason


def test_eight_deep_and_five_hundred_are_the_most():
    assert xml.read(message("<a>" * 7 + "</a>" * 7))
    assert refused(message("<a>" * 8 + "</a>" * 8)) == "too deep"
    wide = "".join(f"<a{number}/>" for number in range(499))
    assert len(xml.read(message(wide))) == 499
    assert refused(message(wide + "<b/>")) == "too many elements"
    inner = "<b>1</b>" * 498
    assert len(xml.read(message(f"<a>{inner}</a>"))["a"]["b"]) == 498
    assert refused(message(f"<a>{inner}<b/></a>")) == "too many elements"


def test_less_than_signs_in_a_text_are_no_elements():
    assert xml.read(message(f"<a><![CDATA[{'<b>' * 2_000}]]></a>")) == {"a": "<b>" * 2_000}


def test_128_kib_are_the_most():
    body = message(f"<a>{'x' * (LIMIT - 18)}</a>")
    assert len(body) == LIMIT
    assert xml.read(body)
    assert refused(body + b" ") == "too long"


@given(body=st.binary() | st.binary().map(lambda inside: b"<xml>" + inside + b"</xml>"))
def test_any_bytes_are_fields_or_bad(body):
    try:
        assert isinstance(xml.read(body), dict)
    except BadXML as error:
        assert str(error) in REASONS


@given(data=st.data())
def test_a_damaged_message_is_fields_or_bad(data):
    body = bytearray(
        xml.write(
            {"ToUserName": "gh_1", "CreateTime": 1, "Content": "你好", "A": {"B": ["1", "2"]}}
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        piece = data.draw(st.binary(max_size=3) | st.sampled_from([b"<", b"&", b"]]>", b"<!--"]))
        body[place : place + data.draw(st.integers(0, 3))] = piece
    try:
        _check(xml.read(bytes(body)))
    except BadXML as error:
        assert str(error) in REASONS


def _check(value: object) -> None:
    if isinstance(value, str):
        assert value == xml.clean(value)
    elif isinstance(value, list):
        assert len(value) > 1
        for one in value:
            _check(one)
    else:
        assert isinstance(value, dict)
        for name, one in value.items():
            assert name and "{" not in name
            _check(one)


# --- what is written ---


def test_a_reply_is_one_line():
    reply = {
        "ToUserName": "o-ann",
        "CreateTime": 1700000000,
        "Content": "你好 <a href='x'>y</a>\n",
        "Articles": {"item": [{"Title": "a"}, {"Title": "b"}]},
        "Nothing": [],
        "Empty": "",
    }
    assert xml.write(reply).decode() == (
        "<xml><ToUserName><![CDATA[o-ann]]></ToUserName><CreateTime>1700000000</CreateTime>"
        "<Content><![CDATA[你好 <a href='x'>y</a>\n]]></Content>"
        "<Articles><item><Title><![CDATA[a]]></Title></item>"
        "<item><Title><![CDATA[b]]></Title></item></Articles>"
        "<Empty><![CDATA[]]></Empty></xml>"
    )


@given(text=TEXTS)
@example("]]>")
@example("]]]]>>")
@example("]\0]>")
@example("]]\ud800>")
@example("\ud83c\udf3b")
def test_any_text_comes_back_clean(text):
    assert xml.read(xml.write({"Content": text})) == {"Content": _read(text)}


@given(fields=st.dictionaries(NAMES, VALUES.filter(lambda value: not isinstance(value, list))))
def test_whatever_is_written_can_be_read(fields):
    assert xml.read(xml.write(fields)) == {name: _read(value) for name, value in fields.items()}


def _read(value):
    """What must come back of what was written."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        kept = "".join(letter for letter in value if not _lost(ord(letter)))
        return kept.replace("\r\n", "\n").replace("\r", "\n")  # so does every reader of XML
    if isinstance(value, dict):
        # An empty list leaves nothing, a list of one looks like what is in it.
        found = {name: _read(one) for name, one in value.items() if one != []}
        return found or ""
    return [_read(one) for one in value] if len(value) > 1 else _read(value[0])


def _lost(number: int) -> bool:
    control = number < 0x20 and number not in (0x09, 0x0A, 0x0D)
    surrogate = 0xD800 <= number <= 0xDFFF
    return control or 0x7F <= number <= 0x9F or surrogate or number in (0xFFFE, 0xFFFF)


def test_exactly_these_characters_are_removed():
    lost = [number for number in range(0x110000) if xml.clean(chr(number)) == ""]
    assert lost == [number for number in range(0x110000) if _lost(number)]
    assert xml.clean("a\0b\tc\nd\re") == "ab\tc\nd\re"


@pytest.mark.parametrize("name", ["", "a b", "<a>", "a>", "1a", "-a", "a:b", "é", "a\n", "a/"])
def test_names_that_are_none_are_not_written(name):
    for fields in ({name: "x"}, {name: 1}, {"a": {name: "x"}}, {"a": [{name: "x"}]}):
        with pytest.raises(ValueError, match="not a name"):
            xml.write(fields)


@pytest.mark.parametrize("value", [None, True, 1.5, b"a", {"a"}, object()])
def test_other_values_are_not_written(value):
    for fields in ({"a": value}, {"a": {"b": value}}, {"a": [value]}):
        with pytest.raises(TypeError, match="neither"):
            xml.write(fields)
