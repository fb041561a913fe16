"""What people's media hold: small real files, made for the simulator."""

from functools import cache
from pathlib import PurePosixPath

from wx.paths import STATIC

# Names of the pictures that a person has on the phone, as in attachments.PICTURES.
NAMES = ("lake", "cat", "noodles", "city")
_VOICE = b"#!AMR\n" + b"\x3c" + bytes(31)  # the head of a file, and one frame of silence
_VIDEO = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"  # only ever counted, never given


@cache
def jpeg(name: str) -> bytes:
    """A picture of :data:`NAMES` as a JPEG; KeyError where there is no such."""
    if name not in NAMES:
        raise KeyError(name)
    return (STATIC / "simulator" / f"picture-{name}.jpg").read_bytes()


def medium(kind: str, picture: str) -> tuple[str, bytes, str]:
    """Kind, bytes and content type of the medium behind a message that a person sends.

    Args:
        kind: of the message; "thumb" for the still picture of a video.
        picture: the path that the drawn phone shows; the JPEG of that name stands behind it.
    """
    if kind == "voice":
        return "voice", _VOICE, "audio/amr"
    if kind in ("video", "shortvideo"):
        return "video", _VIDEO, "video/mp4"
    name = PurePosixPath(picture).stem.removeprefix("picture-")
    return ("thumb" if kind == "thumb" else "image"), jpeg(_known(name)), "image/jpeg"


def _known(name: str) -> str:
    return name if name in NAMES else "cat"
