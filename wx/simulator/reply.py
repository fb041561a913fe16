"""What an account may answer a push with, judged as strictly as the platform does (3.8)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wx.protocol import xml
from wx.protocol.envelope import Damaged, Envelope
from wx.simulator.world import Message, Person, World

MAX_TEXT = 2048  # bytes
MAX_ARTICLES = 8
_NUMBER = re.compile(r"[0-9]{1,10}")

# Pushes that nobody waits for with a phone in the hand: no answer reaches the chat, and a broken
# one shows nothing (3.5).
_UNWATCHED = {
    "unsubscribe", "view", "view_miniprogram", "location", "templatesendjobfinish",
    "masssendjobfinish", "freepublishjobfinish", "user_info_modified",
    "user_authorization_revoke", "user_authorization_cancellation", "subscribe_msg_sent_event",
    "subscribe_msg_popup_event", "subscribe_msg_change_event",
}  # fmt: skip


class BrokenReply(ValueError):
    """The answer is none; the phone says so. The reason is for the developer."""


class UndeliveredReply(ValueError):
    """The answer is well-formed, and the platform drops it without a word on the phone."""


@dataclass
class Verdict:
    """What an answer comes to. ``silent``: the account has nothing to say."""

    silent: bool = False
    messages: list[Message] = field(default_factory=list)


def is_watched(fields: Mapping[str, object]) -> bool:
    """Whether somebody looks at the chat and waits for the answer to this push."""
    return str(fields.get("Event", "")).lower() not in _UNWATCHED


def judge(
    body: bytes, person: Person, world: World, *, envelope: Envelope | None, sealed_only: bool
) -> Verdict:
    """What a body of status 200 means.

    Args:
        person: whose push it answers.
        envelope: opens sealed answers; None in plain mode, where none may come.
        sealed_only: whether an answer with content must be sealed, as in safe mode.

    Raises:
        BrokenReply: the phone shows that the service is out of order.
        UndeliveredReply: nothing is shown.
    """
    if body in (b"", b"success"):
        return Verdict(silent=True)
    fields = _read(body)
    if envelope is not None and "Encrypt" in fields:
        fields = _opened(fields, envelope)
    elif sealed_only:
        raise BrokenReply("not sealed, in safe mode")
    to, sender = _text(fields, "ToUserName"), _text(fields, "FromUserName")
    if (to, sender) != (person.openid, world.account_id):
        raise UndeliveredReply("ToUserName and FromUserName are not those of the push, swapped")
    if not _NUMBER.fullmatch(_text(fields, "CreateTime")):
        raise BrokenReply("CreateTime is no number")
    kind = _text(fields, "MsgType")
    if kind not in _KINDS:
        raise BrokenReply(f"no MsgType {kind!r}")
    return Verdict(messages=_KINDS[kind](fields, world))


def _read(body: bytes) -> xml.Fields:
    try:
        return xml.read(body)
    except xml.BadXML as error:
        raise BrokenReply(f"no XML: {error}") from error


def _opened(outer: xml.Fields, envelope: Envelope) -> xml.Fields:
    encrypted, nonce = _text(outer, "Encrypt"), _text(outer, "Nonce")
    timestamp = _text(outer, "TimeStamp")
    if not _NUMBER.fullmatch(timestamp):
        raise BrokenReply("TimeStamp is no number")
    right = envelope.signature(timestamp, nonce, encrypted)
    if _text(outer, "MsgSignature") != right:
        raise BrokenReply("MsgSignature is wrong")
    try:
        return _read(envelope.open(encrypted))
    except Damaged as error:
        raise BrokenReply(str(error)) from error


def _text_message(fields: xml.Fields, world: World) -> list[Message]:
    content = _text(fields, "Content")
    if len(content.encode()) > MAX_TEXT:
        raise UndeliveredReply(f"the text is longer than {MAX_TEXT} bytes")
    return [Message("text", content, world.clock.now())]


def _media_message(element: str) -> Callable[[xml.Fields, World], list[Message]]:
    def made(fields: xml.Fields, world: World) -> list[Message]:
        inner = _inner(fields, element)
        media_id = _text(inner, "MediaId")
        message = Message(element.lower(), "", world.clock.now(), parts={"media_id": media_id})
        if element != "Voice":
            message.picture = world.picture(media_id)
        if element == "Video":
            message.parts |= _optional(inner, title="Title", description="Description")
        return [message]

    return made


def _music_message(fields: xml.Fields, world: World) -> list[Message]:
    inner = _inner(fields, "Music")
    cover = _text(inner, "ThumbMediaId")
    parts = _optional(
        inner, title="Title", description="Description", url="MusicUrl", hq_url="HQMusicUrl"
    )
    picture = world.picture(cover)
    return [Message("music", "", world.clock.now(), picture=picture, parts=parts)]


def _news_messages(fields: xml.Fields, world: World) -> list[Message]:
    items = _inner(fields, "Articles").get("item")
    articles = items if isinstance(items, list) else [items]
    if _text(fields, "ArticleCount") != str(len(articles)):
        raise BrokenReply("ArticleCount is not the number of articles")
    if len(articles) > MAX_ARTICLES:
        raise BrokenReply(f"more than {MAX_ARTICLES} articles")
    return [_article(item, world) for item in articles]


def _article(item: object, world: World) -> Message:
    if not isinstance(item, dict):
        raise BrokenReply("an article is empty")
    _text(item, "Title")
    parts = _optional(item, title="Title", description="Description", picture="PicUrl", url="Url")
    return Message("news", "", world.clock.now(), parts=parts)


def _transfer(fields: xml.Fields, world: World) -> list[Message]:
    """People of the account answer from now on; the chat shows nothing of that."""
    if "TransInfo" in fields:
        _text(_inner(fields, "TransInfo"), "KfAccount")
    return []


_KINDS: dict[str, Callable[[xml.Fields, World], list[Message]]] = {
    "text": _text_message,
    "image": _media_message("Image"),
    "voice": _media_message("Voice"),
    "video": _media_message("Video"),
    "music": _music_message,
    "news": _news_messages,
    "transfer_customer_service": _transfer,
}


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise BrokenReply(f"{name} is missing")
    return value


def _inner(fields: Mapping[str, object], name: str) -> xml.Fields:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise BrokenReply(f"{name} is missing")
    return value


def _optional(fields: Mapping[str, object], **names: str) -> dict[str, str]:
    found = {ours: fields.get(theirs, "") for ours, theirs in names.items()}
    return {name: value if isinstance(value, str) else "" for name, value in found.items()}
