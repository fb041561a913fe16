"""Who asks: addresses behind proxies, and browsers in a few words."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wx.simulator.browser import USER_AGENT
from wx.web import client

PROXY = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.9"], "203.0.113.5"),  # no proxy of ours: not believed
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.9"], "198.51.100.9"),  # the left one is anybody's
        ("10.0.0.1", ["192.0.2.66", "198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["198.51.100.9, 10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.9, 10.0.0.3, 10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["192.0.2.66, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.66, "], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("fd00::1", ["2001:DB8::0:1"], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:198.51.100.9"], "198.51.100.9"),
        ("::ffff:10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("", ["198.51.100.9"], ""),
    ],
)
def test_the_address_is_the_right_most_that_no_proxy_of_ours_has(
    peer: str, forwarded: list[str], address: str
) -> None:
    assert client.address(peer, forwarded, PROXY) == address


@given(st.lists(st.text(max_size=40), max_size=5))
def test_no_header_makes_the_address_of_an_untrusted_peer_another(headers: list[str]) -> None:
    assert client.address("203.0.113.5", headers, PROXY) == "203.0.113.5"


@given(st.text(max_size=60))
def test_the_address_behind_a_proxy_is_always_an_address(header: str) -> None:
    found = client.address("10.0.0.1", [header], PROXY)
    assert client.network(found)


def test_an_address_is_kept_as_its_network() -> None:
    assert client.network("198.51.100.9") == "198.51.100.0/24"
    assert client.network("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    assert client.network("fe80::1%eth0") == "fe80::/64"
    assert client.network("somewhere") == ""


def test_this_machine_is_near() -> None:
    assert client.near("127.0.0.1") and client.near("::1") and client.near("")
    assert not client.near("192.168.0.1") and not client.near("2001:db8::1")


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150 Safari/537.36", "Chrome, Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150 Safari/537.36 Edg/150", "Edge, Windows"),
        ("Mozilla/5.0 (Macintosh) Version/18 Safari/605", "Safari, macOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140) Gecko/20100101 Firefox/140", "Firefox, Linux"),
        ("Mozilla/5.0 (iPhone) MicroMessenger/8.0.50 Safari/604", "WeChat, iPhone"),
        (USER_AGENT, "WeChat, Android"),
        ("curl/8", ""),
        ("<script>", ""),
    ],
)
def test_a_browser_is_named_in_words_of_ours(agent: str, name: str) -> None:
    assert client.browser_name(agent) == name


def test_wechat_s_browser_is_recognised_in_whatever_case() -> None:
    assert client.inside_wechat(USER_AGENT)
    assert client.inside_wechat("x micromessenger/7")
    assert not client.inside_wechat("NotMicroMessenger/7")
    assert not client.inside_wechat("Chrome/150")
