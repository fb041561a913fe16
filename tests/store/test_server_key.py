"""The server's own key."""

import stat

import pytest

from wx.errors import StartError
from wx.store import server_key


def test_the_key_is_made_once_for_its_owner_only(tmp_path):
    key = server_key.load(tmp_path)
    assert len(key) == 32
    assert server_key.load(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "server.key").stat().st_mode) == 0o600


def test_each_data_directory_has_another(tmp_path):
    (tmp_path / "other").mkdir()
    assert server_key.load(tmp_path) != server_key.load(tmp_path / "other")


@pytest.mark.parametrize("content", [b"", b"0" * 63, b"x" * 64, b"\xff" * 64, b"0" * 65])
def test_a_file_that_holds_something_else_is_refused_and_kept(tmp_path, content):
    (tmp_path / "server.key").write_bytes(content)
    with pytest.raises(StartError, match="does not hold a key"):
        server_key.load(tmp_path)
    assert (tmp_path / "server.key").read_bytes() == content


def test_an_editors_line_break_is_forgiven(tmp_path):
    (tmp_path / "server.key").write_text("ab" * 32 + "\n")
    assert server_key.load(tmp_path) == b"\xab" * 32


def test_a_link_of_someone_else_is_not_written_through(tmp_path):
    (tmp_path / "server.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises((StartError, OSError)):
        server_key.load(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["server.key"]


def test_a_disk_that_fails_leaves_no_half_key(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(server_key.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        server_key.load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_two_processes_that_make_a_key_both_use_the_first(tmp_path, monkeypatch):
    link = server_key.os.link

    def overtaken(whole, path):
        path.write_text("cd" * 32)
        link(whole, path)

    monkeypatch.setattr(server_key.os, "link", overtaken)
    assert server_key.load(tmp_path) == b"\xcd" * 32
    assert [one.name for one in tmp_path.iterdir()] == ["server.key"]
