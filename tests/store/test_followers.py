"""Followers."""

from dataclasses import replace

from tests.store.conftest import APP, NOW
from wx.model import Profile
from wx.store import bindings, followers

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
    followers.mark_profile(conn, APP, Profile("o-wang", privilege=WANG.privilege), now=NOW + 1)
    found = followers.find(conn, number)
    assert (found.profile, found.read_at) == (WANG, NOW + 1)
    followers.mark_profile(conn, APP, Profile("o-wang", nickname="明", sex=2), now=NOW + 2)
    renamed = followers.find(conn, number).profile
    assert (renamed.nickname, renamed.sex, renamed.city) == ("明", 2, "深圳")
    assert renamed.privilege == []


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
