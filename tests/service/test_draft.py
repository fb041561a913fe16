"""Drafts: what is kept of them, and what is refused."""

import pytest

from wx import config
from wx.config import Config
from wx.errors import Refused
from wx.model import Template
from wx.service.draft import Draft, check, cleaned

PLAIN = Template("plain", "", "{{thing1.DATA}} {{number2.DATA}}")
FIELDS = {"thing1": "x", "number2": "1"}


def configured(**keys: str) -> Config:
    flags = {"app_id": "wx1", "app_secret": "s", "public_url": "https://wx.example.com"} | keys
    return config.read(flags=flags, environ={}, file="/dev/null").config()


def refused(draft: Draft) -> str:
    with pytest.raises(Refused) as caught:
        cleaned(draft)
    assert caught.value.status == 422
    return caught.value.code


def test_a_text_is_kept_without_controls_and_blank_ends() -> None:
    kept = cleaned(Draft(text=" one\r\ntwo\rthree\x00\x1b[0m \n", url="https://wx.example.com"))
    assert kept == Draft(text="one\ntwo\nthree[0m", url="https://wx.example.com")


def test_fields_are_kept_in_the_same_way() -> None:
    kept = cleaned(Draft(template_id="t", fields={"thing1": " a\x00b "}, expires_in=60))
    assert kept == Draft(template_id="t", fields={"thing1": "ab"}, expires_in=60)


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (Draft(), "bad-text"),
        (Draft(text=" \x00\n"), "bad-text"),
        (Draft(text="x" * 10_001), "bad-text"),
        (Draft(text="x", template_id="t", fields=FIELDS), "bad-text"),
        (Draft(text="x", wish="pigeon"), "bad-channel"),
        (Draft(template_id="t", fields=FIELDS, wish="custom"), "bad-channel"),
        (Draft(template_id="t"), "bad-field"),
        (Draft(template_id="t", fields={f"thing{n}": "x" for n in range(51)}), "bad-field"),
        (Draft(text="x", expires_in=0.5), "bad-expiry"),
        (Draft(text="x", expires_in=30 * 86400 + 1), "bad-expiry"),
    ],
)
def test_what_says_nothing_too_much_or_two_things_is_refused(draft: Draft, code: str) -> None:
    assert refused(draft) == code


def test_what_is_just_enough_is_taken() -> None:
    assert cleaned(Draft(text="x" * 10_000, expires_in=1)).text == "x" * 10_000
    most = {f"thing{n}": "x" for n in range(50)}
    assert cleaned(Draft(template_id="t", fields=most, expires_in=30 * 86400)).fields == most


def test_a_field_is_looked_at_with_the_template_where_that_is_known() -> None:
    card = Draft(template_id="plain", fields={"thing1": "x"})
    check(card, configured(), None)
    check(card, configured(), {})
    with pytest.raises(Refused) as caught:
        check(card, configured(), {"plain": PLAIN})
    assert (caught.value.code, caught.value.more) == ("bad-field", {"field": "number2"})
    assert caught.value.hint
    # What people subscribe to is listed elsewhere.
    subscription = Draft(template_id="plain", fields={"thing1": "x"}, wish="subscribe")
    check(subscription, configured(), {"plain": PLAIN})
    with pytest.raises(Refused):
        check(Draft(template_id="other", fields={"number2": "x"}), configured(), None)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://wx.example.com/a?b=c#d", True),
        ("https://WX.example.com", True),
        ("https://shop.example.com/", True),
        ("http://wx.example.com/", False),
        ("https://evil.example.org/", False),
        ("https://wx.example.com@evil.example.org/", False),
        ("https://wx.example.com:444/", False),
        ("//wx.example.com/", False),
        ("javascript:alert(1)", False),
        ("https:/\\evil.example.org", False),
        ("https://wx.example.com/ x", False),
        ("https://wx.example.com/\u202e", False),
        ("https://[", False),
        ("https://wx.example.com/" + "x" * 1000, False),
    ],
)
def test_links_lead_to_hosts_that_are_allowed(url: str, good: bool) -> None:
    cfg = configured(notice_url_hosts="shop.example.com")
    if good:
        check(Draft(text="x", url=url), cfg, None)
        return
    with pytest.raises(Refused) as caught:
        check(Draft(text="x", url=url), cfg, None)
    assert caught.value.code == "bad-url"
