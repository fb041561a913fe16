"""Followers: WeChat users that one WeChat account has met."""

import json
import sqlite3

from wx.model import Follower, Profile


def use(conn: sqlite3.Connection, app_id: str, openid: str) -> int:
    """The number of the follower with this openid, who is kept from now on."""
    conn.execute(
        "INSERT INTO followers (app_id, openid) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (app_id, openid),
    )
    (follower_id,) = conn.execute(
        "SELECT id FROM followers WHERE app_id = ? AND openid = ?", (app_id, openid)
    ).fetchone()
    return int(follower_id)


def find(conn: sqlite3.Connection, follower_id: int) -> Follower | None:
    """The follower with this number."""
    row = conn.execute("SELECT * FROM followers WHERE id = ?", (follower_id,)).fetchone()
    return row and _follower(row)


def mark_profile(conn: sqlite3.Connection, app_id: str, profile: Profile, *, now: float) -> None:
    """Keep what the platform told of a follower who is known already.

    What WeChat no longer gives comes empty, and never wipes out what is known.
    """
    conn.execute(
        """UPDATE followers
              SET unionid  = coalesce(nullif(?, ''), unionid),
                  nickname = coalesce(nullif(?, ''), nickname),
                  sex      = coalesce(nullif(?, 0), sex),
                  province = coalesce(nullif(?, ''), province),
                  city     = coalesce(nullif(?, ''), city),
                  country  = coalesce(nullif(?, ''), country),
                  avatar   = coalesce(nullif(?, ''), avatar),
                  privilege = ?,
                  read_at  = ?
            WHERE app_id = ? AND openid = ?""",
        (
            profile.unionid,
            profile.nickname,
            profile.sex,
            profile.province,
            profile.city,
            profile.country,
            profile.avatar,
            json.dumps(profile.privilege, ensure_ascii=False),
            now,
            app_id,
            profile.openid,
        ),
    )


def mark_unionid(conn: sqlite3.Connection, app_id: str, openid: str, unionid: str) -> None:
    """Keep a follower's unionid, where it comes without a profile."""
    conn.execute(
        "UPDATE followers SET unionid = ? WHERE app_id = ? AND openid = ?",
        (unionid, app_id, openid),
    )


def purge(conn: sqlite3.Connection, *, ended_before: float) -> int:
    """Forget the people whose last binding ended before then, and those who tried and were never
    bound, save who follows the account; how many.

    Where the history names somebody, the row stays without openid and profile, so that it still
    tells one from another.
    """
    forgotten = conn.execute(
        """UPDATE followers
              SET openid = 'forgotten:' || id, unionid = '', nickname = '', sex = 0,
                  province = '', city = '', country = '', avatar = '', privilege = '[]',
                  read_at = NULL
            WHERE openid NOT LIKE 'forgotten:%' AND coalesce(following, 0) = 0
              AND EXISTS (SELECT 1 FROM bindings WHERE follower_id = followers.id)
              AND NOT EXISTS (SELECT 1 FROM bindings WHERE follower_id = followers.id
                                 AND (ended_at IS NULL OR ended_at > ?))""",
        (ended_before,),
    ).rowcount
    return (
        forgotten
        + conn.execute(
            """DELETE FROM followers
            WHERE coalesce(following, 0) = 0
              AND NOT EXISTS (SELECT 1 FROM bindings WHERE follower_id = followers.id)
              AND NOT EXISTS (SELECT 1 FROM invites WHERE follower_id = followers.id)"""
        ).rowcount
    )


def _follower(row: sqlite3.Row) -> Follower:
    profile = Profile(
        openid=row["openid"],
        unionid=row["unionid"],
        nickname=row["nickname"],
        sex=row["sex"],
        province=row["province"],
        city=row["city"],
        country=row["country"],
        avatar=row["avatar"],
        privilege=json.loads(row["privilege"]),
    )
    return Follower(id=row["id"], app_id=row["app_id"], profile=profile, read_at=row["read_at"])
