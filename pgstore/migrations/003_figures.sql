-- How long a task was due and waited before its attempts, those that have started,
-- and how long its attempts ran, those that have ended. Microseconds, as everywhere.
ALTER TABLE task
    ADD COLUMN queue_wait   bigint NOT NULL DEFAULT 0,
    ADD COLUMN run_time     bigint NOT NULL DEFAULT 0,
    ADD COLUMN attempt_wait bigint NOT NULL DEFAULT 0, -- the part of queue_wait that is the last attempt's
    ADD COLUMN released_at  timestamptz;               -- when the last attempt ended, of a task that is to have another

-- The wait before the attempt, and whether its guest ran in an instance that had
-- been there before.
ALTER TABLE attempt
    ADD COLUMN queue_wait bigint  NOT NULL DEFAULT 0,
    ADD COLUMN pooled     boolean NOT NULL DEFAULT false;
