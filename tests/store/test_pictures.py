"""Rows of pictures."""

from tests.store.conftest import APP, NOW
from wx.model import PictureState
from wx.store import followers, pictures


def add(conn, picture_id, follower_id=1, *, media_id="", due_at=None, now=NOW, app_id=APP):
    return pictures.add(
        conn,
        app_id,
        follower_id,
        media_id or f"media-{picture_id}",
        picture_id=picture_id,
        origin="chat" if due_at else "page",
        due_at=due_at,
        now=now,
    )


def test_one_is_found_by_its_id_and_by_what_the_platform_calls_it(conn):
    assert add(conn, "a", 7, due_at=NOW + 5)
    found = pictures.find(conn, "a")
    assert (found.follower_id, found.media_id, found.origin) == (7, "media-a", "chat")
    assert (found.state, found.kind, found.size) == (PictureState.WANTED, "", 0)
    assert (found.attempts, found.due_at, found.created_at) == (0, NOW + 5, NOW)
    assert pictures.find_by_media(conn, APP, "media-a") == found
    assert pictures.find_by_media(conn, "wx-other", "media-a") is None
    assert pictures.find(conn, "b") is None


def test_a_media_id_is_known_once_whosever_it_is(conn):
    assert add(conn, "a", 1, media_id="m")
    assert not add(conn, "b", 1, media_id="m")
    assert not add(conn, "c", 2, media_id="m")
    assert add(conn, "d", 1, media_id="m", app_id="wx-other")
    assert pictures.find_by_media(conn, APP, "m").id == "a"


def test_kept_ones_are_listed_newest_first_each_person_s_own(conn):
    for number, picture_id in enumerate(("a", "b", "c", "d")):
        add(conn, picture_id, 1 if picture_id != "c" else 2, now=NOW + number)
        if picture_id != "d":
            pictures.mark_kept(conn, picture_id, kind="png", size=100)
    assert [one.id for one in pictures.list_kept(conn, APP, 1)] == ["b", "a"]
    assert pictures.list_kept(conn, "wx-other", 1) == []
    assert sorted(pictures.list_kept_ids(conn)) == ["a", "b", "c"]
    assert pictures.size_of_all(conn) == 300


def test_wanted_and_kept_ones_are_counted_and_failed_ones_are_not(conn):
    for picture_id in ("a", "b", "c"):
        add(conn, picture_id)
    pictures.mark_kept(conn, "a", kind="gif", size=5)
    pictures.mark_failed(conn, "b")
    assert pictures.count_of(conn, APP, 1) == 2
    assert pictures.count_of(conn, "wx-other", 1) == 0


def test_what_is_kept_is_not_due_any_more_and_kept_once(conn):
    add(conn, "a", due_at=NOW)
    kept = pictures.mark_kept(conn, "a", kind="jpeg", size=9)
    assert (kept.state, kept.kind, kept.size) == (PictureState.KEPT, "jpeg", 9)
    assert kept.due_at is None
    assert pictures.mark_kept(conn, "a", kind="gif", size=1) is None
    assert pictures.mark_kept(conn, "gone", kind="gif", size=1) is None
    pictures.mark_failed(conn, "a")
    pictures.mark_due(conn, "a", NOW)
    assert pictures.find(conn, "a") == kept


def test_what_is_due_is_claimed_the_longest_due_first_and_counted(conn):
    for number, picture_id in enumerate(("a", "b", "c")):
        add(conn, picture_id, due_at=NOW - number)
    add(conn, "later", due_at=NOW + 1)
    add(conn, "page")
    add(conn, "other", due_at=NOW, app_id="wx-other")
    assert pictures.is_due(conn, APP, now=NOW)
    claimed = pictures.claim_due(conn, APP, now=NOW, limit=2)
    assert {one.id for one in claimed} == {"b", "c"}
    assert {one.attempts for one in claimed} == {1}
    for one in claimed:
        pictures.mark_due(conn, one.id, NOW + 30)
    assert [one.id for one in pictures.claim_due(conn, APP, now=NOW, limit=2)] == ["a"]
    pictures.mark_failed(conn, "a")
    assert not pictures.is_due(conn, APP, now=NOW)
    assert pictures.is_due(conn, "wx-other", now=NOW)


def test_one_that_is_put_off_was_not_tried(conn):
    add(conn, "a", due_at=NOW)
    pictures.put_off(conn, "a", NOW + 5)
    assert pictures.find(conn, "a").due_at == NOW, "and what nobody claimed is not put off"
    assert pictures.claim_due(conn, APP, now=NOW, limit=1)
    pictures.put_off(conn, "a", NOW + 9)
    found = pictures.find(conn, "a")
    assert (found.attempts, found.due_at) == (0, NOW + 9)


def test_what_never_came_is_forgotten_and_what_is_kept_stays(conn):
    for picture_id in ("wanted", "failed", "kept"):
        add(conn, picture_id, due_at=NOW)
    add(conn, "new", due_at=NOW, now=NOW + 1)
    pictures.mark_failed(conn, "failed")
    pictures.mark_kept(conn, "kept", kind="png", size=1)
    assert pictures.purge(conn, before=NOW) == 2
    assert [one for one in ("wanted", "failed", "kept", "new") if pictures.find(conn, one)] == [
        "kept",
        "new",
    ]
    pictures.remove(conn, ["kept", "gone"])
    assert pictures.find(conn, "kept") is None


def test_whoever_is_forgotten_leaves_no_pictures(conn):
    stays = followers.use(conn, APP, "o-stays")
    leaves = followers.use(conn, APP, "o-leaves")
    followers.mark_following(conn, APP, "o-stays", True, at=NOW)
    followers.mark_following(conn, APP, "o-leaves", False, at=NOW)
    add(conn, "a", stays)
    add(conn, "b", leaves)
    followers.purge(conn, ended_before=NOW - 1)
    assert pictures.find(conn, "b")
    followers.purge(conn, ended_before=NOW)
    assert pictures.find(conn, "a")
    assert pictures.find(conn, "b") is None
