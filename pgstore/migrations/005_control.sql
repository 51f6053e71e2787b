-- To find what a node is to cancel without reading all that it runs.
CREATE INDEX task_cancelling ON task (node) WHERE status = 'running' AND cancel_requested_at IS NOT NULL;

-- For lists, newest first: ids are in the order of creation. What runs is few, and
-- has an index already, by node: so a claim adds nothing to these.
CREATE INDEX task_by_status ON task (status, id) WHERE status <> 'running';
CREATE INDEX task_by_name ON task (name, status, id) WHERE status <> 'running';
CREATE INDEX task_by_duration ON task ((ended_at - started_at), id) WHERE started_at IS NOT NULL AND ended_at IS NOT NULL;

-- The tags of tasks once more, to find tasks by them in the order of creation. A row
-- is written with its task, and is to be deleted with it.
CREATE TABLE task_tag (
    key     text NOT NULL,
    value   text NOT NULL,
    task_id uuid NOT NULL,
    PRIMARY KEY (key, value, task_id)
);
INSERT INTO task_tag (key, value, task_id)
SELECT t.key, t.value, task.id FROM task, jsonb_each_text(task.tags) t;

-- When a node was asked to start nothing more; drained_at is when it began not to.
ALTER TABLE node ADD COLUMN drain_requested_at timestamptz;
