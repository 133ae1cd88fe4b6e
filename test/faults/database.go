package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	_ "modernc.org/sqlite" // the driver

	"baton/internal/lab"
	"baton/internal/lab/daemon"
)

// databaseCommand has this program look at the site's database, on the host that has it: database make|read|forget DIRECTORY [ROUND].
const databaseCommand = "database"

// databaseName is the SQLite database to which the number of every second request goes.
const databaseName = "numbers.db"

// withDatabase opens the database of a directory as an application does that opens it for each request: it has to be there.
func withDatabase(dir, more string, do func(*sql.DB) error) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, databaseName)+"?_pragma=busy_timeout(300)&_pragma=synchronous(full)&mode="+more)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	db.SetMaxOpenConns(1)
	return errors.Join(do(db), db.Close())
}

// insert writes the number of a request down durably.
func insert(ctx context.Context, dir, file, number string) error {
	return withDatabase(dir, "rw", func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "INSERT INTO number VALUES (?, ?)", number, file)
		return err
	})
}

func runDatabase(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("use: database make|read|forget DIRECTORY [ROUND]")
	}
	switch what, dir := args[0], args[1]; what {
	case "make":
		return withDatabase(dir, "rwc", func(db *sql.DB) error {
			_, err := db.ExecContext(ctx, "PRAGMA journal_mode=WAL; CREATE TABLE number (number INTEGER PRIMARY KEY, file INTEGER)")
			return err
		})
	case "read":
		return withDatabase(dir, "rw", func(db *sql.DB) error { return printNumbers(ctx, db, out) })
	default:
		return withDatabase(dir, "rw", func(db *sql.DB) error {
			_, err := db.ExecContext(ctx, "DELETE FROM number WHERE file <= ?", args[len(args)-1])
			return err
		})
	}
}

// printNumbers prints the numbers in a database that is whole.
func printNumbers(ctx context.Context, db *sql.DB, out io.Writer) (err error) {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		return errors.Join(fmt.Errorf("the database is damaged: %s", verdict), err)
	}
	rows, err := db.QueryContext(ctx, "SELECT number FROM number")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var number uint64
		if err := rows.Scan(&number); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, number); err != nil {
			return err
		}
	}
	return rows.Err()
}

// database has the machine look at its database.
func (m *machine) database(ctx context.Context, args ...string) (string, error) {
	what := append([]string{databaseCommand, args[0], m.appliance.OnHost(daemon.SiteDir)}, args[1:]...)
	out, err := m.appliance.Output(ctx, lab.Cmd{Path: m.self, Args: what})
	if err != nil {
		return "", fmt.Errorf("the database of %s: %w: %s", m.appliance.Name(), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// addDatabase adds the numbers in a database of which there is a copy.
func addDatabase(ctx context.Context, numbers map[uint64]bool, from io.Reader) error {
	dir, err := os.MkdirTemp("", "faults-copy")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	content, err := io.ReadAll(from)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, databaseName), content, 0o600)
	}
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := runDatabase(ctx, []string{"read", dir}, &text); err != nil {
		return fmt.Errorf("in a diverged copy: %w", err)
	}
	addNumbers(numbers, text.String())
	return nil
}

// isForDatabase reports whether the number of a request goes to the database.
func isForDatabase(number string) bool {
	n, err := strconv.ParseUint(number, 10, 64)
	return err == nil && n%2 == 0
}
