"""Invites for programs: a code for one of their people, to be shown by a page of their own."""

from collections.abc import Mapping
from typing import Any

from wx.model import Browser
from wx.service.api_keys import INVITES
from wx.service.codes import OAUTH, SCAN
from wx.service.invites import View
from wx.web import bind, client
from wx.web.api import ApiHandler, wrong


class Invites(ApiHandler):
    """Makes an invite for an account."""

    scopes: Mapping[str, str] = {"POST": INVITES}

    async def post(self) -> None:
        fields = self.fields()
        name, agent = fields.text("account"), fields.text("browser", "")
        address = fields.text("address", "")
        replace, fresh = fields.flag("replace"), fields.flag("fresh")
        fields.done()
        account_name, view = await self.services.views.open(
            self.key, name, self._browser(agent, address), fresh=fresh, replace=replace
        )
        # Whoever is inside WeChat cannot scan their own screen, and gets the link's code.
        scan = "" if client.inside_wechat(agent) else await self.services.codes.of(view)
        self.answer(201, account=account_name, **self._told(view, scan))

    def _browser(self, agent: str, address: str) -> Browser:
        """From where the person asks; where the program does not say, its own name stands for it
        on the phone."""
        network = client.network(client.address(address, (), ()))
        if address and not network:
            raise wrong("The field %(field)s must be an IP address.", "address")
        named = client.browser_name(agent)
        return Browser(network, named if named or network else self.key.name)

    def _told(self, view: View, scan: str) -> dict[str, Any]:
        """What a page needs to show the code and to follow it.

        Args:
            scan: what its parametric code holds; "" where people bind by the OAuth route.
        """
        code = self.services.views.secret_of(view.invite.id)
        here = f"{self.config.public_url}/view/{code}"
        link = bind.link_of(self, view)
        route = SCAN if scan else OAUTH
        return {
            "id": view.invite.id,
            "url": scan or link,
            "link": link,
            "qr": f"{here}/qr.svg?route={route}",
            "live": f"{here}/live".replace("http", "ws", 1),
            "state": here,
            "view": code,
            "number": view.invite.number,
            "expires_in": view.expires_in,
            "route": route,
        }


class ConfirmInvite(ApiHandler):
    """The six digits from the phone, where ``bind_confirm`` is ``desktop``."""

    scopes: Mapping[str, str] = {"POST": INVITES}

    async def post(self, invite_id: str) -> None:
        fields = self.fields()
        digits = "".join(fields.text("code").split())
        fields.done()
        await self.services.callbacks.confirm(
            self.key, invite_id, digits, translate=self.locale.translate
        )
        self.answer(200, state="bound")
