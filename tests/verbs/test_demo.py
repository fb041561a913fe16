"""The verb ``demo`` as an operator meets it: the real program in a process of its own."""

import signal
from pathlib import Path

import pytest

from tests import processes
from tests.verbs.steps import names, one_line


@pytest.mark.gen_test(timeout=40)
async def test_a_configuration_that_lies_about_does_not_disturb_it(tmp_path: Path) -> None:
    (tmp_path / "wxbind.toml").write_text('app_id = "wx_real"\nport = 1\nnonsense = 1\n')
    environ = {"WXBIND_PUBLIC_URL": "https://real.example.com"}
    demo = await processes.start("demo", "--port", "0", folder=tmp_path, environ=environ)
    try:
        await demo.line_with("Ctrl-C")
        assert "real" not in "".join(demo.lines)
        demo.signal(signal.SIGINT)
        assert (await demo.ended()).code == 0
    finally:
        await demo.kill()


@pytest.mark.gen_test(timeout=40)
@pytest.mark.parametrize("flag", ["--port=x", "--bind-route=pigeon", "--address=nowhere"])
async def test_a_flag_that_is_wrong_is_told_and_nothing_is_started(
    tmp_path: Path, flag: str
) -> None:
    ended = await processes.run("demo", flag, "--data-dir=kept", folder=tmp_path)
    assert flag[2:6] in one_line(ended, 2) and ended.out == ""
    assert names(tmp_path) == []
