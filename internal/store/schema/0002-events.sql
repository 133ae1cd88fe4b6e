-- The history: what happened, on both appliances. It is only ever added to. A
-- backup does not import it: the histories of both sides are merged, so that a
-- role change or a conflict loses nothing.

-- An event's id is appliance || '-' || seq.
CREATE TABLE event (
    appliance TEXT    NOT NULL CHECK (length(appliance) = 32), -- which one wrote it
    seq       INTEGER NOT NULL CHECK (seq >= 1),               -- its running number there
    time      INTEGER NOT NULL,                                -- Unix milliseconds
    kind      TEXT    NOT NULL,
    text      TEXT    NOT NULL,
    detail    TEXT    NOT NULL CHECK (json_valid(detail)),     -- JSON object of strings
    PRIMARY KEY (appliance, seq)
) STRICT, WITHOUT ROWID;

-- The history in the order in which it is read.
CREATE INDEX event_by_time ON event (time, appliance, seq);
CREATE INDEX event_by_kind ON event (kind, time, appliance, seq);

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;

-- How far the history of each appliance is known here. The two numbers differ only
-- in a database that was restored from a copy, until its peer has returned the
-- events that were written after the copy: numbers go on at the next round million,
-- so that none is given to two events.
CREATE TABLE event_head (
    appliance TEXT    NOT NULL PRIMARY KEY,
    complete  INTEGER NOT NULL CHECK (complete >= 0),   -- every event up to this number is here
    used      INTEGER NOT NULL CHECK (used >= complete) -- highest number given to an event
) STRICT, WITHOUT ROWID;
