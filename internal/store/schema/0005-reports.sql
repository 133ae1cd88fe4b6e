-- What the reports are made of, so that their cost does not grow with the
-- history. All of it follows from the events, on each appliance for itself, as
-- they are written or merged: a backup does not import it.

-- An event as the sums count it. A detail is text that a peer may have written:
-- what is no number counts 0, and every number is bounded.
CREATE VIEW event_counted AS
    WITH told AS (
        SELECT appliance, seq, kind, time, detail ->> '$.to' AS place,
            -- took is how Go writes a duration: 1h2m3.5s, or 800ms
            detail ->> '$.took' AS took, detail ->> '$.duration_ms' AS duration_ms, detail ->> '$.longest_ms' AS longest_ms,
            CAST(coalesce(detail ->> '$.runs', '1') AS INTEGER) AS runs,
            CAST(coalesce(detail ->> '$.files', '0') AS INTEGER) AS files,
            CAST(coalesce(detail ->> '$.bytes', '0') AS INTEGER) AS bytes
        FROM event
    ), timed AS (
        SELECT *, CAST(coalesce(duration_ms, CASE
            WHEN took IS NULL THEN 0
            WHEN took LIKE '%ms' THEN CAST(took AS REAL)
            ELSE 3600000 * iif(instr(took, 'h'), CAST(took AS INTEGER), 0)
                + 60000 * iif(instr(took, 'm'), CAST(substr(took, instr(took, 'h') + 1) AS INTEGER), 0)
                + round(1000 * CAST(substr(took, max(instr(took, 'h'), instr(took, 'm')) + 1) AS REAL))
            END) AS INTEGER) AS ms
        FROM told
    )
    SELECT appliance, seq, time / 900000 AS quarter,
        -- a planned switch is written by both sides: it is counted where it is taken
        iif(kind = 'handover' AND place LIKE 'backup %', 'handed-over', kind) AS kind,
        min(max(runs, 1), 1000000000) AS runs,
        min(max(files, 0), 1000000000000) AS files,
        min(max(bytes, 0), 1000000000000000) AS bytes,
        min(max(ms, 0), 1000000000000) AS took,
        min(max(coalesce(CAST(longest_ms AS INTEGER), ms), 0), 1000000000000) AS longest
    FROM timed;

-- Sums by kind and quarter of an hour: every time zone's hours, days and months
-- are made of whole quarters.
CREATE TABLE event_sum (
    kind      TEXT    NOT NULL,
    quarter   INTEGER NOT NULL,                         -- Unix milliseconds / 900,000
    appliance TEXT    NOT NULL,
    events    INTEGER NOT NULL,
    runs      INTEGER NOT NULL,                         -- data syncs that the events tell of
    files     INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    took      INTEGER NOT NULL,                         -- milliseconds, of all together
    longest   INTEGER NOT NULL,                         -- milliseconds, of the longest
    PRIMARY KEY (kind, quarter, appliance)
) STRICT, WITHOUT ROWID;

INSERT INTO event_sum
    SELECT kind, quarter, appliance, count(*), sum(runs), sum(files), sum(bytes), sum(took), max(longest)
    FROM event_counted GROUP BY kind, quarter, appliance;

CREATE TRIGGER event_is_counted AFTER INSERT ON event
BEGIN
    INSERT INTO event_sum
        SELECT kind, quarter, appliance, 1, runs, files, bytes, took, longest
        FROM event_counted WHERE appliance = NEW.appliance AND seq = NEW.seq
        ON CONFLICT DO UPDATE SET events = events + 1,
            runs = min(runs + excluded.runs, 1000000000000000000),
            files = min(files + excluded.files, 1000000000000000000),
            bytes = min(bytes + excluded.bytes, 1000000000000000000),
            took = min(took + excluded.took, 1000000000000000000),
            longest = max(longest, excluded.longest);
END;

-- An event by which an appliance's role, or whether it serves the site, changed,
-- or by which its daemon started or stopped.
CREATE VIEW event_moved AS
    WITH told AS (
        SELECT appliance, seq, time, kind, detail ->> '$.from' AS was, detail ->> '$.to' AS place, detail ->> '$.role' AS role,
            CAST(detail ->> '$.down_ms' AS INTEGER) AS down, CAST(detail ->> '$.alive_ms' AS INTEGER) AS alive
        FROM event
        WHERE kind IN ('role-changed', 'takeover', 'handover', 'stepped-down', 'started', 'stopped')
    ), judged AS (
        SELECT *, was IN ('standalone steady', 'primary steady', 'primary alone', 'primary maintenance') AS served,
            place IN ('standalone steady', 'primary steady', 'primary alone', 'primary maintenance') AS serves
        FROM told
    )
    SELECT appliance, seq, time, kind,
        CASE kind WHEN 'stopped' THEN '' WHEN 'started' THEN coalesce(role || ' ', '') || 'waiting' ELSE place END AS place,
        coalesce(serves, 0) AS serves,
        min(max(coalesce(down, 0), 0), 1000000000000) AS down,
        -- whatever it wrote is a sign of life as well
        iif(kind = 'started', min(max(coalesce(alive, 0), coalesce((SELECT earlier.time FROM event AS earlier
            WHERE earlier.appliance = judged.appliance AND earlier.seq < judged.seq ORDER BY earlier.seq DESC LIMIT 1), 0)), time), 0) AS alive
    FROM judged
    WHERE kind IN ('started', 'stopped') OR place IS NOT NULL AND was IS NOT NULL
        AND NOT (was LIKE 'backup %' AND place LIKE 'backup %')
        AND NOT (served AND serves AND substr(was, 1, 4) = substr(place, 1, 4));

-- What an appliance was from an event on.
CREATE TABLE event_place (
    appliance TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    time      INTEGER NOT NULL,                         -- Unix milliseconds
    kind      TEXT    NOT NULL,
    place     TEXT    NOT NULL,                         -- role and phase, as 'primary steady'; '': its daemon had stopped
    serves    INTEGER NOT NULL,                         -- 1: it served the site from then on
    down      INTEGER NOT NULL,                         -- milliseconds for which nobody had, before it took over; 0: it did not
    alive     INTEGER NOT NULL,                         -- started: last sign of life before, Unix milliseconds; 0: none
    PRIMARY KEY (appliance, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_place_by_time ON event_place (appliance, time);

INSERT INTO event_place SELECT appliance, seq, time, kind, place, serves, down, alive FROM event_moved;

CREATE TRIGGER event_is_placed AFTER INSERT ON event
    WHEN NEW.kind IN ('role-changed', 'takeover', 'handover', 'stepped-down', 'started', 'stopped')
BEGIN
    INSERT INTO event_place
        SELECT appliance, seq, time, kind, place, serves, down, alive
        FROM event_moved WHERE appliance = NEW.appliance AND seq = NEW.seq;
END;

-- The events of some kinds are read by kind and appliance, in order of time.
DROP INDEX event_by_kind;
CREATE INDEX event_by_kind ON event (kind, appliance, time, seq);
