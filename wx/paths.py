"""Where the pages and the static files are: inside the installed package, or in the checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


STATIC = _folder("static")
TEMPLATES = _folder("templates")
