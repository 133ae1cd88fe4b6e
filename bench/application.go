package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// applicationCommand makes this program an application with an SQLite database: application make PATH ROWS, write PATH SECONDS RATE (0: as fast as it can) or,
// on the backup, watch PATH SECONDS. The last two print a number and the moment for each transaction that was acknowledged, or seen.
const applicationCommand = "application"

func runApplication(ctx context.Context, args []string, out io.Writer) (err error) {
	if len(args) < 3 {
		return errors.New("use: application make|write|watch PATH NUMBER [NUMBER]")
	}
	n, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	lines := bufio.NewWriter(out)
	defer func() { err = errors.Join(err, lines.Flush()) }()
	until := time.Now().Add(time.Duration(n * float64(time.Second)))
	if args[0] == "watch" {
		return watchCopies(ctx, args[1], until, lines)
	}
	db, err := sql.Open("sqlite", args[1]+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if args[0] == "make" {
		_, err := db.ExecContext(ctx, "create table number (n integer primary key, text blob); create table filler (n integer primary key, text blob); "+
			"with recursive c(n) as (select 1 union all select n + 1 from c where n < ?) insert into filler select n, randomblob(4000) from c", int(n))
		return err
	}
	rate, err := strconv.Atoi(args[len(args)-1])
	if err != nil {
		return fmt.Errorf("read the arguments: %w", err)
	}
	return write(ctx, db, rate, until, lines)
}

// write makes transactions until a time: each inserts the next number, and changes a page elsewhere.
func write(ctx context.Context, db *sql.DB, rate int, until time.Time, out io.Writer) error {
	var newest, rows int
	if err := db.QueryRowContext(ctx, "select coalesce((select max(n) from number), 0), (select max(n) from filler)").Scan(&newest, &rows); err != nil {
		return err
	}
	next := time.Now()
	for n := newest + 1; time.Now().Before(until) && ctx.Err() == nil; n++ {
		if rate > 0 {
			time.Sleep(time.Until(next))
			next = next.Add(time.Second / time.Duration(rate))
		}
		if _, err := db.ExecContext(ctx, "begin immediate; insert into number values (?, randomblob(100)); update filler set text = randomblob(4000) where n = ?; commit", n, 1+n*7919%rows); err != nil {
			return fmt.Errorf("write to the database: %w", err)
		}
		if _, err := fmt.Fprintln(out, n, time.Now().UnixNano()); err != nil {
			return err
		}
	}
	return nil
}

// watchCopies looks at a copy until a time, which may be replaced meanwhile, without a lock.
func watchCopies(ctx context.Context, path string, until time.Time, out io.Writer) error {
	last := 0
	for ; time.Now().Before(until) && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		n := newest(ctx, path)
		if n <= last {
			continue
		}
		last = n
		if _, err := fmt.Fprintln(out, n, time.Now().UnixNano()); err != nil {
			return err
		}
	}
	return nil
}

// newest returns the newest number in a copy; 0: it cannot be read now.
func newest(ctx context.Context, path string) (n int) {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1")
	if err != nil {
		return 0
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(ctx, "select coalesce(max(n), 0) from number").Scan(&n); err != nil {
		return 0
	}
	return n
}
