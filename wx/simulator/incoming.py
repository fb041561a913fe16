"""What a person sends, in the platform's own fields (platform document, 3.6)."""

import secrets
import zlib
from collections.abc import Mapping

# The parts of each kind, as a caller names them, and what they are where nobody says. An empty
# media id or key is made up anew each time.
PARTS: dict[str, dict[str, str]] = {
    "text": {"menu_id": ""},
    "image": {"media_id": "", "picture": ""},
    "voice": {"media_id": "", "media_id_16k": "", "format": "amr"},
    "video": {"media_id": "", "thumb_media_id": "", "picture": ""},
    "shortvideo": {"media_id": "", "thumb_media_id": "", "picture": ""},
    "location": {
        "latitude": "22.540503",
        "longitude": "113.934528",
        "scale": "16",
        "label": "深圳市南山区深南大道10000号",
    },
    "link": {
        "title": "公众平台官网链接",
        "description": "一个网页",
        "url": "https://example.com/article?id=1",
    },
    "file": {
        "title": "报告.pdf",
        "description": "",
        "file_key": "",
        "md5": "d41d8cd98f00b204e9800998ecf8427e",
        "size": "1024",
    },
}
_PICTURES = tuple(f"/static/simulator/picture-{name}.svg" for name in ("cat", "city", "lake"))
_MADE_UP = ("media_id", "media_id_16k", "thumb_media_id", "file_key")
# The platform's name for each part.
_NAMES = {
    "menu_id": "bizmsgmenuid",
    "media_id": "MediaId",
    "media_id_16k": "MediaId16K",
    "format": "Format",
    "thumb_media_id": "ThumbMediaId",
    "latitude": "Location_X",
    "longitude": "Location_Y",
    "scale": "Scale",
    "label": "Label",
    "title": "Title",
    "description": "Description",
    "url": "Url",
    "file_key": "FileKey",
    "md5": "FileMd5",
    "size": "FileTotalLen",
}


def complete(kind: str, parts: Mapping[str, str]) -> dict[str, str]:
    """All parts of a message of this kind.

    Raises:
        ValueError: there is no such kind, or it has no such part.
    """
    if kind not in PARTS:
        raise ValueError(f"no message is of the kind {kind!r}: {', '.join(PARTS)}")
    if unknown := set(parts) - set(PARTS[kind]):
        known = ", ".join(PARTS[kind])
        raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}, only: {known}")
    found = PARTS[kind] | dict(parts)
    for name in _MADE_UP:
        if found.get(name) == "":
            found[name] = secrets.token_urlsafe(48)
    if found.get("picture") == "":
        found["picture"] = picture(found["media_id"])
    return found


def fields(kind: str, text: str, parts: Mapping[str, str], *, base_url: str) -> dict[str, object]:
    """The fields of a message after its header, ``MsgType`` first.

    Args:
        text: the words of a text, or what speech recognition hears in a voice.
        parts: all of them, from :func:`complete`.
        base_url: where the platform's pictures are.
    """
    told: dict[str, object] = {"MsgType": kind}
    if kind == "text":
        told["Content"] = text
    if kind == "image":
        told["PicUrl"] = base_url + parts["picture"]
    told |= {_NAMES[name]: value for name, value in parts.items() if name in _NAMES}
    if not told.get("bizmsgmenuid"):
        told.pop("bizmsgmenuid", None)
    if kind == "voice" and text:
        told["Recognition"] = text
    return told


def picture(media_id: str) -> str:
    """The path of a picture at the simulator, always the same for one medium."""
    return _PICTURES[zlib.crc32(media_id.encode()) % len(_PICTURES)]
