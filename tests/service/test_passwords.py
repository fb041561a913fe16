"""Passwords: what is accepted, how it is kept, and how much of the machine it may take."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.ioloop import IOLoop

from wx.errors import Refused
from wx.service import passwords
from wx.service.passwords import Passwords

GOOD = "seven odd pelicans hum"


@pytest.fixture
def hasher(io_loop: IOLoop) -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


def verdict(password: str, name: str = "ann") -> str:
    try:
        passwords.judge(password, name=name)
    except Refused as refusal:
        assert refusal.status == 400
        return refusal.code
    return "good"


@pytest.mark.parametrize(
    "password", [GOOD, "x7#Kp2!qLm9$", "密码要够长才算是好密码啊", " leading and trailing "]
)
def test_a_good_password_is_accepted_whatever_its_characters(password: str) -> None:
    assert verdict(password) == "good"


def test_twelve_characters_are_the_least_and_256_the_most() -> None:
    letters = "qzjxkvbwpyfg" + "mhduclraneoits" * 20
    assert verdict(letters[:11]) == "password-short"
    assert verdict(letters[:12]) == "good"
    assert verdict(letters[:256]) == "good"
    assert verdict(letters[:257]) == "password-long"


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password2024!",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "qwertyqwerty",
        "123456789012",
        "passwordpassword",
    ],
)
def test_what_everybody_tries_first_is_refused(password: str) -> None:
    assert verdict(password) == "password-common"


def test_a_password_around_the_own_name_is_refused() -> None:
    assert verdict("margarete2024", "margarete") == "password-common"
    assert verdict("MargareteMargarete1", "margarete") == "password-common"
    assert verdict("margarete2024", "bob") == "good"


@given(st.text(max_size=300), st.text(max_size=64))
@settings(max_examples=200)
def test_judging_never_breaks(password: str, name: str) -> None:
    assert verdict(password, name) in ("good", "password-short", "password-long", "password-common")


@pytest.mark.gen_test
async def test_the_right_password_is_recognised_and_no_other(hasher: Passwords) -> None:
    kept = await hasher.hash(GOOD)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert GOOD not in kept
    assert await hasher.verify(GOOD, kept)
    assert not await hasher.verify(GOOD + " ", kept)
    assert not await hasher.verify(GOOD.upper(), kept)
    assert kept != await hasher.hash(GOOD), "the salt is the same"


@pytest.mark.gen_test
async def test_no_character_is_lost_at_the_end_of_a_long_password(hasher: Passwords) -> None:
    text = "é" * 255
    kept = await hasher.hash(text + "a")
    assert not await hasher.verify(text + "b", kept)


@pytest.mark.gen_test
async def test_a_lone_surrogate_and_a_null_are_characters_too(hasher: Passwords) -> None:
    kept = await hasher.hash("a\0b\ud800c")
    assert await hasher.verify("a\0b\ud800c", kept)
    assert not await hasher.verify("a\0b?c", kept)


@pytest.mark.gen_test
async def test_an_unknown_name_costs_the_same_work_and_is_never_right(
    hasher: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[str] = []
    real = passwords._verify

    def watched(password: str, kept: str) -> bool:
        worked.append(kept[:31])
        return real(password, kept)

    monkeypatch.setattr(passwords, "_verify", watched)
    kept = await hasher.hash(GOOD)
    assert not await hasher.verify(GOOD, None)
    assert await hasher.verify(GOOD, kept)
    assert worked[0] == worked[1], "other parameters take another time"


@pytest.mark.gen_test
async def test_at_most_two_hash_at_once_and_twenty_wait_and_the_next_is_refused(
    hasher: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, lock = threading.Event(), threading.Lock()
    now, most = 0, 0

    def slow(password: str) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        gate.wait(10)
        time.sleep(0.002)  # long enough that a third would be seen
        with lock:
            now -= 1
        return password

    monkeypatch.setattr(passwords, "hash_now", slow)
    waiting = [asyncio.ensure_future(hasher.hash(str(number))) for number in range(22)]
    await asyncio.sleep(0)
    with pytest.raises(Refused) as refusal:
        await hasher.hash("one more")
    assert refusal.value.status == 429 and refusal.value.retry_after
    gate.set()
    assert await asyncio.gather(*waiting) == [str(number) for number in range(22)]
    assert most == 2
    assert await hasher.hash("afterwards there is room") == "afterwards there is room"


@pytest.mark.gen_test
async def test_a_hash_of_other_parameters_is_to_be_renewed(hasher: Passwords) -> None:
    kept = await hasher.hash(GOOD)
    assert not passwords.needs_rehash(kept)
    assert passwords.needs_rehash(kept.replace("m=19456", "m=8192"))
    assert passwords.needs_rehash(kept.replace("t=2", "t=1"))
    assert passwords.needs_rehash(kept.replace("argon2id", "argon2i"))
