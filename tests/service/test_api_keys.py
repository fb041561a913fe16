"""API keys: made, shown, counted, revoked."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from tests.support import ManualClock
from wx import secret
from wx.errors import Refused, StorageUnavailable
from wx.service.api_keys import CACHE_SECONDS, SCOPES, ApiKeys
from wx.service.background import Background
from wx.store import accounts, database
from wx.store.database import Database

WRITE, READ = "notices:write", "notices:read"


class Room:
    """API keys over a real database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.background = Background()

    async def open(self) -> None:
        self.store = await Database.open(self.folder / database.FILE)
        self.keys = ApiKeys(self.store, self.clock, self.background, per_minute=60)
        await self.store.write(
            lambda conn: accounts.add(conn, "Ann", "x", admin=False, now=self.clock.now())
        )

    async def close(self) -> None:
        await self.background.close()
        await self.store.close()

    async def refused(self, key: str, scope: str = WRITE) -> Refused:
        with pytest.raises(Refused) as caught:
            await self.keys.check(key, scope)
        return caught.value


@pytest.fixture
def room(io_loop: IOLoop, tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    io_loop.run_sync(made.open)
    yield made
    io_loop.run_sync(made.close)


@pytest.mark.gen_test
async def test_a_key_is_random_and_only_its_digest_is_kept(room: Room) -> None:
    one = await room.keys.add("one", [WRITE])
    two = await room.keys.add("two", [WRITE])
    assert re.fullmatch(r"wx_[0-9A-Za-z]{43}", one) and one != two
    assert [kept.prefix for kept in await room.keys.list_all()] == [one[:8], two[:8]]
    await room.store.close()
    kept = b"".join(path.read_bytes() for path in room.folder.iterdir())
    assert one.encode() not in kept and one[3:].encode() not in kept
    assert secret.digest(one) in kept
    assert one[8:].encode() not in kept


@pytest.mark.gen_test
async def test_a_key_is_good_for_its_scopes_and_no_other(room: Room) -> None:
    key = await room.keys.add("backup", [WRITE, READ])
    for scope in (WRITE, READ):
        assert (await room.keys.check(key, scope)).name == "backup"
    for scope in (*set(SCOPES) - {WRITE, READ}, "notices", ""):
        refusal = await room.refused(key, scope)
        assert (refusal.status, refusal.code) == (403, "missing-scope")
        assert refusal.more == {"scope": scope}


@pytest.mark.gen_test
async def test_what_is_no_key_is_refused(room: Room) -> None:
    key = await room.keys.add("backup", [WRITE])
    for wrong in (
        *("", "wx_", key[:-1], key + "a", key[3:], key.swapcase(), key + "\n", " " + key),
        *("wx_" + "a" * 43, "wx_" + "é" * 43, key.replace("wx_", "WX_"), "wx_" + "a" * 100_000),
    ):
        refusal = await room.refused(wrong)
        assert (refusal.status, refusal.code) == (401, "bad-key"), wrong
    assert not [one for one in room.keys._found if one != secret.digest(key)]


@pytest.mark.gen_test
async def test_a_revoked_key_is_refused_within_half_a_second(room: Room) -> None:
    key = await room.keys.add("backup", [WRITE])
    await room.keys.check(key, WRITE)
    elsewhere = ApiKeys(room.store, room.clock)
    await elsewhere.revoke("backup")
    room.clock.advance(CACHE_SECONDS + 0.01)
    assert (await room.refused(key)).code == "bad-key"
    assert CACHE_SECONDS <= 0.5
    # In use without a pause, too: what is cached is not renewed by being used.
    other = await room.keys.add("other", [WRITE])
    await room.keys.check(other, WRITE)
    await elsewhere.revoke("other")
    for _ in range(6):
        room.clock.advance(0.1)
        try:
            await room.keys.check(other, WRITE)
        except Refused:
            break
    else:
        raise AssertionError("it is still let in")


@pytest.mark.gen_test
async def test_a_key_in_use_is_looked_up_twice_a_second_at_most(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await room.keys.add("backup", [WRITE])
    reads = 0
    real = room.store.read

    async def counted(work: object) -> object:
        nonlocal reads
        reads += 1
        return await real(work)  # type: ignore[arg-type]

    monkeypatch.setattr(room.store, "read", counted)
    for _ in range(20):
        await room.keys.check(key, WRITE)
        room.clock.advance(0.1)
    assert 4 <= reads <= 5


@pytest.mark.gen_test
async def test_a_key_expires_also_while_it_is_in_use(room: Room) -> None:
    key = await room.keys.add("backup", [WRITE], expires_in=0.3)
    await room.keys.check(key, WRITE)
    room.clock.advance(0.3)
    assert (await room.refused(key)).code == "bad-key"


@pytest.mark.gen_test
async def test_a_key_that_is_over_leaves_its_name_to_the_next(room: Room) -> None:
    first = await room.keys.add("backup", [WRITE])
    with pytest.raises(Refused) as caught:
        await room.keys.add("backup", [READ])
    assert (caught.value.status, caught.value.code) == (409, "name-taken")
    await room.keys.revoke("backup")
    second = await room.keys.add("backup", [READ])
    assert (await room.refused(first)).code == "bad-key"
    assert (await room.keys.check(second, READ)).name == "backup"
    assert len(await room.keys.list_all()) == 1


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("name", "scopes", "more", "code"),
    [
        ("", [WRITE], {}, "bad-name"),
        ("a b", [WRITE], {}, "bad-name"),
        ("-a", [WRITE], {}, "bad-name"),
        ("a" * 65, [WRITE], {}, "bad-name"),
        ("a\n", [WRITE], {}, "bad-name"),
        ("a", [], {}, "bad-scope"),
        ("a", ["admin"], {}, "bad-scope"),
        ("a", [WRITE, "Notices:Write"], {}, "bad-scope"),
        ("a", [WRITE, "serverchan"], {"account": "ann"}, "bad-scope"),
        ("a", ["serverchan"], {}, "bad-recipient"),
        ("a", ["js:read"], {"account": "ann"}, "bad-recipient"),
        ("a", [WRITE, "bindings:read"], {"account": "ann"}, "bad-recipient"),
        ("a", ["accounts:write"], {"account": "ann"}, "bad-recipient"),
        ("a", ["serverchan", "invites:write"], {"account": "ann"}, "bad-scope"),
        ("a", [WRITE], {"account": "nobody"}, "unknown-account"),
        ("a", ["serverchan"], {"account": "nobody"}, "unknown-account"),
        ("a", [WRITE], {"expires_in": 0}, "bad-expiry"),
        ("a", [WRITE], {"expires_in": -1}, "bad-expiry"),
        ("a", [WRITE], {"expires_in": float("nan")}, "bad-expiry"),
        ("a", [WRITE], {"expires_in": float("inf")}, "bad-expiry"),
    ],
)
async def test_a_wrong_key_is_not_made(
    room: Room, name: str, scopes: list[str], more: dict[str, object], code: str
) -> None:
    with pytest.raises(Refused) as caught:
        await room.keys.add(name, scopes, **more)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert await room.keys.list_all() == []


@pytest.mark.gen_test
async def test_a_serverchan_key_knows_whom_it_reaches(room: Room) -> None:
    key = await room.keys.check(
        await room.keys.add("sc", ["serverchan"], account="aNN"), "serverchan"
    )
    account = await room.keys.account_of(key)
    assert account is not None and account.name == "Ann"
    plain = await room.keys.check(await room.keys.add("plain", [WRITE]), WRITE)
    assert await room.keys.account_of(plain) is None


@pytest.mark.gen_test
async def test_nobody_is_revoked_by_a_name_that_is_none(room: Room) -> None:
    await room.keys.add("Ólaf", [WRITE])
    for name in ("nobody", "", "ólaf"):
        with pytest.raises(Refused) as caught:
            await room.keys.revoke(name)
        assert (caught.value.status, caught.value.code) == (404, "unknown-key")
    await room.keys.revoke("O\u0301laf")  # the same name, typed on another machine
    assert (await room.keys.list_all())[0].revoked_at is not None


# The minute


@pytest.mark.gen_test
async def test_a_minute_holds_so_many_calls_and_fills_again_evenly(room: Room) -> None:
    key = await room.keys.add("backup", [WRITE])
    for _ in range(60):
        await room.keys.check(key, WRITE)
    refusal = await room.refused(key)
    assert (refusal.status, refusal.code) == (429, "too-many-requests")
    assert refusal.retry_after == pytest.approx(1)
    room.clock.advance(1)
    await room.keys.check(key, WRITE)
    assert (await room.refused(key)).status == 429
    room.clock.advance(3600)
    for _ in range(60):
        await room.keys.check(key, WRITE)
    assert (await room.refused(key)).status == 429


@pytest.mark.gen_test
async def test_another_key_has_a_minute_of_its_own_and_a_missing_scope_counts_too(
    room: Room,
) -> None:
    one, two = await room.keys.add("one", [WRITE]), await room.keys.add("two", [WRITE])
    codes = [(await room.refused(one, READ)).code for _ in range(61)]
    assert codes == ["missing-scope"] * 60 + ["too-many-requests"]
    await room.keys.check(two, WRITE)


@pytest.mark.gen_test
async def test_a_list_counts_as_many_and_is_taken_whole_or_not_at_all(room: Room) -> None:
    key = await room.keys.check(await room.keys.add("backup", [WRITE]), WRITE)
    room.keys.charge(key, 39)
    with pytest.raises(Refused) as caught:
        room.keys.charge(key, 25)
    assert caught.value.retry_after == pytest.approx(6), "the call itself is paid again"
    room.keys.charge(key, 20)
    with pytest.raises(Refused):
        room.keys.charge(key, 1)
    room.keys.charge(key, 0)


@pytest.mark.gen_test
@pytest.mark.parametrize("count", [2, 40, 59, 60, 61, 600])
async def test_whoever_waits_as_long_as_they_are_told_is_let_in(room: Room, count: int) -> None:
    made = await room.keys.add("backup", [WRITE])
    for _ in range(60):
        key = await room.keys.check(made, WRITE)
    room.clock.advance(1.5)
    await room.keys.check(made, WRITE)
    with pytest.raises(Refused) as caught:
        room.keys.charge(key, count - 1)
    assert caught.value.retry_after is not None
    room.clock.advance(caught.value.retry_after)
    await room.keys.check(made, WRITE)
    room.keys.charge(key, count - 1)
    with pytest.raises(Refused) as caught:
        await room.keys.check(made, WRITE)
    debt = max(0, count - 60)
    assert caught.value.retry_after == pytest.approx(debt + 1, abs=0.01)
    room.clock.advance(debt + 1)
    await room.keys.check(made, WRITE)


# When it was used


@pytest.mark.gen_test
async def test_the_last_use_is_written_once_a_minute_and_not_in_the_call_s_way(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await room.keys.add("backup", [WRITE])
    writes = 0
    real = room.store.write

    async def counted(work: object) -> object:
        nonlocal writes
        writes += 1
        return await real(work)  # type: ignore[arg-type]

    monkeypatch.setattr(room.store, "write", counted)
    begun = room.clock.now()
    for _ in range(50):
        await room.keys.check(key, WRITE)
        room.clock.advance(1.1)
    await room.background.settled()
    assert writes == 1
    assert (await room.keys.list_all())[0].used_at == begun
    room.clock.advance(30)
    await room.keys.check(key, WRITE)
    await room.background.settled()
    assert writes == 2
    assert (await room.keys.list_all())[0].used_at == room.clock.now()


@pytest.mark.gen_test
async def test_who_is_refused_has_not_used_the_key(room: Room) -> None:
    key = await room.keys.add("backup", [WRITE])
    await room.refused(key, READ)
    await room.background.settled()
    assert (await room.keys.list_all())[0].used_at is None


@pytest.mark.gen_test
async def test_a_disk_that_takes_nothing_keeps_no_key_out(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = await room.keys.add("backup", [WRITE])

    async def full(work: object) -> None:
        raise StorageUnavailable("full")

    with monkeypatch.context() as patch:
        patch.setattr(room.store, "write", full)
        await room.keys.check(key, WRITE)
        await room.background.settled()
    assert not caplog.records
    await room.keys.check(key, WRITE)
    await room.background.settled()
    assert (await room.keys.list_all())[0].used_at is not None
