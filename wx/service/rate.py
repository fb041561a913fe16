"""How often one may do something: so many at once, and as many again in each minute."""

from collections import OrderedDict

from wx.clock import Clock
from wx.service.throttle import too_many

REMEMBERED = 10_000  # of those who did it; the ones who did it longest ago are forgotten
_ROUNDING = 1e-6  # what floating point loses must not cost a second


class Rate:
    """A bucket for each key, full at first.

    Args:
        per_minute: what a bucket holds, and what flows into it in a minute.
    """

    def __init__(self, clock: Clock, *, per_minute: int) -> None:
        self._clock = clock
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def wait(self, key: object, count: int = 1, *, before: int = 0) -> float:
        """Seconds until so many may be taken; 0 if they may be now.

        More than a bucket holds may be taken once it is full; it is then in debt.

        Args:
            before: so many were taken for the same thing already, and are taken again at its next
                try.
        """
        left, _ = self._filled(key)
        if not count or min(count, self._size - before) - left <= _ROUNDING:
            return 0.0
        return (min(before + count, self._size) - left) / self._per_second

    def take(self, key: object, count: int = 1, *, before: int = 0) -> None:
        """Count so many: all of them, or none; see :meth:`wait`.

        Raises:
            Refused: 429, the bucket of ``key`` has fewer.
        """
        if wait := self.wait(key, count, before=before):
            raise too_many(wait)
        self._put(key, -count)

    def give_back(self, key: object, count: int) -> None:
        """Take back that so many were taken."""
        self._put(key, count)

    def _put(self, key: object, count: int) -> None:
        left, now = self._filled(key)
        self._buckets[key] = (left + count, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)

    def _filled(self, key: object) -> tuple[float, float]:
        """What the bucket holds now, and when that is."""
        now = self._clock.monotonic()
        left, filled_at = self._buckets.get(key, (self._size, now))
        return min(self._size, left + (now - filled_at) * self._per_second), now
