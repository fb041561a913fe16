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


def test_a_place_may_be_passed_a_number_of_times() -> None:
    program = "from wx import failpoint\nfor n in range(5): failpoint.here('one'); print(n)"
    ended = subprocess.run(
        [sys.executable, "-uc", program],
        env={"FAILPOINT": "one@3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (137, "0\n1\n")
