"""The verb ``config`` as an operator meets it: the real program in a process of its own."""

import re
from pathlib import Path

import pytest

from tests import processes


@pytest.mark.gen_test(timeout=40)
async def test_config_shows_what_is_in_force_and_from_where_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "wxbind.toml").write_text('app_id = "wx_file"\nsite_name = "From File"\n')
    (tmp_path / "secret").write_text("topsecret-aa\n")
    environ = {
        "WXBIND_SITE_NAME": "From Environment",
        "WXBIND_APP_SECRET_FILE": str(tmp_path / "secret"),
        "WXBIND_WEBHOOK_TOKEN": "topsecretbb",
    }
    ended = await processes.run("config", "--port=8123", folder=tmp_path, environ=environ)
    assert (ended.code, ended.err) == (0, "")
    assert "topsecret" not in ended.out
    for line in (
        r"app_id +wx_file +wxbind\.toml",
        r"site_name +From Environment +WXBIND_SITE_NAME",
        r"port +8123 +flag --port",
        r"app_secret +\*+ +WXBIND_APP_SECRET_FILE",
        r"webhook_token +\*+ +WXBIND_WEBHOOK_TOKEN",
        r"invite_seconds +600 +default",
    ):
        assert re.search(rf"(?m)^{line}$", ended.out), line


@pytest.mark.gen_test(timeout=40)
async def test_config_names_what_is_missing_after_what_there_is(tmp_path: Path) -> None:
    ended = await processes.run("config", folder=tmp_path)
    assert ended.code == 2 and "invite_seconds" in ended.out
    assert "app_id: is required" in ended.err


@pytest.mark.gen_test(timeout=40)
async def test_the_sample_can_be_had_whatever_is_configured_and_is_a_configuration(
    tmp_path: Path,
) -> None:
    (tmp_path / "wxbind.toml").write_text("nonsense")
    environ = {"WXBIND_PORT": "x", "PYTHONIOENCODING": "ascii"}
    printed = await processes.run("config", "--sample", folder=tmp_path, environ=environ)
    assert (printed.code, printed.err) == (0, "")
    (tmp_path / "wxbind.toml").write_text(printed.out, encoding="utf-8")
    words = ["--app-id=wx1", "--app-secret=s"]
    read = await processes.run("config", *words, folder=tmp_path)
    assert (read.code, read.err) == (0, "")
    assert re.search(r"(?m)^replies +8 rules +wxbind\.toml$", read.out)
    (tmp_path / "wxbind.toml").unlink()
    default = await processes.run("config", *words, folder=tmp_path)
    assert re.search(r"(?m)^replies +8 rules +default$", default.out)
    assert read.out.replace("wxbind.toml", "default") == default.out
