"""What a person can send, read from a form."""

import pytest

from wx.paths import STATIC
from wx.simulator.attachments import (
    FILES,
    LONGEST_TEXT,
    PICTURES,
    PLACES,
    Attachment,
    picture_path,
    read,
)
from wx.simulator.incoming import complete


def form(**fields):
    return lambda name: fields.get(name, "")


@pytest.mark.parametrize(
    ("kind", "fields", "text", "parts"),
    [
        ("text", {"text": " hi "}, " hi ", {}),
        ("voice", {"text": " said "}, "said", {}),
        ("voice", {}, "", {}),
        ("image", {"picture": "cat"}, "", {"picture": "/static/simulator/picture-cat.svg"}),
        ("video", {"picture": "lake"}, "", {"picture": "/static/simulator/picture-lake.svg"}),
        (
            "location",
            {"place": "hangzhou"},
            "",
            {
                "label": "断桥残雪(杭州市西湖区北山街)",
                "latitude": "30.258840",
                "longitude": "120.148870",
            },
        ),
        (
            "link",
            {"url": " https://example.com/a ", "description": "d"},
            "",
            {"title": "example.com", "description": "d", "url": "https://example.com/a"},
        ),
        (
            "file",
            {"file": "bill"},
            "",
            {
                "title": "Invoice 2024-07.pdf",
                "size": "254976",
                "md5": "1b7e0f93c5d24a86b0e9f2173d4c8a65",
            },
        ),
    ],
)
def test_every_kind_is_read_as_the_world_wants_it(kind, fields, text, parts):
    found = read(kind, form(**fields))
    assert found == Attachment(kind, text, parts)
    complete(found.kind, found.parts)  # refuses a part that the platform does not have


def test_an_entry_of_a_menu_message_is_a_text_with_its_id():
    url = "weixin://bizmsgmenu?msgmenucontent=help&msgmenuid=8"
    assert read("choice", form(choice=url)) == Attachment("text", "help", {"menu_id": "8"})


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("sticker", {}, "cannot send"),
        ("", {}, "cannot send"),
        ("text", {"text": " \n"}, "empty"),
        ("text", {"text": "x" * (LONGEST_TEXT + 1)}, "too long"),
        ("voice", {"text": "x" * (LONGEST_TEXT + 1)}, "too long"),
        ("choice", {"choice": "javascript:alert(1)"}, "cannot send"),
        ("choice", {"choice": "weixin://bizmsgmenu?msgmenucontent=" + "x" * 601}, "too long"),
        (
            "choice",
            {"choice": "weixin://bizmsgmenu?msgmenucontent=x&msgmenuid=" + "7" * 601},
            "long",
        ),
        ("image", {}, "one of the pictures"),
        ("video", {"picture": "../../app"}, "one of the pictures"),
        ("location", {"place": "moon"}, "one of the places"),
        ("file", {"file": "/etc/passwd"}, "one of the files"),
        ("link", {}, "http://"),
        ("link", {"url": "javascript:alert(1)"}, "http://"),
        ("link", {"url": "https://"}, "http://"),
        ("link", {"url": "http://[bad"}, "http://"),
        ("link", {"url": "https://example.com/a b"}, "http://"),
        ("link", {"url": "https://example.com/" + "x" * 1024}, "http://"),
        ("link", {"url": "https://example.com/", "title": "x" * 601}, "too long"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(kind, fields, reason):
    with pytest.raises(ValueError, match=reason):
        read(kind, form(**fields))


def test_the_longest_text_is_one_message():
    assert read("text", form(text="长" * LONGEST_TEXT)).text == "长" * LONGEST_TEXT


def test_the_choices_are_there_and_differ():
    for name in PICTURES:
        assert (STATIC.parent / picture_path(name).removeprefix("/")).is_file()
    assert len({(place.latitude, place.longitude) for place in PLACES.values()}) == 3
    assert len({one.md5 for one in FILES.values()}) == len(FILES)
