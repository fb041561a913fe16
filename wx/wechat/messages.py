"""Sending: template and customer-service messages, subscription notices (platform document, 4)."""

from collections.abc import Mapping
from typing import Any

from wx.protocol import answer
from wx.wechat.client import Client


class Messages:
    """The plain calls that put something into a follower's chat."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send_template(
        self,
        openid: str,
        template_id: str,
        fields: Mapping[str, str],
        *,
        url: str = "",
        client_msg_id: str = "",
    ) -> str:
        """Queue a template message; the platform's message id, "" if it named none.

        Args:
            url: where a tap leads; "" for nowhere.
            client_msg_id: the same one within ten minutes is delivered once.

        Raises:
            PlatformError: 43004: not following; 40037: no such template; 47003: a field breaks
                its type; others as they come.
        """
        body: dict[str, object] = {
            "touser": openid,
            "template_id": template_id,
            "data": {name: {"value": value} for name, value in fields.items()},
        }
        if url:
            body["url"] = url
        if client_msg_id:
            body["client_msg_id"] = client_msg_id
        return _msgid(await self._client.post("/cgi-bin/message/template/send", body))

    async def send_subscription(
        self, openid: str, template_id: str, fields: Mapping[str, str], *, url: str = ""
    ) -> str:
        """Queue a subscription notice; the platform's message id, "" if it named none.

        Args:
            url: where a tap leads; "" for nowhere.

        Raises:
            PlatformError: 43101: the person has not accepted it, or no more; 40037: no such
                template; 47003: a field breaks its type; 41030: the url; others as they come.
        """
        body: dict[str, object] = {
            "touser": openid,
            "template_id": template_id,
            "data": {name: {"value": value} for name, value in fields.items()},
        }
        if url:
            body["page"] = url
        return _msgid(await self._client.post("/cgi-bin/message/subscribe/bizsend", body))

    async def send_text(self, openid: str, text: str) -> None:
        """Send a text as a customer-service message.

        Raises:
            PlatformError: 45015: the window is closed; 45047: its count is used up; others.
        """
        body = {"touser": openid, "msgtype": "text", "text": {"content": text}}
        await self._client.post("/cgi-bin/message/custom/send", body)


def _msgid(reply: dict[str, Any]) -> str:
    # Larger than a double counts to, and documented for some of the calls only.
    msgid = reply.get("msgid")
    if not isinstance(msgid, int | str) or isinstance(msgid, bool):
        return ""
    return answer.clean(str(msgid), limit=32)
