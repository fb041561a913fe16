"""The signature over what the platform posts."""

import hashlib
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors.golden import ENVELOPES, SIGNATURES
from wx.protocol import signature

TEXT = st.text(st.characters(exclude_categories=())) | st.text("0123456789abcdef", max_size=40)


def naive(parts: list[str]) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode("utf-8", "surrogatepass")).hexdigest()


@pytest.mark.parametrize("golden", SIGNATURES, ids=lambda golden: golden.timestamp)
def test_the_official_signatures_match(golden):
    for parts in permutations([golden.token, golden.timestamp, golden.nonce]):
        assert signature.sign(*parts) == golden.signature
        assert signature.matches(golden.signature, *parts)


@pytest.mark.parametrize("golden", ENVELOPES, ids=lambda golden: golden.name)
def test_the_signatures_of_envelopes_match(golden):
    parts = (golden.token, golden.timestamp, golden.nonce, golden.encrypted)
    assert signature.matches(golden.signature, *parts)


@given(parts=st.lists(TEXT, max_size=5), data=st.data())
def test_the_order_of_the_parts_does_not_matter(parts, data):
    signed = signature.sign(*parts)
    assert signed == naive(parts)
    assert signature.matches(signed, *data.draw(st.permutations(parts)))


@given(parts=st.lists(TEXT, min_size=1, max_size=4), data=st.data())
def test_whatever_is_changed_does_not_match(parts, data):
    signed = signature.sign(*parts)
    which = data.draw(st.integers(0, len(parts) - 1))
    other = data.draw(TEXT)
    changed = [*parts[:which], other, *parts[which + 1 :]]
    assert signature.matches(signed, *changed) == ("".join(sorted(changed)) == _joined(parts))
    place = data.draw(st.integers(0, 39))
    digit = data.draw(st.sampled_from([d for d in "0123456789abcdefA " if d != signed[place]]))
    assert not signature.matches(signed[:place] + digit + signed[place + 1 :], *parts)


def _joined(parts):
    return "".join(sorted(parts))


@given(given_=TEXT, parts=st.lists(TEXT, max_size=4))
def test_junk_is_no_signature_and_no_error(given_, parts):
    assert signature.matches(given_, *parts) == (given_ == naive(parts))


@pytest.mark.parametrize(
    "junk",
    ["", " ", "é" * 40, "０" * 40, "\ud800" * 40, "\0" * 40, "f" * 1_000_000, "f464b24f"],
)
def test_what_is_not_forty_digits_does_not_match(junk):
    assert not signature.matches(junk, "AAAAA", "1714036504", "1514711492")


def test_a_signature_in_capitals_or_with_blanks_does_not_match():
    golden = SIGNATURES[0]
    parts = (golden.token, golden.timestamp, golden.nonce)
    for wrong in (golden.signature.upper(), f"{golden.signature} ", f"{golden.signature}\n"):
        assert not signature.matches(wrong, *parts)


def test_the_parts_sort_by_their_bytes():
    """Above the first plane UTF-16 sorts in another order than the bytes do."""
    assert signature.sign("\uffee", "🌻") == naive(["\uffee", "🌻"])
    assert signature.sign("b", "B", "1") == hashlib.sha1(b"1Bb").hexdigest()
