package store

import (
	"context"
	"database/sql"

	"baton/internal/pair"
)

// Settings are the settings of the pair.
type Settings struct {
	db      *database
	history History
}

// Get returns the settings of the pair and the version to hand to
// Save. The version rises by one with every change.
func (s Settings) Get(ctx context.Context) (pair.Settings, int64, error) {
	settings, version, err := readSettings(ctx, s.db.reader)
	return settings, version, s.db.explain("read the settings", err)
}

func readSettings(ctx context.Context, from querier) (pair.Settings, int64, error) {
	version, texts := int64(0), map[string]string{}
	// One statement, so that values and version belong together.
	rows, err := from.QueryContext(ctx, `SELECT version, coalesce(key, ''), coalesce(value, '') FROM setting_version LEFT JOIN setting`)
	err = each(rows, err, func(row scanner) error {
		var key, value string
		err := row.Scan(&version, &key, &value)
		texts[key] = value
		return err
	})
	if err == nil && version == 0 {
		err = pair.Refuse(pair.Refused, "the settings have no version: the site database is damaged")
	}
	if err != nil {
		return pair.DefaultSettings(), version, err
	}
	settings, err := pair.Read(pair.DefaultSettings(), texts)
	return settings, version, err
}

// Save saves settings that were derived from a version, records who changed
// what, and returns the version that they have now. It refuses with pair.Stale if the
// version is no longer the newest; 0 means any. Refused values come back as
// a pair.Refusal of all. The named keys count as saved also where their value stays.
func (s Settings) Save(ctx context.Context, settings pair.Settings, version int64, by pair.Actor, named ...string) (int64, error) {
	if err := pair.Check(settings); err != nil {
		return 0, err
	}
	var newest int64
	err := s.db.write(ctx, "change the settings", func(tx *sql.Tx) error {
		before, now, err := readSettings(ctx, tx)
		if err != nil {
			return err
		}
		if version != 0 && version != now {
			return pair.Refuse(pair.Stale, "somebody else has changed the settings meanwhile: look at them again, then save")
		}
		changes := pair.Changes(before, settings)
		if err := keepNamed(ctx, tx, settings, changes, named); err != nil {
			return err
		}
		if newest = now; len(changes) == 0 {
			return nil
		}
		newest++
		detail := by.Note()
		pair.NoteChanges(detail, changes)
		return s.put(ctx, tx, changes, pair.Event{
			Kind: pair.KindSettingChanged, Text: by.String() + " changed " + pair.ChangesText(changes) + ".", Detail: detail,
		})
	})
	return newest, err
}

// Take replaces the settings by the primary's, ahead of the data sync that brings them as
// well. The primary has written the event.
func (s Settings) Take(ctx context.Context, settings pair.Settings, version int64) error {
	return s.db.write(ctx, "take the settings", func(tx *sql.Tx) error {
		before, _, err := readSettings(ctx, tx)
		if err != nil {
			return err
		}
		if err := putSettings(ctx, tx, pair.Changes(before, settings)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE setting_version SET version = ?`, version)
		return err
	})
}

func putSettings(ctx context.Context, tx *sql.Tx, changes []pair.Change) error {
	for _, change := range changes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO setting (key, value) VALUES (?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, change.Key, change.After); err != nil {
			return err
		}
	}
	return nil
}

// put stores values under the next version, and the event that tells of them.
func (s Settings) put(ctx context.Context, tx *sql.Tx, changes []pair.Change, event pair.Event) error {
	if err := putSettings(ctx, tx, changes); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE setting_version SET version = version + 1`); err != nil {
		return err
	}
	_, err := s.history.append(ctx, tx, event)
	return err
}
