"""Signing in by scan: who may, for how long, and who may not whatever they hold."""

import asyncio
import re
from typing import Any

import pytest

from tests.conftest import Ear
from tests.service import scanning
from tests.service.steps import EXCHANGE, bindings
from tests.world import Desktop, World
from wx.errors import Refused
from wx.model import Browser
from wx.service import codes, scan_login
from wx.service.accounts import Accounts
from wx.service.passwords import Passwords
from wx.service.scan_login import ScanLogins
from wx.store import scan_logins as rows
from wx.store.database import Database

CREATE = "/cgi-bin/qrcode/create"
HERE = Browser("192.0.2.0/24", "Chrome, Linux")


def logins(world: World) -> ScanLogins:
    return world.server.services.scan_logins


def sessions(world: World) -> list[str]:
    """Whose sessions there are."""
    rows = world.rows("SELECT name FROM sessions JOIN accounts ON accounts.id = account_id")
    return [row["name"] for row in rows]


async def desk(world: World) -> Desktop:
    """A browser that nobody has signed in with, where ann is bound to wang."""
    bound = await world.bound("ann", "wang")
    await bound.post("/logout")
    return world.desktop()


async def refused(world: World, **wishes: Any) -> Refused:
    """How a wish for a code is refused."""
    with pytest.raises(Refused) as refusal:
        await opened(world, **wishes)
    return refusal.value


async def opened(
    world: World, cookie: str = "", *, address: str = "192.0.2.1", near: bool = False, **more: Any
) -> tuple[scan_login.View, str]:
    return await logins(world).open(cookie, HERE, address=address, near=near, **more)


# The code


@pytest.mark.gen_test(timeout=20)
async def test_it_is_offered_only_while_somebody_is_bound(world: World) -> None:
    assert not await logins(world).offered()
    assert (await refused(world)).status == 404
    desktop = await world.bound("ann", "wang")
    assert await logins(world).offered()
    await desktop.post("/bind/remove")
    assert not await logins(world).offered()
    await desktop.post("/bind/restore")
    await world.reconfigure(scan_login="false")
    assert not await logins(world).offered()
    stranger = world.desktop()
    assert "data-scan" not in (await stranger.fetch("/login")).body.decode()
    assert (await stranger.post("/login/codes")).code == 404
    for path in ("/login/codes/" + "a" * 22, f"/s/{'a' * 43}", f"/s/{'a' * 22}/{'a' * 43}"):
        assert (await stranger.fetch(path)).code == 404


@pytest.mark.gen_test(timeout=20)
async def test_a_browser_has_one_open_code_until_it_asks_for_another(world: World) -> None:
    await desk(world)
    first, cookie = await opened(world)
    assert (first.state, first.expires_in) == ("waiting", 120)
    again, same = await opened(world, cookie)
    assert (again.login.id, same) == (first.login.id, cookie)
    many = await asyncio.gather(*(opened(world, cookie) for _ in range(5)))
    assert {view.login.id for view, _ in many} == {first.login.id}
    fresh, _ = await opened(world, cookie, fresh=True)
    assert fresh.login.id != first.login.id
    with pytest.raises(Refused) as refusal:
        await logins(world).view(first.login.id, cookie)
    assert refusal.value.status == 404
    assert len(world.rows("SELECT * FROM scan_logins")) == 1, "nobody had scanned the first"
    for strange in ("", "x", "a" * 43, "a" * 44, "é" * 43):
        _, made = await opened(world, strange)
        assert re.fullmatch("[0-9A-Za-z]{43}", made) and made != strange


@pytest.mark.gen_test(timeout=20)
async def test_one_that_somebody_has_scanned_is_kept_as_expired_when_another_is_asked_for(
    world: World,
) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    question = await scanning.scan(world, made)
    await scanning.code(desktop, fresh="1")
    (row,) = world.rows("SELECT state FROM scan_logins WHERE id = ?", made["id"])
    assert row["state"] == "expired"
    assert (await scanning.say(world, question)).status == 410


@pytest.mark.gen_test(timeout=20)
async def test_each_code_has_a_cookie_of_its_own_that_ends_with_it(world: World) -> None:
    await desk(world)
    first, cookie = await opened(world)
    _, fresh = await opened(world, cookie, fresh=True)
    assert fresh != cookie
    world.clock.advance(120)
    later, other = await opened(world, fresh)
    assert other not in (cookie, fresh)
    for seen_once in (cookie, fresh):
        _, made = await opened(world, seen_once)
        assert made not in (cookie, fresh, other), "it is no way to this browser's code"
        with pytest.raises(Refused):
            await logins(world).enter(later.login.id, seen_once, HERE, previous="")
    assert first.login.id != later.login.id


@pytest.mark.gen_test(timeout=20)
async def test_an_address_gets_twenty_codes_in_a_minute(world: World) -> None:
    await desk(world)
    for _ in range(scan_login.PER_MINUTE):
        await opened(world)
    refusal = await refused(world)
    assert refusal.status == 429 and refusal.retry_after
    for number in range(scan_login.PER_MINUTE):  # one /64 is one address
        await opened(world, address=f"2001:db8::{number}")
    assert (await refused(world, address="2001:db8::ffff")).status == 429
    await opened(world, address="2001:db8:0:1::1")
    await opened(world, near=True)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("mine", "other"), [("2001:db8:0:{:x}::1", "2001:db8:1::1"), ("192.0.2.{}", "192.0.3.1")]
)
async def test_a_network_has_so_many_open_codes_and_others_have_their_own(
    world: World, monkeypatch: pytest.MonkeyPatch, mine: str, other: str
) -> None:
    monkeypatch.setattr(scan_login, "OPEN_OF_NETWORK", 4)
    await desk(world)
    _, cookie = await opened(world, address=mine.format(0))
    for number in range(1, 4):
        await opened(world, address=mine.format(number))
    refusal = await refused(world, address=mine.format(9))
    assert (refusal.status, refusal.code, refusal.retry_after) == (429, "too-many-codes", 30)
    await opened(world, cookie, fresh=True, address=mine.format(0))
    await opened(world, address=other)
    for _ in range(9):
        await opened(world, near=True)  # stands for everybody behind a proxy
    world.clock.advance(120)
    await opened(world, address=mine.format(9))


@pytest.mark.gen_test(timeout=20)
async def test_where_all_is_full_the_most_crowded_network_makes_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_login, "OPEN", 6)
    desktop = await desk(world)
    crowd = []
    for number in range(4):
        world.clock.advance(1)
        crowd.append((await opened(world, address=f"2001:db8:0:{number}::1"))[0].login.id)
    neighbour, _ = await opened(world, address="192.0.2.1")
    made = await scanning.code(desktop)  # of this machine

    def there() -> set[str]:
        return {row["id"] for row in world.rows("SELECT id FROM scan_logins")}

    refusal = await refused(world, address="2001:db8:0:9::1")
    assert (refusal.status, refusal.code, refusal.retry_after) == (503, "too-many-codes", 30)
    new, _ = await opened(world, address="198.51.100.1")
    assert there() == {*crowd[:3], neighbour.login.id, made["id"], new.login.id}
    newer, _ = await opened(world, address="203.0.113.1")
    assert there() == {*crowd[:2], neighbour.login.id, made["id"], new.login.id, newer.login.id}
    # What a phone has scanned is never taken away.
    world.rows("UPDATE scan_logins SET state = 'scanned' WHERE crowd LIKE '2001:%'")
    assert (await refused(world, address="10.0.0.1")).status == 503


@pytest.mark.gen_test(timeout=20)
async def test_who_waits_with_a_code_that_made_room_hears_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    socket = await scanning.live(desktop, made)
    await socket.frame()
    monkeypatch.setattr(scan_login, "OPEN", 1)
    await opened(world)
    assert await socket.frame() is None and socket.connection.close_code == 1000


@pytest.mark.gen_test(timeout=20)
async def test_those_that_have_ended_do_not_count_and_the_last_are_kept_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_login, "OPEN", 3)
    monkeypatch.setattr(scan_login, "OPEN_OF_NETWORK", 3)
    monkeypatch.setattr(scan_login, "ENDED", 4)
    monkeypatch.setattr(scan_login, "PURGE_ROWS", 1)
    await desk(world)
    for _ in range(2):
        for _ in range(3):
            await opened(world)
        world.clock.advance(120)
        await logins(world).expire()
    await opened(world)
    assert len(world.rows("SELECT * FROM scan_logins")) == 7
    await logins(world).purge()
    assert len(world.rows("SELECT * FROM scan_logins")) == 5
    world.clock.advance(120 + scan_login.KEEP_SECONDS)
    await logins(world).purge()
    assert world.rows("SELECT * FROM scan_logins") == []


@pytest.mark.gen_test(timeout=20)
async def test_strangers_cannot_use_up_the_platform_s_codes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "STRANGERS_PER_MINUTE", 2)
    await world.open_webhook()
    await desk(world)
    routes = [(await scanning.code(world.desktop()))["route"] for _ in range(4)]
    assert routes == ["scan", "scan", "oauth", "oauth"]
    assert (await (await world.signed_in()).fetch("/bind")).code == 200
    world.clock.advance(60)
    assert (await scanning.code(world.desktop()))["route"] == "scan"


@pytest.mark.gen_test(timeout=20)
async def test_strangers_have_so_many_of_the_platform_s_codes_in_a_day_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch, ear: Ear
) -> None:
    monkeypatch.setattr(codes, "STRANGERS_PER_DAY", 2)
    await world.open_webhook()
    await desk(world)

    async def routes() -> list[str]:
        return [(await scanning.code(world.desktop()))["route"] for _ in range(3)]

    to_midnight = 86400 - (world.clock.now() + 8 * 3600) % 86400  # in China
    world.clock.advance(to_midnight + 1)
    assert await routes() == ["scan", "scan", "oauth"]
    assert sum("until midnight in China" in line for line in ear.lines) == 1
    world.clock.advance(86400 - 60)
    assert await routes() == ["oauth"] * 3
    bob = await world.signed_in("bob")
    assert (await bob.invite())["route"] == "scan", "those who are signed in have the rest"
    world.clock.advance(60)
    assert await routes() == ["scan", "scan", "oauth"]


@pytest.mark.gen_test(timeout=20)
async def test_what_fails_for_strangers_pauses_their_codes_alone(world: World) -> None:
    await world.open_webhook()
    await desk(world)
    bob = await world.signed_in("bob")
    world.simulator.faults.answer(CREATE, body='{"errcode": 45009, "errmsg": "quota"}')
    assert (await scanning.code(world.desktop()))["route"] == "oauth"
    calls = world.simulator.calls[CREATE]
    assert (await scanning.code(world.desktop()))["route"] == "oauth"
    assert world.simulator.calls[CREATE] == calls, "not asked for a while"
    assert (await bob.invite())["route"] == "scan"
    world.clock.advance(codes.PAUSE_SECONDS)
    assert (await scanning.code(world.desktop()))["route"] == "scan"


@pytest.mark.gen_test(timeout=20)
async def test_a_code_is_over_after_two_minutes_and_who_waits_hears_it(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    socket = await scanning.live(desktop, made)
    await socket.frame()
    world.clock.advance(120)
    await logins(world).expire()
    assert (await socket.frame() or {})["state"] == "expired"
    assert (await scanning.scan(world, made)).status == 410


@pytest.mark.gen_test(timeout=20)
async def test_a_restart_changes_nothing(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    question = await scanning.scan(world, made)
    await world.restart_server()
    assert (await scanning.code(desktop))["id"] == made["id"]
    assert (await scanning.say(world, question)).status == 200
    await world.restart_server()
    assert (await scanning.enter(desktop, made)).code == 303


# The phone


@pytest.mark.gen_test(timeout=20)
async def test_whoever_scans_first_owns_the_code(world: World) -> None:
    desktop = await desk(world)
    await world.bound("bob", "li")
    made = await scanning.code(desktop)
    question = await scanning.scan(world, made, "li")
    assert "bob" in question.text
    late = await scanning.scan(world, made, "wang")
    assert late.status == 409 and "手机扫过" in late.text
    assert (await scanning.scan(world, made, "li")).status == 200, "again by the same"
    await scanning.say(world, question, person="li")
    await scanning.enter(desktop, made)
    assert "as bob" in (await desktop.fetch("/bind")).body.decode()


@pytest.mark.gen_test(timeout=20)
async def test_whoever_is_bound_to_nothing_is_told_how_and_the_code_stays_open(
    world: World,
) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    page = await scanning.scan(world, made, "li")
    assert page.status == 403 and 'href="/enter"' in page.text
    assert await scanning.state(desktop, made) == "waiting"
    assert world.rows("SELECT * FROM followers WHERE openid LIKE '%Li%'") == []
    await scanning.say(world, await scanning.scan(world, made, "wang"))
    assert (await scanning.enter(desktop, made)).code == 303


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("change", ["disabled_at = 1", "password = ''"])
async def test_an_account_that_cannot_sign_in_is_not_signed_in(world: World, change: str) -> None:
    await world.bound("bob", "li")  # so that there is a code
    desktop = await desk(world)
    made = await scanning.code(desktop)
    world.rows(f"UPDATE accounts SET {change} WHERE name = 'ann'")
    page = await scanning.scan(world, made)
    assert page.status == 403 and "不能登录" in page.text
    assert await scanning.state(desktop, made) == "waiting"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE accounts SET disabled_at = 1 WHERE name = 'ann'", 403),
        ("UPDATE accounts SET password = '' WHERE name = 'ann'", 403),
        ("UPDATE bindings SET ended_at = 1", 409),
    ],
)
async def test_what_changes_between_scan_and_yes_or_yes_and_entry_lets_nobody_in(
    world: World, change: str, status: int
) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    question = await scanning.scan(world, made)
    other = world.desktop()
    late = await scanning.confirmed(world, other)
    world.rows(change)
    assert (await world.simulator.phone("wang").open(question.url)).status == status
    assert (await scanning.say(world, question)).status == status
    assert (await scanning.enter(desktop, made)).code == 410
    assert await scanning.state(other, late) == "confirmed"
    assert (await scanning.enter(other, late)).code == status
    assert await scanning.state(other, late) == "refused"
    assert sessions(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_bound_to_another_account_meanwhile_is_no_yes_for_the_first(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    world.rows("UPDATE bindings SET ended_at = 1")
    await world.bound("bob", "wang")
    assert bindings(world) == [("bob", "wang")]
    before = sessions(world)
    assert (await scanning.enter(desktop, made)).code == 409
    assert sessions(world) == before


@pytest.mark.gen_test(timeout=20)
async def test_a_yes_after_the_end_is_none_and_an_entry_after_a_minute_is_none(
    world: World,
) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    question = await scanning.scan(world, made)
    world.clock.advance(120)
    assert (await scanning.say(world, question)).status == 410
    made = await scanning.confirmed(world, desktop)
    world.clock.advance(scan_login.ENTER_SECONDS)
    assert (await scanning.enter(desktop, made)).code == 410
    await logins(world).expire()
    assert await scanning.state(desktop, made) == "expired"
    assert sessions(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_a_no_ends_the_code_and_after_the_entry_it_leads_to_the_session_s_end(
    world: World,
) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    question = await scanning.scan(world, made)
    assert (await scanning.say(world, question, "no")).status == 200
    assert await scanning.state(desktop, made) == "refused"
    assert (await scanning.say(world, question, "yes")).status == 410
    assert (await scanning.enter(desktop, made)).code == 410

    made = await scanning.code(desktop)
    question = await scanning.scan(world, made)
    await scanning.say(world, question)
    assert (await scanning.say(world, question)).status == 200, "said again"
    await scanning.say(world, question, "no")
    assert (await scanning.enter(desktop, made)).code == 410, "taken back in time"

    made = await scanning.code(desktop)
    question = await scanning.scan(world, made)
    await scanning.say(world, question)
    await scanning.enter(desktop, made)
    ends = await scanning.say(world, question, "no")
    world.planted.add(ends.url.rpartition("/")[2])
    assert "/not-me/" in ends.url
    await world.simulator.phone("wang").submit(ends)
    assert sessions(world) == []


@pytest.mark.gen_test(timeout=20)
async def test_of_many_taps_at_once_each_is_a_yes(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    question = await scanning.scan(world, made)
    answer = question.url.rpartition("/")[2]
    said = await asyncio.gather(*(logins(world).confirm(made["id"], answer) for _ in range(4)))
    assert [one.account_name for one in said] == ["ann"] * 4
    assert await scanning.state(desktop, made) == "confirmed"
    # Also once the computer is in.
    world.rows("UPDATE scan_logins SET state = 'entered' WHERE id = ?", made["id"])
    assert (await logins(world).confirm(made["id"], answer)).done


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("change", ["password", "disable"])
async def test_a_new_password_and_a_disabling_take_back_what_was_said_before(
    world: World, change: str
) -> None:
    await world.bound("bob", "li")  # so that there is a code
    desktop = await desk(world)
    waiting = world.desktop()
    scanned = await scanning.code(waiting)
    question = await scanning.scan(world, scanned)
    made = await scanning.confirmed(world, desktop)
    bobs_desk = world.desktop()
    bobs = await scanning.confirmed(world, bobs_desk, "li")
    hasher = Passwords()
    try:
        async with await Database.open(world.folder / "data" / "wxbind.db") as door:
            accounts = Accounts(door, world.clock, hasher)
            if change == "password":
                await accounts.change_password("ann", "another long secret 9")
            else:
                await accounts.disable("ann")
                await accounts.enable("ann")
    finally:
        hasher.close()
    assert (await scanning.enter(desktop, made)).code == 410
    assert (await scanning.say(world, question)).status == 410
    assert await scanning.state(desktop, made) == "refused"
    assert "ann" not in sessions(world)
    assert (await scanning.enter(bobs_desk, bobs)).code == 303, "another's is not touched"


@pytest.mark.gen_test(timeout=20)
async def test_who_waits_hears_of_an_end_by_another_process(world: World) -> None:
    desktop = await desk(world)
    made, other = await scanning.code(desktop), world.desktop()
    socket = await scanning.live(desktop, made)
    await socket.until("waiting")
    gone = await scanning.code(other)
    second = await scanning.live(other, gone)
    await second.until("waiting")
    hasher = Passwords()
    await scanning.scan(world, made)
    await socket.until("scanned")
    try:
        async with await Database.open(world.folder / "data" / "wxbind.db") as door:
            await Accounts(door, world.clock, hasher).disable("ann")
            await door.write(lambda conn: rows.remove_waiting(conn, gone["id"]))
    finally:
        hasher.close()
    await logins(world).expire()
    assert (await socket.frame() or {})["state"] == "refused"
    assert await second.frame() is None and second.connection.close_code == 1000


@pytest.mark.gen_test(timeout=20)
async def test_the_answer_s_secret_is_that_phone_s_alone(world: World) -> None:
    desktop = await desk(world)
    await world.bound("bob", "li")
    made, other = await scanning.code(desktop), await scanning.code(world.desktop())
    right = (await scanning.scan(world, made)).url.rpartition("/")[2]
    await scanning.scan(world, other, "li")
    for login_id, answer in (
        (made["id"], "a" * 43),
        (other["id"], right),
        (made["id"], logins(world)._secret_of(made["id"])),
        ("a" * 22, right),
        ((await scanning.code(world.desktop()))["id"], right),  # nobody has scanned it
    ):
        for ask in (logins(world).question, logins(world).confirm, logins(world).decline):
            with pytest.raises(Refused) as refusal:
                await ask(login_id, answer)
            assert refusal.value.status == 404
    assert await scanning.state(desktop, made) == "scanned"


@pytest.mark.gen_test(timeout=20)
async def test_a_used_code_cannot_be_scanned_again(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.signed_in(world, desktop)
    page = await scanning.scan(world, made)
    assert page.status == 410 and "已用过" in page.text


@pytest.mark.gen_test(timeout=20)
async def test_where_the_platform_does_not_say_who_it_is_nothing_is_scanned(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.code(desktop)
    world.simulator.faults.answer(EXCHANGE, errcode=40029)
    assert (await scanning.scan(world, made)).status == 403
    world.simulator.faults.answer(EXCHANGE, errcode=-1)
    assert (await scanning.scan(world, made)).status in (502, 503)
    assert await scanning.state(desktop, made) == "waiting"


# By the scan route


async def chat(world: World, scene: str, person: str = "wang") -> str:
    """What the chat says to the scan of a scene."""
    world.clock.advance(1)
    event = world.event("SCAN", person, EventKey=scene, Ticket="gQx")
    return str((await world.answer(event)).get("Content", ""))


@pytest.mark.gen_test(timeout=20)
async def test_the_chat_says_to_each_what_their_scan_comes_to(world: World) -> None:
    await world.open_webhook("safe")
    desktop = await desk(world)
    made = await scanning.code(desktop)
    code = logins(world)._secret_of(made["id"])
    world.planted.add(code)
    assert "/enter" in await chat(world, f"login{code}", "li")
    assert await scanning.state(desktop, made) == "waiting"
    asked = await chat(world, f"login{code}")
    found = re.search(r'href="[^"]+(/s/[^"]+)"', asked)
    assert found and made["number"] in asked and "Chrome, Linux, 127.0.0.0/24" in asked
    world.planted.add(found[1].rpartition("/")[2])
    assert await scanning.state(desktop, made) == "scanned"
    await world.bound("bob", "li")
    assert "手机扫过" in await chat(world, f"login{code}", "li")
    assert "重新扫码" in await chat(world, f"login{'x' * 43}")
    world.clock.advance(120)
    assert "已失效" in await chat(world, f"login{code}")


@pytest.mark.gen_test(timeout=20)
async def test_the_scene_is_kept_nowhere_and_the_link_in_the_answer_neither(world: World) -> None:
    await world.open_webhook()
    desktop = await desk(world)
    phone = world.simulator.phone("wang")
    made = await scanning.code(desktop)
    (code,) = (
        one for one in world.simulator.world.qr_codes.values() if one.scene.startswith("login")
    )
    await phone.unfollow()
    (said,) = await world.shown("wang", phone.scan_and_follow(code.url))
    await world.rest()
    found = re.search(r"/s/\w+/(\w+)", said.text)
    assert found
    world.planted |= {found[1], code.scene}
    assert await scanning.state(desktop, made) == "scanned"
    for path in (world.folder / "data").iterdir():
        kept = path.read_bytes()
        for secret in (found[1], code.scene, code.scene.removeprefix("login")):
            assert secret.encode() not in kept, path


@pytest.mark.gen_test(timeout=20)
async def test_an_invite_s_secret_is_no_sign_in_s(world: World) -> None:
    await world.open_webhook()
    desktop = await desk(world)
    made = await scanning.code(desktop)
    secret = logins(world)._secret_of(made["id"])
    world.planted.add(secret)
    said = await chat(world, f"bind{secret}")
    assert "没有绑定" in said
    assert await scanning.state(desktop, made) == "waiting"
    assert scan_login.scene_secret(f"login{secret}") == secret
    for scene in (secret, f"bind{secret}", f"login{secret}x", "login", f"xlogin{secret}"):
        assert scan_login.scene_secret(scene) == ""


# The way in


@pytest.mark.gen_test(timeout=20)
async def test_of_many_entries_at_once_one_makes_a_session(world: World, ear: Ear) -> None:
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    token, cookies = await desktop.xsrf(), dict(desktop.cookies)
    path = f"/login/codes/{made['id']}/enter"
    answers = await asyncio.gather(*(desktop.post(path, token=token) for _ in range(30)))
    places = sorted(one.headers.get("Location", str(one.code)) for one in answers)
    assert places == ["/bind"] + ["/login"] * 29
    assert sessions(world) == ["ann"]
    desktop.cookies = cookies
    assert (await scanning.enter(desktop, made)).code in (303, 404)
    assert sessions(world) == ["ann"]
    assert sum("signed in by scan" in line for line in ear.lines) == 1
    await world.delivered()
    told = [one for one in ear.lines if "account ann signed in by scan from 127.0.0.0/24" in one]
    assert len(told) == 1


@pytest.mark.gen_test(timeout=20)
async def test_the_session_is_new_and_the_previous_one_ends(world: World) -> None:
    desktop = await desk(world)
    made = await scanning.confirmed(world, desktop)
    desktop.cookies["session"] = planted = "p" * 43
    token = await desktop.xsrf("/login")
    await scanning.enter(desktop, made, token=token)
    assert desktop.cookies["session"] != planted
    other = await world.signed_in("bob")
    other.cookies |= {"desk": desktop.cookies.get("desk", "")}
    bobs = other.cookies["session"]
    third = world.desktop()
    made = await scanning.confirmed(world, third)
    third.cookies["session"] = bobs
    assert (await third.post(f"/login/codes/{made['id']}/enter")).code == 303
    assert sorted(sessions(world)) == ["ann", "ann"], "bob's has ended"


@pytest.mark.gen_test(timeout=20)
async def test_whoever_cannot_be_told_is_signed_in_all_the_same(world: World) -> None:
    desktop = await desk(world)
    world.rows("UPDATE followers SET following = 0")
    before = len(world.rows("SELECT * FROM outbox"))
    await scanning.signed_in(world, desktop)
    assert sessions(world) == ["ann"]
    assert len(world.rows("SELECT * FROM outbox")) == before


@pytest.mark.gen_test(timeout=20)
async def test_the_notice_is_in_the_phone_s_language_and_its_link_is_not_kept(
    world: World,
) -> None:
    desktop = await desk(world)
    world.rows("UPDATE followers SET language = 'en'")
    await scanning.signed_in(world, desktop)
    path = await scanning.not_me(world)
    (row,) = world.rows("SELECT * FROM outbox WHERE hidden LIKE 'not-me %'")
    assert row["text"].splitlines()[:2] == [
        "Not you? ann logged in to Example",
        "Chrome, Linux, 127.0.0.0/24",
    ]
    assert "shown by" not in row["text"]
    assert path.rpartition("/")[2] not in row["url"]
    card = world.simulator.world.people["wang"].chat[-1]
    assert any("Not you? ann logge" in value for _, value in card.fields)


@pytest.mark.gen_test(timeout=20)
async def test_the_notice_and_its_link_name_what_went_in_and_what_had_shown_the_code(
    world: World,
) -> None:
    desktop = await desk(world)
    world.rows("UPDATE followers SET language = 'en'")
    made = await scanning.confirmed(world, desktop)
    desktop.headers |= {"User-Agent": "curl/8"}
    assert (await scanning.enter(desktop, made)).code == 303
    path = await scanning.not_me(world)
    (row,) = world.rows("SELECT * FROM outbox WHERE hidden LIKE 'not-me %'")
    assert row["text"].splitlines() == [
        "Not you? ann logged in to Example",
        "unknown browser, 127.0.0.0/24",
        "The code was shown by: Chrome, Linux, 127.0.0.0/24",
        "That was not you? End it here:",
    ]
    entered = await logins(world).entered(*path.split("/")[2:])
    assert (entered.browser.name, entered.browser.network) == ("", "127.0.0.0/24")
    assert entered.asked == Browser("127.0.0.0/24", "Chrome, Linux")


# That was not me


@pytest.mark.gen_test(timeout=20)
async def test_the_link_in_the_notice_ends_the_session_at_once_and_once(
    world: World, ear: Ear
) -> None:
    desktop = await desk(world)
    await scanning.signed_in(world, desktop)
    socket = await desktop.live({"live": "/live/notices"})
    await socket.frame()
    path = await scanning.not_me(world)
    login_id, code = path.split("/")[2:]
    entered = await logins(world).entered(login_id, code)
    assert (entered.account_name, entered.browser.name) == ("ann", "Chrome, Linux")
    for wrong_id, wrong in (
        (login_id, "a" * 43),
        ("a" * 22, code),
        (login_id, logins(world)._secret_of(login_id)),
    ):
        with pytest.raises(Refused) as refusal:
            await logins(world).end(wrong_id, wrong)
        assert refusal.value.status == 404
    world.clock.advance(86400 * 3)
    await logins(world).purge()
    await logins(world).end(login_id, code)
    assert await socket.frame() is None and socket.connection.close_code == 4401
    assert sessions(world) == []
    for again in (logins(world).entered, logins(world).end):
        with pytest.raises(Refused) as refusal:
            await again(login_id, code)
        assert (refusal.value.status, refusal.value.code) == (410, "session-over")
    assert any("account ann: a session by scan was ended" in line for line in ear.lines)


@pytest.mark.gen_test(timeout=20)
async def test_the_link_outlives_the_binding_and_the_person_but_not_the_session(
    world: World,
) -> None:
    desktop = await desk(world)
    made = await scanning.signed_in(world, desktop)
    path = await scanning.not_me(world)
    login_id, code = path.split("/")[2:]
    world.rows("UPDATE bindings SET ended_at = 1")
    world.rows("UPDATE followers SET following = 0")
    await world.server.services.bindings.purge()
    (row,) = world.rows("SELECT * FROM scan_logins WHERE id = ?", made["id"])
    assert row["follower_id"] is None
    assert (await logins(world).entered(login_id, code)).account_name == "ann"
    await desktop.post("/logout")
    with pytest.raises(Refused) as refusal:
        await logins(world).end(login_id, code)
    assert refusal.value.status == 410
    await logins(world).purge()
    assert len(world.rows("SELECT * FROM scan_logins")) == 1, "its pages can say so for a while"
    still = world.desktop()
    world.rows("UPDATE bindings SET ended_at = NULL")
    await world.bound("bob", "li")
    await scanning.signed_in(world, still, "li")
    world.clock.advance(scan_login.KEEP_SECONDS)
    await logins(world).purge()
    (row,) = world.rows("SELECT * FROM scan_logins")
    assert row["id"] != made["id"], "that whose session lives"
    with pytest.raises(Refused) as refusal:
        await logins(world).entered(login_id, code)
    assert refusal.value.status == 410


@pytest.mark.gen_test(timeout=20)
async def test_a_yes_that_can_come_to_nothing_is_told_to_the_waiting_page(world: World) -> None:
    owner = await world.bound()
    desktop = world.desktop()
    made = await scanning.code(desktop)
    page = await scanning.scan(world, made)
    assert (await owner.post("/bind/remove")).code == 303
    assert await scanning.state(desktop, made) == "scanned"
    done = await scanning.say(world, page)
    assert done.status == 409
    assert await scanning.state(desktop, made) == "refused"
