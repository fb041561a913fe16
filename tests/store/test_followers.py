"""Followers."""

from dataclasses import replace

import pytest

from tests.store.conftest import APP, NOW
from wx.model import Profile
from wx.store import bindings, followers
from wx.store.followers import Act

WANG = Profile(
    openid="o-wang",
    unionid="u-wang",
    nickname="王小明🌻👩‍👩‍👧",
    sex=1,
    province="广东",
    city="深圳",
    country="中国",
    avatar="https://thirdwx.qlogo.cn/x/132",
    privilege=["chinaunicom", "微信"],
)


def test_a_follower_keeps_one_number_in_each_wechat_account(conn):
    first = followers.use(conn, APP, "o-wang")
    assert followers.use(conn, APP, "o-wang") == first
    assert followers.use(conn, "wx-other", "o-wang") != first
    assert followers.use(conn, APP, "o-li") != first
    found = followers.find(conn, first)
    assert (found.id, found.app_id, found.profile, found.read_at) == (
        first,
        APP,
        Profile("o-wang"),
        None,
    )
    assert followers.find(conn, 99) is None


def test_a_profile_is_kept_whole_with_its_emoji(conn):
    number = followers.use(conn, APP, "o-wang")
    followers.mark_profile(conn, APP, WANG, now=NOW)
    found = followers.find(conn, number)
    assert (found.profile, found.read_at) == (WANG, NOW)


def test_what_comes_empty_wipes_out_nothing_that_is_known(conn):
    number = followers.use(conn, APP, "o-wang")
    followers.mark_profile(conn, APP, WANG, now=NOW)
    followers.mark_profile(conn, APP, Profile("o-wang"), now=NOW + 1)
    found = followers.find(conn, number)
    assert (found.profile, found.read_at) == (WANG, NOW + 1)
    followers.mark_profile(conn, APP, Profile("o-wang", nickname="明", sex=2), now=NOW + 2)
    renamed = followers.find(conn, number).profile
    assert (renamed.nickname, renamed.sex, renamed.city) == ("明", 2, "深圳")
    assert renamed.privilege == WANG.privilege
    followers.mark_profile(conn, APP, Profile("o-wang", privilege=["x"]), now=NOW + 3)
    assert followers.find(conn, number).profile.privilege == ["x"]


def test_a_profile_is_kept_for_its_own_follower_only(conn):
    other = followers.use(conn, "wx-other", "o-wang")
    li = followers.use(conn, APP, "o-li")
    followers.mark_profile(conn, APP, WANG, now=NOW)
    assert followers.find(conn, other).profile == Profile("o-wang")
    assert followers.find(conn, li).profile == Profile("o-li")
    rows = conn.execute("SELECT count(*) FROM followers").fetchone()
    assert tuple(rows) == (2,), "a stranger's profile is not kept"


def test_people_whose_last_binding_is_long_over_are_forgotten(conn, ann, bob):
    numbers = {name: followers.use(conn, APP, name) for name in ("o-wang", "o-li", "o-new", "o-f")}
    followers.mark_profile(conn, APP, WANG, now=NOW)
    for name, ends in (("o-wang", [NOW, NOW + 9]), ("o-li", [NOW, NOW + 50]), ("o-f", [NOW])):
        for end in ends:
            binding = bindings.add(conn, APP, ann, numbers[name], route="oauth", now=NOW)
            assert bindings.mark_ended(conn, binding, now=end)
    conn.execute("UPDATE followers SET following = 1 WHERE openid = 'o-f'")
    assert followers.purge(conn, ended_before=NOW + 9) == 2  # wang, and new, who never was bound
    gone = followers.find(conn, numbers["o-wang"])
    assert gone.profile == Profile(f"forgotten:{numbers['o-wang']}")
    assert gone.read_at is None
    assert followers.find(conn, numbers["o-new"]) is None
    for name in ("o-li", "o-f"):
        assert followers.find(conn, numbers[name]).profile.openid == name
    assert followers.purge(conn, ended_before=NOW + 9) == 0
    assert followers.use(conn, APP, "o-wang") != numbers["o-wang"]


def test_who_is_bound_is_not_forgotten(conn, ann):
    number = followers.use(conn, APP, "o-wang")
    old = bindings.add(conn, APP, ann, number, route="oauth", now=NOW)
    bindings.mark_ended(conn, old, now=NOW)
    bindings.add(conn, APP, ann, number, route="oauth", now=NOW)
    assert followers.purge(conn, ended_before=NOW + 99) == 0
    assert followers.find(conn, number).profile.openid == "o-wang"


def test_a_unionid_that_comes_alone_changes_nothing_else(conn):
    number = followers.use(conn, APP, "o-wang")
    followers.mark_profile(conn, APP, WANG, now=NOW)
    followers.mark_unionid(conn, APP, "o-wang", "u-other")
    follower = followers.find(conn, number)
    assert follower.profile == replace(WANG, unionid="u-other")
    assert follower.read_at == NOW


# Following, unfollowing, acting


def following(conn, openid="o-wang"):
    found = followers.find_by_openid(conn, APP, openid)
    return found and found.following


def test_a_follower_is_found_by_openid_in_their_own_wechat_account(conn):
    number = followers.use(conn, APP, "o-wang")
    assert followers.find_by_openid(conn, APP, "o-wang").id == number
    assert followers.find_by_openid(conn, "wx-other", "o-wang") is None
    assert followers.find_by_openid(conn, APP, "o-li") is None


def test_whether_somebody_follows_is_not_known_at_first(conn):
    followers.use(conn, APP, "o-wang")
    assert following(conn) is None


@pytest.mark.parametrize("first", [True, False])
def test_the_later_change_counts_in_whatever_order_the_two_come(conn, first):
    assert followers.mark_following(conn, APP, "o-wang", first, at=NOW)
    assert followers.mark_following(conn, APP, "o-wang", not first, at=NOW + 1)
    assert following(conn) is not first
    assert not followers.mark_following(conn, APP, "o-wang", first, at=NOW + 0.5)
    assert following(conn) is not first
    assert followers.mark_following(conn, APP, "o-wang", first, at=NOW + 2)
    assert following(conn) is first


@pytest.mark.parametrize("first", [True, False])
def test_of_two_changes_in_one_second_the_last_to_come_counts(conn, first):
    for changed in (first, not first, first):
        assert followers.mark_following(conn, APP, "o-wang", changed, at=NOW)
        assert following(conn) is changed


def test_somebody_known_by_a_binding_begins_and_ceases_to_follow(conn):
    number = followers.use(conn, APP, "o-wang")
    assert followers.mark_following(conn, APP, "o-wang", False, at=5)
    assert following(conn) is False
    assert followers.use(conn, APP, "o-wang") == number


def test_a_change_is_of_one_follower_in_one_wechat_account(conn):
    for app_id, openid in ((APP, "o-wang"), ("wx-other", "o-wang"), (APP, "o-li")):
        followers.use(conn, app_id, openid)
    followers.mark_following(conn, APP, "o-wang", True, at=NOW)
    assert following(conn, "o-li") is None
    assert followers.find_by_openid(conn, "wx-other", "o-wang").following is None


def test_whoever_acts_follows_and_is_known_from_then_on(conn):
    made = followers.mark_acted(conn, APP, {"o-wang": Act(NOW)})["o-wang"]
    assert (made.following, made.acted_at, made.profile.openid) == (True, NOW, "o-wang")
    assert made == followers.find(conn, made.id)
    again = followers.mark_acted(conn, APP, {"o-wang": Act(NOW + 5)})["o-wang"]
    assert (again.id, again.acted_at) == (made.id, NOW + 5)


def test_the_last_activity_never_goes_back(conn):
    followers.mark_acted(conn, APP, {"o-wang": Act(NOW + 5)})["o-wang"]
    assert followers.mark_acted(conn, APP, {"o-wang": Act(NOW)})["o-wang"].acted_at == NOW + 5


def test_what_was_done_before_an_unfollowing_does_not_undo_it(conn):
    followers.mark_following(conn, APP, "o-wang", False, at=NOW + 10)
    late = followers.mark_acted(conn, APP, {"o-wang": Act(NOW)})["o-wang"]
    assert (late.following, late.acted_at) == (False, NOW)
    newer = followers.mark_acted(conn, APP, {"o-wang": Act(NOW + 11)})["o-wang"]
    assert newer.following is True, "following again was not told, and is plain from this"
    assert followers.mark_following(conn, APP, "o-wang", False, at=NOW + 10)


def test_an_act_of_the_second_of_a_change_leaves_the_change_as_it_is(conn):
    for openid, follows in (("o-wang", False), ("o-li", True)):
        followers.mark_following(conn, APP, openid, follows, at=NOW)
        acted = followers.mark_acted(conn, APP, {openid: Act(NOW)})[openid]
        assert (acted.following, acted.acted_at, acted.follow_changed_at) == (follows, NOW, NOW)


def test_acting_is_no_change_that_an_earlier_unfollowing_would_have_to_beat(conn):
    followers.mark_following(conn, APP, "o-wang", True, at=NOW)
    followers.mark_acted(conn, APP, {"o-wang": Act(NOW + 100)})["o-wang"]
    assert followers.mark_following(conn, APP, "o-wang", False, at=NOW + 50)
    assert following(conn) is False


def test_how_they_came_their_language_and_a_question_are_kept(conn):
    number = followers.use(conn, APP, "o-wang")
    other = followers.use(conn, APP, "o-li")
    followers.mark_origin(conn, number, came_by="ADD_SCENE_QR_CODE", scene="desk_1")
    followers.mark_language(conn, number, "en")
    followers.mark_unbind_asked(conn, number, NOW)
    found = followers.find(conn, number)
    assert (found.came_by, found.scene, found.language) == ("ADD_SCENE_QR_CODE", "desk_1", "en")
    assert found.unbind_asked_at == NOW
    followers.mark_unbind_asked(conn, number, None)
    followers.mark_origin(conn, number, came_by="ADD_SCENE_SEARCH")
    found = followers.find(conn, number)
    assert (found.came_by, found.scene, found.unbind_asked_at) == ("ADD_SCENE_SEARCH", "", None)
    untouched = followers.find(conn, other)
    assert (untouched.came_by, untouched.language, untouched.unbind_asked_at) == ("", "", None)


def test_whoever_takes_back_the_right_to_their_profile_stays_a_follower_without_one(conn):
    number = followers.mark_acted(conn, APP, {"o-wang": Act(NOW)})["o-wang"].id
    other = followers.use(conn, APP, "o-li")
    followers.mark_profile(conn, APP, WANG, now=NOW)
    followers.mark_profile(conn, APP, replace(WANG, openid="o-li"), now=NOW)
    followers.mark_language(conn, number, "en")
    followers.mark_revoked(conn, number)
    found = followers.find(conn, number)
    assert (found.profile, found.read_at) == (Profile("o-wang"), None)
    assert (found.following, found.acted_at, found.language) == (True, NOW, "en")
    assert followers.find(conn, other).profile.nickname == WANG.nickname


def test_who_follows_is_kept_without_ever_having_been_bound_and_who_left_is_not(conn, ann):
    for openid, follows in (("o-wang", True), ("o-li", False), ("o-was", False)):
        followers.mark_following(conn, APP, openid, follows, at=NOW)
    was = followers.find_by_openid(conn, APP, "o-was").id
    followers.mark_origin(conn, was, came_by="ADD_SCENE_QR_CODE", scene="desk_1")
    followers.mark_language(conn, was, "en")
    followers.mark_unbind_asked(conn, was, NOW)
    conn.execute("UPDATE followers SET acted_at = 5 WHERE id = ?", (was,))
    bound = bindings.add(conn, APP, ann, was, route="scan", now=NOW)
    bindings.mark_ended(conn, bound, now=NOW)
    assert followers.purge(conn, ended_before=NOW) == 2
    assert following(conn) is True
    assert followers.find_by_openid(conn, APP, "o-li") is None
    gone = followers.find(conn, was)
    assert gone.profile == Profile(f"forgotten:{was}")
    assert (gone.came_by, gone.scene, gone.language) == ("", "", "")
    assert (gone.acted_at, gone.unbind_asked_at, gone.follow_changed_at) == (None, None, None)


def test_who_left_is_known_for_a_while_so_that_an_older_event_cannot_bring_them_back(conn):
    followers.mark_following(conn, APP, "o-wang", False, at=NOW)
    followers.purge(conn, ended_before=NOW - 1)
    assert not followers.mark_following(conn, APP, "o-wang", True, at=NOW - 5)
    followers.purge(conn, ended_before=NOW)
    assert followers.find_by_openid(conn, APP, "o-wang") is None


# Windows for customer-service messages


def message(at=NOW):
    return Act(at, window_left=5, window_ends_at=at + 100)


def tap(at=NOW):
    return Act(at, brief_left=3, brief_ends_at=at + 10)


def act(conn, one, openid="o-wang"):
    return followers.mark_acted(conn, APP, {openid: one})[openid]


def windows(conn, openid="o-wang"):
    found = followers.find_by_openid(conn, APP, openid)
    return (found.window_left, found.window_ends_at, found.brief_left, found.brief_ends_at)


def test_each_act_opens_its_own_kind_of_window_at_the_first_meeting_and_later(conn):
    assert act(conn, message()).window_left == 5
    assert windows(conn) == (5, NOW + 100, 0, 0)
    act(conn, tap(NOW + 1))
    assert windows(conn) == (5, NOW + 100, 3, NOW + 11)
    act(conn, message(NOW + 2))
    assert windows(conn) == (5, NOW + 102, 3, NOW + 11)
    act(conn, Act(NOW + 50))
    assert windows(conn) == (5, NOW + 102, 3, NOW + 11), "what opens none closes none"
    act(conn, tap(), "o-li")
    assert windows(conn, "o-li") == (0, 0, 3, NOW + 10)


def test_a_new_act_renews_its_own_count_and_no_other(conn):
    number = act(conn, message()).id
    act(conn, tap())
    for _ in range(4):
        followers.mark_message_used(conn, number, now=NOW)
    assert windows(conn)[::2] == (4, 0)
    act(conn, tap(NOW + 1))
    assert windows(conn)[::2] == (4, 3)
    act(conn, message(NOW + 1))
    assert windows(conn)[::2] == (5, 3)


def test_an_older_act_that_comes_late_renews_nothing(conn):
    number = act(conn, message(NOW + 9)).id
    act(conn, tap(NOW + 9))
    followers.mark_window_closed(conn, number)
    act(conn, message(NOW + 8))
    act(conn, tap(NOW + 8))
    assert windows(conn) == (0, NOW + 109, 0, NOW + 19)


def test_two_acts_of_one_second_renew_the_window(conn):
    number = act(conn, message()).id
    act(conn, tap())
    followers.mark_message_used(conn, number, now=NOW)
    followers.mark_message_used(conn, number, now=NOW + 20)
    act(conn, message())
    act(conn, tap())
    assert windows(conn)[::2] == (5, 3)


def test_a_message_uses_the_brief_window_first_while_that_lasts(conn):
    number = act(conn, message()).id
    act(conn, tap())
    seen = []
    for now in (NOW, NOW + 9, NOW + 10, NOW + 11):
        followers.mark_message_used(conn, number, now=now)
        seen.append(windows(conn)[::2])
    assert seen == [(5, 2), (5, 1), (4, 1), (3, 1)], "the brief one is over from its end on"


def test_no_window_is_used_below_nothing(conn):
    number = act(conn, Act(NOW, 1, NOW + 100, 1, NOW + 10)).id
    other = act(conn, message(), "o-li").id
    for _ in range(3):
        followers.mark_message_used(conn, number, now=NOW)
    assert windows(conn)[::2] == (0, 0)
    assert windows(conn, "o-li")[::2] == (5, 0)
    followers.mark_window_closed(conn, number)
    assert windows(conn, "o-li")[::2] == (5, 0)
    followers.mark_window_closed(conn, other)
    assert windows(conn, "o-li") == (0, NOW + 100, 0, 0)


# Who cannot be reached


def test_the_platform_s_word_that_somebody_left_holds_until_they_act(conn):
    number = act(conn, message()).id
    other = act(conn, message(), "o-li").id
    followers.mark_left(conn, number)
    assert followers.find(conn, number).out_of_reach == "not-following"
    assert followers.find(conn, other).out_of_reach == ""
    assert act(conn, message(NOW + 1)).out_of_reach == ""


def test_a_block_holds_until_a_later_act(conn):
    number = act(conn, message()).id
    other = act(conn, message(), "o-li").id
    followers.mark_blocked(conn, number, at=NOW + 5)
    blocked = followers.find(conn, number)
    assert (blocked.blocked_at, blocked.following, blocked.out_of_reach) == (
        NOW + 5,
        True,
        "blocked",
    )
    assert followers.find(conn, other).out_of_reach == ""
    for at in (NOW + 4, NOW + 5):
        assert act(conn, message(at)).blocked_at == NOW + 5
    assert act(conn, message(NOW + 6)).out_of_reach == ""


def test_many_are_found_by_number_and_those_that_are_gone_are_left_out(conn):
    first, other = act(conn, message()), act(conn, tap(), "o-li")
    assert followers.find_all(conn, [other.id, 99, first.id, first.id]) == {
        first.id: first,
        other.id: other,
    }
    assert followers.find_all(conn, []) == {}


def test_who_is_forgotten_leaves_no_block_behind(conn, ann):
    number = act(conn, message()).id
    followers.mark_blocked(conn, number, at=NOW)
    followers.mark_left(conn, number)
    bindings.mark_ended(conn, bindings.add(conn, APP, ann, number, route="scan", now=1), now=2)
    assert followers.purge(conn, ended_before=NOW) == 1
    assert followers.find(conn, number).blocked_at is None
