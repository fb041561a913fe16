"""The knobs for programs outside: faults, people, and how things stand. JSON in and out."""

import json
from typing import Any

from wx.simulator.screen import Screen

_VERBS = {
    "answer", "delay", "drop", "hang", "lose_reply", "kill_access_tokens", "release", "clear",
}  # fmt: skip
_SETTINGS = {"allow_ips", "double_callback"}


class Admin(Screen):
    """What the three have in common: a JSON object comes, a JSON object goes."""

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


class PeopleAdmin(Admin):
    """``POST /admin/people/ID``: ``{"following": true, "snapshot": false, "say": "hello"}``."""

    def post(self, name: str) -> None:
        person, body = self.person(name), self.body()
        if body is None:
            return
        world = self.simulator.world
        if "following" in body:
            (world.follow if body["following"] else world.unfollow)(person)
        if "snapshot" in body:
            person.snapshot = bool(body["snapshot"])
            world.changed(person)
        if "say" in body:
            world.say(person, str(body["say"]))
        self.finish(_person(self, name))


class StateAdmin(Admin):
    """``GET /admin/state``: people, chats and calls; no access token and no code."""

    def get(self) -> None:
        simulator = self.simulator
        self.finish(
            {
                "people": [_person(self, name) for name in simulator.world.people],
                "calls": dict(simulator.calls),
                "log": [{"path": path, "errcode": errcode} for path, errcode in simulator.log],
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
                "mine": message.mine,
                "at": message.at,
            }
            for message in person.chat
        ],
    }
