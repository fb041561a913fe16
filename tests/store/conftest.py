"""A database for each test, in its own folder."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from wx.store import accounts, migrations
from wx.store.database import FILE, Database

APP = "wx5a17c0de00000001"
NOW = 1_800_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is, or will be."""
    return tmp_path / "data" / FILE


@pytest.fixture
def db(io_loop: IOLoop, path: Path) -> Iterator[Database]:
    """An open database."""
    opened = io_loop.run_sync(lambda: Database.open(path))
    yield opened
    io_loop.run_sync(opened.close)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as a transaction is given it, for the functions of one table."""
    opened = sqlite3.connect(tmp_path / "table.db", isolation_level=None)
    opened.row_factory = sqlite3.Row
    opened.execute("PRAGMA foreign_keys = ON")
    migrations.migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def ann(conn: sqlite3.Connection) -> int:
    """The number of an account."""
    return accounts.add(conn, "Ann", "$argon2id$ann", admin=False, now=NOW).id


@pytest.fixture
def bob(conn: sqlite3.Connection) -> int:
    """The number of another account."""
    return accounts.add(conn, "bob", "$argon2id$bob", admin=True, now=NOW).id
