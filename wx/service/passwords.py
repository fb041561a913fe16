"""Passwords: judged when they are set, hashed with Argon2id off the event loop."""

import asyncio
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from typing import TypeVar

from wx.errors import Refused

T = TypeVar("T")
MIN_LENGTH = 12
MAX_LENGTH = 256
AT_ONCE = 2  # hashings in parallel; each takes 19 MiB and about 20 ms of a core
QUEUE = 20  # that may wait for their turn

_MEMORY_KIB = 19 * 1024
_PASSES = 2
_LANES = 1
_PARAMETERS = f"$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"
# Made from random bytes that nobody knows. Constant, so that no start has to make one: that would
# load OpenSSL, 8 MiB, into a server that nobody has logged in to yet.
_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1"
    "$Nwl3kOVIlLFqjV/Fi1fJ6A$b61p4AilgNWJHX0JnLoJ21C4Ae7ilmq9jOrGoLEX9sc"
)


class Passwords:
    """Hashes and verifies, at most two at once; :meth:`close` ends its threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The Argon2id string (PHC) to keep for a password."""
        return await self._run(hash_now, password)

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether ``password`` is the one that ``kept`` was made from.

        With None for an unknown name the same work is done, so that the time tells nothing.

        Raises:
            Refused: 429, too many are waiting.
        """
        right = await self._run(_verify, password, kept or _NOBODY)
        return right and kept is not None

    def close(self) -> None:
        """End the threads; what waits is dropped."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= AT_ONCE + QUEUE:
            raise Refused(
                429,
                "busy",
                "Too many people are signing in just now. Please try again in a moment.",
                retry_after=2,
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1


def needs_rehash(kept: str) -> bool:
    """Whether ``kept`` was made with other parameters than today's."""
    return not kept.startswith("$argon2id$") or _PARAMETERS not in kept


def hash_now(password: str) -> str:
    """The Argon2id string of a password; takes 20 ms, so not on the event loop."""
    # Loading OpenSSL takes a while, and a server that nobody logs in to needs none.
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    kdf = Argon2id(
        salt=secrets.token_bytes(16),
        length=32,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return kdf.derive_phc_encoded(password.encode("utf-8", "surrogatepass"))


def _verify(password: str, kept: str) -> bool:
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id.verify_phc_encoded(password.encode("utf-8", "surrogatepass"), kept)
    except InvalidKey:
        return False
    return True


def judge(password: str, *, name: str) -> None:
    """Refuse a password that is easily guessed.

    Args:
        name: the account's; a password built around it is easily guessed too.

    Raises:
        Refused: 400, with what is wrong.
    """
    if len(password) < MIN_LENGTH:
        raise Refused(
            400,
            "password-short",
            "The password needs at least %(length)d characters.",
            length=MIN_LENGTH,
        )
    if len(password) > MAX_LENGTH:
        raise Refused(
            400,
            "password-long",
            "The password may have at most %(length)d characters.",
            length=MAX_LENGTH,
        )
    if _common(password.casefold(), name.casefold()):
        raise Refused(
            400,
            "password-common",
            "This password is too easy to guess. Use more than common words and rows of keys.",
        )


def _common(password: str, name: str) -> bool:
    """Whether little is left once the parts that everybody tries are taken out."""
    rest = password.replace(name, "") if len(name) >= 3 else password
    for word in _words():
        rest = rest.replace(word, "")
    rest = re.sub(r"(.{1,4}?)\1{2,}", r"\1", rest)  # aaaa, abcabcabc
    rest = re.sub(r"(19|20)\d\d", "", rest)  # years
    return len(set(rest)) < 5


@cache
def _words() -> tuple[str, ...]:
    """The parts of common passwords, longest first."""
    text = resources.files("wx.service").joinpath("common_passwords.txt").read_text("utf-8")
    words = {line for line in text.split() if len(line) >= 4}
    return tuple(sorted(words, key=lambda word: (-len(word), word)))
