"""The outbox: what is to be sent, what became of it, and receipts that came too early."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wx.model import Follower, Notice, NoticeState
from wx.store import accounts, followers

# Spelled as the indexes in migrations.py spell it, or SQLite does not use them.
_WAITING = "state IN ('queued', 'sending')"
_DONE = "state NOT IN ('queued', 'sending')"
_ACCOUNT = "(SELECT name FROM accounts WHERE accounts.id = account_id) AS account"
_BY_PLATFORM_ID = "platform_id = ? AND platform_id <> ''"
_CHUNK = 500  # rows in one statement


@dataclass(frozen=True, slots=True)
class Recipient:
    """An account that was named. ``follower`` and ``binding_id`` are None where it is bound to
    nobody; ``busy``: an earlier notice to them has still to leave."""

    account_id: int
    name: str
    disabled: bool
    binding_id: int | None
    follower: Follower | None
    busy: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """The platform's word on a message: ``state`` is delivered or failed."""

    platform_id: str
    state: NoticeState
    reason: str = ""
    errcode: int | None = None


def find_recipients(
    conn: sqlite3.Connection, app_id: str, names: Iterable[str]
) -> dict[str, Recipient]:
    """The accounts of these names, by their name in folded case."""
    found = {}
    folded = list({accounts.folded(name) for name in names})
    for start in range(0, len(folded), _CHUNK):
        part = folded[start : start + _CHUNK]
        rows = conn.execute(
            f"""SELECT accounts.id AS account_id, accounts.name AS account, folded_name,
                       disabled_at, bindings.id AS binding_id, followers.*,
                       EXISTS (SELECT 1 FROM outbox WHERE follower_id = followers.id
                                  AND {_WAITING}) AS busy
                  FROM accounts
                  LEFT JOIN bindings ON bindings.account_id = accounts.id
                        AND bindings.app_id = ? AND bindings.ended_at IS NULL
                  LEFT JOIN followers ON followers.id = bindings.follower_id
                 WHERE folded_name IN ({", ".join("?" * len(part))})""",
            (app_id, *part),
        )
        for row in rows:
            found[row["folded_name"]] = Recipient(
                account_id=row["account_id"],
                name=row["account"],
                disabled=row["disabled_at"] is not None,
                binding_id=row["binding_id"],
                follower=followers.made(row) if row["id"] is not None else None,
                busy=bool(row["busy"]),
            )
    return found


def is_busy(conn: sqlite3.Connection, follower_id: int) -> bool:
    """Whether an earlier notice to the follower has still to leave."""
    found = conn.execute(
        f"SELECT 1 FROM outbox WHERE follower_id = ? AND {_WAITING} LIMIT 1", (follower_id,)
    ).fetchone()
    return found is not None


def add_all(
    conn: sqlite3.Connection, notices: Sequence[Notice], *, request_id: int | None = None
) -> None:
    """Keep new notices, in this order; their numbers are given here."""
    for start in range(0, len(notices), _CHUNK):
        part = notices[start : start + _CHUNK]
        marks = ", ".join([f"({', '.join('?' * 23)})"] * len(part))
        values = [
            value
            for one in part
            for value in (
                one.id, one.app_id, one.account_id, one.binding_id, one.follower_id, one.origin,
                request_id, one.wish, one.text, one.url, one.hidden, one.template_id,
                json.dumps(one.fields, ensure_ascii=False), one.state, one.channel, one.why,
                one.attempts, one.due_at, one.created_at, one.expires_at, one.settled_at,
                one.platform_id, one.reason,
            )
        ]  # fmt: skip
        conn.execute(
            f"""INSERT INTO outbox (id, app_id, account_id, binding_id, follower_id, origin,
                                    request_id, wish, text, url, hidden, template_id, fields,
                                    state, channel, why, attempts, due_at, created_at, expires_at,
                                    settled_at, platform_id, reason) VALUES {marks}""",
            values,
        )


def find(conn: sqlite3.Connection, notice_id: str) -> Notice | None:
    """The notice with this id."""
    row = conn.execute(
        f"SELECT outbox.*, {_ACCOUNT} FROM outbox WHERE id = ?", (notice_id,)
    ).fetchone()
    return row and _notice(row)


def list_of_request(conn: sqlite3.Connection, request_id: int) -> list[Notice]:
    """What was asked for at once, in its order."""
    rows = conn.execute(
        f"SELECT outbox.*, {_ACCOUNT} FROM outbox WHERE request_id = ? ORDER BY number",
        (request_id,),
    )
    return [_notice(row) for row in rows]


def list_newest(
    conn: sqlite3.Connection,
    app_id: str,
    *,
    account_id: int | None = None,
    state: NoticeState | None = None,
    before: str = "",
    limit: int,
) -> list[Notice]:
    """The newest notices that are this and that, those before another one where it is named."""
    wanted: list[tuple[str, object]] = [("app_id = ?", app_id)]
    if account_id is not None:
        wanted.append(("account_id = ?", account_id))
    if state is not None:
        wanted.append(("number > 0 AND state = ?", state))  # as the index for it says
    if before:
        wanted.append(("number < (SELECT number FROM outbox WHERE id = ?)", before))
    rows = conn.execute(
        f"""SELECT outbox.*, {_ACCOUNT} FROM outbox
             WHERE {" AND ".join(condition for condition, _ in wanted)}
             ORDER BY number DESC LIMIT ?""",
        (*(value for _, value in wanted), limit),
    )
    return [_notice(row) for row in rows]


def is_anything_due(conn: sqlite3.Connection, *, now: float) -> bool:
    """Whether a notice may leave, or has waited too long."""
    (due,) = conn.execute(
        """SELECT EXISTS (SELECT 1 FROM outbox WHERE due_at <= ?)
               OR EXISTS (SELECT 1 FROM outbox WHERE state = 'queued' AND expires_at <= ?)""",
        (now, now),
    ).fetchone()
    return bool(due)


def find_time_of(conn: sqlite3.Connection, account_id: int, *, back: int) -> float | None:
    """When the ``back``-th last notice to an account was taken, the last being the first of them;
    None if there are not so many."""
    # The index alone leads there, so all count, whatever became of them.
    row = conn.execute(
        """SELECT created_at FROM outbox WHERE account_id = ?
            ORDER BY number DESC LIMIT 1 OFFSET ?""",
        (account_id, back - 1),
    ).fetchone()
    return float(row["created_at"]) if row else None


def count_waiting(conn: sqlite3.Connection) -> int:
    """How many notices have still to leave."""
    (count,) = conn.execute(f"SELECT count(*) FROM outbox WHERE {_WAITING}").fetchone()
    return int(count)


def claim_due(conn: sqlite3.Connection, *, now: float, limit: int) -> list[Notice]:
    """Take up to ``limit`` notices that may leave, the longest due first: they are being sent."""
    rows = conn.execute(
        f"""UPDATE outbox
               SET state = 'sending', claimed_at = ?, due_at = NULL
             WHERE number IN (SELECT number FROM outbox WHERE due_at <= ?
                               ORDER BY due_at, number LIMIT ?)
         RETURNING *, {_ACCOUNT}""",
        (now, now, limit),
    ).fetchall()
    return sorted((_notice(row) for row in rows), key=lambda one: one.number)


def mark_channel(conn: sqlite3.Connection, number: int, channel: str, why: str) -> None:
    """A call is made for a notice: keep by which channel it leaves, and why."""
    conn.execute(
        "UPDATE outbox SET channel = ?, why = ?, attempts = attempts + 1 WHERE number = ?",
        (channel, why, number),
    )


def mark_sent(
    conn: sqlite3.Connection, number: int, *, platform_id: str, final: bool, now: float
) -> None:
    """The platform has taken a notice. ``final``: no receipt will come."""
    conn.execute(
        """UPDATE outbox SET state = 'sent', sent_at = ?, settled_at = ?, platform_id = ?,
                             errcode = NULL, reason = ''
            WHERE number = ?""",
        (now, now if final else None, platform_id, number),
    )


def mark_again(
    conn: sqlite3.Connection,
    number: int,
    *,
    due_at: float,
    errcode: int | None,
    doubtful: bool = False,
) -> None:
    """A notice has to be tried again then.

    Args:
        doubtful: what came of the last call is not known. Of many such calls the first counts.
    """
    conn.execute(
        """UPDATE outbox SET state = 'queued', due_at = min(?, expires_at), errcode = ?,
                             doubt_at = coalesce(doubt_at, iif(?, claimed_at, NULL))
            WHERE number = ?""",
        (due_at, errcode, doubtful, number),
    )


def mark_put_off(
    conn: sqlite3.Connection, number: int, *, due_at: float, errcode: int | None = None
) -> None:
    """A notice that was taken up leaves later, without a call.

    Args:
        errcode: the platform's number for why.
    """
    conn.execute(
        """UPDATE outbox SET state = 'queued', due_at = min(?, expires_at), errcode = ?
            WHERE number = ?""",
        (due_at, errcode, number),
    )


def mark_resumed(conn: sqlite3.Connection, *, now: float) -> None:
    """What was put off may leave now: whether its way is open again, the first call tells."""
    conn.execute("UPDATE outbox SET due_at = ? WHERE due_at > ?", (now, now))


def list_accounts_after(conn: sqlite3.Connection, number: int) -> set[int]:
    """The accounts of the notices that came after the one with this number."""
    rows = conn.execute("SELECT DISTINCT account_id FROM outbox WHERE number > ?", (number,))
    return {row["account_id"] for row in rows}


def mark_settled(
    conn: sqlite3.Connection,
    number: int,
    state: NoticeState,
    *,
    reason: str,
    errcode: int | None = None,
    now: float,
) -> None:
    """Nothing more is tried."""
    conn.execute(
        """UPDATE outbox SET state = ?, reason = ?, errcode = coalesce(?, errcode),
                             settled_at = ?, due_at = NULL
            WHERE number = ?""",
        (state, reason, errcode, now, number),
    )


def mark_waiting_failed(
    conn: sqlite3.Connection, follower_id: int, *, reason: str, now: float
) -> list[Notice]:
    """End what waits for a follower and is not on its way; what that was. What an earlier call may
    have delivered stays in doubt."""
    rows = conn.execute(
        f"""UPDATE outbox SET state = iif(doubt_at IS NULL, 'failed', 'unknown'),
                              reason = iif(doubt_at IS NULL, ?, 'doubt'),
                              settled_at = ?, due_at = NULL
             WHERE follower_id = ? AND {_WAITING} AND state = 'queued' RETURNING *, {_ACCOUNT}""",
        (reason, now, follower_id),
    ).fetchall()
    return [_notice(row) for row in rows]


def mark_expired(conn: sqlite3.Connection, *, now: float) -> list[Notice]:
    """End what has waited too long; what that was. What an earlier call may have delivered stays in
    doubt."""
    rows = conn.execute(
        f"""UPDATE outbox SET state = iif(doubt_at IS NULL, 'expired', 'unknown'),
                             reason = iif(doubt_at IS NULL, 'expired', 'doubt'),
                             settled_at = ?, due_at = NULL
            WHERE number IN (SELECT number FROM outbox
                              WHERE state = 'queued' AND expires_at <= ? LIMIT 500)
        RETURNING *, {_ACCOUNT}""",
        (now, now),
    ).fetchall()
    return [_notice(row) for row in rows]


def mark_next_due(conn: sqlite3.Connection, follower_ids: Iterable[int], *, now: float) -> None:
    """Let the next notice to each of these followers leave."""
    conn.executemany(
        f"""UPDATE outbox SET due_at = min(?, expires_at)
             WHERE number = (SELECT number FROM outbox WHERE follower_id = ? AND {_WAITING}
                              ORDER BY number LIMIT 1)
               AND state = 'queued' AND due_at IS NULL""",
        [(now, follower_id) for follower_id in follower_ids],
    )


def list_sending(conn: sqlite3.Connection) -> list[Notice]:
    """What is on its way, or was when the process ended."""
    rows = conn.execute(
        f"SELECT outbox.*, {_ACCOUNT} FROM outbox WHERE {_WAITING} AND state = 'sending'"
    )
    return [_notice(row) for row in rows]


def find_last(conn: sqlite3.Connection) -> int:
    """The number of the last notice that was kept; 0 for none."""
    (number,) = conn.execute("SELECT max(number) FROM outbox").fetchone()
    return number or 0


def mark_shifted(conn: sqlite3.Connection, seconds: float, *, last: int, now: float) -> None:
    """The wall clock has jumped: what waits goes by the new one. How long ago a call was made that
    is in doubt, nobody knows any more: the machine may have slept as well.

    Args:
        last: what came after it may have been made by the new clock already, and stays then.
        now: by the new clock.
    """
    conn.execute(
        f"""UPDATE outbox SET due_at = due_at + ?1, expires_at = expires_at + ?1,
                              claimed_at = iif(state = 'sending', 0, claimed_at),
                              doubt_at = iif(doubt_at IS NULL, NULL, 0)
             WHERE {_WAITING} AND (number <= ?2 OR abs(created_at - ?3) > abs(?1) / 2)""",
        (seconds, last, now),
    )


def settle_by_receipt(
    conn: sqlite3.Connection, receipt: Receipt, *, now: float, number: int | None = None
) -> tuple[int, str] | None:
    """Close the notice that a receipt is about; its account and its channel. None where it is
    nobody's, or is closed already.

    Args:
        number: which notice that is, where the platform gave no number to know it by.
    """
    which, key = ("number = ?", number) if number else (_BY_PLATFORM_ID, receipt.platform_id)
    row = conn.execute(
        f"""UPDATE outbox SET state = ?, reason = ?, errcode = ?, settled_at = ?
             WHERE {which} AND state = 'sent' AND settled_at IS NULL
         RETURNING account_id, channel""",
        (receipt.state, receipt.reason, receipt.errcode, now, key),
    ).fetchone()
    return (row["account_id"], row["channel"]) if row else None


def is_numbered(conn: sqlite3.Connection, platform_id: str) -> bool:
    """Whether the platform gave this number to a notice."""
    found = conn.execute(
        f"SELECT 1 FROM outbox WHERE {_BY_PLATFORM_ID} LIMIT 1", (platform_id,)
    ).fetchone()
    return found is not None


def find_without_number(
    conn: sqlite3.Connection, follower_id: int, template_id: str, *, texts: bool
) -> Notice | None:
    """The oldest subscription notice to a follower that may be the one which a receipt is about, as
    the platform gave it no number: it has left, and is not closed.

    Args:
        texts: texts leave by this template, too.
    """
    row = conn.execute(
        f"""SELECT outbox.*, {_ACCOUNT} FROM outbox
             WHERE follower_id = ? AND channel = 'subscribe' AND platform_id = ''
               AND (template_id = ? OR ? AND template_id = '') AND settled_at IS NULL
               AND ({_WAITING} AND state = 'sending' OR state = 'sent')
             ORDER BY number LIMIT 1""",
        (follower_id, template_id, texts),
    ).fetchone()
    return row and _notice(row)


def add_receipt(conn: sqlite3.Connection, receipt: Receipt, *, now: float) -> None:
    """Keep a receipt whose notice is not known as sent yet."""
    conn.execute(
        "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?)",
        (receipt.platform_id, receipt.state, receipt.reason, receipt.errcode, now),
    )


def use_receipt(conn: sqlite3.Connection, platform_id: str) -> Receipt | None:
    """The receipt that came too early for this message, which is forgotten by that."""
    row = conn.execute(
        "DELETE FROM receipts WHERE platform_id = ? RETURNING *", (platform_id,)
    ).fetchone()
    return row and Receipt(
        row["platform_id"], NoticeState(row["state"]), row["reason"], row["errcode"]
    )


def add_request(
    conn: sqlite3.Connection, api_key_id: int, key: str, body: bytes, *, now: float
) -> int:
    """Keep an Idempotency-Key with the digest of what came with it, in the place of an old one that
    is the same; the request's number."""
    conn.execute("DELETE FROM requests WHERE api_key_id = ? AND key = ?", (api_key_id, key))
    (request_id,) = conn.execute(
        """INSERT INTO requests (api_key_id, key, body, created_at) VALUES (?, ?, ?, ?)
           RETURNING id""",
        (api_key_id, key, body, now),
    ).fetchone()
    return int(request_id)


def find_request(
    conn: sqlite3.Connection, api_key_id: int, key: str, *, after: float
) -> tuple[int, bytes] | None:
    """The number of the request with this Idempotency-Key, if it came after then, and the digest
    of what came with it."""
    row = conn.execute(
        "SELECT id, body FROM requests WHERE api_key_id = ? AND key = ? AND created_at > ?",
        (api_key_id, key, after),
    ).fetchone()
    return (row["id"], row["body"]) if row else None


def purge_texts(conn: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Forget what notices said that were done with before then, ``limit`` of them; how many."""
    return conn.execute(
        f"""UPDATE outbox SET text = '', fields = '{{}}', url = '', hidden = ''
             WHERE number IN (SELECT number FROM outbox
                               WHERE {_DONE} AND (text <> '' OR fields <> '{{}}')
                                 AND coalesce(settled_at, sent_at) <= ? LIMIT ?)""",
        (before, limit),
    ).rowcount


def purge(conn: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Forget notices that were done with before then, ``limit`` of them; how many."""
    return conn.execute(
        f"""DELETE FROM outbox
             WHERE number IN (SELECT number FROM outbox
                               WHERE {_DONE} AND coalesce(settled_at, sent_at) <= ? LIMIT ?)""",
        (before, limit),
    ).rowcount


def purge_requests(conn: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Forget Idempotency-Keys that came before then, ``limit`` of them; how many."""
    return conn.execute(
        """DELETE FROM requests
            WHERE id IN (SELECT id FROM requests WHERE created_at <= ? LIMIT ?)""",
        (before, limit),
    ).rowcount


def purge_receipts(conn: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Forget receipts that came before then, ``limit`` of them; how many."""
    return conn.execute(
        """DELETE FROM receipts
            WHERE platform_id IN (SELECT platform_id FROM receipts
                                   WHERE received_at <= ? LIMIT ?)""",
        (before, limit),
    ).rowcount


def _notice(row: sqlite3.Row) -> Notice:
    return Notice(
        number=row["number"],
        id=row["id"],
        app_id=row["app_id"],
        account_id=row["account_id"],
        account=row["account"],
        binding_id=row["binding_id"],
        follower_id=row["follower_id"],
        origin=row["origin"],
        wish=row["wish"],
        text=row["text"],
        url=row["url"],
        hidden=row["hidden"],
        template_id=row["template_id"],
        fields=json.loads(row["fields"]) if row["fields"] != "{}" else {},
        state=NoticeState(row["state"]),
        channel=row["channel"],
        why=row["why"],
        attempts=row["attempts"],
        due_at=row["due_at"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        claimed_at=row["claimed_at"],
        doubt_at=row["doubt_at"],
        sent_at=row["sent_at"],
        settled_at=row["settled_at"],
        platform_id=row["platform_id"],
        errcode=row["errcode"],
        reason=row["reason"],
    )
