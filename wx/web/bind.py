"""The bind page and what it sends: new codes, how they stand, a test notice, unbinding."""

from typing import Any
from urllib.parse import quote, urlsplit

from wx.config import Config
from wx.errors import Refused
from wx.model import Binding, InviteState, Profile
from wx.service.codes import OAUTH, SCAN
from wx.service.draft import Draft
from wx.service.invites import View
from wx.web import notice, qr
from wx.web.base import ANY, Base, Page, one

# What the status line says; the words of a live frame's "message".
STATES = {
    InviteState.WAITING: "Scan the code with WeChat.",
    InviteState.SCANNED: "Scanned. Please confirm on your phone.",
    InviteState.BOUND: "Bound.",
    InviteState.REFUSED: "Refused on the phone. Nothing was bound.",
    InviteState.TAKEN: "This WeChat is bound to another account.",
    InviteState.EXPIRED: "The QR code has expired.",
    InviteState.FAILED: "That did not work. Please try again on your phone, or with a new code.",
}
PRESS = "Press “Bind this WeChat”."
CONFIRM = "Type the six digits that your phone shows."
# Who would not get a test notice: by how they can be reached, the code and the sentence.
_UNREACHED = {
    "left": (
        "not-following",
        "This WeChat does not follow the account. Follow it, then try again.",
    ),
    "blocked": (
        "blocked",
        "This WeChat does not take the account's messages. Allow them and write to the account,"
        " then try again.",
    ),
}


def avatar_of(profile: Profile, config: Config) -> str:
    """The avatar's address if it is one that the page may show, else ""."""
    address = profile.avatar
    if address.startswith("http://") and address[4:] and config.avatar_origins:
        # WeChat itself still hands out http addresses of hosts that speak https.
        upgraded = "https" + address[4:]
        address = upgraded if _origin(upgraded) in config.avatar_origins else address
    return address if _origin(address) in config.avatar_origins else ""


def _origin(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def frame(handler: Base, view: View) -> dict[str, Any]:
    """How an invite stands, as a live frame (interface document)."""
    follower = None
    if view.follower:
        profile = view.follower.profile
        follower = {
            "nickname": profile.nickname or handler.say("WeChat user"),
            "avatar": avatar_of(profile, handler.config) or handler.static_url("avatar.svg"),
        }
    return {
        "state": view.state,
        "expires_in": view.expires_in,
        "number": view.invite.number,
        "follower": follower,
        "message": handler.say(_message(view, inside_wechat=handler.inside_wechat)),
        "confirm": view.confirm,
    }


def _message(view: View, *, inside_wechat: bool) -> str:
    if view.confirm:
        return CONFIRM
    if inside_wechat and view.state is InviteState.WAITING:
        return PRESS
    return STATES[view.state]


class Card(Page):
    """The card: the code and its live state, or the present binding."""

    page = "/bind"  # also where a form's own address shows it

    async def show(self, *, error: str | None = None, code: str = "") -> None:
        """Render the page, under an ``error`` if there is one to tell, whose code is ``code``."""
        session, account = self.signed_in()
        binding = await self.services.bindings.of_account(account)
        if binding:
            self.services.authorizations.came_by(binding.follower)
        view = await self.services.invites.last(session)
        if binding:
            view = view if view and view.invite.replace and view.state.open else None
        elif view is None or view.state is InviteState.BOUND or not view.expires_in:
            try:
                view = await self.services.invites.open(session, account, self.browser)
            except Refused as refusal:
                view, error = None, error or self.say(refusal.message, **refusal.details)
        ended_by = "" if binding else await self.services.bindings.ended_by(account)
        invite = await self._invite(view) if view else None
        demo = self.site.demo_phone
        self.render(
            "bind.html",
            binding=binding and self._binding(binding),
            notices=await notice.frame(self, account) if binding and not view else None,
            invite=invite,
            follow_qr="/follow-qr" if self.config.follow_qr else None,
            inside_wechat=self.inside_wechat,
            notice=self._notice(bound=binding is not None, ended_by=ended_by),
            error=error,
            wrong_password=code == "wrong-password",
            restorable=ended_by == "page",
            replacing=bool(binding and view),
            pictures=self.config.pictures,
            demo_phone=f"{demo}?url={quote(invite.url, safe='')}" if demo and invite else None,
        )

    def _notice(self, *, bound: bool, ended_by: str) -> str | None:
        """What there is to tell; only while it is true, since an address outlives it."""
        done = one(self.request, "done", r"[a-z]{1,16}")
        if done == "test" and bound:
            return self.say("The test notice is on its way to your WeChat.")
        if done == "removed" and ended_by == "page":
            return self.say("Unbound.")
        if ended_by in ("undo", "chat", "cancelled"):
            return self.say("The binding was ended on the phone.")
        return None

    def _binding(self, binding: Binding) -> dict[str, Any]:
        profile = binding.follower.profile
        return _Attributes(
            nickname=profile.nickname or self.say("WeChat user"),
            avatar=avatar_of(profile, self.config) or self.static_url("avatar.svg"),
            bound_at=binding.bound_at,
            route=binding.route,
            reach=notice.reach(binding),
        )

    async def _invite(self, view: View) -> "_Attributes":
        return _Attributes(
            **await invite_json(self, view),
            lifetime=self.config.invite_seconds,
            state=view.state,
            message=frame(self, view)["message"],
            confirm=view.confirm,
        )


class Bind(Card):
    """The card, asked for."""

    async def get(self) -> None:
        await self.show()


class Form(Card):
    """A form of the card: a refusal is told on the card itself, or as JSON to a program."""

    def get(self) -> None:
        # Reloaded, or its address typed again, after a refusal was shown on it.
        self.redirect("/bind", status=303)

    async def post(self) -> None:
        try:
            await self.act()
        except Refused as refusal:
            if self.wants_json():
                raise
            await self.show(error=self.refuse(refusal), code=refusal.code)

    async def act(self) -> None:
        """Do what the form asks for, and answer."""
        raise NotImplementedError

    def done(self, answer: dict[str, Any], *, word: str = "") -> None:
        """Answer a program with ``answer``, a person with the card and what ``word`` says."""
        if self.wants_json():
            self.finish(answer)
        else:
            self.redirect(f"/bind?done={word}" if word else "/bind", status=303)


class _Attributes(dict[str, Any]):
    """A dict whose values a template reads with a dot."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


async def invite_json(handler: Base, view: View) -> dict[str, Any]:
    """An invite as its page needs it (interface document, `/bind/invites`). ``url`` is what the
    code holds, ``link`` what can be opened inside WeChat instead."""
    invite_id = view.invite.id
    link = link_of(handler, view)
    # Whoever is inside WeChat cannot scan their own screen, and presses the link.
    scan = "" if handler.inside_wechat else await handler.services.codes.of(view)
    route = SCAN if scan else OAUTH
    return {
        "id": invite_id,
        "url": scan or link,
        "link": link,
        # With the route, lest the steps beside the picture be for another one.
        "qr": f"/bind/invites/{invite_id}/qr.svg?route={route}",
        "live": f"/live/{invite_id}",
        "number": view.invite.number,
        "expires_in": view.expires_in,
        "route": route,
    }


def link_of(handler: Base, view: View) -> str:
    """The link of an invite that the OAuth route begins with."""
    return f"{handler.config.public_url}/b/{view.secret}"


class NewInvite(Form):
    """A new code; the open one again if the session has one and ``fresh`` is not said."""

    for_programs = True

    async def act(self) -> None:
        session, account = self.signed_in()
        fresh = one(self.request, "fresh", "[01]", body=True) == "1"
        password = one(self.request, "password", ANY, body=True)
        if password:
            await self.services.sessions.check_password(
                account.name,
                password,
                address=self.address,
                device=self.get_cookie(self.cookie_name("device"), "") or "",
            )
        last = await self.services.invites.last(session) if fresh else None
        # The password was for that code: once it is over, it takes the password again.
        replace = bool(password) or bool(last and last.invite.replace and last.state.open)
        view = await self.services.invites.open(
            session, account, self.browser, fresh=fresh, replace=replace
        )
        if self.wants_json():
            self.set_status(201)
        self.done(await invite_json(self, view))


class InviteStatus(Page):
    """How an invite stands, for those whom no socket reaches."""

    async def get(self, invite_id: str) -> None:
        session, _ = self.signed_in()
        self.finish(frame(self, await self.services.invites.view(invite_id, session)))

    def wants_json(self) -> bool:
        return True


class InvitePicture(Page):
    """The code itself."""

    async def get(self, invite_id: str) -> None:
        session, _ = self.signed_in()
        await picture(self, await self.services.invites.view(invite_id, session))


async def picture(handler: Base, view: View) -> None:
    """Answer with an invite's code, of the route that is asked for.

    Raises:
        Refused: 503, there is no code of that route.
    """
    route = one(handler.request, "route", f"{OAUTH}|{SCAN}")
    scan = "" if route == OAUTH else await handler.services.codes.of(view)
    if route == SCAN and not scan and view.state.open:
        # The page says "scan to follow": the other route's code would do something else.
        raise Refused(503, "no-picture", "There is no code to scan at the moment.")
    handler.set_header("Content-Type", "image/svg+xml")
    handler.finish(await qr.svg(scan or link_of(handler, view)))


class Confirm(Form):
    """The six digits from the phone, where ``bind_confirm`` is ``desktop``."""

    async def act(self) -> None:
        session, _ = self.signed_in()
        invite_id = one(self.request, "id", "[0-9A-Za-z]{22}", body=True)
        digits = "".join(one(self.request, "code", ANY, body=True).split())
        await self.services.callbacks.confirm(
            session, invite_id, digits, translate=self.locale.translate
        )
        self.done({"state": "bound"})


class TestNotice(Form):
    """A notice to oneself."""

    async def act(self) -> None:
        _, account = self.signed_in()
        binding = await self.services.bindings.of_account(account)
        if binding is None:
            raise Refused(409, "not-bound", "This account is not bound to a WeChat.")
        if (reach := notice.reach(binding)) in _UNREACHED:
            raise Refused(409, *_UNREACHED[reach])
        self.services.test_rate.take(account.id)
        # Short, so that a template's field takes it whole.
        text = self.say("Test notice for %(account)s", account=account.name)
        [put] = await self.services.outbox.put([account.name], Draft(text=text), origin="page")
        self.done({"state": put.state, "id": put.id}, word="test")


class Remove(Form):
    """Unbinding."""

    async def act(self) -> None:
        session, account = self.signed_in()
        removed = await self.services.bindings.remove(
            account, self.browser, translate=self.locale.translate
        )
        if not removed:
            raise Refused(409, "not-bound", "This account is not bound to a WeChat.")
        try:
            await self.services.sessions.check(session)
        except Refused:
            # It had come of the WeChat that is unbound now.
            self.clear_own_cookie("session")
            if not self.wants_json():
                self.redirect("/login?done=removed", status=303)
                return
        self.done({"bound": False}, word="removed")


class Restore(Form):
    """Undoing the unbinding, for a day."""

    async def act(self) -> None:
        _, account = self.signed_in()
        await self.services.bindings.restore(account, self.browser, translate=self.locale.translate)
        self.done({"bound": True})
