"""Failpoints: off, unless the environment names one."""

import subprocess
import sys

from wx import failpoint

PROGRAM = "from wx import failpoint; failpoint.here('one'); print('went on')"


def run(named: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"FAILPOINT": named},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_the_variable_nothing_happens() -> None:
    failpoint.here("")
    failpoint.here("one")


def test_the_named_place_ends_the_process_as_a_kill_does() -> None:
    ended = run("one")
    assert (ended.returncode, ended.stdout) == (137, "")


def test_another_place_goes_on() -> None:
    assert run("two").stdout == "went on\n"
