-- To find what ended before a time, in batches, oldest first.
CREATE INDEX task_ended ON task (status, ended_at) WHERE ended_at IS NOT NULL;

-- When a version began to be collected: no new task may have it from then on.
ALTER TABLE module_version ADD COLUMN retired_at INTEGER;

-- Keys that have outlived their tasks, because their own time is longer.
ALTER TABLE idempotency_key ADD COLUMN task_gone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX idempotency_key_gone ON idempotency_key (expires_at) WHERE task_gone = 1;
