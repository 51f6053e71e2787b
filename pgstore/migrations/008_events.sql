-- A row for each change of a task's state, written with that change. What it says is
-- never sealed, so there is nothing in it that could be private.
--
-- xid is the transaction's: which transactions a reader has seen, and not the highest
-- number among theirs, says what is new to it. See Store.Events.
CREATE TABLE event (
    seq     bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    xid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    task_id uuid        NOT NULL,
    status  text        NOT NULL,
    name    text        NOT NULL,
    source  text        NOT NULL,
    attempt integer     NOT NULL,
    node    text,
    cause   text,
    PRIMARY KEY (xid, seq)
);

-- The last event that was deleted.
CREATE TABLE event_pruned (xid xid8 NOT NULL, seq bigint NOT NULL);
INSERT INTO event_pruned VALUES ('0', 0);
