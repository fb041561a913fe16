"""The world that the simulator plays: one WeChat account, and the people who may follow it.

Plain state and what happens to it in time; the HTTP side is in the other files. Everything is
meant to be read by tests.
"""

import re
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wx.clock import Clock
from wx.simulator import incoming, samples
from wx.simulator.template import SAMPLE, SUBSCRIPTIONS, TEMPLATES, Template

CODE_SECONDS = 300  # platform document, 2.1
USER_TOKEN_SECONDS = 7200  # 2.2
REFRESH_TOKEN_SECONDS = 30 * 86400  # 2.3
MEDIUM_SECONDS = 3 * 86400  # section 9
# What an action of a person allows: so many custom messages, in so many seconds (4.4).
ALLOWED = {
    "message": (5, 48 * 3600.0),
    "click": (3, 60.0),
    "follow": (3, 60.0),
    "scan": (3, 60.0),
}
_ALPHABET = string.ascii_letters + string.digits


def random_text(length: int) -> str:
    """``length`` letters and digits, as the platform's own identifiers look."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass(slots=True)
class Message:
    """One bubble in a person's chat. ``mine``: the person sent it. ``at`` is Unix seconds.

    ``parts`` is what the kind has beside its text: news: title, description, picture, url; music:
    title, description, url; video: title, description; location: label, latitude, longitude; link:
    title, description, url; file: title, description.
    """

    # A message type of the platform, "template", "subscription", or "system": the phone's own line.
    kind: str
    text: str
    at: float
    title: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    mine: bool = False
    id: int = 0
    picture: str = ""  # the path of a picture at the simulator
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Accepted:
    """A message that the platform took from the account, whatever became of it then.

    ``outcome`` is what its receipt says, and "" where none is told; ``msgid`` is 0 where there is
    none.
    """

    person: "Person"
    channel: str  # "template", "subscription" or "custom"
    at: float  # Unix seconds
    outcome: str = ""
    msgid: int = 0
    client_msg_id: str = ""
    template_id: str = ""
    message: Message | None = None  # what reached the chat, if it did


@dataclass
class QRCode:
    """A parametric code (section 5). ``scene`` is a number's digits where ``numeric``."""

    ticket: str
    url: str
    scene: str
    numeric: bool
    expires_at: float | None  # None: it never ends


@dataclass
class Allowance:
    """How many custom messages one action of a person allows, and until when (4.4)."""

    left: int
    until: float


@dataclass
class Person:
    """Somebody with a phone. ``snapshot``: WeChat shows them snapshot pages (2.6)."""

    id: str
    name: str
    nickname: str
    openid: str
    unionid: str
    sex: int
    province: str
    city: str
    country: str
    privilege: list[str] = field(default_factory=list)
    following: bool = False
    snapshot: bool = False
    blocked: bool = False  # they follow, and have switched off that they receive anything
    receipt_status: str | None = None  # what receipts of this person say; None: as of everybody
    followed_at: float = 0.0
    language: str = "zh_CN"  # of the phone
    came_by: str = "ADD_SCENE_SEARCH"  # how the person came to follow (section 6)
    followed_code: QRCode | None = None  # the code that it was, if it was one
    scanned: QRCode | None = None  # the code that led to the account's profile, not followed yet
    unread: int = 0
    chat: list[Message] = field(default_factory=list)
    allowances: dict[str, Allowance] = field(default_factory=dict)
    subscriptions: dict[str, int] = field(default_factory=dict)  # sends left, by template id

    @property
    def avatar(self) -> str:
        """The path of the picture at the simulator."""
        return f"/avatar/{self.id}.svg"


@dataclass
class AccessToken:
    """The account's API credential. ``dead``: the errcode that it is answered with, or 0."""

    value: str
    expires_at: float  # monotonic seconds, as all times in this file that end something
    retired_at: float | None = None
    dead: int = 0


@dataclass
class JsTicket:
    """What pages are signed with (section 8). ``dead``: it was ended before its time."""

    value: str
    expires_at: float
    dead: bool = False


@dataclass
class Medium:
    """A temporary medium (section 9). A video's ``body`` is never given, only its address."""

    id: str
    kind: str  # image, voice, video or thumb
    body: bytes
    content_type: str
    created_at: float  # Unix seconds
    expires_at: float


@dataclass
class Code:
    """What the authorize page gave for one visit (2.1)."""

    value: str
    person: Person
    scope: str
    expires_at: float
    snapshot: bool = False
    used: bool = False


@dataclass
class UserToken:
    """One person's token for ``/sns/*`` (2.2). ``openid`` is a made-up one for a snapshot."""

    value: str
    refresh: str
    person: Person
    openid: str
    unionid: str
    scope: str
    expires_at: float
    refresh_expires_at: float
    snapshot: bool = False


def _people() -> list[Person]:
    wang, li, zhang = ("WangXiaoMing_aaaaaaa", "LiJing-bbbbbbbbbbbbb", "ZhangWei_ccccccccccc")
    first = Person(
        "wang",
        "王小明",
        "王小明🌻",
        f"oSim0001{wang}",
        f"uSim0001{wang}",
        1,
        "广东",
        "深圳",
        "中国",
    )
    first.privilege.append("chinaunicom")
    first.following = True
    return [
        first,
        Person("li", "李静", "李静", f"oSim0002{li}", f"uSim0002{li}", 2, "浙江", "杭州", "中国"),
        Person(
            "zhang", "张伟", "张伟 David", f"oSim0003{zhang}", f"uSim0003{zhang}",
            1, "北京", "海淀", "中国", language="en",
        ),
    ]  # fmt: skip


class World:
    """One account and its people.

    Args:
        clock: where all times come from.
        app_id: the account's appid.
        app_secret: the account's secret.
        account_name: the account's name, as people see it.
    """

    token_seconds = 7200  # life of an access token (1.1)
    js_ticket_seconds = 7200  # life of a JS ticket (section 8)
    overlap_seconds = 300  # how long a replaced access token still works (1.1)
    may_make_codes = True  # the account has the right to parametric codes (section 5)
    reports_location = False  # who opens the chat reports where they are, as the account may set
    regions = True  # give sex and region, which the platform has kept back since 2021 (2.4)
    placeholder_names = False  # everybody's nickname is "微信用户", and nobody has an avatar
    dirty_nicknames = False  # raw control characters in JSON (section 0)

    def __init__(self, clock: Clock, app_id: str, app_secret: str, account_name: str) -> None:
        self.clock = clock
        self.app_id = app_id
        self.app_secret = app_secret
        self.account_name = account_name
        self.account_id = "gh_5a17c0de0001"  # the account, as a webhook knows it
        self.base_url = ""  # where the platform's pictures are, once it listens
        self.people = {person.id: person for person in _people()}
        self.templates: dict[str, Template] = {one.id: one for one in (SAMPLE, *TEMPLATES)}
        self.subscription_templates = {one.id: one for one in SUBSCRIPTIONS}
        self.tokens: dict[str, AccessToken] = {}
        self.codes: dict[str, Code] = {}
        self.user_tokens: dict[str, UserToken] = {}
        self.web_secrets: set[str] = set()  # each user token and refresh token that was ever given
        self.js_tickets: dict[str, JsTicket] = {}  # each one that was ever given
        self.media: dict[str, Medium] = {}
        self.pictures: dict[str, str] = {}  # of the media that people sent in: path by media id
        self.qr_codes: dict[str, QRCode] = {}  # by ticket
        self.menu: dict[str, Any] | None = None  # {"button": […]}, as the platform describes it
        self.menu_id = 0
        self.quotas: dict[str, int] = {}  # calls a day by path; none are limited at first
        self.rates: dict[str, int] = {}  # calls a minute by path
        self.allowed = dict(ALLOWED)
        self.messages: list[tuple[Person, Message]] = []  # all that reached a chat, in order
        self.accepted: list[Accepted] = []  # all that the account sent and was told "ok" of
        self.repeats = 0  # sends that were answered as the one before with their client_msg_id
        self.watchers: list[Callable[[Person], None]] = []  # told of each change to a person
        self.listeners: list[Callable[[Person, Mapping[str, object]], None]] = []  # of each push
        self._last_message = 0
        self._by_openid: dict[str, Person] = {}
        for person in self.people.values():
            person.followed_at = clock.now() if person.following else 0.0

    def by_openid(self, openid: object) -> Person | None:
        """The person with this openid at this account."""
        if len(self._by_openid) != len(self.people):
            self._by_openid = {one.openid: one for one in self.people.values()}
        return self._by_openid.get(openid) if isinstance(openid, str) else None

    def add_person(self, name: str, *, following: bool = True) -> Person:
        """One more person, of whose following nothing is pushed.

        Args:
            name: their id, 1 to 12 letters, digits and underscores; also what they are called.

        Raises:
            ValueError: somebody has this id already, or it is none.
        """
        if name in self.people or not re.fullmatch(r"\w{1,12}", name, re.ASCII):
            raise ValueError(f"nobody new can be called {name!r}")
        number, tail = f"{len(self.people) + 1:06d}", name.ljust(19, "-")
        person = Person(
            name, name, name, f"oS{number}-{tail}", f"uS{number}-{tail}", 0, "广东", "深圳", "中国"
        )
        person.following = following
        person.followed_at = self.clock.now() if following else 0.0
        self.people[name] = person
        return person

    def deliver(self, person: Person, message: Message) -> None:
        """Put a message of the account, or of the person, into the chat."""
        self._last_message += 1
        message.id = self._last_message
        person.chat.append(message)
        self.messages.append((person, message))
        if not message.mine:
            person.unread += 1
        self.changed(person)

    def follow(self, person: Person) -> None:
        """The person follows the account: three custom messages in a minute are allowed (4.4).

        A code that led to the account's profile before is told with it.
        """
        if person.following:
            return
        code, person.scanned = person.scanned, None
        person.following = True
        person.followed_at = self.clock.now()
        person.followed_code = code
        person.came_by = "ADD_SCENE_QR_CODE" if code else "ADD_SCENE_SEARCH"
        self.allow(person, "follow")
        self.changed(person)
        if code is None:
            self.event(person, "subscribe", EventKey="")
        else:
            self.event(person, "subscribe", EventKey=f"qrscene_{code.scene}", Ticket=code.ticket)

    def unfollow(self, person: Person) -> None:
        """The person leaves; the chat stays readable, and every window closes."""
        if not person.following:
            return
        person.following = person.blocked = False
        person.allowances.clear()
        self.changed(person)
        self.event(person, "unsubscribe", EventKey="")

    def block(self, person: Person) -> None:
        """A follower receives nothing any more; only the receipts tell the account."""
        if person.blocked or not person.following:
            return
        person.blocked = True
        person.allowances.clear()
        self.changed(person)

    def unblock(self, person: Person) -> None:
        """The follower receives again; what was sent meanwhile does not come."""
        if person.blocked:
            person.blocked = False
            self.changed(person)

    def accept_subscription(self, person: Person, template_id: str) -> None:
        """In a pop-up, the person accepts one more notice of this template (4.3)."""
        self._require_subscription(template_id)
        person.subscriptions[template_id] = person.subscriptions.get(template_id, 0) + 1
        self.changed(person)
        self._answer_popup(person, template_id, "accept")

    def reject_subscription(self, person: Person, template_id: str) -> None:
        """In a pop-up, the person says no; what they accepted before stays."""
        self._require_subscription(template_id)
        self._answer_popup(person, template_id, "reject")

    def withdraw_subscription(self, person: Person, template_id: str) -> None:
        """In the settings, the person takes back what they accepted."""
        self._require_subscription(template_id)
        if not person.subscriptions.pop(template_id, 0):
            return
        self.changed(person)
        answer = {"TemplateId": template_id, "SubscribeStatusString": "reject"}
        change = {"List": answer}
        self.event(person, "subscribe_msg_change_event", SubscribeMsgChangeEvent=change)

    def say(self, person: Person, text: str) -> None:
        """The person writes to the account: five custom messages in 48 hours are allowed (4.4)."""
        self.send(person, "text", text)

    def send(self, person: Person, kind: str, text: str = "", **parts: str) -> None:
        """The person sends a message, with the same allowance as one that is written.

        Args:
            kind: text, image, voice, video, shortvideo, location, link or file.
            text: what is written, or what speech recognition hears in a voice.
            parts: see :data:`wx.simulator.incoming.PARTS`; what is left out is made up.

        Raises:
            ValueError: there is no such kind, or it has no such part.
        """
        known = incoming.complete(kind, parts)
        message = Message(kind, text, self.clock.now(), mine=True, parts=known)
        if picture := known.get("picture", ""):
            message.picture = self.pictures[known["media_id"]] = picture
        if media_id := known.get("media_id", ""):
            self.add_medium(*samples.medium(kind, picture), media_id=media_id)
        if thumb := known.get("thumb_media_id", ""):
            self.add_medium(*samples.medium("thumb", picture), media_id=thumb)
        self.allow(person, "message")
        self.deliver(person, message)
        fields = incoming.fields(kind, text, known, base_url=self.base_url)
        # 63 bits, far above what a double can count: a receiver must keep it exactly.
        self._push(person, fields | {"MsgId": (1 << 62) + secrets.randbits(60)})

    def event(self, person: Person, name: str, **fields: object) -> None:
        """Something happened that the platform tells the account, with these fields (3.7)."""
        self._push(person, {"MsgType": "event", "Event": name} | fields)

    def scan(self, person: Person, url: str) -> str:
        """The person scans a parametric code (section 5).

        Returns:
            "profile" for who does not follow yet, "chat" for a follower, and "expired" for a code
            whose time is over or that never was one: then nothing is pushed.
        """
        code = next((one for one in self.qr_codes.values() if one.url == url), None)
        if code is None or not self.lives(code):
            return "expired"
        if not person.following:
            person.scanned = code
            return "profile"
        self.allow(person, "scan")
        self.event(person, "SCAN", EventKey=code.scene, Ticket=code.ticket)
        return "chat"

    def add_medium(
        self, kind: str, body: bytes, content_type: str, *, media_id: str = ""
    ) -> Medium:
        """Keep a medium for three days; a new media id is made up where none is given."""
        expires_at = self.clock.monotonic() + MEDIUM_SECONDS
        made = media_id or secrets.token_urlsafe(48)
        medium = Medium(made, kind, body, content_type, self.clock.now(), expires_at)
        self.media[medium.id] = medium
        return medium

    def revoke_web_tokens(self, person: Person) -> None:
        """The person's web tokens and their refresh tokens work no more, as if never given."""
        for token in [one for one in self.user_tokens.values() if one.person is person]:
            del self.user_tokens[token.value]

    def picture(self, media_id: str) -> str:
        """The path of the picture that stands for a medium: the one sent in, or any."""
        return self.pictures.get(media_id) or incoming.picture(media_id)

    def lives(self, code: QRCode) -> bool:
        """Whether a code still leads somewhere."""
        return code.expires_at is None or self.clock.monotonic() < code.expires_at

    def enter(self, person: Person) -> None:
        """The person opens the chat: it is read, and if so set, their place is reported."""
        self.read(person)
        if self.reports_location:
            place = incoming.PARTS["location"]
            self.event(
                person,
                "LOCATION",
                Latitude=place["latitude"],
                Longitude=place["longitude"],
                Precision="65.000000",
            )

    def read(self, person: Person) -> None:
        """The person looks at the chat."""
        if person.unread:
            person.unread = 0
            self.changed(person)

    def allow(self, person: Person, action: str) -> None:
        """A person's action, a key of ``allowed``, renews what the account may send for it."""
        if person.blocked or not person.following:
            return
        count, seconds = self.allowed[action]
        person.allowances[action] = Allowance(count, self.clock.monotonic() + seconds)

    def changed(self, person: Person) -> None:
        """Tell those who watch that something about a person is different."""
        for watcher in list(self.watchers):
            watcher(person)

    def changed_all(self) -> None:
        """Tell those who watch that something is different for everybody."""
        for person in self.people.values():
            self.changed(person)

    def header(self, person: Person) -> dict[str, object]:
        """What every push of a person begins with (3.6)."""
        return {
            "ToUserName": self.account_id,
            "FromUserName": person.openid,
            "CreateTime": int(self.clock.now()),
        }

    def _require_subscription(self, template_id: str) -> None:
        if template_id not in self.subscription_templates:
            raise LookupError(f"no subscription template has the id {template_id!r}")

    def _answer_popup(self, person: Person, template_id: str, answer: str) -> None:
        told = {"TemplateId": template_id, "SubscribeStatusString": answer, "PopupScene": "2"}
        popup = {"List": told}
        self.event(person, "subscribe_msg_popup_event", SubscribeMsgPopupEvent=popup)

    def _push(self, person: Person, fields: Mapping[str, object]) -> None:
        # Who does not follow can neither write nor tap: only the end of following is told, and what
        # they do with subscriptions, for which nobody needs to follow.
        name = str(fields.get("Event", ""))
        if not person.following and name != "unsubscribe" and not name.startswith("subscribe_msg"):
            return
        for listener in list(self.listeners):
            listener(person, self.header(person) | dict(fields))
