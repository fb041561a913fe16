"""The command line: ``wxbind VERB``; without a verb it serves. Each verb is a file in ``verbs``."""

import argparse
import os
import sys
from typing import NoReturn, Protocol

from wx import __version__
from wx.errors import ConfigError, Refused, StartError, StorageUnavailable
from wx.verbs import account, config, demo, flags, key, menu, send, serve, simulate


class Verb(Protocol):
    """What a file in ``verbs`` holds. It imports at its top what ``--help`` needs, and no more."""

    HELP: str

    def add_words(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments that it takes beside the configuration's flags."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it; the exit code."""


VERBS: dict[str, Verb] = {
    "serve": serve,
    "demo": demo,
    "simulate": simulate,
    "config": config,
    "account": account,
    "key": key,
    "menu": menu,
    "send": send,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the verb; the exit code (interface document, Commands)."""
    words = sys.argv[1:] if arguments is None else arguments
    # Files that are made are their owner's alone.
    os.umask(0o077)
    options = _parse(words)
    try:
        code: int = options.run(options)
    except ConfigError as error:
        for problem in error.problems:
            print(f"wxbind: {problem}", file=sys.stderr)
        return error.exit_code
    except StartError as error:
        print(f"wxbind: {error}", file=sys.stderr)
        return error.exit_code
    except Refused as error:
        line = " ".join(
            _sentence(one % error.details) for one in (error.message, error.hint) if one
        )
        line = "".join(one if one.isprintable() else " " for one in line)
        print(f"wxbind: {line}", file=sys.stderr)
        return 1
    except (StorageUnavailable, OSError) as error:
        print(f"wxbind: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _parse(words: list[str]) -> argparse.Namespace:
    """What was said, options and others in whatever order people put them."""
    if (not words or words[0].startswith("-")) and not {"-h", "--help", "--version"} & set(words):
        words = ["serve", *words]
    parser = make_parser()
    (verbs,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    name, *rest = words
    verb = verbs.choices.get(name)
    if verb is None:
        return parser.parse_args(words)  # which says what is wrong, or helps
    if name == "send":
        rest = send.spelled_out(rest)
    options: argparse.Namespace = verb.parse_intermixed_args(rest)
    return options


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    configuration = flags.make_parser()
    parser: argparse.ArgumentParser = _Parser(prog="wxbind", description="Ties accounts to WeChat.")
    parser.add_argument("--version", action="version", version=f"wxbind {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        made = verbs.add_parser(
            name, help=verb.HELP, description=verb.HELP, parents=[configuration]
        )
        verb.add_words(made)
        made.set_defaults(run=verb.run)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong; the usual page of flags before it would bury that."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"wxbind: {message}; see {self.prog} --help\n")
