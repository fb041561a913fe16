"""The entry inside WeChat: who is bound comes in by itself, who is not signs in and is bound."""

from tornado.web import HTTPError

from wx.errors import Refused
from wx.service import entry
from wx.service.entry import STRANGER_SECONDS, Attempt, Stranger
from wx.service.throttle import place
from wx.service.visit import VISIT_SECONDS, Arrival
from wx.web.arrival import PROBLEMS, ArrivalPage
from wx.web.base import ANY, PAGES, START, lead, one

_PROBLEMS = {**PROBLEMS, "disabled": entry.disabled}
_AGAIN = ("wrong-password", "too-many-tries", "busy", "already-bound")  # said above the form


class Enter(ArrivalPage):
    """``/enter``: a button of the menu leads here. No address but one asked for afresh leads to the
    platform, so that a browser that keeps nothing is sent there once and not for ever."""

    needs_session = True
    problems = _PROBLEMS
    final = ("disabled", "risky")
    clean = _retry = "/enter"

    async def get(self) -> None:
        to = self.wished()
        self.page = self._retry = self.clean = lead("/enter", to)
        _ = self.locale  # picking a language counts, also where the answer is a redirect
        if self.came_back and one(self.request, "for", "profile"):
            await self._keep_profile(to)
        elif self.session:
            self.redirect(PAGES[to], status=303)
        elif not self.inside_wechat:
            self.redirect(lead("/login", to), status=303)
        elif self.looks_ahead():
            raise HTTPError(403)
        elif self.came_back:
            await self._arrive(to)
        elif one(self.request, "done", "reached"):
            self._show_reached()
        elif one(self.request, "asked", "1"):
            self._show(to, self._stranger())
        else:
            self.say_problem()
            address, visit = self.services.entries.begin(to, self.own_cookie("visit"))
            self.set_own_cookie("visit", visit, seconds=VISIT_SECONDS)
            self.redirect(address)

    async def post(self) -> None:
        to = self.wished(body=True)
        self.page = self._retry = lead("/enter", to)
        stranger = self._stranger()
        name = one(self.request, "username", ANY, body=True)
        attempt = Attempt(
            name=name,
            password=one(self.request, "password", ANY, body=True),
            replace=bool(one(self.request, "replace", "1", body=True)),
            address=self.address,
            browser=self.browser,
            device=self.own_cookie("device"),
            previous=self.own_cookie("session"),
        )
        wants_profile = bool(one(self.request, "profile", "1", body=True))
        entries = self.services.entries
        try:
            signed_in = await entries.sign_in(stranger, attempt, translate=self.locale.translate)
        except Refused as refusal:
            if refusal.code not in _AGAIN:
                raise
            error = self.refuse(refusal)
            # The name is not repeated, so that the answer's bytes tell nothing about it; but
            # "already-bound" is said to nobody who does not know the password.
            bound = refusal.code == "already-bound"
            self._show(
                to,
                stranger,
                error=error,
                username=name if bound else "",
                replace=bound,
                profile=wants_profile,
            )
            return
        self.keep_session(signed_in)
        self.clear_own_cookie("stranger")
        if not entries.binds:
            self.redirect(PAGES[START], status=303)  # where the binding begins
        elif wants_profile and entries.asks_for_profile:
            address, visit = entries.begin_profile(to, self.own_cookie("visit"))
            self.set_own_cookie("visit", visit, seconds=VISIT_SECONDS)
            self._allow_authorize()
            self.redirect(address, status=303)
        else:
            self.redirect(PAGES[to], status=303)

    async def _arrive(self, to: str) -> None:
        entered = await self.services.entries.arrive(
            self._arrival(entry.purpose(to)), self.browser, previous=self.own_cookie("session")
        )
        if entered.signed_in:
            self.keep_session(entered.signed_in)
            self.redirect(PAGES[to], status=303)
        elif entered.reached:
            self.redirect(f"/enter?to={to}&done=reached", status=303)
        else:
            self.set_own_cookie("stranger", entered.stranger, seconds=STRANGER_SECONDS)
            # Not to the bare address, which leads to the platform.
            self.redirect(f"/enter?to={to}&asked=1", status=303)

    async def _keep_profile(self, to: str) -> None:
        if self.account is not None and not self.looks_ahead():
            arrival = self._arrival(entry.profile_purpose(to))
            await self.services.entries.keep_profile(arrival, self.account)
        self.redirect(PAGES[to], status=303)

    def _arrival(self, purpose: str) -> Arrival:
        return self.arrival(purpose, share=place(self.address))

    def _stranger(self) -> Stranger:
        return self.services.entries.stranger(self.own_cookie("stranger"))

    def _show(
        self,
        to: str,
        stranger: Stranger,
        *,
        error: str = "",
        username: str = "",
        replace: bool = False,
        profile: bool = True,
    ) -> None:
        """Offer the form to a stranger; that there is one is why it is shown."""
        entries = self.services.entries
        if entries.asks_for_profile:
            self._allow_authorize()  # the form leads there
        self.render(
            "enter.html",
            to=to,
            binds=entries.binds,
            asks_for_profile=entries.asks_for_profile,
            error=error,
            username=username,
            replace=replace,
            profile=profile,
        )

    def _show_reached(self) -> None:
        self.page = f"{self.clean}{'&' if '?' in self.clean else '?'}done=reached"
        message = "Notices of %(site)s arrive in this WeChat. There is nothing to log in to."
        self.show(
            "done",
            title=self.say("All is set up"),
            message=self.say(message, site=self.config.site_name),
        )
