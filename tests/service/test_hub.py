"""Who waits for what, and how many may."""

import pytest

from wx.errors import Refused
from wx.service.hub import DESK, PER_ADDRESS, PER_KEY, Hub


class Ear:
    """A listener that writes down what it is told."""

    def __init__(
        self,
        topic: str = "t",
        key: bytes = b"s",
        peer: str = "192.0.2.1",
        kind: str = "session",
    ) -> None:
        self.topic = topic
        self.kind = kind
        self.key = key
        self.peer = peer
        self.heard: list[str] = []

    def changed(self, news: object = None) -> None:
        self.heard.append("changed" if news is None else f"news {news}")

    def ended(self) -> None:
        self.heard.append("ended")

    def shut_down(self) -> None:
        self.heard.append("shut down")


def join(hub: Hub, *ears: Ear) -> None:
    for ear in ears:
        hub.join(ear)


def test_news_goes_along_with_a_change() -> None:
    hub, ear = Hub(limit=10), Ear("t")
    join(hub, ear)
    hub.publish("t", "bound")
    assert ear.heard == ["news bound"]


def test_a_change_reaches_those_who_wait_for_it_and_nobody_else() -> None:
    hub = Hub(limit=10)
    one, two, other = Ear("t"), Ear("t"), Ear("u")
    join(hub, one, two, other)
    hub.publish("t")
    hub.publish("nobody's")
    assert (one.heard, two.heard, other.heard) == (["changed"], ["changed"], [])


def test_the_end_of_a_session_reaches_its_listeners_only() -> None:
    hub = Hub(limit=10)
    mine, too, other = Ear(key=b"a"), Ear("u", key=b"a"), Ear(key=b"b")
    join(hub, mine, too, other)
    hub.end([b"a", b"nobody"])
    assert (mine.heard, too.heard, other.heard) == (["ended"], ["ended"], [])


def test_everybody_is_told_that_the_server_stops_also_when_they_leave_at_once() -> None:
    hub = Hub(limit=10)

    class Leaving(Ear):
        def shut_down(self) -> None:
            super().shut_down()
            hub.leave(self)

    ears = [Leaving(f"t{number % 2}", bytes([number])) for number in range(6)]
    join(hub, *ears)
    hub.shut_down()
    assert all(ear.heard == ["shut down"] for ear in ears)
    assert len(hub) == 0


def test_the_sixth_of_a_session_is_refused_until_one_leaves() -> None:
    hub = Hub(limit=100)
    ears = [Ear(f"t{number}", peer=f"192.0.2.{number}") for number in range(PER_KEY)]
    for ear in ears:
        hub.admit(key=ear.key, address=ear.peer, near=False)
        hub.join(ear)
    with pytest.raises(Refused) as refusal:
        hub.admit(key=b"s", address="192.0.2.99", near=False)
    assert refusal.value.status == 429 and refusal.value.retry_after
    hub.admit(key=b"another", address="192.0.2.99", near=False)
    hub.leave(ears[0])
    hub.admit(key=b"s", address="192.0.2.99", near=False)


def test_the_twenty_first_of_an_address_is_refused_unless_it_is_this_machine() -> None:
    hub = Hub(limit=100)
    join(hub, *(Ear(key=bytes([number])) for number in range(PER_ADDRESS)))
    with pytest.raises(Refused) as refusal:
        hub.admit(key=b"new", address="192.0.2.1", near=False)
    assert refusal.value.status == 429
    hub.admit(key=b"new", address="192.0.2.2", near=False)
    hub.admit(key=b"new", address="192.0.2.1", near=True)


def test_the_addresses_of_one_line_are_one_address() -> None:
    hub = Hub(limit=100)
    ears = [Ear(key=bytes([one]), peer=f"2001:db8::{one}") for one in range(PER_ADDRESS)]
    join(hub, *ears)
    with pytest.raises(Refused) as refusal:
        hub.admit(key=b"new", address="2001:db8::ffff", near=False)
    assert refusal.value.status == 429
    hub.admit(key=b"new", address="2001:db8:0:1::1", near=False)
    hub.leave(ears[0])
    hub.admit(key=b"new", address="2001:db8::ffff", near=False)


def test_strangers_take_half_of_all_places_at_most() -> None:
    hub = Hub(limit=6)
    strangers = [Ear(key=bytes([one]), peer=f"192.0.2.{one}", kind=DESK) for one in range(3)]
    join(hub, *strangers)
    with pytest.raises(Refused) as refusal:
        hub.admit(key=b"new", address="192.0.2.9", near=False, kind=DESK)
    assert refusal.value.status == 503 and refusal.value.retry_after
    hub.admit(key=b"new", address="192.0.2.9", near=False)
    join(hub, Ear(key=b"x", peer="192.0.2.9"))
    hub.leave(strangers[0])
    hub.admit(key=b"new", address="192.0.2.9", near=False, kind=DESK)


def test_what_is_waited_for_is_told_by_the_kind_of_those_who_wait() -> None:
    hub = Hub(limit=10)
    join(hub, Ear("t"), Ear("u", key=b"a", kind=DESK), Ear("u", key=b"b", kind=DESK))
    assert (hub.topics(DESK), hub.topics("session"), hub.topics("view")) == (["u"], ["t"], [])


def test_one_more_than_all_is_refused_as_busy() -> None:
    hub = Hub(limit=2)
    join(hub, Ear(key=b"a"), Ear(key=b"b"))
    with pytest.raises(Refused) as refusal:
        hub.admit(key=b"c", address="192.0.2.9", near=False)
    assert refusal.value.status == 503 and refusal.value.retry_after


def test_those_who_leave_leave_nothing_behind_also_when_they_leave_twice() -> None:
    hub = Hub(limit=10)
    ears = [Ear(f"t{number}", bytes([number])) for number in range(5)]
    join(hub, *ears)
    for ear in [*ears, *ears]:
        hub.leave(ear)
    assert len(hub) == 0
    assert hub.keys("session") == []
    assert not (hub._topics or hub._keys or hub._places or hub._kinds)


def test_what_lets_people_in_is_told_by_its_kind() -> None:
    hub = Hub(limit=10)
    join(hub, Ear(key=b"a"), Ear("u", key=b"a"), Ear(key=b"b", kind="view"), Ear(key=b"c"))
    assert sorted(hub.keys("session")) == [b"a", b"c"]
    assert hub.keys("view") == [b"b"]
    assert hub.keys("desk") == []


def test_whoever_leaves_hears_nothing_more() -> None:
    hub = Hub(limit=10)
    ear = Ear()
    hub.join(ear)
    hub.leave(ear)
    hub.publish("t")
    hub.end([b"s"])
    hub.shut_down()
    assert ear.heard == []
