"""Binding by the OAuth route, over real sockets, from login to the notice."""

import pytest

from tests.world import World


@pytest.mark.gen_test(timeout=30)
async def test_log_in_scan_bound_told(world: World) -> None:
    desktop = await world.signed_in("ann")
    page = await desktop.fetch("/bind")
    assert page.code == 200
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    assert (await socket.frame())["state"] == "waiting"
    phone = world.simulator.phone("wang")
    question = await phone.open(invite["url"])
    assert "ann" in question.text and "Example" in question.text
    assert invite["number"] in question.text
    assert (await socket.frame())["state"] == "scanned"
    consent = await phone.submit(question)
    done = await phone.agree(consent)
    assert done.status == 200, done.text
    frame = await socket.until("bound")
    assert frame["follower"]["nickname"] == phone.person.nickname
    assert phone.person.nickname in (await desktop.fetch("/bind")).body.decode()
    response = await desktop.post("/bind/test")
    assert response.code == 303, response.body
    assert any(message.kind == "template" for message in phone.person.chat)
