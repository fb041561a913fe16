"""Signing in and out."""

from wx.errors import Refused
from wx.web.base import ANY, Base, Page, one

_STALE = "This page was open for too long. Please try again."


class Login(Base):
    """The form, and what it sends."""

    page = "/login"

    def get(self) -> None:
        if self.session:
            self.redirect("/bind", status=303)
            return
        self.render("login.html", error=None, username="")

    async def post(self) -> None:
        name = one(self.request, "username", ANY, body=True)
        password = one(self.request, "password", ANY, body=True)
        try:
            signed_in = await self.services.sessions.sign_in(
                name,
                password,
                address=self.address,
                browser=self.browser,
                device=self.get_cookie(self.cookie_name("device"), "") or "",
                previous=self.get_cookie(self.cookie_name("session"), "") or "",
            )
        except Refused as refusal:
            # The name is not repeated, so that the answer's bytes tell nothing about it.
            self.render("login.html", error=self.refuse(refusal), username="")
            return
        sessions = self.services.sessions
        self.set_own_cookie("session", signed_in.cookie, seconds=sessions.seconds)
        self.set_own_cookie("device", signed_in.device, seconds=sessions.device_seconds)
        # Whoever knew the XSRF token of the visitor must not know that of the account.
        self.clear_own_cookie("xsrf")
        self.redirect("/bind", status=303)

    def finish_error(self, status: int, code: str, sentence: str) -> None:
        if status != 403 or self.wants_json():
            super().finish_error(status, code, sentence)
            return
        # The form stood open while another tab signed in or out, so its token is an old one.
        self.finish(self.render_string("login.html", error=self.say(_STALE), username=""))


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
