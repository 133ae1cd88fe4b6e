package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"baton/internal/pair"
)

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Settings returns the settings of the pair and the version to hand to
// SetSettings. The version rises by one with every change.
func (s *Site) Settings(ctx context.Context) (pair.Settings, int64, error) {
	settings, version, err := readSettings(ctx, s.reader)
	return settings, version, s.explain("read the settings", err)
}

func readSettings(ctx context.Context, from querier) (pair.Settings, int64, error) {
	settings, version := pair.DefaultSettings(), int64(0)
	known := pair.SettingKeys()
	// One statement, so that values and version belong together.
	rows, err := from.QueryContext(ctx, `SELECT version, coalesce(key, ''), coalesce(value, '') FROM setting_version LEFT JOIN setting`)
	err = each(rows, err, func(row scanner) error {
		var key, value string
		if err := row.Scan(&version, &key, &value); err != nil {
			return err
		}
		if !slices.Contains(known, key) {
			return nil // of a newer version; kept for it
		}
		var err error
		settings, err = settings.With(key, value)
		return err
	})
	if err == nil && version == 0 {
		err = pair.Refuse(pair.Refused, "the settings have no version: the site database is damaged")
	}
	return settings, version, err
}

// SetSettings changes some settings, by key, and records who did. It refuses
// with pair.Stale if the version is no longer wantVersion; 0 means any. Refused
// values come back as pair.Refusals, all of them at once.
func (s *Site) SetSettings(ctx context.Context, changes map[string]string, wantVersion int64, by pair.Actor) (pair.Settings, error) {
	var after pair.Settings
	err := s.write(ctx, "change the settings", func(tx *sql.Tx) error {
		before, version, err := readSettings(ctx, tx)
		if err != nil {
			return err
		}
		if wantVersion != 0 && wantVersion != version {
			return pair.Refuse(pair.Stale, "somebody else has changed the settings meanwhile: look at them again, then save")
		}
		if after, err = changed(before, changes); err != nil {
			return err
		}
		return s.storeSettings(ctx, tx, before.Map(), after.Map(), by)
	})
	return after, err
}

func changed(settings pair.Settings, changes map[string]string) (pair.Settings, error) {
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		var err error
		if settings, err = settings.With(key, changes[key]); err != nil {
			return settings, err
		}
	}
	return settings, settings.Validate()
}

func (s *Site) storeSettings(ctx context.Context, tx *sql.Tx, before, after map[string]string, by pair.Actor) error {
	changes := pair.ChangesOf(pair.SettingKeys(), before, after)
	for _, change := range changes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO setting (key, value) VALUES (?, ?)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`, change.Key, change.After); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		return nil
	}
	detail := by.Note()
	pair.NoteChanges(detail, changes)
	if _, err := tx.ExecContext(ctx, `UPDATE setting_version SET version = version + 1`); err != nil {
		return err
	}
	_, err := s.appendTo(ctx, tx, pair.Event{
		Kind: pair.KindSettingChanged, Text: by.String() + " changed " + pair.ChangesText(changes) + ".", Detail: detail,
	})
	return err
}
