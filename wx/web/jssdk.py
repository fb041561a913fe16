"""What pages need for WeChat's JS-SDK: for programs of the team, and for our own pages."""

from collections.abc import Mapping
from typing import Any

from wx.errors import Refused
from wx.service.jssdk import JsConfig
from wx.web import client
from wx.web.api import ApiHandler, wrong
from wx.web.base import ANY, Base, one


def shown(made: JsConfig) -> dict[str, Any]:
    """By the names that ``wx.config`` takes."""
    return {
        "appId": made.app_id,
        "timestamp": made.timestamp,
        "nonceStr": made.nonce,
        "signature": made.signature,
    }


class AnyJsConfig(ApiHandler):
    """A signature for any page; a program's own site stands for what it asks."""

    scopes: Mapping[str, str] = {"GET": "js:read"}

    async def get(self) -> None:
        url = self.query("url")["url"]
        if not url:
            raise wrong("The field %(field)s is missing.", "url")
        self.answer(200, **shown(await self.services.jssdk.config(url)))


class OwnJsConfig(Base):
    """A signature for a page of ours, asked for by that page's script."""

    for_programs = True

    async def get(self) -> None:
        self._check_origin()
        url = one(self.request, "url", ANY)
        # What strangers say of WeChat's refusals costs nobody a call.
        again = one(self.request, "again", "1") == "1" and self.session is not None
        made = await self.services.jssdk.own_config(
            url, address=self.address, near=client.near(self.address), again=again
        )
        self.finish(shown(made))

    def _check_origin(self) -> None:
        """Take nothing from other sites' pages, by whatever a browser says of where it comes from.
        Sec-Fetch-Site says it best, but old WebViews do not send it, nor does any browser over
        plain http; of the other two not all requests have one."""
        headers, site = self.request.headers, self.config.public_url
        fetched = all(said == "same-origin" for said in headers.get_list("Sec-Fetch-Site"))
        origin = all(said == site for said in headers.get_list("Origin"))
        referrer = all(
            said == site or said.startswith(f"{site}/") for said in headers.get_list("Referer")
        )
        if not (fetched and origin and referrer):
            raise Refused(403, "forbidden", "This is for pages of this site only.")
