"""What WeChat posts, as typed values (platform document, 3.5 to 3.8).

Each part of a value says under which name the platform sends it; `fields.py` knows what is absent
and what is odd. Texts stay whole: the body is bounded already.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


class _Kind(NamedTuple):
    make: Callable[..., "Incoming"]
    word: str
    takes: tuple[tuple[str, take.Take], ...]


_MESSAGES: dict[str, _Kind] = {}  # by MsgType in lower case
_EVENTS: dict[str, _Kind] = {}  # by Event in lower case


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _kind(*names: str, word: str = "") -> Callable[[type[_T]], type[_T]]:
    """A value that is read from posts of these names; ``word`` is its kind, if not the name."""

    def decorate(cls: type[_T]) -> type[_T]:
        # No repr of its own: printing one must show nothing that a person wrote, and no openid.
        made = dataclass(frozen=True, slots=True, kw_only=True, repr=False)(cls)
        kinds = _MESSAGES if "msg_id" in made.__dataclass_fields__ else _EVENTS
        for name in names:
            kinds[name] = _Kind(made, word or name, take.takes(made))
        return made

    return decorate


@_kind()
class Incoming:
    """A message or an event.

    ``kind`` is the word of the reply rules ("text", "subscribe", "click" …), else the platform's
    name in lower case. The platform calls a message and an event "location", so the event is
    "location_report"; an unknown message or event with a name that means another is "other".
    ``fields`` holds every flat text by the platform's name. ``sender`` is the follower, save in an
    :class:`AuthorizationChange` and where the platform reports on the account itself.
    """

    to: str = take.name("ToUserName")
    sender: str = take.name("FromUserName")
    created_at: int = take.whole("CreateTime", low=1, high=2**32 - 1)
    kind: str
    fields: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind}>"


# --- messages (3.6) ---


@_kind()
class Message(Incoming):
    """Something that a person sent. ``data_id`` and ``index`` name the article that it is about."""

    msg_id: str = take.digits("MsgId", "MsgID")
    data_id: str = take.text("MsgDataId")
    index: int = take.whole("Idx", high=10_000, absent=0)


@_kind("text")
class Text(Message):
    content: str = take.present("Content")
    menu_id: str = take.text("bizmsgmenuid")  # the entry of a menu message that was picked


@_kind("image")
class Image(Message):
    media_id: str = take.required("MediaId")
    picture_url: str = take.text("PicUrl")


@_kind("voice")
class Voice(Message):
    media_id: str = take.required("MediaId")
    media_id_16k: str = take.text("MediaId16K")
    format: str = take.text("Format")
    recognition: str = take.text("Recognition")


@_kind("video", "shortvideo", word="video")
class Video(Message):
    media_id: str = take.required("MediaId")
    thumb_media_id: str = take.text("ThumbMediaId")
    short: bool = take.says("MsgType", "shortvideo")


@_kind("location")
class Location(Message):
    latitude: float = take.decimal("Location_X", low=-90, high=90)
    longitude: float = take.decimal("Location_Y", low=-180, high=180)
    scale: int = take.whole("Scale", high=100, absent=0)
    label: str = take.text("Label")


@_kind("link")
class Link(Message):
    url: str = take.required("Url")
    title: str = take.text("Title")
    description: str = take.text("Description")


@_kind("file")
class File(Message):
    """A file; its content cannot be fetched."""

    title: str = take.text("Title")
    description: str = take.text("Description")
    file_key: str = take.text("FileKey")
    md5: str = take.text("FileMd5")
    size: int = take.whole("FileTotalLen", absent=0)


@_kind()
class OtherMessage(Message):
    """A MsgType that the platform document does not have; it may come without a MsgId."""

    msg_id: str = take.some_digits("MsgId", "MsgID")


# --- events (3.7): what followers do ---


@_kind("subscribe")
class Subscribe(Incoming):
    event_key: str = take.text("EventKey")
    ticket: str = take.text("Ticket")

    @property
    def scene(self) -> str:
        """That of the parametric QR code which led here, "" if none did."""
        scene = self.event_key.removeprefix("qrscene_")
        return scene if scene != self.event_key else ""


@_kind("unsubscribe")
class Unsubscribe(Incoming):
    pass


@_kind("scan")
class Scan(Incoming):
    """Somebody who follows already scanned a parametric QR code."""

    scene: str = take.text("EventKey")
    ticket: str = take.text("Ticket")


@_kind("location", word="location_report")
class LocationReport(Incoming):
    """What the phone tells by itself; a place that a person sends is a :class:`Location`."""

    latitude: float = take.decimal("Latitude", low=-90, high=90)
    longitude: float = take.decimal("Longitude", low=-180, high=180)
    precision: float = take.decimal("Precision", low=0, high=1e9, absent=0.0)


@_kind("click")
class Click(Incoming):
    key: str = take.text("EventKey")


@_kind("view")
class View(Incoming):
    url: str = take.text("EventKey")
    menu_id: str = take.text("MenuId")


@_kind("view_miniprogram")
class ViewMiniProgram(Incoming):
    path: str = take.text("EventKey")
    menu_id: str = take.text("MenuId")


@_kind("scancode_push", "scancode_waitmsg")
class ScanCode(Incoming):
    """A menu button's scanner. ``waits``: the chat shows that an answer is to come."""

    key: str = take.text("EventKey")
    code_type: str = take.text("ScanCodeInfo/ScanType")
    result: str = take.present("ScanCodeInfo/ScanResult")
    waits: bool = take.says("Event", "scancode_waitmsg")


@_kind("pic_sysphoto", "pic_photo_or_album", "pic_weixin")
class Pictures(Incoming):
    """A menu button's camera or album; the pictures themselves follow as images."""

    event: str = take.word("Event")
    key: str = take.text("EventKey")
    digests: tuple[str, ...] = take.texts("SendPicsInfo/PicList/item/PicMd5Sum")


@_kind("location_select")
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
    """``accepted`` is None where the platform says neither yes nor no."""

    template_id: str = take.name("TemplateId")
    accepted: bool | None = take.meaning("SubscribeStatusString", {"accept": True, "reject": False})
    scene: str = take.text("PopupScene")
    msg_id: str = take.some_digits("MsgID", "MsgId")
    error_code: int = take.whole("ErrorCode", absent=0)
    error_status: str = take.text("ErrorStatus")


@_kind(*_ANSWERS)
class SubscriptionAnswers(Incoming):
    """``event``: "popup" (answered), "change" (changed in the settings), "sent" (a delivery)."""

    event: str = take.meaning("Event", _ANSWERS)
    answers: tuple[SubscriptionAnswer, ...] = take.each(
        SubscriptionAnswer,
        "SubscribeMsgPopupEvent/List",
        "SubscribeMsgChangeEvent/List",
        "SubscribeMsgSentEvent/List",
    )


@_kind(*_AUTHORIZATION)
class AuthorizationChange(Incoming):
    """What a person let us know of them has changed, or is ours no longer.

    ``change`` is "modified", "revoked" or "cancelled"; ``openid`` is the person, since ``sender``
    is the platform; ``revoked`` is the platform's number for what was taken back.
    """

    change: str = take.meaning("Event", _AUTHORIZATION)
    openid: str = take.name("OpenID", "OpenId", "openid")
    app_id: str = take.text("AppID", "AppId", "appid")
    unionid: str = take.text("UnionID", "UnionId", "unionid")
    revoked: str = take.text("RevokeInfo", "revokeInfo", "revoke_info")


@_kind("user_enter_tempsession", "kf_create_session", "kf_close_session", "kf_switch_session")
class ServiceSession(Incoming):
    """A talk with human service begins, ends, or goes from ``previous`` to ``account``."""

    event: str = take.word("Event")
    account: str = take.text("KfAccount", "ToKfAccount")
    previous: str = take.text("FromKfAccount")
    origin: str = take.text("SessionFrom")


# --- events (3.7): what the platform reports ---


@_kind("templatesendjobfinish")
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


@_kind("masssendjobfinish")
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


@_kind("freepublishjobfinish")
class PublishReceipt(Incoming):
    """What became of publishing articles. ``failed``: the numbers of those that were refused."""

    publish_id: str = take.name("PublishEventInfo/publish_id")
    status: int = take.whole("PublishEventInfo/publish_status", high=10_000)
    article_id: str = take.text("PublishEventInfo/article_id")
    articles: tuple[Article, ...] = take.each(Article, "PublishEventInfo/article_detail/item")
    failed: tuple[int, ...] = take.wholes("PublishEventInfo/fail_idx", high=10_000)


@_kind(
    "qualification_verify_success",
    "qualification_verify_fail",
    "naming_verify_success",
    "naming_verify_fail",
    "annual_renew",
    "verify_expired",
)
class Verification(Incoming):
    """The account's own verification. ``time``: when it ends, or when it failed."""

    event: str = take.word("Event")
    time: int = take.whole("ExpiredTime", "FailTime", low=1, high=2**32 - 1)
    reason: str = take.text("FailReason")


@_kind()
class OtherEvent(Incoming):
    """An Event that the platform document does not have, by its name in lower case."""

    event: str = take.word("Event")


# --- what there is to do with them ---

_OTHER_MESSAGE = _Kind(OtherMessage, "", take.takes(OtherMessage))
_OTHER_EVENT = _Kind(OtherEvent, "", take.takes(OtherEvent))
_ANSWERED = (Message, Subscribe, Scan, Click, ScanCode)
_ACTS = (*_ANSWERED, Unsubscribe, View, ViewMiniProgram, Pictures, LocationSelect)


def read(fields: take.Fields) -> Incoming:
    """The message in the fields of a post, as ``xml.read`` gives them.

    Raises:
        BadMessage: a field that must be there is missing, or a number or a name is odd.
    """
    texts = {name: take.clean(text) for name, text in fields.items() if isinstance(text, str)}
    name, known, other = _name(texts, "MsgType"), _MESSAGES, _OTHER_MESSAGE
    if name == "event":
        name, known, other = _name(texts, "Event"), _EVENTS, _OTHER_EVENT
    kind = known.get(name, other)
    word = kind.word or (name if name not in _WORDS else "other")
    parts = {part: takes(fields) for part, takes in kind.takes}
    return kind.make(kind=word, fields=texts, **parts)


def key(message: Incoming) -> str:
    """What a repeat has in common with the first delivery, and nothing else has (3.5).

    A message is known by its sender and MsgId. Most events have no number, and two of them fall
    into one second: sender, time, MsgType, Event, MsgID and EventKey together tell them apart.
    Where the platform is the sender, or reports on several at once, what the event is about stands
    in for the MsgID. Never longer than 600 characters.
    """
    if isinstance(message, Message) and message.msg_id:
        return f"m {message.sender} {message.msg_id}"
    names = message.fields.get("MsgType", ""), message.fields.get("Event", "")
    parts = map(_part, (*names, _subject(message), message.fields.get("EventKey", "")))
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


def _name(texts: Mapping[str, str], field: str) -> str:
    found = texts.get(field, "")
    if not take.NAME.fullmatch(found):
        raise BadMessage(f"{field} is missing or odd")
    return found.lower()


def _subject(message: Incoming) -> str:
    if isinstance(message, AuthorizationChange):
        return message.openid
    if isinstance(message, PublishReceipt):
        return message.publish_id
    if isinstance(message, SubscriptionAnswers):
        return ",".join(f"{one.template_id}:{one.msg_id}" for one in message.answers)
    return message.fields.get("MsgID") or message.fields.get("MsgId", "")


def _part(value: str) -> str:
    """``value`` without blanks and not too long, so that no two lists of parts look alike."""
    if len(value) <= 128 and " " not in value:
        return f"={value}"
    return "#" + hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()


_WORDS = {kind.word for kind in (*_MESSAGES.values(), *_EVENTS.values())} | {"event", "any"}
