-- Who may come in: a second factor, and sessions of the console.

-- How often the account was edited: two administrators who edit it at the same
-- time are told apart by it.
ALTER TABLE user ADD COLUMN version INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1);
-- Secret of the one-time codes (RFC 6238), base32; '': the password is enough.
ALTER TABLE user ADD COLUMN totp TEXT NOT NULL DEFAULT '';
-- How often all sessions of the user were ended, on both appliances.
ALTER TABLE user ADD COLUMN sign_outs INTEGER NOT NULL DEFAULT 0;

-- One-time codes for somebody who has lost the device that makes them. Each
-- serves once. They travel to the backup with the users.
CREATE TABLE recovery_code (
    user TEXT NOT NULL,
    hash TEXT NOT NULL,                                 -- SHA-256 of the code, hexadecimal
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

-- Codes that were accepted on this appliance: it takes none of them again, nor a
-- one-time code of an earlier step. Not imported, so that a data sync brings none
-- of them back.
CREATE TABLE last_code (
    user TEXT    NOT NULL PRIMARY KEY,
    step INTEGER NOT NULL                               -- of the newest one-time code: Unix seconds / 30
) STRICT, WITHOUT ROWID;
CREATE TABLE spent_code (
    user TEXT NOT NULL,
    hash TEXT NOT NULL,                                 -- of a recovery code
    PRIMARY KEY (user, hash)
) STRICT, WITHOUT ROWID;

-- Who is signed in to the console of this appliance. It is not imported: the other
-- appliance has its own.
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
