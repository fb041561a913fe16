"""What the platform tells about its users (platform document, 6)."""

import re
from dataclasses import dataclass

from wx.errors import PlatformError, Remedy
from wx.protocol import answer
from wx.wechat.client import Client


@dataclass(frozen=True, slots=True)
class UserInfo:
    """A user as the account sees them; of one who does not follow, hardly more than that.

    ``language``: "zh", "en", or "" if it was not told. ``came_by``: how they came to follow, in
    the platform's word. The rest is untrusted text, "" as a rule: the platform tells names and
    pictures no more (since the end of 2021), and ``unionid`` only to some accounts.
    """

    following: bool
    language: str = ""
    came_by: str = ""
    unionid: str = ""
    nickname: str = ""
    avatar: str = ""


class Users:
    """Questions about one user."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def info(self, openid: str) -> UserInfo:
        """What the account may know about ``openid``.

        Raises:
            PlatformError: 40003, 46004: there is no such user here; others as they come.
        """
        path = "/cgi-bin/user/info"
        reply = await self._client.get(path, {"openid": openid, "lang": "zh_CN"})
        if reply.get("openid", openid) != openid:
            raise PlatformError(Remedy.REFUSE, None, "the answer is another user's", path=path)
        subscribe = reply.get("subscribe")
        if subscribe not in (0, 1, "0", "1"):
            raise PlatformError(Remedy.RETRY, None, "subscribe is missing or odd", path=path)
        nickname, avatar = answer.portrait(reply)
        return UserInfo(
            following=subscribe in (1, "1"),
            language=_language(reply.get("language")),
            came_by=_word(reply.get("subscribe_scene")),
            unionid=answer.name(reply.get("unionid")),
            nickname=nickname,
            avatar=avatar,
        )


def _language(value: object) -> str:
    """One of the two that pages and messages are written in."""
    if not isinstance(value, str) or not value:
        return ""
    return "zh" if value.lower().startswith("zh") else "en"


def _word(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch("[A-Za-z_]{1,64}", value) else ""
