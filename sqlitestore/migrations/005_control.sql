-- To find what a node is to cancel without reading all that it runs.
CREATE INDEX task_cancelling ON task (node) WHERE status = 'running' AND cancel_requested_at IS NOT NULL;
