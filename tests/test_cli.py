"""The frame of the command line: which verb it is, help, wrong words."""

import json
from pathlib import Path

import pytest

from tests import processes
from tests.verbs.steps import names, one_line
from wx import cli

HEAVY = ("tornado", "aiosqlite", "sqlite3", "pycurl", "lxml", "cryptography", "regex", "qrcode")


def test_help_and_version_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], *([verb, "--help"] for verb in cli.VERBS), ["--version"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 0
        out = capsys.readouterr().out
        if words == ["--help"]:
            for name, verb in cli.VERBS.items():
                assert name in out and verb.HELP in " ".join(out.split())
        elif words != ["--version"]:
            assert out.startswith(f"usage: wxbind {words[0]} ") and "--invite-seconds" in out


SCRIPT = f"""
import json, sys
from wx import cli
cli.make_parser()
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""


@pytest.mark.gen_test(timeout=20)
async def test_help_does_not_wait_for_what_only_a_verb_needs(tmp_path: Path) -> None:
    script = tmp_path / "loaded.py"
    script.write_text(SCRIPT)
    ended = await (await processes.start_script(script)).ended()
    assert (ended.code, ended.err, json.loads(ended.out)) == (0, "", [])


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize(
    "words",
    [
        ["frobnicate"],
        ["serve", "--frobnicate"],
        ["--port"],
    ],
)
async def test_wrong_use_is_told_in_one_line(tmp_path: Path, words: list[str]) -> None:
    one_line(await processes.run(*words, folder=tmp_path), 2)
    assert names(tmp_path) == []
