"""What is sealed: opened by its own key and context alone, and by nothing that was touched."""

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from wx import secret
from wx.protocol.seal import Broken, seal, unseal

KEY = bytes(range(32))
NONCE = bytes(range(100, 112))
KEYS = st.binary(min_size=32, max_size=32)
NONCES = st.binary(min_size=12, max_size=12)
CONTEXTS = st.text(max_size=60)
PLAIN = st.binary(max_size=500)
VECTOR = "016465666768696a6b6c6d6e6fce2ce2a0882ca7a20d8b75bc0ab59ffc2ac747f3792ff9d3d7d0"


def refused(sealed: bytes, *, key: bytes = KEY, context: str = "a thing") -> None:
    """Opening fails with the one error there is, whose words are always the same."""
    with pytest.raises(ValueError) as caught:
        unseal(key, sealed, context=context)
    assert type(caught.value) is Broken
    assert str(caught.value) == "the seal is broken"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_what_was_sealed_once_opens_for_ever():
    """A fixed vector: a change of the format would lock out everything that is kept."""
    sealed = seal(KEY, b"two tokens", context="authorization wx1 o-ann", nonce=NONCE)
    assert sealed.hex() == VECTOR
    opened = unseal(KEY, bytes.fromhex(VECTOR), context="authorization wx1 o-ann")
    assert opened == b"two tokens"


@given(key=KEYS, plain=PLAIN, context=CONTEXTS, nonce=NONCES)
def test_it_is_aes_gcm_under_a_key_of_hkdf(key, plain, context, nonce):
    """The same from the library's own HKDF, written down apart from ours."""
    derive = HKDF(SHA256(), length=32, salt=b"wxbind seal 1", info=b"AES-256-GCM")
    expected = AESGCM(derive.derive(key)).encrypt(nonce, plain, b"\x01" + context.encode())
    assert seal(key, plain, context=context, nonce=nonce) == b"\x01" + nonce + expected


@given(key=KEYS, plain=PLAIN, context=CONTEXTS, nonce=NONCES)
def test_what_is_sealed_opens_again(key, plain, context, nonce):
    sealed = seal(key, plain, context=context, nonce=nonce)
    assert len(sealed) == len(plain) + 29
    assert unseal(key, sealed, context=context) == plain


@given(plain=PLAIN, one=CONTEXTS, other=CONTEXTS, nonce=NONCES)
def test_another_context_opens_nothing(plain, one, other, nonce):
    sealed = seal(KEY, plain, context=one, nonce=nonce)
    if one == other:
        assert unseal(KEY, sealed, context=other) == plain
    else:
        refused(sealed, context=other)


@given(plain=PLAIN, other=KEYS.filter(lambda key: key != KEY), nonce=NONCES)
def test_another_key_opens_nothing(plain, other, nonce):
    refused(seal(KEY, plain, context="a thing", nonce=nonce), key=other)


@given(plain=PLAIN, nonce=NONCES, place=st.integers(0, 600), bit=st.integers(0, 7))
def test_every_bit_counts(plain, nonce, place, bit):
    sealed = bytearray(seal(KEY, plain, context="a thing", nonce=nonce))
    sealed[place % len(sealed)] ^= 1 << bit
    refused(bytes(sealed))


@given(plain=PLAIN, nonce=NONCES, cut=st.integers(1, 529), more=st.binary(min_size=1, max_size=40))
def test_shorter_or_longer_opens_nothing(plain, nonce, cut, more):
    sealed = seal(KEY, plain, context="a thing", nonce=nonce)
    refused(sealed[: -min(cut, len(sealed))])
    refused(sealed + more)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"\x01" + rest))
def test_what_was_never_sealed_opens_nothing(sealed):
    refused(sealed)


@given(plain=st.binary(min_size=16, max_size=200), one=NONCES, other=NONCES)
def test_nothing_of_the_text_shows_and_each_nonce_makes_another(plain, one, other):
    sealed = seal(KEY, plain, context="a thing", nonce=one)
    assert plain not in sealed
    assert b"a thing" not in sealed
    if one != other:
        assert sealed != seal(KEY, plain, context="a thing", nonce=other)


@pytest.mark.parametrize("size", [0, 11, 13, 16])
def test_a_nonce_of_another_length_is_a_mistake_of_ours(size):
    with pytest.raises(ValueError, match="12 bytes"):
        seal(KEY, b"", context="", nonce=bytes(size))


def test_no_secret_that_is_shown_is_the_sealing_key():
    """The secrets in cookies and links are HMACs under the server's key (wx/secret.py)."""
    sealed = seal(KEY, b"", context="", nonce=NONCE)
    for shown in ("wxbind seal 1", "AES-256-GCM\x01", "AES-256-GCM"):
        digest = secret.hmac.digest(KEY, shown.encode(), "sha256")
        assert AESGCM(digest).encrypt(NONCE, b"", b"\x01") != sealed[13:]


def test_a_start_does_not_pay_for_it():
    script = "import sys, wx.protocol.seal; print('cryptography' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"
