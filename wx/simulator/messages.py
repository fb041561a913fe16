"""What the account sends to a person's chat (4.1, 4.2, 4.4)."""

import secrets
from collections.abc import Mapping
from typing import Any

from wx.simulator.api import Api, Failure
from wx.simulator.template import Template
from wx.simulator.tokens import require_access_token
from wx.simulator.world import Accepted, Message, Person, World

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


class Filled(Api):
    """A message that is a template with its fields; what became of it is told by a receipt."""

    verb = "POST"
    channel = ""  # also the kind of its bubble
    taken: Accepted | None = None

    async def before_answer(self) -> None:
        if self.taken is not None:
            await self.simulator.pushes.receipt(self.taken)

    def template(self, known: Mapping[str, Template], body: dict[str, Any]) -> Template:
        """The one of ``known`` that the body names, or the error code for what it names."""
        template_id = body.get("template_id")
        if not isinstance(template_id, str) or not template_id:
            raise Failure(40036)
        template = known.get(template_id)
        if template is None:
            raise Failure(40037)
        return template

    def fields(self, template: Template, body: dict[str, Any]) -> dict[str, Any]:
        """The body's values for the fields, or the error code for the first wrong one."""
        data = body.get("data")
        if not isinstance(data, dict):
            raise Failure(47003, "argument invalid! data is empty")
        if problem := template.problem(data):
            raise Failure(47003, f"argument invalid! {problem}")
        return data

    def take(
        self,
        person: Person,
        template: Template,
        fields: dict[str, Any],
        *,
        url: object,
        client_msg_id: str = "",
    ) -> dict[str, Any]:
        """Take the message; it reaches the chat unless its receipt will say that it failed."""
        world = self.simulator.world
        taken = Accepted(person, self.channel, world.clock.now())
        taken.outcome = self.simulator.pushes.outcome(person)
        # Above 2^53, where a double can no longer count: a client must keep it exactly.
        taken.msgid = (1 << 60) + secrets.randbits(58)
        taken.client_msg_id, taken.template_id = client_msg_id, template.id
        world.accepted.append(taken)
        self.taken = taken
        if not taken.outcome.startswith("failed"):
            taken.message = Message(self.channel, "", taken.at, template.title)
            taken.message.fields = template.lines(fields)
            taken.message.url = str(url or "")
            world.deliver(person, taken.message)
        return {"errcode": 0, "errmsg": "ok", "msgid": taken.msgid}


class TemplateSend(Filled):
    """``POST /cgi-bin/message/template/send``."""

    channel = "template"

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        world, body = self.simulator.world, self.json()
        person = recipient(self, body)
        template = self.template(world.templates, body)
        if not person.following:
            raise Failure(43004)
        fields = self.fields(template, body)
        client_msg_id = str(body.get("client_msg_id") or "")
        sent = self._sent_before(person, client_msg_id)
        if sent is not None:
            world.repeats += 1
            return sent
        answer = self.take(
            person, template, fields, url=body.get("url"), client_msg_id=client_msg_id
        )
        if client_msg_id:
            now = world.clock.monotonic()
            self.simulator.sent_templates[person.openid, client_msg_id] = (now, answer)
        return answer

    def _sent_before(self, person: Person, client_msg_id: str) -> dict[str, Any] | None:
        """What this client_msg_id was answered with a while ago; older ones are forgotten."""
        sent, now = self.simulator.sent_templates, self.simulator.world.clock.monotonic()
        while sent and now - next(iter(sent.values()))[0] >= REPEAT_SECONDS:
            del sent[next(iter(sent))]
        return sent.get((person.openid, client_msg_id), (0.0, None))[1]


class CustomSend(Api):
    """``POST /cgi-bin/message/custom/send``: only in answer to something the person did."""

    verb = "POST"

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        world, body = self.simulator.world, self.json()
        person = recipient(self, body)
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
        world.accepted.append(Accepted(person, "custom", message.at, message=message))
        world.deliver(person, message)
        return {"errcode": 0, "errmsg": "ok"}

    def _use_allowance(self, person: Person) -> None:
        now = self.simulator.world.clock.monotonic()
        windows = [one for one in person.allowances.values() if one.until > now]
        if not person.following or not windows:
            raise Failure(45015)
        open_ones = [one for one in windows if one.left > 0]
        if not open_ones:
            raise Failure(45047)
        min(open_ones, key=lambda one: one.until).left -= 1  # what ends first is used first


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


def recipient(api: Api, body: dict[str, Any]) -> Person:
    """To whom the message of a body goes, or the error code for nobody."""
    person = api.simulator.world.by_openid(body.get("touser"))
    if person is None:
        raise Failure(40003)
    return person


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
