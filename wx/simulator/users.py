"""What the platform tells about followers (section 6), and their pictures."""

from typing import Any

from tornado.web import HTTPError

from wx.simulator.api import Api, Failure
from wx.simulator.screen import Screen
from wx.simulator.tokens import require_access_token

_COLOURS = {
    "wang": ("#f6c177", "#8a4b08"),
    "li": ("#9ccfd8", "#1f5560"),
    "zhang": ("#c4a7e7", "#4b3270"),
}


class UserInfo(Api):
    """``GET /cgi-bin/user/info``: little about a follower, next to nothing about others."""

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        person = self.simulator.world.by_openid(self.query("openid", missing=41009))
        if person is None:
            raise Failure(40003)
        if not person.following:
            return {"subscribe": 0, "openid": person.openid}
        code = person.followed_code
        return {
            "subscribe": 1,
            "openid": person.openid,
            "language": person.language,
            "subscribe_time": int(person.followed_at),
            "unionid": person.unionid,
            "remark": "",
            "groupid": 0,
            "tagid_list": [],
            "subscribe_scene": person.came_by,
            "qr_scene": int(code.scene) if code and code.numeric else 0,
            "qr_scene_str": code.scene if code and not code.numeric else "",
        }


class Avatar(Screen):
    """A drawn portrait: a head and shoulders in the person's colours."""

    def get(self, name: str) -> None:
        if name not in self.simulator.world.people:
            raise HTTPError(404)
        light, dark = _COLOURS.get(name, ("#d0d0d0", "#505050"))
        self.set_header("Content-Type", "image/svg+xml")
        self.set_header("Content-Security-Policy", "default-src 'none'")
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        self.finish(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 132 132">'
            f'<rect width="132" height="132" fill="{light}"/>'
            f'<circle cx="66" cy="54" r="24" fill="{dark}"/>'
            f'<path d="M18 132c0-30 21-46 48-46s48 16 48 46z" fill="{dark}"/></svg>'
        )
