"""The WeChat account's message templates, as they were last read."""

import sqlite3
from collections.abc import Sequence

from wx.model import Template


def replace_all(
    conn: sqlite3.Connection, app_id: str, templates: Sequence[Template], *, now: float
) -> None:
    """Keep these, and forget those that are gone."""
    conn.execute("DELETE FROM templates WHERE app_id = ?", (app_id,))
    conn.executemany(
        "INSERT OR REPLACE INTO templates VALUES (?, ?, ?, ?, ?)",
        [(app_id, one.id, one.title, one.content, now) for one in templates],
    )


def list_all(conn: sqlite3.Connection, app_id: str) -> tuple[dict[str, Template], float | None]:
    """All of them by id, and when they were read; None: never, or there were none."""
    rows = conn.execute("SELECT * FROM templates WHERE app_id = ?", (app_id,)).fetchall()
    found = {row["id"]: Template(row["id"], row["title"], row["content"]) for row in rows}
    return found, max((row["read_at"] for row in rows), default=None)
