"""What the phone opens: the code's link with its question, and the undo link."""

from typing import Any
from urllib.parse import urlsplit

from wx.service.invites import Question
from wx.web.base import Base, one

_PURPOSES = ("Sec-Purpose", "Purpose", "X-Moz")  # of a request that a browser makes by itself


class PhonePage(Base):
    """A page for a phone, without a session; its errors are phone pages too."""

    needs_session = False

    def show(self, view: str, **values: Any) -> None:
        """Render ``phone.html``; names that are not given are None."""
        names = "title message account_name number asked_at browser action fields url retry_url"
        usual = dict.fromkeys([*names.split(), "undo_url", "code"])
        self.render("phone.html", view=view, **(usual | values))

    def ask(self, question: Question, *, action: str, fields: dict[str, str]) -> None:
        """Ask whether this WeChat shall be bound. Answering leads to the authorize page."""
        self._allow_authorize()
        invite = question.invite
        self.show(
            "ask",
            account_name=question.account_name,
            number=invite.number,
            asked_at=invite.created_at,
            browser=", ".join(
                part for part in (invite.browser.name, invite.browser.network) if part
            ),
            action=action,
            fields=fields,
        )

    def _allow_authorize(self) -> None:
        # Chromium holds a form's redirects to form-action too.
        headers = self.site.security_headers
        policy = headers["Content-Security-Policy"]
        parts = urlsplit(self.config.open_base)
        allowed = f"form-action 'self' {parts.scheme}://{parts.netloc}"
        self.set_header("Content-Security-Policy", policy.replace("form-action 'self'", allowed))

    def set_phone_cookie(self, value: str) -> None:
        """Mark this browser as the phone that said yes, for a little longer than a code lives."""
        self.set_own_cookie("phone", value, seconds=self.config.invite_seconds + 300)

    def looks_ahead(self) -> bool:
        """Whether nobody has opened the page yet: a code would be used up for nothing."""
        said = (self.request.headers.get(name, "") for name in _PURPOSES)
        return any("prefetch" in one.lower() for one in said)

    def finish_error(self, status: int, code: str, sentence: str) -> None:
        if self.wants_json():
            super().finish_error(status, code, sentence)
            return
        self.finish(
            self.render_string(
                "phone.html",
                view="problem",
                title=None,
                message=sentence,
                retry_url=self.retry_url(code),
            )
        )

    def retry_url(self, code: str) -> str | None:
        """Where "Try again" leads, if trying again makes sense."""
        return None


class Scan(PhonePage):
    """The link in the code."""

    async def get(self, code: str) -> None:
        question = await self.services.invites.scanned(code, show=self.inside_wechat)
        if not self.inside_wechat:
            self.show("outside", url=f"{self.config.public_url}/b/{code}")
            return
        self.ask(question, action=f"/b/{code}", fields={})

    async def post(self, code: str) -> None:
        if one(self.request, "answer", "no|yes", body=True) == "no":
            await self.services.invites.declined(code)
            self.show(
                "done",
                title=self.say("Thank you"),
                message=self.say("Nothing was bound. The code no longer works."),
            )
            return
        address, phone = await self.services.invites.agreed(code)
        self.set_phone_cookie(phone)
        self._allow_authorize()
        self.redirect(address, status=303)


class Undo(PhonePage):
    """The link that ends a binding again."""

    async def get(self, code: str) -> None:
        name = await self.services.bindings.undo_question(code)
        message = "This WeChat is bound to account %(account)s of %(site)s. End that?"
        self.show(
            "undo",
            message=self.say(message, account=name, site=self.config.site_name),
            action=f"/undo/{code}",
        )

    async def post(self, code: str) -> None:
        await self.services.bindings.undo(code, self.browser)
        self.show(
            "done",
            title=self.say("Unbound"),
            message=self.say("This WeChat is no longer bound."),
        )
