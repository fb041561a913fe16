"""Fixtures for all tests."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tornado.ioloop import IOLoop

from tests.world import World

# A busy machine must not look like a wrong answer.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")


class Ear(logging.Handler):
    """Hears every log line as it was meant, before anything is cut out of it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()}")

    def leaks(self, secrets: set[str]) -> list[str]:
        """The lines that hold one of ``secrets``."""
        return [line for line in self.lines if any(secret in line for secret in secrets)]


@pytest.fixture
def ear() -> Iterator[Ear]:
    """An ear at the root of all logs."""
    made = Ear()
    logging.getLogger().addHandler(made)
    yield made
    logging.getLogger().removeHandler(made)


@pytest.fixture
def world(io_loop: IOLoop, tmp_path: Path, ear: Ear) -> Iterator[World]:
    """A running server with its simulator; accounts ann and bob. Whatever a test does with it, no
    secret that was planted or handed out may stand in a log line afterwards."""
    made = World(tmp_path)
    io_loop.run_sync(made.start, timeout=20)
    yield made
    io_loop.run_sync(made.stop, timeout=20)
    assert not ear.leaks(made.secrets())
