"""The account's access tokens: two families that do not know each other (1.1, 1.2, 1.5)."""

import hmac
from typing import Any

from wx.clock import Clock
from wx.simulator.api import Api, Failure
from wx.simulator.world import AccessToken, World, random_text

FORCED_PER_DAY = 20
FORCED_APART = 30  # seconds
_CHINA = 8 * 3600  # quotas begin anew at midnight there


def day(clock: Clock) -> int:
    """The number of the day in China, where the platform counts quotas."""
    return int(clock.now() + _CHINA) // 86400


class Family:
    """The tokens of one endpoint: one is current, and the one before it may linger.

    Args:
        world: where the tokens are kept.
        mark: the number in front of a token, as WeChat's have.
    """

    def __init__(self, world: World, mark: str) -> None:
        self._world = world
        self._mark = mark
        self._current: AccessToken | None = None
        self._forced_at: float | None = None
        self._forced_on = (0, 0)  # the day, and how often on it

    def mint(self) -> AccessToken:
        """A new token; the one before it works on for the overlap."""
        now = self._world.clock.monotonic()
        if self._current is not None:
            self._current.retired_at = now
        token = AccessToken(f"{self._mark}_{random_text(136)}", now + self._world.token_seconds)
        self._world.tokens[token.value] = token
        self._current = token
        return token

    def current(self) -> AccessToken:
        """The same token again; in the last minutes of its life the next one, beside it."""
        token = self._current
        if token is None or token.dead:
            return self.mint()
        left = token.expires_at - self._world.clock.monotonic()
        return self.mint() if left < self.overlap else token

    def force(self) -> AccessToken:
        """A new token, and the current one dies at once; silently nothing if done just now."""
        now, today = self._world.clock.monotonic(), day(self._world.clock)
        if self._forced_at is not None and now - self._forced_at < FORCED_APART:
            return self.current()
        count = self._forced_on[1] if self._forced_on[0] == today else 0
        if count >= FORCED_PER_DAY:
            raise Failure(45009)
        self._forced_at, self._forced_on = now, (today, count + 1)
        if self._current is not None:
            self._current.dead = self._current.dead or 40001
        return self.mint()

    @property
    def overlap(self) -> float:
        """Seconds; never more than half a life, so that short lives can be tested."""
        return min(self._world.overlap_seconds, self._world.token_seconds / 2)


def require_access_token(api: Api) -> None:
    """Refuse a call without a working access token (1.5)."""
    value = api.query("access_token", missing=41001)
    world = api.simulator.world
    token = world.tokens.get(value)
    if token is None:
        raise Failure(40014)
    now = world.clock.monotonic()
    if token.dead:
        raise Failure(token.dead)
    if now >= token.expires_at:
        raise Failure(42001)
    if token.retired_at is not None and now >= token.retired_at + world.overlap_seconds:
        raise Failure(40001)


def require_account(api: Api, app_id: object, secret: object) -> None:
    """Refuse a call that does not prove to come from the account's owner."""
    world = api.simulator.world
    if not app_id:
        raise Failure(41002)
    if not secret:
        raise Failure(41004)
    if app_id != world.app_id:
        raise Failure(40013)
    if not hmac.compare_digest(str(secret).encode(), world.app_secret.encode()):
        raise Failure(40125)


class ClassicToken(Api):
    """``GET /cgi-bin/token``: each call makes a new token and retires the one before (1.1)."""

    def reply(self) -> dict[str, Any]:
        _require_allowed_address(self)
        app_id = self.get_query_argument("appid", "", strip=False)
        secret = self.get_query_argument("secret", "", strip=False)
        if self.get_query_argument("grant_type", "") != "client_credential":
            raise Failure(40002)
        require_account(self, app_id, secret)
        return _answer(self, self.simulator.classic_tokens.mint())


class StableToken(Api):
    """``POST /cgi-bin/stable_token``: the same token again and again (1.2)."""

    verb = "POST"

    def reply(self) -> dict[str, Any]:
        _require_allowed_address(self)
        body = self.json()
        if body.get("grant_type") != "client_credential":
            raise Failure(40002)
        require_account(self, body.get("appid"), body.get("secret"))
        tokens = self.simulator.stable_tokens
        return _answer(self, tokens.force() if body.get("force_refresh") else tokens.current())


def _answer(api: Api, token: AccessToken) -> dict[str, Any]:
    left = int(token.expires_at - api.simulator.world.clock.monotonic())
    return {"access_token": token.value, "expires_in": left}


def _require_allowed_address(api: Api) -> None:
    allowed = api.simulator.faults.allow_ips
    address = api.request.remote_ip or ""
    if allowed is not None and address not in allowed:
        raise Failure(40164, f"invalid ip {address} ipv6 ::ffff:{address}, not in whitelist")
