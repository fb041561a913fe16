"""Platform calls that need the access token."""

from collections.abc import Mapping
from typing import Any

from wx.errors import PlatformError, Remedy
from wx.wechat.access_token import AccessTokenKeeper
from wx.wechat.transport import Transport


class Client:
    """Adds the access token to a call; when the platform refuses it, tries once with a new one."""

    def __init__(self, transport: Transport, access_token: AccessTokenKeeper) -> None:
        self._transport = transport
        self._access_token = access_token

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST ``body`` as JSON; the answer.

        Raises:
            PlatformError: no access token, no usable answer, or one with an errcode.
        """
        token = await self._access_token.get()
        try:
            return await self._transport.post(path, {"access_token": token}, body)
        except PlatformError as error:
            if error.remedy is not Remedy.NEW_ACCESS_TOKEN:
                raise
        token = await self._access_token.replace(token)
        return await self._transport.post(path, {"access_token": token}, body)
