"""The account's menu: asking for it, putting one up, taking it away (platform document, 7)."""

from typing import Any

from wx.errors import PlatformError, Remedy
from wx.protocol import errcode
from wx.protocol import menu as protocol
from wx.wechat.client import Client

NO_MENU = 46003


class Menus:
    """The account's one menu, which programs make; one made in WeChat's console is not seen."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def show(self) -> dict[str, Any] | None:
        """The menu as the platform answers it, ``{"menu": {"button": […]}}`` with
        ``conditionalmenu`` where there are some, or None if there is none.

        Raises:
            PlatformError: the platform did not say.
        """
        path = "/cgi-bin/menu/get"
        try:
            answer = await self._client.get(path)
        except PlatformError as error:
            if error.errcode == NO_MENU:
                return None
            raise
        menu = answer.get("menu")
        if not isinstance(menu, dict) or not isinstance(menu.get("button"), list):
            raise PlatformError(Remedy.RETRY, None, "menu is missing or odd", path=path)
        return answer

    async def push(self, menu: dict[str, Any]) -> None:
        """Put up ``menu`` in the place of the whole one that is up.

        Args:
            menu: one that :func:`wx.protocol.menu.check` has nothing against.

        Raises:
            PlatformError: 48001: the account may not; others as they come.
        """
        await self._client.post("/cgi-bin/menu/create", protocol.bare(menu))

    async def clear(self) -> None:
        """Take the menu away, the conditional ones too; that there is none is no failure.

        Raises:
            PlatformError: 48001: the account may not; others as they come.
        """
        try:
            await self._client.get("/cgi-bin/menu/delete")
        except PlatformError as error:
            if error.errcode != NO_MENU:
                raise


def advice(error: PlatformError) -> str:
    """What is known about a call that failed: a clause that follows the error, or "" where nothing
    better is known than what the platform says itself."""
    # Putting up or taking away twice does no harm. A token call that speaks of the credential means
    # the app secret, and that stays wrong.
    refused_token = error.remedy is Remedy.NEW_ACCESS_TOKEN and "/menu/" in error.path
    if error.remedy is Remedy.RETRY or refused_token:
        return "; try again in a moment"
    return errcode.clause(error.errcode)
