-- Modules that a node has set aside, since its workers died of them. To delete a row
-- releases the module there: its node asks for its rows while it has any.
CREATE TABLE quarantine (
    digest TEXT    NOT NULL,
    node   TEXT    NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    since  INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    PRIMARY KEY (digest, node)
) STRICT;
CREATE INDEX quarantine_by_node ON quarantine (node);
