"""How things stand, as JSON."""

import json

import pytest

from wx.simulator import state
from wx.simulator.world import Accepted, Message


@pytest.mark.gen_test
async def test_only_open_windows_are_told(simulator, clock):
    world, wang = simulator.world, simulator.world.people["wang"]
    world.say(wang, "hi")
    world.allow(wang, "click")
    clock.advance(59.5)
    told = state.person(wang, world)["windows"]
    assert told == {
        "message": {"left": 5, "seconds": 172740.5},
        "click": {"left": 3, "seconds": 0.5},
    }
    clock.advance(0.5)
    assert list(state.person(wang, world)["windows"]) == ["message"]


@pytest.mark.gen_test
async def test_a_double_is_one_client_message_id_twice_in_one_chat(simulator, clock):
    world = simulator.world
    wang, li = world.people["wang"], world.people["li"]

    def take(person, name, *, reached=True):
        message = Message("template", "", clock.now()) if reached else None
        world.accepted.append(
            Accepted(person, "template", clock.now(), client_msg_id=name, message=message)
        )

    for person, name in ((wang, "a"), (li, "a"), (wang, ""), (wang, "")):
        take(person, name)
    take(wang, "b", reached=False)
    take(wang, "b")
    assert state.counts(world)["doubled"] == 0
    for _ in range(2):
        take(wang, "a")
    counts = state.counts(world)
    assert counts["doubled"] == 2
    assert (counts["accepted"], counts["delivered"]) == ({"template": 8}, {"template": 7})


@pytest.mark.gen_test
async def test_a_message_that_was_taken_tells_all_of_itself(simulator, sender, clock):
    answer = await sender.template(client_msg_id="a", url="http://127.0.0.1/x")
    simulator.world.block(simulator.world.people["wang"])
    await sender.template()
    one, other = map(state.accepted, simulator.world.accepted)
    assert json.loads(json.dumps(one)) == {
        "person": "wang",
        "channel": "template",
        "outcome": "success",
        "msgid": str(answer["msgid"]),
        "client_msg_id": "a",
        "template_id": simulator.template_id,
        "at": clock.now(),
        "message": simulator.world.messages[0][1].id,
        "text": "",
        "fields": [["内容", "备份已完成"], ["时间", "09:30"]],
        "url": "http://127.0.0.1/x",
    }
    assert (other["outcome"], other["message"], other["fields"]) == ("failed:user block", None, [])
