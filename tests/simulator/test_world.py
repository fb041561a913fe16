"""The account and its people."""

import pytest

from wx.simulator.world import Message, World


def make(clock):
    return World(clock, "wx5a17c0de00000001", "secret", "demo")


def test_people_look_like_the_platforms(clock):
    people = make(clock).people.values()
    assert [person.id for person in people] == ["wang", "li", "zhang"]
    assert [person.following for person in people] == [True, False, False]
    for person in people:
        assert len(person.openid) == 28 and person.openid.startswith("o")
        assert len(person.unionid) == 28
    assert len({person.openid for person in people}) == 3


def test_two_worlds_share_nothing(clock):
    one, other = make(clock), make(clock)
    one.follow(one.people["li"])
    one.deliver(one.people["li"], Message("text", "x", 0))
    assert not other.people["li"].following and not other.people["li"].chat


def test_watchers_learn_of_each_change(clock):
    world = make(clock)
    seen = []
    world.watchers.append(lambda person: seen.append(person.id))
    li = world.people["li"]
    world.follow(li)
    world.follow(li)
    world.deliver(li, Message("text", "x", 0))
    world.read(li)
    world.read(li)
    world.unfollow(li)
    assert seen == ["li"] * 4


def test_a_person_is_found_by_openid(clock):
    world = make(clock)
    assert world.by_openid(world.people["li"].openid) is world.people["li"]
    assert world.by_openid("nobody") is None and world.by_openid(None) is None


# What people do is told to who listens


class Ear:
    """Hears each push; as (person, fields without the header)."""

    def __init__(self, world):
        self.world = world
        self.heard = []
        world.listeners.append(self.hear)

    def hear(self, person, fields):
        header = self.world.header(person)
        assert list(fields)[:3] == list(header)
        rest = {name: value for name, value in fields.items() if name not in header}
        self.heard.append((person.id, rest))


def test_following_and_leaving_are_told_once(clock):
    world = make(clock)
    ear, li = Ear(world), world.people["li"]
    for _ in range(2):
        world.follow(li)
    for _ in range(2):
        world.unfollow(li)
    event = {"MsgType": "event", "EventKey": ""}
    assert ear.heard == [
        ("li", event | {"Event": "subscribe"}),
        ("li", event | {"Event": "unsubscribe"}),
    ]


def test_a_message_is_a_bubble_and_a_push(clock):
    world = make(clock)
    ear, wang = Ear(world), world.people["wang"]
    world.base_url = "http://127.0.0.1:1"
    world.send(wang, "image", picture="/static/simulator/picture-cat.svg")
    [message] = wang.chat
    assert (message.kind, message.mine) == ("image", True)
    assert message.picture == "/static/simulator/picture-cat.svg"
    assert world.picture(message.parts["media_id"]) == message.picture
    [(_, told)] = ear.heard
    assert told["PicUrl"] == "http://127.0.0.1:1/static/simulator/picture-cat.svg"
    assert told["MediaId"] == message.parts["media_id"] and told["MsgId"] > 2**53
    assert wang.allowances["message"].left == 5
    world.send(wang, "voice", "words")
    assert wang.chat[1].text == ear.heard[1][1]["Recognition"] == "words"
    with pytest.raises(ValueError, match="sticker"):
        world.send(wang, "sticker")
    assert len(wang.chat) == 2


def test_who_does_not_follow_is_not_heard(clock):
    world = make(clock)
    ear, li = Ear(world), world.people["li"]
    world.say(li, "hello?")
    assert len(li.chat) == 1 and not ear.heard


def test_opening_the_chat_reads_it_and_may_report_the_place(clock):
    world = make(clock)
    ear, wang = Ear(world), world.people["wang"]
    world.deliver(wang, Message("text", "x", 0))
    world.enter(wang)
    assert wang.unread == 0 and not ear.heard
    world.reports_location = True
    for person in (wang, world.people["li"]):
        world.enter(person)
    [(name, told)] = ear.heard
    assert (name, told["Event"]) == ("wang", "LOCATION")
    assert set(told) == {"MsgType", "Event", "Latitude", "Longitude", "Precision"}


def test_people_have_a_language(clock):
    languages = [person.language for person in make(clock).people.values()]
    assert languages == ["zh_CN", "zh_CN", "en"]
