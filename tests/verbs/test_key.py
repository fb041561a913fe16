"""The verb ``key`` as an operator meets it: the real program in a process of its own."""

import re
from pathlib import Path

import pytest

from tests import processes
from tests.processes import Ended
from tests.verbs.steps import GIVEN, account, names, one_line
from tests.world import World


async def key(folder: Path, *words: str) -> Ended:
    return await processes.run("key", *words, folder=folder)


@pytest.mark.gen_test(timeout=60)
async def test_keys_are_made_listed_and_revoked_before_the_first_start(tmp_path: Path) -> None:
    nothing = await key(tmp_path, "list")
    assert (nothing.code, nothing.out) == (0, "") and "no keys yet" in nothing.err
    made = await key(tmp_path, "add", "backup", "--scope", "notices:write", "notices:read")
    assert made.code == 0 and re.fullmatch(r"wx_[0-9A-Za-z]{43}\n", made.out)
    assert made.err == "key backup added; it is shown this once\n"
    assert "backup" in one_line(await key(tmp_path, "add", "backup", "--scope", "js:read"), 1)
    await account(tmp_path, "add", "ann", "--password-stdin", given=GIVEN)
    words = ["--to", "ANN", "--expires", "0.5", "--scope", "serverchan", "router"]
    assert (await key(tmp_path, "add", *words)).code == 0
    several = ["--scope", "bindings:read", "--scope", "js:read", "access-token:read", "site"]
    assert (await key(tmp_path, "add", *several)).code == 0
    assert (await key(tmp_path, "revoke", "site")).out == "key site revoked\n"
    listed = await key(tmp_path, "list")
    assert (listed.code, listed.err) == (0, "")
    lines = listed.out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "backup", "router", "site"]
    moment = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    prefix = re.escape(made.out[:8])
    for pattern, line in zip(
        (
            r"name +key +scopes +last used +expires +revoked",
            rf"backup +{prefix}… +notices:read,notices:write +never +- +-",
            rf"router +wx_\w{{5}}… +serverchan to ann +never +{moment} +-",
            rf"site +wx_\w{{5}}… +access-token:read,bindings:read,js:read +never +- +{moment}",
        ),
        lines,
        strict=True,
    ):
        assert re.fullmatch(pattern, line), line
    assert made.out.strip() not in listed.out
    again = await key(tmp_path, "add", "site", "--scope", "js:read")
    assert again.code == 0
    assert (await key(tmp_path, "list")).out.count("site") == 1
    assert (tmp_path / "data" / "wxbind.db").stat().st_mode & 0o077 == 0


@pytest.mark.gen_test(timeout=60)
async def test_what_a_key_for_codes_is_good_for_is_said_unless_it_is_for_one_account(
    tmp_path: Path,
) -> None:
    await account(tmp_path, "add", "ann", "--password-stdin", given=GIVEN)
    made = await key(tmp_path, "add", "shop", "--scope", "accounts:write", "invites:write")
    assert made.code == 0 and re.fullmatch(r"wx_[0-9A-Za-z]{43}\n", made.out)
    assert "sign in as it" in made.err
    one = await key(tmp_path, "add", "one", "--scope", "invites:write", "--to", "ann")
    assert one.code == 0 and one.err == "key one added; it is shown this once\n"
    listed = await key(tmp_path, "list")
    assert "accounts:write,invites:write" in listed.out and "invites:write to ann" in listed.out


@pytest.mark.gen_test(timeout=60)
async def test_a_key_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    for words in (
        ["add", "a b", "--scope", "js:read"],
        ["add", "a", "--scope", "serverchan"],
        ["add", "a", "--scope", "serverchan", "js:read", "--to", "ann"],
        ["add", "a", "--scope", "serverchan", "--to", "nobody"],
        ["add", "a", "--scope", "invites:write", "--to", "nobody"],
        ["add", "a", "--scope", "accounts:write", "--to", "ann"],
        ["add", "a", "--scope", "js:read", "--expires", "0"],
        ["add", "a", "--scope", "js:read", "--expires", "nan"],
        ["revoke", "nobody"],
    ):
        one_line(await key(tmp_path, *words), 1)
    assert (await key(tmp_path, "list")).out == ""


@pytest.mark.gen_test(timeout=60)
async def test_the_last_use_of_a_key_is_listed(world: World) -> None:
    shown = await world.key("notices:read", name="backup")
    assert (await world.ask("/api/v1/notices", key=shown)).code == 200
    await world.rest()
    listed = await key(world.folder, "list", f"--data-dir={world.folder / 'data'}")
    assert re.search(r"backup +\S+ +notices:read +2027-01-15 \d\d:\d\d", listed.out)


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["frobnicate"],
        ["add"],
        ["add", "backup"],
        ["add", "--scope", "notices:write"],
        ["add", "backup", "--scope"],
        ["add", "backup", "--scope", "everything"],
        ["add", "backup", "--scope", "notices:write", "bakcup"],
        ["add", "backup", "--scope", "notices:write", "--expires", "soon"],
        ["list", "backup"],
        ["list", "--scope", "notices:write"],
        ["revoke"],
        ["revoke", "backup", "--to", "ann"],
    ],
)
async def test_wrong_use_is_told_in_one_line(tmp_path: Path, words: list[str]) -> None:
    one_line(await key(tmp_path, *words), 2)
    assert names(tmp_path) == []
