"""How often one may do something: so many at once, and as many again in each minute."""

from collections import OrderedDict

from wx.clock import Clock
from wx.service.throttle import too_many

REMEMBERED = 10_000  # of those who did it; the ones who did it longest ago are forgotten


class Rate:
    """A bucket for each key, full at first.

    Args:
        per_minute: what a bucket holds, and what flows into it in a minute.
    """

    def __init__(self, clock: Clock, *, per_minute: int) -> None:
        self._clock = clock
        self._size = float(per_minute)
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, key: object) -> None:
        """Count one.

        Raises:
            Refused: 429, the bucket of ``key`` is empty.
        """
        now = self._clock.monotonic()
        left, filled_at = self._buckets.pop(key, (self._size, now))
        left = min(self._size, left + (now - filled_at) * self._size / 60)
        self._buckets[key] = (left, now) if left < 1 else (left - 1, now)
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        if left < 1:
            raise too_many((1 - left) * 60 / self._size)
