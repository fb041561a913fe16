"""The outbox's table: order, claims, states, receipts, requests, and the indexes."""

import re
import sqlite3
import time
from dataclasses import replace

import pytest

from tests.store.conftest import APP, NOW
from wx.model import Notice, NoticeState
from wx.store import accounts, bindings, followers, outbox
from wx.store.outbox import Receipt

QUEUED, SENDING, SENT = NoticeState.QUEUED, NoticeState.SENDING, NoticeState.SENT
DELIVERED, FAILED = NoticeState.DELIVERED, NoticeState.FAILED
EXPIRED, UNKNOWN = NoticeState.EXPIRED, NoticeState.UNKNOWN
WANG, LI = 1, 2  # followers
FIELDS = {"thing1": "备份 🌻", "time2": "09:30"}


def notice(name: str, follower: int = WANG, **changes: object) -> Notice:
    made = Notice(
        number=0,
        id=name,
        app_id=APP,
        account_id=1,
        account="Ann",
        binding_id=None,
        follower_id=follower,
        origin="send",
        wish="auto",
        text="",
        url="",
        hidden="",
        template_id="",
        fields={},
        state=QUEUED,
        channel="",
        why="",
        attempts=0,
        due_at=NOW,
        created_at=NOW,
        expires_at=NOW + 1000,
        claimed_at=None,
        doubt_at=None,
        sent_at=None,
        settled_at=None,
        platform_id="",
        errcode=None,
        reason="",
    )
    return replace(made, **changes)


@pytest.fixture(autouse=True)
def account(ann: int) -> int:
    return ann


def add(conn, *notices: Notice, request_id: int | None = None) -> None:
    outbox.add_all(conn, notices, request_id=request_id)


def found(conn, name: str) -> Notice:
    one = outbox.find(conn, name)
    assert one is not None
    return one


def claim(conn, *, now: float = NOW, limit: int = 99) -> list[str]:
    return [one.id for one in outbox.claim_due(conn, now=now, limit=limit)]


def send(conn, name: str, platform_id: str = "", *, final: bool = False) -> None:
    """Claimed, and taken by the platform."""
    one = found(conn, name)
    outbox.mark_channel(conn, one.number, "template", "outside-window")
    outbox.mark_sent(conn, one.number, platform_id=platform_id, final=final, now=NOW + 1)


def stands(conn, name: str) -> tuple[str, str]:
    one = found(conn, name)
    return one.state, one.reason


# Keeping and finding


def test_a_notice_is_found_as_it_was_kept(conn, ann):
    follower = followers.use(conn, APP, "o-wang")
    binding = bindings.add(conn, APP, ann, follower, route="oauth", now=NOW)
    full = notice(
        "full",
        follower,
        binding_id=binding,
        origin="key ci",
        wish="template",
        text="备份 🌻",
        url="https://x.example/{secret}",
        hidden="undo 7",
        template_id="tid",
        fields=FIELDS,
        state=FAILED,
        channel="template",
        why="asked-for",
        attempts=3,
        due_at=None,
        settled_at=NOW + 2,
        platform_id="1234567890123456789",
        reason="blocked",
    )
    add(conn, notice("first"), full)
    assert found(conn, "full") == replace(full, number=2)
    assert found(conn, "first") == notice("first", number=1)
    assert outbox.find(conn, "none") is None


def test_a_thousand_are_kept_at_once_in_their_order(conn):
    names = [f"n{number}" for number in range(1001)]
    add(conn, *(notice(name, number) for number, name in enumerate(names)))
    assert [found(conn, name).number for name in names] == list(range(1, 1002))
    assert claim(conn, limit=2000) == names
    add(conn)
    assert outbox.count_waiting(conn) == 1001


def test_an_id_is_kept_once_and_then_none_of_them_is(conn):
    add(conn, notice("one"))
    with pytest.raises(sqlite3.IntegrityError):
        add(conn, notice("two"), notice("one"))
    assert outbox.find(conn, "two") is None


def test_recipients_are_found_by_their_name_with_what_reaches_them(conn, ann, bob):
    follower = followers.use(conn, APP, "o-wang")
    binding = bindings.add(conn, APP, ann, follower, route="oauth", now=NOW)
    both = outbox.find_recipients(conn, APP, ["ANN", "bob", "Bob", "eve"])
    assert set(both) == {"ann", "bob"}
    assert (both["ann"].account_id, both["ann"].name) == (ann, "Ann")
    assert (both["ann"].binding_id, both["ann"].follower) == (
        binding,
        followers.find(conn, follower),
    )
    assert (both["ann"].disabled, both["ann"].busy) == (False, False)
    assert (both["bob"].account_id, both["bob"].binding_id, both["bob"].follower) == (
        bob,
        None,
        None,
    )
    assert outbox.find_recipients(conn, "wx-other", ["ann"])["ann"].follower is None
    conn.execute("UPDATE accounts SET disabled_at = ? WHERE id = ?", (NOW, ann))
    assert outbox.find_recipients(conn, APP, ["ann"])["ann"].disabled
    bindings.mark_ended(conn, binding, now=NOW)
    assert outbox.find_recipients(conn, APP, ["ann"])["ann"].follower is None
    assert outbox.find_recipients(conn, APP, []) == {}


def test_a_thousand_recipients_are_found_at_once(conn):
    for number in range(1001):
        accounts.add(conn, f"U{number}", "$argon2id$", admin=False, now=NOW)
    names = [f"u{number}" for number in range(1001)]
    assert set(outbox.find_recipients(conn, APP, names)) == set(names)


@pytest.mark.parametrize(
    ("state", "busy"),
    [(QUEUED, True), (SENDING, True), (SENT, False), (FAILED, False), (UNKNOWN, False)],
)
def test_who_has_a_notice_that_has_still_to_leave_is_busy(conn, ann, bob, state, busy):
    wang, li = followers.use(conn, APP, "o-wang"), followers.use(conn, APP, "o-li")
    bindings.add(conn, APP, ann, wang, route="oauth", now=NOW)
    bindings.add(conn, APP, bob, li, route="oauth", now=NOW)
    add(conn, notice("one", wang, state=state))
    both = outbox.find_recipients(conn, APP, ["ann", "bob"])
    assert (both["ann"].busy, both["bob"].busy) == (busy, False)
    assert (outbox.is_busy(conn, wang), outbox.is_busy(conn, li)) == (busy, False)


def test_the_newest_come_first_and_can_be_narrowed(conn, ann, bob):
    add(
        conn,
        notice("a", account_id=ann),
        notice("b", account_id=bob, state=FAILED),
        notice("other", app_id="wx-other"),
        notice("c", account_id=ann, state=FAILED),
        notice("d", account_id=ann),
    )

    def listed(**wanted: object) -> str:
        return "".join(one.id for one in outbox.list_newest(conn, APP, **{"limit": 9} | wanted))

    assert listed() == "dcba"
    assert listed(limit=2) == "dc"
    assert listed(before="c") == "ba"
    assert listed(before="nobody's") == ""
    assert listed(account_id=ann) == "dca"
    assert listed(state=FAILED) == "cb"
    assert listed(account_id=ann, state=QUEUED, before="d", limit=1) == "a"
    assert outbox.list_newest(conn, APP, limit=1)[0].account == "Ann"


# Claims


def test_what_is_due_is_claimed_once_the_longest_due_first(conn):
    dues = {"late": NOW, "later": NOW + 1, "first": NOW - 5, "behind": None, "tie": NOW}
    for number, (name, due_at) in enumerate(dues.items()):
        add(conn, notice(name, number, due_at=due_at))
    assert outbox.is_anything_due(conn, now=NOW - 5)
    assert not outbox.is_anything_due(conn, now=NOW - 6)
    assert claim(conn, limit=1) == ["first"]
    assert claim(conn, limit=1) == ["late"], "of those due together the first that was accepted"
    assert claim(conn) == ["tie"]
    assert claim(conn) == []
    assert claim(conn, now=NOW + 1) == ["later"]
    assert not outbox.is_anything_due(conn, now=NOW + 99)


def test_what_is_claimed_comes_in_the_order_of_acceptance(conn):
    add(conn, notice("one", 1, due_at=NOW), notice("two", 2, due_at=NOW - 9))
    assert claim(conn) == ["one", "two"]


def test_a_claim_is_written_down(conn):
    add(conn, notice("one"))
    (one,) = outbox.claim_due(conn, now=NOW + 3, limit=1)
    assert (one.state, one.attempts, one.claimed_at, one.due_at) == (SENDING, 0, NOW + 3, None)
    assert one == found(conn, "one")
    assert outbox.list_sending(conn) == [one]
    assert outbox.count_waiting(conn) == 1
    outbox.mark_channel(conn, one.number, "custom", "window")
    outbox.mark_again(conn, one.number, due_at=NOW, errcode=None)
    assert outbox.claim_due(conn, now=NOW, limit=1)[0].attempts == 1, "calls, not claims"


def test_two_claims_at_once_share_nothing(conn, tmp_path):
    other = sqlite3.connect(tmp_path / "table.db", isolation_level=None)
    other.row_factory = sqlite3.Row
    add(conn, *(notice(f"n{number}", number) for number in range(10)))
    taken = [*claim(conn, limit=6), *claim(other, limit=6), *claim(conn), *claim(other)]
    other.close()
    assert sorted(taken) == sorted(f"n{number}" for number in range(10))


def test_only_the_first_of_a_follower_is_ever_due(conn):
    add(conn, notice("one"), notice("two", due_at=None), notice("three", due_at=None))
    add(conn, notice("li", LI))
    assert claim(conn) == ["one", "li"]
    outbox.mark_next_due(conn, [WANG, LI], now=NOW)
    assert claim(conn) == [], "the first is still on its way"
    send(conn, "one")
    assert claim(conn) == []
    outbox.mark_next_due(conn, [WANG, 99], now=NOW + 2)
    assert found(conn, "two").due_at == NOW + 2
    assert found(conn, "three").due_at is None
    assert claim(conn, now=NOW + 2) == ["two"]


def test_the_next_one_leaves_no_sooner_because_another_is_settled(conn):
    add(conn, notice("one", due_at=NOW + 60), notice("two", due_at=None))
    outbox.mark_next_due(conn, [WANG], now=NOW)
    assert found(conn, "one").due_at == NOW + 60


def test_what_is_due_after_its_end_is_due_at_its_end(conn):
    for name, follower in (("again", 1), ("off", 2), ("first", 3)):
        add(conn, notice(name, follower, expires_at=NOW + 5))
    add(conn, notice("next", 3, expires_at=NOW + 5, due_at=None))
    claim(conn)
    outbox.mark_again(conn, 1, due_at=NOW + 9, errcode=None)
    outbox.mark_put_off(conn, 2, due_at=NOW + 9)
    send(conn, "first")
    outbox.mark_next_due(conn, [3], now=NOW + 9)
    assert {found(conn, name).due_at for name in ("again", "off", "next")} == {NOW + 5}


# What becomes of it


def test_a_sent_notice_waits_for_its_receipt_unless_none_will_come(conn):
    add(conn, notice("one", 1), notice("final", 2))
    claim(conn)
    outbox.mark_again(conn, 1, due_at=NOW, errcode=45015)
    claim(conn)
    outbox.mark_channel(conn, 1, "template", "fell-over")
    outbox.mark_sent(conn, 1, platform_id="77", final=False, now=NOW + 1)
    outbox.mark_sent(conn, 2, platform_id="", final=True, now=NOW + 1)
    one, final = found(conn, "one"), found(conn, "final")
    assert (one.state, one.sent_at, one.settled_at, one.platform_id) == (SENT, NOW + 1, None, "77")
    assert (one.channel, one.why, one.errcode, one.reason) == ("template", "fell-over", None, "")
    assert (final.state, final.settled_at) == (SENT, NOW + 1)
    assert outbox.count_waiting(conn) == 0


def test_another_try_keeps_the_number_and_the_first_doubt(conn):
    add(conn, notice("one"))
    claim(conn)
    outbox.mark_channel(conn, 1, "template", "window")
    outbox.mark_again(conn, 1, due_at=NOW + 5, errcode=-1, doubtful=True)
    one = found(conn, "one")
    assert (one.state, one.due_at, one.errcode, one.doubt_at, one.attempts) == (
        QUEUED,
        NOW + 5,
        -1,
        NOW,
        1,
    )
    claim(conn, now=NOW + 5)
    outbox.mark_again(conn, 1, due_at=NOW + 9, errcode=None, doubtful=True)
    assert found(conn, "one").doubt_at == NOW
    claim(conn, now=NOW + 9)
    outbox.mark_again(conn, 1, due_at=NOW + 9, errcode=None)
    assert found(conn, "one").doubt_at == NOW


def test_what_is_put_off_was_no_try(conn):
    add(conn, notice("one"))
    claim(conn)
    outbox.mark_put_off(conn, 1, due_at=NOW + 5)
    one = found(conn, "one")
    assert (one.state, one.due_at, one.attempts) == (QUEUED, NOW + 5, 0)


def test_what_is_settled_says_why_and_keeps_the_number_that_it_had(conn):
    for name, follower in (("kept", 1), ("new", 2), ("other", 3)):
        add(conn, notice(name, follower))
    claim(conn)
    for number in (1, 2):
        outbox.mark_again(conn, number, due_at=NOW, errcode=-1)
    outbox.mark_settled(conn, 1, UNKNOWN, reason="doubt", now=NOW + 2)
    outbox.mark_settled(conn, 2, FAILED, reason="platform", errcode=47003, now=NOW + 2)
    kept, new = found(conn, "kept"), found(conn, "new")
    assert (kept.state, kept.reason, kept.errcode) == (UNKNOWN, "doubt", -1)
    assert (kept.settled_at, kept.due_at) == (NOW + 2, None)
    assert (new.state, new.reason, new.errcode) == (FAILED, "platform", 47003)
    assert found(conn, "other").state == SENDING


def test_what_waits_for_one_follower_is_ended_and_what_is_on_its_way_is_not(conn, ann, bob):
    add(conn, notice("way"), notice("one", due_at=None), notice("two", due_at=None))
    add(conn, notice("bob", due_at=None, account_id=bob), notice("li", LI))
    assert claim(conn, limit=1) == ["way"]
    ended = outbox.mark_waiting_failed(conn, WANG, reason="not-following", now=NOW + 2)
    assert {(one.id, one.account_id, one.state) for one in ended} == {
        ("one", ann, FAILED),
        ("two", ann, FAILED),
        ("bob", bob, FAILED),
    }
    for name in ("one", "two", "bob"):
        one = found(conn, name)
        assert (one.state, one.reason, one.settled_at, one.due_at) == (
            FAILED,
            "not-following",
            NOW + 2,
            None,
        )
    assert (stands(conn, "way"), stands(conn, "li")) == ((SENDING, ""), (QUEUED, ""))
    assert outbox.mark_waiting_failed(conn, WANG, reason="blocked", now=NOW) == []


def test_what_may_have_arrived_stays_in_doubt_when_the_follower_leaves(conn):
    add(conn, notice("one"))
    claim(conn)
    outbox.mark_again(conn, 1, due_at=NOW + 5, errcode=None, doubtful=True)
    (ended,) = outbox.mark_waiting_failed(conn, WANG, reason="not-following", now=NOW + 2)
    assert (ended.state, ended.reason) == (UNKNOWN, "doubt")
    assert stands(conn, "one") == (UNKNOWN, "doubt")


def test_what_has_waited_too_long_is_ended_also_behind_one_that_is_stuck(conn):
    add(conn, notice("way", expires_at=NOW + 5), notice("behind", due_at=None, expires_at=NOW + 5))
    add(conn, notice("doubt", LI, expires_at=NOW + 5), notice("next", LI, due_at=None))
    claim(conn)
    outbox.mark_again(conn, 3, due_at=NOW + 5, errcode=-1, doubtful=True)
    assert not outbox.is_anything_due(conn, now=NOW + 4.9)
    assert outbox.mark_expired(conn, now=NOW + 4.9) == []
    assert outbox.is_anything_due(conn, now=NOW + 5)
    ended = outbox.mark_expired(conn, now=NOW + 5)
    assert sorted((one.follower_id, one.id, one.state) for one in ended) == [
        (WANG, "behind", EXPIRED),
        (LI, "doubt", UNKNOWN),
    ]
    assert {one.account for one in ended} == {"Ann"}
    behind = found(conn, "behind")
    assert (behind.state, behind.reason, behind.settled_at) == (EXPIRED, "expired", NOW + 5)
    doubt = found(conn, "doubt")
    assert (doubt.state, doubt.reason, doubt.due_at) == (UNKNOWN, "doubt", None)
    assert (found(conn, "way").state, found(conn, "next").state) == (SENDING, QUEUED)


def test_many_that_have_waited_too_long_are_ended_in_pieces(conn):
    add(conn, *(notice(f"n{one}", one, due_at=None, expires_at=NOW) for one in range(1200)))
    assert [len(outbox.mark_expired(conn, now=NOW)) for _ in range(4)] == [500, 500, 200, 0]


def test_when_the_clock_jumps_what_waits_goes_by_the_new_time(conn):
    add(conn, notice("waits"), notice("behind", due_at=None), notice("sent", 3), notice("way", 4))
    assert claim(conn) == ["waits", "sent", "way"]
    send(conn, "sent")
    outbox.mark_again(conn, 1, due_at=NOW + 5, errcode=None, doubtful=True)
    last = outbox.find_last(conn)
    add(conn, notice("old", 5, created_at=NOW + 2), notice("new", 6, created_at=NOW + 86402))
    before = {name: found(conn, name) for name in ("sent", "new")}
    outbox.mark_shifted(conn, 86400, last=last, now=NOW + 86403)
    assert found(conn, "old").expires_at == NOW + 87400
    waits = found(conn, "waits")
    # How long ago that call was, nobody knows any more.
    assert (waits.due_at, waits.doubt_at) == (NOW + 86405, 0)
    assert (waits.expires_at, waits.created_at) == (NOW + 87400, NOW)
    behind = found(conn, "behind")
    assert (behind.due_at, behind.expires_at, behind.doubt_at) == (None, NOW + 87400, None)
    way = found(conn, "way")
    assert (way.claimed_at, way.state) == (0, SENDING)
    assert {name: found(conn, name) for name in before} == before


def test_of_the_last_ones_those_by_the_new_clock_stay_when_it_is_set_back(conn):
    add(conn, notice("first"), notice("seen", 2))
    last = outbox.find_last(conn)
    assert last == found(conn, "seen").number
    add(conn, notice("old", 3, created_at=NOW + 1), notice("new", 4, created_at=NOW - 3598))
    outbox.mark_shifted(conn, -3600, last=last, now=NOW - 3597)
    ends = {name: found(conn, name).expires_at for name in ("first", "seen", "old", "new")}
    assert ends == {"first": NOW - 2600, "seen": NOW - 2600, "old": NOW - 2600, "new": NOW + 1000}


def test_the_last_of_none_is_nothing(conn):
    assert outbox.find_last(conn) == 0


# Receipts


def test_a_receipt_closes_the_notice_that_it_is_about_once(conn, ann):
    add(conn, notice("one", 1), notice("two", 2))
    claim(conn)
    send(conn, "one", "77")
    send(conn, "two", "78")
    receipt = Receipt("77", DELIVERED)
    assert outbox.settle_by_receipt(conn, receipt, now=NOW + 2) == (ann, "template")
    assert (stands(conn, "one"), found(conn, "one").settled_at) == ((DELIVERED, ""), NOW + 2)
    again = Receipt("77", FAILED, "blocked", 9)
    assert outbox.settle_by_receipt(conn, again, now=NOW + 3) is None
    assert (stands(conn, "one"), found(conn, "one").settled_at) == ((DELIVERED, ""), NOW + 2)
    assert outbox.settle_by_receipt(conn, replace(again, platform_id="78"), now=NOW + 3)
    two = found(conn, "two")
    assert (two.state, two.reason, two.errcode) == (FAILED, "blocked", 9)


def test_a_receipt_closes_nothing_that_is_not_sent_or_has_no_number(conn):
    add(conn, notice("way", 1), notice("final", 2), notice("none", 3))
    claim(conn)
    conn.execute("UPDATE outbox SET platform_id = '77' WHERE id = 'way'")
    send(conn, "final", "78", final=True)
    send(conn, "none", "")
    for number in ("77", "78", "", "strange"):
        assert outbox.settle_by_receipt(conn, Receipt(number, DELIVERED), now=NOW) is None
    assert [stands(conn, name)[0] for name in ("way", "final", "none")] == [SENDING, SENT, SENT]


def test_a_receipt_that_came_too_early_is_kept_and_used_once(conn):
    early = Receipt("77", FAILED, "blocked", 43004)
    outbox.add_receipt(conn, Receipt("77", DELIVERED), now=NOW)
    outbox.add_receipt(conn, early, now=NOW)
    assert outbox.use_receipt(conn, "78") is None
    assert outbox.use_receipt(conn, "77") == early
    assert outbox.use_receipt(conn, "77") is None


# Requests


@pytest.fixture
def keys(conn) -> tuple[int, int]:
    """The numbers of two API keys."""
    for number in (1, 2):
        conn.execute(
            """INSERT INTO api_keys (id, name, digest, prefix, scopes, created_at)
               VALUES (?, ?, ?, 'wx_', '', 0)""",
            (number, f"key {number}", b"%d" % number),
        )
    return 1, 2


def test_a_request_is_found_by_its_key_with_what_it_asked_for(conn, keys):
    first, other = keys
    number = outbox.add_request(conn, first, "monday", b"digest", now=NOW)
    add(conn, notice("b", 1), notice("a", 2), request_id=number)
    add(conn, notice("c", 3))
    assert outbox.find_request(conn, first, "monday", after=NOW - 1) == (number, b"digest")
    assert outbox.find_request(conn, other, "monday", after=NOW - 1) is None
    assert outbox.find_request(conn, first, "tuesday", after=NOW - 1) is None
    assert [one.id for one in outbox.list_of_request(conn, number)] == ["b", "a"]
    newer = outbox.add_request(conn, first, "monday", b"other", now=NOW + 9)
    assert outbox.find_request(conn, first, "monday", after=NOW) == (newer, b"other")
    assert outbox.list_of_request(conn, number) == []


def test_an_old_request_is_forgotten_and_its_notices_are_not(conn, keys):
    number = outbox.add_request(conn, keys[0], "monday", b"old", now=NOW)
    other = outbox.add_request(conn, keys[1], "monday", b"hers", now=NOW)
    add(conn, notice("one"), request_id=number)
    assert outbox.find_request(conn, keys[0], "monday", after=NOW) is None
    assert outbox.find(conn, "one")
    outbox.add_request(conn, keys[0], "monday", b"new", now=NOW + 1)
    assert outbox.find_request(conn, keys[1], "monday", after=NOW - 1) == (other, b"hers")


# Forgetting


PURGES = {
    "texts_before": outbox.purge_texts,
    "rows_before": outbox.purge,
    "requests_before": outbox.purge_requests,
    "receipts_before": outbox.purge_receipts,
}


def purge(conn, *, limit: int = 100, **before: float) -> int:
    return max(PURGES[name](conn, before=at, limit=limit) for name, at in before.items())


def full(name: str, follower: int, **changes: object) -> Notice:
    return notice(
        name, follower, text="secret", url="https://x", hidden="undo 1", fields=FIELDS, **changes
    )


def test_texts_are_forgotten_once_they_are_old_and_done_with(conn):
    add(conn, full("sent", 1), full("settled", 2), full("waits", 3), full("way", 4))
    claim(conn)
    send(conn, "sent", "77")  # at NOW + 1, and its receipt never came
    outbox.mark_settled(conn, 2, EXPIRED, reason="expired", now=NOW + 2)
    outbox.mark_put_off(conn, 3, due_at=NOW)
    assert purge(conn, texts_before=NOW + 0.9) == 0
    assert purge(conn, texts_before=NOW + 1) == 1
    one = found(conn, "sent")
    assert (one.text, one.url, one.hidden, one.fields) == ("", "", "", {})
    assert (one.state, one.platform_id) == (SENT, "77")
    assert purge(conn, texts_before=NOW + 9999) == 1
    assert found(conn, "settled").text == ""
    assert purge(conn, texts_before=NOW + 9999) == 0
    for name in ("waits", "way"):
        assert (found(conn, name).text, found(conn, name).fields) == ("secret", FIELDS)


def test_rows_requests_and_receipts_are_forgotten_in_their_own_time(conn, keys):
    number = outbox.add_request(conn, keys[0], "monday", b"x", now=NOW)
    add(
        conn, notice("old", 1), notice("new", 2), notice("waits", 3, due_at=None), request_id=number
    )
    claim(conn)
    outbox.mark_settled(conn, 1, FAILED, reason="blocked", now=NOW)
    outbox.mark_settled(conn, 2, FAILED, reason="blocked", now=NOW + 1)
    for one, at in (("77", NOW), ("78", NOW + 1)):
        outbox.add_receipt(conn, Receipt(one, DELIVERED), now=at)
    assert purge(conn, rows_before=NOW - 1, requests_before=NOW - 1, receipts_before=NOW - 1) == 0
    assert purge(conn, requests_before=NOW) == 1
    assert outbox.find_request(conn, keys[0], "monday", after=0) is None
    assert purge(conn, rows_before=NOW) == 1
    assert [outbox.find(conn, name) is None for name in ("old", "new", "waits")] == [
        True,
        False,
        False,
    ]
    purge(conn, receipts_before=NOW)
    assert (outbox.use_receipt(conn, "77"), outbox.use_receipt(conn, "78")) == (
        None,
        Receipt("78", DELIVERED),
    )
    assert outbox.find(conn, "waits")


def test_what_is_old_is_forgotten_in_pieces(conn):
    add(conn, *(full(f"n{one}", one, state=FAILED, settled_at=NOW) for one in range(5)))
    assert [purge(conn, texts_before=NOW, limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert [purge(conn, rows_before=NOW, limit=3) for _ in range(3)] == [3, 2, 0]


# The way that SQLite takes


def plan_of(conn, statement: str, values: object) -> list[str]:
    return [row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


class Recorder:
    """A connection that notes the plan of everything that is asked of it."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn
        self.plan: list[str] = []

    def execute(self, statement: str, values: object = ()) -> sqlite3.Cursor:
        self.plan += plan_of(self.conn, statement, values)
        return self.conn.execute(statement, values)

    def executemany(self, statement: str, many: list[tuple[object, ...]]) -> None:
        for values in many:
            self.execute(statement, values)


WORK = {
    "claim_due": (lambda conn: outbox.claim_due(conn, now=NOW, limit=20), {"outbox_due"}),
    "anything": (
        lambda conn: outbox.is_anything_due(conn, now=NOW),
        {"outbox_due", "outbox_by_end"},
    ),
    "expired": (lambda conn: outbox.mark_expired(conn, now=NOW), {"outbox_by_end"}),
    "next_due": (lambda conn: outbox.mark_next_due(conn, [1], now=NOW), {"outbox_waiting"}),
    "busy": (lambda conn: outbox.is_busy(conn, 1), {"outbox_waiting"}),
    "recipients": (lambda conn: outbox.find_recipients(conn, APP, ["ann"]), {"outbox_waiting"}),
    "waiting": (lambda conn: outbox.count_waiting(conn), {"outbox_waiting"}),
    "sending": (lambda conn: outbox.list_sending(conn), {"outbox_waiting"}),
    "give up": (
        lambda conn: outbox.mark_waiting_failed(conn, 1, reason="blocked", now=NOW),
        {"outbox_waiting"},
    ),
    "shifted": (lambda conn: outbox.mark_shifted(conn, 9, last=9, now=NOW), {"outbox_waiting"}),
    "receipt": (
        lambda conn: outbox.settle_by_receipt(conn, Receipt("7", SENT), now=NOW),
        {"outbox_by_platform_id"},
    ),
    "request": (lambda conn: outbox.list_of_request(conn, 1), {"outbox_of_request"}),
    "of account": (
        lambda conn: outbox.list_newest(conn, APP, account_id=1, limit=5),
        {"outbox_of_account"},
    ),
}


@pytest.mark.parametrize("work", WORK)
def test_each_query_takes_its_own_index(conn, work):
    act, indexes = WORK[work]
    recorder = Recorder(conn)
    act(recorder)
    steps = " | ".join(recorder.plan)
    for index in indexes:
        assert index in steps, steps
    of_outbox = [step for step in recorder.plan if re.search(r"\boutbox\b", step)]
    assert of_outbox, steps
    for step in of_outbox:
        assert step.startswith("SEARCH") or "outbox_waiting" in step, steps
    assert "TEMP B-TREE" not in steps, steps


def test_with_a_hundred_thousand_that_wait_a_turn_looks_at_a_few(conn, ann):
    heads = [notice(f"h{one}", one) for one in (1, 2, 3)]
    add(conn, *heads)
    for part in range(100):
        add(
            conn,
            *(
                notice(f"{part} {one}", one % 3 + 1, due_at=None, account_id=ann)
                for one in range(1000)
            ),
        )
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    conn.set_progress_handler(count, 100)  # virtual machine instructions
    began = time.perf_counter()
    for _ in range(20):
        assert outbox.is_anything_due(conn, now=NOW)
        assert outbox.mark_expired(conn, now=NOW) == []
        taken = outbox.claim_due(conn, now=NOW, limit=20)
        assert len(taken) == 3
        for one in taken:
            outbox.mark_sent(conn, one.number, platform_id="", final=True, now=NOW)
        outbox.mark_next_due(conn, [1, 2, 3], now=NOW)
    seconds = time.perf_counter() - began
    assert steps < 1000, "a turn takes some thousand instructions, one scan takes 300,000"
    assert seconds < 2
    conn.set_progress_handler(None, 0)
    assert outbox.count_waiting(conn) == 100_003 - 60
