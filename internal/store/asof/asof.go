// Package asof keeps what was read from a SQLite database for as long as nobody writes to it, so that
// what is asked for all the time is read only after a change.
//
// Start reading at Value.
package asof

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// writes tells how often the database was written to, by this process or another. It changes with
// every commit. The zero value is none.
type writes struct {
	connection uint64 // only counts of one connection can be compared
	count      int64
}

// Counter asks a connection of its own, since SQLite tells each connection what the others wrote.
type Counter struct {
	pool   *sql.DB
	turn   chan struct{} // who has put one in may use the rest
	number uint64        // of the connection
	conn   *sql.Conn
	query  *sql.Stmt
}

// NewCounter returns one that takes its connection out of a pool, when it is first asked.
func NewCounter(pool *sql.DB) *Counter { return &Counter{pool: pool, turn: make(chan struct{}, 1)} }

// now returns the count. What is read after it is at least as new.
func (c *Counter) now(ctx context.Context) (now writes, err error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done(): // a disk that hangs keeps nobody waiting for longer
		return writes{}, ctx.Err()
	}
	if c.conn == nil {
		if err := c.connect(ctx); err != nil {
			return writes{}, err
		}
	}
	now.connection = c.number
	if err := c.query.QueryRowContext(ctx).Scan(&now.count); err != nil {
		return writes{}, errors.Join(err, c.disconnect())
	}
	return now, nil
}

func (c *Counter) connect(ctx context.Context) (err error) {
	c.number++
	if c.conn, err = c.pool.Conn(ctx); err != nil {
		return err
	}
	if c.query, err = c.conn.PrepareContext(ctx, `PRAGMA data_version`); err != nil {
		return errors.Join(err, c.disconnect())
	}
	return nil
}

// disconnect gives the connection back: the next one has another number.
func (c *Counter) disconnect() error {
	var failed []error
	if c.query != nil {
		failed = append(failed, c.query.Close())
	}
	if c.conn != nil {
		failed = append(failed, c.conn.Close())
	}
	c.conn, c.query = nil, nil
	return errors.Join(failed...)
}

// Close gives the connection back, for the end of the database.
func (c *Counter) Close() error {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	return c.disconnect()
}

// Value keeps what was read from the database until somebody writes to it. What it returns is shared:
// it must not be changed. The zero value keeps nothing yet.
type Value[T any] struct {
	mu     sync.Mutex
	writes writes
	value  T
}

// Read returns what is kept, or what read returns.
func (v *Value[T]) Read(ctx context.Context, from *Counter, read func() (T, error)) (value T, err error) {
	now, err := from.now(ctx)
	if err != nil {
		return value, err
	}
	v.mu.Lock()
	value, kept := v.value, v.writes == now
	v.mu.Unlock()
	if kept {
		return value, nil
	}
	if value, err = read(); err != nil {
		return value, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writes, v.value = now, value
	return value, nil
}
