package rows_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"baton/internal/datasync/source/sqlite/rows"
	"baton/internal/kept"
)

// made is a database of some statements.
func made(t *testing.T, statements ...string) *io.SectionReader {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range statements {
		if _, err := db.ExecContext(t.Context(), one); err != nil {
			t.Fatal(one, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))
}

func TestCompare(t *testing.T) {
	var names strings.Builder
	for i := 1; i < 2000; i++ {
		_, _ = fmt.Fprintf(&names, ", c%d", i)
	}
	manyColumns := names.String()
	users := `CREATE TABLE "us ""ers" (id TEXT PRIMARY KEY, name TEXT, picture BLOB)`
	for name, one := range map[string]struct {
		copied, now []string
		want        []kept.TableDifference
	}{
		"the same": {[]string{users, `INSERT INTO "us ""ers" VALUES ('a', 'A', x'00')`}, []string{users, `INSERT INTO "us ""ers" VALUES ('a', 'A', x'00')`}, nil},
		"rows by their key": {
			[]string{users, `INSERT INTO "us ""ers" VALUES ('a', 'A', x'00'), ('b', 'B', NULL), ('c', 'C', x'01')`},
			[]string{users, `INSERT INTO "us ""ers" VALUES ('d', 'D', NULL), ('a', 'A', x'00'), ('b', 'b', NULL), ('e', 'E', NULL)`},
			[]kept.TableDifference{{
				Table: `us "ers`, Key: []string{"id"}, OnlyCopy: kept.Rows{Rows: 1, Keys: []string{"c"}}, OnlyNow: kept.Rows{Rows: 2, Keys: []string{"d", "e"}},
				Changed: kept.Rows{Rows: 1, Keys: []string{"b"}},
			}},
		},
		"a key of several columns, without rowid": {
			[]string{"CREATE TABLE t (a INT, b BLOB, c TEXT COLLATE NOCASE, PRIMARY KEY (a, b)) WITHOUT ROWID", "INSERT INTO t VALUES (1, x'AB', 'x'), (2, x'', 'same')"},
			[]string{"CREATE TABLE t (a INT, b BLOB, c TEXT COLLATE NOCASE, PRIMARY KEY (a, b)) WITHOUT ROWID", "INSERT INTO t VALUES (1, x'AB', 'X'), (2, x'', 'same')"},
			[]kept.TableDifference{{Table: "t", Key: []string{"a", "b"}, Changed: kept.Rows{Rows: 1, Keys: []string{"1, xAB"}}}},
		},
		"no key": {
			[]string{"CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)"},
			[]string{"CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (3)"},
			[]kept.TableDifference{{Table: "t", Key: []string{"rowid"}, Changed: kept.Rows{Rows: 1, Keys: []string{"2"}}}},
		},
		"a table of one side, and a column more": {
			[]string{"CREATE TABLE old (id INTEGER PRIMARY KEY)", "INSERT INTO old VALUES (7)", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "INSERT INTO t VALUES (1, 2)"},
			[]string{"CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)", "INSERT INTO t VALUES (1, 2, 3)"},
			[]kept.TableDifference{
				{Table: "old", Key: []string{"id"}, OnlyCopy: kept.Rows{Rows: 1, Keys: []string{"7"}}},
				{Table: "t", Key: []string{"id"}, Problem: "Its columns are not the same in both: b cannot be compared."},
			},
		},
		"a column called rowid, and keys that are not there": {
			[]string{"CREATE TABLE t (rowid TEXT, id TEXT PRIMARY KEY)", "INSERT INTO t VALUES ('x', NULL), ('x', NULL), ('y', 'k')"},
			[]string{"CREATE TABLE t (rowid TEXT, id TEXT PRIMARY KEY)", "INSERT INTO t VALUES ('x', NULL), ('x', NULL), ('z', 'k')"},
			[]kept.TableDifference{{Table: "t", Key: []string{"_rowid_"}, Changed: kept.Rows{Rows: 1, Keys: []string{"3"}}}},
		},
		"a column called rowid that is worked out": {
			[]string{"CREATE TABLE t (a, rowid AS ('x'))", "INSERT INTO t VALUES (1), (2)"},
			[]string{"CREATE TABLE t (a, rowid AS ('x'))", "INSERT INTO t VALUES (1), (3)"},
			[]kept.TableDifference{{Table: "t", Key: []string{"_rowid_"}, Changed: kept.Rows{Rows: 1, Keys: []string{"2"}}}},
		},
		"many columns": {
			[]string{"CREATE TABLE t (id INTEGER PRIMARY KEY" + manyColumns + ")", "INSERT INTO t (id, c1999) VALUES (1, 2)"},
			[]string{"CREATE TABLE t (id INTEGER PRIMARY KEY" + manyColumns + ")", "INSERT INTO t (id, c1999) VALUES (1, 3)"},
			[]kept.TableDifference{{Table: "t", Key: []string{"id"}, Changed: kept.Rows{Rows: 1, Keys: []string{"1"}}}},
		},
		"views, triggers, and what a module keeps": {
			[]string{"CREATE TABLE t (id INTEGER PRIMARY KEY)", "CREATE VIEW v AS SELECT * FROM t", "CREATE VIRTUAL TABLE f USING fts5(text)", "INSERT INTO f VALUES ('word')"},
			[]string{"CREATE TABLE t (id INTEGER PRIMARY KEY)", "CREATE VIRTUAL TABLE f USING fts5(text)"},
			[]kept.TableDifference{{Table: "f", Problem: "A module of SQLite keeps it, so that its rows cannot be compared."}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rows.Compare(t.Context(), made(t, one.copied...), made(t, one.now...))
			if err != nil || !reflect.DeepEqual(got, one.want) {
				t.Errorf("%v\n got %+v\nwant %+v", err, got, one.want)
			}
		})
	}
}

// TestCompareWhatIsDamaged ends with an error, or names the table, and never with the process.
func TestCompareWhatIsDamaged(t *testing.T) {
	whole := made(t, "CREATE TABLE t (id TEXT PRIMARY KEY, a)", "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO t SELECT 'key' || i, hex(i) FROM n")
	b := make([]byte, whole.Size())
	if _, err := whole.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(b); at += 97 {
		bad := bytes.Clone(b)
		for i := at; i < min(at+5, len(bad)); i++ {
			bad[i] ^= 0xa5
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if _, err := rows.Compare(ctx, whole, io.NewSectionReader(bytes.NewReader(bad), 0, int64(len(bad)))); errors.Is(err, context.DeadlineExceeded) {
			t.Error(at, err)
		}
		cancel()
	}
	if _, err := rows.Compare(t.Context(), whole, io.NewSectionReader(strings.NewReader("no database"), 0, 11)); err == nil {
		t.Error("what is no database was compared")
	}
}

func TestCompareEndsWithItsContext(t *testing.T) {
	long := made(t, "CREATE TABLE t (a)", "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<300000) INSERT INTO t SELECT i FROM n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := rows.Compare(ctx, long, long); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestALargeValueIsNotHeldInMemory names its table instead.
func TestALargeValueIsNotHeldInMemory(t *testing.T) {
	large := made(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "INSERT INTO t VALUES (1, zeroblob(20000000))")
	got, err := rows.Compare(t.Context(), large, large)
	if err != nil || len(got) != 1 || !strings.Contains(got[0].Problem, "too big") {
		t.Errorf("%v %+v", err, got)
	}
}
