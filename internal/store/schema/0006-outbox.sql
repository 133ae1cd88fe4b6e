-- What this appliance has still to tell by mail and webhooks, and how far in the
-- history it has looked: one JSON object, so that both move on together. It is the
-- appliance's own: a backup does not import it.
CREATE TABLE outbox (
    only  INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    value TEXT    NOT NULL CHECK (json_valid(value))
) STRICT;
