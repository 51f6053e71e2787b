-- What a definition lets an attempt use beside its memory, as JSON; null for the
-- defaults.
ALTER TABLE task ADD COLUMN limits text;
