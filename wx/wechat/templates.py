"""The account's message templates (platform document, 4.2)."""

import re

from wx.errors import PlatformError, Remedy
from wx.model import Template
from wx.protocol import answer
from wx.wechat.client import Client

_MOST = 100  # an account holds 25; a broken answer may hold anything
_ID = re.compile(r"[\x21-\x7e]{1,64}")


class Templates:
    """What the account may send as template messages."""

    PATH = "/cgi-bin/template/get_all_private_template"

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list_all(self) -> list[Template]:
        """All templates of the account, as far as each makes sense.

        Raises:
            PlatformError: 48001: the account has no template messages; others as they come.
        """
        reply = await self._client.get(self.PATH)
        entries = reply.get("template_list")
        if not isinstance(entries, list):
            raise PlatformError(
                Remedy.RETRY, None, "template_list is missing or odd", path=self.PATH
            )
        return [made for entry in entries[:_MOST] if (made := _template(entry))]


def _template(entry: object) -> Template | None:
    if not isinstance(entry, dict):
        return None
    name = entry.get("template_id")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        return None
    return Template(
        id=name,
        title=answer.name(entry.get("title")),
        content=answer.clean(entry.get("content"), limit=4096),
    )
