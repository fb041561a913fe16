"""Readers of single values; how they come together is test_config's."""

import ipaddress
from pathlib import Path

import pytest

from wx import values


@pytest.mark.parametrize(
    ("read", "given", "got"),
    [
        (values.number(0, 10), "7", 7),
        (values.yes_no, "Yes", True),
        (values.yes_no, False, False),
        (values.choice("a", "b"), "b", "b"),
        (values.url, "HTTPS://Wx.Example.com/", "https://wx.example.com"),
        (values.items, " a, b ,", ["a", "b"]),
        (values.networks, "10.0.0.0/8", (ipaddress.ip_network("10.0.0.0/8"),)),
        (values.codes, ["AbC1"], ("AbC1",)),
        (
            values.origins,
            "https://a.example,https://b.example:444",
            ("https://a.example", "https://b.example:444"),
        ),
        (
            values.origins,
            [
                *("https://A.example:443/", "http://a.example:80", "http://a.example:443"),
                *("https://a.example:80", "https://[::1]:443", "https://a.example:4430"),
            ],
            (
                *("https://a.example", "http://a.example", "http://a.example:443"),
                *("https://a.example:80", "https://[::1]", "https://a.example:4430"),
            ),
        ),
        (values.path, "data", Path("data")),
        (values.picture, "", None),
        (values.notice_template, "T-1:thing1", values.NoticeTemplate("T-1", "thing1")),
        (
            values.notice_template,
            {"id": "T", "field": "thing1", "time_field": "time2"},
            values.NoticeTemplate("T", "thing1", "time2"),
        ),
    ],
)
def test_what_is_right_is_read(read, given, got) -> None:
    assert read(given) == got


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (values.number(0, 10), "11"),
        (values.number(0, 10), True),
        (values.yes_no, "maybe"),
        (values.choice("a", "b"), "c"),
        (values.url, "https://a.example/path"),
        (values.url, "https://user@a.example"),
        (values.url, "https://a.example:0"),
        (values.items, [1]),
        (values.networks, "10.0.0.0/40"),
        (values.codes, "a-b"),
        (values.origins, "ftp://a.example"),
        (values.path, "a\0b"),
        (values.picture, "nowhere.png"),
        (values.notice_template, "T"),
        (values.notice_template, {"id": "T", "field": "thing1", "colour": "red"}),
    ],
)
def test_what_is_wrong_is_refused_with_a_hint(read, given) -> None:
    with pytest.raises(ValueError, match="must be"):
        read(given)


def test_a_template_is_shown_as_it_is_written() -> None:
    for written in ("T:thing1", "T:thing1,time2"):
        assert str(values.notice_template(written)) == written
