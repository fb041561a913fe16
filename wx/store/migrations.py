"""The schema, as the steps that lead to it. A step that has been released never changes."""

import sqlite3

from wx import failpoint

APPLICATION_ID = 0x77786264  # "wxbd", so that another program's file is not taken for ours

# Each step is a tuple of statements; the database's user_version counts the steps it has taken.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE accounts (
            id           INTEGER PRIMARY KEY,
            name         TEXT NOT NULL,
            folded_name  TEXT NOT NULL UNIQUE,          -- "Ann" and "ann" are one name
            password     TEXT NOT NULL,                 -- Argon2id, PHC string
            admin        INTEGER NOT NULL DEFAULT 0,
            created_at   REAL NOT NULL,
            disabled_at  REAL
        ) STRICT""",
        """CREATE TABLE sessions (
            digest      BLOB PRIMARY KEY,               -- SHA-256 of the cookie
            account_id  INTEGER NOT NULL REFERENCES accounts,
            created_at  REAL NOT NULL,
            seen_at     REAL NOT NULL,
            network     TEXT NOT NULL,                  -- address cut to /24 or /64
            browser     TEXT NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX sessions_of_account ON sessions (account_id)",
        """CREATE TABLE followers (
            id         INTEGER PRIMARY KEY,
            app_id     TEXT NOT NULL,
            openid     TEXT NOT NULL,
            unionid    TEXT NOT NULL DEFAULT '',
            nickname   TEXT NOT NULL DEFAULT '',
            sex        INTEGER NOT NULL DEFAULT 0,
            province   TEXT NOT NULL DEFAULT '',
            city       TEXT NOT NULL DEFAULT '',
            country    TEXT NOT NULL DEFAULT '',
            avatar     TEXT NOT NULL DEFAULT '',
            privilege  TEXT NOT NULL DEFAULT '[]',      -- JSON list of texts
            read_at    REAL,                            -- when the profile was read
            following  INTEGER,                         -- NULL: not known
            acted_at   REAL,
            UNIQUE (app_id, openid)
        ) STRICT""",
        """CREATE TABLE invites (
            id             TEXT PRIMARY KEY,
            secret_digest  BLOB NOT NULL UNIQUE,
            account_id     INTEGER NOT NULL REFERENCES accounts,
            session        BLOB NOT NULL,               -- digest of the session that made it
            app_id         TEXT NOT NULL,
            number         TEXT NOT NULL,               -- two digits, shown on both screens
            state          TEXT NOT NULL,
            replace        INTEGER NOT NULL,            -- 1: may end the account's present binding
            created_at     REAL NOT NULL,
            expires_at     REAL NOT NULL,
            network        TEXT NOT NULL,
            browser        TEXT NOT NULL,
            follower_id    INTEGER REFERENCES followers ON DELETE SET NULL,
            confirm_state  BLOB,                        -- the consent whose six digits are awaited
            confirm_until  REAL,
            confirm_tries  INTEGER NOT NULL DEFAULT 0
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX invites_of_account ON invites (account_id, created_at)",
        "CREATE INDEX invites_of_session ON invites (session, created_at)",
        "CREATE INDEX invites_by_end ON invites (expires_at)",
        "CREATE INDEX invites_of_follower ON invites (follower_id) WHERE follower_id IS NOT NULL",
        """CREATE TABLE consents (
            state_digest  BLOB PRIMARY KEY,             -- of the OAuth state
            invite_id     TEXT NOT NULL REFERENCES invites ON DELETE CASCADE,
            phone_digest  BLOB NOT NULL,                -- of the phone's cookie
            created_at    REAL NOT NULL,
            code_digest   BLOB,                         -- of the OAuth code, once exchanged
            outcome       TEXT NOT NULL DEFAULT ''      -- how the callback was answered
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX consents_of_invite ON consents (invite_id)",
        """CREATE TABLE bindings (
            id           INTEGER PRIMARY KEY,
            app_id       TEXT NOT NULL,
            account_id   INTEGER NOT NULL REFERENCES accounts,
            follower_id  INTEGER NOT NULL REFERENCES followers,
            route        TEXT NOT NULL,                 -- oauth, scan, undo
            bound_at     REAL NOT NULL,
            ended_at     REAL                           -- NULL while it holds
        ) STRICT""",
        # One present binding for an account, and one for a follower, in each WeChat account.
        """CREATE UNIQUE INDEX present_binding_of_account ON bindings (app_id, account_id)
            WHERE ended_at IS NULL""",
        """CREATE UNIQUE INDEX present_binding_of_follower ON bindings (app_id, follower_id)
            WHERE ended_at IS NULL""",
        "CREATE INDEX bindings_of_follower ON bindings (follower_id)",
        "CREATE INDEX bindings_of_account ON bindings (account_id)",
        """CREATE TABLE binding_events (
            id          INTEGER PRIMARY KEY,
            binding_id  INTEGER NOT NULL REFERENCES bindings,
            at          REAL NOT NULL,
            what        TEXT NOT NULL,                  -- bound, ended, restored
            route       TEXT NOT NULL,                  -- oauth, scan, page, replaced, undo
            who         TEXT NOT NULL,                  -- account NAME, or the phone
            network     TEXT NOT NULL,
            browser     TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX events_of_binding ON binding_events (binding_id)",
        # The phone's right to end a binding again, by a link that is good for a day.
        """CREATE TABLE undos (
            secret_digest  BLOB PRIMARY KEY,
            binding_id     INTEGER NOT NULL REFERENCES bindings,
            expires_at     REAL NOT NULL,
            used_at        REAL
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        # Each message and event that was acted upon, so that a repeat finds its answer and does
        # nothing again. What people wrote is not kept, save as far as the answer repeats it.
        """CREATE TABLE inbox (
            id           INTEGER PRIMARY KEY,           -- the oldest first
            key          BLOB NOT NULL UNIQUE,          -- what a repeat has in common
            kind         TEXT NOT NULL,
            follower_id  INTEGER,                       -- NULL where the event is nobody's
            received_at  REAL NOT NULL,
            answer       BLOB NOT NULL,                 -- empty: a bare "success"
            hidden       TEXT NOT NULL                  -- what the answer's secret is derived from
        ) STRICT""",
        # The signatures that were used in plain mode, where they say nothing of the body: another
        # body under the same one is a forgery, also after a restart.
        """CREATE TABLE signatures (
            used  BLOB PRIMARY KEY,                     -- its timestamp, and itself
            body  BLOB NOT NULL                         -- digest of what came with it
        ) STRICT, WITHOUT ROWID""",
        # CreateTime of the last subscribe or unsubscribe: of two, the later one counts.
        "ALTER TABLE followers ADD COLUMN follow_changed_at REAL",
        "ALTER TABLE followers ADD COLUMN came_by TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE followers ADD COLUMN scene TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE followers ADD COLUMN language TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE followers ADD COLUMN unbind_asked_at REAL",
        # oauth, or scan: where the phone's yes came from, whose digits are awaited.
        "ALTER TABLE consents ADD COLUMN route TEXT NOT NULL DEFAULT 'oauth'",
    ),
)
VERSION = len(STEPS)


def migrate(conn: sqlite3.Connection) -> None:
    """Bring the database to :data:`VERSION`: every step, or none."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        # Asked again inside the transaction: another process may have migrated meanwhile.
        (version,) = conn.execute("PRAGMA user_version").fetchone()
        for step in STEPS[version:]:
            for statement in step:
                conn.execute(statement)
            failpoint.here("migration-step")
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        conn.execute(f"PRAGMA user_version = {VERSION}")
        conn.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself after some errors, such as a full disk.
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
