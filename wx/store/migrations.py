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
    (
        # What we send. Of the notices that wait for a follower only the first has a due_at: the
        # next one gets its own when that is settled, so that they leave in the order they came.
        """CREATE TABLE outbox (
            number       INTEGER PRIMARY KEY,           -- the order of acceptance
            id           TEXT NOT NULL UNIQUE,
            app_id       TEXT NOT NULL,
            account_id   INTEGER NOT NULL REFERENCES accounts,
            binding_id   INTEGER REFERENCES bindings,   -- which must still hold; NULL: need not
            follower_id  INTEGER NOT NULL,              -- who may be forgotten meanwhile
            origin       TEXT NOT NULL,                 -- key NAME, send, page, bind
            request_id   INTEGER REFERENCES requests ON DELETE SET NULL,
            wish         TEXT NOT NULL,                 -- auto, custom, template, subscribe
            text         TEXT NOT NULL,                 -- '' for a template, or once forgotten
            url          TEXT NOT NULL,
            hidden       TEXT NOT NULL,                 -- what the secret in url is derived from
            template_id  TEXT NOT NULL,                 -- '' for a text
            fields       TEXT NOT NULL,                 -- JSON object of texts
            state        TEXT NOT NULL,
            channel      TEXT NOT NULL,                 -- '' while it is not chosen
            why          TEXT NOT NULL,                 -- the channel was chosen
            attempts     INTEGER NOT NULL,
            due_at       REAL,
            created_at   REAL NOT NULL,
            expires_at   REAL NOT NULL,
            claimed_at   REAL,                          -- when the last call began
            doubt_at     REAL,                          -- the first call whose outcome is not known
            sent_at      REAL,
            settled_at   REAL,
            platform_id  TEXT NOT NULL,                 -- WeChat's number of the message
            errcode      INTEGER,
            reason       TEXT NOT NULL                  -- a stable name for what went wrong
        ) STRICT""",
        "CREATE INDEX outbox_due ON outbox (due_at) WHERE due_at IS NOT NULL",
        """CREATE INDEX outbox_waiting ON outbox (follower_id, number)
            WHERE state IN ('queued', 'sending')""",
        "CREATE INDEX outbox_by_end ON outbox (expires_at) WHERE state = 'queued'",
        "CREATE INDEX outbox_of_account ON outbox (account_id, number)",
        "CREATE INDEX outbox_by_platform_id ON outbox (platform_id) WHERE platform_id <> ''",
        # Whose receipt cannot be told by a number.
        """CREATE INDEX outbox_unnumbered ON outbox (follower_id, number)
            WHERE channel = 'subscribe' AND platform_id = ''""",
        # For forgetting, in order of age: rows, and texts that are kept still.
        """CREATE INDEX outbox_done ON outbox (coalesce(settled_at, sent_at))
            WHERE state NOT IN ('queued', 'sending')""",
        """CREATE INDEX outbox_texts ON outbox (coalesce(settled_at, sent_at))
            WHERE state NOT IN ('queued', 'sending') AND (text <> '' OR fields <> '{}')""",
        # With a condition that only the listing has: SQLite would take it for every other query
        # by state, and scan.
        "CREATE INDEX outbox_by_state ON outbox (state, number) WHERE number > 0",
        "CREATE INDEX outbox_of_request ON outbox (request_id) WHERE request_id IS NOT NULL",
        # Receipts that came before our own commit of the send.
        """CREATE TABLE receipts (
            platform_id  TEXT PRIMARY KEY,
            state        TEXT NOT NULL,                 -- delivered or failed
            reason       TEXT NOT NULL,
            errcode      INTEGER,
            received_at  REAL NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX receipts_by_age ON receipts (received_at)",
        """CREATE TABLE api_keys (
            id          INTEGER PRIMARY KEY,
            name        TEXT NOT NULL UNIQUE,
            digest      BLOB NOT NULL UNIQUE,           -- SHA-256 of the key
            prefix      TEXT NOT NULL,                  -- its first letters, to know it by
            scopes      TEXT NOT NULL,                  -- with blanks between
            account_id  INTEGER REFERENCES accounts,    -- whom a ServerChan key reaches
            created_at  REAL NOT NULL,
            expires_at  REAL,
            used_at     REAL,
            revoked_at  REAL
        ) STRICT""",
        # What came with an Idempotency-Key.
        """CREATE TABLE requests (
            id          INTEGER PRIMARY KEY,
            api_key_id  INTEGER NOT NULL REFERENCES api_keys,
            key         TEXT NOT NULL,
            body        BLOB NOT NULL,                  -- digest of what it asked for
            created_at  REAL NOT NULL,
            UNIQUE (api_key_id, key)
        ) STRICT""",
        "CREATE INDEX requests_by_age ON requests (created_at)",
        # The account's templates, as they were last read.
        """CREATE TABLE templates (
            app_id   TEXT NOT NULL,
            id       TEXT NOT NULL,
            title    TEXT NOT NULL,
            content  TEXT NOT NULL,                     -- with {{thing1.DATA}} marks
            read_at  REAL NOT NULL,
            PRIMARY KEY (app_id, id)
        ) STRICT, WITHOUT ROWID""",
        # Subscription notices that a follower has accepted and that were not used yet.
        """CREATE TABLE subscriptions (
            follower_id  INTEGER NOT NULL,
            template_id  TEXT NOT NULL,
            left         INTEGER NOT NULL,
            PRIMARY KEY (follower_id, template_id)
        ) STRICT, WITHOUT ROWID""",
        # The windows for customer-service messages: after a message of theirs, and after a tap on
        # the menu, a scan or a follow.
        "ALTER TABLE followers ADD COLUMN window_left INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE followers ADD COLUMN window_ends_at REAL NOT NULL DEFAULT 0",
        "ALTER TABLE followers ADD COLUMN brief_left INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE followers ADD COLUMN brief_ends_at REAL NOT NULL DEFAULT 0",
        "ALTER TABLE followers ADD COLUMN blocked_at REAL",
    ),
    (
        # A sign-in at a computer that waits for a phone's yes.
        """CREATE TABLE scan_logins (
            id             TEXT PRIMARY KEY,
            secret_digest  BLOB NOT NULL UNIQUE,        -- of what the code carries
            desk           BLOB NOT NULL,               -- digest of the cookie of who shows it
            app_id         TEXT NOT NULL,
            number         TEXT NOT NULL,               -- two digits, shown on both screens
            state          TEXT NOT NULL,
            created_at     REAL NOT NULL,
            expires_at     REAL NOT NULL,
            network        TEXT NOT NULL,
            browser        TEXT NOT NULL,
            crowd          TEXT NOT NULL,               -- the network that it is counted for
            follower_id    INTEGER,                     -- who scanned it, while they are known
            account_id     INTEGER REFERENCES accounts, -- whom it signs in
            session        BLOB                         -- digest of the session that came of it
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX scan_logins_of_desk ON scan_logins (desk, created_at)",
        "CREATE INDEX scan_logins_by_end ON scan_logins (expires_at)",
        """CREATE INDEX scan_logins_open ON scan_logins (crowd, created_at, expires_at)
            WHERE state IN ('waiting', 'scanned', 'confirmed')""",
        # What a person's own consent gave us: their tokens for /sns, sealed with the server's key.
        """CREATE TABLE authorizations (
            follower_id  INTEGER PRIMARY KEY REFERENCES followers ON DELETE CASCADE,
            sealed       BLOB NOT NULL,
            ends_at      REAL NOT NULL                  -- the refresh token's
        ) STRICT""",
        # Pictures that people sent: each a row here, and a file of the row's name once it is kept.
        """CREATE TABLE pictures (
            id           TEXT PRIMARY KEY,
            app_id       TEXT NOT NULL,
            follower_id  INTEGER NOT NULL,              -- who may be forgotten meanwhile
            media_id     TEXT NOT NULL,                 -- WeChat's name of it
            origin       TEXT NOT NULL,                 -- page, chat
            state        TEXT NOT NULL,                 -- wanted, kept, failed
            kind         TEXT NOT NULL,                 -- jpeg, png, gif; '' while it is not kept
            size         INTEGER NOT NULL,              -- bytes
            attempts     INTEGER NOT NULL,
            due_at       REAL,                          -- when it is to be fetched, while wanted
            created_at   REAL NOT NULL,
            UNIQUE (app_id, media_id)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX pictures_of_follower ON pictures (follower_id, created_at)",
        "CREATE INDEX pictures_due ON pictures (due_at) WHERE due_at IS NOT NULL",
        # Whose WeChat a session came of, and ends with; NULL: it came of the password.
        "ALTER TABLE sessions ADD COLUMN follower_id INTEGER",
        """CREATE INDEX sessions_of_follower ON sessions (follower_id)
            WHERE follower_id IS NOT NULL""",
        # The program that asked for an invite; NULL: a signed-in browser did.
        "ALTER TABLE invites ADD COLUMN api_key_id INTEGER REFERENCES api_keys",
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
