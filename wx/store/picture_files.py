"""The bytes of pictures: a file for each in a folder of its own, named by the picture's id."""

import asyncio
import contextlib
import os
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from wx.errors import StorageUnavailable

FOLDER = "media"
CHUNK = 64 * 1024  # bytes that are read at once
GIVEN_UP = "forget-lost"  # the operator's word, a file, that what is not there is gone for good
_ID = re.compile(r"[0-9A-Za-z]{22}")
_UNFINISHED = ".part"


class PictureFile:
    """One that is being read. :meth:`close` it, or read it to its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes, piece by piece.

        Raises:
            StorageUnavailable: it could not be read, or not whole.
        """
        left = self.size
        try:
            while left:
                try:
                    chunk = await asyncio.to_thread(self._file.read, min(CHUNK, left))
                except OSError as error:
                    raise StorageUnavailable(f"a picture: {error.strerror}") from error
                if not chunk:
                    raise StorageUnavailable("a picture: its file is shorter than it was")
                left -= len(chunk)
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Let it go."""
        self._file.close()


class PictureFiles:
    """The folder. Everything is done in threads, since a disk may be slow.

    Args:
        data_dir: the data directory, in which the folder is made when it is needed.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / FOLDER

    async def add(self, picture_id: str, body: bytes) -> None:
        """Keep a picture: once this returns, it is on disk under its name, whole.

        Raises:
            StorageUnavailable: the disk is full, or failed; nothing is left of it.
        """
        try:
            await asyncio.to_thread(_write, self.folder, self._path(picture_id), body)
        except OSError as error:
            raise StorageUnavailable(f"a picture: {error.strerror}") from error

    async def open(self, picture_id: str) -> PictureFile | None:
        """A picture, to be read; None if it has no file.

        Raises:
            StorageUnavailable: it could not be opened.
        """
        try:
            return await asyncio.to_thread(_open, self._path(picture_id))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"a picture: {error.strerror}") from error

    async def remove(self, picture_ids: list[str]) -> dict[str, str]:
        """Remove pictures; those that are gone already are passed over.

        Returns:
            Why some could not be removed, by id.
        """
        paths = {picture_id: self._path(picture_id) for picture_id in picture_ids}
        return await asyncio.to_thread(_remove, paths)

    async def list_all(self) -> set[str] | None:
        """The ids of all that are there, also of those that were not finished; None if there is not
        even the folder. What has another name, or is no file, is not ours.

        Raises:
            StorageUnavailable: the folder could not be read.
        """
        try:
            names = await asyncio.to_thread(_names, self.folder)
        except OSError as error:
            raise StorageUnavailable(f"the pictures: {error.strerror}") from error
        if names is None:
            return None
        return {found for name in names if _ID.fullmatch(found := name.removesuffix(_UNFINISHED))}

    async def missing(self, picture_ids: list[str]) -> list[str]:
        """Those that have no file now.

        Raises:
            StorageUnavailable: it could not be told.
        """
        paths = {picture_id: self._path(picture_id) for picture_id in picture_ids}
        try:
            return await asyncio.to_thread(
                lambda: [one for one, path in paths.items() if not _is_file(path)]
            )
        except OSError as error:
            raise StorageUnavailable(f"a picture: {error.strerror}") from error

    async def given_up(self) -> bool:
        """Whether the operator has said, since this was asked last, that what is not there is gone
        for good (:data:`GIVEN_UP`).

        Raises:
            StorageUnavailable: the word could not be taken away.
        """
        try:
            await asyncio.to_thread((self.folder / GIVEN_UP).unlink)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnavailable(f"{GIVEN_UP}: {error.strerror}") from error
        return True

    def _path(self, picture_id: str) -> Path:
        if not _ID.fullmatch(picture_id):
            raise ValueError("not the id of a picture")  # which could lead out of the folder
        return self.folder / picture_id


def _write(folder: Path, path: Path, body: bytes) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    # Never under its name before it is whole: whatever stands there can be shown.
    part = path.with_name(path.name + _UNFINISHED)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    try:
        _sync(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _sync(folder: Path) -> None:
    """Make the folder's names last."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _open(path: Path) -> PictureFile:
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb")
    return PictureFile(file, os.fstat(file.fileno()).st_size)


def _remove(paths: dict[str, Path]) -> dict[str, str]:
    failed = {}
    for picture_id, path in paths.items():
        for one in (path, path.with_name(path.name + _UNFINISHED)):
            try:
                one.unlink(missing_ok=True)
            except OSError as error:  # the next ones are not to wait for this one
                failed[picture_id] = error.strerror or "no reason given"
    return failed


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _names(folder: Path) -> list[str] | None:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except FileNotFoundError:
        return None
