"""Accounts for programs: made to be reached, not to be signed in as."""

from collections.abc import Mapping

from wx.web.api import ApiHandler, rfc3339


class Accounts(ApiHandler):
    """Makes an account without a password."""

    scopes: Mapping[str, str] = {"POST": "accounts:write"}

    async def post(self) -> None:
        fields = self.fields()
        name = fields.text("name")
        fields.done()
        made = await self.services.accounts.add_reachable(name)
        self.answer(201, account=made.name, created_at=rfc3339(made.created_at))
