"""Fixtures for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from tests.world import World


@pytest.fixture
def world(io_loop: IOLoop, tmp_path: Path) -> Iterator[World]:
    """A running server with its simulator; accounts ann and bob."""
    made = World(tmp_path)
    io_loop.run_sync(made.start, timeout=20)
    yield made
    io_loop.run_sync(made.stop, timeout=20)
