-- To find what ended before a time, in batches, oldest first.
CREATE INDEX task_ended ON task (status, ended_at) WHERE ended_at IS NOT NULL;

-- When a version began to be collected: no new task may have it from then on.
ALTER TABLE module_version ADD COLUMN retired_at timestamptz;

-- A statement that enqueues tasks of a version that is gone finds no digest for them.
ALTER TABLE task ADD CONSTRAINT task_has_module CHECK (executor <> 'wasm' OR module_digest IS NOT NULL) NOT VALID;

-- Keys that have outlived their tasks, because their own time is longer.
ALTER TABLE idempotency_key ADD COLUMN task_gone boolean NOT NULL DEFAULT false;
CREATE INDEX idempotency_key_gone ON idempotency_key (expires_at) WHERE task_gone;
