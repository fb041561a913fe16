"""Secrets: how they look, that they differ, and that a digest tells nothing."""

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from wx import secret


def test_a_new_secret_fits_a_state_and_differs_each_time():
    made = {secret.new_secret() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[0-9A-Za-z]{43}", one) for one in made)


def test_a_new_id_is_short_and_differs_each_time():
    made = {secret.new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[0-9A-Za-z]{22}", one) for one in made)


@given(value=st.binary(min_size=32, max_size=32))
def test_letters_hold_all_256_bits(value):
    letters = secret._letters(value)
    assert re.fullmatch(r"[0-9A-Za-z]{43}", letters)
    number = 0
    for letter in reversed(letters):
        number = number * 62 + secret._ALPHABET.index(letter)
    assert number.to_bytes(32, "big") == value


def test_the_largest_value_still_fits():
    assert len(secret._letters(b"\xff" * 32)) == secret.LENGTH
    assert 62**secret.LENGTH > 2**256


@given(key=st.binary(min_size=1, max_size=40), purpose=st.text(max_size=40))
def test_what_is_derived_is_the_same_each_time_and_another_for_another_purpose(key, purpose):
    one = secret.derive(key, purpose)
    assert one == secret.derive(key, purpose)
    assert re.fullmatch(r"[0-9A-Za-z]{43}", one)
    assert one != secret.derive(key, purpose + "x")
    assert one != secret.derive(key + b"x", purpose)


def test_what_was_derived_stays_valid_across_releases():
    assert secret.derive(b"key", "invite 1") == "9WDDmUircwjlzR38FDBOIthc0H3LmFstzV2a4y3mpDD"
    assert secret.derive_digits(b"key", "invite 1") == "183445"


@given(key=st.binary(min_size=1, max_size=40), purpose=st.text(max_size=40))
def test_digits_are_always_six(key, purpose):
    digits = secret.derive_digits(key, purpose)
    assert re.fullmatch(r"[0-9]{6}", digits)
    assert digits == secret.derive_digits(key, purpose)


def test_digits_keep_their_zeros_and_differ_by_purpose_and_key():
    digits = [secret.derive_digits(b"key", str(number)) for number in range(300)]
    assert any(one.startswith("0") for one in digits)
    assert len(set(digits)) > 290
    assert secret.derive_digits(b"other", "1") != secret.derive_digits(b"key", "1")


def test_a_digest_is_the_sha256():
    assert secret.digest("é") == hashlib.sha256(b"\xc3\xa9").digest()


def test_comparing_takes_any_bytes():
    assert secret.same(b"\xff\x00", b"\xff\x00")
    assert not secret.same(b"a", b"b")
    assert not secret.same(b"a", b"ab")
