"""What WeChat posts, as typed values (platform document, 3.5 to 3.8).

Each part of a value says under which name the platform sends it; `fields.py` knows what is absent
and what is odd. Texts stay whole: the body is bounded already.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, dataclass_transform

from wx.protocol import fields as take
from wx.protocol.fields import BadMessage as BadMessage

_T = TypeVar("_T")
_AUTHORIZATION = {
    "user_info_modified": "modified",
    "user_authorization_revoke": "revoked",
    "user_authorization_cancellation": "cancelled",
}
_ANSWERS = {
    "subscribe_msg_popup_event": "popup",
    "subscribe_msg_change_event": "change",
    "subscribe_msg_sent_event": "sent",
}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _value(cls: type[_T]) -> type[_T]:
    # No repr of its own: printing one must show nothing that a person wrote, and no openid.
    return dataclass(frozen=True, slots=True, kw_only=True, repr=False)(cls)


@_value
class Incoming:
    """A message or an event.

    ``kind`` is the word of the reply rules ("text", "subscribe", "click" …), else the platform's
    name in lower case. The platform calls a message and an event "location", so the event is
    "location_report"; an unknown message or event with a name that means another is "other".
    ``fields`` holds every flat text by the platform's name, ``posted`` all that came as it came.
    ``sender`` is the follower, save in an :class:`AuthorizationChange` and where the platform
    reports on the account itself.
    """

    to: str = take.name("ToUserName")
    sender: str = take.name("FromUserName")
    created_at: int = take.whole("CreateTime", low=1, high=2**32 - 1)
    kind: str
    fields: Mapping[str, str]
    posted: take.Fields = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind}>"


# --- messages (3.6) ---


@_value
class Message(Incoming):
    """Something that a person sent. ``data_id`` and ``index`` name the article that it is about."""

    msg_id: str = take.digits("MsgId", "MsgID")
    data_id: str = take.text("MsgDataId")
    index: int = take.whole("Idx", high=10_000, absent=0)


@_value
class Text(Message):
    content: str = take.present("Content")
    menu_id: str = take.text("bizmsgmenuid")  # the entry of a menu message that was picked


@_value
class Image(Message):
    media_id: str = take.required("MediaId")
    picture_url: str = take.text("PicUrl")


@_value
class Voice(Message):
    media_id: str = take.required("MediaId")
    media_id_16k: str = take.text("MediaId16K")
    format: str = take.text("Format")
    recognition: str = take.text("Recognition")


@_value
class Video(Message):
    media_id: str = take.required("MediaId")
    thumb_media_id: str = take.text("ThumbMediaId")
    short: bool = take.says("MsgType", "shortvideo")


@_value
class Location(Message):
    latitude: float = take.decimal("Location_X", low=-90, high=90)
    longitude: float = take.decimal("Location_Y", low=-180, high=180)
    scale: int = take.whole("Scale", high=100, absent=0)
    label: str = take.text("Label")


@_value
class Link(Message):
    url: str = take.required("Url")
    title: str = take.text("Title")
    description: str = take.text("Description")


@_value
class File(Message):
    """A file; its content cannot be fetched."""

    title: str = take.text("Title")
    description: str = take.text("Description")
    file_key: str = take.text("FileKey")
    md5: str = take.text("FileMd5")
    size: int = take.whole("FileTotalLen", absent=0)


@_value
class OtherMessage(Message):
    """A MsgType that the platform document does not have; it may come without a MsgId."""

    msg_id: str = take.some_digits("MsgId", "MsgID")


# --- events (3.7): what followers do ---


@_value
class Subscribe(Incoming):
    event_key: str = take.text("EventKey")
    ticket: str = take.text("Ticket")

    @property
    def scene(self) -> str:
        """That of the parametric QR code which led here, "" if none did."""
        scene = self.event_key.removeprefix("qrscene_")
        return scene if scene != self.event_key else ""


@_value
class Unsubscribe(Incoming):
    pass


@_value
class Scan(Incoming):
    """Somebody who follows already scanned a parametric QR code."""

    scene: str = take.text("EventKey")
    ticket: str = take.text("Ticket")


@_value
class LocationReport(Incoming):
    """What the phone tells by itself; a place that a person sends is a :class:`Location`."""

    latitude: float = take.decimal("Latitude", low=-90, high=90)
    longitude: float = take.decimal("Longitude", low=-180, high=180)
    precision: float = take.decimal("Precision", low=0, high=1e9, absent=0.0)


@_value
class Click(Incoming):
    key: str = take.text("EventKey")


@_value
class View(Incoming):
    url: str = take.text("EventKey")
    menu_id: str = take.text("MenuId")


@_value
class ViewMiniProgram(Incoming):
    path: str = take.text("EventKey")
    menu_id: str = take.text("MenuId")


@_value
class ScanCode(Incoming):
    """A menu button's scanner. ``waits``: the chat shows that an answer is to come."""

    key: str = take.text("EventKey")
    code_type: str = take.text("ScanCodeInfo/ScanType")
    result: str = take.present("ScanCodeInfo/ScanResult")
    waits: bool = take.says("Event", "scancode_waitmsg")


@_value
class Pictures(Incoming):
    """A menu button's camera or album; the pictures themselves follow as images."""

    event: str = take.word("Event")
    key: str = take.text("EventKey")
    digests: tuple[str, ...] = take.texts("SendPicsInfo/PicList/item/PicMd5Sum")


@_value
class LocationSelect(Incoming):
    """A menu button's map; the place itself follows as a :class:`Location`."""

    key: str = take.text("EventKey")
    latitude: float = take.decimal("SendLocationInfo/Location_X", low=-90, high=90)
    longitude: float = take.decimal("SendLocationInfo/Location_Y", low=-180, high=180)
    scale: int = take.whole("SendLocationInfo/Scale", high=100, absent=0)
    label: str = take.text("SendLocationInfo/Label")
    place: str = take.text("SendLocationInfo/Poiname")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionAnswer:
    """``accepted`` is None where the platform says neither yes nor no. ``msg_id`` and what follows
    are of a delivery; ``error_code`` is 0 where the platform names none."""

    template_id: str = take.name("TemplateId")
    accepted: bool | None = take.meaning(
        "SubscribeStatusString", {"accept": True, "reject": False}, None
    )
    scene: str = take.text("PopupScene")
    msg_id: str = take.some_digits("MsgID", "MsgId")
    error_code: int = take.whole("ErrorCode", low=-take.COUNT, absent=0)
    error_status: str = take.text("ErrorStatus")

    @property
    def delivered(self) -> bool:
        """Whether nothing speaks of a failure: either of the two may be absent."""
        return self.error_code == 0 and take.squeezed(self.error_status) in ("", "success")

    @property
    def blocked(self) -> bool:
        """Whether it failed because the follower wants none."""
        return take.squeezed(self.error_status).removeprefix("failed:") == "userblock"


@_value
class SubscriptionAnswers(Incoming):
    """``event``: "popup" (answered), "change" (changed in the settings), "sent" (a delivery)."""

    event: str = take.meaning("Event", _ANSWERS, "")
    answers: tuple[SubscriptionAnswer, ...] = take.each(
        SubscriptionAnswer,
        "SubscribeMsgPopupEvent/List",
        "SubscribeMsgChangeEvent/List",
        "SubscribeMsgSentEvent/List",
    )


@_value
class AuthorizationChange(Incoming):
    """What a person let us know of them has changed, or is ours no longer.

    ``change`` is "modified", "revoked" or "cancelled"; ``openid`` is the person, since ``sender``
    is the platform; ``revoked`` is the platform's number for what was taken back.
    """

    change: str = take.meaning("Event", _AUTHORIZATION, "")
    openid: str = take.name("OpenID", "OpenId", "openid")
    app_id: str = take.text("AppID", "AppId", "appid")
    unionid: str = take.text("UnionID", "UnionId", "unionid")
    revoked: str = take.text("RevokeInfo", "revokeInfo", "revoke_info")


@_value
class ServiceSession(Incoming):
    """A talk with human service begins, ends, or goes from ``previous`` to ``account``."""

    event: str = take.word("Event")
    account: str = take.text("KfAccount", "ToKfAccount")
    previous: str = take.text("FromKfAccount")
    origin: str = take.text("SessionFrom")


# --- events (3.7): what the platform reports ---


@_value
class TemplateReceipt(Incoming):
    """What became of a template message. ``blocked``: the follower wants none."""

    msg_id: str = take.digits("MsgID", "MsgId")
    status: str = take.required("Status")
    delivered: bool = take.says("Status", "success")
    blocked: bool = take.says("Status", "failed:userblock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    index: int = take.whole("ArticleIdx", "idx", high=10_000, absent=0)
    url: str = take.text("ArticleUrl", "article_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyrightCheck:
    """What the platform found out about one article of a mass message."""

    index: int = take.whole("ArticleIdx", high=10_000, absent=0)
    declared: int = take.whole("UserDeclareState", high=10_000, absent=0)
    audit: int = take.whole("AuditState", high=10_000, absent=0)
    original_url: str = take.text("OriginalArticleUrl")
    original_type: int = take.whole("OriginalArticleType", high=10_000, absent=0)
    can_reprint: bool = take.says("CanReprint", "1")
    replace_content: bool = take.says("NeedReplaceContent", "1")
    show_source: bool = take.says("NeedShowReprintSource", "1")


@_value
class MassReceipt(Incoming):
    """What became of a mass message. ``check_state`` sums up ``checks``."""

    msg_id: str = take.digits("MsgID", "MsgId")
    status: str = take.required("Status")
    delivered: bool = take.says("Status", "sendsuccess")
    total: int = take.whole("TotalCount", absent=0)
    filtered: int = take.whole("FilterCount", absent=0)
    sent: int = take.whole("SentCount", absent=0)
    failed: int = take.whole("ErrorCount", absent=0)
    check_state: int = take.whole("CopyrightCheckResult/CheckState", high=10_000, absent=0)
    checks: tuple[CopyrightCheck, ...] = take.each(
        CopyrightCheck, "CopyrightCheckResult/ResultList/item"
    )
    articles: tuple[Article, ...] = take.each(Article, "ArticleUrlResult/ResultList/item")


@_value
class PublishReceipt(Incoming):
    """What became of publishing articles. ``failed``: the numbers of those that were refused."""

    publish_id: str = take.name("PublishEventInfo/publish_id")
    status: int = take.whole("PublishEventInfo/publish_status", high=10_000)
    article_id: str = take.text("PublishEventInfo/article_id")
    articles: tuple[Article, ...] = take.each(Article, "PublishEventInfo/article_detail/item")
    failed: tuple[int, ...] = take.wholes("PublishEventInfo/fail_idx", high=10_000)


@_value
class Verification(Incoming):
    """The account's own verification. ``time``: when it ends, or when it failed."""

    event: str = take.word("Event")
    time: int = take.whole("ExpiredTime", "FailTime", low=1, high=2**32 - 1)
    reason: str = take.text("FailReason")


@_value
class OtherEvent(Incoming):
    """An Event that the platform document does not have, by its name in lower case."""

    event: str = take.word("Event")


# --- what there is to do with them ---

_ANSWERED = (Message, Subscribe, Scan, Click, ScanCode)
_ACTS = (*_ANSWERED, Unsubscribe, View, ViewMiniProgram, Pictures, LocationSelect)


def read(fields: take.Fields) -> Incoming:
    """The message in the fields of a post, as ``xml.read`` gives them.

    Raises:
        BadMessage: a field that must be there is missing, or a number or a name is odd.
    """
    texts = {name: take.clean(text) for name, text in fields.items() if isinstance(text, str)}
    name, kinds, other = _msg_type(fields).lower(), _MESSAGES, _OTHER_MESSAGE
    if name == "event":
        name, kinds, other = _event(fields).lower(), _EVENTS, _OTHER_EVENT
    kind = kinds.get(name, other)
    return kind.make(
        kind=kind.word or (name if name not in _WORDS else "other"),
        fields=texts,
        posted=fields,
        **{part: found(fields) for part, found in kind.takes},
    )


def key(message: Incoming) -> str:
    """What a repeat has in common with the first delivery, and nothing else has (3.5).

    A message is known by its sender and MsgId. Most events have no number, and two of them fall
    into one second: sender, time, MsgType, Event, EventKey and MsgID tell most of them apart. The
    rest differ only in what they are about, such as the code that was scanned; so a digest of all
    that was posted is in the key too, for a repeat is the same to the letter. Never longer than 600
    characters.
    """
    if isinstance(message, Message) and message.msg_id:
        return f"m {message.sender} {message.msg_id}"
    fields = message.fields
    msg_id = fields.get("MsgID") or fields.get("MsgId", "")
    names = fields.get("MsgType", ""), fields.get("Event", ""), msg_id, fields.get("EventKey", "")
    # A sealed form beside the plain one is salted anew each time.
    posted = {name: value for name, value in message.posted.items() if name != "Encrypt"}
    parts = [*map(_part, names), _digest(_canonical(posted))]
    return f"e {message.sender} {message.created_at} {' '.join(parts)}"


def answerable(message: Incoming) -> bool:
    """Whether a passive reply makes sense (3.8).

    Pictures and a chosen place are announced by an event and follow as messages: with an answer to
    both, the follower would be told twice, so the announcement has none.
    """
    return isinstance(message, _ANSWERED)


def acted(message: Incoming) -> bool:
    """Whether ``sender`` did this just now; receipts and the phone's own reports are no acts."""
    if isinstance(message, SubscriptionAnswers):
        return message.event != "sent"
    return isinstance(message, _ACTS)


def _part(value: str) -> str:
    """``value`` without blanks and not too long, so that no two lists of parts look alike."""
    if len(value) <= 128 and " " not in value:
        return f"={value}"
    return _digest(value)


def _digest(value: str) -> str:
    return "#" + hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()


_canonical = json.JSONEncoder(sort_keys=True).encode


# --- the tables of reading ---


class _Kind(NamedTuple):
    make: Callable[..., Incoming]
    word: str
    takes: tuple[tuple[str, take.Take], ...]


def _kinds(makes: Mapping[str, type[Incoming]], **words: str) -> dict[str, _Kind]:
    return {
        name: _Kind(make, words.get(name, name), take.takes(make)) for name, make in makes.items()
    }


_msg_type = take.matching(take.NAME, "MsgType")
_event = take.matching(take.NAME, "Event")
_OTHER_MESSAGE = _Kind(OtherMessage, "", take.takes(OtherMessage))
_OTHER_EVENT = _Kind(OtherEvent, "", take.takes(OtherEvent))
_MESSAGES = _kinds(
    {
        "text": Text,
        "image": Image,
        "voice": Voice,
        "video": Video,
        "shortvideo": Video,
        "location": Location,
        "link": Link,
        "file": File,
    },
    shortvideo="video",
)
_EVENTS = _kinds(
    {
        "subscribe": Subscribe,
        "unsubscribe": Unsubscribe,
        "scan": Scan,
        "location": LocationReport,
        "click": Click,
        "view": View,
        "view_miniprogram": ViewMiniProgram,
        "scancode_push": ScanCode,
        "scancode_waitmsg": ScanCode,
        "pic_sysphoto": Pictures,
        "pic_photo_or_album": Pictures,
        "pic_weixin": Pictures,
        "location_select": LocationSelect,
        **dict.fromkeys(_ANSWERS, SubscriptionAnswers),
        **dict.fromkeys(_AUTHORIZATION, AuthorizationChange),
        "user_enter_tempsession": ServiceSession,
        "kf_create_session": ServiceSession,
        "kf_close_session": ServiceSession,
        "kf_switch_session": ServiceSession,
        "templatesendjobfinish": TemplateReceipt,
        "masssendjobfinish": MassReceipt,
        "freepublishjobfinish": PublishReceipt,
        "qualification_verify_success": Verification,
        "qualification_verify_fail": Verification,
        "naming_verify_success": Verification,
        "naming_verify_fail": Verification,
        "annual_renew": Verification,
        "verify_expired": Verification,
    },
    location="location_report",
)
_WORDS = {kind.word for kind in (*_MESSAGES.values(), *_EVENTS.values())} | {"event", "any"}
