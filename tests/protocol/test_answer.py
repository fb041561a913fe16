"""Reading the platform's answers, whatever state they arrive in."""

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wx.errors import PlatformError, Remedy
from wx.protocol import answer

PATH = "/cgi-bin/x"


def read(body: bytes) -> dict[str, object]:
    return answer.read(body, path=PATH)


def refused(body: bytes) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        read(body)
    assert caught.value.path == PATH
    return caught.value


@pytest.mark.parametrize(
    ("errcode", "expected"),
    [
        (40001, Remedy.NEW_ACCESS_TOKEN),
        (40014, Remedy.NEW_ACCESS_TOKEN),
        (42001, Remedy.NEW_ACCESS_TOKEN),
        (-1, Remedy.RETRY),
        (45009, Remedy.PAUSE),
        (45011, Remedy.PAUSE),
        *((errcode, Remedy.PAUSE) for errcode in (89501, 89503, 89506, 89507)),
        *(
            (errcode, Remedy.REFUSE)
            for errcode in (40003, 40037, 43101, 45015, 45047, 47003, 48001)
        ),
        (40029, Remedy.REFUSE),
        (41001, Remedy.REFUSE),
        (43004, Remedy.REFUSE),
        (99999, Remedy.REFUSE),
    ],
)
def test_each_error_code_has_its_remedy(errcode, expected):
    assert answer.remedy(errcode) is expected
    error = refused(json.dumps({"errcode": errcode, "errmsg": "no rid: 1"}).encode())
    assert (error.remedy, error.errcode, error.errmsg) == (expected, errcode, "no rid: 1")


@pytest.mark.parametrize(
    "body", [b'{"a":1}', b'{"errcode":0,"a":1}', b'{"errcode":"0","errmsg":"x","a":1}']
)
def test_no_errcode_or_zero_is_success(body):
    assert read(body)["a"] == 1


def test_an_errcode_may_come_as_text():
    assert refused(b'{"errcode":"40001"}').errcode == 40001


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b'{"a":',
        b"[1]",
        b"null",
        b'"ok"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"errcode":null}',
        b'{"errcode":true}',
        b'{"errcode":"ok"}',
        b'{"errcode":1.5}',
        b'{"errcode":[1]}',
    ],
)
def test_nonsense_has_no_errcode_and_may_be_asked_again(body):
    error = refused(body)
    assert (error.remedy, error.errcode) == (Remedy.RETRY, None)


def test_control_characters_and_broken_bytes_are_read_over():
    assert read(b'{"nickname":"a\x08b\nc"}') == {"nickname": "a\x08b\nc"}
    assert read(b'{"nickname":"a\xff\xe4\xb8"}') == {"nickname": "a\ufffd\ufffd"}
    assert read('{"nickname":"王小明🌻"}'.encode()) == {"nickname": "王小明🌻"}


def test_an_errmsg_is_clean_and_short_or_nothing():
    assert refused(b'{"errcode":40003,"errmsg":"bad\x00\x1b openid"}').errmsg == "bad openid"
    assert refused(b'{"errcode":40003,"errmsg":["x"]}').errmsg == ""
    assert len(refused(json.dumps({"errcode": 1, "errmsg": "x" * 9999}).encode()).errmsg) == 300


@given(body=st.binary())
def test_any_bytes_give_an_object_or_a_platform_error(body):
    with contextlib.suppress(PlatformError):
        assert isinstance(read(body), dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(value=JSON, errcode=JSON, errmsg=JSON)
def test_any_json_gives_an_object_or_a_platform_error(value, errcode, errmsg):
    for body in (value, {"errcode": errcode, "errmsg": errmsg, "openid": value}):
        try:
            reply = read(json.dumps(body).encode())
        except PlatformError as error:
            assert str(error)
            continue
        for name in ("openid", "gone"):
            try:
                answer.text(reply, name, limit=64, path=PATH)
                answer.seconds(reply, name, path=PATH)
            except PlatformError:
                pass


@given(value=JSON | st.text(alphabet=st.characters()), limit=st.integers(0, 50))
def test_a_clean_text_can_always_be_written(value, limit):
    text = answer.clean(value, limit=limit)
    text.encode()
    assert len(text) <= limit
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text)


def test_cleaning_keeps_what_people_write():
    assert answer.clean("王 小\t明🌻é", limit=20) == "王 小\t明🌻é"
    assert answer.clean("\ud83c\udf3b", limit=5) == "🌻", "a pair that came as two escapes"
    assert answer.clean("a\ud83cb\udf3b", limit=5) == "a\ufffdb\ufffd"
    assert answer.clean("abcdef", limit=3) == "abc"
    for other in (None, 1, True, ["a"], {"a": "b"}, b"a"):
        assert answer.clean(other, limit=9) == ""


@pytest.mark.parametrize("value", [None, "", "a" * 9, "a b", "a\n", "é", 1, ["a"], "\x7f"])
def test_a_text_that_must_be_there_is_short_printable_ascii(value):
    assert answer.text({"t": "a_-1.~!"}, "t", limit=8, path=PATH) == "a_-1.~!"
    with pytest.raises(PlatformError) as caught:
        answer.text({"t": value}, "t", limit=8, path=PATH)
    assert caught.value.remedy is Remedy.RETRY
    assert caught.value.errmsg == "t is missing or odd"
    with pytest.raises(PlatformError):
        answer.text({}, "t", limit=8, path=PATH)


@pytest.mark.parametrize("value", [None, 0, -1, 367 * 86400, True, "7200", 7200.0, float("inf")])
def test_seconds_are_a_positive_number_of_at_most_a_year(value):
    assert answer.seconds({"s": 1}, "s", path=PATH) == 1
    assert answer.seconds({"s": 366 * 86400}, "s", path=PATH) == 366 * 86400
    with pytest.raises(PlatformError):
        answer.seconds({"s": value}, "s", path=PATH)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("王小明\u202e🌻", "王小明🌻"),
        (" two\nlines ", "two lines"),
        ("a\x08b", "ab"),
        ("x" * 200, "x" * 128),
        (None, ""),
        (7, ""),
    ],
)
def test_a_name_is_one_line_that_turns_nothing_around(value, name):
    assert answer.name(value) == name


AVATAR = "https://thirdwx.qlogo.cn/mmopen/x/132"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"nickname": "王小明", "headimgurl": AVATAR}, ("王小明", AVATAR)),
        ({"nickname": "微信用户", "headimgurl": AVATAR}, ("", "")),
        ({"nickname": " 微信\x00用户\n", "headimgurl": AVATAR}, ("", "")),
        ({"nickname": "微信用户甲", "headimgurl": AVATAR}, ("微信用户甲", AVATAR)),
        ({"nickname": "我是微信用户", "headimgurl": ""}, ("我是微信用户", "")),
        ({"nickname": "", "headimgurl": AVATAR}, ("", AVATAR)),
        ({"nickname": None, "headimgurl": ["x"]}, ("", "")),
        ({}, ("", "")),
    ],
)
def test_a_placeholder_is_no_name_and_its_picture_no_picture(told, expected):
    assert answer.portrait(told) == expected
