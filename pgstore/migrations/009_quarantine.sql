-- Modules that a node has set aside, since its workers died of them. To delete a row
-- releases the module there: its node asks for its rows while it has any.
CREATE TABLE quarantine (
    digest text        NOT NULL,
    node   text        NOT NULL REFERENCES node (id) ON DELETE CASCADE,
    since  timestamptz NOT NULL DEFAULT now(),
    reason text        NOT NULL,
    PRIMARY KEY (digest, node)
);
CREATE INDEX quarantine_by_node ON quarantine (node);
