package store

import (
	"context"
	"database/sql"
	"errors"
)

// Outbox is this appliance's queue of notices.
type Outbox struct{ db *database }

// Read returns what Save saved last, nil at first.
func (o Outbox) Read(ctx context.Context) (value []byte, err error) {
	err = o.db.reader.QueryRowContext(ctx, `SELECT value FROM outbox`).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return value, o.db.explain("read the queue of notices", err)
}

// Save replaces this appliance's queue of notices by another JSON value. It
// does not travel to the backup, nor does it go into a copy of the database: who is
// restored from one starts at the present.
func (o Outbox) Save(ctx context.Context, value []byte) error {
	return o.db.exec(ctx, "save the queue of notices", nil, `INSERT INTO outbox (only, value) VALUES (1, ?)
			ON CONFLICT (only) DO UPDATE SET value = excluded.value`, string(value))
}
