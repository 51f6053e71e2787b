-- Durations are microseconds.

-- Priorities go from 1 to 10. See RATIONALE.md.
ALTER TABLE river_job
    DROP CONSTRAINT priority_in_range,
    ADD CONSTRAINT priority_in_range CHECK (priority BETWEEN 1 AND 10);

-- Tickets come and go: their dead rows have to be swept up all the time, and not
-- only once there are many in proportion.
ALTER TABLE river_job SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0
);

-- A task is pending exactly while a river_job row, its ticket, exists.
CREATE TABLE task (
    id                   uuid        NOT NULL PRIMARY KEY,
    name                 text        NOT NULL,
    executor             text        NOT NULL CHECK (executor IN ('wasm', 'async', 'thread')),
    status               text        NOT NULL CHECK (status IN ('pending', 'running', 'success', 'failed', 'interrupted', 'cancelled')),
    priority             smallint    NOT NULL CHECK (priority BETWEEN 1 AND 10),
    ticket               bigint,     -- the id of the river_job row, or of the last one; null once it has ended

    -- What it runs; null for a Go function. Fixed at enqueue.
    module               text,
    module_version       integer,
    module_digest        text,
    definition_index     integer     NOT NULL DEFAULT 0,

    args                 bytea       NOT NULL,
    args_type            text        NOT NULL,
    key_id               text,       -- the key that seals args, result and error; null where they are in clear
    tags                 jsonb       NOT NULL DEFAULT '{}',
    source               text        NOT NULL CHECK (source IN ('manual', 'scheduled', 'retry', 'task')),
    idempotency_key      text,
    unique_key           text,
    traceparent          text,
    parent               uuid,
    retried_from         uuid,
    resolved_by          uuid,

    created_at           timestamptz NOT NULL,
    run_at               timestamptz NOT NULL, -- when it was first due
    due_at               timestamptz NOT NULL, -- when its last ticket was due: its place in the queue
    started_at           timestamptz,          -- of the first attempt
    attempt_started_at   timestamptz,          -- of the last attempt
    ended_at             timestamptz,
    expires_at           timestamptz,
    cancel_requested_at  timestamptz,

    attempt              integer     NOT NULL DEFAULT 0,
    max_attempts         integer     NOT NULL,
    retry_delay          bigint      NOT NULL,
    retry_backoff        float8      NOT NULL,
    retry_max_delay      bigint      NOT NULL,
    timeout              bigint      NOT NULL,
    memory               bigint      NOT NULL,
    requeue_on_interrupt boolean     NOT NULL,
    crashes              integer     NOT NULL DEFAULT 0,

    node                 text,
    lease                bigint      NOT NULL DEFAULT 0, -- the fencing token: one more at each claim and each end

    result               bytea,
    result_type          text,
    error                text,
    cause                text,
    trace                text,

    CONSTRAINT ended_or_has_ticket CHECK ((status IN ('pending', 'running')) = (ticket IS NOT NULL)),
    CONSTRAINT ended_or_has_no_end CHECK ((status IN ('pending', 'running')) = (ended_at IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX task_running ON task (node) WHERE status = 'running';
CREATE INDEX task_pending ON task (due_at) WHERE status = 'pending';
CREATE UNIQUE INDEX task_unique ON task (unique_key)
    WHERE unique_key IS NOT NULL AND status IN ('pending', 'running');

-- One row for each attempt that has ended.
CREATE TABLE attempt (
    task_id     uuid        NOT NULL,
    lease       bigint      NOT NULL,
    attempt     integer     NOT NULL,
    node        text        NOT NULL,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    elapsed     bigint      NOT NULL, -- run time by the node's own clock
    outcome     text        NOT NULL,
    error       text,
    cause       text,
    trace       text,
    sandbox     bigint      NOT NULL DEFAULT 0,
    cpu         bigint      NOT NULL DEFAULT 0,
    fuel        bigint      NOT NULL DEFAULT 0,
    peak_memory bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (task_id, lease)
);

CREATE TABLE task_log (
    task_id uuid        NOT NULL,
    seq     bigint      NOT NULL,
    attempt integer     NOT NULL,
    at      timestamptz NOT NULL,
    level   text        NOT NULL,
    message text        NOT NULL,
    fields  text, -- JSON as it was logged, which jsonb would not keep
    PRIMARY KEY (task_id, seq)
);

CREATE TABLE idempotency_key (
    name        text  NOT NULL,
    key         text  NOT NULL,
    task_id     uuid  NOT NULL,
    args_digest bytea NOT NULL, -- to tell a repeated call from another one with the same key
    expires_at  timestamptz,
    PRIMARY KEY (name, key)
);

CREATE TABLE module_blob (
    digest text   NOT NULL PRIMARY KEY,
    bytes  bigint NOT NULL,
    wasm   bytea  NOT NULL
);

CREATE TABLE module (
    name         text        NOT NULL PRIMARY KEY,
    live_version integer     NOT NULL,
    created_at   timestamptz NOT NULL
);

CREATE TABLE module_version (
    module      text        NOT NULL REFERENCES module (name),
    version     integer     NOT NULL,
    digest      text        NOT NULL REFERENCES module_blob (digest),
    bytes       bigint      NOT NULL,
    sdk         text        NOT NULL,
    definitions text        NOT NULL,
    created_at  timestamptz NOT NULL,
    created_by  text,
    PRIMARY KEY (module, version),
    UNIQUE (module, digest)
);

-- What can be enqueued: the definitions of live versions and of Go functions.
-- The primary key keeps two modules from declaring one name.
CREATE TABLE definition (
    name             text    NOT NULL PRIMARY KEY,
    executor         text    NOT NULL,
    description      text    NOT NULL,
    module           text REFERENCES module (name),
    module_version   integer,
    module_digest    text,
    definition_index integer NOT NULL DEFAULT 0,
    options          text    NOT NULL,
    args_schema      text
);

CREATE TABLE schedule (
    name       text        NOT NULL PRIMARY KEY,
    definition text        NOT NULL,
    spec       text        NOT NULL,
    paused_at  timestamptz,
    next_slot  timestamptz,
    created_at timestamptz NOT NULL
);

CREATE TABLE schedule_fire (
    schedule text        NOT NULL,
    slot     timestamptz NOT NULL,
    task_id  uuid,
    outcome  text        NOT NULL,
    fired_at timestamptz NOT NULL,
    PRIMARY KEY (schedule, slot)
);

CREATE TABLE node (
    id           text        NOT NULL PRIMARY KEY,
    started_at   timestamptz NOT NULL,
    heartbeat_at timestamptz NOT NULL,
    drained_at   timestamptz,
    version      text        NOT NULL,
    capacity     text        NOT NULL,
    functions    text        NOT NULL
);

-- Only the sha256 of a token is kept.
CREATE TABLE api_token (
    id           text        NOT NULL PRIMARY KEY,
    name         text        NOT NULL,
    secret_hash  bytea       NOT NULL UNIQUE,
    scopes       text        NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);

CREATE TABLE user_session (
    id_hash    bytea       NOT NULL PRIMARY KEY,
    user_name  text        NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE audit (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    actor   text        NOT NULL,
    action  text        NOT NULL,
    subject text        NOT NULL,
    detail  text        NOT NULL DEFAULT '{}'
);

CREATE TABLE kv (
    module     text   NOT NULL,
    key        text   NOT NULL,
    value      bytea  NOT NULL,
    version    bigint NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (module, key)
);

CREATE TABLE secret (
    module     text        NOT NULL,
    name       text        NOT NULL,
    sealed     bytea       NOT NULL,
    key_id     text,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (module, name)
);
