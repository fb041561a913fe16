"""Where the authorize page sends the phone back to."""

from wx import secret
from wx.errors import Refused
from wx.service.callback import AskFirst, Callback, Completed
from wx.service.invites import Question
from wx.web.base import one
from wx.web.phone import PhonePage

_STATE = r"[A-Za-z0-9]{1,128}"
_CODE = r"[A-Za-z0-9_-]{1,256}"
_AGAIN = ("unavailable", "platform-error", "code-expired", "snapshot")


class CallbackPage(PhonePage):
    """Binds a phone that has said yes; asks one that has not, and binds on its answer."""

    _retry: str | None = None

    async def get(self) -> None:
        await self._complete(asked=False)

    async def post(self) -> None:
        if one(self.request, "answer", "no|yes", body=True) == "no":
            self.show(
                "done",
                title=self.say("Thank you"),
                message=self.say("Nothing was bound."),
            )
            return
        await self._complete(asked=True)

    async def _complete(self, *, asked: bool) -> None:
        state = one(self.request, "state", _STATE, body=asked)
        code = one(self.request, "code", _CODE, body=asked)
        phone = self.get_cookie(self.cookie_name("phone"), "") or ""
        if asked and not phone:
            phone = secret.new_secret()
            self.set_phone_cookie(phone)
        callback = Callback(
            state=state,
            code=code,
            phone=phone,
            asked=asked,
            translate=self.locale.translate,
        )
        try:
            completed = await self.services.callbacks.complete(callback)
        except AskFirst as first:
            question = Question(first.account_name, first.invite)
            self.ask(question, action="/callback", fields={"state": state, "code": code})
            return
        except Refused as refusal:
            if refusal.code in _AGAIN:
                self._retry = await self.services.callbacks.link_of(state)
            raise
        self._answer(completed)

    def _answer(self, completed: Completed) -> None:
        if completed.outcome == "refused":
            self.show(
                "problem",
                title=self.say("Not bound"),
                message=self.say("You declined. Nothing was bound."),
            )
        elif completed.digits:
            self.show("code", code=completed.digits)
        else:
            undo = completed.undo
            self.show(
                "done", account_name=completed.account_name, undo_url=undo and f"/undo/{undo}"
            )

    def retry_url(self, code: str) -> str | None:
        return self._retry
