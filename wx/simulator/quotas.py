"""How often each call may be made: by the day, and by the minute (platform document, section 0)."""

from typing import Any

from wx.simulator.api import Api, Failure
from wx.simulator.tokens import day, require_access_token
from wx.simulator.world import World

CLEARS = 10  # a month


class Quotas:
    """What was called on this day and in this minute of the platform.

    Args:
        world: whose ``quotas`` and ``rates`` are the limits, and whose clock ends days and minutes.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._today: dict[str, tuple[int, int]] = {}  # by path: the day, and how often on it
        self._minute: dict[str, tuple[int, int]] = {}
        self._cleared: list[int] = []  # on which days

    def count(self, path: str) -> None:
        """A call of ``path`` was made."""
        today, minute = day(self._world.clock), self._now()
        self._today[path] = (today, _of(self._today, path, today) + 1)
        self._minute[path] = (minute, _of(self._minute, path, minute) + 1)

    def today(self, path: str) -> int:
        """How often ``path`` was called on this day."""
        return _of(self._today, path, day(self._world.clock))

    def require(self, path: str) -> None:
        """Refuse the call that was counted last if it is one too many."""
        most = self._world.quotas.get(path)
        if most is not None and self.today(path) > most:
            raise Failure(45009)
        most = self._world.rates.get(path)
        if most is not None and _of(self._minute, path, self._now()) > most:
            raise Failure(45011)

    def clear(self) -> None:
        """All begin anew, as often as the account may have that in a month."""
        today = day(self._world.clock)
        self._cleared = [one for one in self._cleared if today - one < 30]
        if len(self._cleared) >= CLEARS:
            raise Failure(48006)
        self._cleared.append(today)
        self._today.clear()

    def _now(self) -> int:
        return int(self._world.clock.now()) // 60


def _of(counts: dict[str, tuple[int, int]], path: str, time: int) -> int:
    at, count = counts.get(path, (time, 0))
    return count if at == time else 0


class ClearQuota(Api):
    """``POST /cgi-bin/clear_quota`` (1.6)."""

    verb = "POST"

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        if self.json().get("appid") != self.simulator.app_id:
            raise Failure(40013)
        self.simulator.quotas.clear()
        return {"errcode": 0, "errmsg": "ok"}
