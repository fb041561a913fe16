"""The steps of the schema: all of them, or none."""

import sqlite3

import pytest

from wx.store import migrations


@pytest.fixture
def empty(tmp_path):
    """A connection to an empty file."""
    opened = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    yield opened
    opened.close()


def schema(conn):
    return conn.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def version(conn):
    return conn.execute("PRAGMA user_version").fetchone()[0]


def test_an_empty_file_gets_every_table_and_our_mark(empty):
    migrations.migrate(empty)
    tables = {name for name, sql in schema(empty) if sql and sql.startswith("CREATE TABLE")}
    assert tables == {
        "accounts",
        "sessions",
        "followers",
        "invites",
        "consents",
        "bindings",
        "binding_events",
        "undos",
    }
    assert version(empty) == migrations.VERSION == len(migrations.STEPS)
    assert empty.execute("PRAGMA application_id").fetchone() == (migrations.APPLICATION_ID,)
    assert migrations.APPLICATION_ID.to_bytes(4, "big") == b"wxbd"


def test_every_table_is_strict(empty):
    migrations.migrate(empty)
    rows = empty.execute("PRAGMA table_list").fetchall()
    ours = {row[1]: row[5] for row in rows if not row[1].startswith("sqlite_")}
    assert ours and all(ours.values())


def test_migrating_again_changes_nothing(empty):
    migrations.migrate(empty)
    before = schema(empty)
    migrations.migrate(empty)
    assert schema(empty) == before


@pytest.mark.parametrize("second", ["CREATE TABLE accounts (a)", "INSERT INTO gone VALUES (1)"])
def test_a_step_that_fails_leaves_what_was_there(empty, monkeypatch, second):
    migrations.migrate(empty)
    before = schema(empty)
    wrong = (*migrations.STEPS, ("CREATE TABLE later (a)",), ("DROP TABLE undos", second))
    monkeypatch.setattr(migrations, "STEPS", wrong)
    monkeypatch.setattr(migrations, "VERSION", len(wrong))
    with pytest.raises(sqlite3.OperationalError):
        migrations.migrate(empty)
    assert (schema(empty), version(empty)) == (before, len(wrong) - 2)
    assert not empty.in_transaction


def test_a_first_step_that_fails_leaves_an_empty_file(empty, monkeypatch):
    monkeypatch.setattr(migrations, "STEPS", (("CREATE TABLE a (b)", "nonsense"),))
    with pytest.raises(sqlite3.OperationalError):
        migrations.migrate(empty)
    assert (schema(empty), version(empty)) == ([], 0)


def test_a_step_that_sqlite_rolls_back_itself_is_named_by_its_own_error(empty, monkeypatch):
    steps = (("CREATE TABLE a (b UNIQUE)", "INSERT OR ROLLBACK INTO a VALUES (1), (1)"),)
    monkeypatch.setattr(migrations, "STEPS", steps)
    with pytest.raises(sqlite3.IntegrityError):
        migrations.migrate(empty)
    assert (schema(empty), version(empty)) == ([], 0)


def test_only_the_steps_that_are_missing_are_taken(empty, monkeypatch):
    migrations.migrate(empty)
    more = (*migrations.STEPS, ("CREATE TABLE later (a)",))
    monkeypatch.setattr(migrations, "STEPS", more)
    monkeypatch.setattr(migrations, "VERSION", len(more))
    migrations.migrate(empty)
    assert version(empty) == len(more)
    assert "later" in dict(schema(empty))


def test_a_disk_that_fills_during_a_step_is_named_as_such(empty, monkeypatch):
    empty.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        migrations.migrate(empty)
    assert (schema(empty), version(empty)) == ([], 0)
