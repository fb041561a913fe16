"""Slowing down those who guess passwords, without locking out those who know theirs.

Failures are counted for a name, for an address and for a device that has signed in before. After
a few in a row each further try has to wait, longer each time. A device that its owner has used
counts for itself alone: whoever hammers at the name from elsewhere does not slow it down.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from wx.clock import Clock
from wx.errors import Refused

FREE_FAILURES = 5  # in a row for a name or a device, before the next try waits
FREE_FAILURES_OF_ADDRESS = 20  # an office shares one
MAX_DELAY_SECONDS = 200  # about 28 tries at a name in the first hour, then 18 an hour
HOLD_SECONDS = 2  # a shorter wait is sat out; a longer one is refused with how long
REMEMBERED = 20_000  # names and addresses; the ones used longest ago are forgotten
FORGET_SECONDS = 3600
TRIES_PER_SECOND = 20  # of everybody together
BURST = 60


@dataclass(slots=True)
class _Record:
    failures: int = 0
    free_at: float = 0.0  # monotonic
    last_at: float = 0.0


class Throttle:
    """Counts failed tries. All times are the clock's monotonic seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._tokens = float(BURST)
        self._filled_at = clock.monotonic()

    def begin(self, *, name: str, address: str, device: str | None) -> float:
        """Count a try as failed until :meth:`succeeded` says otherwise.

        Counting first means that a thousand tries at once are a thousand tries.

        Args:
            name: as it was typed.
            address: the client's IP address.
            device: the known device's id, if its cookie belongs to this name.

        Returns:
            Seconds to wait before the password is looked at; at most :data:`HOLD_SECONDS`.

        Raises:
            Refused: 429, the wait would be longer.
        """
        now = self._clock.monotonic()
        keys = self._keys(name, address, device)
        wait = max(self._wait(key, now) for key in keys)
        if wait > HOLD_SECONDS:
            raise too_many(wait)
        if not device:  # a flood of strangers must not stop those who are known
            self._take_one_of_all(now)
        for key in keys:
            record = self._record(key, now)
            record.failures += 1
            record.last_at = now
            free = FREE_FAILURES_OF_ADDRESS if key.startswith("address ") else FREE_FAILURES
            over = record.failures - free
            if over >= 0:
                delay = min(2.0 ** (over + 1), MAX_DELAY_SECONDS)
                record.free_at = max(record.free_at, now) + delay
        return wait

    def succeeded(self, *, name: str, address: str, device: str | None) -> None:
        """Take back what :meth:`begin` counted for a try with the right password."""
        for key in self._keys(name, address, device):
            if key.startswith("address "):
                # Signing in to one's own account must not buy free tries at others.
                record = self._record(key, self._clock.monotonic())
                record.failures = max(0, record.failures - 1)
            else:
                self._records.pop(key, None)

    def _keys(self, name: str, address: str, device: str | None) -> list[str]:
        who = f"device {device}" if device else f"name {name.casefold()[:256]}"
        return [who] if device else [who, f"address {place(address)}"]

    def _wait(self, key: str, now: float) -> float:
        record = self._records.get(key)
        return max(0.0, record.free_at - now) if record else 0.0

    def _record(self, key: str, now: float) -> _Record:
        record = self._records.get(key)
        if record is None or now - record.last_at > FORGET_SECONDS:
            record = self._records[key] = _Record(last_at=now)
        self._records.move_to_end(key)
        while len(self._records) > REMEMBERED:
            self._records.popitem(last=False)
        return record

    def _take_one_of_all(self, now: float) -> None:
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * TRIES_PER_SECOND)
        self._filled_at = now
        if self._tokens < 1:
            raise too_many(1 / TRIES_PER_SECOND)
        self._tokens -= 1


def too_many(wait: float) -> Refused:
    """The refusal that says how many seconds to wait."""
    return Refused(
        429,
        "too-many-tries",
        "Too many tries. Please wait %(seconds)d seconds.",
        retry_after=wait,
        seconds=int(wait) + 1,
    )


def place(address: str) -> str:
    """Where somebody is, as far as counting goes: an IPv6 user has a whole /64 to choose from, so
    that is one address here."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def neighbourhood(address: str) -> str:
    """The network around an address that may be one party's own: an IPv6 line has many /64, and a
    small owner no more than a /48, or an IPv4 /24."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False))
