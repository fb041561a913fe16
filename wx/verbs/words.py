"""The words after a verb: options and words in any order, and one line where they are wrong."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from wx.errors import StartError


class WrongUse(StartError):
    """The words make no sense together; the error's text is a sentence for whoever wrote them."""

    exit_code = 2


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong; the usual page of flags before it would bury that."""

    _known_actions: Sequence[str] = ()

    def add_action(self, *names: str) -> None:
        """Let the first word be one of ``names``."""
        self._known_actions = names
        said = " | ".join(names)
        self.add_argument("action", nargs="?", metavar="ACTION", help=said)

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """What the words say.

        Raises:
            WrongUse: they say what nobody can do.
        """
        options = self.parse_intermixed_args(words)
        names = self._known_actions
        if names and options.action not in names:
            problem = "ACTION is missing"
            if options.action is not None:
                problem = f"there is no action {options.action!r}"
            self.error(f"{problem}: say {', '.join(names[:-1])} or {names[-1]}")
        return options

    def error(self, message: str) -> NoReturn:
        """Refuse the words.

        Raises:
            WrongUse: always.
        """
        raise WrongUse(f"{message}; see {self.prog} --help")
