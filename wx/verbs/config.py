"""The verb ``config``: shows the configuration in force, or a sample of one."""

import argparse
import sys

from wx import config, rules
from wx.verbs import flags

HELP = "show the configuration in force, secrets masked"


def add_words(parser: argparse.ArgumentParser) -> None:
    """Its own words."""
    parser.add_argument(
        "--sample", action="store_true", help=f"print a {config.FILE} to start from, and no more"
    )


def run(options: argparse.Namespace) -> int:
    """Print it; the exit code.

    Raises:
        ConfigError: the configuration is wrong or lacks something, after it was printed.
    """
    if options.sample:
        # Bytes: a file of TOML is UTF-8, whatever the terminal is.
        sys.stdout.buffer.write(rules.SAMPLE.read_bytes())
        return 0
    sources = flags.sources(options)
    settings = sources.settings()
    name_width = max(len(setting.name) for setting in settings)
    shown_width = min(40, max(len(setting.shown) for setting in settings))
    for one in settings:
        print(f"{one.name:<{name_width}}  {one.shown:<{shown_width}}  {one.source}")
    sources.config()
    return 0
