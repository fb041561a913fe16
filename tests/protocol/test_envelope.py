"""Sealed messages, against what others sealed and against a second implementation."""

import base64
import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol import aes
from tests.vectors.golden import AES_KEYS, ENVELOPES
from wx.protocol import signature, xml
from wx.protocol.envelope import Damaged, Envelope

TOKEN, AES_KEY, APP_ID = (
    "AAAAA",
    "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    "wxba5fad812f8e6fb9",
)
KEY = AES_KEYS[AES_KEY]
SALT = b"0123456789abcdef"
ENVELOPE = Envelope(token=TOKEN, aes_key=AES_KEY, app_id=APP_ID)
SALTS = st.binary(min_size=16, max_size=16)
MESSAGES = st.binary(max_size=200) | st.text(max_size=60).map(str.encode)


def of(golden):
    return Envelope(token=golden.token, aes_key=golden.aes_key, app_id=golden.app_id)


def padded(plain: bytes) -> bytes:
    """``plain`` filled up to whole blocks of 32, as the platform document says (3.3)."""
    count = 32 - len(plain) % 32
    return plain + bytes([count]) * count


def packed(message: bytes, *, salt=SALT, length=None, app_id=APP_ID) -> bytes:
    size = len(message) if length is None else length
    return salt + struct.pack(">I", size) + message + app_id.encode()


def sealed(whole: bytes) -> str:
    return base64.b64encode(aes.encrypt(KEY, KEY[:16], whole)).decode()


def unsealed(encrypted: str, key: bytes) -> bytes:
    return aes.decrypt(key, key[:16], base64.b64decode(encrypted, validate=True))


def refused(encrypted: str) -> None:
    """Opening fails with the one error there is, whose words are always the same."""
    with pytest.raises(ValueError) as caught:
        ENVELOPE.open(encrypted)
    assert type(caught.value) is Damaged
    assert str(caught.value) == "the envelope cannot be opened"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_the_second_implementation_is_right():
    """FIPS 197, C.3, and the CBC example of SP 800-38A, F.2.5."""
    plain = bytes.fromhex("00112233445566778899aabbccddeeff")
    block = aes.encrypt(bytes(range(32)), bytes(16), plain)
    assert block.hex() == "8ea2b7ca516745bfeafc49904b496089"
    assert aes.decrypt(bytes(range(32)), bytes(16), block) == plain
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    plain = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
    chained = aes.encrypt(key, bytes(range(16)), plain)
    assert chained.hex() == "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
    assert aes.decrypt(key, bytes(range(16)), chained) == plain


@pytest.mark.parametrize("golden", ENVELOPES, ids=lambda golden: golden.name)
def test_golden_envelopes_open_and_seal(golden):
    envelope = of(golden)
    assert envelope.open(golden.encrypted) == golden.message
    assert envelope.encrypt(golden.message, salt=golden.salt) == golden.encrypted
    signed = envelope.signature(golden.timestamp, golden.nonce, golden.encrypted)
    assert signed == golden.signature


@pytest.mark.parametrize("golden", ENVELOPES, ids=lambda golden: golden.name)
def test_the_second_implementation_opens_golden_envelopes(golden):
    plain = unsealed(golden.encrypted, AES_KEYS[golden.aes_key])
    assert plain[-golden.padding :] == bytes([golden.padding]) * golden.padding
    assert plain[: -golden.padding] == packed(
        golden.message, salt=golden.salt, app_id=golden.app_id
    )


@settings(max_examples=40)
@given(message=MESSAGES, salt=SALTS)
def test_what_we_seal_the_second_implementation_opens(message, salt):
    assert unsealed(ENVELOPE.encrypt(message, salt=salt), KEY) == padded(packed(message, salt=salt))


@settings(max_examples=40)
@given(message=MESSAGES, salt=SALTS)
def test_what_the_second_implementation_seals_we_open(message, salt):
    assert ENVELOPE.open(sealed(padded(packed(message, salt=salt)))) == message


@given(message=st.binary(max_size=2000), salt=SALTS)
def test_what_we_seal_we_open(message, salt):
    assert ENVELOPE.open(ENVELOPE.encrypt(message, salt=salt)) == message


@pytest.mark.parametrize("size", range(33))
def test_every_length_of_padding_works(size):
    message = b"x" * size
    assert ENVELOPE.open(ENVELOPE.encrypt(message, salt=SALT)) == message


@given(
    message=st.text("0123456789", max_size=60).map(str.encode),
    place=st.integers(0, 400),
    bit=st.integers(0, 7),
)
def test_any_changed_byte_changes_the_signature(message, place, bit):
    encrypted = ENVELOPE.encrypt(message, salt=SALT)
    changed = bytearray(encrypted.encode())
    changed[place % len(changed)] ^= 1 << bit
    given_ = ENVELOPE.signature("1700000000", "n0nce", encrypted)
    other = changed.decode("latin-1")
    assert not signature.matches(given_, TOKEN, "1700000000", "n0nce", other)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_changed_byte_never_gives_the_message_back(place, bit):
    """There is no MAC inside: what the signature let pass opens to rubbish or not at all."""
    message = b"<xml><Content><![CDATA[hello]]></Content></xml>"
    whole = bytearray(base64.b64decode(ENVELOPE.encrypt(message, salt=SALT)))
    # From the salt's last byte on: changes in the first block spoil the salt, and the length.
    place = 16 + place % (len(whole) - 16)
    whole[place] ^= 1 << bit
    try:
        opened = ENVELOPE.open(base64.b64encode(whole).decode())
    except Damaged:
        return
    assert opened != message


@pytest.mark.parametrize(
    "app_id", ["wx5823bf96d3bd56c7", APP_ID[:-1], APP_ID + "a", APP_ID.upper(), "", "é"]
)
def test_what_was_sealed_for_another_account_is_refused(app_id):
    refused(sealed(padded(packed(b"hello", app_id=app_id))))
    if app_id:
        other = Envelope(token=TOKEN, aes_key=AES_KEY, app_id=app_id)
        refused(other.encrypt(b"hello", salt=SALT))
        assert other.open(other.encrypt(b"hello", salt=SALT)) == b"hello"


def test_what_was_sealed_with_another_key_is_refused():
    other = Envelope(token=TOKEN, aes_key="B" * 43, app_id=APP_ID)
    refused(other.encrypt(b"hello", salt=SALT))


@pytest.mark.parametrize("length", [0, 1, 4, 6, 23, 24, 1000, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_lying_length_is_refused(length):
    refused(sealed(padded(packed(b"hello", length=length))))


def test_a_message_that_ends_like_the_app_id_is_not_taken_for_it():
    message = b"hello" + APP_ID.encode()
    assert ENVELOPE.open(sealed(padded(packed(message)))) == message
    refused(sealed(padded(packed(message, length=5))))


@pytest.mark.parametrize("count", [0, 33, 64, 255])
def test_a_padding_of_another_length_is_refused(count):
    plain = packed(b"hello")
    whole = padded(plain)
    refused(sealed(whole[:-1] + bytes([count])))
    refused(sealed(plain + bytes([count]) * (len(whole) - len(plain))))


def test_a_padding_whose_bytes_differ_is_refused():
    whole = bytearray(padded(packed(b"hello")))
    count = whole[-1]
    assert count > 16
    for place in range(2, count + 1):
        other = bytearray(whole)
        other[-place] ^= 1
        refused(sealed(bytes(other)))


def test_a_padding_to_sixteen_is_refused():
    plain = packed(b"hello" + b"x" * 2)
    whole = plain + bytes([16 - len(plain) % 16]) * (16 - len(plain) % 16)
    assert len(whole) % 32 == 16
    refused(sealed(whole))


@pytest.mark.parametrize("count", [32, 31, 17, 16, 13, 12, 1])
def test_a_plain_text_too_short_for_a_length_is_refused(count):
    refused(sealed(bytes(32 - count) + bytes([count]) * count))


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_half_a_block_is_refused(blocks):
    encrypted = ENVELOPE.encrypt(b"x" * 60, salt=SALT)
    whole = base64.b64decode(encrypted)
    refused(base64.b64encode(whole[: 16 * blocks]).decode())
    refused(base64.b64encode(whole[: 16 * blocks + 1]).decode())


def spoilt() -> dict[str, str]:
    """Texts that many decoders read as the same bytes as the first golden reply's."""
    text = ENVELOPES[1].encrypted
    body = text.removesuffix("==")
    assert len(text) - len(body) == 2
    return {
        "a line break at the end": text + "\n",
        "a line break in the middle": text[:76] + "\n" + text[76:],
        "CRLF": text[:76] + "\r\n" + text[76:],
        "a blank in front": " " + text,
        "a blank in the middle": text[:8] + " " + text[8:],
        "a NUL": text + "\0",
        "junk": text[:8] + "!" + text[8:],
        "a comma": text[:8] + "," + text[8:],
        "no padding": body,
        "half the padding": body + "=",
        "more padding": text + "=",
        "padding in the middle": body[:4] + "==" + body[4:],
        "padding in front": "=" + text,
        "more behind the padding": text + "AAAA",
        "twice": text + text,
        "loose bits": body[:-1] + chr(ord(body[-1]) + 1) + "==",
        "letters for addresses": text.replace("+", "-").replace("/", "_"),
        "wide letters": text.replace("E", "Ｅ"),
        "an accent": text + "é",
        "a surrogate": text + "\ud800",
        "percent": text.replace("=", "%3D"),
        "a data address": "data:;base64," + text,
    }


@pytest.mark.parametrize(("name", "text"), spoilt().items(), ids=lambda value: value[:30])
def test_base64_has_one_way_to_be_written(name, text):
    golden = of(ENVELOPES[1])
    assert golden.open(ENVELOPES[1].encrypted)
    with pytest.raises(Damaged):
        golden.open(text)


@pytest.mark.parametrize(
    "text",
    ["", "=", "==", "====", "A", "AA==", "AAAA", "A" * 43, "\0", "null", "<xml/>", "é", "\ud800"],
)
def test_what_is_no_envelope_is_refused(text):
    refused(text)


def test_an_envelope_longer_than_any_post_is_refused():
    longest = ENVELOPE.encrypt(b"x" * 98_000, salt=SALT)
    assert len(longest) <= 131072
    assert ENVELOPE.open(longest) == b"x" * 98_000
    refused(ENVELOPE.encrypt(b"x" * 98_300, salt=SALT))
    refused("A" * 10_000_000)


@given(
    text=st.text(st.characters(exclude_categories=()))
    | st.binary().map(lambda b: base64.b64encode(b).decode())
)
def test_any_text_is_refused_and_nothing_else(text):
    refused(text)


@given(whole=st.integers(1, 4).flatmap(lambda n: st.binary(min_size=32 * n, max_size=32 * n)))
@settings(max_examples=30)
def test_any_plain_text_is_refused_and_nothing_else(whole):
    refused(sealed(whole))


def test_the_keys_last_character_has_two_bits_that_do_not_count():
    """Keys are random letters, so three of four are not what an encoder would write."""
    base = AES_KEY[:-1]
    same = [base + last for last in "CDABEFGH"]
    sealed_by = [
        Envelope(token=TOKEN, aes_key=key, app_id=APP_ID).encrypt(b"hello", salt=SALT)
        for key in same
    ]
    assert len(set(sealed_by[:4])) == 1, "A to D differ in the bits that are left over"
    assert len(set(sealed_by[4:])) == 1
    assert sealed_by[0] != sealed_by[4]


@pytest.mark.parametrize(
    "key", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "é", "A" * 42 + "\n"]
)
def test_a_key_of_another_shape_is_refused_without_naming_it(key):
    with pytest.raises(ValueError, match="43 letters and digits") as caught:
        Envelope(token=TOKEN, aes_key=key, app_id=APP_ID)
    assert "A" * 42 not in str(caught.value)


def test_without_an_app_id_there_is_no_envelope():
    with pytest.raises(ValueError, match="app id"):
        Envelope(token=TOKEN, aes_key=AES_KEY, app_id="")


@pytest.mark.parametrize("salt", [b"", b"x" * 15, b"x" * 17])
def test_the_salt_is_sixteen_bytes(salt):
    with pytest.raises(ValueError, match="salt"):
        ENVELOPE.encrypt(b"hello", salt=salt)


def test_a_sealed_reply_is_the_official_one():
    golden = ENVELOPES[1]
    reply = of(golden).seal(
        golden.message, timestamp=int(golden.timestamp), nonce=golden.nonce, salt=golden.salt
    )
    assert reply.decode() == (
        f"<xml><Encrypt><![CDATA[{golden.encrypted}]]></Encrypt>"
        f"<MsgSignature><![CDATA[{golden.signature}]]></MsgSignature>"
        f"<TimeStamp>{golden.timestamp}</TimeStamp>"
        f"<Nonce><![CDATA[{golden.nonce}]]></Nonce></xml>"
    )


@given(message=st.binary(max_size=300), nonce=st.text("0123456789abcXYZ", min_size=1, max_size=32))
def test_a_sealed_reply_can_be_checked_and_opened(message, nonce):
    reply = xml.read(ENVELOPE.seal(message, timestamp=1700000000, nonce=nonce, salt=SALT))
    parts = (reply["TimeStamp"], reply["Nonce"], reply["Encrypt"])
    assert parts[:2] == ("1700000000", nonce)
    assert signature.matches(reply["MsgSignature"], TOKEN, *parts)
    assert ENVELOPE.open(reply["Encrypt"]) == message


def test_no_secret_shows_when_it_is_printed():
    shown = f"{ENVELOPE!r} {ENVELOPE} {Damaged()!r}"
    assert not any(secret in shown for secret in (TOKEN, AES_KEY, KEY.hex(), APP_ID))


def test_the_libraries_are_loaded_when_the_first_message_comes():
    code = (
        "import sys; from wx.protocol import envelope, xml\n"
        f"made = envelope.Envelope(token='a', aes_key='{AES_KEY}', app_id='b')\n"
        "assert not {'cryptography', 'lxml'} & set(sys.modules)\n"
        "made.seal(b'x', timestamp=1, nonce='n', salt=bytes(16)); xml.read(b'<xml/>')\n"
        "assert {'cryptography', 'lxml'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
