-- Documents of the site: each is one JSON object that is read and saved whole,
-- as what the site is called and shows. The version rises by one with every save,
-- so that two people who edit at the same time are told apart. A backup imports
-- them with the other tables of the site.
CREATE TABLE document (
    name    TEXT    NOT NULL PRIMARY KEY,
    value   TEXT    NOT NULL CHECK (json_valid(value)),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- What was kept key by key becomes the first of them.
INSERT INTO document (name, value, version)
    SELECT 'site', json_group_object(key, value), 1 FROM attribute HAVING count(*) > 0;
DROP TABLE attribute;
