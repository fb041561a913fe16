"""What a site learns about where a request comes from."""

import pytest

from wx.simulator.referrer import Source

PAGE, SAME, OTHER = "https://a.example/p?q=1", "https://a.example/x", "https://b.example/x"


@pytest.mark.parametrize(
    ("policy", "same", "other", "lower"),
    [
        ("", PAGE, "https://a.example/", ""),
        ("nonsense", PAGE, "https://a.example/", ""),
        ("no-referrer", "", "", ""),
        ("same-origin", PAGE, "", ""),
        ("origin", "https://a.example/", "https://a.example/", "https://a.example/"),
        ("strict-origin", "https://a.example/", "https://a.example/", ""),
        ("origin-when-cross-origin", PAGE, "https://a.example/", "https://a.example/"),
        ("no-referrer-when-downgrade", PAGE, PAGE, ""),
        ("unsafe-url", PAGE, PAGE, PAGE),
        ("no-referrer, unsafe-url, nonsense", PAGE, PAGE, PAGE),
    ],
)
def test_the_referer_follows_the_policy(policy, same, other, lower):
    source = Source(PAGE + "#part", policy)
    assert source.referer(SAME) == same
    assert source.referer(OTHER) == other
    assert source.referer("http://a.example/x") == lower


def test_the_origin_of_a_shy_page_is_null():
    assert Source(PAGE).origin(SAME) == "https://a.example"
    assert Source(PAGE).origin(OTHER) == "https://a.example"
    assert Source(PAGE, "no-referrer").origin(SAME) == "null"
    assert Source(PAGE, "same-origin").origin(SAME) == "https://a.example"
    assert Source(PAGE, "same-origin").origin(OTHER) == "null"
    assert Source(PAGE).origin("http://b.example/") == "null"


def test_a_site_is_a_host_whatever_its_port():
    source = Source("http://127.0.0.1:8000/")
    assert source.site("http://127.0.0.1:8000/x") == "same-origin"
    assert source.site("http://127.0.0.1:9000/x") == "same-site"
    assert source.site("http://localhost:8000/x") == "cross-site"
