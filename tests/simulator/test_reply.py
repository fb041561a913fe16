"""Which answers reach a chat."""

import pytest

from tests.simulator.hook import AES_KEY, TOKEN
from wx.protocol import xml
from wx.protocol.envelope import Envelope
from wx.simulator.reply import BrokenReply, UndeliveredReply, is_watched, judge
from wx.simulator.world import World

APP_ID = "wx5a17c0de00000001"
ENVELOPE = Envelope(token=TOKEN, aes_key=AES_KEY, app_id=APP_ID)


@pytest.fixture
def world(clock):
    return World(clock, APP_ID, "secret", "demo")


class Account:
    """Answers pushes of wang."""

    def __init__(self, world):
        self.world, self.person = world, world.people["wang"]

    def body(self, kind="text", **fields):
        head = {
            "ToUserName": self.person.openid,
            "FromUserName": self.world.account_id,
            "CreateTime": 1800000000,
            "MsgType": kind,
        }
        return xml.write(
            {name: value for name, value in (head | fields).items() if value is not None}
        )

    def judge(self, body, *, envelope=None, sealed_only=False):
        return judge(body, self.person, self.world, envelope=envelope, sealed_only=sealed_only)


@pytest.fixture
def account(world):
    return Account(world)


def shown(verdict):
    return [(one.kind, one.text, one.parts) for one in verdict.messages]


@pytest.mark.parametrize("body", [b"", b"success"])
def test_success_and_nothing_are_silence(account, body):
    verdict = account.judge(body)
    assert verdict.silent and not verdict.messages


@pytest.mark.parametrize(
    ("kind", "fields", "parts"),
    [
        ("image", {"Image": {"MediaId": "m"}}, {"media_id": "m"}),
        ("voice", {"Voice": {"MediaId": "m"}}, {"media_id": "m"}),
        (
            "video",
            {"Video": {"MediaId": "m", "Title": "t"}},
            {"media_id": "m", "title": "t", "description": ""},
        ),
        (
            "music",
            {"Music": {"ThumbMediaId": "m", "Title": "t", "MusicUrl": "http://x/"}},
            {"title": "t", "description": "", "url": "http://x/", "hq_url": ""},
        ),
    ],
)
def test_each_kind_becomes_a_bubble(account, kind, fields, parts):
    [message] = account.judge(account.body(kind, **fields)).messages
    assert (message.kind, message.parts, message.mine) == (kind, parts, False)
    assert bool(message.picture) == (kind != "voice")


def test_a_text_keeps_its_lines_and_links(account):
    content = 'two\nlines <a href="http://127.0.0.1/">x</a>'
    assert shown(account.judge(account.body(Content=content))) == [("text", content, {})]


def test_a_picture_that_the_person_sent_is_shown_again(account, world):
    world.pictures["m"] = "/static/mine.svg"
    [message] = account.judge(account.body("image", Image={"MediaId": "m"})).messages
    assert message.picture == "/static/mine.svg"


def test_articles_are_a_bubble_each(account):
    item = {"Title": "a", "Description": "b", "PicUrl": "http://x/p", "Url": "http://x/"}
    parts = {"title": "a", "description": "b", "picture": "http://x/p", "url": "http://x/"}
    one = account.body("news", ArticleCount=1, Articles={"item": item})
    assert shown(account.judge(one)) == [("news", "", parts)]
    two = account.body("news", ArticleCount=2, Articles={"item": [item, item]})
    assert shown(account.judge(two)) == [("news", "", parts)] * 2


def test_a_person_can_be_handed_over_to_people(account):
    for more in ({}, {"TransInfo": {"KfAccount": "a@b"}}):
        verdict = account.judge(account.body("transfer_customer_service", **more))
        assert not verdict.silent and not verdict.messages


@pytest.mark.parametrize(
    "body",
    [
        b"SUCCESS",
        b"success\n",
        b" ",
        b"{}",
        b"<html></html>",
        b"<xml></xml>",
        b"<xml><ToUserName>x</xml>",
        b"\xff\xfe",
    ],
)
def test_anything_else_is_broken(account, body):
    with pytest.raises(BrokenReply):
        account.judge(body)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("text", {}),
        ("text", {"Content": ""}),
        ("text", {"Content": "x", "CreateTime": "now"}),
        ("text", {"Content": "x", "CreateTime": None}),
        ("text", {"Content": "x", "ToUserName": None}),
        ("Text", {"Content": "x"}),
        ("telepathy", {"Content": "x"}),
        ("image", {}),
        ("image", {"MediaId": "m"}),
        ("image", {"Image": {"MediaId": ""}}),
        ("voice", {"Image": {"MediaId": "m"}}),
        ("video", {"Video": {"Title": "t"}}),
        ("music", {"Music": {"Title": "t"}}),
        ("news", {"ArticleCount": 1}),
        ("news", {"ArticleCount": 2, "Articles": {"item": {"Title": "a"}}}),
        ("news", {"ArticleCount": 1, "Articles": {"item": {"Description": "a"}}}),
        ("news", {"ArticleCount": 1, "Articles": {"item": "x"}}),
        ("news", {"ArticleCount": 9, "Articles": {"item": [{"Title": "a"}] * 9}}),
        ("transfer_customer_service", {"TransInfo": {"KfAccount": ""}}),
    ],
)
def test_a_reply_without_its_parts_is_broken(account, kind, fields):
    with pytest.raises(BrokenReply):
        account.judge(account.body(kind, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"ToUserName": "o-somebody"},
        {"FromUserName": "gh_000000000000"},
        {"Content": "字" * 683},
    ],
)
def test_some_replies_vanish(account, fields):
    with pytest.raises(UndeliveredReply):
        account.judge(account.body(**{"Content": "x"} | fields))
    account.judge(account.body(Content="字" * 682))


# Sealed


def seal(message, **change):
    fields = xml.read(ENVELOPE.seal(message, timestamp=1800000000, nonce="n", salt=bytes(16)))
    return xml.write(fields | change)


def test_a_sealed_reply_is_opened(account):
    body = seal(account.body(Content="x"))
    for sealed_only in (True, False):
        verdict = account.judge(body, envelope=ENVELOPE, sealed_only=sealed_only)
        assert shown(verdict) == [("text", "x", {})]


def test_safe_mode_takes_content_only_sealed_and_plain_mode_only_plain(account):
    plain = account.body(Content="x")
    with pytest.raises(BrokenReply, match="not sealed"):
        account.judge(plain, envelope=ENVELOPE, sealed_only=True)
    assert account.judge(b"success", envelope=ENVELOPE, sealed_only=True).silent
    assert account.judge(plain, envelope=ENVELOPE).messages
    with pytest.raises(BrokenReply):
        account.judge(seal(plain))


@pytest.mark.parametrize(
    "change",
    [
        {"MsgSignature": "0" * 40},
        {"MsgSignature": ""},
        {"TimeStamp": "1800000001"},
        {"TimeStamp": "now"},
        {"Nonce": "m"},
        {"Nonce": ""},
        {"Encrypt": "AAAA"},
    ],
)
def test_a_seal_that_was_touched_is_broken(account, change):
    with pytest.raises(BrokenReply):
        account.judge(seal(account.body(Content="x"), **change), envelope=ENVELOPE)


def test_a_seal_of_another_account_or_around_no_reply_is_broken(account):
    other = Envelope(token=TOKEN, aes_key=AES_KEY, app_id="wx0000000000000000")
    body = other.seal(account.body(Content="x"), timestamp=1, nonce="n", salt=bytes(16))
    for bad in (body, seal(b"success"), seal(b"{}")):
        with pytest.raises(BrokenReply):
            account.judge(bad, envelope=ENVELOPE)


@pytest.mark.parametrize(
    ("event", "watched"),
    [
        ("subscribe", True),
        ("SCAN", True),
        ("CLICK", True),
        ("unsubscribe", False),
        ("VIEW", False),
        ("subscribe_msg_sent_event", False),
        ("subscribe_msg_popup_event", False),
        ("subscribe_msg_change_event", False),
    ],
)
def test_somebody_waits_for_some_answers(event, watched):
    assert is_watched({"MsgType": "event", "Event": event}) is watched
    assert is_watched({"MsgType": "location"})
