"""The account and its people."""

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
