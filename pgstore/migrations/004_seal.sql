-- What is private of a task can be sealed. task.key_id, which was there, is the key
-- that seals args alone. What is sealed names its key in its bytes 2 to 9, too.
ALTER TABLE task
    ADD COLUMN result_key_id  text,  -- the key that seals result; null where it is in clear
    ADD COLUMN sealed_failure bytea; -- error and trace, which are null then

ALTER TABLE attempt
    ADD COLUMN sealed_failure bytea; -- error and trace, which are null then

ALTER TABLE task_log
    ADD COLUMN sealed bytea; -- message and fields, which are empty then

-- The keys that the database is used with. A start needs all of them.
CREATE TABLE seal_key (
    key_id     text        NOT NULL PRIMARY KEY,
    secret     bytea       NOT NULL, -- the secret of the hashes of this database, sealed under the key
    created_at timestamptz NOT NULL DEFAULT now()
);
