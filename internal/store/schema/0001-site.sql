-- The site: what both appliances of a pair share. A backup imports these tables
-- whole from its primary. Times are Unix milliseconds, UTC. Booleans are 0 or 1.

-- Settings of the pair, as text, by the keys of `baton settings`. A key that is
-- absent has its default.
CREATE TABLE setting (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: how often the settings were saved. Two people who edit at the same
-- time are told apart by it.
CREATE TABLE setting_version (
    only    INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT;
INSERT INTO setting_version (only, version) VALUES (1, 1);

-- What the site is called and shows, as text by key: name, host_name, ...
CREATE TABLE attribute (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- People who may sign in. A user is disabled, never deleted: events name it.
CREATE TABLE user (
    name         TEXT    NOT NULL PRIMARY KEY,
    display_name TEXT    NOT NULL,
    mail         TEXT    NOT NULL,                      -- '' if none
    password     TEXT    NOT NULL,                      -- argon2id, PHC string
    role         TEXT    NOT NULL CHECK (role IN ('administrator', 'operator', 'viewer')),
    disabled     INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created      INTEGER NOT NULL,
    last_login   INTEGER                                -- NULL: never
) STRICT, WITHOUT ROWID;

-- Keys of programs that use the API. The token itself is shown once and never stored.
CREATE TABLE token (
    name      TEXT    NOT NULL PRIMARY KEY,
    hash      TEXT    NOT NULL UNIQUE,                  -- SHA-256 of the token, hexadecimal
    role      TEXT    NOT NULL CHECK (role IN ('administrator', 'operator', 'viewer')),
    created   INTEGER NOT NULL,
    expires   INTEGER,                                  -- NULL: never
    last_used INTEGER                                   -- NULL: never; to the minute
) STRICT, WITHOUT ROWID;

-- Protected data: what a data sync delivers besides this database.
CREATE TABLE data (
    name TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,                                 -- pair.DataKind
    path TEXT NOT NULL UNIQUE CHECK (path LIKE '/_%')   -- absolute and clean
) STRICT, WITHOUT ROWID;
