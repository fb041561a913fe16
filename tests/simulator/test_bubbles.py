"""How messages look."""

import pytest

from wx.simulator.bubbles import choice, ending, entries, pieces, preview, seconds, size
from wx.simulator.world import Message


def test_a_time_stands_above_what_comes_after_a_while():
    chat = [Message("text", "x", at) for at in (1000.0, 1300.0, 1601.0)]
    assert [dated for _, dated in entries(chat)] == [True, False, True]


def test_links_are_found_in_a_text():
    text = (
        'a http://x/1, <a class="l" href="https://y/?a=1&amp;b=2">b</a><a href="javascript:z">c</a>'
    )
    assert pieces(text) == [
        ("a ", ""),
        ("http://x/1", "http://x/1"),
        (", ", ""),
        ("b", "https://y/?a=1&b=2"),
        ('<a href="javascript:z">c</a>', ""),
    ]


@pytest.mark.parametrize(
    ("before", "url", "after"),
    [
        ("见", "https://x/n/a-b_c?d=1&e=%20#f", "。"),
        ("", "https://x/", "一"),
        ("(", "https://x/a", ")."),
        ("“", "https://x/a/", "”，完成"),
        ("a\n", "http://127.0.0.1:8000/n/x", "\n"),
    ],
)
def test_a_bare_link_ends_where_the_sentence_goes_on(before, url, after):
    whole = [(before, ""), (url, url), (after, "")]
    assert pieces(before + url + after) == [piece for piece in whole if piece[0]]


def test_an_entry_of_a_menu_message_is_a_link_that_sends_its_text():
    url = "weixin://bizmsgmenu?msgmenucontent=%E6%98%AF%20yes&msgmenuid=7"
    assert pieces(f"1. <a href='{url}'>yes\nplease</a>") == [("1. ", ""), ("yes\nplease", url)]
    assert choice(url) == ("是 yes", "7")
    assert choice("weixin://bizmsgmenu?msgmenucontent=help") == ("help", "")


@pytest.mark.parametrize(
    "url",
    [
        "weixin://bizmsgmenu?msgmenuid=7",
        "weixin://bizmsgmenu?msgmenucontent=%20",
        "weixin://dl/business?msgmenucontent=x",
        "https://example.com/?msgmenucontent=x",
        "",
    ],
)
def test_nothing_else_sends_a_text(url):
    assert choice(url) is None


def test_a_message_in_one_line_says_what_it_is():
    def line(kind, text="", **more):
        return preview(Message(kind, text, 1.0, **more), str.upper)

    assert line("text", 'Look: <a href="https://x/">here</a>') == "Look: here"
    assert line("image") == "[PHOTO]"
    assert line("voice", "secret") == "[VOICE]"
    assert line("file", parts={"title": "a.pdf"}) == "[FILE] a.pdf"
    assert line("location", parts={"label": "湖(街)"}) == "[LOCATION] 湖(街)"
    assert line("news", parts={"title": "Article"}) == "Article"
    for kind in ("template", "subscription"):
        assert line(kind, title="Notice") == "Notice"
    assert line("system", "Out of order.") == "OUT OF ORDER."
    assert line("wxcard") == "[MESSAGE]"


def test_a_voice_is_as_long_as_its_words_up_to_a_minute():
    lengths = [seconds(Message("voice", "x" * count, 1.0)) for count in (0, 40, 9000)]
    assert lengths == [2, 12, 60]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        ("0", "0 B"),
        ("1023", "1023 B"),
        ("1024", "1 KB"),
        ("254976", "249 KB"),
        ("7654321", "7.3 MB"),
        ("99999999999999", "93132.3 GB"),
        ("", ""),
        ("-1", ""),
        ("٣", ""),
        ("9" * 400, ""),
    ],
)
def test_bytes_are_told_in_a_unit_that_people_read(count, shown):
    assert size(count) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a.pdf", "PDF"), ("a.b.xhtml", "XHTM"), ("README", ""), ("x.<b>", ""), ("x.", ""), ("", "")],
)
def test_the_ending_of_a_name_is_letters_and_digits_or_nothing(name, shown):
    assert ending(name) == shown
