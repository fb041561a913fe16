"""The knobs for programs outside: faults, people, the webhook, and how things stand. JSON in and
out."""

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from wx.simulator import menu, state
from wx.simulator.screen import Screen
from wx.simulator.webhook import WebhookRefused
from wx.simulator.world import Person

_VERBS = {
    "answer", "delay", "drop", "hang", "lose_reply", "cut_reply", "truncate", "sometimes", "down",
    "up", "kill_access_tokens", "kill_js_tickets", "release", "clear",
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
_ACTIONS = {
    "following", "blocked", "snapshot", "receipt_status", "say", "send", "scan", "scan_and_follow",
    "tap", "accept", "reject", "withdraw",
}  # fmt: skip
_MOST_PEOPLE = 100_000
_MOST_TOLD = 10_000  # messages in one answer


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
            except (TypeError, ValueError) as error:
                self.refuse(str(error))
                return
        else:
            self.refuse(f"a verb is needed: {', '.join(sorted(_VERBS))}")
            return
        self.finish({"ok": True})


class DownAdmin(Admin):
    """``POST /admin/down``: ``{"seconds": 5}``; after the answer, connections are refused, these
    too, for so long."""

    async def post(self) -> None:
        body = self.body()
        if body is None:
            return
        seconds = body.pop("seconds", None)
        if body or not _is_number(seconds):
            self.refuse("seconds are needed, a number")
            return
        self.set_header("Connection", "close")
        await self.finish({"ok": True})
        self.simulator.go_down_for(seconds)


class LimitsAdmin(Admin):
    """``POST /admin/limits``: ``{"quotas": {path: calls a day}, "rates": {path: calls a minute},
    "allowed": {"message": [5, 172800]}}``, each in place of what was; null takes one away."""

    def post(self) -> None:
        body = self.body()
        if body is None:
            return
        world = self.simulator.world
        try:
            limits = {name: _limits(name, body.pop(name, {})) for name in ("quotas", "rates")}
            allowed = _allowed(body.pop("allowed", {}), world.allowed)
            if body:
                raise ValueError(f"no such knob: {', '.join(body)}")
        except ValueError as error:
            self.refuse(str(error))
            return
        for name, given in limits.items():
            _put(getattr(world, name), given)
        world.allowed |= allowed
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

    Also ``"blocked": true``, ``"receipt_status": "failed: system failed"`` (null: as of everybody),
    ``"send": {"kind": "location", "label": "…"}`` with the parts of World.send, ``"scan"`` and
    ``"scan_and_follow"`` with the link of a parametric code, ``"tap"`` with the key of a menu
    button or its place, ``[0, 2]``, and ``"accept"``, ``"reject"`` and ``"withdraw"`` with the id
    of a subscription template. They are done in this order; ``"shown"`` in the answer is what the
    phone shows after a scan, ``"opens"`` the link after a tap.
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
        self.finish(state.person(person, self.simulator.world) | more)

    async def _act(self, person: Person, body: dict[str, Any]) -> dict[str, str]:
        world, phone = self.simulator.world, self.simulator.phone(person.id)
        more = {}
        if "following" in body:
            (world.follow if body["following"] else world.unfollow)(person)
        if "blocked" in body:
            (world.block if body["blocked"] else world.unblock)(person)
        if "receipt_status" in body:
            person.receipt_status = _status(body["receipt_status"])
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
        for action in ("accept", "reject", "withdraw"):
            if action in body:
                getattr(world, f"{action}_subscription")(person, str(body[action]))
        return more


class CrowdAdmin(Admin):
    """``POST /admin/people``: ``{"add": 1000, "prefix": "p", "following": true}`` adds p0, p1 …,
    and answers with each one's openid by id."""

    def post(self) -> None:
        body = self.body()
        if body is None:
            return
        count, prefix = body.pop("add", None), str(body.pop("prefix", "p"))
        following = bool(body.pop("following", True))
        if body or not isinstance(count, int) or not 0 <= count <= _MOST_PEOPLE:
            self.refuse("add is needed, a number of people; known are add, prefix and following")
            return
        world = self.simulator.world
        names = [f"{prefix}{number}" for number in range(count)]
        if taken := [name for name in names if name in world.people]:
            self.refuse(f"{taken[0]} is somebody already")
            return
        try:
            people = [world.add_person(name, following=following) for name in names]
        except ValueError as error:
            self.refuse(str(error))
            return
        self.finish({"people": {one.id: one.openid for one in people}})


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
    and nothing of the webhook but its address and mode. With ``?brief`` without people."""

    def get(self) -> None:
        simulator = self.simulator
        webhook, world = simulator.webhook, simulator.world
        brief = "brief" in self.request.query_arguments
        people = () if brief else world.people.values()
        self.finish(
            {
                "people": [state.person(one, world) for one in people],
                "counts": state.counts(world),
                "calls": dict(simulator.calls),
                "log": [{"path": path, "errcode": errcode} for path, errcode in simulator.log],
                "webhook": None if webhook is None else {"url": webhook.url, "mode": webhook.mode},
                "deliveries": [state.delivery(one) for one in simulator.deliveries],
                "menu": world.menu,
            }
        )


class AcceptedAdmin(Admin):
    """``GET /admin/accepted?after=0``: what the account sent and was told "ok" of, in order, from
    this place on, at most 10,000 of them; ``"next"`` is the place to go on from."""

    def get(self) -> None:
        given = self.get_query_argument("after", "0")
        if not (given.isascii() and given.isdigit() and len(given) < 10):
            self.refuse("after must be a number")
            return
        after = int(given)
        accepted = self.simulator.world.accepted
        told = accepted[after : after + _MOST_TOLD]
        self.finish(
            {"accepted": [state.accepted(one) for one in told], "next": after + len(told)}
            | {"count": len(accepted)}
        )


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


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _status(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("a receipt's status is a text")
    return value


def _limits(name: str, value: object) -> dict[str, int | None]:
    """Calls by path, as JSON gives them."""
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object: calls by path")
    for most in value.values():
        if most is not None and (type(most) is not int or most < 0):
            raise ValueError(f"{name} must be numbers of calls")
    return value


def _allowed(value: object, known: Mapping[str, object]) -> dict[str, tuple[int, float]]:
    """What actions allow: messages and seconds, as JSON gives them."""
    if not isinstance(value, dict) or not set(value) <= set(known):
        raise ValueError(f"allowed must be an object with some of: {', '.join(known)}")
    for pair in value.values():
        if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_number, pair)):
            raise ValueError("an action allows two numbers: messages and seconds")
    return {action: (int(count), float(seconds)) for action, (count, seconds) in value.items()}


def _put(limits: dict[str, int], given: Mapping[str, int | None]) -> None:
    for path, most in given.items():
        if most is None:
            limits.pop(path, None)
        else:
            limits[path] = most
