"""The verb ``account`` as an operator meets it: the real program in a process of its own."""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from tests import processes
from tests.processes import Ended
from tests.verbs.steps import GIVEN, account, flags, names, one_line
from tests.world import World

CHECK, RENEW = "/sns/auth", "/sns/oauth2/refresh_token"


@pytest.mark.gen_test(timeout=60)
async def test_accounts_are_made_listed_and_changed_before_the_first_start(tmp_path: Path) -> None:
    nobody = await account(tmp_path, "list")
    assert (nobody.code, nobody.out) == (0, "") and "no accounts yet" in nobody.err
    added = await account(tmp_path, "add", "ann", "--admin", "--password-stdin", given=GIVEN)
    assert (added.code, added.out) == (0, "account ann added\n")
    crlf = GIVEN.replace(b"\n", b"\r\n")
    await account(tmp_path, "add", "王小明", "--password-stdin", given=crlf)
    assert (await account(tmp_path, "disable", "ann")).code == 0
    assert (await account(tmp_path, "list")).out == "ann (admin, disabled)\n王小明\n"
    assert (await account(tmp_path, "enable", "ANN")).code == 0
    assert (await account(tmp_path, "list")).out == "ann (admin)\n王小明\n"
    changed = await account(
        tmp_path, "passwd", "ann", "--password-stdin", given=b"another long secret 9"
    )
    assert changed.code == 0
    ended, entering = changed.out.splitlines()
    assert ended == "password of ann changed; all its sessions have ended"
    assert "the bound WeChat, if any, can still enter" in entering
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


@pytest.mark.gen_test(timeout=60)
async def test_an_account_of_a_program_s_is_marked_until_it_gets_a_password(world: World) -> None:
    await world.server.services.accounts.add_reachable("shop-7")
    there = f"--data-dir={world.folder / 'data'}"
    assert (await account(world.folder, "list", there)).out == "ann\nbob\nshop-7 (no password)\n"
    words = ("passwd", "shop-7", "--password-stdin", there)
    assert (await account(world.folder, *words, given=GIVEN)).code == 0
    assert (await account(world.folder, "list", there)).out == "ann\nbob\nshop-7\n"


@pytest.mark.gen_test(timeout=60)
async def test_a_refusal_is_one_line_and_exit_1(tmp_path: Path) -> None:
    add = ("add", "ann", "--password-stdin")
    assert "12" in one_line(await account(tmp_path, *add, given=b"short\n"), 1)
    one_line(await account(tmp_path, *add, given=b""), 1)
    one_line(await account(tmp_path, *add, given=b"\xff\xfe is no text at all\n"), 1)
    one_line(await account(tmp_path, "add", "a b", "--password-stdin", given=GIVEN), 1)
    assert "--password-stdin" in one_line(await account(tmp_path, "add", "ann"), 1)
    assert "%(x)s" in one_line(await account(tmp_path, "disable", "100%(x)s"), 1)
    await account(tmp_path, *add, given=GIVEN)
    assert "ann" in one_line(await account(tmp_path, *add, given=GIVEN), 1)
    for action in ("disable", "enable"):
        assert "nobody" in one_line(await account(tmp_path, action, "nobody"), 1)


@pytest.mark.gen_test(timeout=40)
async def test_a_damaged_or_newer_database_is_refused_by_every_verb(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "wxbind.db"
    path.write_bytes(b"nonsense" * 1000)
    one_line(await account(tmp_path, "list"), 5)
    path.unlink()
    await account(tmp_path, "list")
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA user_version = 99")
    conn.close()
    one_line(await account(tmp_path, "list"), 4)


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize("action", ["disable", "passwd"])
async def test_a_verb_works_while_the_server_runs_and_ends_the_sessions_there(
    world: World, action: str
) -> None:
    desktop = await world.signed_in()
    socket_ = await desktop.live(await desktop.invite())
    await socket_.frame()
    words = ["account", action, "ann", f"--data-dir={world.folder / 'data'}"]
    if action == "passwd":
        words.append("--password-stdin")
    ended = await processes.run(*words, folder=world.folder, given=b"another long secret 9\n")
    done = time.monotonic()
    assert ended.code == 0, ended.err
    assert await socket_.frame() is None
    assert time.monotonic() - done < 3  # a second is promised; the machine may be busy
    assert socket_.connection.close_code == 4401
    assert (await desktop.fetch("/bind")).code == 303
    new = await world.desktop().log_in("ann", "another long secret 9")
    assert new.code == (303 if action == "passwd" else 401)
    assert (await world.desktop().log_in("ann")).code == 401


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["frobnicate"],
        ["add"],
        ["list", "ann"],
        ["disable"],
        ["refresh"],
    ],
)
async def test_wrong_use_is_told_in_one_line(tmp_path: Path, words: list[str]) -> None:
    one_line(await account(tmp_path, *words), 2)
    assert names(tmp_path) == []


# refresh


@pytest.fixture
def present(world: World, io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world in the time of the processes that are started beside it."""
    monkeypatch.setattr(world.clock, "now", time.time)
    monkeypatch.setattr(world.clock, "monotonic", time.monotonic)
    io_loop.run_sync(world.reconfigure)
    return world


async def refresh(world: World, name: str = "ann", **keys: str) -> Ended:
    return await processes.run(
        "account", "refresh", name, *flags(world, **keys), folder=world.folder
    )


def row(world: World) -> sqlite3.Row:
    (found,) = world.rows("SELECT * FROM followers")
    return found


@pytest.mark.gen_test(timeout=60)
async def test_who_is_behind_an_account_is_read_anew_beside_a_running_server(
    present: World,
) -> None:
    world, platform = present, present.simulator.world
    await world.bound()
    await world.rest()
    same = await refresh(world, "ANN")
    assert (same.code, same.out, same.err) == (0, "account ann: nothing has changed\n", "")
    person = platform.people["wang"]
    person.nickname, person.city = "小\x1b[31m明", "广州"
    # Stale: the process renews it, and the server then goes on with what it has kept.
    for token in platform.user_tokens.values():
        token.expires_at = 0
    changed = await refresh(world)
    assert (changed.code, changed.err) == (0, "")
    assert changed.out == "account ann: nickname 小[31m明, was 王小明🌻; new city\n"
    assert world.simulator.calls[RENEW] == 1
    assert (row(world)["nickname"], row(world)["city"]) == ("小[31m明", "广州")
    person.nickname = "小明"
    _, bound = await world.server.services.bindings.of_name("ann")
    assert bound is not None
    done = await world.server.services.authorizations.refresh(bound.follower)
    assert done.after.nickname == "小明" and world.simulator.calls[RENEW] == 1
    platform.placeholder_names = True
    assert (await refresh(world)).out == "account ann: nothing has changed\n"


@pytest.mark.gen_test(timeout=60)
async def test_it_needs_no_server_and_a_server_that_starts_goes_on_with_it(
    present: World,
) -> None:
    world, platform = present, present.simulator.world
    await world.bound()
    await world.rest()
    port = str(world.server.port)
    await world.server.stop()
    for token in platform.user_tokens.values():
        token.expires_at = 0
    platform.people["wang"].nickname = "小明"
    alone = await refresh(world)
    assert (alone.code, alone.out) == (0, "account ann: nickname 小明, was 王小明🌻\n")
    await world.start_server(**world.keys | {"port": port})
    _, bound = await world.server.services.bindings.of_name("ann")
    assert bound is not None
    await world.server.services.authorizations.refresh(bound.follower)
    assert world.simulator.calls[RENEW] == 1


@pytest.mark.gen_test(timeout=60)
async def test_two_of_them_and_the_server_at_once_break_nothing(present: World) -> None:
    world, platform = present, present.simulator.world
    await world.bound()
    await world.rest()
    for token in platform.user_tokens.values():
        token.expires_at = 0
    platform.people["wang"].nickname = "小明"
    world.simulator.faults.delay(CHECK, 3, times=3)
    _, bound = await world.server.services.bindings.of_name("ann")
    assert bound is not None
    one, two, done = await asyncio.gather(
        refresh(world), refresh(world), world.server.services.authorizations.refresh(bound.follower)
    )
    assert {one.code, two.code} == {0}, (one, two)
    assert done.after.nickname == row(world)["nickname"] == "小明"
    assert (await refresh(world)).out == "account ann: nothing has changed\n"


@pytest.mark.gen_test(timeout=60)
async def test_where_there_is_no_profile_to_be_had_it_says_what_to_do(present: World) -> None:
    world = present
    assert "account list" in one_line(await refresh(world, "nobody"), 1)
    assert "scan the code" in one_line(await refresh(world), 1)
    await world.reconfigure(bind_scope="snsapi_base")
    await world.bound()
    never = one_line(await refresh(world), 1)
    assert "never asked" in never and "bind_scope" in never and "/enter" in never
    assert world.simulator.calls[CHECK] == 0
    await world.reconfigure()
    await world.bound("bob", "li")
    await world.rest()
    li = world.simulator.world.people["li"]
    world.simulator.world.revoke_web_tokens(li)
    for _ in range(2):
        over = one_line(await refresh(world, "bob"), 1)
        assert "is over" in over and "agree" in over
    assert world.simulator.calls[CHECK] == 1


@pytest.mark.gen_test(timeout=60)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"body": "<html>", "status": 502}, "cannot be reached"),
        ({"errcode": -1}, "WeChat is busy"),
        ({"errcode": 45011}, "too many calls"),
    ],
)
async def test_trouble_at_the_platform_is_told_and_the_next_try_works(
    present: World, fault: dict[str, Any], words: str
) -> None:
    world = present
    await world.bound()
    await world.rest()
    world.simulator.faults.answer(CHECK, **fault)
    ended = await refresh(world)
    assert words in one_line(ended, 1)
    assert not [one for one in world.simulator.world.web_secrets if one in ended.err]
    assert (await refresh(world)).code == 0


@pytest.mark.gen_test(timeout=40)
async def test_it_needs_the_whole_configuration(tmp_path: Path) -> None:
    ended = await account(tmp_path, "refresh", "ann")
    assert ended.code == 2 and "app_id" in ended.err
    assert names(tmp_path) == []
