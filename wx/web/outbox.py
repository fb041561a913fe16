"""Notices for programs: sent, tried out, looked up."""

import re
from collections.abc import Mapping
from typing import Any

from wx.errors import Refused
from wx.model import Notice, NoticeState
from wx.service import reason
from wx.service.draft import Draft
from wx.service.outbox import RECIPIENTS, Plan
from wx.web.api import ApiHandler, Fields, rfc3339, wrong

LISTED = 50  # notices in a list that does not say how many
MOST = 200
IDEMPOTENCY = r"[!-~](?:[ -~]{0,253}[!-~])?"  # an Idempotency-Key: printable ASCII
NOTICE_ID = r"[0-9A-Za-z]{22}"


class Notices(ApiHandler):
    """Sends a notice to one or many, and lists those that were sent."""

    scopes: Mapping[str, str] = {"POST": "notices:write", "GET": "notices:read"}

    async def post(self) -> None:
        fields = self.fields()
        to, draft, dry = fields.texts("to"), read_draft(fields), fields.flag("dry_run")
        fields.done()
        if not all(name.strip() for name in to):
            raise Refused(
                422,
                "bad-recipients",
                "A name in the field %(field)s is empty.",
                hint="Each name is that of an account; see them with: wxbind account list",
                more={"field": "to"},
                field="to",
            )
        idempotency = self._idempotency()
        # One was counted with the call; too many are refused below, and cost no more than that.
        more = max(0, min(len(set(to)), RECIPIENTS) - 1)
        self.services.api_keys.charge(self.key, more)
        if dry:
            plans = await self.services.outbox.plan(to, draft, key=self.key)
            self.answer(200, notices=[self._plan(one) for one in plans])
            return
        try:
            notices = await self.services.outbox.put(
                to,
                draft,
                origin=f"key {self.key.name}",
                key=self.key,
                idempotency=idempotency,
            )
        except Refused as refusal:
            if refusal.status == 429:
                # It comes again when it is told to, and must not find its own minute used up then.
                self.services.api_keys.give_back(self.key, more)
            raise
        self.answer(202, notices=[self._accepted(one) for one in notices])

    async def get(self) -> None:
        query = self.query("to", "state", "limit", "before")
        limit = query["limit"] or str(LISTED)
        if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MOST:
            raise wrong("The field %(field)s must be a number from 1 to 200.", "limit")
        if query["state"] not in ("", *NoticeState):
            raise wrong("The field %(field)s must be the name of a state.", "state")
        if query["before"] and not re.fullmatch(NOTICE_ID, query["before"]):
            raise wrong("The field %(field)s must be the id of a notice.", "before")
        found = await self.services.outbox.newest(
            key=self.key,
            to=query["to"],
            state=NoticeState(query["state"]) if query["state"] else None,
            limit=int(limit),
            before=query["before"],
        )
        more = found[-1].id if len(found) == int(limit) else None
        self.answer(200, notices=[shown(self, one) for one in found], next=more)

    def _idempotency(self) -> str:
        given = self.request.headers.get_list("Idempotency-Key")
        if given and (len(given) > 1 or not re.fullmatch(IDEMPOTENCY, given[0])):
            raise wrong(
                "The header %(field)s must be 1 to 255 printable ASCII characters.",
                "Idempotency-Key",
            )
        return given[0] if given else ""

    def _accepted(self, notice: Notice) -> dict[str, Any]:
        told: dict[str, Any] = {
            "id": notice.id,
            "to": notice.account,
            "channel": notice.channel or notice.wish,
            "state": notice.state,
        }
        if notice.reason:
            told |= explained(self, notice)
        return told

    def _plan(self, plan: Plan) -> dict[str, Any]:
        told: dict[str, Any] = {"to": plan.to, "channel": plan.channel, "why": plan.why}
        if plan.text:
            told["text"] = plan.text
        if plan.fields:
            told |= {"template": plan.template_id, "fields": dict(plan.fields)}
        return told | {"cut": plan.cut} | explained(self, plan)


class OneNotice(ApiHandler):
    """How far a notice has come."""

    scopes: Mapping[str, str] = {"GET": "notices:read"}

    async def get(self, notice_id: str) -> None:
        self.query()
        notice = await self.services.outbox.find(notice_id)
        if notice is None or not self.key.reaches(notice.account_id):
            raise Refused(
                404,
                "unknown-notice",
                "There is no such notice.",
                hint="Notices are kept for 90 days after they were settled.",
            )
        self.answer(200, **shown(self, notice))


def read_draft(fields: Fields) -> Draft:
    """What is to be sent, as the body says it.

    Raises:
        Refused: 400, it is of another form.
    """
    template_id, data, url = "", {}, ""
    if given := "template" in fields:
        template = fields.inner("template")
        template_id, url = template.text("id"), template.text("url", "")
        data = template.inner("data").all_texts()
        template.done()
    # Beside a template it is refused by the outbox, with the rest that a draft must not be.
    text = fields.text("text", "" if given else None)
    outer = fields.text("url", "")
    if given and outer:
        raise wrong("The field %(field)s stands there twice.", "url")
    return Draft(
        text=text,
        url=url or outer,
        template_id=template_id,
        fields=data,
        wish=fields.text("channel", "auto"),
        expires_in=fields.number("expires_in"),
    )


def shown(handler: ApiHandler, notice: Notice) -> dict[str, Any]:
    """A notice as programs see it; not what it says."""
    return {
        "id": notice.id,
        "to": notice.account,
        "channel": notice.channel or notice.wish,
        "why": notice.why,
        "origin": notice.origin,
        "state": notice.state,
        "attempts": notice.attempts,
        "platform_id": notice.platform_id,
        "errcode": notice.errcode,
        **explained(handler, notice),
        "created_at": rfc3339(notice.created_at),
        "expires_at": rfc3339(notice.expires_at),
        "sent_at": rfc3339(notice.sent_at),
        "settled_at": rfc3339(notice.settled_at),
    }


def explained(handler: ApiHandler, one: Notice | Plan) -> dict[str, str]:
    """What went wrong, what causes it and what to do about it, in the reader's language; empty
    where nothing did."""
    known = reason.explain(one)
    return {
        "reason_code": one.reason,
        "reason": handler.say(known.sentence) if known else "",
        "cause": handler.say(known.cause) if known else "",
        "hint": handler.say(known.cure) if known else "",
    }
