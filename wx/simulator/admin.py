"""The knobs for programs outside: faults, people, the webhook, and how things stand. JSON in and
out."""

import json
from typing import Any

from wx.simulator import menu
from wx.simulator.pushes import Delivery
from wx.simulator.screen import Screen
from wx.simulator.webhook import WebhookRefused
from wx.simulator.world import Person

_VERBS = {
    "answer", "delay", "drop", "hang", "lose_reply", "kill_access_tokens", "release", "clear",
}  # fmt: skip
_SETTINGS = {"allow_ips", "double_callback"}
# Settings of the sender of pushes, by what they are.
_PUSH_SETTINGS: dict[str, tuple[type, ...]] = {
    "tries": (int,),
    "deadline": (int, float),
    "gap": (int, float),
    "duplicate": (int,),
    "delay": (int, float),
    "reorder": (int,),
    "bad_signature": (bool,),
    "stale": (int, float),
    "receipt_status": (str,),
    "receipt_delay": (int, float),
    "receipt_first": (bool,),
}
_ACTIONS = {"following", "snapshot", "say", "send", "scan", "scan_and_follow", "tap"}


class Admin(Screen):
    """What they have in common: a JSON object comes, a JSON object goes."""

    def body(self) -> dict[str, Any] | None:
        """The posted object, or None after saying that it is none."""
        try:
            body = json.loads(self.request.body)
        except ValueError:
            body = None
        if isinstance(body, dict):
            return body
        self.refuse("a JSON object is needed")
        return None

    def refuse(self, reason: str) -> None:
        """Answer 400 with a sentence."""
        self.set_status(400)
        self.finish({"error": reason})


class FaultsAdmin(Admin):
    """``POST /admin/faults``: ``{"verb": "answer", "path": "/sns/userinfo", "errcode": -1}``, with
    the verbs and arguments of Faults; or its settings, ``{"double_callback": 0.1}``."""

    def post(self) -> None:
        body = self.body()
        if body is None:
            return
        faults = self.simulator.faults
        verb = body.pop("verb", None)
        if verb is None and body and set(body) <= _SETTINGS:
            for name, value in body.items():
                setattr(faults, name, value)
        elif verb in _VERBS:
            try:
                getattr(faults, verb)(**body)
            except TypeError as error:
                self.refuse(str(error))
                return
        else:
            self.refuse(f"a verb is needed: {', '.join(sorted(_VERBS))}")
            return
        self.finish({"ok": True})


class PushesAdmin(Admin):
    """``POST /admin/pushes``: the knobs of Pushes, ``{"duplicate": 2, "stale": 600}``."""

    def post(self) -> None:
        body = self.body()
        if body is None:
            return
        for name, value in body.items():
            kinds = _PUSH_SETTINGS.get(name, ())
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                known = ", ".join(sorted(_PUSH_SETTINGS))
                self.refuse(f"no such knob, or not its kind of value: {name}; there are: {known}")
                return
        for name, value in body.items():
            setattr(self.simulator.pushes, name, value)
        self.finish({"ok": True})


class PeopleAdmin(Admin):
    """``POST /admin/people/ID``: ``{"following": true, "snapshot": false, "say": "hello"}``.

    Also ``"send": {"kind": "location", "label": "…"}`` with the parts of World.send, ``"scan"`` and
    ``"scan_and_follow"`` with the link of a parametric code, and ``"tap"`` with the key of a menu
    button or its place, ``[0, 2]``. They are done in this order; ``"shown"`` in the answer is what
    the phone shows after a scan, ``"opens"`` the link after a tap.
    """

    async def post(self, name: str) -> None:
        person, body = self.person(name), self.body()
        if body is None:
            return
        if unknown := set(body) - _ACTIONS:
            self.refuse(f"nobody can {', '.join(sorted(unknown))}")
            return
        try:
            more = await self._act(person, body)
        except (LookupError, TypeError, ValueError) as error:
            self.refuse(str(error.args[0]) if error.args else "this cannot be done")
            return
        self.finish(_person(self, name) | more)

    async def _act(self, person: Person, body: dict[str, Any]) -> dict[str, str]:
        world, phone = self.simulator.world, self.simulator.phone(person.id)
        more = {}
        if "following" in body:
            (world.follow if body["following"] else world.unfollow)(person)
        if "snapshot" in body:
            person.snapshot = bool(body["snapshot"])
            world.changed(person)
        if "say" in body:
            world.say(person, str(body["say"]))
        if "send" in body:
            world.send(person, **_texts(body["send"]))
        if "scan" in body:
            more["shown"] = await phone.scan_code(str(body["scan"]))
        if "scan_and_follow" in body:
            more["shown"] = await phone.scan_and_follow(str(body["scan_and_follow"]))
        if "tap" in body:
            more["opens"] = await phone.tap(*_place(self, body["tap"]))
        return more


class WebhookAdmin(Admin):
    """``POST /admin/webhook``: ``{"url", "token", "aes_key", "mode"}``, checked as the console
    does; an empty url takes the webhook away."""

    async def post(self) -> None:
        body = self.body()
        if body is None:
            return
        if not set(body) <= {"url", "token", "aes_key", "mode"}:
            self.refuse("only url, token, aes_key and mode are known")
            return
        given = {name: str(value or "") for name, value in body.items()}
        if not given.get("url"):
            self.simulator.webhook = None
            self.finish({"ok": True})
            return
        try:
            await self.simulator.set_webhook(
                given["url"],
                token=given.get("token", ""),
                aes_key=given.get("aes_key", ""),
                mode=given.get("mode") or "plain",
            )
        except WebhookRefused as refused:
            self.refuse(str(refused))
            return
        self.finish({"ok": True})


class PushAdmin(Admin):
    """``POST /admin/push``: ``{"person": "wang", "fields": {"MsgType": "event", "Event": "x"}}``,
    whatever the fields are."""

    def post(self) -> None:
        body = self.body()
        if body is None:
            return
        person = self.simulator.world.people.get(str(body.get("person", "")))
        fields = body.get("fields")
        if person is None or not isinstance(fields, dict):
            self.refuse("a person's id and an object of fields are needed")
            return
        if self.simulator.webhook is None:
            self.refuse("no webhook is set")
            return
        try:
            self.simulator.pushes.push(person, fields)
        except (TypeError, ValueError) as error:
            self.refuse(str(error))
            return
        self.finish({"ok": True})


class StateAdmin(Admin):
    """``GET /admin/state``: people, chats, calls, deliveries and the menu; no access token, no code
    and nothing of the webhook but its address and mode."""

    def get(self) -> None:
        simulator = self.simulator
        webhook = simulator.webhook
        self.finish(
            {
                "people": [_person(self, name) for name in simulator.world.people],
                "calls": dict(simulator.calls),
                "log": [{"path": path, "errcode": errcode} for path, errcode in simulator.log],
                "webhook": None if webhook is None else {"url": webhook.url, "mode": webhook.mode},
                "deliveries": [_delivery(one) for one in simulator.deliveries],
                "menu": simulator.world.menu,
            }
        )


def _person(admin: Admin, name: str) -> dict[str, Any]:
    person = admin.person(name)
    return {
        "id": person.id,
        "openid": person.openid,
        "nickname": person.nickname,
        "following": person.following,
        "snapshot": person.snapshot,
        "unread": person.unread,
        "chat": [
            {
                "kind": message.kind,
                "title": message.title,
                "text": message.text,
                "fields": message.fields,
                "url": message.url,
                "picture": message.picture,
                "parts": message.parts,
                "mine": message.mine,
                "at": message.at,
            }
            for message in person.chat
        ],
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "person": delivery.person.id,
        "kind": delivery.kind,
        "name": delivery.name,
        "attempt": delivery.attempt,
        "status": delivery.status,
        "outcome": delivery.outcome,
        "reason": delivery.reason,
        "seconds": round(delivery.seconds, 3),
        "at": delivery.at,
    }


def _texts(value: object) -> dict[str, Any]:
    """The arguments of World.send: texts, as JSON gives them."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError("an object of texts is needed")
    return value


def _place(admin: Admin, value: object) -> tuple[int, int | None]:
    if isinstance(value, str):
        return menu.find(admin.simulator.world, value)
    whole = isinstance(value, list) and all(type(one) is int for one in value)
    if not whole or not isinstance(value, list) or len(value) not in (1, 2):
        raise ValueError("a key or one or two numbers are needed")
    return value[0], value[1] if len(value) == 2 else None
