"""The configuration's flags, and the configuration that comes of them."""

import argparse
import os
from collections.abc import Collection
from typing import Any

from wx import config


def add(parser: argparse.ArgumentParser, *, shown: Collection[str] = ()) -> None:
    """Let the verb take a flag for each configuration key.

    Args:
        shown: the keys that its help tells of; it points to where the others are told.
    """
    group = parser.add_argument_group(
        "configuration", "Every key of it is a flag: wxbind config --help lists them."
    )
    _add(group, shown)


def add_all(parser: argparse.ArgumentParser) -> None:
    """Let the verb take a flag for each configuration key, and tell of them all."""
    # Else the usage alone would fill the screen.
    parser.usage = "%(prog)s [OPTION …]"
    _add(parser.add_argument_group("configuration (see README)"), config.BY_NAME)


def add_some(parser: argparse.ArgumentParser, *, heeded: Collection[str]) -> None:
    """Let the verb take a flag for each configuration key, and tell of those that it heeds."""
    _add(parser.add_argument_group("configuration"), heeded, file=False)


def _add(group: Any, shown: Collection[str], *, file: bool = True) -> None:
    file_help = f"the file; usually {config.FILE}" if file else argparse.SUPPRESS
    group.add_argument("--config", metavar="FILE", help=file_help)
    for key in config.KEYS:
        if key.file_only:
            continue
        help_text = key.meaning.replace("%", "%%") if key.name in shown else argparse.SUPPRESS
        kind: dict[str, Any] = {"metavar": "…", "help": help_text, "dest": f"key_{key.name}"}
        if isinstance(key.default, bool):
            kind |= {"nargs": "?", "const": "true"}
        group.add_argument(key.flag, **kind)


def sources(options: argparse.Namespace) -> config.Sources:
    """Every value that flags, environment and file give.

    Raises:
        ConfigError: the file cannot be read, or what it or the environment gives is no key.
    """
    given = {
        key.name: value
        for key in config.KEYS
        if (value := getattr(options, f"key_{key.name}", None)) is not None
    }
    return config.read(flags=given, environ=os.environ, file=options.config)


def secrets(configuration: config.Config) -> list[str]:
    """The values that no log may show."""
    return [
        value for key in config.KEYS if key.secret and (value := getattr(configuration, key.name))
    ]
