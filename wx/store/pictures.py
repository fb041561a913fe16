"""Pictures that people sent: wanted, kept with a file of the row's name, or failed."""

import sqlite3
from collections.abc import Iterable

from wx.model import Picture, PictureState


def add(
    conn: sqlite3.Connection,
    app_id: str,
    follower_id: int,
    media_id: str,
    *,
    picture_id: str,
    origin: str,
    due_at: float | None,
    now: float,
) -> bool:
    """Want a picture; False if the media id is known already, as anybody's.

    Args:
        origin: "page" or "chat".
        due_at: when it is to be fetched, unless whoever wants it does that at once.
    """
    return (
        conn.execute(
            """INSERT INTO pictures (id, app_id, follower_id, media_id, origin, state, kind, size,
                                     attempts, due_at, created_at)
               VALUES (?, ?, ?, ?, ?, 'wanted', '', 0, 0, ?, ?) ON CONFLICT DO NOTHING""",
            (picture_id, app_id, follower_id, media_id, origin, due_at, now),
        ).rowcount
        == 1
    )


def find(conn: sqlite3.Connection, picture_id: str) -> Picture | None:
    """The picture with this id."""
    row = conn.execute("SELECT * FROM pictures WHERE id = ?", (picture_id,)).fetchone()
    return row and _picture(row)


def find_by_media(conn: sqlite3.Connection, app_id: str, media_id: str) -> Picture | None:
    """The picture that the platform knows by this media id."""
    row = conn.execute(
        "SELECT * FROM pictures WHERE app_id = ? AND media_id = ?", (app_id, media_id)
    ).fetchone()
    return row and _picture(row)


def list_kept(conn: sqlite3.Connection, app_id: str, follower_id: int) -> list[Picture]:
    """A follower's pictures that are kept, the newest first."""
    rows = conn.execute(
        """SELECT * FROM pictures WHERE app_id = ? AND follower_id = ? AND state = 'kept'
            ORDER BY created_at DESC, id DESC""",
        (app_id, follower_id),
    )
    return [_picture(row) for row in rows]


def list_kept_ids(conn: sqlite3.Connection) -> list[str]:
    """Every picture that must have a file."""
    return [row["id"] for row in conn.execute("SELECT id FROM pictures WHERE state = 'kept'")]


def count_of(conn: sqlite3.Connection, app_id: str, follower_id: int) -> int:
    """How many pictures of a follower are kept or wanted."""
    (count,) = conn.execute(
        """SELECT count(*) FROM pictures
            WHERE app_id = ? AND follower_id = ? AND state <> 'failed'""",
        (app_id, follower_id),
    ).fetchone()
    return int(count)


def size_of_all(conn: sqlite3.Connection) -> int:
    """Bytes of all that are kept."""
    (size,) = conn.execute("SELECT coalesce(sum(size), 0) FROM pictures").fetchone()
    return int(size)


def is_due(conn: sqlite3.Connection, app_id: str, *, now: float) -> bool:
    """Whether any wanted picture is due."""
    found = conn.execute(
        "SELECT 1 FROM pictures WHERE due_at <= ? AND app_id = ?", (now, app_id)
    ).fetchone()
    return found is not None


def claim_due(conn: sqlite3.Connection, app_id: str, *, now: float, limit: int) -> list[Picture]:
    """The wanted ones that are due longest, counted as tried once more; the caller says when they
    are due again (:func:`mark_due`)."""
    rows = conn.execute(
        """UPDATE pictures SET attempts = attempts + 1
            WHERE id IN (SELECT id FROM pictures WHERE due_at <= ? AND app_id = ?
                          ORDER BY due_at LIMIT ?)
        RETURNING *""",
        (now, app_id, limit),
    ).fetchall()
    return [_picture(row) for row in rows]


def mark_due(conn: sqlite3.Connection, picture_id: str, due_at: float) -> None:
    """A wanted picture is to be fetched then."""
    conn.execute(
        "UPDATE pictures SET due_at = ? WHERE id = ? AND state = 'wanted'", (due_at, picture_id)
    )


def put_off(conn: sqlite3.Connection, picture_id: str, due_at: float) -> None:
    """A wanted picture that was claimed is to be fetched then, and was not tried."""
    conn.execute(
        """UPDATE pictures SET due_at = ?, attempts = attempts - 1
            WHERE id = ? AND state = 'wanted' AND attempts > 0""",
        (due_at, picture_id),
    )


def mark_kept(conn: sqlite3.Connection, picture_id: str, *, kind: str, size: int) -> Picture | None:
    """A picture's file is there; None if nobody wants the picture any more."""
    row = conn.execute(
        """UPDATE pictures SET state = 'kept', kind = ?, size = ?, due_at = NULL
            WHERE id = ? AND state <> 'kept' RETURNING *""",
        (kind, size, picture_id),
    ).fetchone()
    return row and _picture(row)


def mark_failed(conn: sqlite3.Connection, picture_id: str) -> None:
    """A wanted picture cannot be had; the row stays for a while, so that it is not wanted again."""
    conn.execute(
        "UPDATE pictures SET state = 'failed', due_at = NULL WHERE id = ? AND state = 'wanted'",
        (picture_id,),
    )


def remove(conn: sqlite3.Connection, picture_ids: Iterable[str]) -> None:
    """Forget pictures; their files are the caller's, once this is on disk."""
    conn.executemany("DELETE FROM pictures WHERE id = ?", [(one,) for one in picture_ids])


def purge(conn: sqlite3.Connection, *, before: float) -> int:
    """Forget what was wanted before then and never came; how many."""
    return conn.execute(
        "DELETE FROM pictures WHERE state <> 'kept' AND created_at <= ?", (before,)
    ).rowcount


def _picture(row: sqlite3.Row) -> Picture:
    return Picture(
        id=row["id"],
        app_id=row["app_id"],
        follower_id=row["follower_id"],
        media_id=row["media_id"],
        origin=row["origin"],
        state=PictureState(row["state"]),
        kind=row["kind"],
        size=row["size"],
        attempts=row["attempts"],
        due_at=row["due_at"],
        created_at=row["created_at"],
    )
