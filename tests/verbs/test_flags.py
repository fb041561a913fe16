"""A flag for each configuration key, and the configuration that comes of them."""

from pathlib import Path

import pytest

from wx import config
from wx.verbs import flags


def read(*words: str) -> config.Config:
    return flags.sources(flags.make_parser().parse_args(words)).config(complete=False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to read the configuration in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_key_has_its_flag_save_those_of_the_file_alone() -> None:
    text = flags.make_parser().format_help()
    for key in config.KEYS:
        assert (f"{key.flag} " in text) != key.file_only, key.name


def test_a_flag_goes_before_environment_and_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read().port == 8000
    (folder / "wxbind.toml").write_text("port = 1001\n")
    (folder / "other.toml").write_text("port = 1002\n")
    assert read().port == 1001
    assert read("--config", "other.toml").port == 1002
    monkeypatch.setenv("WXBIND_PORT", "1003")
    assert read().port == 1003
    assert read("--port", "1004").port == 1004


def test_a_switch_needs_no_value_and_takes_one() -> None:
    assert not read().insecure_http
    assert read("--insecure-http").insecure_http
    assert not read("--insecure-http", "false").insecure_http


def test_the_secrets_are_those_that_are_set() -> None:
    assert flags.secrets(read("--app-id=wx1")) == []
    given = read("--app-id=wx1", "--app-secret=topsecret", "--webhook-token=hush")
    assert sorted(flags.secrets(given)) == ["hush", "topsecret"]
