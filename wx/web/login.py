"""Signing in and out."""

import contextlib
from typing import Any

from wx.errors import Refused
from wx.web.base import ANY, PAGES, START, Base, Page, lead, one

_REMOVED = "Unbound, and logged out: this browser was logged in by that WeChat."
_STALE = "This page was open for too long. Please try again."


class Login(Base):
    """The form, and what it sends. It leads on to the page that was wished for, by name."""

    page = "/login"
    _to = START

    async def get(self) -> None:
        self._wish(self.wished())
        if self.session:
            self.redirect(PAGES[self._to], status=303)
            return
        removed = one(self.request, "done", "removed") == "removed"
        await self._show(done=self.say(_REMOVED) if removed else None)

    def _wish(self, to: str) -> None:
        self._to, self.page = to, lead("/login", to)

    def get_template_namespace(self) -> dict[str, Any]:
        enter = lead("/enter", self._to) if self.inside_wechat else None
        return super().get_template_namespace() | {"to": self._to, "enter_url": enter}

    async def _show(self, error: str | None = None, *, done: str | None = None) -> None:
        # Whoever is inside WeChat cannot scan their own screen.
        scan_login = not self.inside_wechat and await self.services.scan_logins.offered()
        # The name is not repeated, so that the answer's bytes tell nothing about it.
        self.render("login.html", error=error, done=done, username="", scan_login=scan_login)

    async def post(self) -> None:
        self._wish(self.wished(body=True))
        name = one(self.request, "username", ANY, body=True)
        password = one(self.request, "password", ANY, body=True)
        try:
            signed_in = await self.services.sessions.sign_in(
                name,
                password,
                address=self.address,
                browser=self.browser,
                device=self.own_cookie("device"),
                previous=self.own_cookie("session"),
            )
        except Refused as refusal:
            await self._show(self.refuse(refusal))
            return
        self.keep_session(signed_in)
        self.redirect(PAGES[self._to], status=303)

    def finish_error(self, status: int, code: str, sentence: str) -> None:
        if status != 403 or self.wants_json():
            super().finish_error(status, code, sentence)
            return
        # The form stood open while another tab signed in or out, so its token is an old one.
        with contextlib.suppress(Refused):
            self._wish(self.wished(body=True))
        page = self.render_string(
            "login.html", error=self.say(_STALE), done=None, username="", scan_login=False
        )
        self.finish(page)


class Logout(Page):
    """Ends the session of this browser."""

    async def post(self) -> None:
        session, _ = self.signed_in()
        await self.services.sessions.sign_out(session)
        self.clear_own_cookie("session")
        self.clear_own_cookie("xsrf")
        self.redirect("/login", status=303)


class Home(Base):
    """The bare address."""

    needs_session = False

    def get(self) -> None:
        self.redirect("/bind", status=303)
