"""Platform calls that need the access token."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from wx.errors import PlatformError, Remedy
from wx.wechat.access_token import AccessTokenKeeper
from wx.wechat.transport import Transport

_T = TypeVar("_T")
_Send = Callable[[dict[str, str]], Awaitable[_T]]


class Client:
    """Adds the access token to a call; when the platform refuses it, tries once with a new one."""

    def __init__(self, transport: Transport, access_token: AccessTokenKeeper) -> None:
        self._transport = transport
        self._access_token = access_token

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET ``path`` with ``params`` in the query; the answer.

        Raises:
            PlatformError: no access token, no usable answer, or one with an errcode.
        """
        given = params or {}
        return await self._call(lambda token: self._transport.get(path, {**given, **token}))

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST ``body`` as JSON; the answer.

        Raises:
            PlatformError: no access token, no usable answer, or one with an errcode.
        """
        return await self._call(lambda token: self._transport.post(path, token, body))

    async def download(self, path: str, params: Mapping[str, str]) -> bytes:
        """GET ``path`` with ``params`` in the query; the bytes that it answers, whatever they are.

        Raises:
            PlatformError: no access token, no whole answer, or one that is JSON with an errcode.
        """
        return await self._call(lambda token: self._transport.download(path, {**params, **token}))

    async def _call(self, send: _Send[_T]) -> _T:
        token = await _had(self._access_token.get())
        try:
            return await self._sent(send, token)
        except PlatformError as error:
            if error.remedy is not Remedy.NEW_ACCESS_TOKEN:
                raise
            refusal, errmsg = error.errcode, error.errmsg
        token = await _had(self._access_token.replace(token, refusal, errmsg))
        return await self._sent(send, token)

    async def _sent(self, send: _Send[_T], token: str) -> _T:
        """The answer; the keeper hears of it if the platform took the access token."""
        found = await send({"access_token": token})
        self._access_token.accepted(token)
        return found


async def _had(access_token: Awaitable[str]) -> str:
    """The access token; where none could be had, the call that wanted it was not made."""
    try:
        return await access_token
    except PlatformError as error:
        raise PlatformError(
            error.remedy, error.errcode, error.errmsg, path=error.path, unsent=True
        ) from error
