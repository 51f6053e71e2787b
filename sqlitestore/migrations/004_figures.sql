-- How long a task was due and waited before its attempts, those that have started,
-- and how long its attempts ran, those that have ended. Microseconds, as everywhere.
ALTER TABLE task ADD COLUMN queue_wait INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN run_time INTEGER NOT NULL DEFAULT 0;
-- The part of queue_wait that is the last attempt's.
ALTER TABLE task ADD COLUMN attempt_wait INTEGER NOT NULL DEFAULT 0;
-- When the last attempt ended, of a task that is to have another.
ALTER TABLE task ADD COLUMN released_at INTEGER;

-- The wait before the attempt, and whether its guest ran in an instance that had
-- been there before.
ALTER TABLE attempt ADD COLUMN queue_wait INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN pooled INTEGER NOT NULL DEFAULT 0;
