-- Times are microseconds since 1970-01-01 UTC. Durations are microseconds.
-- Ids of tasks are the 16 bytes of a version 7 UUID.

-- A task is pending exactly while a river_job row, its ticket, exists.
CREATE TABLE task (
    id                   BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name                 TEXT    NOT NULL,
    executor             TEXT    NOT NULL CHECK (executor IN ('wasm', 'async', 'thread')),
    status               TEXT    NOT NULL CHECK (status IN ('pending', 'running', 'success', 'failed', 'interrupted', 'cancelled')),
    priority             INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 10),

    -- What it runs; null for a Go function. Fixed at enqueue.
    module               TEXT,
    module_version       INTEGER,
    module_digest        TEXT,
    definition_index     INTEGER NOT NULL DEFAULT 0,

    args                 BLOB    NOT NULL,
    args_type            TEXT    NOT NULL,
    key_id               TEXT, -- the key that seals args, result and error; null where they are in clear
    tags                 TEXT    NOT NULL DEFAULT '{}',
    source               TEXT    NOT NULL CHECK (source IN ('manual', 'scheduled', 'retry', 'task')),
    idempotency_key      TEXT,
    unique_key           TEXT,
    traceparent          TEXT,
    parent               BLOB,
    retried_from         BLOB,
    resolved_by          BLOB,

    created_at           INTEGER NOT NULL,
    run_at               INTEGER NOT NULL, -- when it was first due
    due_at               INTEGER NOT NULL, -- when its last ticket was due: its place in the queue
    started_at           INTEGER,          -- of the first attempt
    attempt_started_at   INTEGER,          -- of the last attempt
    ended_at             INTEGER,
    expires_at           INTEGER,
    cancel_requested_at  INTEGER,

    attempt              INTEGER NOT NULL DEFAULT 0,
    max_attempts         INTEGER NOT NULL,
    retry_delay          INTEGER NOT NULL,
    retry_backoff        REAL    NOT NULL,
    retry_max_delay      INTEGER NOT NULL,
    timeout              INTEGER NOT NULL,
    memory               INTEGER NOT NULL,
    requeue_on_interrupt INTEGER NOT NULL,
    crashes              INTEGER NOT NULL DEFAULT 0,

    node                 TEXT,
    lease                INTEGER NOT NULL DEFAULT 0, -- the fencing token: one more at each claim and each end

    result               BLOB,
    result_type          TEXT,
    error                TEXT,
    cause                TEXT,
    trace                TEXT
) STRICT;

CREATE INDEX task_running ON task (node) WHERE status = 'running';
CREATE UNIQUE INDEX task_unique ON task (unique_key)
    WHERE unique_key IS NOT NULL AND status IN ('pending', 'running');

-- One row for each attempt that has ended.
CREATE TABLE attempt (
    task_id     BLOB    NOT NULL,
    lease       INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    node        TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    elapsed     INTEGER NOT NULL, -- run time by the node's own clock
    outcome     TEXT    NOT NULL,
    error       TEXT,
    cause       TEXT,
    trace       TEXT,
    sandbox     INTEGER NOT NULL DEFAULT 0,
    cpu         INTEGER NOT NULL DEFAULT 0,
    fuel        INTEGER NOT NULL DEFAULT 0,
    peak_memory INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id, lease)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_log (
    task_id BLOB    NOT NULL,
    seq     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    level   TEXT    NOT NULL,
    message TEXT    NOT NULL,
    fields  TEXT,
    PRIMARY KEY (task_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_key (
    name        TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    task_id     BLOB    NOT NULL,
    args_digest BLOB    NOT NULL, -- to tell a repeated call from another one with the same key
    expires_at  INTEGER,
    PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE module_blob (
    digest TEXT    NOT NULL PRIMARY KEY,
    bytes  INTEGER NOT NULL,
    wasm   BLOB    NOT NULL
) STRICT;

CREATE TABLE module (
    name         TEXT    NOT NULL PRIMARY KEY,
    live_version INTEGER NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE module_version (
    module      TEXT    NOT NULL REFERENCES module (name),
    version     INTEGER NOT NULL,
    digest      TEXT    NOT NULL REFERENCES module_blob (digest),
    bytes       INTEGER NOT NULL,
    sdk         TEXT    NOT NULL,
    definitions TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    created_by  TEXT,
    PRIMARY KEY (module, version),
    UNIQUE (module, digest)
) STRICT;

-- What can be enqueued: the definitions of live versions and of Go functions.
-- The primary key keeps two modules from declaring one name.
CREATE TABLE definition (
    name             TEXT    NOT NULL PRIMARY KEY,
    executor         TEXT    NOT NULL,
    description      TEXT    NOT NULL,
    module           TEXT REFERENCES module (name),
    module_version   INTEGER,
    module_digest    TEXT,
    definition_index INTEGER NOT NULL DEFAULT 0,
    options          TEXT    NOT NULL,
    args_schema      TEXT
) STRICT;

CREATE TABLE schedule (
    name       TEXT    NOT NULL PRIMARY KEY,
    definition TEXT    NOT NULL,
    spec       TEXT    NOT NULL,
    paused_at  INTEGER,
    next_slot  INTEGER,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE schedule_fire (
    schedule TEXT    NOT NULL,
    slot     INTEGER NOT NULL,
    task_id  BLOB,
    outcome  TEXT    NOT NULL,
    fired_at INTEGER NOT NULL,
    PRIMARY KEY (schedule, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    id           TEXT    NOT NULL PRIMARY KEY,
    started_at   INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    drained_at   INTEGER,
    version      TEXT    NOT NULL,
    capacity     TEXT    NOT NULL
) STRICT;

-- Only the sha256 of a token is kept.
CREATE TABLE api_token (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    secret_hash  BLOB    NOT NULL UNIQUE,
    scopes       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

CREATE TABLE user_session (
    id_hash    BLOB    NOT NULL PRIMARY KEY,
    user_name  TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE kv (
    module     TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    value      BLOB    NOT NULL,
    version    INTEGER NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (module, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE secret (
    module     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    key_id     TEXT,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (module, name)
) STRICT, WITHOUT ROWID;
