"""The cookies of the phone's browser."""

import pytest

from wx.simulator.cookies import Jar

SITE = "http://127.0.0.1:8000/a/b"


@pytest.fixture
def jar(clock):
    return Jar(clock)


def test_a_cookie_goes_back_to_its_host_and_path(jar):
    jar.store(SITE, ["one=1; Path=/", "two=2", "three=3; Path=/other"])
    assert jar.header(SITE) == "two=2; one=1"
    assert jar.header("http://127.0.0.1:8000/a") == "two=2; one=1"
    assert jar.header("http://127.0.0.1:8000/ab") == "one=1"
    assert jar.header("http://127.0.0.1:9000/") == "one=1"
    assert jar.header("http://localhost:8000/a/b") == ""


def test_a_cookie_is_replaced_and_removed(jar, clock):
    jar.store(SITE, ["one=1; Path=/"])
    jar.store(SITE, ["one=2; Path=/; Max-Age=60"])
    assert jar.get(SITE, "one") == "2"
    clock.advance(60)
    assert jar.get(SITE, "one") is None
    jar.store(SITE, ["one=3; Path=/"])
    jar.store(SITE, ["one=; Path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"])
    assert jar.header(SITE) == ""


def test_plain_http_neither_sets_nor_gets_a_secure_cookie(jar):
    jar.store(SITE, ["__Host-a=1; Path=/; Secure", "b=1; Secure", "__Secure-c=1"])
    assert jar.header(SITE) == ""
    jar.store("http://example.com/", ["d=1; Secure"])
    jar.store("https://example.com/", ["__Host-a=1; Path=/; Secure", "b=1; Secure"])
    assert jar.header("https://example.com/") == "__Host-a=1; b=1"
    assert jar.header("http://example.com/") == ""


def test_a_host_prefix_promises_one_host_and_the_whole_path(jar):
    site = "https://www.example.com/"
    jar.store(site, ["__Host-a=1; Path=/; Secure; Domain=example.com", "__Host-b=1; Path=/b"])
    assert jar.header(site) == ""


def test_a_domain_takes_its_subdomains_along_but_no_stranger(jar):
    jar.store("https://www.example.com/", ["a=1; Domain=example.com", "b=1; Domain=else.com"])
    assert jar.header("https://api.example.com/") == "a=1"
    assert jar.header("https://badexample.com/") == ""
    assert jar.header("https://else.com/") == ""


def test_nonsense_sets_nothing_and_everything_can_be_forgotten(jar):
    jar.store(SITE, ["", "=1", "novalue", "a=1; Max-Age=soon; expires=never"])
    assert jar.header(SITE) == "a=1"
    jar.clear()
    assert jar.header(SITE) == ""
