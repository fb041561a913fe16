"""The live socket: who may open it, what it says, how it ends."""

import asyncio
import json
import socket as sockets
import time
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from tests import processes
from tests.world import Desktop, Socket, World
from wx.service import outbox
from wx.service.invites import Invites
from wx.service.outbox import Draft
from wx.web import live, routes


async def refused(desktop: Desktop, invite: dict[str, Any], **headers: str) -> int:
    """The status that the upgrade is refused with."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(HTTPClientError) as error:
        await desktop.live(invite, headers=sent)
    return error.value.code


async def left(world: World, number: int) -> None:
    """Wait until no more than this many sockets are open."""
    hub = world.server.services.hub
    async with asyncio.timeout(5):
        # The server's side of a close has no event here.
        while len(hub) > number:  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.mark.gen_test(timeout=20)
async def test_the_upgrade_is_refused_with_a_real_status(world: World) -> None:
    desktop, other = await world.signed_in("ann"), await world.signed_in("bob")
    invite = await desktop.invite()
    assert await refused(desktop, invite, Origin="https://evil.example") == 403
    assert await refused(desktop, invite, Origin="null") == 403
    assert await refused(desktop, invite, Origin=world.base + ".evil.example") == 403
    assert await refused(desktop, invite, Origin=world.base.replace("http:", "https:")) == 403
    assert await refused(desktop, invite, Sec_Fetch_Site="cross-site") == 403
    assert await refused(desktop, invite, Sec_Fetch_Site="same-site") == 403
    assert await refused(desktop, invite, Sec_Fetch_Site="none") == 403
    assert await refused(desktop, invite, Host="evil.example") == 421
    assert await refused(world.desktop(), invite) == 403
    assert await refused(other, invite) == 404
    assert await refused(await world.signed_in("ann"), invite) == 404
    assert await refused(desktop, {"live": f"/live/{'x' * 22}"}) == 404
    assert len(world.server.services.hub) == 0
    opened = await desktop.live(invite, headers={"Sec-Fetch-Site": "same-origin"})
    assert await opened.frame()


@pytest.mark.gen_test(timeout=20)
async def test_a_socket_without_an_origin_is_refused(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    request = (
        f"GET {invite['live']} HTTP/1.1\r\nHost: 127.0.0.1:{world.server.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Cookie: session={desktop.cookies['session']}\r\n"
    )
    for more, status in (("", b"403"), (f"Origin: {world.base}\r\n", b"101")):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
        writer.write((request + more + "\r\n").encode())
        assert (await reader.readline()).split()[1] == status
        writer.close()
        await writer.wait_closed()


@pytest.mark.gen_test(timeout=20)
async def test_the_first_frame_is_the_present_state_also_after_a_scan(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    assert (await (await desktop.live(invite)).frame() or {})["state"] == "waiting"
    phone = world.simulator.phone("wang")
    question = await phone.open(invite["url"])
    world.clock.advance(17)
    frame = await (await desktop.live(invite)).frame()
    assert frame == {
        "state": "scanned",
        "expires_in": 583,
        "number": invite["number"],
        "follower": None,
        "message": "Scanned. Please confirm on your phone.",
        "confirm": False,
    }
    await phone.agree(await phone.submit(question))
    last = await (await desktop.live(invite)).frame() or {}
    assert last["state"] == "bound"
    avatar = f"{world.simulator.base_url}/avatar/wang.svg"
    assert last["follower"] == {"nickname": "王小明🌻", "avatar": avatar}
    assert (await desktop.state(invite)) == last, "polling says the same"


@pytest.mark.gen_test(timeout=20)
async def test_the_sentence_is_in_the_language_of_the_one_who_waits(world: World) -> None:
    desktop = await world.signed_in(language="zh-CN")
    frame = await (await desktop.live(await desktop.invite())).frame()
    assert frame is not None and frame["message"] == "请用微信扫描二维码。"


@pytest.mark.gen_test(timeout=20)
async def test_each_of_two_sockets_gets_each_change_at_once(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    one, two = await desktop.live(invite), await desktop.live(invite)
    await one.frame()
    await two.frame()
    phone = world.simulator.phone("wang")
    question = await phone.open(invite["url"])
    for socket in (one, two):
        assert (await socket.frame() or {})["state"] == "scanned"
    consent = await phone.submit(question)
    await phone.agree(consent)
    await one.until("bound")
    await two.until("bound")


@pytest.mark.gen_test(timeout=20)
async def test_the_sixth_socket_of_a_session_is_refused_until_one_closes(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    opened = [await desktop.live(invite) for _ in range(5)]
    for socket in opened:
        await socket.frame()
    assert await refused(desktop, invite) == 429
    other = await world.signed_in("bob")
    assert await (await other.live(await other.invite())).frame()
    opened[0].close()
    await left(world, 5)
    assert await (await desktop.live(invite)).frame()


@pytest.mark.gen_test(timeout=20)
async def test_more_than_the_configured_total_are_told_to_come_again(world: World) -> None:
    await world.reconfigure(live_sockets="1")
    ann, bob = await world.signed_in("ann"), await world.signed_in("bob")
    await (await ann.live(await ann.invite())).frame()
    assert await refused(bob, await bob.invite()) == 503


@pytest.mark.gen_test(timeout=20)
async def test_what_a_client_says_is_ignored_and_too_much_closes(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    await socket.frame()
    for text in ('{"state": "bound"}', "x" * 4096, "", "\x00"):
        await socket.connection.write_message(text)
    await socket.connection.write_message(b"\xff\xfe", binary=True)
    await world.simulator.phone("wang").open(invite["url"])
    assert (await socket.frame() or {})["state"] == "scanned"
    await socket.connection.write_message("x" * 4097)
    assert await socket.frame() is None
    again = await desktop.live(invite)
    assert (await again.frame() or {})["state"] == "scanned", "others are not harmed"


@pytest.mark.gen_test(timeout=20)
async def test_the_sockets_are_closed_with_1001_when_the_server_stops(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    opened = [await desktop.live(invite) for _ in range(3)]
    for socket in opened:
        await socket.frame()
    await world.server.stop()
    for socket in opened:
        assert await socket.frame() is None
        assert socket.connection.close_code == 1001


@pytest.mark.gen_test(timeout=20)
async def test_one_who_does_not_read_is_dropped_and_nobody_else_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wx.web.live.WRITE_SECONDS", 0.3)
    desktop = await world.signed_in()
    invite = await desktop.invite()
    deaf = sockets.socket()
    deaf.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2048)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", world.server.port))
    try:
        await loop.sock_sendall(
            deaf,
            (
                f"GET {invite['live']} HTTP/1.1\r\nHost: 127.0.0.1:{world.server.port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {world.base}\r\n"
                f"Cookie: session={desktop.cookies['session']}\r\n\r\n"
            ).encode(),
        )
        assert (await loop.sock_recv(deaf, 12)) == b"HTTP/1.1 101"
        hub = world.server.services.hub
        (listener,) = hub._topics[invite["id"]]
        stream = listener.ws_connection.stream  # type: ignore[attr-defined]
        stream.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 2048)
        reading = await desktop.live(invite)
        await reading.frame()
        slowest = 0.0
        async with asyncio.timeout(10):
            while len(hub) == 2:
                began = time.monotonic()
                hub.publish(invite["id"])
                assert await reading.frame()
                slowest = max(slowest, time.monotonic() - began)
        assert slowest < 1, "as long as the machine takes, and not as long as the deaf one"
        assert len(hub._topics[invite["id"]]) == 1
        assert stream.closed()
    finally:
        deaf.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_peer_that_vanishes_leaves_nothing_behind(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    for _ in range(10):
        socket = await desktop.live(invite)
        await socket.frame()
        socket.connection.protocol.stream.close()  # type: ignore[union-attr]
        await left(world, 0)
    assert not world.server.services.hub._places


def test_the_server_pings_every_twenty_seconds() -> None:
    assert routes.PING_SECONDS == 20


@pytest.mark.gen_test(timeout=20)
async def test_a_peer_that_answers_no_ping_is_let_go_and_one_that_does_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PING_SECONDS", 0.1)
    await world.reconfigure()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    alive = await desktop.live(invite)
    await alive.frame()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.port)
    writer.write(
        (
            f"GET {invite['live']} HTTP/1.1\r\nHost: 127.0.0.1:{world.server.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {world.base}\r\n"
            f"Cookie: session={desktop.cookies['session']}\r\n\r\n"
        ).encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    # Until the server ends it, five seconds after its own goodbye found no answer.
    said = await asyncio.wait_for(reader.read(), 10)
    assert b"\x89" in said, "it was pinged"
    writer.close()
    await left(world, 1)
    await (world.simulator.phone("wang")).open(invite["url"])
    assert await alive.until("scanned")


@pytest.mark.gen_test(timeout=20)
async def test_what_the_one_who_changed_it_knows_is_not_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    await socket.frame()
    services = world.server.services
    found = await services.sessions.find(desktop.cookies["session"])
    assert found
    view = await services.invites.view(invite["id"], found[0])
    monkeypatch.setattr(Invites, "view", None)
    services.hub.publish(invite["id"], view)
    assert (await socket.frame() or {})["state"] == "waiting"


# The last notices

NOTICES = {"live": "/live/notices"}


async def put(world: World, name: str = "ann", text: str = "hello") -> str:
    [made] = await world.server.services.outbox.put([name], Draft(text=text), origin="send")
    return made.id


async def heard(socket: Socket, name: str, *, until: str) -> list[str]:
    """The states that a notice comes to in the frames, up to this one."""
    states: list[str] = []
    while frame := await socket.frame():
        states += [one["state"] for one in frame["notices"] if one["id"] == name][:1]
        if states[-1:] == [until]:
            return states
    raise AssertionError(f"closed before {until}: {states}")


@pytest.mark.gen_test(timeout=20)
async def test_the_first_frame_is_the_list_and_each_change_comes_by_itself(world: World) -> None:
    await world.open_webhook(bind_route="oauth")
    desktop = await world.bound()
    await world.told("wang")
    socket = await desktop.live(NOTICES)
    first = await socket.frame() or {}
    assert first["state"] == "bound" and len(first["notices"]) == 1
    name = await put(world)
    states = await heard(socket, name, until="delivered")
    order = ["queued", "sending", "sent", "delivered"]
    assert states == sorted(states, key=order.index), "never backwards"
    assert json.loads((await desktop.fetch("/bind/notices")).body)["notices"][0]["id"] == name


@pytest.mark.gen_test(timeout=20)
async def test_who_may_not_see_the_invite_s_socket_may_not_see_this_one(world: World) -> None:
    desktop = await world.bound()
    assert await refused(desktop, NOTICES, Origin="https://evil.example") == 403
    assert await refused(desktop, NOTICES, Sec_Fetch_Site="cross-site") == 403
    assert await refused(desktop, NOTICES, Host="evil.example") == 421
    assert await refused(world.desktop(), NOTICES) == 403
    for _ in range(5):
        await (await desktop.live(NOTICES)).frame()
    assert await refused(desktop, NOTICES) == 429


@pytest.mark.gen_test(timeout=20)
async def test_everybody_hears_of_their_own_notices_only(world: World) -> None:
    ann = await world.bound()
    await world.simulator.phone("li").follow()
    bob = await world.bound("bob", "li")
    sockets_ = [await one.live(NOTICES) for one in (ann, bob)]
    for one in sockets_:
        await one.frame()
    his = await put(world, "bob")
    assert await heard(sockets_[1], his, until="sent")
    hers = await put(world, "ann")
    assert await heard(sockets_[0], hers, until="sent")
    frames = [json.loads((await one.fetch("/bind/notices")).body) for one in (ann, bob)]
    assert [frame["notices"][0]["id"] for frame in frames] == [hers, his]
    assert not {one["id"] for one in frames[0]["notices"]} & {
        one["id"] for one in frames[1]["notices"]
    }


@pytest.mark.gen_test(timeout=20)
async def test_a_storm_of_changes_is_a_few_frames_and_the_last_is_how_it_stands(
    world: World,
) -> None:
    desktop = await world.bound()
    await world.told("wang")
    socket = await desktop.live(NOTICES)
    await socket.frame()
    hub, topic = world.server.services.hub, outbox.topic(1)
    assert hub._topics[topic]
    began = time.monotonic()
    for _ in range(200):
        hub.publish(topic)
        await asyncio.sleep(0)
    name = await put(world)
    frames = 1
    while frame := await socket.frame():
        frames += 1
        newest = frame["notices"][0]
        if (newest["id"], newest["state"]) == (name, "sent"):
            break
        hub.publish(topic)
    seconds = time.monotonic() - began
    assert frames <= 3 + seconds / live.LiveNotices.pause


@pytest.mark.gen_test(timeout=20)
async def test_signing_out_ends_the_list_s_socket_and_the_stop_too(world: World) -> None:
    desktop, other = await world.bound(), await world.signed_in()
    socket, second = await desktop.live(NOTICES), await other.live(NOTICES)
    await socket.frame()
    await second.frame()
    await desktop.post("/logout")
    assert await socket.frame() is None and socket.connection.close_code == 4401
    await world.server.stop()
    assert await second.frame() is None and second.connection.close_code == 1001


@pytest.mark.gen_test(timeout=20)
async def test_a_session_that_ends_before_the_hub_knows_of_the_socket_gets_no_frame(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await world.bound()
    find = live.LiveNotices.find_topic

    async def sign_out(self: live.LiveNotices) -> str:
        topic = await find(self)
        assert self.session is not None
        await world.server.services.sessions.sign_out(self.session)
        return topic

    monkeypatch.setattr(live.LiveNotices, "find_topic", sign_out)
    socket = await desktop.live(NOTICES)
    assert await socket.frame() is None and socket.connection.close_code == 4401
    await left(world, 0)


@pytest.mark.gen_test(timeout=20)
async def test_no_change_is_told_to_a_session_that_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await world.bound()
    await world.told("wang")
    await world.delivered()
    monkeypatch.setattr(world.server.services.sessions, "_audit", None)  # it looks too rarely
    monkeypatch.setattr(live.LiveNotices, "pause", 0.0)
    socket = await desktop.live(NOTICES)
    assert await socket.frame()
    world.clock.advance(7 * 86400 + 1)  # unused for so long
    world.server.services.hub.publish(outbox.topic(1))
    while await socket.frame():
        pass
    assert socket.connection.close_code == 4401


@pytest.mark.gen_test(timeout=20)
async def test_a_notice_of_another_process_is_seen_within_a_second(world: World) -> None:
    desktop = await world.bound()
    await world.told("wang")
    socket = await desktop.live(NOTICES)
    await socket.frame()
    ended = await processes.run(
        *("send", "ann", "from beside", "--expires-in", "2592000"),
        *(f"--{name.replace('_', '-')}={value}" for name, value in world.keys.items()),
        folder=world.folder,
    )
    done = time.monotonic()
    name = ended.out.split()[0]
    while frame := await socket.frame():
        if frame["notices"][0]["id"] == name:
            break
    assert time.monotonic() - done < 4  # it is looked for each second
