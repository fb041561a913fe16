"""What the account sends to a person's chat (4.1, 4.2, 4.4)."""

import secrets
from typing import Any

from wx.simulator.api import Api, Failure
from wx.simulator.tokens import require_access_token
from wx.simulator.world import Message, Person, World

REPEAT_SECONDS = 600  # one client_msg_id reaches a person once in this time
MAX_TEXT = 2048  # bytes
_OTHER_KINDS = {
    "image", "voice", "video", "music", "news", "mpnews", "mpnewsarticle", "msgmenu", "wxcard",
    "miniprogrampage",
}  # fmt: skip
# What a bubble shows of a message's fields, and as which part.
_SHOWN = {
    "title": "title",
    "description": "description",
    "url": "url",
    "musicurl": "url",
    "picurl": "picture",
}


class TemplateSend(Api):
    """``POST /cgi-bin/message/template/send``; what became of it is told by a receipt."""

    verb = "POST"
    sent: tuple[Person, int] | None = None  # to whom, and the msgid

    async def before_answer(self) -> None:
        if self.sent is not None:
            await self.simulator.pushes.receipt(*self.sent)

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        world, body = self.simulator.world, self.json()
        person = _recipient(self, body)
        template_id = body.get("template_id")
        if not isinstance(template_id, str) or not template_id:
            raise Failure(40036)
        template = world.templates.get(template_id)
        if template is None:
            raise Failure(40037)
        if not person.following:
            raise Failure(43004)
        data = body.get("data")
        if not isinstance(data, dict):
            raise Failure(47003, "argument invalid! data is empty")
        if problem := template.problem(data):
            raise Failure(47003, f"argument invalid! {problem}")
        now = world.clock.monotonic()
        key = (person.openid, str(body.get("client_msg_id", "")))
        sent_at, msgid = self.simulator.sent_templates.get(key, (0.0, 0))
        if key[1] and msgid and now - sent_at < REPEAT_SECONDS:
            return {"errcode": 0, "errmsg": "ok", "msgid": msgid}
        # Above 2^53, where a double can no longer count: a client must keep it exactly.
        msgid = (1 << 60) + secrets.randbits(58)
        if key[1]:
            self.simulator.sent_templates[key] = (now, msgid)
        self.sent = (person, msgid)
        if self.simulator.pushes.receipt_status.startswith("failed"):
            return {"errcode": 0, "errmsg": "ok", "msgid": msgid}
        message = Message("template", "", world.clock.now(), template.title)
        message.fields = template.lines(data)
        message.url = str(body.get("url") or "")
        world.deliver(person, message)
        return {"errcode": 0, "errmsg": "ok", "msgid": msgid}


class CustomSend(Api):
    """``POST /cgi-bin/message/custom/send``: only in answer to something the person did."""

    verb = "POST"

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        world, body = self.simulator.world, self.json()
        person = _recipient(self, body)
        kind = str(body.get("msgtype"))
        if kind != "text" and kind not in _OTHER_KINDS:
            raise Failure(40008)
        content = body.get(kind)
        text = content.get("content", "") if isinstance(content, dict) else ""
        if kind == "text" and not text:
            raise Failure(44004)
        if len(str(text).encode()) > MAX_TEXT:
            raise Failure(45002)
        self._use_allowance(person)
        message = Message(kind, str(text), world.clock.now())
        _dress(message, content, world)
        world.deliver(person, message)
        return {"errcode": 0, "errmsg": "ok"}

    def _use_allowance(self, person: Person) -> None:
        now = self.simulator.world.clock.monotonic()
        windows = [one for one in person.allowances.values() if one.until > now]
        if not person.following or not windows:
            raise Failure(45015)
        window = next((one for one in windows if one.left > 0), None)
        if window is None:
            raise Failure(45047)
        window.left -= 1


class TemplateList(Api):
    """``GET /cgi-bin/template/get_all_private_template``."""

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        return {
            "template_list": [
                {
                    "template_id": template.id,
                    "title": template.title,
                    "primary_industry": "",
                    "deputy_industry": "",
                    "content": template.content,
                    "example": template.example,
                }
                for template in self.simulator.world.templates.values()
            ]
        }


def _dress(message: Message, content: object, world: World) -> None:
    """Give a message what its bubble shows beside a text."""
    if message.kind == "news" and isinstance(content, dict):
        articles = content.get("articles")
        content = articles[0] if isinstance(articles, list) and articles else None
    if not isinstance(content, dict):
        return
    for name, part in _SHOWN.items():
        if isinstance(value := content.get(name), str):
            message.parts[part] = value
    media_id = content.get("media_id")
    if message.kind in ("image", "video") and isinstance(media_id, str):
        message.picture = world.picture(media_id)


def _recipient(api: Api, body: dict[str, Any]) -> Person:
    person = api.simulator.world.by_openid(body.get("touser"))
    if person is None:
        raise Failure(40003)
    return person
