"""Followers: WeChat users that one WeChat account has met."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wx.model import Follower, Profile


class Act(NamedTuple):
    """Something that somebody did at a time, and the window for customer-service messages that it
    opens: how many until when, for the two kinds of window; 0 for none."""

    at: float
    window_left: int = 0
    window_ends_at: float = 0.0
    brief_left: int = 0
    brief_ends_at: float = 0.0


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
    return row and made(row)


def find_all(conn: sqlite3.Connection, follower_ids: Iterable[int]) -> dict[int, Follower]:
    """Those of the followers with these numbers that are still known, by number."""
    wanted = list(set(follower_ids))
    rows = conn.execute(
        f"SELECT * FROM followers WHERE id IN ({', '.join('?' * len(wanted))})", wanted
    )
    return {row["id"]: made(row) for row in rows}


def find_by_openid(conn: sqlite3.Connection, app_id: str, openid: str) -> Follower | None:
    """The follower with this openid."""
    row = conn.execute(
        "SELECT * FROM followers WHERE app_id = ? AND openid = ?", (app_id, openid)
    ).fetchone()
    return row and made(row)


def mark_acted(
    conn: sqlite3.Connection, app_id: str, acts: Mapping[str, Act]
) -> dict[str, Follower]:
    """People did something in the chat, so they were following then; each as they are now.

    A later unfollowing that was told first is not undone by it, nor one of the same second: whoever
    has just begun to follow is marked by that alone. Each act renews its own kind of window.

    Args:
        acts: what each of them did, by openid.
    """
    if not acts:
        return {}
    # One statement for all: each costs a turn of the interpreter's lock.
    marks = ", ".join(["(?, ?, 1, ?, ?, ?, ?, ?)"] * len(acts))
    rows = conn.execute(
        f"""INSERT INTO followers (app_id, openid, following, acted_at, window_left,
                                   window_ends_at, brief_left, brief_ends_at) VALUES {marks}
               ON CONFLICT (app_id, openid) DO UPDATE
              SET following = iif(coalesce(follow_changed_at, 0) < excluded.acted_at, 1, following),
                  acted_at = max(coalesce(acted_at, 0), excluded.acted_at),
                  blocked_at = iif(blocked_at < excluded.acted_at, NULL, blocked_at),
                  window_left = iif(excluded.window_ends_at >= window_ends_at
                                    AND excluded.window_left, excluded.window_left, window_left),
                  window_ends_at = max(window_ends_at, excluded.window_ends_at),
                  brief_left = iif(excluded.brief_ends_at >= brief_ends_at
                                   AND excluded.brief_left, excluded.brief_left, brief_left),
                  brief_ends_at = max(brief_ends_at, excluded.brief_ends_at)
           RETURNING *""",
        [value for openid, act in acts.items() for value in (app_id, openid, *act)],
    ).fetchall()
    return {row["openid"]: made(row) for row in rows}


def mark_following(
    conn: sqlite3.Connection, app_id: str, openid: str, following: bool, *, at: float
) -> bool:
    """Somebody began or ceased to follow at that time; False if a later change is known already.

    Events overtake each other: the later one counts, and of two in one second the last to come.
    """
    return (
        conn.execute(
            """INSERT INTO followers (app_id, openid, following, follow_changed_at)
                    VALUES (?, ?, ?, ?)
                   ON CONFLICT (app_id, openid) DO UPDATE
                  SET following = excluded.following,
                      follow_changed_at = excluded.follow_changed_at
                WHERE coalesce(follow_changed_at, 0) <= excluded.follow_changed_at""",
            (app_id, openid, following, at),
        ).rowcount
        == 1
    )


def mark_message_used(conn: sqlite3.Connection, follower_id: int, *, now: float) -> None:
    """One of the customer-service messages that are allowed is being used: of the window that ends
    first, while it lasts."""
    conn.execute(
        """UPDATE followers
              SET brief_left = brief_left - (brief_left > 0 AND brief_ends_at > ?1),
                  window_left = window_left - (window_left > 0
                                               AND NOT (brief_left > 0 AND brief_ends_at > ?1))
            WHERE id = ?2""",
        (now, follower_id),
    )


def mark_window_closed(conn: sqlite3.Connection, follower_id: int) -> None:
    """The platform lets no more customer-service messages through."""
    conn.execute(
        "UPDATE followers SET window_left = 0, brief_left = 0 WHERE id = ?", (follower_id,)
    )


def mark_left(conn: sqlite3.Connection, follower_id: int) -> None:
    """The platform says that the follower is none; an event of their coming back says otherwise."""
    conn.execute("UPDATE followers SET following = 0 WHERE id = ?", (follower_id,))


def mark_blocked(conn: sqlite3.Connection, follower_id: int, *, at: float) -> None:
    """The platform says that the follower receives nothing."""
    conn.execute("UPDATE followers SET blocked_at = ? WHERE id = ?", (at, follower_id))


def mark_origin(
    conn: sqlite3.Connection, follower_id: int, *, came_by: str, scene: str = ""
) -> None:
    """Keep how a follower came."""
    conn.execute(
        "UPDATE followers SET came_by = ?, scene = ? WHERE id = ?", (came_by, scene, follower_id)
    )


def mark_language(conn: sqlite3.Connection, follower_id: int, language: str) -> None:
    """Keep the language that a follower's WeChat speaks."""
    conn.execute("UPDATE followers SET language = ? WHERE id = ?", (language, follower_id))


def mark_unbind_asked(conn: sqlite3.Connection, follower_id: int, at: float | None) -> None:
    """The follower was asked whether to unbind at that time; None: the question is answered."""
    conn.execute("UPDATE followers SET unbind_asked_at = ? WHERE id = ?", (at, follower_id))


def mark_revoked(conn: sqlite3.Connection, follower_id: int) -> None:
    """Forget the profile of somebody who took back the right to it."""
    conn.execute(
        """UPDATE followers
              SET unionid = '', nickname = '', sex = 0, province = '', city = '', country = '',
                  avatar = '', privilege = '[]', read_at = NULL
            WHERE id = ?""",
        (follower_id,),
    )


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
                  privilege = coalesce(nullif(?, '[]'), privilege),
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
    """Forget the people whose last binding ended before then, and those who were never bound, save
    who follows the account or ceased to after then; how many.

    Where the history names somebody, the row stays without openid and profile, so that it still
    tells one from another.
    """
    forgotten = conn.execute(
        """UPDATE followers
              SET openid = 'forgotten:' || id, unionid = '', nickname = '', sex = 0,
                  province = '', city = '', country = '', avatar = '', privilege = '[]',
                  read_at = NULL, came_by = '', scene = '', language = '', acted_at = NULL,
                  unbind_asked_at = NULL, follow_changed_at = NULL, blocked_at = NULL
            WHERE openid NOT LIKE 'forgotten:%' AND coalesce(following, 0) = 0
              AND EXISTS (SELECT 1 FROM bindings WHERE follower_id = followers.id)
              AND NOT EXISTS (SELECT 1 FROM bindings WHERE follower_id = followers.id
                                 AND (ended_at IS NULL OR ended_at > ?))""",
        (ended_before,),
    ).rowcount
    deleted = conn.execute(
        """DELETE FROM followers
            WHERE coalesce(following, 0) = 0 AND coalesce(follow_changed_at, 0) <= ?
              AND NOT EXISTS (SELECT 1 FROM bindings WHERE follower_id = followers.id)
              AND NOT EXISTS (SELECT 1 FROM invites WHERE follower_id = followers.id)""",
        (ended_before,),
    ).rowcount
    # A number that is free again goes to somebody else, with what still stands under it.
    conn.execute(
        """DELETE FROM subscriptions
            WHERE follower_id NOT IN (SELECT id FROM followers
                                       WHERE openid NOT LIKE 'forgotten:%')"""
    )
    conn.execute(  # their files are swept, as belonging to nobody
        """DELETE FROM pictures
            WHERE follower_id NOT IN (SELECT id FROM followers
                                       WHERE openid NOT LIKE 'forgotten:%')"""
    )
    conn.execute(
        """UPDATE scan_logins SET follower_id = NULL
            WHERE follower_id NOT IN (SELECT id FROM followers
                                       WHERE openid NOT LIKE 'forgotten:%')"""
    )
    conn.execute(
        """DELETE FROM authorizations
            WHERE (SELECT openid FROM followers WHERE id = follower_id) LIKE 'forgotten:%'"""
    )
    return forgotten + deleted


def made(row: sqlite3.Row) -> Follower:
    """The follower in a row that holds all columns of the table."""
    profile = Profile(
        openid=row["openid"],
        unionid=row["unionid"],
        nickname=row["nickname"],
        sex=row["sex"],
        province=row["province"],
        city=row["city"],
        country=row["country"],
        avatar=row["avatar"],
        privilege=json.loads(row["privilege"]) if row["privilege"] != "[]" else [],
    )
    return Follower(
        id=row["id"],
        app_id=row["app_id"],
        profile=profile,
        read_at=row["read_at"],
        following=None if row["following"] is None else bool(row["following"]),
        follow_changed_at=row["follow_changed_at"],
        acted_at=row["acted_at"],
        came_by=row["came_by"],
        scene=row["scene"],
        language=row["language"],
        unbind_asked_at=row["unbind_asked_at"],
        window_left=row["window_left"],
        window_ends_at=row["window_ends_at"],
        brief_left=row["brief_left"],
        brief_ends_at=row["brief_ends_at"],
        blocked_at=row["blocked_at"],
    )
