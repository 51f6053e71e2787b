-- A row for each change of a task's state, written with that change. What it says is
-- never sealed, so there is nothing in it that could be private. The last row stays, so
-- that numbers are never given twice.
CREATE TABLE event (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    task_id BLOB    NOT NULL,
    status  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    source  TEXT    NOT NULL,
    attempt INTEGER NOT NULL,
    node    TEXT,
    cause   TEXT
) STRICT;

-- Whether events are recorded, as whoever works the file says when it starts.
CREATE TABLE event_setting (recording INTEGER NOT NULL) STRICT;
INSERT INTO event_setting VALUES (1);

CREATE TRIGGER event_enqueued AFTER INSERT ON task WHEN (SELECT recording FROM event_setting) BEGIN
    INSERT INTO event (at, task_id, status, name, source, attempt)
    VALUES (new.created_at, new.id, new.status, new.name, new.source, new.attempt);
END;

CREATE TRIGGER event_moved AFTER UPDATE OF status ON task WHEN old.status <> new.status AND (SELECT recording FROM event_setting) BEGIN
    INSERT INTO event (at, task_id, status, name, source, attempt, node, cause)
    VALUES (
        CASE new.status WHEN 'running' THEN new.attempt_started_at WHEN 'pending' THEN new.released_at ELSE new.ended_at END,
        new.id, new.status, new.name, new.source, new.attempt,
        iif(old.status = 'running' OR new.status = 'running', new.node, NULL),
        iif(new.status = 'running', NULL, new.cause));
END;
