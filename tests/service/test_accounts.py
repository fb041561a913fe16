"""Accounts as the command line makes and changes them."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from tests.support import ManualClock
from tests.world import PASSWORD, World
from wx.errors import Refused
from wx.service.accounts import Accounts
from wx.service.passwords import Passwords
from wx.store import accounts as rows
from wx.store.database import Database


class Bench:
    """Accounts on a database of their own."""

    def __init__(self, store: Database) -> None:
        self.store = store
        self.hasher = Passwords()
        self.accounts = Accounts(store, ManualClock(1000.0), self.hasher)

    async def close(self) -> None:
        self.hasher.close()
        await self.store.close()


@pytest.fixture
def bench(io_loop: IOLoop, tmp_path: Path) -> Iterator[Bench]:
    made = io_loop.run_sync(lambda: _open(tmp_path))
    yield made
    io_loop.run_sync(made.close)


async def _open(folder: Path) -> Bench:
    return Bench(await Database.open(folder / "wxbind.db"))


@pytest.mark.gen_test
async def test_an_account_is_kept_with_a_hash_and_never_with_its_password(bench: Bench) -> None:
    made = await bench.accounts.add("ann", PASSWORD, admin=True)
    assert (made.name, made.admin, made.created_at, made.disabled_at) == ("ann", True, 1000.0, None)
    assert made.password.startswith("$argon2id$")
    assert await bench.hasher.verify(PASSWORD, made.password)
    assert PASSWORD not in str(made)


@pytest.mark.gen_test
async def test_a_name_is_taken_in_whatever_case_and_form(bench: Bench) -> None:
    await bench.accounts.add("José", PASSWORD)
    for name in ("josé", "JOSÉ", unicodedata.normalize("NFD", "José")):
        with pytest.raises(Refused) as refusal:
            await bench.accounts.add(name, PASSWORD)
        assert (refusal.value.status, refusal.value.code) == (409, "name-taken")
    assert [one.name for one in await bench.accounts.list_all()] == ["José"]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "name", ["", " ann", "ann ", "a b", "-ann", "@", "a" * 65, "a\nb", "a/b", "<b>"]
)
async def test_a_name_that_would_confuse_people_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(Refused) as refusal:
        await bench.accounts.add(name, PASSWORD)
    assert (refusal.value.status, refusal.value.code) == (400, "bad-name")
    assert await bench.accounts.list_all() == []


@pytest.mark.gen_test
@pytest.mark.parametrize("name", ["王小明", "ann.b@example-1.org", "7", "a" * 64])
async def test_a_name_of_any_script_is_taken(bench: Bench, name: str) -> None:
    assert (await bench.accounts.add(name, PASSWORD)).name == name


@pytest.mark.gen_test
async def test_a_weak_password_changes_nothing(bench: Bench) -> None:
    with pytest.raises(Refused) as refusal:
        await bench.accounts.add("ann", "short")
    assert refusal.value.code == "password-short"
    kept = await bench.accounts.add("ann", PASSWORD)
    with pytest.raises(Refused):
        await bench.accounts.change_password("ann", "password1234")
    assert (await bench.accounts.list_all())[0].password == kept.password


@pytest.mark.gen_test
async def test_another_password_takes_the_place_of_the_first(bench: Bench) -> None:
    await bench.accounts.add("ann", PASSWORD)
    await bench.accounts.change_password("ANN", "another long secret 9")
    kept = (await bench.accounts.list_all())[0].password
    assert await bench.hasher.verify("another long secret 9", kept)
    assert not await bench.hasher.verify(PASSWORD, kept)


@pytest.mark.gen_test
async def test_an_account_is_disabled_and_enabled_again(bench: Bench) -> None:
    await bench.accounts.add("ann", PASSWORD)
    await bench.accounts.disable("ann")
    found = await bench.store.read(lambda conn: rows.find_by_name(conn, "ann"))
    assert found is not None and found.disabled_at == 1000.0
    await bench.accounts.enable("ann")
    found = await bench.store.read(lambda conn: rows.find_by_name(conn, "ann"))
    assert found is not None and found.disabled_at is None


@pytest.mark.gen_test
async def test_an_unknown_name_is_named_in_the_refusal(bench: Bench) -> None:
    for work in (
        bench.accounts.disable("nobody"),
        bench.accounts.enable("nobody"),
        bench.accounts.change_password("nobody", PASSWORD),
    ):
        with pytest.raises(Refused) as refusal:
            await work
        assert (refusal.value.status, refusal.value.code) == (404, "unknown-account")
        assert refusal.value.details == {"name": "nobody"}


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("change", ["password", "disable"])
async def test_a_change_ends_the_sessions_of_this_account_and_of_no_other(
    world: World, change: str
) -> None:
    ann, bob = await world.signed_in("ann"), await world.signed_in("bob")
    hasher = Passwords()
    try:
        async with await Database.open(world.folder / "data" / "wxbind.db") as door:
            accounts = Accounts(door, world.clock, hasher)
            if change == "password":
                await accounts.change_password("ann", "another long secret 9")
            else:
                await accounts.disable("ann")
    finally:
        hasher.close()
    assert (await ann.fetch("/bind")).code == 303
    assert (await bob.fetch("/bind")).code == 200
    assert len(world.rows("SELECT * FROM sessions")) == 1


@pytest.mark.gen_test
async def test_one_to_be_reached_has_no_password_and_takes_one(bench: Bench) -> None:
    made = await bench.accounts.add_reachable("Shop-7")
    assert (made.name, made.password, made.admin, made.created_at) == ("Shop-7", "", False, 1000.0)
    assert not made.can_sign_in
    await bench.accounts.add("ann", PASSWORD)
    for name, has_one in (("shop-7", False), ("ANN", True)):
        with pytest.raises(Refused) as refusal:
            await bench.accounts.add_reachable(name)
        assert (refusal.value.status, refusal.value.code) == (409, "name-taken")
        assert refusal.value.more == {"password": has_one}
    with pytest.raises(Refused) as refusal:
        await bench.accounts.add_reachable("a b")
    assert (refusal.value.status, refusal.value.code) == (400, "bad-name")
    await bench.accounts.change_password("SHOP-7", PASSWORD)
    found = {one.name: one.can_sign_in for one in await bench.accounts.list_all()}
    assert found == {"ann": True, "Shop-7": True}
