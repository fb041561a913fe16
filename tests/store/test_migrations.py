"""The steps of the schema: all of them, or none."""

import sqlite3

import pytest

from wx.store import consents, followers, inbox, migrations


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
        "inbox",
        "signatures",
        "outbox",
        "receipts",
        "api_keys",
        "requests",
        "templates",
        "subscriptions",
        "scan_logins",
        "authorizations",
        "pictures",
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


# A database of the first release, with a row in each table.
FIRST = """
INSERT INTO accounts VALUES (1, 'Ann', 'ann', '$argon2id$ann', 1, 1700000000.5, NULL);
INSERT INTO accounts VALUES (2, 'bob', 'bob', '$argon2id$bob', 0, 1700000001.0, 1700000002.0);
INSERT INTO sessions VALUES (x'01', 1, 1700000003.0, 1700000004.0, '10.0.0.0/24', 'Firefox 🦊');
INSERT INTO followers VALUES (1, 'wx1', 'o-wang', 'u-wang', '王小明🌻', 1, '广东', '深圳', '中国',
                              'https://thirdwx.qlogo.cn/x/132', '["微信"]', 1700000005.0, 1, NULL);
INSERT INTO followers (id, app_id, openid) VALUES (2, 'wx1', 'o-li');
INSERT INTO invites VALUES ('i1', x'02', 1, x'01', 'wx1', '42', 'bound', 0, 1700000006.0,
                            1700000606.0, '10.0.0.0/24', 'Firefox', 1, NULL, NULL, 0);
INSERT INTO consents VALUES (x'03', 'i1', x'04', 1700000007.0, x'05', 'bound');
INSERT INTO bindings VALUES (1, 'wx1', 1, 1, 'oauth', 1700000008.0, NULL);
INSERT INTO binding_events VALUES (1, 1, 1700000008.0, 'bound', 'oauth', 'Ann', '10.0.0.0/24', 'F');
INSERT INTO undos VALUES (x'06', 1, 1700086408.0, NULL);
"""
TABLES = (
    *("accounts", "sessions", "followers", "invites", "consents"),
    *("bindings", "binding_events", "undos"),
)


def rows(conn):
    return {
        table: [
            dict(zip(row.keys(), row, strict=True))
            for row in conn.execute(f"SELECT * FROM {table}")
        ]
        for table in TABLES
    }


@pytest.fixture
def first(empty, monkeypatch):
    """A filled database of the first release."""
    empty.row_factory = sqlite3.Row
    empty.execute("PRAGMA foreign_keys = ON")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", migrations.STEPS[:1])
        patch.setattr(migrations, "VERSION", 1)
        migrations.migrate(empty)
    empty.executescript(FIRST)
    return empty


def test_from_the_first_release_on_every_row_stays_as_it_was(first):
    before = rows(first)
    assert all(before.values())
    assert version(first) == 1
    migrations.migrate(first)
    assert version(first) == migrations.VERSION
    after = rows(first)
    for table in TABLES:
        assert len(after[table]) == len(before[table])
        for old, new in zip(before[table], after[table], strict=True):
            assert new | old == new, table
    assert first.execute("PRAGMA foreign_key_check").fetchall() == []
    assert tuple(first.execute("PRAGMA integrity_check").fetchone()) == ("ok",)


def test_what_the_first_release_did_not_know_is_not_known_of_its_rows(first):
    migrations.migrate(first)
    for number in (1, 2):
        follower = followers.find(first, number)
        assert (follower.came_by, follower.scene, follower.language) == ("", "", "")
        assert follower.unbind_asked_at is None
    assert followers.find(first, 1).following is True
    assert followers.mark_following(first, "wx1", "o-wang", False, at=1), "whenever it was"
    assert consents.find(first, b"\x03").route == "oauth"
    assert inbox.find_all(first, [b""]) == {}


def test_an_upgraded_database_has_the_same_schema_as_a_new_one(first, tmp_path):
    migrations.migrate(first)
    fresh = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    fresh.row_factory = sqlite3.Row
    try:
        migrations.migrate(fresh)
        assert [tuple(row) for row in schema(first)] == [tuple(row) for row in schema(fresh)]
    finally:
        fresh.close()


def test_a_second_step_that_fails_leaves_the_first_release_whole(first, monkeypatch):
    before, old = rows(first), [tuple(row) for row in schema(first)]
    wrong = (migrations.STEPS[0], (*migrations.STEPS[1], "INSERT INTO gone VALUES (1)"))
    monkeypatch.setattr(migrations, "STEPS", wrong)
    with pytest.raises(sqlite3.OperationalError):
        migrations.migrate(first)
    assert (rows(first), [tuple(row) for row in schema(first)]) == (before, old)
    assert version(first) == 1
