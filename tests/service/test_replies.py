"""Replies: the built-in words, and the operator's rules."""

import re
import sqlite3
import time
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service.steps import bindings, history
from tests.world import World

INFO = "/cgi-bin/user/info"
NOTHING = "replies = []\n"
ECHO = '[[replies]]\non = "text"\nreply = "echo {Content}"\n'


async def says(world: World, text: str, person: str = "wang", **fields: Any) -> str:
    """The text that a text is answered with, "" for silence."""
    return str((await world.answer(world.text(text, person, **fields))).get("Content", ""))


async def taps(world: World, key: str, person: str = "wang") -> str:
    """What a button of the menu is answered with."""
    world.clock.advance(1)
    answered = await world.answer(world.event("CLICK", person, EventKey=key))
    return str(answered.get("Content", ""))


# Words


@pytest.mark.gen_test(timeout=20)
async def test_who_is_not_bound_is_told_so_in_the_language_of_the_word(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    world.simulator.faults.answer(INFO, errcode=48001, times=None)
    link = f'<a href="{world.base}/enter">%s</a>'
    for word in ("绑定", " 绑定\n"):
        assert await says(world, word) == (
            f"登录 Example，把这个微信绑定到你的账号：\n{link % '绑定这个微信'}"
        )
    for word in ("bind", "BIND", " Bind "):
        assert await says(world, word) == (
            f"Log in to Example, and bind this WeChat to your account:\n{link % 'Bind this WeChat'}"
        )
    for word in ("状态", "status"):
        told = await says(world, word)
        assert ("Send “bind”" if word == "status" else "发送“绑定”") in told and "Example" in told
    for word in ("解绑", "解除绑定", "unbind", "UnBind"):
        told = await says(world, word)
        assert told == (
            "This WeChat is bound to no account of Example."
            if word.isascii()
            else "这个微信没有绑定 Example 的账号。"
        )
        assert (await says(world, "是")) == "echo 是", "there was no question"


@pytest.mark.gen_test(timeout=20)
async def test_who_is_bound_is_told_to_which_account_and_since_when(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.bound()
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(world.clock.now()))
    world.clock.advance(7200)
    told = await says(world, "状态")
    assert told == f"这个微信绑定的是 Example 的账号 ann，绑定于 {since}。"
    told = await says(world, "绑定")
    assert "ann" in told and "解绑" in told and "<a" not in told
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_the_language_of_their_wechat_counts_once_it_is_known(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    people = world.simulator.world.people
    people["zhang"].following = True
    assert "这个微信" in await says(world, "状态", "zhang")
    await world.rest()
    assert await says(world, "状态", "zhang") == (
        "This WeChat is bound to no account of Example. Send “bind” to bind it."
    )
    assert "This WeChat" in await says(world, "status", "wang")
    await world.rest()
    assert "这个微信" in await says(world, "status", "wang")
    await world.rest()
    await world.restart_server()
    assert "这个微信" in await says(world, "status", "wang")
    await world.rest()
    assert world.simulator.calls[INFO] == 2, "it is asked for once"


@pytest.mark.gen_test(timeout=20)
async def test_unbinding_asks_first_and_takes_a_yes_within_five_minutes(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    for number, yes in enumerate(("是", " 好的 ", "YES", "ok", "确定", "Y")):
        await world.bound()
        question = await says(world, "解绑")
        assert "ann" in question and "Example" in question
        tap = re.search(r'<a href="weixin://bizmsgmenu\?msgmenucontent=(.*?)&msgmenuid=', question)
        assert tap and tap[1] == "是"
        assert bindings(world) == [("ann", "wang")], "asking does nothing"
        world.clock.advance(300 if number else 0)
        told = await says(world, yes)
        assert "ann" in told and "echo" not in told
        assert bindings(world) == [], yes
        assert history(world)[-1] == ("ended", "chat", "the phone")
        assert (await says(world, "是")) == "echo 是", "the question is answered"
    (row,) = world.rows("SELECT unbind_asked_at FROM followers")
    assert row["unbind_asked_at"] is None


@pytest.mark.gen_test(timeout=20)
async def test_all_of_it_goes_in_english_too(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.simulator.phone("zhang").follow()
    await world.rest()
    await world.bound("ann", "zhang")
    assert (await says(world, "状态", "zhang")).startswith(
        "This WeChat is bound to account ann of Example, since 2027-"
    )
    assert await says(world, "bind", "zhang") == (
        "This WeChat is bound to account ann of Example. Send “unbind” to end it."
    )
    question = await says(world, "unbind", "zhang")
    assert question.startswith("Unbind this WeChat from account ann of Example?")
    assert "msgmenucontent=yes&" in question and ">yes</a>" in question
    assert await says(world, "yes", "zhang") == "Unbound from account ann of Example."
    assert bindings(world) == []
    assert (await says(world, "unbind", "zhang")).startswith("This WeChat is bound to no account")


@pytest.mark.gen_test(timeout=20)
async def test_a_tap_on_the_yes_counts_like_the_word(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.bound()
    await says(world, "解绑")
    assert "ann" in await says(world, "是", bizmsgmenuid="unbind")
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_no_anything_else_or_a_late_yes_unbinds_nobody(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.bound()
    for other in ("不", "no", "否", "hello", "yes please", "是吗", "状态", "绑定"):
        await says(world, "解绑")
        await says(world, other)
        assert (await says(world, "是")) == "echo 是", other
    await says(world, "解绑")
    world.clock.advance(301)
    assert (await says(world, "是")) == "echo 是"
    await says(world, "解绑")
    world.clock.advance(301)
    for word in ("解绑", "unbind", "解除绑定"):
        assert "weixin://" in await says(world, word), "it is asked again, not done"
        assert bindings(world) == [("ann", "wang")]
    assert "ann" in await says(world, "好的")
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_button_is_no_yes_and_takes_the_question_back_unless_it_asks_it_again(
    world: World,
) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.bound()
    for key in ("是", "ok", "yes", "other", "status", "bind"):
        await says(world, "解绑")
        await taps(world, key)
        assert bindings(world) == [("ann", "wang")], key
        assert (await says(world, "是")) == "echo 是", key
    assert "weixin://" in await taps(world, "unbind")
    assert "weixin://" in await taps(world, "unbind"), "it asks again"
    assert bindings(world) == [("ann", "wang")]
    assert "ann" in await says(world, "是")
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_the_key_of_a_button_says_nothing_of_a_language(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    world.simulator.faults.answer(INFO, errcode=48001, times=None)
    assert "没有绑定" in await taps(world, "status")
    assert "no account" in await says(world, "status")


@pytest.mark.gen_test(timeout=20)
async def test_an_unbinding_that_is_not_kept_is_not_written_down(
    world: World, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.bound()
    await says(world, "解绑")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("wx.store.inbox.add_all", full)
        assert (await world.send(world.text("是"))).code >= 500
    assert not [line for line in ear.lines if "ended" in line]
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_a_picture_in_between_is_no_answer_to_the_question(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.bound()
    await says(world, "解绑")
    for post in (
        world.text(MsgType="image", Content=None, MediaId="m"),
        world.event("VIEW", EventKey="https://example.com/"),
        world.event("LOCATION", Latitude="1", Longitude="2"),
    ):
        assert (await world.send(post)).code == 200
    assert "ann" in await says(world, "是")
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_the_yes_of_one_person_unbinds_no_other(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.bound("ann", "wang")
    await world.bound("bob", "li")
    await says(world, "解绑", "wang")
    assert (await says(world, "是", "li")) == "echo 是"
    assert bindings(world) == [("ann", "wang"), ("bob", "li")]
    await says(world, "是", "wang")
    assert bindings(world) == [("bob", "li")]


@pytest.mark.gen_test(timeout=20)
async def test_who_was_unbound_meanwhile_is_told_so_by_their_yes(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    desktop = await world.bound()
    await says(world, "解绑")
    await desktop.post("/bind/remove")
    assert "没有绑定" in await says(world, "是")
    assert history(world)[-1] == ("ended", "page", "ann")


@pytest.mark.gen_test(timeout=20)
async def test_a_name_that_looks_like_a_placeholder_stays_a_name(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth", site_name="50% {secret} %s")
    await world.bound()
    for word in ("状态", "绑定", "解绑", "是"):
        assert "50% {secret} %s" in await says(world, word)


@pytest.mark.gen_test(timeout=20)
async def test_a_button_with_a_word_for_its_key_does_what_the_word_does(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    await world.bound()
    assert "ann" in await taps(world, "status")
    assert "ann" in await taps(world, "绑定")
    assert "weixin://" in await taps(world, "UNBIND")
    assert "ann" in await says(world, "是")
    assert bindings(world) == []
    assert await taps(world, "other") == ""
    scanned = world.event(
        "scancode_waitmsg", EventKey="status", ScanCodeInfo={"ScanType": "qrcode", "ScanResult": ""}
    )
    assert "没有绑定" in str((await world.answer(scanned))["Content"])


@pytest.mark.gen_test(timeout=20)
async def test_a_button_s_rule_goes_before_the_word_and_a_text_s_does_not(world: World) -> None:
    rules = """
[[replies]]
on = "click:status"
reply = "by rule"
[[replies]]
on = "any"
match = ""
reply = "any"
""".replace('match = ""\n', "")
    await world.open_webhook(rules=rules, bind_route="oauth")
    assert await taps(world, "status") == "by rule"
    info = {"ScanType": "qrcode", "ScanResult": "x"}
    scanner = world.event("scancode_push", EventKey="status", ScanCodeInfo=info)
    assert (await world.answer(scanner))["Content"] == "by rule", "a scanner is a button too"
    assert "/enter" in await taps(world, "bind"), "what fits anything silences no word"
    assert await taps(world, "other") == "any"
    assert "没有绑定" in await says(world, "状态")
    assert await says(world, "hello") == "any"


# Rules

RULES = """
[[replies]]
on = "text"
match = "first|FIRST"
reply = "1"
[[replies]]
on = "text"
match = "f.*|多行.*"
reply = "2 {Content}"
[[replies]]
on = "voice"
match = "营业时间。?"
reply = "3"
[[replies]]
on = "voice"
reply = "4 {Recognition}"
[[replies]]
on = "image"
reply = "5 {MediaId}"
[[replies]]
on = "video"
reply = "6"
[[replies]]
on = "location"
reply = "7 {Label} {Location_X}"
[[replies]]
on = "link"
reply = "8 {Url}"
[[replies]]
on = "file"
reply = "9 {Title}"
[[replies]]
on = "click:HOURS"
reply = "10"
[[replies]]
on = "scan"
match = 'desk_\\d+'
reply = "11 {EventKey}"
[[replies]]
on = "subscribe"
reply = "12"
[[replies]]
on = "text"
match = "quiet"
reply = ""
[[replies]]
on = "any"
reply = "13 {MsgType}"
"""


@pytest.mark.gen_test(timeout=20)
async def test_the_first_rule_that_fits_answers(world: World) -> None:
    await world.open_webhook(rules=RULES, bind_route="oauth")

    def message(kind: str, **fields: Any) -> bytes:
        return world.text(MsgType=kind, Content=None, **fields)

    place = {"Location_X": "22.54", "Location_Y": "113.9", "Scale": "16", "Label": "深圳"}
    scan = {"EventKey": "desk_7", "Ticket": "gQx"}
    for post, expected in (
        (world.text("first"), "1"),
        (world.text("First"), "1"),
        (world.text("first one"), "2 first one"),
        (world.text("多行\n多行"), "2 多行\n多行"),
        (world.text("a first"), "13 text"),
        (world.text("quiet"), ""),
        (message("voice", MediaId="m", Recognition="营业时间。"), "3"),
        (message("voice", MediaId="m", Recognition="你好"), "4 你好"),
        (message("voice", MediaId="m"), "4 "),
        (message("image", MediaId="m1", PicUrl="http://x"), "5 m1"),
        (message("video", MediaId="m", ThumbMediaId="t"), "6"),
        (message("shortvideo", MediaId="m", ThumbMediaId="t"), "6"),
        (message("location", **place), "7 深圳 22.54"),
        (message("link", Url="https://a.example/?a=1", Title="t"), "8 https://a.example/?a=1"),
        (message("file", Title="a.pdf"), "9 a.pdf"),
        (world.event("CLICK", EventKey="HOURS"), "10"),
        (world.event("CLICK", EventKey="hours"), "13 event"),
        (world.event("SCAN", **scan), "11 desk_7"),
        (world.event("SCAN", **scan | {"EventKey": "desk_x"}), "13 event"),
        (world.event("subscribe", person="li"), "12"),
        (world.event("subscribe", person="zhang", EventKey="qrscene_desk_7"), "12"),
    ):
        found = await world.answer(post)
        assert str(found.get("Content", "")) == expected
        if expected:
            assert found["FromUserName"] == world.simulator.world.account_id
            assert found["ToUserName"] == xml_sender(post)
            assert found["CreateTime"] == str(int(world.clock.now()))


def xml_sender(post: bytes) -> str:
    found = re.search(rb"<FromUserName><!\[CDATA\[(.*?)\]\]>", post)
    assert found
    return found[1].decode()


@pytest.mark.gen_test(timeout=20)
async def test_nobody_is_answered_where_no_answer_can_be_seen(world: World) -> None:
    await world.open_webhook(rules='[[replies]]\non = "any"\nreply = "any"\n', bind_route="oauth")
    pictures = {"Count": 1, "PicList": {"item": {"PicMd5Sum": "0" * 32}}}
    place = {"Location_X": "1", "Location_Y": "2"}
    for post in (
        world.event("VIEW", EventKey="https://example.com/"),
        world.event("view_miniprogram", EventKey="pages/index"),
        world.event("LOCATION", Latitude="1", Longitude="2"),
        world.event("pic_weixin", EventKey="k", SendPicsInfo=pictures),
        world.event("location_select", EventKey="k", SendLocationInfo=place),
        world.event("TEMPLATESENDJOBFINISH", MsgID="1", Status="success"),
        world.event("kf_create_session", KfAccount="a"),
        world.event("card_pass_check"),
        world.text(MsgType="hologram", Content=None),
        world.event("unsubscribe"),
    ):
        assert (await world.send(post)).body == b"success"
    assert await says(world, "hello") == "any"


@pytest.mark.gen_test(timeout=20)
async def test_an_answer_is_cut_where_the_platform_would_drop_it(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    long = await says(world, "长" * 3000)
    assert 2040 < len(long.encode()) <= 2048 and long.endswith("长…")


@pytest.mark.gen_test(timeout=20)
async def test_a_rule_in_two_languages_speaks_the_follower_s_and_asks_for_it(
    world: World,
) -> None:
    rules = '[[replies]]\non = "text"\nreply = { zh = "你好", en = "hello" }\n'
    await world.open_webhook(rules=rules + ECHO, bind_route="oauth")
    world.simulator.world.people["zhang"].following = True
    assert await says(world, "hi", "zhang") == "你好", "while nothing is known"
    await world.rest()
    assert await says(world, "hi", "zhang") == "hello"
    await world.rest()
    assert world.simulator.calls[INFO] == 1


@pytest.mark.gen_test(timeout=20)
async def test_where_the_platform_tells_nothing_it_is_asked_once(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    world.simulator.faults.answer(INFO, errcode=-1, times=None)
    for _ in range(3):
        await says(world, "status")
        await world.rest()
    assert world.simulator.calls[INFO] == 1


@pytest.mark.gen_test(timeout=20)
async def test_an_account_without_the_right_to_know_its_followers_asks_no_more(
    world: World,
) -> None:
    await world.open_webhook(bind_route="oauth")
    world.simulator.faults.answer(INFO, errcode=48001, times=None)
    for person in ("wang", "zhang"):
        world.simulator.world.people[person].following = True
        await says(world, "status", person)
        await world.rest()
    assert world.simulator.calls[INFO] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_rule_in_one_language_needs_to_know_none(world: World) -> None:
    await world.open_webhook(rules=ECHO, bind_route="oauth")
    assert await says(world, "hi") == "echo hi"
    await world.rest()
    assert world.simulator.calls[INFO] == 0


TYPES = """
[[replies]]
on = "text"
match = "text"
reply = { type = "text", content = "a <b>{Content}</b> & ]]> 🌻" }
[[replies]]
on = "text"
match = "image"
reply = { type = "image", media_id = "m_image" }
[[replies]]
on = "text"
match = "voice"
reply = { type = "voice", media_id = "m_voice" }
[[replies]]
on = "text"
match = "video"
reply = { type = "video", media_id = "m_video", title = "t {Content}", description = "d" }
[[replies]]
on = "text"
match = "music"
[replies.reply]
type = "music"
title = "t"
description = "d"
url = "https://example.com/a.mp3"
hq_url = "https://example.com/b.mp3"
thumb_media_id = "m_thumb"
[[replies]]
on = "text"
match = "news .*"
[replies.reply]
type = "news"
title = "About {Content}"
description = "d"
picture = "https://example.com/p.jpg"
url = "https://example.com/?q={Content}"
[[replies]]
on = "text"
match = "people"
reply = { type = "transfer", account = "kf1@test" }
[[replies]]
on = "text"
match = "anybody"
reply = { type = "transfer" }
[[replies]]
on = "text"
match = "quiet"
reply = ""
"""


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
async def test_every_type_of_answer_reaches_the_chat(world: World, mode: str) -> None:
    await world.open_webhook(mode, rules=TYPES, bind_route="oauth")

    async def shown(text: str) -> tuple[str, str, dict[str, str]]:
        (message,) = await world.said("wang", text)
        return message.kind, message.text, message.parts

    assert await shown("text") == ("text", "a <b>text</b> & ]]> 🌻", {})
    assert await shown("image") == ("image", "", {"media_id": "m_image"})
    assert await shown("voice") == ("voice", "", {"media_id": "m_voice"})
    video = {"media_id": "m_video", "title": "t video", "description": "d"}
    assert await shown("video") == ("video", "", video)
    kind, _, parts = await shown("music")
    assert (kind, parts["title"], parts["url"], parts["hq_url"]) == (
        "music", "t", "https://example.com/a.mp3", "https://example.com/b.mp3",
    )  # fmt: skip
    kind, _, parts = await shown("news a&b?")
    assert (kind, parts["title"]) == ("news", "About news a&b?")
    assert parts["url"] == "https://example.com/?q=news%20a%26b%3F"
    for text in ("people", "anybody", "quiet", "none of them"):
        assert await world.said("wang", text) == []
    outcomes = [one.outcome for one in world.simulator.deliveries]
    assert outcomes == ["answered"] * 8 + ["silent"] * 2
    assert [one.reason for one in world.simulator.deliveries] == [""] * 10


@pytest.mark.gen_test(timeout=20)
async def test_without_rules_only_the_words_are_answered(world: World) -> None:
    await world.open_webhook("safe", rules=NOTHING, bind_route="oauth")
    assert await world.said("wang", "hello") == []
    (answer,) = await world.said("wang", "状态")
    assert "没有绑定" in answer.text
    assert world.simulator.deliveries[0].outcome == "silent"


@pytest.mark.gen_test(timeout=20)
async def test_the_rules_that_are_built_in_answer_what_people_send(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    assert [one.text for one in await world.said("wang", "hello")] == ["hello"]
    phone = world.simulator.phone("wang")
    for kind in ("image", "video", "location", "link"):
        (message,) = await world.shown("wang", phone.send(kind))
        assert message.text, kind
    (welcome,) = await world.shown("li", world.simulator.phone("li").follow())
    assert "绑定" in welcome.text
