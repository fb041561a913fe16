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

    def take(self, key: object) -> None:
        """Count one.

        Raises:
            Refused: 429, the bucket of ``key`` is empty.
        """
        if wait := self.try_take(key, 1):
            raise too_many(wait)

    def try_take(self, key: object, count: int, *, before: int = 0) -> float:
        """Count so many, all of them or none: 0 if they were, else the seconds to wait.

        More than a bucket holds may be taken once it is full; it is then in debt.

        Args:
            before: so many were taken for the same thing already, and are taken again by its next
                try.
        """
        left, _ = self._filled(key)
        needed = min(before + count, self._size)
        if count and needed - before - left > _ROUNDING:
            return (needed - left) / self._per_second
        self._put(key, -count)
        return 0.0

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
