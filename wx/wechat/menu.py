"""The account's menu: asking for it, putting one up, taking it away (platform document, 7)."""

from typing import Any

from wx.errors import PlatformError, Remedy
from wx.protocol import menu as protocol
from wx.wechat import access_token
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
    """What the operator can do about a call that failed (platform document, 11): a clause that
    follows the error, or "" where nothing better is known than what the platform says itself."""
    if not error.path.startswith("/cgi-bin/menu/") and (clause := access_token.advice(error)):
        return clause
    code = error.errcode or 0
    if 40015 <= code <= 40028:
        return "; the platform refuses a button that looks right from here: see what it names"
    sentences = {
        40007: "a media_id is unknown to the platform: upload the material again",
        40054: "the platform refuses the domain of a button's url",
        40055: "the platform refuses the domain of a button's url",
        45009: "the day's calls are used up: try again tomorrow",
        45010: "the account has as many menus as it may: take one away first",
        45011: "too many calls in this minute: try again in the next",
        48001: "the account may not have menus made by programs: it has to be verified",
        48004: "the account is barred from this call: see the notices in WeChat's console",
    }
    if sentence := sentences.get(code):
        return f"; {sentence}"
    # Putting up or taking away twice does no harm.
    again = error.remedy in (Remedy.RETRY, Remedy.NEW_ACCESS_TOKEN)
    return "; try again in a moment" if again else ""
