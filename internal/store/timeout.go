package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"baton/internal/pair"
)

// The keys of the Primary Site Instance Timeout in the table of settings: its value, and, where
// Baton chose that for the pair, who did. Without the first one, nobody has saved it.
const (
	timeoutKey   = "primary_timeout"
	timeoutByKey = "primary_timeout_by"
)

// ChooseTimeout saves the Primary Site Instance Timeout that Baton chooses for a new pair, with
// the sentence that tells of it, and returns the settings and their version. What a person has saved
// stays, and so does the timeout where another setting does not fit the new one.
func (s Settings) ChooseTimeout(ctx context.Context, timeout time.Duration, text string) (settings pair.Settings, newest int64, err error) {
	err = s.db.write(ctx, "choose the timeout", func(tx *sql.Tx) error {
		if settings, newest, err = readSettings(ctx, tx); err != nil {
			return err
		}
		wanted := settings
		wanted.PrimaryTimeout = timeout
		if byPerson, err := timeoutByPerson(ctx, tx); err != nil || byPerson || pair.Check(wanted) != nil {
			return err
		}
		values := []pair.Change{{Key: timeoutKey, After: pair.Texts(wanted)[timeoutKey]}, {Key: timeoutByKey, After: "baton"}}
		detail := pair.Actor{Name: "baton"}.Note()
		pair.NoteChanges(detail, pair.Changes(settings, wanted))
		settings, newest = wanted, newest+1
		return s.put(ctx, tx, values, pair.Event{Kind: pair.KindSettingChanged, Text: text, Detail: detail})
	})
	return settings, newest, err
}

// timeoutByPerson reports whether a person has saved the timeout.
func timeoutByPerson(ctx context.Context, tx *sql.Tx) (byPerson bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM setting WHERE key = ?) AND NOT EXISTS (SELECT 1 FROM setting WHERE key = ?)`,
		timeoutKey, timeoutByKey).Scan(&byPerson)
	return byPerson, err
}

// keepNamed notes which settings a person has saved by name, although their value stays, and
// that a timeout which was named or changed is no longer one that Baton chose.
func keepNamed(ctx context.Context, tx *sql.Tx, settings pair.Settings, changes []pair.Change, named []string) error {
	texts := pair.Texts(settings)
	var values []pair.Change
	for _, key := range named {
		values = append(values, pair.Change{Key: key, After: texts[key]})
	}
	if !slices.ContainsFunc(slices.Concat(values, changes), func(c pair.Change) bool { return c.Key == timeoutKey }) {
		return putSettings(ctx, tx, values)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM setting WHERE key = ?`, timeoutByKey); err != nil {
		return err
	}
	return putSettings(ctx, tx, values)
}
