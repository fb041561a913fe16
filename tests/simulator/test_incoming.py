"""What people send, in the platform's fields."""

import pytest

from wx import paths
from wx.simulator import incoming


def told(kind, text="", **parts):
    whole = incoming.complete(kind, parts)
    return incoming.fields(kind, text, whole, base_url="http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("text", {"Content"}),
        ("image", {"PicUrl", "MediaId"}),
        ("voice", {"MediaId", "MediaId16K", "Format"}),
        ("video", {"MediaId", "ThumbMediaId"}),
        ("shortvideo", {"MediaId", "ThumbMediaId"}),
        ("location", {"Location_X", "Location_Y", "Scale", "Label"}),
        ("link", {"Title", "Description", "Url"}),
        ("file", {"Title", "Description", "FileKey", "FileMd5", "FileTotalLen"}),
    ],
)
def test_each_kind_has_the_fields_of_the_platform(kind, names):
    fields = told(kind)
    assert set(fields) == names | {"MsgType"} and fields["MsgType"] == kind


def test_a_caller_says_what_matters():
    place = told("location", label="here", latitude="1.5")
    assert (place["Label"], place["Location_X"], place["Scale"]) == ("here", "1.5", "16")
    assert told("text", "x", menu_id="7")["bizmsgmenuid"] == "7"
    assert told("voice", "heard")["Recognition"] == "heard"
    assert told("image", picture="/a.svg")["PicUrl"] == "http://127.0.0.1:1/a.svg"
    assert told("image", media_id="m")["MediaId"] == "m"


def test_media_are_new_each_time_and_their_picture_is_there():
    first, second = incoming.complete("voice", {}), incoming.complete("voice", {})
    assert len({*first.values(), *second.values()}) == 5
    for number in range(20):
        picture = incoming.picture(str(number))
        assert picture == incoming.picture(str(number))
        assert (paths.STATIC / picture.removeprefix("/static/")).is_file()


@pytest.mark.parametrize(
    ("kind", "parts"),
    [("sticker", {}), ("text", {"label": "x"}), ("event", {}), ("image", {"a": ""})],
)
def test_nobody_sends_what_there_is_not(kind, parts):
    with pytest.raises(ValueError, match=kind):
        incoming.complete(kind, parts)
