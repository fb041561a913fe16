"""What pages elsewhere follow a program's invite by: its code, how it stands, its live socket."""

from typing import Any

from wx import secret
from wx.errors import Refused
from wx.service.invites import View
from wx.service.views import VIEW
from wx.web import bind
from wx.web.api import ApiHandler
from wx.web.live import Live

PREFLIGHT_SECONDS = 600


class ViewHandler(ApiHandler):
    """An address that holds a view's secret. No cookies are read here or set: pages of the origins
    in ``invite_origins`` may ask, and whoever is no page of a site."""

    def initialize(self) -> None:
        super().initialize()
        # Inside WeChat our own page has a button to press. What pages elsewhere have is their own.
        self.inside_wechat = False

    async def prepare(self) -> None:
        await super().prepare()
        self.set_header("Vary", "Origin")
        if self._origin is None:
            return
        if self._origin not in self._origins:
            raise Refused(
                403,
                "foreign-origin",
                "Pages of this site may not show codes.",
                hint="The sites whose pages may do so stand in invite_origins.",
            )
        self.set_header("Access-Control-Allow-Origin", self._origin)

    def options(self, code: str) -> None:
        """What a browser asks before a request that it finds unusual."""
        self.set_header("Allow", ", ".join(self.methods()))
        if self._origin is not None:
            self.set_header("Access-Control-Allow-Methods", "GET")
            self.set_header("Access-Control-Max-Age", str(PREFLIGHT_SECONDS))
        self.set_status(204)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        # The headers were cleared with the answer; a page that may ask may also read why not.
        self.set_header("Vary", "Origin")
        if self._origin in self._origins:
            self.set_header("Access-Control-Allow-Origin", self._origin or "")
        super().write_error(status_code, **kwargs)

    @property
    def _origin(self) -> str | None:
        return self.request.headers.get("Origin")

    @property
    def _origins(self) -> tuple[str, ...]:
        return (self.config.public_url, *self.config.invite_origins)

    def frame_of(self, view: View) -> dict[str, Any]:
        """How an invite stands, for a page elsewhere: with whole addresses."""
        frame = bind.frame(self, view)
        if (follower := frame["follower"]) and follower["avatar"].startswith("/"):
            follower["avatar"] = self.config.public_url + follower["avatar"]
        return frame


class ViewStatus(ViewHandler):
    """How the invite stands."""

    async def get(self, code: str) -> None:
        self.query()
        self.answer(200, **self.frame_of(await self.services.views.find(secret.digest(code))))


class ViewPicture(ViewHandler):
    """The code itself, for the ``<img>`` of any page that has its address."""

    async def get(self, code: str) -> None:
        view = await self.services.views.find(secret.digest(code))
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        await bind.picture(self, view)


class LiveView(Live, ViewHandler):  # type: ignore[misc]  # "key" is the view: no API key here
    """A page elsewhere that waits for the invite. Its socket is closed once the invite is over."""

    kind = VIEW

    def admits(self, origin: str, site: str) -> bool:
        return origin in self._origins

    async def admit_listener(self) -> bytes:
        return secret.digest(self.path_args[0])

    async def find_topic(self) -> str:
        return (await self.services.views.find(self.key)).invite.id

    async def frame(self, news: object) -> dict[str, Any]:
        view = news if isinstance(news, View) else await self.services.views.find(self.key)
        if not view.state.open:
            self.leave_soon()  # and not at once: the follower's name may still come
        return self.frame_of(view)
