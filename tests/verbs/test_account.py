"""The verb ``account`` as an operator meets it: the real program in a process of its own."""

import sqlite3
import time
from pathlib import Path

import pytest

from tests import processes
from tests.verbs.steps import GIVEN, account, names, one_line
from tests.world import World


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
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


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
    ],
)
async def test_wrong_use_is_told_in_one_line(tmp_path: Path, words: list[str]) -> None:
    one_line(await account(tmp_path, *words), 2)
    assert names(tmp_path) == []
