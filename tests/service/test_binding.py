"""Bindings: replacing, unbinding, restoring, undoing, and what is told of it."""

import pytest

from tests.service.steps import TEMPLATE, bindings, callback, history, undo_link
from tests.world import PASSWORD, World


@pytest.mark.gen_test(timeout=20)
async def test_replacing_takes_the_password_and_tells_both_people(world: World) -> None:
    desktop = await world.bound("ann", "wang")
    await world.simulator.phone("li").follow()
    await world.told("wang")
    invite = await desktop.invite(password=PASSWORD)
    assert bindings(world) == [("ann", "wang")], "it stays until the new one is confirmed"
    assert (await world.simulator.phone("li").bind(invite["url"])).status == 200
    assert bindings(world) == [("ann", "li")]
    assert history(world) == [
        ("bound", "oauth", "ann"),
        ("ended", "replaced", "ann"),
        ("bound", "oauth", "ann"),
    ]
    assert len(await world.told("li")) == 1
    assert len(await world.told("wang", 2)) == 2


@pytest.mark.gen_test(timeout=20)
async def test_whoever_was_replaced_gets_no_right_to_undo_the_new_binding(world: World) -> None:
    desktop = await world.signed_in("ann")
    phone, address = await callback(world, await desktop.invite(), "wang")
    first = await undo_link(world, await phone.open(address))
    invite = await desktop.invite(password=PASSWORD)
    await world.simulator.phone("li").bind(invite["url"])
    again = await phone.open(address)
    assert "/undo/" not in again.text
    assert (await phone.open(first)).status == 410
    assert bindings(world) == [("ann", "li")]


@pytest.mark.gen_test(timeout=20)
async def test_an_unbinding_is_told_and_can_be_restored_within_a_day(world: World) -> None:
    desktop = await world.bound()
    await world.told("wang")
    assert (await desktop.post("/bind/remove")).code == 303
    assert bindings(world) == []
    told = await world.told("wang", 2)
    assert "/undo/" not in told[1].url, "whoever was unbound must not bind themselves again"
    assert "data-undo" in (await desktop.fetch("/bind")).body.decode()
    world.clock.advance(86399)
    assert (await desktop.post("/bind/restore")).code == 303
    assert bindings(world) == [("ann", "wang")]
    assert history(world) == [
        ("bound", "oauth", "ann"),
        ("ended", "page", "ann"),
        ("restored", "page", "ann"),
    ]
    assert len(await world.told("wang", 3)) == 3


@pytest.mark.gen_test(timeout=20)
async def test_after_a_day_an_unbinding_is_for_good(world: World) -> None:
    desktop = await world.bound()
    await desktop.post("/bind/remove")
    world.clock.advance(86401)
    assert (await desktop.post("/bind/restore", json_answer=True)).code == 410
    assert "data-undo" not in (await desktop.fetch("/bind")).body.decode()
    assert bindings(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_wechat_that_was_bound_elsewhere_meanwhile_is_not_restored(world: World) -> None:
    desktop = await world.bound("ann", "wang")
    await desktop.post("/bind/remove")
    await world.bound("bob", "wang")
    assert (await desktop.post("/bind/restore", json_answer=True)).code == 409
    assert bindings(world) == [("bob", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_the_undo_link_works_once_and_for_a_day(world: World) -> None:
    desktop = await world.signed_in()
    phone = world.simulator.phone("wang")
    link = await undo_link(world, await phone.bind((await desktop.invite())["url"]))
    question = await phone.open(link)
    assert question.status == 200 and "ann" in question.text
    assert bindings(world) == [("ann", "wang")], "a look does nothing"
    done = await phone.submit(question)
    assert done.status == 200
    assert bindings(world) == []
    assert history(world)[-1] == ("ended", "undo", "the phone")
    assert (await phone.open(link)).status == 410
    assert (await phone.submit(question)).status == 410
    assert (await desktop.post("/bind/restore", json_answer=True)).code == 410, "the phone said so"
    late = await undo_link(world, await phone.bind((await desktop.invite())["url"]))
    world.clock.advance(86401)
    assert (await phone.open(late)).status == 410
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_an_openid_is_forgotten_a_day_after_the_unbinding(world: World) -> None:
    desktop = await world.bound()
    openid = world.simulator.world.people["wang"].openid
    await desktop.post("/bind/remove")
    world.clock.advance(86399)
    await world.server.services.bindings.purge()
    assert world.rows("SELECT * FROM followers WHERE openid = ?", openid)
    world.clock.advance(2)
    await world.server.services.bindings.purge()
    (row,) = world.rows("SELECT * FROM followers")
    assert openid not in tuple(row) and row["nickname"] == row["avatar"] == row["unionid"] == ""
    assert world.rows("SELECT * FROM undos") == []


@pytest.mark.gen_test(timeout=20)
async def test_the_history_keeps_where_the_invite_was_made_and_no_whole_address(
    world: World,
) -> None:
    await world.bound()
    (row,) = world.rows("SELECT * FROM binding_events")
    assert (row["network"], row["browser"]) == ("127.0.0.0/24", "Chrome, Linux")
    assert row["at"] == world.clock.now()


@pytest.mark.gen_test(timeout=20)
async def test_a_notice_that_cannot_be_sent_does_not_stop_anything(world: World) -> None:
    world.simulator.faults.answer(TEMPLATE, errcode=43004, times=None)
    desktop = await world.bound()
    await world.simulator.called(TEMPLATE)
    assert (await desktop.post("/bind/remove")).code == 303
    await world.simulator.called(TEMPLATE, 2)
    assert bindings(world) == []


# What happens in the chat


@pytest.mark.gen_test(timeout=20)
async def test_a_binding_that_the_phone_ended_is_told_on_the_page_and_not_restored(
    world: World,
) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await world.said("wang", "解绑")
    await world.said("wang", "是")
    assert bindings(world) == []
    assert history(world)[-1] == ("ended", "chat", "the phone")
    page = (await desktop.fetch("/bind")).body.decode()
    assert "The binding was ended on the phone." in page and "/bind/restore" not in page
    assert (await desktop.post("/bind/restore", json_answer=True)).code == 410
    assert bindings(world) == []
    world.clock.advance(86400)
    assert "ended on the phone" not in (await desktop.fetch("/bind")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_whoever_has_left_is_told_nothing_and_stays_bound(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await world.told("wang")
    await world.simulator.phone("wang").unfollow()
    await world.simulator.pushes.settled()
    calls = world.simulator.calls[TEMPLATE]
    assert bindings(world) == [("ann", "wang")]
    assert (await desktop.post("/bind/remove")).code == 303
    assert (await desktop.post("/bind/restore")).code == 303
    await world.rest()
    assert world.simulator.calls[TEMPLATE] == calls
    assert bindings(world) == [("ann", "wang")]


@pytest.mark.gen_test(timeout=20)
async def test_who_left_and_came_back_is_told_again(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await world.told("wang")
    phone = world.simulator.phone("wang")
    await phone.unfollow()
    await phone.follow()
    await world.simulator.pushes.settled()
    chat = world.simulator.world.people["wang"].chat
    before = len(chat)
    await desktop.post("/bind/remove")
    await world.rest()
    assert [one.kind for one in chat[before:]] == ["template"]


@pytest.mark.gen_test(timeout=20)
async def test_who_follows_is_not_forgotten_though_the_binding_ended_long_ago(
    world: World,
) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound("ann", "wang")
    await world.said("wang", "hello")
    await desktop.post("/bind/remove")
    world.clock.advance(90000)
    await world.server.services.bindings.purge()
    openid = world.simulator.world.people["wang"].openid
    assert world.rows("SELECT * FROM followers WHERE openid = ?", openid)
    await world.simulator.phone("wang").unfollow()
    await world.simulator.pushes.settled()
    await world.server.services.bindings.purge()
    assert not world.rows("SELECT * FROM followers WHERE openid = ?", openid)
