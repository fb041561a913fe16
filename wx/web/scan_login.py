"""Signing in by scan: the code of the login page and how it stands, the phone's yes, the way in,
and the link that ends the session again."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from tornado.web import HTTPError

from wx import secret
from wx.errors import Refused
from wx.model import ScanLoginState
from wx.service import scan_login
from wx.service.codes import OAUTH, SCAN
from wx.service.hub import DESK
from wx.service.scan_login import View
from wx.service.throttle import place
from wx.service.visit import VISIT_SECONDS
from wx.web import client, qr
from wx.web.arrival import PROBLEMS, ArrivalPage
from wx.web.base import PAGES, Base, lead, one
from wx.web.live import Live
from wx.web.phone import PhonePage

# What the status line says; the words of a live frame's "message".
STATES = {
    ScanLoginState.WAITING: "Scan the code with a bound WeChat.",
    ScanLoginState.SCANNED: "Scanned. Please confirm on your phone.",
    ScanLoginState.CONFIRMED: "Confirmed. Logging in …",
    ScanLoginState.ENTERED: "Logged in.",
    ScanLoginState.REFUSED: "Refused on the phone. Nobody was logged in.",
    ScanLoginState.EXPIRED: "The QR code has expired.",
}
_PROBLEMS: Mapping[str, Callable[[], Exception]] = {
    **PROBLEMS,
    **{name: partial(scan_login.refusal, name) for name in scan_login.REFUSALS},
}


def frame(handler: Base, view: View) -> dict[str, Any]:
    """How a sign-in stands, as a live frame."""
    return {
        "state": view.state,
        "expires_in": view.expires_in,
        "number": view.login.number,
        "message": handler.say(STATES[view.state]),
    }


class Desk(Base):
    """What the browser asks for that shows the code, known by its cookie alone."""

    setting = "scan_login"
    for_programs = True

    async def view(self, login_id: str) -> View:
        """How its sign-in stands.

        Raises:
            Refused: 404, there is none, or it is another browser's.
        """
        return await self.services.scan_logins.view(login_id, self.own_cookie("desk"))

    async def scan_code(self, view: View) -> str:
        """What the parametric code holds; "" where the other route's is to be shown."""
        if view.state is not ScanLoginState.WAITING:
            return ""
        login = view.login
        scene = scan_login.scene_of(view.secret)
        return await self.services.codes.of_scene(
            login.id, scene, ends_at=login.expires_at, stranger=True
        )

    def link(self, view: View) -> str:
        """What the code of the OAuth route holds."""
        return f"{self.config.public_url}/s/{view.secret}"


class NewCode(Desk):
    """A code for this browser: its open one, or a new one if it has none or ``fresh`` is said."""

    async def post(self) -> None:
        if self.session:
            raise Refused(409, "signed-in", "You are logged in already.")
        fresh = one(self.request, "fresh", "[01]", body=True) == "1"
        view, desk = await self.services.scan_logins.open(
            self.own_cookie("desk"),
            self.browser,
            address=self.address,
            near=client.near(self.address),
            fresh=fresh,
        )
        scan = await self.scan_code(view)
        route = SCAN if scan else OAUTH
        phone = self.site.demo_phone
        self.set_own_cookie("desk", desk, seconds=scan_login.DESK_SECONDS)
        self.set_status(201)
        self.finish(
            {
                "id": view.login.id,
                # With the route, lest the picture be another one's than what is said beside it.
                "qr": f"/login/codes/{view.login.id}/qr.svg?route={route}",
                "live": f"/live/login/{view.login.id}",
                "route": route,
                "demo_phone": f"{phone}?url={quote(scan or self.link(view), safe='')}"
                if phone
                else None,
                **frame(self, view),
            }
        )


class CodeStatus(Desk):
    """How a sign-in stands, for those whom no socket reaches."""

    needs_session = False

    async def get(self, login_id: str) -> None:
        self.finish(frame(self, await self.view(login_id)))


class CodePicture(Desk):
    """The code itself."""

    needs_session = False

    async def get(self, login_id: str) -> None:
        view = await self.view(login_id)
        route = one(self.request, "route", f"{OAUTH}|{SCAN}")
        scan = await self.scan_code(view) if route == SCAN else ""
        if route == SCAN and not scan and view.state is ScanLoginState.WAITING:
            raise Refused(503, "no-picture", "There is no code to scan at the moment.")
        self.set_header("Content-Type", "image/svg+xml")
        self.finish(await qr.svg(scan or self.link(view)))


class WayIn(Desk):
    """The way in, once the phone has said yes. A form of the page, so that the answer to it is the
    browser's next page and its cookies are set as by any sign-in."""

    needs_session = False
    for_programs = False

    async def post(self, login_id: str) -> None:
        to = self.wished(body=True)
        signed_in = await self.services.scan_logins.enter(
            login_id,
            self.own_cookie("desk"),
            self.browser,
            previous=self.own_cookie("session"),
        )
        if signed_in is None:
            # Another tab was faster, and its session is this browser's too.
            self.redirect(lead("/login", to), status=303)
            return
        self.keep_session(signed_in)
        self.clear_own_cookie("desk")
        self.redirect(PAGES[to], status=303)


class LiveLogin(Live):
    """A login page that waits for a phone."""

    setting = "scan_login"
    needs_session = False
    kind = DESK
    _desk = ""
    _login_id = ""

    async def admit_listener(self) -> bytes:
        self._desk = self.own_cookie("desk")
        return secret.digest(self._desk)

    async def find_topic(self) -> str:
        self._login_id = self.path_args[0]
        await self.services.scan_logins.view(self._login_id, self._desk)
        return scan_login.topic(self._login_id)

    async def frame(self, news: object) -> dict[str, Any]:
        view = await self.services.scan_logins.view(self._login_id, self._desk)
        if not view.state.open:
            self.leave_soon()
        return frame(self, view)

    def ended(self) -> None:
        self.close(1000, "over")  # no session's end: another code may be asked for


class Scanned(ArrivalPage):
    """The link in the code. In WeChat the platform says who opened it, without a question, and
    leads back here; then the page of the question has an address of its own."""

    setting = "scan_login"
    problems = _PROBLEMS
    final = ("unknown-code", "expired", "used", "scanned-by-another", "cannot-sign-in", "risky")

    async def get(self, code: str) -> None:
        self.page = self.clean = f"/s/{code}"
        _ = self.locale  # picking a language counts, also where the answer is a redirect
        logins = self.services.scan_logins
        if self.inside_wechat:
            self._retry = self.page
        if not self.came_back:
            self.say_problem()
            if one(self.request, "unbound", "1"):
                self._show_unbound()
                return
            await logins.look(code)
        if not self.inside_wechat:
            if self.came_back:
                self.leave()
                return
            message = self.say("Logging in by scan works only inside WeChat.")
            self.show("outside", url=self.config.public_url + self.page, message=message)
            return
        if self.looks_ahead():
            raise HTTPError(403)
        if not self.came_back:
            address, visit = logins.begin(code, self.own_cookie("visit"))
            self.set_own_cookie("visit", visit, seconds=VISIT_SECONDS)
            self.redirect(address)
            return
        # Nothing from here on leads to the platform again: a browser without cookies would go
        # round for ever.
        arrival = self.arrival(scan_login.visit_purpose(code), share=place(self.address))
        path = await logins.arrive(code, arrival)
        self.redirect(path or f"{self.clean}?unbound=1", status=303)

    def _show_unbound(self) -> None:
        self.page = f"{self.clean}?unbound=1"
        self.set_status(403)
        self.render("scan_login.html", view="unbound", title=self.say("Not bound yet"))


class Question(PhonePage):
    """Asks whoever scanned the code whether they are at that computer."""

    setting = "scan_login"

    async def get(self, login_id: str, answer: str) -> None:
        self.page = self.request.path
        question = await self.services.scan_logins.question(login_id, answer)
        if question.done:
            self._done(question.account_name)
            return
        login = question.login
        here, there = self.browser.network, login.browser.network
        self.render(
            "scan_login.html",
            view="ask",
            title=self.say("Log in at the computer?"),
            account_name=question.account_name,
            number=login.number,
            asked_at=login.created_at,
            browser=login.browser,
            elsewhere=bool(here and there) and here != there,
            action=self.request.path,
        )

    async def post(self, login_id: str, answer: str) -> None:
        said = one(self.request, "answer", "no|yes", body=True)
        if said == "no":
            ends = await self.services.scan_logins.decline(login_id, answer)
            if ends:
                self.redirect(ends, status=303)
                return
            self.show(
                "done",
                title=self.say("Thank you"),
                message=self.say(
                    "Nobody was logged in, and the code no longer works. Never scan a code that"
                    " somebody sends you."
                ),
            )
            return
        if said != "yes":
            raise HTTPError(400)
        question = await self.services.scan_logins.confirm(login_id, answer)
        self._done(question.account_name)

    def _done(self, account_name: str) -> None:
        message = "The computer is being logged in to %(site)s as %(account)s. You may close this."
        self.show(
            "done",
            title=self.say("Confirmed"),
            account_name=account_name,
            message=self.say(message, site=self.config.site_name, account=account_name),
        )


class NotMe(PhonePage):
    """The link in the notice of a sign-in: ends the session that came of it."""

    async def get(self, login_id: str, code: str) -> None:
        self.page = self.request.path
        entered = await self.services.scan_logins.entered(login_id, code)
        self.render(
            "scan_login.html",
            view="not-me",
            title=self.say("Was that not you?"),
            account_name=entered.account_name,
            asked_at=entered.at,
            browser=entered.browser,
            asked_by=entered.asked if entered.asked != entered.browser else None,
            action=self.request.path,
        )

    async def post(self, login_id: str, code: str) -> None:
        await self.services.scan_logins.end(login_id, code)
        message = (
            "That computer is logged out. It was let in by a yes on this phone: never scan a code"
            " that somebody sends you. If others can use this phone, unbind it, and tell whoever"
            " runs %(site)s."
        )
        self.show(
            "done",
            title=self.say("Logged out"),
            message=self.say(message, site=self.config.site_name),
        )
