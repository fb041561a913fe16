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


def test_who_blocks_stays_and_unfollowing_ends_it(clock):
    world = make(clock)
    ear, wang, li = Ear(world), world.people["wang"], world.people["li"]
    world.say(wang, "hi")
    seen = []
    world.watchers.append(lambda person: seen.append(person.id))
    for _ in range(2):
        world.block(wang)
    assert wang.blocked and wang.following and not wang.allowances
    for _ in range(2):
        world.unblock(wang)
    assert not wang.blocked and not wang.allowances
    assert seen == ["wang"] * 2
    world.block(li)
    assert not li.blocked
    world.block(wang)
    world.unfollow(wang)
    world.follow(wang)
    assert not wang.blocked and wang.allowances["follow"].left == 3
    assert [told["Event"] for _, told in ear.heard[1:]] == ["unsubscribe", "subscribe"]


def test_a_crowd_is_added_quickly_and_found_at_once(clock):
    world = make(clock)
    seen = []
    world.watchers.append(lambda person: seen.append(person.id))
    people = [world.add_person(f"p{number}") for number in range(1000)]
    assert len({person.openid for person in people}) == 1000
    for person in (people[0], people[-1], world.people["li"]):
        assert world.by_openid(person.openid) is person
        assert len(person.openid) == 28
    last = world.add_person("one_more", following=False)
    assert world.by_openid(last.openid) is last and not last.following
    assert people[0].following and people[0].followed_at == clock.now() and not seen
    for wrong in ("wang", "", "a b", "王", "x" * 13):
        with pytest.raises(ValueError, match="nobody new"):
            world.add_person(wrong)
    assert world.by_openid([]) is None


def test_what_is_said_about_subscriptions_is_told(clock):
    world = make(clock)
    ear, li = Ear(world), world.people["li"]
    template, *_ = world.subscription_templates
    world.accept_subscription(li, template)
    world.accept_subscription(li, template)
    world.reject_subscription(li, template)
    assert li.subscriptions == {template: 2}
    for _ in range(2):
        world.withdraw_subscription(li, template)
    assert li.subscriptions == {}
    told = [
        (fields["Event"], next(iter(deep["List"] for deep in fields.values() if "List" in deep)))
        for _, fields in ear.heard
    ]
    answer = {"TemplateId": template, "PopupScene": "2"}
    yes, no = (
        answer | {"SubscribeStatusString": "accept"},
        answer | {"SubscribeStatusString": "reject"},
    )
    popup, change = "subscribe_msg_popup_event", "subscribe_msg_change_event"
    taken_back = {"TemplateId": template, "SubscribeStatusString": "reject"}
    assert told == [(popup, yes), (popup, yes), (popup, no), (change, taken_back)]
    for say in (world.accept_subscription, world.reject_subscription, world.withdraw_subscription):
        with pytest.raises(LookupError, match="no subscription"):
            say(li, "other")
