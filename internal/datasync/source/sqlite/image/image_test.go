package image

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/pinned"

	_ "modernc.org/sqlite"
)

// TestMain is the application as well, in a process of its own: locks of SQLite belong to a process.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "application" {
		if err := application(os.Args[2], os.Args[3:]...); err != nil {
			fmt.Fprintln(os.Stderr, "application:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// application writes transactions until its input ends, each of which keeps the sum of all accounts at 0, and numbers them.
func application(path string, pragmas ...string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	seed, _ := strconv.ParseUint(pragmas[0], 10, 64)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, p := range append([]string{"busy_timeout=10000"}, pragmas[1:]...) {
		if _, err := db.Exec("pragma " + p); err != nil {
			return err
		}
	}
	if _, err := db.Exec("create table if not exists account (id integer primary key, amount integer, filler blob); create table if not exists number (n integer)"); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	for n := 1; ; n++ {
		select {
		case <-ended:
			return nil
		default:
		}
		if err := transfer(db, r, n); err != nil {
			return err
		}
		fmt.Println(n)
		if r.IntN(200) == 0 {
			if _, err := db.Exec("pragma wal_checkpoint(" + []string{"passive", "full", "restart", "truncate"}[r.IntN(4)] + ")"); err != nil {
				return err
			}
		}
		if r.IntN(2000) == 0 {
			if _, err := db.Exec("vacuum"); err != nil {
				return err
			}
		}
	}
}

func transfer(db *sql.DB, r *rand.Rand, n int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("insert into number values (?)", n); err != nil {
		return err
	}
	for range 1 + r.IntN(4) {
		amount := r.IntN(1000)
		for _, sign := range []int{1, -1} {
			_, err := tx.Exec("insert into account values (?, ?, randomblob(?)) on conflict do update set amount = amount + excluded.amount, filler = excluded.filler",
				r.IntN(2000), sign*amount, r.IntN(3000))
			if err != nil {
				return err
			}
		}
	}
	if r.IntN(20) == 0 {
		return nil // rolled back
	}
	return tx.Commit()
}

// at is a database in a directory.
type at struct {
	*Database

	dir *pinned.Dir
}

// look copies the image of a database, checks it, and returns it.
func look(t *testing.T, d at, shadow []byte) ([]byte, bool) {
	t.Helper()
	for {
		i, err := d.Read(t.Context(), d.dir)
		if err != nil {
			t.Fatal(err)
		}
		content := make([]byte, i.Size())
		if _, err := i.ReadAt(content, 0); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(i.Check(), i.Close()); errors.Is(err, ErrChanged) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		pages, known := d.Changed()
		if known {
			size := int(i.PageSize())
			patched := make([]byte, len(content))
			copy(patched, shadow)
			for p := range pages {
				if at := int(p-1) * size; at < len(content) {
					copy(patched[at:at+size], content[at:])
				}
			}
			if !bytes.Equal(patched, content) {
				for at := 0; at < len(content); at += size {
					if !bytes.Equal(patched[at:at+size], content[at:at+size]) {
						t.Errorf("page %d changed, and was not told", at/size+1)
					}
				}
				t.FailNow()
			}
		}
		d.Keep()
		return content, known
	}
}

// isSound checks a copy of the database, and returns how many transactions it has.
func isSound(t *testing.T, content []byte) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = db.Close(), os.Remove(path) }()
	var verdict string
	if err := db.QueryRow("pragma integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("integrity_check: %s %v", verdict, err)
	}
	var sum, numbers int
	if err := db.QueryRow("select coalesce(sum(amount), 0), (select count(*) from number) from account").Scan(&sum, &numbers); err != nil || sum != 0 {
		t.Fatalf("sum %d, %v", sum, err)
	}
	return numbers
}

func TestAnImageIsWhatATransactionLeft(t *testing.T) {
	for _, mode := range []string{"wal", "delete", "truncate", "persist"} {
		for seed := range uint64(seeds()) {
			t.Run(fmt.Sprint(mode, " ", seed), func(t *testing.T) { followed(t, mode, seed) })
		}
	}
}

func seeds() int {
	n, err := strconv.Atoi(os.Getenv("BATON_SEEDS"))
	if err != nil {
		return 1
	}
	return n
}

func followed(t *testing.T, mode string, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	top, err := pinned.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = top.Close() }()
	d := at{New("db"), top}
	var shadow []byte
	known, looks, told := 0, 0, 0
	for life := range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		app := exec.CommandContext(ctx, os.Args[0], "application", path, strconv.FormatUint(seed*10+uint64(life), 10), "journal_mode="+mode,
			"wal_autocheckpoint="+strconv.Itoa([]int{10, 100, 1000, 0}[r.IntN(4)]), "synchronous=off")
		in, _ := app.StdinPipe()
		var out, problems bytes.Buffer
		app.Stdout, app.Stderr = &out, &problems
		if err := app.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			if _, err := os.Stat(path); err != nil || size(path) == 0 {
				time.Sleep(time.Millisecond)
				continue
			}
			var is bool
			shadow, is = look(t, d, shadow)
			if is {
				known++
			}
			if looks++; looks%10 == 0 {
				if n := isSound(t, shadow); n < told {
					t.Fatalf("%d transactions, after %d", n, told)
				} else {
					told = n
				}
			}
			time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
		}
		if r.IntN(2) == 0 {
			_ = app.Process.Kill()
			_ = app.Wait()
		} else {
			_ = in.Close()
			if err := app.Wait(); err != nil {
				t.Fatal(err, problems.String())
			}
		}
		cancel()
		if text := problems.String(); text != "" {
			t.Fatal(text)
		}
		shadow, _ = look(t, d, shadow)
		last := strings.Count(out.String(), "\n")
		t.Log("life", life, "transactions", last, "sound", isSound(t, shadow), "looks", looks, "known", known)
	}
}

func size(path string) int64 {
	s, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return s.Size()
}
