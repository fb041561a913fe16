"""Web authorization: from the code that a phone brings to a WeChat user (platform document, 2)."""

import re
from dataclasses import dataclass
from typing import Any

from wx.errors import PlatformError, Remedy
from wx.model import Profile
from wx.protocol import answer
from wx.wechat.transport import Transport

_OPENID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code was exchanged for. ``access_token`` is the user's own and works on `/sns` only;
    ``snapshot``: the openid is made up, because WeChat showed its snapshot page (2.6)."""

    openid: str
    unionid: str
    access_token: str
    refresh_token: str
    expires_in: int
    scope: str
    snapshot: bool

    def __repr__(self) -> str:  # holds secrets
        return f"Grant(scope={self.scope!r}, snapshot={self.snapshot})"


class OAuth:
    """The four calls under `/sns`; none of them needs the account's access token.

    Args:
        exchange: connections for exchanging codes, which people wait for.
        profile: connections for everything else, so that a slow profile holds up no exchange.
    """

    def __init__(
        self, exchange: Transport, profile: Transport, *, app_id: str, app_secret: str
    ) -> None:
        self._exchange = exchange
        self._profile = profile
        self._app_id = app_id
        self._app_secret = app_secret

    async def exchange(self, code: str) -> Grant:
        """Exchange a code, which works once (2.2).

        Raises:
            PlatformError: 40029, 40163, 42003: the code is no good; others as they come.
        """
        path = "/sns/oauth2/access_token"
        reply = await self._exchange.get(
            path,
            {
                "appid": self._app_id,
                "secret": self._app_secret,
                "code": code,
                "grant_type": "authorization_code",
            },
        )
        return _grant(reply, path=path)

    async def refresh(self, refresh_token: str) -> Grant:
        """A new access token of the user's from their refresh token, which lives 30 days (2.3).

        Raises:
            PlatformError: 40030, 42002, 42007: the user has to authorize again.
        """
        path = "/sns/oauth2/refresh_token"
        reply = await self._profile.get(
            path,
            {
                "appid": self._app_id,
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
            },
        )
        return _grant(reply, path=path)

    async def check(self, grant: Grant) -> bool:
        """Whether the user's access token still works (2.5).

        Raises:
            PlatformError: the platform did not say.
        """
        params = {"access_token": grant.access_token, "openid": grant.openid}
        try:
            await self._profile.get("/sns/auth", params)
        except PlatformError as error:
            if error.errcode is None or error.remedy in (Remedy.RETRY, Remedy.PAUSE):
                raise
            return False
        return True

    async def profile(self, grant: Grant) -> Profile:
        """The user's profile (2.4); what the platform no longer gives is empty in it.

        Raises:
            PlatformError: 48001: the user was not asked for it; others as they come.
        """
        path = "/sns/userinfo"
        reply = await self._profile.get(
            path,
            {"access_token": grant.access_token, "openid": grant.openid, "lang": "zh_CN"},
        )
        if reply.get("openid") != grant.openid:
            raise PlatformError(Remedy.REFUSE, None, "the profile is another user's", path=path)
        sex = reply.get("sex")
        privilege = reply.get("privilege")
        items = privilege if isinstance(privilege, list) else []
        nickname, avatar = answer.portrait(reply)
        return Profile(
            openid=grant.openid,
            unionid=answer.name(reply.get("unionid")) or grant.unionid,
            nickname=nickname,
            sex=sex if sex in (1, 2) and not isinstance(sex, bool) else 0,
            province=answer.name(reply.get("province")),
            city=answer.name(reply.get("city")),
            country=answer.name(reply.get("country")),
            avatar=avatar,
            privilege=[clean for item in items[:20] if (clean := answer.clean(item, limit=64))],
        )


def _grant(reply: dict[str, Any], *, path: str) -> Grant:
    openid = answer.text(reply, "openid", limit=64, path=path)
    if not _OPENID.fullmatch(openid):
        raise PlatformError(Remedy.RETRY, None, "the openid is odd", path=path)
    return Grant(
        openid=openid,
        unionid=answer.name(reply.get("unionid")),
        access_token=answer.text(reply, "access_token", limit=512, path=path),
        refresh_token=answer.clean(reply.get("refresh_token"), limit=512),
        expires_in=answer.seconds(reply, "expires_in", path=path),
        scope=answer.clean(reply.get("scope"), limit=64),
        snapshot=reply.get("is_snapshotuser") in (1, "1"),
    )
