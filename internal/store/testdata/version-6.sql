-- A site database of version 6, as that version left it. Never edited.
CREATE TABLE setting (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE setting_version (
    only    INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT;
INSERT INTO setting_version (only, version) VALUES (1, 1);

CREATE TABLE document (
    name    TEXT    NOT NULL PRIMARY KEY,
    value   TEXT    NOT NULL CHECK (json_valid(value)),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    name         TEXT    NOT NULL PRIMARY KEY,
    display_name TEXT    NOT NULL,
    mail         TEXT    NOT NULL,                      -- '' if none
    password     TEXT    NOT NULL,                      -- argon2id, PHC string
    role         TEXT    NOT NULL CHECK (role IN ('administrator', 'operator', 'viewer')),
    disabled     INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created      INTEGER NOT NULL,
    last_login   INTEGER                                -- NULL: never
, version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1), totp TEXT NOT NULL DEFAULT '', sign_outs INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    name      TEXT    NOT NULL PRIMARY KEY,
    hash      TEXT    NOT NULL UNIQUE,                  -- SHA-256 of the token, hexadecimal
    role      TEXT    NOT NULL CHECK (role IN ('administrator', 'operator', 'viewer')),
    created   INTEGER NOT NULL,
    expires   INTEGER,                                  -- NULL: never
    last_used INTEGER                                   -- NULL: never; to the minute
) STRICT, WITHOUT ROWID;

CREATE TABLE data (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,                                 -- pair.DataKind
    path TEXT NOT NULL UNIQUE CHECK (path LIKE '/_%')   -- absolute and clean
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    appliance TEXT    NOT NULL CHECK (length(appliance) = 32), -- which one wrote it
    seq       INTEGER NOT NULL CHECK (seq >= 1),               -- its running number there
    time      INTEGER NOT NULL,                                -- Unix milliseconds
    kind      TEXT    NOT NULL,
    text      TEXT    NOT NULL,
    detail    TEXT    NOT NULL CHECK (json_valid(detail)),     -- JSON object of strings
    PRIMARY KEY (appliance, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_by_time ON event (time, appliance, seq);
CREATE INDEX event_by_kind ON event (kind, appliance, time, seq);

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;

CREATE TABLE event_head (
    appliance TEXT    NOT NULL PRIMARY KEY,
    complete  INTEGER NOT NULL CHECK (complete >= 0),   -- every event up to this number is here
    used      INTEGER NOT NULL CHECK (used >= complete) -- highest number given to an event
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_code (
    user TEXT NOT NULL,
    hash TEXT NOT NULL,                                 -- SHA-256 of the code, hexadecimal
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE last_code (
    user TEXT    NOT NULL PRIMARY KEY,
    step INTEGER NOT NULL                               -- of the newest one-time code: Unix seconds / 30
) STRICT, WITHOUT ROWID;
CREATE TABLE spent_code (
    user TEXT NOT NULL,
    hash TEXT NOT NULL,                                 -- of a recovery code
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id      TEXT    NOT NULL PRIMARY KEY,               -- hash of the token in the browser's cookie
    user    TEXT    NOT NULL,
    stamp   TEXT    NOT NULL,                           -- the user's at sign-in: another one now ends the session
    pending INTEGER NOT NULL CHECK (pending IN (0, 1)), -- the password was right, the code is still asked for
    address TEXT    NOT NULL,                           -- where the sign-in came from
    browser TEXT    NOT NULL,                           -- as it names itself
    since   INTEGER NOT NULL,
    seen    INTEGER NOT NULL,                           -- last use, to the half minute
    expires INTEGER NOT NULL                            -- ends then, used or not
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_user ON session (user, since);

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

CREATE TRIGGER event_is_placed AFTER INSERT ON event
    WHEN NEW.kind IN ('role-changed', 'takeover', 'handover', 'stepped-down', 'started', 'stopped')
BEGIN
    INSERT INTO event_place
        SELECT appliance, seq, time, kind, place, serves, down, alive
        FROM event_moved WHERE appliance = NEW.appliance AND seq = NEW.seq;
END;

CREATE TABLE outbox (
    only  INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    value TEXT    NOT NULL CHECK (json_valid(value))
) STRICT;

INSERT INTO setting VALUES ('time_zone', 'Europe/Berlin'), ('key_of_a_later_version', 'kept');
UPDATE setting_version SET version = 4;
INSERT INTO document VALUES ('site', '{"name":"Help desk"}', 1);
INSERT INTO user VALUES ('ann', 'Ann', 'ann@example.org', '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$REiRt35dHGtMWJ/p+5b5FBn+NMuLR8SFnoCU9BlDUHE', 'administrator', 0, 1700000000000, NULL, 1, '', 0);
INSERT INTO recovery_code VALUES ('ann', '723e442a87e0e5f7b9f749c3c0ccd5cbbe1177328703018f6fa9d70787a1fef6');
INSERT INTO session VALUES ('fixture', 'ann', 'stamp', 0, '198.51.100.7', 'Browser', 1700000000000, 1700000000000, 1700000060000);
INSERT INTO token VALUES ('monitor', '723e442a87e0e5f7b9f749c3c0ccd5cbbe1177328703018f6fa9d70787a1fef6', 'viewer', 1700000000000, NULL, NULL);
INSERT INTO data VALUES ('www', 'dir', '/srv/www');

INSERT INTO event VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 1, 1700000000000, 'started', 'started', '{}'), ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 2, 1700000001000, 'takeover', 'took over', '{"why":"silence"}');
INSERT INTO event_head VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 2, 2);

INSERT INTO outbox VALUES (1, '{"heads":{}}');

PRAGMA application_id = 0x62746f6e;
PRAGMA user_version = 6;
