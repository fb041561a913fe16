"""The inbox: each message is acted upon once, and answered in time."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Iterator

import pytest

from tests.conftest import Ear
from tests.service.steps import bindings, history
from tests.world import Post, World
from wx.protocol.incoming import Incoming
from wx.service import inbox
from wx.service.gate import SEEN_SECONDS, WINDOW_SECONDS
from wx.service.replies import Replies
from wx.simulator.pushes import Delivery
from wx.store import database
from wx.store import inbox as table

INFO = "/cgi-bin/user/info"
NEITHER = "replies = []\n"
ECHO = '[[replies]]\non = "text"\nreply = "{Content}"\n'


def rows(world: World) -> list[sqlite3.Row]:
    return world.rows("SELECT * FROM inbox ORDER BY id")


def follower(world: World, person: str) -> sqlite3.Row:
    openid = world.simulator.world.people[person].openid
    (row,) = world.rows("SELECT * FROM followers WHERE openid = ?", openid)
    return row


@contextlib.contextmanager
def locked(world: World) -> Iterator[sqlite3.Connection]:
    """Another process holds the database for itself."""
    path = world.folder / "data" / database.FILE
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("BEGIN EXCLUSIVE")
        yield conn
        if conn.in_transaction:
            conn.execute("ROLLBACK")


# What is kept


@pytest.mark.gen_test(timeout=20)
async def test_a_message_leaves_its_kind_its_time_and_digests_but_not_what_was_written(
    world: World,
) -> None:
    await world.open_webhook(rules=NEITHER)
    sent = world.post(world.text("a canary in the text"))
    assert (await world.send(sent)).body == b"success"
    (row,) = rows(world)
    assert (row["kind"], row["received_at"]) == ("text", world.clock.now())
    assert row["follower_id"] == follower(world, "wang")["id"]
    assert (row["answer"], row["hidden"]) == (b"", "")
    kept = {one["used"][4:].hex(): one["body"] for one in world.rows("SELECT * FROM signatures")}
    assert len(kept[sent.query["signature"]]) == 32 and len(kept) == 2, "and the console's check"
    stored = b"".join(file.read_bytes() for file in (world.folder / "data").iterdir())
    assert b"a canary in the text" not in stored


@pytest.mark.gen_test(timeout=20)
async def test_every_kind_of_message_and_event_is_acted_upon_and_counted(world: World) -> None:
    await world.open_webhook(rules=NEITHER, bind_route="oauth")
    for message in (
        world.text(),
        world.text(MsgType="image", Content=None, MediaId="m"),
        world.text(MsgType="shortvideo", Content=None, MediaId="m"),
        world.text(MsgType="hologram", Content=None),
        world.event("subscribe"),
        world.event("CLICK", EventKey="k"),
        world.event("LOCATION", Latitude="1", Longitude="2", person="li"),
        world.event("TEMPLATESENDJOBFINISH", MsgID="1", Status="success", person="li"),
        world.event("card_pass_check", person="li"),
        world.event("user_authorization_revoke", OpenID="oNobody", person="li"),
    ):
        assert (await world.send(message)).body == b"success"
    counted = world.server.services.inbox.kinds
    assert counted == {
        "text": 1, "image": 1, "video": 1, "subscribe": 1, "click": 1, "location_report": 1,
        "templatesendjobfinish": 1, "user_authorization_revoke": 1, "other": 2,
    }  # fmt: skip
    assert len(rows(world)) == 10
    known = {row["openid"] for row in world.rows("SELECT openid FROM followers")}
    assert known == {world.simulator.world.people["wang"].openid}, "reports introduce nobody"
    nobodys = [row["kind"] for row in rows(world) if row["follower_id"] is None]
    assert "templatesendjobfinish" in nobodys and "user_authorization_revoke" in nobodys
    metrics = (await world.look("/metrics")).body.decode()
    assert 'wxbind_incoming_total{kind="text"} 1.0' in metrics
    assert "hologram" not in metrics and "card_pass" not in metrics


# Once


@pytest.mark.gen_test(timeout=20)
async def test_a_repeat_gets_the_same_answer_and_does_nothing(world: World) -> None:
    await world.open_webhook(rules=ECHO)
    message = world.text("hello")
    first = await world.send(message)
    assert world.opened(first.body)["Content"] == "hello"
    for _ in range(2):
        world.clock.advance(1)
        again = await world.send(message)  # signed anew
        assert again.body == first.body
        await world.restart_server()
    assert len(rows(world)) == 1
    assert (await world.send(message)).body == first.body
    assert world.server.services.inbox.repeats == 1


@pytest.mark.gen_test(timeout=20)
async def test_the_number_says_what_a_repeat_is_and_not_the_text(world: World) -> None:
    await world.open_webhook(rules=ECHO)
    first = await world.answer(world.text("first", MsgId=77))
    assert (await world.answer(world.text("second", MsgId=77)))["Content"] == first["Content"]
    assert (await world.answer(world.text("second", MsgId=78)))["Content"] == "second"
    assert (await world.answer(world.text("long", MsgId=int("9" * 20))))["Content"] == "long"
    assert (await world.answer(world.text("more", MsgId=int("9" * 19))))["Content"] == "more"
    other = await world.answer(world.text("second", person="li", MsgId=77))
    assert other["Content"] == "second", "another person's message is another one"


@pytest.mark.gen_test(timeout=20)
async def test_events_of_one_second_are_told_apart(world: World) -> None:
    await world.open_webhook(rules=NEITHER)
    events = [
        world.event("subscribe"),
        world.event("unsubscribe"),
        world.event("CLICK", EventKey="a"),
        world.event("CLICK", EventKey="b"),
        world.event("VIEW", EventKey="a"),
        world.event("CLICK", EventKey="a", person="li"),
        world.event("TEMPLATESENDJOBFINISH", MsgID="1", Status="success"),
        world.event("TEMPLATESENDJOBFINISH", MsgID="2", Status="success"),
    ]
    world.clock.advance(1)
    events.append(world.event("CLICK", EventKey="a"))
    for event in (*events, *events):
        assert (await world.send(event)).code == 200
    assert len(rows(world)) == len(events)
    assert world.server.services.inbox.repeats == len(events)


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("mode", ["plain", "safe"])
async def test_of_twenty_copies_at_once_one_acts_and_all_get_its_answer(
    world: World, mode: str
) -> None:
    await world.open_webhook(mode, bind_route="oauth")
    world.simulator.pushes.receipt_status = ""  # which would be one message more
    desktop = await world.bound()
    assert desktop
    await world.answer(world.text("解绑"))
    message = world.text("是")
    answers = await asyncio.gather(*(world.send(message) for _ in range(20)))
    assert {answer.code for answer in answers} == {200}
    if mode == "plain":
        assert len({answer.body for answer in answers}) == 1
    assert len({world.opened(answer.body)["Content"] for answer in answers}) == 1
    assert "ann" in str(world.opened(answers[0].body)["Content"])
    assert history(world) == [("bound", "oauth", "ann"), ("ended", "chat", "the phone")]
    assert len(rows(world)) == 2


@pytest.mark.gen_test(timeout=20)
async def test_following_twice_over_is_following_once(world: World) -> None:
    await world.open_webhook("safe", bind_route="oauth")
    event = world.event("subscribe", person="li", EventKey="qrscene_desk_1", Ticket="gQx")
    answers = await asyncio.gather(*(world.send(event) for _ in range(20)))
    assert len({world.opened(answer.body)["Content"] for answer in answers}) == 1
    await world.rest()
    await world.restart_server()
    assert (await world.send(event)).code == 200
    await world.rest()
    assert len(rows(world)) == 1 and follower(world, "li")["following"] == 1
    assert world.simulator.calls[INFO] == 1, "the details are asked for once"


@pytest.mark.gen_test(timeout=20)
async def test_a_scan_that_comes_often_binds_once_and_says_the_same(world: World) -> None:
    await world.open_webhook("safe")
    world.simulator.pushes.receipt_status = ""
    desktop = await world.signed_in()
    invite = await desktop.invite()
    scene = f"qrscene_bind{invite['link'].rpartition('/')[2]}"
    event = world.event("subscribe", person="li", EventKey=scene, Ticket="gQx")
    answers = await asyncio.gather(*(world.send(event) for _ in range(20)))
    await world.restart_server()
    answers.append(await world.send(event))
    texts = {str(world.opened(answer.body)["Content"]) for answer in answers}
    assert len(texts) == 1 and "/undo/" in texts.pop()
    assert bindings(world) == [("ann", "li")] and history(world) == [("bound", "scan", "ann")]
    assert len(rows(world)) == 1


@pytest.mark.gen_test(timeout=20)
async def test_the_simulator_s_own_copies_show_one_answer(world: World) -> None:
    await world.open_webhook("safe", rules=ECHO)
    world.simulator.pushes.duplicate = 3
    (echo,) = await world.said("wang", "hello 🌻")
    assert (echo.kind, echo.text) == ("text", "hello 🌻")
    assert len(rows(world)) == 1


# In time


@pytest.mark.gen_test(timeout=20)
async def test_what_is_not_on_disk_in_time_is_brought_again_and_answered_as_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await world.open_webhook("safe", rules=ECHO)
    monkeypatch.setattr(inbox, "KEEP_SECONDS", 0.05)
    message = world.text("hello")
    with locked(world):
        tries = await asyncio.gather(world.send(message), world.send(message))
        for late in tries:
            assert (late.code, late.body) == (503, b"503\n")
        assert (await world.look("/healthz")).code == 200, "nobody else waits for it"
    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "WeChat is asked to bring it again" in errors[0].getMessage()
    monkeypatch.setattr(inbox, "KEEP_SECONDS", 3)
    repeat = await world.send(message)
    assert world.opened(repeat.body)["Content"] == "hello"
    assert len(rows(world)) == 1
    assert world.server.services.inbox.kinds["text"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_each_is_given_up_at_its_own_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook(rules=ECHO)
    monkeypatch.setattr(inbox, "KEEP_SECONDS", 0.3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with locked(world):
        sends = []
        for _ in range(3):
            sends.append(asyncio.ensure_future(world.send(world.text())))
            await asyncio.wait(sends, timeout=0.1, return_when=asyncio.ALL_COMPLETED)
        assert [(await one).code for one in sends] == [503] * 3
        assert loop.time() - began < 2
    monkeypatch.setattr(inbox, "KEEP_SECONDS", 3)
    assert (await world.answer(world.text("hello")))["Content"] == "hello"
    assert len(rows(world)) == 4


@pytest.mark.gen_test(timeout=20)
async def test_what_follows_from_a_message_happens_though_nobody_waited_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook()
    desktop = await world.signed_in()
    invite = await desktop.invite()
    socket = await desktop.live(invite)
    scene = f"qrscene_bind{invite['link'].rpartition('/')[2]}"
    monkeypatch.setattr(inbox, "KEEP_SECONDS", 0.05)
    world.simulator.world.people["li"].following = True
    with locked(world):
        late = await world.send(world.event("subscribe", "li", EventKey=scene, Ticket="gQx"))
        assert late.code == 503
    assert (await socket.until("bound"))["state"] == "bound"
    await world.simulator.called(INFO)
    assert bindings(world) == [("ann", "li")]


@pytest.mark.gen_test(timeout=20)
async def test_a_stop_waits_for_what_is_still_being_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook(rules=ECHO)
    monkeypatch.setattr(inbox, "KEEP_SECONDS", 0.05)
    with locked(world) as conn:
        assert (await world.send(world.event("subscribe", "li"))).code == 503
        stopping = asyncio.ensure_future(world.server.stop())
        done, _ = await asyncio.wait([stopping], timeout=0.1)
        assert not done
        conn.execute("ROLLBACK")
        await stopping
    assert world.simulator.calls[INFO] == 1, "and for what follows from it"
    await world.start_server(**world.keys)
    assert len(rows(world)) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_database_that_stays_locked_keeps_nothing_and_the_next_try_does(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "BUSY_MILLISECONDS", 50)
    await world.open_webhook(rules=ECHO)
    message = world.text("hello")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with locked(world):
        late = await world.send(message)
        assert (late.code, late.body) == (503, b"503\n")
    assert loop.time() - began < 2, "nobody waits for what has failed"
    assert rows(world) == []
    assert (await world.answer(message))["Content"] == "hello"
    assert len(rows(world)) == 1
    caplog.clear()
    again = await world.answer(message)
    assert again["Content"] == "hello"
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.gen_test(timeout=30)
async def test_the_platform_s_tries_outlast_a_short_lock_and_the_chat_shows_one_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook("safe", rules=ECHO)
    monkeypatch.setattr(inbox, "KEEP_SECONDS", 0.05)
    pushes = world.simulator.pushes
    pushes.gap = 0.2
    ended, record = asyncio.Event(), world.simulator.record_delivery

    def recorded(delivery: Delivery) -> None:
        record(delivery)
        ended.set()

    monkeypatch.setattr(world.simulator, "record_delivery", recorded)
    with locked(world):
        await world.simulator.phone("wang").say("hello")
        await asyncio.wait_for(ended.wait(), 10)
    await pushes.settled()
    outcomes = [(one.outcome, one.status) for one in world.simulator.deliveries]
    assert outcomes[0] == ("refused", 503) and outcomes[-1] == ("answered", 200)
    chat = world.simulator.world.people["wang"].chat
    assert [one.text for one in chat if not one.mine] == ["hello"]
    assert len(rows(world)) == 1


@pytest.mark.gen_test(timeout=20)
async def test_nothing_of_a_slow_platform_holds_an_answer_up(world: World) -> None:
    await world.open_webhook()
    world.simulator.faults.hang(INFO)
    began = asyncio.get_running_loop().time()
    assert (await world.send(world.event("subscribe", "li"))).code == 200
    assert (await world.send(world.text("绑定"))).code == 200
    assert asyncio.get_running_loop().time() - began < 2
    world.simulator.faults.release()
    world.simulator.faults.clear()


# Forgotten


@pytest.mark.gen_test(timeout=20)
async def test_messages_are_forgotten_after_a_while_however_many_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook(rules=NEITHER)
    assert inbox.FORGET_SECONDS > 2 * WINDOW_SECONDS, "a repeat may come for so long"
    for _ in range(5):
        assert (await world.send(world.text())).code == 200
    world.clock.advance(inbox.FORGET_SECONDS - 500)
    assert (await world.send(world.text())).code == 200
    monkeypatch.setattr(inbox, "PURGE_ROWS", 2)
    asked: list[int] = []
    purge = table.purge

    def counted(conn: sqlite3.Connection, *, before: float, limit: int) -> int:
        asked.append(limit)
        return purge(conn, before=before, limit=limit)

    monkeypatch.setattr(table, "purge", counted)
    world.clock.advance(499)
    await world.server.services.inbox.purge()
    assert len(rows(world)) == 6
    asked.clear()
    world.clock.advance(1)
    await world.server.services.inbox.purge()
    assert len(rows(world)) == 1
    assert set(asked) == {2} and len(asked) in (3, 4), "in pieces"


@pytest.mark.gen_test(timeout=20)
async def test_used_signatures_are_kept_for_as_long_as_they_are_good(
    world: World, ear: Ear
) -> None:
    await world.open_webhook(rules=NEITHER)
    old = world.post(world.text(), timestamp=world.clock.now() + 600)
    assert (await world.send(old)).code == 200
    world.clock.advance(1200)
    await world.server.services.inbox.purge()
    await world.restart_server()
    assert (await world.send(Post(old.query, world.text()))).code == 403
    assert any("used signature" in line for line in ear.lines)
    world.clock.advance(SEEN_SECONDS)
    await world.server.services.inbox.purge()
    assert world.rows("SELECT * FROM signatures") == []
    await world.restart_server()
    assert world.server.services.inbox._gate._seen == {}


@pytest.mark.gen_test(timeout=20)
async def test_the_signatures_of_repeats_and_of_checks_outlive_a_restart_too(
    world: World, ear: Ear
) -> None:
    await world.open_webhook(rules=NEITHER)
    message = world.text()
    posts = [world.post(message, nonce=f"n{number}") for number in range(3)]
    for post in posts:
        assert (await world.send(post)).code == 200
    assert len(rows(world)) == 1
    check = world.post(message, nonce="check")
    assert (await world.look(f"{check.path}&echostr=1")).code == 200
    await world.restart_server()
    for post in (*posts, check):
        assert (await world.send(Post(post.query, world.text("forged")))).code == 403
    assert sum("used signature" in line for line in ear.lines) == 4
    assert (await world.send(posts[2])).body == b"success"
    assert len(rows(world)) == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_signature_that_let_in_no_message_is_used_all_the_same(world: World) -> None:
    await world.open_webhook(rules=NEITHER)
    wrong = world.post(b"<xml><a>1</a></xml>")
    assert (await world.send(wrong)).code == 400
    assert (await world.send(Post(wrong.query, world.text()))).code == 403
    assert rows(world) == []


# Many at once


@pytest.mark.gen_test(timeout=20)
async def test_messages_that_come_together_are_each_answered_for_themselves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook("safe", rules=ECHO)
    people = ("wang", "li", "zhang")
    sent = [world.text(f"message {n}", people[n % 3]) for n in range(40)]
    monkeypatch.setattr(inbox, "BATCH", 7)
    with locked(world) as conn:
        answers = asyncio.gather(*(world.send(message) for message in (*sent, *sent)))
        await asyncio.wait([answers], timeout=0.2)
        conn.execute("ROLLBACK")
        got = [world.opened(answer.body) for answer in await answers]
    for number, fields in enumerate(got):
        assert fields["Content"] == f"message {number % 40}"
        assert fields["ToUserName"] == world.simulator.world.people[people[number % 40 % 3]].openid
    assert len(rows(world)) == 40
    assert world.server.services.inbox.repeats == 40


@pytest.mark.gen_test(timeout=20)
async def test_a_message_that_fails_takes_no_other_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook(rules=ECHO)
    answer = Replies.answer

    def fail(self: Replies, conn: sqlite3.Connection, message: Incoming, *given, **more):
        if message.fields.get("Content") == "bad":
            conn.execute("DELETE FROM inbox")
            raise RuntimeError("no")
        return answer(self, conn, message, *given, **more)

    monkeypatch.setattr(Replies, "answer", fail)
    kept = await world.answer(world.text("before"))
    assert kept["Content"] == "before"
    with locked(world) as conn:
        sends = asyncio.gather(
            *(world.send(world.text(said)) for said in ("one", "bad", "two", "three"))
        )
        await asyncio.wait([sends], timeout=0.2)
        conn.execute("ROLLBACK")
        answers = await sends
    assert [one.code for one in answers] == [200, 500, 200, 200]
    assert world.opened(answers[3].body)["Content"] == "three"
    assert len(rows(world)) == 4
    assert world.server.services.inbox.kinds["text"] == 4, "none is counted twice"


@pytest.mark.gen_test(timeout=20)
async def test_more_than_can_wait_are_asked_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.open_webhook(rules=ECHO)
    monkeypatch.setattr(inbox, "WAITING", 3)
    monkeypatch.setattr(inbox, "BATCH", 1)
    with locked(world) as conn:
        sends = asyncio.gather(*(world.send(world.text()) for _ in range(10)))
        await asyncio.wait([sends], timeout=0.2)
        conn.execute("ROLLBACK")
        codes = [one.code for one in await sends]
    assert codes.count(503) >= 5 and codes.count(200) >= 3
    assert len(rows(world)) == codes.count(200)
    assert (await world.answer(world.text("hello")))["Content"] == "hello"


@pytest.mark.gen_test(timeout=20)
async def test_what_follows_from_one_message_and_fails_hurts_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await world.open_webhook(rules=NEITHER)

    def fail(*given: object) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr("wx.service.followers.Followers.ask", fail)
        for person in ("wang", "li"):
            assert (await world.send(world.event("subscribe", person))).body == b"success"
    assert len(rows(world)) == 2
    assert [one.levelno for one in caplog.records if one.name == "wx.service.inbox"].count(
        logging.ERROR
    ) == 2
    assert (await world.send(world.event("subscribe", "zhang"))).code == 200


@pytest.mark.gen_test(timeout=20)
async def test_what_one_person_does_in_one_breath_is_acted_upon_one_after_the_other(
    world: World,
) -> None:
    await world.bound("ann", "wang")
    await world.open_webhook(rules=NEITHER, bind_route="oauth")
    service = world.server.services.inbox
    sent = []
    with locked(world) as conn:
        # The first keeps the writer busy, so that the others wait together, in this order.
        for one, person in (("first", "li"), ("解绑", "wang"), ("是", "wang"), ("last", "zhang")):
            post = world.send(world.text(one, person))
            sent.append(asyncio.ensure_future(post))
            for _ in range(500):
                await asyncio.sleep(0.01)
                if service._writing and len(service._waiting) == len(sent) - 1:
                    break
        conn.execute("ROLLBACK")
        answers = await asyncio.gather(*sent)
    assert [answer.code for answer in answers] == [200] * 4
    assert bindings(world) == [], "the yes came after the question"
