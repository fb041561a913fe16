"""A flag for each configuration key, and the configuration that comes of them."""

import argparse
import os
from typing import Any

from wx import config


def make_parser() -> argparse.ArgumentParser:
    """The flags that every verb takes, as a parent of its parser."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("configuration (see README)")
    group.add_argument("--config", metavar="FILE", help=f"the file; usually {config.FILE}")
    for key in config.KEYS:
        if key.file_only:
            continue
        help_text = key.meaning.replace("%", "%%")
        kind: dict[str, Any] = {"metavar": "…", "help": help_text, "dest": f"key_{key.name}"}
        if isinstance(key.default, bool):
            kind |= {"nargs": "?", "const": "true"}
        group.add_argument(key.flag, **kind)
    return parser


def sources(options: argparse.Namespace) -> config.Sources:
    """What flags, environment and file say about the configuration."""
    flags = {
        key.name: value
        for key in config.KEYS
        if (value := getattr(options, f"key_{key.name}", None)) is not None
    }
    return config.read(flags=flags, environ=os.environ, file=options.config)


def secrets(configuration: config.Config) -> list[str]:
    """The configured secrets, which no log line may hold."""
    return [
        value for key in config.KEYS if key.secret and (value := getattr(configuration, key.name))
    ]
