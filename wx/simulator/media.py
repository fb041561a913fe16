"""Temporary media: uploaded by the account, sent in by people, fetched again (section 9)."""

import re
from typing import Any

from tornado.httputil import (
    HTTPFile,
    HTTPInputError,
    ParseBodyConfig,
    ParseMultipartConfig,
    parse_body_arguments,
)

from wx.simulator.api import Api, Failure, Raw
from wx.simulator.tokens import require_access_token
from wx.simulator.world import Medium

MEGABYTE = 1 << 20
LARGEST = 10 * MEGABYTE
# By kind: the most bytes, and the errcode for more.
_SIZES = {
    "image": (LARGEST, 40009),
    "voice": (2 * MEGABYTE, 40010),
    "video": (LARGEST, 40011),
    "thumb": (64 << 10, 40012),
}
# How the files begin that each kind may hold, and their content types.
_IMAGES = {
    rb"\xff\xd8\xff": "image/jpeg",
    rb"\x89PNG\r\n\x1a\n": "image/png",
    rb"GIF8[79]a": "image/gif",
}
_BEGINNINGS = {
    "image": _IMAGES,
    "thumb": {rb"\xff\xd8\xff": "image/jpeg"},
    "voice": {rb"#!AMR": "audio/amr", rb"ID3|\xff[\xe2-\xff]": "audio/mpeg"},
    "video": {rb"....ftyp": "video/mp4"},
}
_SUFFIXES = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "audio/amr": "amr",
    "audio/mpeg": "mp3",
}


class MediaGet(Api):
    """``GET /cgi-bin/media/get``: bytes; JSON for a failure, and for a video its address."""

    content_type = "text/plain"

    def reply(self) -> dict[str, Any] | Raw:
        require_access_token(self)
        medium = self.simulator.world.media.get(self.query("media_id", missing=41006))
        if medium is None or self.simulator.world.clock.monotonic() >= medium.expires_at:
            raise Failure(40007)
        if medium.kind == "video":
            return {"video_url": f"{self.simulator.base_url}/media/{medium.id}.mp4"}
        suffix = _SUFFIXES.get(medium.content_type, "bin")
        return Raw(medium.body, medium.content_type, f"{medium.id}.{suffix}")


class MediaUpload(Api):
    """``POST /cgi-bin/media/upload``: a file in the part ``media``, for three days."""

    verb = "POST"

    def initialize(self) -> None:
        # A server in the same process, as in the demo, forbids Tornado to read such bodies, in all
        # of the process: it is not to see that this is one.
        self._kind = self.request.headers.pop("Content-Type", "")

    def reply(self) -> dict[str, Any]:
        require_access_token(self)
        kind = self.get_query_argument("type", "")
        if kind not in _SIZES:
            raise Failure(40004)
        body = self._file()
        if not body:
            raise Failure(44001)
        most, errcode = _SIZES[kind]
        if len(body) > most:
            raise Failure(errcode)
        medium = self.simulator.world.add_medium(kind, body, content_type_of(kind, body))
        return _told(medium)

    def _file(self) -> bytes:
        """What the part ``media`` holds."""
        files: dict[str, list[HTTPFile]] = {}
        few = ParseBodyConfig(multipart=ParseMultipartConfig(max_parts=9))
        try:
            parse_body_arguments(
                self._kind, self.request.body, {}, files, self.request.headers, config=few
            )
        except HTTPInputError as error:
            raise Failure(41005) from error
        if "media" not in files:
            raise Failure(41005)
        return bytes(files["media"][0].body)


def content_type_of(kind: str, body: bytes) -> str:
    """What the file is, by its first bytes; raises Failure(40005) where ``kind`` has no such."""
    for beginning, content_type in _BEGINNINGS[kind].items():
        if re.match(beginning, body, re.DOTALL):
            return content_type
    raise Failure(40005)


def _told(medium: Medium) -> dict[str, Any]:
    name = "thumb_media_id" if medium.kind == "thumb" else "media_id"
    return {"type": medium.kind, name: medium.id, "created_at": int(medium.created_at)}
