"""The README stays true: every key, verb and page is in it, and nothing else."""

import argparse
import re
from pathlib import Path

from wx import cli, config
from wx.model import NoticeState
from wx.service.api_keys import SCOPES
from wx.web.openapi import ERRORS, SCHEMAS
from wx.web.routes import BARE, ROUTES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def chapter(title: str) -> str:
    return README.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(title: str) -> list[str]:
    rows = re.findall(r"^\| (.+?) \|", chapter(title), re.MULTILINE)
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row)]


def test_every_configuration_key_is_in_the_table_and_no_other() -> None:
    assert first_cells("Configuration") == [key.name for key in config.KEYS]


def test_the_defaults_in_the_table_are_the_program_s() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", chapter("Configuration"), re.MULTILINE))
    for key in config.KEYS:
        if isinstance(key.default, bool) or not key.default or key.name == "avatar_origins":
            continue
        assert rows[key.name] == f"`{key.default}`", key.name
    assert rows["insecure_http"] == "`false`"
    for origin in str(config._AVATARS).split(", "):
        assert f"`{origin}`" in rows["avatar_origins"]


def test_every_verb_is_in_the_table_and_no_other() -> None:
    written = {cell.split()[0] for cell in first_cells("Commands")}
    subparsers = [
        action
        for action in cli.make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    assert written == set(subparsers[0].choices)


def test_every_page_is_in_the_table_and_no_other() -> None:
    written = set(first_cells("Pages"))
    for pattern in [*(one for one, _ in ROUTES), *BARE]:
        path = (
            pattern.replace(r"([0-9A-Za-z]{43})", "SECRET")
            .replace(r"([0-9A-Za-z]{22})", "ID")
            .replace(r"([A-Za-z0-9]{1,64})", "X")
            .replace(r"([0-9A-Za-z_-]{1,128})", "KEY")
            .replace(r"notices/([^/]+)", "notices/ID")
            .replace(r"invites/([^/]+)", "invites/ID")
            .replace(r"([^/]+)", "NAME")
            .replace("\\", "")
        )
        assert path in written, path
        written.discard(path)
    assert written == set()


def test_the_tables_of_the_api_are_those_of_the_program() -> None:
    written_here = chapter("The API") + chapter("A site with its own users")
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \|", written_here, re.MULTILINE)
    known = {code: str(status) for code, (status, _) in ERRORS.items()}
    assert {code: status for code, status in rows if status.isdigit()} == known
    written = [name for name, meaning in rows if not meaning.isdigit()]
    assert [name for name in written if name in SCOPES] == list(SCOPES)
    assert [name for name in written if name in list(NoticeState)] == list(NoticeState)
    fields = set(SCHEMAS["Draft"]["properties"]) | set(SCHEMAS["Wish"]["properties"])
    assert set(written) - set(SCOPES) - set(NoticeState) == fields


def test_the_code_map_names_rooms_that_exist() -> None:
    for name in re.findall(r"`(wx/[\w./]+)`", chapter("Code map")):
        assert (ROOT / name).exists(), name


def test_the_picture_is_there() -> None:
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert (ROOT / picture).stat().st_size > 10_000
