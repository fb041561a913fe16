"""Pictures: fetched once, kept within bounds, each person's own, and swept."""

import asyncio
import logging
from pathlib import Path

import pytest

from tests.vectors.pictures import NONE, gif, jpeg, png
from wx.errors import Refused, StorageUnavailable
from wx.model import PictureState
from wx.service import pictures as module
from wx.store.picture_files import PictureFiles
from wx.wechat.media import CONNECTIONS

PATH = "/cgi-bin/media/get"


class House:
    """The pictures of a world, and what a test looks at."""

    def __init__(self, world):
        self.world = world

    @property
    def pictures(self):
        return self.world.server.services.pictures

    @property
    def calls(self):
        return self.world.simulator.calls[PATH]

    def medium(self, body=None):
        """The id of a picture that the platform has."""
        return self.world.simulator.world.add_medium("image", body or png(), "image/png").id

    async def account(self, name="ann"):
        account, _ = await self.world.server.services.bindings.of_name(name)
        return account

    async def fetch(self, media_id, name="ann"):
        return await self.pictures.fetch(await self.account(name), media_id)

    async def refusal(self, media_id, name="ann"):
        with pytest.raises(Refused) as caught:
            await self.fetch(media_id, name)
        return caught.value.status, caught.value.code

    async def read(self, picture_id, name="ann"):
        opened = await self.pictures.open(await self.account(name), picture_id)
        return b"".join([chunk async for chunk in opened.chunks()])

    def files(self):
        folder = Path(self.world.folder) / "data" / "media"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def rows(self):
        return {row["id"]: row for row in self.world.rows("SELECT * FROM pictures")}

    async def work(self):
        """One turn of the timer, and what it begins."""
        await self.pictures.look()
        await self.pictures.settled()


@pytest.fixture
def house(io_loop, world):
    """Ann is bound to Wang, bob to Li."""

    async def bind():
        await world.bound("ann", "wang")
        await world.bound("bob", "li")

    io_loop.run_sync(bind, timeout=20)
    return House(world)


@pytest.fixture
def chat(io_loop, house):
    """The same, where the pictures of the chat are kept."""
    world = house.world
    io_loop.run_sync(lambda: world.open_webhook(keep_media="true"), timeout=20)
    return house


# --- the page ---


@pytest.mark.parametrize(("kind", "body"), [("png", png()), ("jpeg", jpeg()), ("gif", gif())])
@pytest.mark.gen_test
async def test_a_picture_is_fetched_kept_and_read(house, kind, body):
    kept = await house.fetch(house.medium(body))
    assert (kept.kind, kept.size, kept.origin) == (kind, len(body), "page")
    assert kept.state is PictureState.KEPT
    assert await house.read(kept.id) == body
    assert house.files() == [kept.id]
    assert await house.pictures.list_of(await house.account()) == [kept]
    assert await house.pictures.list_of(await house.account("bob")) == []


@pytest.mark.gen_test
async def test_the_same_one_again_is_the_same_picture_without_a_call(house):
    media_id = house.medium()
    kept = await house.fetch(media_id)
    assert await house.fetch(media_id) == kept
    assert house.calls == 1


@pytest.mark.gen_test
async def test_many_who_ask_for_it_at_once_cause_one_call(house):
    media_id = house.medium()
    found = await asyncio.gather(*(house.fetch(media_id) for _ in range(20)))
    assert len({one.id for one in found}) == 1
    assert house.calls == 1
    assert len(house.files()) == len(house.rows()) == 1


@pytest.mark.gen_test
async def test_one_who_goes_away_does_not_take_it_from_the_other(house, io_loop):
    media_id = house.medium()
    house.world.simulator.faults.delay(PATH, 60)
    one = asyncio.create_task(house.fetch(media_id))
    other = asyncio.create_task(house.fetch(media_id))
    await until(lambda: house.calls)
    one.cancel()
    house.world.simulator.faults.release()
    assert (await other).id in house.files()


@pytest.mark.gen_test
async def test_somebody_else_s_is_refused_whether_kept_or_on_its_way(house):
    media_id = house.medium()
    house.world.simulator.faults.delay(PATH, 60)
    both = [asyncio.create_task(house.fetch(media_id, name)) for name in ("ann", "bob")]
    await until(lambda: house.calls == 2)
    house.world.simulator.faults.release()
    found = await asyncio.gather(*both, return_exceptions=True)
    [kept] = [one for one in found if not isinstance(one, Exception)]
    [refused] = [one for one in found if isinstance(one, Exception)]
    assert (refused.status, refused.code) == (403, "not-yours")
    assert house.files() == [kept.id]
    loser = "ann" if found[0] is refused else "bob"
    assert await house.refusal(media_id, loser) == (403, "not-yours")
    assert house.calls == 2


@pytest.mark.parametrize("media_id", ["", "a b", "a/b", "../x", "a" * 257, "é", "a\n"])
@pytest.mark.gen_test
async def test_what_is_no_media_id_is_refused_without_a_call(house, media_id):
    assert await house.refusal(media_id) == (400, "bad-media-id")
    assert house.calls == 0


@pytest.mark.gen_test
async def test_who_is_not_bound_has_no_pictures(world):
    house = House(world)
    assert await house.refusal(house.medium()) == (409, "not-bound")
    assert await house.pictures.list_of(await house.account()) == []


@pytest.mark.parametrize(
    ("errcode", "refusal"),
    [
        (40007, (410, "gone")),
        (-1, (503, "platform-unavailable")),
        (45009, (503, "platform-unavailable")),
        (48001, (502, "platform-error")),
    ],
)
@pytest.mark.gen_test
async def test_what_the_platform_refuses_is_told(house, errcode, refusal):
    house.world.simulator.faults.answer(PATH, errcode=errcode)
    media_id = house.medium()
    assert await house.refusal(media_id) == refusal
    assert (house.files(), house.rows()) == ([], {})
    assert await house.fetch(media_id), "and the next try may work"


@pytest.mark.parametrize("name", ["html", "svg", "bmp", "json", "half a png"])
@pytest.mark.gen_test
async def test_what_is_no_picture_is_not_kept(house, name):
    house.world.simulator.faults.answer(PATH, body=NONE[name], content_type="image/jpeg")
    assert await house.refusal("anything") == (422, "no-picture")
    assert (house.files(), house.rows()) == ([], {})


@pytest.mark.gen_test
async def test_nobody_waits_for_ever_and_what_comes_later_is_kept(house, monkeypatch):
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    house.world.simulator.faults.delay(PATH, 60)
    media_id = house.medium()
    assert await house.refusal(media_id) == (503, "late")
    house.world.simulator.faults.release()
    await house.pictures.settled()
    assert (await house.fetch(media_id)).id in house.files()
    assert house.calls == 1


@pytest.mark.gen_test
async def test_an_account_sends_a_bounded_number_in_a_minute(house, monkeypatch):
    for _ in range(module.PER_MINUTE):
        await house.refusal("none")
    assert await house.refusal("none") == (429, "too-many-tries")
    assert await house.fetch(house.medium(), "bob")


@pytest.mark.gen_test
async def test_only_so_many_are_on_their_way(house, monkeypatch):
    monkeypatch.setattr(module, "FLIGHTS", 1)
    house.world.simulator.faults.delay(PATH, 60)
    first = asyncio.create_task(house.fetch(house.medium()))
    await until(lambda: house.calls)
    assert await house.refusal(house.medium()) == (503, "busy")
    house.world.simulator.faults.release()
    await first


@pytest.mark.gen_test(timeout=30)
async def test_only_a_few_bodies_are_in_memory_until_they_are_written(house, monkeypatch):
    """However slow the disk is; and who waited behind others is told so."""
    monkeypatch.setattr(module, "WAIT_SECONDS", 2)
    go_on, held = asyncio.Event(), []
    real = PictureFiles.add

    async def add(self, picture_id, body):
        held.append(picture_id)
        await go_on.wait()
        await real(self, picture_id, body)

    monkeypatch.setattr(PictureFiles, "add", add)
    wishes = [(house.medium(), "ann" if n % 2 else "bob") for n in range(12)]
    found = await asyncio.gather(*(house.refusal(*wish) for wish in wishes))
    assert len(held) == house.calls == CONNECTIONS
    assert sorted(found) == [(503, "busy")] * (12 - CONNECTIONS) + [(503, "late")] * CONNECTIONS
    go_on.set()
    await house.pictures.settled()
    assert len(house.files()) == 12


@pytest.mark.gen_test
async def test_one_browser_reads_a_few_at_once_and_the_others_wait(house, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    go_on, reading = asyncio.Event(), []

    async def read(browser):
        async with house.pictures.turn(browser):
            reading.append(browser)
            await go_on.wait()

    many = [asyncio.create_task(read("one")) for _ in range(module.READERS + 3)]
    await until(lambda: len(reading) == module.READERS)
    with pytest.raises(Refused) as caught:
        await read("one")
    assert (caught.value.status, caught.value.code) == (429, "too-many-tries")
    other = asyncio.create_task(read("other"))
    await until(lambda: "other" in reading)
    assert reading.count("one") == module.READERS
    go_on.set()
    await asyncio.gather(*many, other)
    assert reading.count("one") == module.READERS + 3
    await read("one")


# --- bounds ---


@pytest.mark.gen_test
async def test_two_who_see_the_last_of_the_room_get_it_once(house):
    await house.world.reconfigure(media_megabytes="1")
    big = png(padding=600_000)
    house.world.simulator.faults.delay(PATH, 60)
    wishes = [(house.medium(big), "ann"), (house.medium(big + b"x"), "bob")]
    both = [asyncio.create_task(house.fetch(*wish)) for wish in wishes]
    await until(lambda: house.calls == 2)
    house.world.simulator.faults.release()
    house.world.simulator.faults.clear()
    found = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(getattr(one, "code", "kept") for one in found) == ["kept", "no-room"]
    assert len(house.files()) == len(house.rows()) == 1
    calls = house.calls
    small = house.medium(png(padding=300_000))
    assert await house.fetch(small), "what still fits is kept"
    assert house.calls == calls + 1
    [kept] = [row for row in house.rows().values() if row["size"] > 500_000]
    owner = "bob" if isinstance(found[0], Exception) else "ann"
    await house.pictures.remove(await house.account(owner), kept["id"])
    assert await house.fetch(house.medium(big + b"yy")), "and there is room again"


@pytest.mark.gen_test
async def test_full_is_told_before_the_platform_is_asked(house):
    await house.world.reconfigure(media_megabytes="1")
    await house.fetch(house.medium(png(padding=module.MEGABYTE - len(png()))))
    calls = house.calls
    assert await house.refusal(house.medium()) == (409, "no-room")
    assert house.calls == calls


@pytest.mark.gen_test
async def test_a_person_has_a_bounded_number(house, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    media = [house.medium() for _ in range(6)]
    found = await asyncio.gather(*map(house.fetch, media), return_exceptions=True)
    codes = [getattr(one, "code", "kept") for one in found]
    assert sorted(codes) == ["kept"] * 3 + ["too-many-pictures"] * 3
    assert len(house.files()) == 3
    assert await house.fetch(media[codes.index("kept")]), "those that are kept are there still"
    assert await house.fetch(house.medium(), "bob"), "others have their own number"
    first = next(iter(await house.pictures.list_of(await house.account())))
    await house.pictures.remove(await house.account(), first.id)
    assert await house.fetch(media[codes.index("too-many-pictures")])


# --- trouble with the disk ---


@pytest.mark.gen_test
async def test_a_full_disk_keeps_neither_file_nor_row(house, monkeypatch):
    async def full(self, picture_id, body):
        raise StorageUnavailable("a picture: No space left on device")

    monkeypatch.setattr(PictureFiles, "add", full)
    media_id = house.medium()
    with pytest.raises(StorageUnavailable):
        await house.fetch(media_id)
    assert (house.files(), house.rows()) == ([], {})
    monkeypatch.undo()
    assert await house.fetch(media_id)


@pytest.mark.gen_test
async def test_a_full_database_leaves_no_file(house, monkeypatch):
    full = Trouble(house.pictures._database, "write", "database or disk is full")
    monkeypatch.setattr(house.pictures, "_database", full)
    media_id = house.medium()
    with pytest.raises(StorageUnavailable):
        await house.fetch(media_id)
    monkeypatch.undo()
    assert (house.files(), house.rows()) == ([], {})
    assert await house.fetch(media_id)


# --- removing and sweeping ---


@pytest.mark.gen_test
async def test_only_the_owner_reads_and_removes(house):
    kept = await house.fetch(house.medium())
    bob, ann = await house.account("bob"), await house.account("ann")
    for picture_id in (kept.id, "x" * 22):
        for act in (house.pictures.open, house.pictures.remove):
            with pytest.raises(Refused) as caught:
                await act(bob, picture_id)
            assert (caught.value.status, caught.value.code) == (404, "unknown-picture")
    assert await house.read(kept.id) == png()
    await house.pictures.remove(ann, kept.id)
    assert (house.files(), house.rows()) == ([], {})
    with pytest.raises(Refused):
        await house.pictures.remove(ann, kept.id)
    with pytest.raises(Refused):
        await house.pictures.open(ann, kept.id)


@pytest.mark.gen_test
async def test_a_picture_goes_with_the_wechat_and_not_with_the_account(house):
    kept = await house.fetch(house.medium())
    world = house.world
    for name in ("ann", "bob"):
        world.rows(
            "UPDATE bindings SET ended_at = 1 WHERE ended_at IS NULL AND account_id ="
            " (SELECT id FROM accounts WHERE name = ?)",
            name,
        )
    with pytest.raises(Refused):
        await house.pictures.open(await house.account("ann"), kept.id)
    await world.bound("bob", "wang")
    assert await house.read(kept.id, "bob") == png()


@pytest.mark.gen_test
async def test_files_of_nobody_and_rows_without_a_file_are_swept(house, caplog):
    caplog.set_level(logging.INFO)
    stays, lost = await house.fetch(house.medium()), await house.fetch(house.medium())
    folder = Path(house.world.folder) / "data" / "media"
    (folder / lost.id).unlink()
    (folder / ("o" * 22)).write_bytes(b"a crash left this")
    (folder / ("p" * 22 + ".part")).write_bytes(b"and this")
    (folder / "note").write_text("somebody else's")
    await house.pictures.sweep()
    assert house.files() == sorted([stays.id, "note"])
    assert list(house.rows()) == [stays.id]
    assert "2 files of pictures removed that belonged to nobody" in caplog.text
    assert "1 pictures forgotten whose files are lost" in caplog.text
    await house.pictures.sweep()
    assert list(house.rows()) == [stays.id]


@pytest.mark.parametrize("many", [1, 5])
@pytest.mark.gen_test
async def test_where_the_folder_is_away_nothing_is_removed(house, caplog, many):
    for _ in range(many):
        await house.fetch(house.medium())
    before, folder = house.files(), Path(house.world.folder) / "data" / "media"
    away = folder.with_name("away")
    folder.rename(away)
    for _ in range(3):
        await house.pictures.sweep()
    assert sorted(house.rows()) == before
    [told] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert told.levelno == logging.ERROR
    assert f"{many} of {many} pictures have no file in {folder}" in told.getMessage()
    assert "forget-lost" in told.getMessage()
    house.world.clock.advance(module.TELL_SECONDS)
    await house.pictures.sweep()
    assert caplog.text.count("have no file in") == 2, "once more in an hour"
    away.rename(folder)
    await house.pictures.sweep()
    assert house.files() == sorted(house.rows()) == before


@pytest.mark.gen_test
async def test_where_another_folder_is_in_its_place_nothing_is_removed(house, caplog):
    """As where nothing is mounted, and the next picture makes it."""
    kept = [(await house.fetch(house.medium())).id for _ in range(5)]
    folder = Path(house.world.folder) / "data" / "media"
    away = folder.with_name("away")
    folder.rename(away)
    new = await house.fetch(house.medium())
    (folder / ("o" * 22)).write_bytes(b"of nobody")
    await house.pictures.sweep()
    assert house.files() == sorted([new.id, "o" * 22])
    assert sorted(house.rows()) == sorted([*kept, new.id])
    assert "5 of 6 pictures have no file" in caplog.text
    (folder / "forget-lost").touch()
    await house.pictures.sweep()
    assert house.files() == list(house.rows()) == [new.id], "the operator has said so"
    assert "5 pictures forgotten whose files are lost" in caplog.text


@pytest.mark.parametrize(("lost", "forgotten"), [(4, True), (5, False)])
@pytest.mark.gen_test
async def test_a_small_part_is_forgotten_and_a_large_one_is_not(house, caplog, lost, forgotten):
    kept = await house.fetch(house.medium())
    folder = Path(house.world.folder) / "data" / "media"
    for number in range(39):
        one = f"{number:022}"
        house.world.rows(
            "INSERT INTO pictures SELECT ?, app_id, follower_id, ?, origin, state, kind, size,"
            " attempts, due_at, created_at FROM pictures WHERE id = ?",
            one,
            one,
            kept.id,
        )
        if number >= lost:
            (folder / one).write_bytes(b"x")
    await house.pictures.sweep()
    assert len(house.rows()) == (40 - lost if forgotten else 40)
    assert ("nothing is cleared up" in caplog.text) is not forgotten


@pytest.mark.gen_test
async def test_an_odd_entry_does_not_stop_the_sweep_and_the_log_counts_right(house, caplog):
    caplog.set_level(logging.INFO)
    kept = await house.fetch(house.medium())
    folder = Path(house.world.folder) / "data" / "media"
    (folder / ("a" * 22)).mkdir()  # no file, and so not ours
    for name in ("b", "c", "d"):
        (folder / (name * 22)).write_bytes(b"left")
    (folder / ("b" * 22 + ".part")).mkdir()  # cannot be removed
    await house.pictures.sweep()
    assert house.files() == sorted([kept.id, "a" * 22, "b" * 22 + ".part"])
    assert "2 files of pictures removed that belonged to nobody" in caplog.text
    assert "1 files of pictures not removed, they are swept later: Is a directory" in caplog.text


@pytest.mark.gen_test
async def test_a_start_sweeps_what_a_crash_left(house):
    kept = await house.fetch(house.medium())
    orphan = Path(house.world.folder) / "data" / "media" / ("o" * 22)
    orphan.write_bytes(b"left")
    await house.world.restart_server()
    await until(lambda: house.files() == [kept.id])


@pytest.mark.gen_test
async def test_one_that_is_just_being_written_is_not_swept(house, monkeypatch):
    """Its file is there, its row not yet."""
    written, go_on = asyncio.Event(), asyncio.Event()
    real = PictureFiles.add

    async def add(self, picture_id, body):
        await real(self, picture_id, body)
        written.set()
        await go_on.wait()

    monkeypatch.setattr(PictureFiles, "add", add)
    fetching = asyncio.create_task(house.fetch(house.medium()))
    await written.wait()
    await house.pictures.sweep()
    assert len(house.files()) == 1
    go_on.set()
    kept = await fetching
    await house.pictures.sweep()
    assert house.files() == [kept.id]


@pytest.mark.gen_test
async def test_one_that_is_kept_while_the_sweep_looks_stays(house, monkeypatch):
    """It has its row when the rows are read, and was no file when the files were listed; or the
    other way about."""
    other = await house.fetch(house.medium())
    real = PictureFiles.list_all

    async def list_all(self):
        found = await real(self)
        monkeypatch.undo()
        await house.fetch(house.medium())
        return found

    monkeypatch.setattr(PictureFiles, "list_all", list_all)
    await house.pictures.sweep()
    assert len(house.files()) == len(house.rows()) == 2
    assert other.id in house.files()


@pytest.mark.gen_test
async def test_forgotten_people_leave_neither_rows_nor_files(house):
    world = house.world
    kept, stays = await house.fetch(house.medium()), await house.fetch(house.medium(), "bob")
    world.rows(
        "UPDATE bindings SET ended_at = ? WHERE account_id ="
        " (SELECT id FROM accounts WHERE name = 'ann')",
        world.clock.now(),
    )
    world.rows("UPDATE followers SET following = 0")
    services = world.server.services
    await services.bindings.purge()
    await house.pictures.sweep()
    assert house.files() == sorted([kept.id, stays.id]), "the unbinding may still be undone"
    world.clock.advance(86400 + 1)
    await services.bindings.purge()
    await house.pictures.sweep()
    assert house.files() == list(house.rows()) == [stays.id]


@pytest.mark.gen_test
async def test_who_still_follows_keeps_them(house):
    world = house.world
    kept = await house.fetch(house.medium())
    world.rows("UPDATE bindings SET ended_at = ?", world.clock.now())
    world.rows("UPDATE followers SET following = 1")
    world.clock.advance(10 * 86400)
    await world.server.services.bindings.purge()
    await house.pictures.sweep()
    assert house.files() == list(house.rows()) == [kept.id]


@pytest.mark.gen_test
async def test_who_is_unbound_while_it_comes_gets_nothing_kept(house):
    house.world.simulator.faults.delay(PATH, 60)
    fetching = asyncio.create_task(house.refusal(house.medium()))
    await until(lambda: house.calls)
    house.world.rows("UPDATE bindings SET ended_at = 1")
    house.world.simulator.faults.release()
    assert await fetching == (409, "not-bound")
    assert (house.files(), house.rows()) == ([], {})


# --- the chat ---


async def send(house, media_id, person="wang"):
    """A picture that this person sends to the chat; the delivery, to be repeated."""
    post = house.world.post(
        house.world.text(
            person=person, MsgType="image", Content=None, MediaId=media_id, PicUrl="http://x/y"
        )
    )
    response = await house.world.send(post)
    assert response.code == 200
    return post


@pytest.mark.gen_test
async def test_a_picture_of_the_chat_is_fetched_and_kept(chat):
    await send(chat, chat.medium(jpeg()))
    await chat.work()
    [kept] = await chat.pictures.list_of(await chat.account())
    assert (kept.kind, kept.origin) == ("jpeg", "chat")
    assert await chat.read(kept.id) == jpeg()
    await chat.work()
    assert chat.calls == 1


@pytest.mark.gen_test
async def test_the_server_does_it_by_itself(chat):
    await send(chat, chat.medium())
    await until(lambda: chat.files())


@pytest.mark.gen_test
async def test_a_repeat_of_the_message_wants_nothing_again(chat):
    post = await send(chat, chat.medium())
    await chat.work()
    [kept] = await chat.pictures.list_of(await chat.account())
    await chat.pictures.remove(await chat.account(), kept.id)
    assert (await chat.world.send(post)).code == 200
    await chat.work()
    assert (chat.rows(), chat.files(), chat.calls) == ({}, [], 1)


@pytest.mark.gen_test
async def test_nothing_is_wanted_where_it_is_off(house):
    await house.world.open_webhook()
    await send(house, house.medium())
    await house.work()
    assert (house.rows(), house.calls) == ({}, 0)


@pytest.mark.gen_test
async def test_what_is_wanted_outlives_a_restart(chat):
    media_id = chat.medium()
    chat.world.simulator.faults.answer(PATH, errcode=-1, times=None)
    await send(chat, media_id)
    await chat.work()
    await chat.world.restart_server()
    chat.world.simulator.faults.clear()
    chat.world.clock.advance(60)
    await until(lambda: [row["state"] for row in chat.rows().values()] == ["kept"])
    [row] = chat.rows().values()
    assert (row["media_id"], chat.files()) == (media_id, [row["id"]])


@pytest.mark.gen_test
async def test_it_is_tried_again_with_pauses_and_not_for_ever(chat, caplog):
    caplog.set_level(logging.INFO)
    chat.world.simulator.faults.answer(PATH, errcode=-1, times=None)
    await send(chat, chat.medium())
    for calls, pause in enumerate(module.RETRY_SECONDS, 1):
        await chat.work()
        await chat.work()
        assert chat.calls == calls
        chat.world.clock.advance(pause - 1)
        await chat.work()
        assert chat.calls == calls
        chat.world.clock.advance(1)
    await chat.work()
    await chat.work()
    assert chat.calls == len(module.RETRY_SECONDS) + 1
    [row] = chat.rows().values()
    assert (row["state"], row["due_at"]) == ("failed", None)
    assert caplog.text.count("given up") == 1
    assert 2.4 < sum(module.RETRY_SECONDS) / 86400 < 3, "as long as WeChat surely has it"
    chat.world.clock.advance(module.LIFE_SECONDS)
    await chat.pictures.sweep()
    assert chat.rows() == {}


@pytest.mark.gen_test
async def test_one_that_the_platform_forgot_ends_it(chat):
    await send(chat, "unknown-media-id")
    await chat.work()
    assert [row["state"] for row in chat.rows().values()] == ["failed"]
    chat.world.clock.advance(86400)
    await chat.work()
    assert chat.calls == 1


@pytest.mark.gen_test
async def test_a_used_up_quota_is_waited_for(chat):
    chat.world.simulator.faults.answer(PATH, errcode=45009)
    await send(chat, chat.medium())
    await chat.work()
    chat.world.clock.advance(module.PAUSED_SECONDS - 1)
    await chat.work()
    assert chat.calls == 1
    chat.world.clock.advance(1)
    await chat.work()
    assert len(chat.files()) == 1


@pytest.mark.parametrize("hours", [70, 72])
@pytest.mark.gen_test(timeout=30)
async def test_a_used_up_quota_takes_no_tries_and_ends_with_the_picture_s_life(chat, caplog, hours):
    caplog.set_level(logging.INFO)
    chat.world.simulator.faults.answer(PATH, errcode=45009, times=None)
    await send(chat, chat.medium())
    for _ in range(hours):
        await chat.work()
        [row] = chat.rows().values()
        assert (row["state"], row["attempts"]) == ("wanted", 0)
        chat.world.clock.advance(module.PAUSED_SECONDS)
    assert module.LIFE_SECONDS == 72 * 3600
    if hours < 72:
        chat.world.simulator.faults.clear()
    await chat.work()
    [row] = chat.rows().values()
    assert row["state"] == ("kept" if hours < 72 else "failed")
    assert caplog.text.count("given up") == (hours == 72)


@pytest.mark.gen_test
async def test_one_that_finds_others_ahead_is_tried_again(chat, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "FLIGHTS", 0)
        await send(chat, chat.medium())
        await chat.work()
        [row] = chat.rows().values()
        assert (row["state"], row["attempts"], chat.calls) == ("wanted", 1, 0)
    chat.world.clock.advance(module.RETRY_SECONDS[0])
    await chat.work()
    assert [row["state"] for row in chat.rows().values()] == ["kept"]


@pytest.mark.gen_test
async def test_a_database_that_cannot_be_used_is_left_alone_for_a_while(chat, monkeypatch, caplog):
    await send(chat, chat.medium())
    await until(lambda: [row["state"] for row in chat.rows().values()] == ["kept"])
    locked = Trouble(chat.pictures._database, "read", "database is locked")
    monkeypatch.setattr(chat.pictures, "_database", locked)
    for _ in range(3):
        await chat.pictures.look()
    monkeypatch.undo()
    assert locked.asked == 1
    assert caplog.text.count("the pictures of the chat wait: database is locked") == 1
    await send(chat, chat.medium())
    chat.world.clock.advance(module.BUSY_SECONDS)
    await until(lambda: [row["state"] for row in chat.rows().values()] == ["kept"] * 2)


@pytest.mark.gen_test
async def test_what_is_no_picture_is_given_up_soon(chat):
    chat.world.simulator.faults.answer(PATH, body=NONE["html"], times=None)
    await send(chat, chat.medium())
    for _ in range(6):
        await chat.work()
        chat.world.clock.advance(1000)
    assert chat.calls == module.SURELY_NONE
    assert [row["state"] for row in chat.rows().values()] == ["failed"]


@pytest.mark.gen_test
async def test_no_more_room_ends_it_with_a_line_in_the_log(chat, caplog):
    caplog.set_level(logging.INFO)
    await chat.world.open_webhook(keep_media="true", media_megabytes="1")
    await chat.fetch(chat.medium(png(padding=900_000)), "bob")
    await send(chat, chat.medium(png(padding=300_000)))
    await chat.work()
    assert sorted(row["state"] for row in chat.rows().values()) == ["failed", "kept"]
    assert "given up: 409 no-room" in caplog.text
    assert len(chat.files()) == 1


@pytest.mark.gen_test
async def test_where_there_is_no_room_the_platform_is_not_asked_for_the_chat_either(chat):
    await chat.world.open_webhook(keep_media="true", media_megabytes="1")
    await chat.fetch(chat.medium(png(padding=module.MEGABYTE - len(png()))), "bob")
    calls = chat.calls
    await send(chat, chat.medium())
    await chat.work()
    assert sorted(row["state"] for row in chat.rows().values()) == ["failed", "kept"]
    assert chat.calls == calls


@pytest.mark.gen_test
async def test_what_has_no_room_is_not_even_written(chat, monkeypatch):
    await chat.world.open_webhook(keep_media="true", media_megabytes="1")
    written = []

    async def add(self, picture_id, body):
        written.append(picture_id)

    monkeypatch.setattr(PictureFiles, "add", add)
    await send(chat, chat.medium(png(padding=module.MEGABYTE)))
    await chat.work()
    assert [row["state"] for row in chat.rows().values()] == ["failed"]
    assert written == []


@pytest.mark.gen_test
async def test_who_sends_too_many_is_not_refused_an_answer(chat, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "MOST", 2)
    for _ in range(4):
        await send(chat, chat.medium())
    assert len(chat.rows()) == 2
    assert caplog.text.count("is not kept: they have 2 here") == 2
    await send(chat, chat.medium(), "li")
    assert len(chat.rows()) == 3


@pytest.mark.parametrize("media_id", ["a b", "../../x", "é", "m" * 300])
@pytest.mark.gen_test
async def test_a_name_that_is_none_hurts_nobody(chat, media_id):
    await send(chat, media_id)
    assert chat.rows() == {}


@pytest.mark.gen_test
async def test_the_page_takes_one_that_the_chat_wants(chat):
    """And both together ask once, for the one who sent it only."""
    media_id = chat.medium()
    chat.world.simulator.faults.delay(PATH, 60)
    await send(chat, media_id)
    await chat.pictures.look()
    await until(lambda: chat.calls)
    page = asyncio.create_task(chat.fetch(media_id))
    assert await chat.refusal(media_id, "bob") == (403, "not-yours")
    chat.world.simulator.faults.release()
    kept = await page
    await chat.pictures.settled()
    assert (chat.calls, chat.files(), list(chat.rows())) == (1, [kept.id], [kept.id])


@pytest.mark.gen_test
async def test_whoever_claims_what_the_chat_then_brings_from_somebody_else_gets_nothing(chat):
    """At first nobody's, it is Wang's by the time that bob's comes; and his file is not touched."""
    media_id = chat.medium()
    chat.world.simulator.faults.delay(PATH, 60, times=1)
    bobs = asyncio.create_task(chat.refusal(media_id, "bob"))
    await until(lambda: chat.calls)
    await send(chat, media_id)
    await until(lambda: [row["state"] for row in chat.rows().values()] == ["kept"])
    chat.world.simulator.faults.release()
    assert await bobs == (403, "not-yours")
    [kept] = await chat.pictures.list_of(await chat.account())
    assert await chat.read(kept.id) == png()


@pytest.mark.gen_test
async def test_whoever_is_forgotten_while_it_comes_gets_nothing_kept(chat):
    chat.world.simulator.faults.delay(PATH, 60)
    await send(chat, chat.medium())
    await chat.pictures.look()
    await until(lambda: chat.calls)
    chat.world.rows("DELETE FROM pictures")
    chat.world.simulator.faults.release()
    await chat.pictures.settled()
    assert (chat.rows(), chat.files()) == ({}, [])


@pytest.mark.gen_test
async def test_only_a_few_of_the_chat_are_fetched_at_once(chat):
    chat.world.simulator.faults.delay(PATH, 60)
    for _ in range(5):
        await send(chat, chat.medium())
    await chat.pictures.look()
    await chat.pictures.look()
    await until(lambda: chat.calls == module.AT_ONCE)
    page = asyncio.create_task(chat.fetch(chat.medium(), "bob"))
    await until(lambda: chat.calls == module.AT_ONCE + 1)  # a connection is free for the page
    chat.world.simulator.faults.release()
    assert await page


@pytest.mark.gen_test(timeout=30)
async def test_the_stop_does_not_wait_for_ever(chat, monkeypatch):
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.1)
    chat.world.simulator.faults.hang(PATH)
    await send(chat, chat.medium())
    await chat.pictures.look()
    await until(lambda: chat.calls)
    waiting = asyncio.create_task(chat.refusal(chat.medium()))
    await until(lambda: chat.calls == 2)
    pictures = chat.pictures
    async with asyncio.timeout(5):
        await pictures.close()
        assert await waiting == (503, "busy")
    assert await chat.refusal(chat.medium()) == (503, "busy"), "and nothing is begun after it"
    await pictures.look()
    assert chat.calls == 2


class Trouble:
    """A database that does not do one thing, for those alone who are given it."""

    def __init__(self, database, verb, reason):
        self.asked = 0
        self.read, self.write = database.read, database.write

        async def fail(work):
            self.asked += 1
            raise StorageUnavailable(reason)

        setattr(self, verb, fail)


async def until(true, seconds=5.0):
    """Until ``true()``, which nobody announces."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
