"""Scan logins in the database."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest

from wx.model import Browser, ScanLogin, ScanLoginState
from wx.store import accounts, bindings, followers, migrations, scan_logins, sessions

NOW = 1_700_000_000.0
WAITING, SCANNED = ScanLoginState.WAITING, ScanLoginState.SCANNED
CONFIRMED, ENTERED = ScanLoginState.CONFIRMED, ScanLoginState.ENTERED
REFUSED, EXPIRED = ScanLoginState.REFUSED, ScanLoginState.EXPIRED


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.row_factory = sqlite3.Row
    made.execute("PRAGMA foreign_keys = ON")
    migrations.migrate(made)
    accounts.add(made, "ann", "$argon2id$", admin=False, now=NOW)
    accounts.add(made, "bob", "", admin=False, now=NOW)
    yield made
    made.close()


def login(name: str = "l1", *, desk: bytes = b"desk", at: float = NOW) -> ScanLogin:
    return ScanLogin(
        id=name,
        desk=desk,
        app_id="wx1",
        number="42",
        state=WAITING,
        created_at=at,
        expires_at=at + 120,
        browser=Browser("192.0.2.0/24", "Chrome, Linux"),
    )


def add(conn: sqlite3.Connection, *made: ScanLogin, crowd: str = "192.0.2.0/24") -> None:
    for one in made:
        scan_logins.add(conn, one, secret=b"secret of " + one.id.encode(), crowd=crowd)


def state(conn: sqlite3.Connection, name: str = "l1") -> ScanLoginState:
    found = scan_logins.find(conn, name)
    assert found is not None
    return found.state


def scanned(conn: sqlite3.Connection, by: int = 7, *, now: float = NOW) -> bool:
    return scan_logins.mark_scanned(conn, "l1", follower_id=by, account_id=1, now=now)


def test_one_is_found_by_its_id_and_by_the_digest_of_its_secret(conn: sqlite3.Connection) -> None:
    add(conn, login())
    assert scan_logins.find(conn, "l1") == login()
    assert scan_logins.find_by_secret(conn, b"secret of l1") == login()
    assert scan_logins.find(conn, "l2") is None
    assert scan_logins.find_by_secret(conn, b"another") is None


def test_it_belongs_to_the_first_who_scans_it_while_it_lasts(conn: sqlite3.Connection) -> None:
    add(conn, login())
    assert not scanned(conn, now=NOW + 120)
    assert scanned(conn)
    assert scan_logins.find(conn, "l1") == replace(
        login(), state=SCANNED, follower_id=7, account_id=1
    )
    assert not scanned(conn, by=8)
    assert scanned(conn), "again by the same"
    assert (scan_logins.find(conn, "l1") or login()).follower_id == 7


def test_a_yes_is_for_one_that_was_scanned_and_is_used_once_in_its_time(
    conn: sqlite3.Connection,
) -> None:
    add(conn, login())
    assert not scan_logins.mark_confirmed(conn, "l1", until=NOW + 60, now=NOW)
    assert not scan_logins.use(conn, "l1", until=NOW + 999, now=NOW)
    scanned(conn)
    assert not scan_logins.mark_confirmed(conn, "l1", until=NOW + 300, now=NOW + 120)
    assert scan_logins.mark_confirmed(conn, "l1", until=NOW + 160, now=NOW + 100)
    assert not scan_logins.mark_confirmed(conn, "l1", until=NOW + 999, now=NOW + 100)
    assert not scanned(conn), "it is no longer to be scanned"
    assert not scan_logins.use(conn, "l1", until=NOW + 999, now=NOW + 160)
    assert scan_logins.use(conn, "l1", until=NOW + 999, now=NOW + 159)
    assert not scan_logins.use(conn, "l1", until=NOW + 999, now=NOW + 159)
    scan_logins.mark_session(conn, "l1", b"session")
    found = scan_logins.find(conn, "l1")
    assert found and (found.state, found.session, found.expires_at) == (
        ENTERED,
        b"session",
        NOW + 999,
    )
    assert not scan_logins.mark(conn, "l1", REFUSED, now=NOW)


@pytest.mark.parametrize("end", [REFUSED, EXPIRED])
def test_what_has_ended_stays_so(conn: sqlite3.Connection, end: ScanLoginState) -> None:
    add(conn, login())
    assert scan_logins.mark(conn, "l1", end, now=NOW + 5)
    assert not scan_logins.mark(conn, "l1", REFUSED, now=NOW + 6)
    assert state(conn) is end
    assert not scanned(conn)
    assert scan_logins.list_open_of_desk(conn, b"desk", now=NOW) == []


def test_the_open_ones_of_a_browser_are_its_own_oldest_first(conn: sqlite3.Connection) -> None:
    add(conn, login("l2", at=NOW + 1), login("l1"), login("l3", desk=b"other"))
    found = scan_logins.list_open_of_desk(conn, b"desk", now=NOW + 1)
    assert [one.id for one in found] == ["l1", "l2"]
    found = scan_logins.list_open_of_desk(conn, b"desk", now=NOW + 120)
    assert [one.id for one in found] == ["l2"]


def test_those_are_overdue_that_are_open_and_out_of_time(conn: sqlite3.Connection) -> None:
    add(conn, login("l1"), login("l2", at=NOW + 1), login("l3"))
    scan_logins.mark(conn, "l3", REFUSED, now=NOW)
    assert scan_logins.list_overdue(conn, now=NOW + 119) == []
    assert scan_logins.list_overdue(conn, now=NOW + 120) == ["l1"]


def test_those_that_ended_long_ago_go_some_at_a_time_and_sessions_keep_theirs(
    conn: sqlite3.Connection,
) -> None:
    add(conn, *(login(f"l{number}") for number in range(4)))
    scan_logins.mark_scanned(conn, "l0", follower_id=7, account_id=1, now=NOW)
    scan_logins.mark_confirmed(conn, "l0", until=NOW + 60, now=NOW)
    scan_logins.use(conn, "l0", until=NOW + 9999, now=NOW)
    assert scan_logins.purge(conn, expired_before=NOW + 119, limit=9) == 0
    assert scan_logins.purge(conn, expired_before=NOW + 120, limit=2) == 2
    assert scan_logins.purge(conn, expired_before=NOW + 120, limit=2) == 1
    assert state(conn, "l0") is ENTERED
    assert scan_logins.purge(conn, expired_before=NOW + 9999, limit=2) == 1


def test_the_open_ones_are_counted_in_all_and_for_each_network(conn: sqlite3.Connection) -> None:
    add(conn, login("l1"), login("l2", at=NOW + 1), login("l3"), crowd="a")
    add(conn, login("l4"), crowd="b")
    scan_logins.mark(conn, "l3", EXPIRED, now=NOW)
    assert scan_logins.count_open(conn, now=NOW) == 3
    assert scan_logins.count_open_of_crowd(conn, "a", now=NOW) == 2
    assert scan_logins.find_largest_crowd(conn, now=NOW) == ("a", 2)
    assert scan_logins.count_open(conn, now=NOW + 120) == 1, "the others are out of time"
    assert scan_logins.count_open_of_crowd(conn, "b", now=NOW + 120) == 0
    assert scan_logins.find_largest_crowd(conn, now=NOW + 121) == ("", 0)
    assert scan_logins.list_open(conn, ["l4", "l3", "l2", "l9"], now=NOW) == ["l4", "l2"]
    assert scan_logins.list_open(conn, ["l4", "l2"], now=NOW + 120) == ["l2"]


def test_what_is_asked_for_each_new_code_reads_the_open_ones_only(conn: sqlite3.Connection) -> None:
    asked: list[str] = []
    conn.set_trace_callback(asked.append)
    scan_logins.count_open(conn, now=NOW)
    scan_logins.count_open_of_crowd(conn, "a", now=NOW)
    scan_logins.find_largest_crowd(conn, now=NOW)
    scan_logins.remove_newest_of_crowd(conn, "a")
    conn.set_trace_callback(None)
    assert len(asked) >= 4
    for statement in asked:
        plan = [row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}")]
        assert any("scan_logins_open" in step for step in plan), (statement, plan)


def test_room_is_made_by_the_newest_that_nobody_has_scanned(conn: sqlite3.Connection) -> None:
    add(conn, login("l1"), login("l2", at=NOW + 1), login("l3", at=NOW + 2), crowd="a")
    add(conn, login("l4", at=NOW + 9), crowd="b")
    scan_logins.mark_scanned(conn, "l3", follower_id=7, account_id=1, now=NOW)
    assert [scan_logins.remove_newest_of_crowd(conn, "a") for _ in range(3)] == ["l2", "l1", ""]
    assert state(conn, "l3") is SCANNED and state(conn, "l4") is WAITING


def test_only_one_that_nobody_has_scanned_is_removed(conn: sqlite3.Connection) -> None:
    add(conn, login("l1"), login("l2"))
    scanned(conn)
    assert not scan_logins.remove_waiting(conn, "l1")
    assert scan_logins.remove_waiting(conn, "l2")
    assert not scan_logins.remove_waiting(conn, "l2")
    assert scan_logins.find(conn, "l2") is None and state(conn) is SCANNED


def test_what_would_sign_an_account_in_is_refused_and_nothing_else(
    conn: sqlite3.Connection,
) -> None:
    add(conn, *(login(f"l{number}") for number in range(5)))
    for name, account in (("l0", 1), ("l1", 1), ("l2", 2), ("l3", 1)):
        scan_logins.mark_scanned(conn, name, follower_id=7, account_id=account, now=NOW)
    for name in ("l1", "l3"):
        scan_logins.mark_confirmed(conn, name, until=NOW + 60, now=NOW)
    scan_logins.use(conn, "l3", until=NOW + 9999, now=NOW)
    scan_logins.refuse_of_account(conn, 1, now=NOW + 5)
    states = [state(conn, f"l{number}") for number in range(5)]
    assert states == [REFUSED, REFUSED, SCANNED, ENTERED, WAITING]
    assert (scan_logins.find(conn, "l1") or login()).expires_at == NOW + 5


def test_those_that_were_entered_go_after_their_session(conn: sqlite3.Connection) -> None:
    sessions.add(conn, b"alive", 1, Browser(), now=NOW)
    for name, session in (("l1", b"over"), ("l2", b"alive"), ("l3", b"over")):
        add(conn, login(name, at=NOW + 50 if name == "l3" else NOW))
        scan_logins.mark_scanned(conn, name, follower_id=7, account_id=1, now=NOW)
        scan_logins.mark_confirmed(conn, name, until=NOW + 60, now=NOW)
        scan_logins.use(conn, name, until=NOW + 9999, now=NOW)
        scan_logins.mark_session(conn, name, session)
    add(conn, login("l4"))
    assert scan_logins.purge_without_session(conn, created_before=NOW - 1, limit=9) == 0
    assert scan_logins.purge_without_session(conn, created_before=NOW, limit=9) == 1
    assert scan_logins.find(conn, "l1") is None
    assert scan_logins.purge_without_session(conn, created_before=NOW + 50, limit=9) == 1
    assert state(conn, "l2") is ENTERED and state(conn, "l4") is WAITING


def test_of_those_that_ended_without_an_entry_the_last_are_kept(conn: sqlite3.Connection) -> None:
    add(conn, *(login(f"l{number}", at=NOW + number) for number in range(6)))
    for number in (0, 1, 2, 3):
        scan_logins.mark(conn, f"l{number}", EXPIRED, now=NOW + 200)
    assert scan_logins.purge_beyond(conn, kept=2, limit=1) == 1
    assert scan_logins.purge_beyond(conn, kept=2, limit=9) == 1
    assert scan_logins.purge_beyond(conn, kept=2, limit=9) == 0
    left = [scan_logins.find(conn, f"l{number}") is not None for number in range(6)]
    assert left == [False, False, True, True, True, True]


def test_a_code_is_offered_where_somebody_is_bound_who_can_sign_in(
    conn: sqlite3.Connection,
) -> None:
    follower = followers.use(conn, "wx1", "o1")
    other = followers.use(conn, "wx1", "o2")
    bindings.add(conn, "wx1", 2, other, route="scan", now=NOW)
    assert not scan_logins.is_offered(conn, "wx1"), "an account without a password"
    binding = bindings.add(conn, "wx1", 1, follower, route="scan", now=NOW)
    assert scan_logins.is_offered(conn, "wx1")
    assert not scan_logins.is_offered(conn, "wx2")
    accounts.mark_disabled(conn, 1, at=NOW)
    assert not scan_logins.is_offered(conn, "wx1")
    accounts.mark_disabled(conn, 1, at=None)
    bindings.mark_ended(conn, binding, now=NOW)
    assert not scan_logins.is_offered(conn, "wx1")


def test_whoever_is_forgotten_has_scanned_nothing(conn: sqlite3.Connection) -> None:
    gone, there = followers.use(conn, "wx1", "o1"), followers.use(conn, "wx1", "o2")
    followers.mark_following(conn, "wx1", "o2", True, at=NOW)
    add(conn, login("l1"), login("l2"))
    scan_logins.mark_scanned(conn, "l1", follower_id=gone, account_id=1, now=NOW)
    scan_logins.mark_scanned(conn, "l2", follower_id=there, account_id=1, now=NOW)
    followers.purge(conn, ended_before=NOW)
    assert (scan_logins.find(conn, "l1") or login()).follower_id is None
    assert (scan_logins.find(conn, "l2") or login()).follower_id == there
