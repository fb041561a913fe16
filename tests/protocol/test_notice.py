"""Notices that fit: what is cut, what is refused by name, and what WeChat then takes."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wx.model import Template
from wx.protocol import notice
from wx.protocol.notice import BadField, chat_text, fit, fit_text, keywords, kind, shortened
from wx.simulator import template as simulated

CUT = {"thing1": 20, "short_thing2": 5, "const3": 20, "name4": 20, "first": 200, "keyword1": 200}
CHECKED = [
    "number1",
    "letter2",
    "symbol3",
    "character_string4",
    "time5",
    "date6",
    "amount7",
    "phone_number8",
    "car_number9",
    "phrase10",
    "enum_string11",
]
FLAG, FAMILY, ACCENT = "🇨🇳", "👨‍👩‍👧", "e\u0301"
# Texts of all kinds, and of those that come near to a type.
TEXTS = st.one_of(
    st.text(max_size=60),
    st.text("王🌻é\u0301\u200d️🇨🇳 \n\r\t\0\u2028\ud800a1", max_size=300),
    st.text("0123456789.-:~/ 年月日元¥+()", max_size=40),
    st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2} ?[0-9]{1,2}:[0-9]{2}(~.*)?", fullmatch=True),
    st.from_regex(r"[¥$]?[0-9]{1,12}(\.[0-9]{1,3})?元?", fullmatch=True),
    st.text("粤沪京A7Zb", max_size=9),
    st.text("!#¥_,。", max_size=6),
)


def template(*names):
    return Template("T", "t", "\n".join(f"x：{{{{{name}.DATA}}}}" for name in names))


def refused(call):
    with pytest.raises(BadField) as caught:
        call()
    assert str(caught.value) == f"{caught.value.field}: {caught.value.problem}"
    return caught.value.field, caught.value.problem


# Names


def test_the_marks_are_named_in_their_order_and_once():
    content = (
        "{{first.DATA}}\n时间：{{time2.DATA}}{{ thing1.DATA }}\n{{time2.DATA}}{{x}}{thing9.DATA}"
    )
    assert keywords(content) == ("first", "time2", "thing1")
    assert keywords("") == ()


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("thing1", "thing"),
        ("short_thing12", "short_thing"),
        ("character_string3", "character_string"),
        ("phone_number08", "phone_number"),
        ("first", ""),
        ("keyword1", ""),
        ("remark", ""),
        ("thing", ""),
        ("thing1x", ""),
        ("Thing1", ""),
        ("1", ""),
        ("", ""),
    ],
)
def test_a_name_tells_the_type(field, expected):
    assert kind(field) == expected


def test_the_simulator_s_types_are_all_known():
    assert {kind(f"{one}1") for one in simulated._TYPES} == set(simulated._TYPES)


# One field


@pytest.mark.parametrize(("field", "limit"), CUT.items())
def test_what_reads_on_is_cut_by_characters(field, limit):
    assert fit_text("x" * limit, field) == ("x" * limit, False)
    assert fit_text("x" * (limit + 1), field) == ("x" * (limit - 1) + "…", True)
    if field != "name4":
        assert fit_text("王" * limit, field) == ("王" * limit, False)
        assert fit_text("王" * (limit + 1), field) == ("王" * (limit - 1) + "…", True)


@pytest.mark.parametrize("wide", ["王", "ー", "Ａ", "㐀", "𠮷", "。"])
def test_a_name_with_wide_signs_has_half_the_length(wide):
    assert fit_text("a" * 9 + wide, "name4") == ("a" * 9 + wide, False)
    assert fit_text("a" * 10 + wide, "name4") == ("a" * 9 + "…", True)
    assert fit_text("Jürgen Ångström-Smith", "name4") == ("Jürgen Ångström-Smi…", True)


@pytest.mark.parametrize("sign", [FLAG, FAMILY, ACCENT, "👍🏽", "❤️"])
def test_what_is_seen_as_one_sign_is_not_cut_in_two(sign):
    text = "x" * (19 - len(sign) + 1) + sign + "yy"
    assert fit_text(text, "thing1") == ("x" * (19 - len(sign) + 1) + "…", True)
    whole = "x" * (19 - len(sign)) + sign
    assert fit_text(f"{whole}yy", "thing1") == (f"{whole}…", True)


def test_of_two_flags_the_first_is_kept():
    assert fit_text("x" * 15 + FLAG * 3, "thing1") == ("x" * 15 + FLAG * 2 + "…", True)
    assert fit_text("x" * 16 + FLAG * 3, "thing1") == ("x" * 16 + FLAG + "…", True)


def test_a_text_of_accents_alone_is_cut_all_the_same():
    for text in ("x" * 10 + "\u0301" * 300, "\u0301" * 300 + "x"):
        value, cut = fit_text(text, "first")
        assert cut and len(value) == 200


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a\nb\r\nc\u2028d", "a b c d"),
        ("  a \n\n\n b  ", "a b"),
        ("a\tb", "a b"),
        ("a\0b\x1b\x85c", "ab c"),
        ("\0 a", "a"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83c\udf3b", "🌻"),
        ("a  b", "a  b"),
    ],
)
def test_a_field_is_one_line_without_control_characters(text, value):
    assert fit_text(text, "thing1") == (value, False)


@pytest.mark.parametrize("text", ["", " ", "\n", "\0", "\u200b", "\u3000\t", "\ufeff\u2060"])
@pytest.mark.parametrize("field", ["thing1", "time2", "first"])
def test_what_shows_nothing_is_empty(text, field):
    assert refused(lambda: fit_text(text, field)) == (field, "It is empty.")


GOOD = [
    ("number1", ["0", "-3", "12.50", "1" * 32]),
    ("letter2", ["abcXYZ", "a" * 32]),
    ("symbol3", ["#", "!?#%&", "¥"]),
    ("character_string4", ["SF-1024 (a)", "~" * 32]),
    (
        "time5",
        [
            "15:01",
            "9:05:59",
            "2019年10月1日 15:01",
            "2019年10月1日15:01",
            "2024-07-12 09:30:00",
            "2024/7/1 24:00",
            "08:00~18:00",
            "2024-07-12 09:30~2024-07-13 10:00",
        ],
    ),
    ("date6", ["2019年10月1日", "2024-07-12", "2024-07-12 09:30", "2024-07-12~2024-07-14"]),
    ("amount7", ["5", "¥99.00", "100.5元", "$1", "-3.20", "1234567890"]),
    ("phone_number8", ["+86 755-1234567", "(010) 12345", "1" * 17]),
    ("car_number9", ["粤B12345", "粤AD12345", "12345678", "粤Z1234港"]),
    ("phrase10", ["严重", "已经完成了"]),
    ("enum_string11", ["RED", "红色"]),
]
BAD = [
    ("number1", ["abc", "1,000", "1" * 33, "1.", "٣", "1.2.3", "--1", "+1", "1e5", "1 2"]),
    ("letter2", ["a1", "é", "a b", "a" * 33, "王"]),
    ("symbol3", ["a", "!" * 6, "_", "! !", "1"]),
    ("character_string4", ["王", "é", "a" * 33, "a…"]),
    (
        "time5",
        [
            "tomorrow",
            "2024-07-12",
            "25:00",
            "12:60",
            "2024-13-01 10:00",
            "2024-01-32 10:00",
            "2024-07-12T09:30:00",
            "1720776600",
            "9:5",
            "08:00~",
            "٠٩:30",
        ],
    ),
    ("date6", ["15:01", "2024-7", "12.07.2024", "2024-00-01", "2024-01-00", "24-01-01"]),
    ("amount7", ["¥", "12345678901", "1,000", "¥¥1", "1.5.0", "USD 5", "元5", ".5", "x5"]),
    ("phone_number8", ["1" * 18, "ext 5", "()", "１２３"]),
    ("car_number9", ["粤B123456789", "粤B1234567", "粤粤B123", "A 1", "A-1"]),
    ("phrase10", ["已经全部完成", "ok", "完成!", "完 成"]),
    ("enum_string11", ["x" * 21]),
]


@pytest.mark.parametrize(
    ("field", "text"), [(field, text) for field, texts in GOOD for text in texts]
)
def test_what_is_of_its_type_stays_as_it_is(field, text):
    assert fit_text(text, field) == (text, False)
    assert fit_text(f" {text}\n", field) == (text, False)


@pytest.mark.parametrize(
    ("field", "text"), [(field, text) for field, texts in BAD for text in texts]
)
def test_what_is_not_of_its_type_is_refused_by_name_and_never_cut(field, text):
    name, problem = refused(lambda: fit_text(text, field))
    assert name == field
    assert problem == notice._SHAPES[kind(field)][1]


@pytest.mark.parametrize("field", ["", "a b", "a.b", "x" * 65, "a\n"])
def test_what_can_be_no_name_is_refused(field):
    assert "name" in refused(lambda: fit_text("x", field))[1]


def test_a_text_is_shortened_to_so_many_characters_with_a_sign_of_it():
    assert shortened("王" * 10, 10) == "王" * 10
    assert shortened("王" * 11, 10) == "王" * 9 + "…"
    assert shortened("abcdefgh\u00e9\u0301xyz", 10) == "abcdefgh…", "no accent is torn off"


# All fields


def test_fields_fit_a_template_in_its_order():
    given = {"time2": " 15:01 ", "thing1": "backup\nfinished"}
    fitted = fit(given, template("thing1", "time2"))
    assert list(fitted.fields.items()) == [("thing1", "backup finished"), ("time2", "15:01")]
    assert not fitted.cut
    assert given["time2"] == " 15:01 "
    assert fit({"first": "x" * 201, "thing1": "x"}, None).cut
    assert fit({"thing1": "x", "first": "x" * 201}, None).cut
    assert fit({}, None).fields == {}


def test_unknown_and_missing_fields_are_named():
    sheet = template("thing1", "time2")
    assert refused(lambda: fit({"thing1": "a", "time2": "15:01", "thing9": "b"}, sheet)) == (
        "thing9",
        "The template has no such field.",
    )
    assert refused(lambda: fit({"thing1": "a"}, sheet)) == (
        "time2",
        "It is missing: the template needs all of its fields.",
    )
    assert refused(lambda: fit({"thing1": "a", "time2": "soon"}, sheet))[0] == "time2"
    assert refused(lambda: fit({"thing1": "a", "time2": ""}, sheet)) == ("time2", "It is empty.")
    assert fit({"thing9": "b"}, None).fields == {"thing9": "b"}, "where nothing is known"


@given(st.sampled_from([*CUT, *CHECKED]), TEXTS)
@example("character_string4", "a\x7f")
@example("name4", "王" * 11)
@example("symbol3", "_")
@example("time5", "24:00")
def test_whatever_fits_passes_the_simulator(field, text):
    try:
        value, cut = fit_text(text, field)
    except BadField as error:
        assert error.field == field and error.problem.endswith(".")
        return
    sheet = simulated.Template("T", "t", f"{{{{{field}.DATA}}}}", "")
    assert sheet.problem({field: {"value": value}}) is None
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", value)
    assert value == value.strip()
    assert fit_text(value, field) == (value, False), "what fits stays"
    assert value.endswith("…") or not cut
    assert not cut or field in CUT
    assert len(value) <= CUT.get(field, 80)


@given(st.sampled_from(list(CUT)), TEXTS)
def test_what_is_cut_is_a_beginning(field, text):
    try:
        value, cut = fit_text(text, field)
    except BadField:
        return
    whole, _ = fit_text(text[:200], "first")
    if cut and len(text) < 200:
        assert whole.startswith(value[:-1])
        assert len(value) < len(whole)


# Chat


def test_a_text_that_fits_stays_as_it_is():
    assert chat_text("a\n\nb") == ("a\n\nb", False)
    assert chat_text("a\r\nb\rc\0") == ("a\nb\nc", False)
    assert chat_text(" a ", url="https://x.example/y") == ("a\nhttps://x.example/y", False)
    assert chat_text("王" * 682 + "xx") == ("王" * 682 + "xx", False)


def test_a_long_text_is_cut_between_characters_and_keeps_its_link():
    url = "https://x.example/n/" + "s" * 43
    for unit in ("王", "x", "é", "🌻"):
        text, cut = chat_text(unit * 3000, url=url)
        assert cut and text.endswith(f"{unit}…\n{url}")
        assert 2048 - 4 < len(text.encode()) <= 2048
    text, cut = chat_text("王" * 683)
    assert (text, cut) == ("王" * 681 + "…", True)
    assert chat_text("a b cdef", limit=6) == ("a b…", True)
    assert chat_text("abc defg", limit=7) == ("abc…", True), "no blank before the dots"


def test_a_cut_goes_back_before_what_is_seen_as_one():
    assert chat_text("ab" + FLAG + "cdef", limit=9) == ("ab…", True)
    assert chat_text("ab" + FLAG + "cdef", limit=13) == ("ab" + FLAG + "…", True)


def test_nothing_to_say_is_the_link_alone():
    assert chat_text("", url="https://x") == ("https://x", False)
    assert chat_text("\0 \n") == ("", False)


def test_a_link_is_whole_or_refused():
    assert chat_text("hello", url="https://x", limit=9) == ("https://x", True)
    assert chat_text("hello", url="https://x", limit=12) == ("https://x", True)
    assert chat_text("hello", url="https://x", limit=13) == ("…\nhttps://x", True)
    assert chat_text("hello", limit=2) == ("", True)
    with pytest.raises(ValueError, match="link"):
        chat_text("hello", url="https://x", limit=8)


@given(TEXTS, st.sampled_from(["", "https://x.example/", "https://例.example/王"]), st.data())
def test_whatever_is_said_fits(text, url, data):
    limit = data.draw(st.integers(len(url.encode()), 120))
    said, cut = chat_text(text, url=url, limit=limit)
    assert len(said.encode()) <= limit, "valid UTF-8 too, or this raises"
    assert said.split("\n")[-1] == url or not url
    body = said[: -len(url)].rstrip("\n") if url else said
    whole, _ = chat_text(text, limit=10_000)
    if not cut:
        assert body == whole
    else:
        kept = body.removesuffix("…")
        assert whole.startswith(kept) and len(body.encode()) < len(whole.encode()) + 4
