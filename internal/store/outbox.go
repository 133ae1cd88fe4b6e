package store

import (
	"context"
	"database/sql"
	"errors"
)

// Outbox returns what SaveOutbox saved last, nil at first.
func (s *Site) Outbox(ctx context.Context) (value []byte, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT value FROM outbox`).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return value, s.explain("read the queue of notices", err)
}

// SaveOutbox replaces this appliance's queue of notices by another JSON value. It
// does not travel to the backup, nor does it go into a copy of the database: who is
// restored from one starts at the present.
func (s *Site) SaveOutbox(ctx context.Context, value []byte) error {
	return s.write(ctx, "save the queue of notices", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO outbox (only, value) VALUES (1, ?)
			ON CONFLICT (only) DO UPDATE SET value = excluded.value`, string(value))
		return err
	})
}
