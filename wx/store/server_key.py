"""The server's own key, beside the database and never in it."""

import contextlib
import os
import re
import secrets
from pathlib import Path

from wx.errors import StartError

FILE = "server.key"


def load(data_dir: Path) -> bytes:
    """The key of this data directory, made when it is first asked for: 256 bits, mode 0600.

    Raises:
        StartError: the file holds something else.
    """
    path = data_dir / FILE
    if not path.exists():
        _make(path)
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise StartError(f"{path} does not hold a key; restore it from a backup, or delete it")
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    """Write a new key: whole or not at all, and never over one that another process just made."""
    whole = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(whole, path)
    finally:
        whole.unlink()
