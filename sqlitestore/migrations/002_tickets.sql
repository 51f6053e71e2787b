-- The id of the task's river_job row, null unless the task is pending. Only that
-- ticket starts the task.
ALTER TABLE task ADD COLUMN ticket INTEGER;

UPDATE task SET ticket = job.id
FROM (
    SELECT max(id) AS id, unhex(replace(args ->> 'task_id', '-', '')) AS task_id
    FROM river_job GROUP BY 2
) AS job
WHERE task.id = job.task_id AND task.status = 'pending';

-- To find a ticket's task, and lost tickets without reading the tasks.
CREATE INDEX task_ticket ON task (ticket, due_at) WHERE status = 'pending';

ALTER TABLE node ADD COLUMN functions TEXT NOT NULL DEFAULT '[]';
