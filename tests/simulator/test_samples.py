"""The pictures and sounds that people have."""

import pytest

from wx.simulator import samples
from wx.simulator.attachments import PICTURES


@pytest.mark.parametrize("name", list(PICTURES))
def test_every_picture_of_the_phone_is_a_small_jpeg(name):
    body = samples.jpeg(name)
    assert body.startswith(b"\xff\xd8\xff") and body.endswith(b"\xff\xd9")
    assert 1000 < len(body) <= 60_000
    assert len({samples.jpeg(one) for one in samples.NAMES}) == len(PICTURES)


@pytest.mark.parametrize("name", ["map", "../phone", ""])
def test_there_are_no_others(name):
    with pytest.raises(KeyError):
        samples.jpeg(name)


@pytest.mark.parametrize(
    ("kind", "picture", "made", "content_type", "beginning"),
    [
        ("image", "/static/simulator/picture-city.svg", "image", "image/jpeg", b"\xff\xd8\xff"),
        ("image", "/avatar/wang.svg", "image", "image/jpeg", b"\xff\xd8\xff"),
        ("thumb", "/static/simulator/picture-city.svg", "thumb", "image/jpeg", b"\xff\xd8\xff"),
        ("voice", "", "voice", "audio/amr", b"#!AMR\n"),
        ("video", "/x.svg", "video", "video/mp4", b"\x00\x00\x00\x18ftyp"),
        ("shortvideo", "/x.svg", "video", "video/mp4", b"\x00\x00\x00\x18ftyp"),
    ],
)
def test_every_kind_is_the_file_that_it_says(kind, picture, made, content_type, beginning):
    told, body, declared = samples.medium(kind, picture)
    assert (told, declared) == (made, content_type) and body.startswith(beginning)


def test_a_picture_that_was_sent_is_the_one_that_is_kept():
    city = samples.medium("image", "/static/simulator/picture-city.svg")[1]
    assert city == samples.jpeg("city") != samples.jpeg("cat")
