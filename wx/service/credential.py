"""Credentials: the platform's access token, for programs of the team that share the account."""

import logging

from wx.errors import PlatformError, Refused, Remedy
from wx.model import ApiKey
from wx.wechat.access_token import AccessTokenKeeper

log = logging.getLogger(__name__)

RETRY_SECONDS = 10


class Credentials:
    """Gives out what the keeper holds, so that nobody else has to fetch one."""

    def __init__(self, keeper: AccessTokenKeeper) -> None:
        self._keeper = keeper

    async def access_token(self, key: ApiKey) -> tuple[str, int]:
        """The access token for the program with this key, and the whole seconds to its end.

        Raises:
            Refused: 503 or 502, there is none and none could be had.
        """
        try:
            token, seconds = await self._keeper.current()
        except PlatformError as error:
            log.warning("no access token for the key %s: %s", key.name, error)
            if error.remedy in (Remedy.RETRY, Remedy.PAUSE):
                raise Refused(
                    503,
                    "unavailable",
                    "WeChat cannot be reached just now. Please try again in a moment.",
                    retry_after=RETRY_SECONDS,
                ) from error
            raise Refused(
                502,
                "platform-error",
                "WeChat gave no access token (error %(errcode)s).",
                hint="The operator finds more in the log.",
                errcode=error.errcode,
            ) from error
        log.info("the access token was given to the program with the key %s", key.name)
        return token, int(seconds)
