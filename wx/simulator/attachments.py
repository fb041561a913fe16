"""What a person can send: the choices that the drawn phone offers, and a form read and checked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from wx.simulator.bubbles import choice

LONGEST_TEXT = 600  # characters of a message, of a link's title, and of what is said in a voice
LONGEST_URL = 1024
PICTURES = {
    "lake": "Lake at dusk",
    "cat": "Sleeping cat",
    "noodles": "Bowl of noodles",
    "city": "City at night",
}


@dataclass(frozen=True)
class Place:
    """Somewhere in the world; ``label`` is its address, as the phone sends it."""

    name: str
    label: str
    latitude: str
    longitude: str


@dataclass(frozen=True)
class File:
    """Something on the phone. ``size`` in bytes."""

    title: str
    size: str
    md5: str


@dataclass(frozen=True)
class Attachment:
    """A message to send, in the words of :meth:`wx.simulator.world.World.send`."""

    kind: str
    text: str = ""
    parts: dict[str, str] = field(default_factory=dict)


PLACES = {
    "shenzhen": Place(
        "Civic Center, Shenzhen", "市民中心(深圳市福田区福中三路)", "22.543096", "114.057865"
    ),
    "hangzhou": Place(
        "Broken Bridge, Hangzhou", "断桥残雪(杭州市西湖区北山街)", "30.258840", "120.148870"
    ),
    "beijing": Place(
        "Summer Palace, Beijing", "颐和园(北京市海淀区新建宫门路19号)", "39.999870", "116.275460"
    ),
}
FILES = {
    "plan": File("搬家计划.docx", "38912", "9f4c1d0b6a7e4c2f8d35b1e07a9c6f42"),
    "bill": File("Invoice 2024-07.pdf", "254976", "1b7e0f93c5d24a86b0e9f2173d4c8a65"),
    "photos": File("Photos.zip", "7654321", "c03d9a5e17f84b62a9d1e0c47b3f5826"),
}


def read(kind: str, given: Callable[[str], str]) -> Attachment:
    """A form as it was sent; ``given`` tells the value of a field, "" where there is none.

    Raises:
        ValueError: with a sentence for the person, to be translated.
    """
    reader = _READERS.get(kind)
    if reader is None:
        raise ValueError("This phone cannot send that.")
    return reader(given)


def picture_path(name: str) -> str:
    """Where the simulator has a picture of :data:`PICTURES`."""
    return f"/static/simulator/picture-{name}.svg"


def _text(given: Callable[[str], str]) -> Attachment:
    text = _bounded(given("text"))
    if not text.strip():
        raise ValueError("The message is empty.")
    return Attachment("text", text)


def _choice(given: Callable[[str], str]) -> Attachment:
    found = choice(given("choice"))
    if found is None:
        raise ValueError("This phone cannot send that.")
    text, menu_id = found
    return Attachment("text", _bounded(text), {"menu_id": _bounded(menu_id)})


def _image(given: Callable[[str], str]) -> Attachment:
    return Attachment("image", parts={"picture": _picture(given)})


def _video(given: Callable[[str], str]) -> Attachment:
    return Attachment("video", parts={"picture": _picture(given)})


def _voice(given: Callable[[str], str]) -> Attachment:
    return Attachment("voice", _bounded(given("text")).strip())


def _location(given: Callable[[str], str]) -> Attachment:
    place = PLACES.get(given("place"))
    if place is None:
        raise ValueError("Please choose one of the places.")
    parts = {"label": place.label, "latitude": place.latitude, "longitude": place.longitude}
    return Attachment("location", parts=parts)


def _link(given: Callable[[str], str]) -> Attachment:
    url = given("url").strip()
    if len(url) > LONGEST_URL or not _is_address(url):
        raise ValueError("A link begins with http:// or https:// and has at most 1024 characters.")
    title = _bounded(given("title")).strip() or urlsplit(url).netloc
    description = _bounded(given("description")).strip()
    return Attachment("link", parts={"title": title, "description": description, "url": url})


def _file(given: Callable[[str], str]) -> Attachment:
    chosen = FILES.get(given("file"))
    if chosen is None:
        raise ValueError("Please choose one of the files.")
    parts = {"title": chosen.title, "size": chosen.size, "md5": chosen.md5}
    return Attachment("file", parts=parts)


def _picture(given: Callable[[str], str]) -> str:
    name = given("picture")
    if name not in PICTURES:
        raise ValueError("Please choose one of the pictures.")
    return picture_path(name)


def _bounded(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ValueError("That is too long: 600 characters are the most.")
    return text


def _is_address(url: str) -> bool:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return bool(host) and re.fullmatch(r"https?://\S+", url) is not None


_READERS: dict[str, Callable[[Callable[[str], str]], Attachment]] = {
    "text": _text,
    "choice": _choice,
    "image": _image,
    "voice": _voice,
    "video": _video,
    "location": _location,
    "link": _link,
    "file": _file,
}
