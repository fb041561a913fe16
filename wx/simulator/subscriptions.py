"""Subscription notices: one for each time that a person said yes to their template (4.3)."""

from typing import Any

from wx.simulator.api import Api, Failure
from wx.simulator.messages import Filled, recipient
from wx.simulator.tokens import require_access_token

_ONE_TIME = 2  # the type of a template that is accepted for one notice at a time


class BizSend(Filled):
    """``POST /cgi-bin/message/subscribe/bizsend``; nobody needs to follow for it."""

    channel = "subscription"

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        world, body = self.simulator.world, self.json()
        person = recipient(self, body)
        template = self.template(world.subscription_templates, body)
        page = body.get("page") or ""
        if not isinstance(page, str) or (page and not page.startswith(("http://", "https://"))):
            raise Failure(41030)
        fields = self.fields(template, body)
        left = person.subscriptions.get(template.id, 0)
        if left < 1:
            raise Failure(43101)
        person.subscriptions[template.id] = left - 1
        return self.take(person, template, fields, url=page)


class SubscriptionTemplates(Api):
    """``GET /wxaapi/newtmpl/gettemplate``."""

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        templates = [
            {
                "priTmplId": template.id,
                "title": template.title,
                "content": template.content,
                "example": template.example,
                "type": _ONE_TIME,
            }
            for template in self.simulator.world.subscription_templates.values()
        ]
        return {"errcode": 0, "errmsg": "ok", "data": templates}
