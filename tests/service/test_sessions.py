"""Sessions: how they begin, what is kept of them, and everything that ends them."""

import asyncio
import hashlib

import pytest

from tests.world import PASSWORD, Desktop, World
from wx import secret
from wx.errors import Refused
from wx.model import Browser
from wx.service import passwords
from wx.service.accounts import Accounts
from wx.service.passwords import Passwords
from wx.store import database
from wx.store.database import Database

DAY = 86400
FAR = Browser("198.51.100.0/24", "Chrome, Linux")


async def sign_in(
    world: World, password: str = PASSWORD, *, name: str = "ann", device: str = ""
) -> str:
    """What came of it: "in", or the refusal's code."""
    try:
        await world.server.services.sessions.sign_in(
            name, password, address="198.51.100.7", browser=FAR, device=device
        )
    except Refused as refusal:
        return refusal.code
    return "in"


def attack(world: World) -> None:
    """Somebody far away guesses at ann's password until the name has to wait."""
    throttle = world.server.services.sessions._throttle
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wx.service.throttle.HOLD_SECONDS", 1e9)
        for _ in range(8):
            throttle.begin(name="ann", address="203.0.113.5", device=None)


async def elsewhere(world: World, what: str, *words: str) -> None:
    """Change an account as another process does, through a database door of its own."""
    hasher = Passwords()
    try:
        async with await Database.open(world.folder / "data" / database.FILE) as door:
            await getattr(Accounts(door, world.clock, hasher), what)(*words)
    finally:
        hasher.close()


async def is_in(desktop: Desktop) -> bool:
    return (await desktop.fetch("/bind")).code == 200


@pytest.mark.gen_test(timeout=20)
async def test_the_database_holds_the_digest_of_the_cookie_and_not_the_cookie(world: World) -> None:
    desktop = await world.signed_in()
    cookie = desktop.cookies["session"]
    assert len(cookie) == 43
    (row,) = world.rows("SELECT * FROM sessions")
    assert row["digest"] == hashlib.sha256(cookie.encode()).digest()
    everything = b"".join(path.read_bytes() for path in (world.folder / "data").iterdir())
    assert cookie.encode() not in everything
    assert PASSWORD.encode() not in everything


@pytest.mark.gen_test(timeout=20)
async def test_a_second_sign_in_of_a_browser_ends_its_first_session(world: World) -> None:
    desktop = await world.signed_in()
    first = desktop.cookies["session"]
    token = await desktop.xsrf("/bind")
    await desktop.post("/login", token=token, username="ann", password=PASSWORD)
    assert desktop.cookies["session"] != first
    assert await is_in(desktop)
    thief = world.desktop()
    thief.cookies["session"] = first
    assert not await is_in(thief)


@pytest.mark.gen_test(timeout=20)
async def test_a_planted_session_cookie_is_not_taken_over_at_sign_in(world: World) -> None:
    desktop = world.desktop()
    desktop.cookies["session"] = planted = secret.new_secret()
    await desktop.post(
        "/login", token=await desktop.xsrf("/login"), username="ann", password=PASSWORD
    )
    assert desktop.cookies["session"] != planted
    attacker = world.desktop()
    attacker.cookies["session"] = planted
    assert not await is_in(attacker)


@pytest.mark.gen_test(timeout=20)
async def test_two_browsers_of_one_account_have_a_session_each(world: World) -> None:
    one, two = await world.signed_in(), await world.signed_in()
    assert one.cookies["session"] != two.cookies["session"]
    await one.post("/logout")
    assert not await is_in(one)
    assert await is_in(two)


@pytest.mark.gen_test(timeout=20)
async def test_an_unused_session_ends_after_a_week_and_a_used_one_after_a_month(
    world: World,
) -> None:
    idle, used = await world.signed_in(), await world.signed_in()
    for _ in range(6):
        world.clock.advance(DAY)
        assert await is_in(used)
    assert world.rows("SELECT count(*) FROM sessions")[0][0] == 2
    world.clock.advance(DAY + 1)
    assert not await is_in(idle)
    for _ in range(22):
        assert await is_in(used)
        world.clock.advance(DAY)
    world.clock.advance(DAY)
    assert not await is_in(used)


@pytest.mark.gen_test(timeout=20)
async def test_what_has_ended_by_time_is_purged(world: World) -> None:
    await world.signed_in()
    world.clock.advance(8 * DAY)
    await world.signed_in("bob")
    await world.server.services.sessions.purge()
    rows = world.rows("SELECT name FROM sessions JOIN accounts ON accounts.id = account_id")
    assert [row["name"] for row in rows] == ["bob"]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("change", ["change_password", "disable"])
async def test_another_process_ends_a_session_and_its_live_socket_within_a_second(
    world: World, change: str
) -> None:
    desktop, other = await world.signed_in("ann"), await world.signed_in("bob")
    socket, kept = (
        await desktop.live(await desktop.invite()),
        await other.live(await other.invite()),
    )
    assert await socket.frame() and await kept.frame()
    words = ("ann", "another long secret 9") if change == "change_password" else ("ann",)
    await elsewhere(world, change, *words)
    async with asyncio.timeout(1):
        assert await socket.frame() is None
    assert socket.connection.close_code == 4401
    assert not await is_in(desktop)
    assert await is_in(other)
    assert len(world.server.services.hub) == 1


@pytest.mark.gen_test(timeout=20)
async def test_signing_out_closes_the_live_socket_at_once(world: World) -> None:
    desktop = await world.signed_in()
    socket = await desktop.live(await desktop.invite())
    assert await socket.frame()
    await desktop.post("/logout")
    assert await socket.frame() is None
    assert socket.connection.close_code == 4401


@pytest.mark.gen_test(timeout=20)
async def test_a_session_that_ends_by_time_closes_its_live_socket(world: World) -> None:
    await world.reconfigure(invite_seconds="3600", session_idle_seconds="60")
    desktop = await world.signed_in()
    socket = await desktop.live(await desktop.invite())
    assert await socket.frame()
    world.clock.advance(61)
    async with asyncio.timeout(2):
        assert await socket.frame() is None
    assert socket.connection.close_code == 4401


@pytest.mark.gen_test(timeout=20)
async def test_a_disabled_account_cannot_sign_in_until_it_is_enabled(world: World) -> None:
    await elsewhere(world, "disable", "ann")
    assert await sign_in(world) == "wrong-password"
    await elsewhere(world, "enable", "ann")
    assert await sign_in(world) == "in"


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("change", ["disable", "change_password"])
async def test_an_account_that_changes_while_its_password_is_checked_gets_no_session(
    world: World, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    real = Passwords.verify

    async def slow(self: Passwords, password: str, kept: str | None) -> bool:
        right = await real(self, password, kept)
        words = ("ann",) if change == "disable" else ("ann", "another long secret 9")
        await elsewhere(world, change, *words)
        return right

    monkeypatch.setattr(Passwords, "verify", slow)
    assert await sign_in(world) == "wrong-password"
    assert world.rows("SELECT * FROM sessions") == []


@pytest.mark.gen_test(timeout=20)
async def test_the_sixth_wrong_password_is_slowed_and_the_next_refused_with_how_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr("wx.service.sessions.asyncio.sleep", sleep)
    for _ in range(5):
        assert await sign_in(world, "wrong") == "wrong-password"
    assert [wait for wait in slept if wait > 0.5] == []
    assert await sign_in(world, "wrong") == "wrong-password"
    assert max(slept) == 2
    assert await sign_in(world, "wrong") == "too-many-tries"
    assert await sign_in(world) == "too-many-tries", "whoever knows it is told too, and waits"
    assert await sign_in(world, name="bob") == "in"


@pytest.mark.gen_test(timeout=20)
async def test_a_known_device_signs_in_at_once_while_its_name_is_attacked(world: World) -> None:
    device = (await world.signed_in()).cookies["device"]
    attack(world)
    assert await sign_in(world) == "too-many-tries"
    assert await sign_in(world, device=device) == "in"


@pytest.mark.gen_test(timeout=20)
async def test_a_device_cookie_counts_for_its_own_account_and_unchanged_only(world: World) -> None:
    bob = (await world.signed_in("bob")).cookies["device"]
    ann = (await world.signed_in("ann")).cookies["device"]
    number, until, device, signature = ann.split(".")
    later = f"{number}.{int(until) + DAY}.{device}.{signature}"
    tampered = ann[:-1] + ("1" if ann.endswith("0") else "0")
    attack(world)
    for forged in (bob, later, tampered, f"{number}.{until}.{device}.", "x.y.z.w", "…"):
        assert await sign_in(world, device=forged) == "too-many-tries", forged
    assert await sign_in(world, device=ann) == "in"
    world.clock.advance(181 * DAY)
    attack(world)
    assert await sign_in(world, device=ann) == "too-many-tries", "it was good for 180 days"


@pytest.mark.gen_test(timeout=20)
async def test_a_new_password_ends_what_old_devices_are_known_by(world: World) -> None:
    old = (await world.signed_in()).cookies["device"]
    attack(world)
    assert await sign_in(world, device=old) == "in"
    changed = "another long secret 9"
    await world.server.services.accounts.change_password("ann", changed)
    attack(world)
    assert await sign_in(world, changed, device=old) == "too-many-tries"
    world.clock.advance(3600)
    desktop = world.desktop()
    assert (await desktop.log_in(password=changed)).code == 303
    attack(world)
    assert await sign_in(world, changed, device=desktop.cookies["device"]) == "in"


@pytest.mark.gen_test(timeout=20)
async def test_who_is_let_in_without_a_password_is_no_known_device(world: World) -> None:
    sessions, now = world.server.services.sessions, world.clock.now()
    account = (await world.server.services.accounts.list_all())[0]
    by_wechat = await world.server.services.sessions._database.write(
        lambda conn: sessions.start(conn, account.id, FAR, previous="", now=now)
    )
    assert by_wechat and await sessions.find(by_wechat.cookie) and by_wechat.device == ""
    by_password = await sessions.sign_in("ann", PASSWORD, address="198.51.100.7", browser=FAR)
    assert by_password.device


@pytest.mark.gen_test(timeout=20)
async def test_a_password_under_old_parameters_is_hashed_anew_at_sign_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as old:
        old.setattr(passwords, "_PASSES", 1)
        kept = passwords.hash_now(PASSWORD)
    world.rows("UPDATE accounts SET password = ? WHERE name = 'ann'", kept)
    assert await sign_in(world, "wrong") == "wrong-password"
    assert world.rows("SELECT password FROM accounts WHERE name = 'ann'")[0][0] == kept
    device = (await world.signed_in()).cookies["device"]
    renewed = world.rows("SELECT password FROM accounts WHERE name = 'ann'")[0][0]
    assert "t=2" in renewed
    attack(world)
    assert await sign_in(world, device=device) == "in", "known by how it is kept now"


@pytest.mark.gen_test(timeout=20)
async def test_a_sign_in_succeeds_also_when_there_is_no_room_to_hash_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(self: Passwords, password: str) -> str:
        raise Refused(429, "busy", "Too many people are signing in just now.")

    monkeypatch.setattr("wx.service.sessions.needs_rehash", lambda kept: True)
    monkeypatch.setattr(Passwords, "hash", busy)
    assert await sign_in(world) == "in"


@pytest.mark.gen_test(timeout=20)
async def test_a_password_of_more_than_256_characters_is_wrong_and_not_cut(world: World) -> None:
    text = "qzjxkvbwpyfgmhdu" * 16
    await world.add_account("carl", text)
    assert await sign_in(world, text, name="carl") == "in"
    assert await sign_in(world, text + "x", name="carl") == "wrong-password"


@pytest.mark.gen_test(timeout=20)
async def test_a_cookie_that_is_none_of_ours_finds_nobody(world: World) -> None:
    await world.signed_in()
    sessions = world.server.services.sessions
    for cookie in (
        "",
        "x" * 43,
        "é" * 43,
        "a" * 10_000,
        "0" * 42,
        "a\0" + "b" * 41,
        secret.new_secret(),
    ):
        assert await sessions.find(cookie) is None
