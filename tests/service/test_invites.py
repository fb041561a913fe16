"""Invites: how many there may be, who may see them, how they end."""

import asyncio
import hashlib
import signal

import pytest

from tests import processes
from tests.world import PASSWORD, Desktop, World
from wx.errors import Refused
from wx.service import invites as service


async def refused(desktop: Desktop, **fields: str) -> tuple[int, str]:
    """Status and code of a refused new invite."""
    answer = await desktop.post("/bind/invites", json_answer=True, **fields)
    return answer.code, answer.body.decode().split('"code": "')[1].split('"')[0]


@pytest.mark.gen_test(timeout=20)
async def test_a_second_tab_shares_the_invite_and_another_browser_has_its_own(world: World) -> None:
    desktop, other = await world.signed_in(), await world.signed_in()
    first, second = await desktop.invite(), await desktop.invite()
    assert first == second
    page = (await desktop.fetch("/bind")).body.decode()
    assert first["url"] in page and first["id"] in page
    assert (await other.invite())["id"] != first["id"]
    assert len(world.rows("SELECT * FROM invites")) == 2


@pytest.mark.gen_test(timeout=20)
async def test_the_secret_is_kept_as_a_digest_only(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    code = invite["url"].rpartition("/")[2]
    assert len(code) == 43 and code.isalnum()
    (row,) = world.rows("SELECT * FROM invites")
    assert row["secret_digest"] == hashlib.sha256(code.encode()).digest()
    files = (path for path in (world.folder / "data").iterdir())
    assert code.encode() not in b"".join(path.read_bytes() for path in files)


@pytest.mark.gen_test(timeout=20)
async def test_a_fresh_invite_ends_the_old_one_and_its_page_is_told(world: World) -> None:
    desktop = await world.signed_in()
    old = await desktop.invite()
    socket = await desktop.live(old)
    assert (await socket.frame() or {})["state"] == "waiting"
    new = await desktop.invite(fresh="1")
    assert new["id"] != old["id"] and new["url"] != old["url"]
    assert (await socket.frame() or {})["state"] == "expired"
    phone = world.simulator.phone("wang")
    assert (await phone.open(old["url"])).status == 410
    assert (await phone.open(new["url"])).status == 200


@pytest.mark.gen_test(timeout=30)
async def test_an_account_has_five_open_invites_and_the_sixth_ends_the_oldest(world: World) -> None:
    desktops = [await world.signed_in() for _ in range(6)]
    made = []
    for desktop in desktops:
        made.append(await desktop.invite())
        world.clock.advance(1)
    states = [
        (await desktop.state(invite))["state"]
        for desktop, invite in zip(desktops, made, strict=True)
    ]
    assert states == ["expired"] + ["waiting"] * 5
    bob = await (await world.signed_in("bob")).invite()
    assert bob["expires_in"] == 600


@pytest.mark.gen_test(timeout=20)
async def test_the_invites_of_an_hour_are_bounded_for_an_account(world: World) -> None:
    await world.reconfigure(invites_per_hour="3")
    desktop = await world.signed_in()
    token = await desktop.xsrf("/bind")  # the page has made the first
    for _ in range(2):
        world.clock.advance(60)
        answer = await desktop.post("/bind/invites", token=token, json_answer=True, fresh="1")
        assert answer.code == 201
    answer = await desktop.post("/bind/invites", token=token, json_answer=True, fresh="1")
    assert answer.code == 429
    assert answer.headers["Retry-After"] == str(3600 - 120 + 1)
    assert (await desktop.invite())["id"], "the open one is no new one"
    page = await (await world.signed_in()).fetch("/bind")
    assert page.code == 200 and "Too many codes in an hour" in page.body.decode()
    assert await refused(await world.signed_in(), fresh="1") == (429, "too-many-codes")
    await (await world.signed_in("bob")).invite()
    world.clock.advance(3600 - 120)
    answer = await desktop.post("/bind/invites", token=token, json_answer=True, fresh="1")
    assert answer.code == 201


@pytest.mark.gen_test(timeout=20)
async def test_an_invite_ends_by_the_clock_and_its_page_is_told(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    assert (await socket.frame() or {})["expires_in"] == 600
    world.clock.advance(599)
    assert (await desktop.state(invite))["state"] == "waiting"
    world.clock.advance(1)
    assert (await desktop.state(invite))["state"] == "expired", "also before the timer comes"
    assert (await world.simulator.phone("wang").open(invite["url"])).status == 410
    async with asyncio.timeout(2):
        assert (await socket.frame() or {})["state"] == "expired"
    assert (await desktop.invite())["id"] != invite["id"]


@pytest.mark.gen_test(timeout=20)
async def test_a_restarted_server_shows_the_same_code(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    await world.restart_server()
    assert await desktop.invite() == invite
    assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200


@pytest.mark.gen_test(timeout=40)
async def test_a_killed_server_shows_the_same_code_when_it_is_back(world: World) -> None:
    await world.server.stop()
    port = str(world.server.port)
    flags = [f"--{key.replace('_', '-')}={value}" for key, value in world.keys.items()]
    serve = ["serve", *flags, f"--port={port}"]
    first = await processes.start(*serve, folder=world.folder)
    second = None
    try:
        base = (await first.line_with("listening on")).split()[-1]
        desktop = Desktop(base)
        world.desktops.append(desktop)
        assert (await desktop.log_in()).code == 303
        invite = await desktop.invite()
        await first.kill()
        second = await processes.start(*serve, folder=world.folder)
        await second.line_with("listening on")
        again = await desktop.invite()
        assert (again["id"], again["url"]) == (invite["id"], invite["url"])
        assert (await world.simulator.phone("wang").bind(invite["url"])).status == 200
        assert (await desktop.state(invite))["state"] == "bound"
        second.signal(signal.SIGTERM)
        assert (await second.ended()).code == 0
    finally:
        await first.kill()
        if second:
            await second.kill()


@pytest.mark.gen_test(timeout=20)
async def test_an_invite_is_shown_to_its_own_session_only(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    same_account, other = await world.signed_in(), await world.signed_in("bob")
    for path in (f"/bind/invites/{invite['id']}", invite["qr"]):
        assert (await same_account.fetch(path)).code == 404
        assert (await other.fetch(path)).code == 404
        assert (await world.desktop().fetch(path)).code in (303, 401)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("end", ["sign out", "sign in anew", "disable"])
async def test_the_invite_of_an_ended_session_binds_nobody(world: World, end: str) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    phone = world.simulator.phone("wang")
    consent = await phone.submit(await phone.open(invite["url"]))
    if end == "sign out":
        await desktop.post("/logout")
    elif end == "sign in anew":
        token = await desktop.xsrf("/bind")
        await desktop.post("/login", token=token, username="ann", password=PASSWORD)
    else:
        world.rows("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'")
    assert (await phone.agree(consent)).status == 410
    assert (await phone.open(invite["url"])).status == 410
    assert world.rows("SELECT * FROM bindings") == []


@pytest.mark.gen_test(timeout=20)
async def test_this_is_not_me_ends_the_invite(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    phone = world.simulator.phone("wang")
    question = await phone.open(invite["url"])
    assert (await phone.submit(question, button="answer")).status == 200
    await socket.until("refused")
    assert (await phone.open(invite["url"])).status == 410
    assert (await desktop.invite())["id"] != invite["id"]


@pytest.mark.gen_test(timeout=20)
async def test_eleven_phones_are_too_many_for_one_invite(world: World) -> None:
    invite = await (await world.signed_in()).invite()
    code = invite["url"].rpartition("/")[2]
    phones = world.server.services.invites
    for _ in range(service.PHONES_PER_INVITE):
        await phones.agreed(code)
    phone = world.simulator.phone("wang")
    page = await phone.submit(await phone.open(invite["url"]))
    assert page.status == 429
    assert len(world.rows("SELECT * FROM consents")) == service.PHONES_PER_INVITE


@pytest.mark.gen_test(timeout=20)
async def test_only_wechat_opening_the_link_counts_as_a_scan(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    elsewhere = await world.desktop().fetch(invite["url"])
    assert elsewhere.code == 200 and "Open this page in WeChat" in elsewhere.body.decode()
    assert (await desktop.state(invite))["state"] == "waiting"
    await world.simulator.phone("wang").open(invite["url"])
    assert (await desktop.state(invite))["state"] == "scanned"


@pytest.mark.gen_test(timeout=20)
async def test_invites_that_ended_long_ago_are_purged_with_their_consents(world: World) -> None:
    old = await (await world.signed_in()).invite()
    phone = world.simulator.phone("wang")
    await phone.submit(await phone.open(old["url"]))
    world.clock.advance(service.KEEP_SECONDS + 599)
    await world.server.services.invites.purge()
    assert len(world.rows("SELECT * FROM invites")) == 1, "its page may still be open"
    new = await (await world.signed_in("bob")).invite()
    world.clock.advance(2)
    await world.server.services.invites.purge()
    assert [row["id"] for row in world.rows("SELECT id FROM invites")] == [new["id"]]
    assert world.rows("SELECT * FROM consents") == []


@pytest.mark.gen_test(timeout=20)
async def test_an_account_that_is_bound_gets_no_invite_without_its_password(world: World) -> None:
    desktop = await world.bound()
    world.clock.advance(1)
    assert await refused(desktop) == (409, "already-bound")
    assert await refused(desktop, fresh="1") == (409, "already-bound")
    assert await refused(desktop, password="wrong") == (401, "wrong-password")
    replacing = await desktop.invite(password=PASSWORD)
    assert (await desktop.invite(fresh="1"))["id"] != replacing["id"], "it was still open"


@pytest.mark.gen_test(timeout=20)
async def test_the_password_for_replacing_does_not_outlive_its_invite(world: World) -> None:
    desktop = await world.bound()
    world.clock.advance(1)
    await desktop.invite(password=PASSWORD)
    world.clock.advance(601)
    assert await refused(desktop, fresh="1") == (409, "already-bound")


@pytest.mark.gen_test(timeout=20)
async def test_a_session_that_has_ended_sees_no_invite_any_more(world: World) -> None:
    desktop = await world.signed_in()
    invite = await desktop.invite()
    found = await world.server.services.sessions.find(desktop.cookies["session"])
    assert found
    session, _ = found
    assert await world.server.services.invites.view(invite["id"], session)
    await world.server.services.sessions.sign_out(session)
    with pytest.raises(Refused) as caught:
        await world.server.services.invites.view(invite["id"], session)
    assert (caught.value.status, caught.value.code) == (403, "signed-out")
