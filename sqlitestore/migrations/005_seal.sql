-- What is private of a task can be sealed. task.key_id, which was there, is the key
-- that seals args alone. What is sealed names its key in its bytes 2 to 9, too.

-- The key that seals result, null where it is in clear.
ALTER TABLE task ADD COLUMN result_key_id TEXT;
-- Error and trace, which are null then.
ALTER TABLE task ADD COLUMN sealed_failure BLOB;
ALTER TABLE attempt ADD COLUMN sealed_failure BLOB;
-- Message and fields, which are empty then.
ALTER TABLE task_log ADD COLUMN sealed BLOB;

-- The keys that the file is used with. A start needs all of them.
CREATE TABLE seal_key (
    key_id     TEXT    NOT NULL PRIMARY KEY,
    secret     BLOB    NOT NULL, -- the secret of the hashes of this file, sealed under the key
    created_at INTEGER NOT NULL
) STRICT;
