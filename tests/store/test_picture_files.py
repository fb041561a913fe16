"""Files of pictures: whole under their name or not there, private, and nowhere else."""

import errno
import os
import stat
from pathlib import Path

import pytest

from wx.errors import StorageUnavailable
from wx.store import picture_files as module
from wx.store.picture_files import CHUNK, PictureFiles

ONE, TWO = "a" * 22, "B" * 22


@pytest.fixture
def files(tmp_path: Path) -> PictureFiles:
    return PictureFiles(tmp_path)


async def read(files: PictureFiles, picture_id: str) -> bytes | None:
    opened = await files.open(picture_id)
    return b"".join([chunk async for chunk in opened.chunks()]) if opened else None


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
@pytest.mark.gen_test
async def test_what_is_kept_is_read_in_pieces(files, size):
    body = os.urandom(size)
    await files.add(ONE, body)
    opened = await files.open(ONE)
    assert opened.size == size
    pieces = [chunk async for chunk in opened.chunks()]
    assert b"".join(pieces) == body
    assert all(len(piece) <= CHUNK for piece in pieces)


@pytest.mark.gen_test
async def test_only_their_owner_may_look_at_them(files, tmp_path):
    old = os.umask(0)
    try:
        await files.add(ONE, b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "media").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "media" / ONE).stat().st_mode) == 0o600


@pytest.mark.gen_test
async def test_a_file_is_written_under_another_name_first(files, tmp_path, monkeypatch):
    seen = []
    real = os.fsync

    def fsync(handle):
        seen.append(sorted(path.name for path in (tmp_path / "media").iterdir()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    await files.add(ONE, b"x")
    assert seen == [[f"{ONE}.part"], [ONE]], "the file, and then the folder with its name"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "rename", "open", "folder"])
@pytest.mark.gen_test
async def test_a_full_disk_leaves_nothing(files, tmp_path, monkeypatch, number, call):
    await files.add(TWO, b"other")
    real, times = os.fsync, 0

    def fail(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    def fail_at_the_folder(handle):
        nonlocal times
        times += 1
        return real(handle) if times == 1 else fail()

    if call == "rename":
        monkeypatch.setattr(Path, "rename", fail)
    else:
        broken = fail_at_the_folder if call == "folder" else fail
        monkeypatch.setattr(os, "fsync" if call == "folder" else call, broken)
    with pytest.raises(StorageUnavailable) as caught:
        await files.add(ONE, b"x" * 100_000)
    monkeypatch.undo()
    assert os.strerror(number) in str(caught.value)
    assert [path.name for path in (tmp_path / "media").iterdir()] == [TWO]


@pytest.mark.gen_test
async def test_a_real_full_disk_leaves_nothing(files, tmp_path, monkeypatch):
    (tmp_path / "media").mkdir()
    real = os.open

    def onto_a_full_one(path, *rest):
        return os.dup(full) if str(path).endswith(".part") else real(path, *rest)

    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(os, "open", onto_a_full_one)
    with pytest.raises(StorageUnavailable):
        await files.add(ONE, b"x" * 100_000)
    monkeypatch.undo()
    os.close(full)
    assert list((tmp_path / "media").iterdir()) == []


@pytest.mark.gen_test
async def test_a_removed_one_is_gone_and_may_be_removed_again(files):
    await files.add(ONE, b"1")
    await files.add(TWO, b"2")
    await files.remove([ONE])
    await files.remove([ONE])
    assert await files.open(ONE) is None
    assert await read(files, TWO) == b"2"


@pytest.mark.gen_test
async def test_all_are_listed_also_unfinished_ones_and_nothing_foreign(files, tmp_path):
    assert await files.list_all() is None, "there is no folder yet"
    (tmp_path / "media").mkdir()
    assert await files.list_all() == set()
    await files.add(ONE, b"1")
    folder = tmp_path / "media"
    (folder / f"{TWO}.part").write_bytes(b"half")
    (folder / "README").write_text("not ours")
    (folder / f".{ONE}").write_text("not ours")
    (folder / ("d" * 22)).mkdir()
    (folder / ("l" * 22)).symlink_to(folder / "README")
    assert await files.list_all() == {ONE, TWO}
    await files.remove([TWO])
    assert await files.list_all() == {ONE}
    assert (folder / "README").exists()


@pytest.mark.gen_test
async def test_those_without_a_file_are_told(files):
    await files.add(ONE, b"1")
    assert await files.missing([ONE, TWO]) == [TWO]


@pytest.mark.gen_test
async def test_what_is_no_file_is_no_picture(files, tmp_path):
    (tmp_path / "media" / ONE).mkdir(parents=True)
    (tmp_path / "media" / TWO).symlink_to(tmp_path)
    assert await files.missing([ONE, TWO]) == [ONE, TWO]


@pytest.mark.gen_test
async def test_a_folder_that_is_none_tells_nothing_of_what_is_missing(files, tmp_path):
    (tmp_path / "media").write_text("no folder")
    for act in (files.missing([ONE]), files.list_all(), files.given_up()):
        with pytest.raises(StorageUnavailable):
            await act


@pytest.mark.gen_test
async def test_one_that_cannot_be_removed_does_not_keep_the_others(files, tmp_path):
    await files.add(TWO, b"2")
    (tmp_path / "media" / ONE).mkdir()
    assert await files.remove([ONE, TWO]) == {ONE: "Is a directory"}
    assert await files.list_all() == set()


@pytest.mark.gen_test
async def test_the_operator_s_word_is_heard_once(files, tmp_path):
    assert not await files.given_up()
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / module.GIVEN_UP).touch()
    assert await files.given_up()
    assert not await files.given_up()


@pytest.mark.parametrize("name", ["", "a", "../" + "a" * 19, "a" * 21 + "/", "a" * 23, "." * 22])
@pytest.mark.gen_test
async def test_a_name_that_is_no_id_leads_nowhere(files, name):
    for act in (files.add(name, b"x"), files.open(name), files.remove([name])):
        with pytest.raises(ValueError, match="not the id"):
            await act


@pytest.mark.gen_test
async def test_a_link_in_its_place_is_not_followed(files, tmp_path):
    secret = tmp_path / "server.key"
    secret.write_text("secret")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / ONE).symlink_to(secret)
    (tmp_path / "media" / f"{TWO}.part").symlink_to(secret)
    with pytest.raises(StorageUnavailable):
        await files.open(ONE)
    with pytest.raises(StorageUnavailable):
        await files.add(TWO, b"overwritten")
    assert secret.read_text() == "secret"


@pytest.mark.gen_test
async def test_a_file_that_shrinks_while_it_is_read_is_not_taken_for_whole(files, tmp_path):
    await files.add(ONE, b"x" * (3 * CHUNK))
    opened = await files.open(ONE)
    os.truncate(tmp_path / "media" / ONE, CHUNK)
    with pytest.raises(StorageUnavailable):
        [chunk async for chunk in opened.chunks()]


def test_the_folder_is_in_the_data_directory():
    assert module.FOLDER == "media"
