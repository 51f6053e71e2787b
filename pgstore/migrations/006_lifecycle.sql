-- The part of a wait before a retry by which it may be shorter.
ALTER TABLE task ADD COLUMN retry_jitter float8 NOT NULL DEFAULT 0;

-- To find what has waited past its time.
CREATE INDEX task_expiring ON task (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;
