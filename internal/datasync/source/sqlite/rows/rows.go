// Package rows tells by which rows two SQLite databases differ, table by table.
//
// Both are files of others, so SQLite opens them as https://www.sqlite.org/security.html asks for what is not to be trusted: it reads them only, through a
// file system of two names (vfs.go), uses nothing of their schemas but tables, and neither writes nor keeps anything elsewhere.
//
// Start reading at Compare.
package rows

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
	"modernc.org/sqlite/vfs"

	"baton/internal/kept"
)

// Compare tells by which rows a copy of a database differs from the database as it is now. A table that cannot be compared is named with the reason.
// It takes as long as the databases are large: until the context is over.
func Compare(ctx context.Context, copied, now *io.SectionReader) (tables []kept.TableDifference, err error) {
	name, registered, err := vfs.New(both{copied: copied, current: now})
	if err != nil {
		return nil, fmt.Errorf("open databases: %w", err)
	}
	defer func() { err = errors.Join(err, registered.Close()) }()
	db, err := sql.Open("sqlite", "file:"+copyName+"?mode=ro&immutable=1&_defensive=1&vfs="+name)
	if err != nil {
		return nil, fmt.Errorf("open databases: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	c := comparing{db: db, err: bound(ctx, db)}
	c.do(ctx, "PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON", "PRAGMA temp_store=MEMORY", "PRAGMA automatic_index=OFF", "PRAGMA query_only=ON",
		"ATTACH 'file:"+currentName+"?mode=ro&immutable=1&vfs="+name+"' AS "+ofNow)
	return c.all(ctx)
}

// mostValue is how large one value may be, in bytes: it is held in memory.
const mostValue = 16 << 20

func bound(ctx context.Context, db *sql.DB) (err error) {
	conn, err := db.Conn(ctx) // the only one
	if err != nil {
		return err
	}
	_, err = sqlite.Limit(conn, lib.SQLITE_LIMIT_LENGTH, mostValue)
	return errors.Join(err, conn.Close())
}

// What the two databases are called in SQL.
const (
	ofCopy = "main"
	ofNow  = "now"
)

// comparing has two databases. After an error it does nothing more.
type comparing struct {
	db  *sql.DB
	err error
}

func (c *comparing) do(ctx context.Context, statements ...string) {
	for _, s := range statements {
		if c.err == nil {
			_, c.err = c.db.ExecContext(ctx, s)
		}
	}
}

// texts returns the first column of what a query finds, as texts.
func (c *comparing) texts(ctx context.Context, query string, args ...any) (all []string) {
	c.each(ctx, func(text string) { all = append(all, text) }, query, args...)
	return all
}

func (c *comparing) each(ctx context.Context, found func(text string), query string, args ...any) {
	if c.err != nil {
		return
	}
	rows, err := c.db.QueryContext(ctx, query, args...)
	if err != nil {
		c.err = err
		return
	}
	defer func() { c.err = errors.Join(c.err, rows.Close()) }()
	for rows.Next() {
		var text string
		if c.err = rows.Scan(&text); c.err != nil {
			return
		}
		found(text)
	}
	c.err = rows.Err()
}

// all compares every table.
func (c *comparing) all(ctx context.Context) (tables []kept.TableDifference, err error) {
	was, is := c.tables(ctx, ofCopy, "table"), c.tables(ctx, ofNow, "table")
	modules := slices.Concat(c.tables(ctx, ofCopy, "virtual"), c.tables(ctx, ofNow, "virtual"))
	if c.err != nil {
		return nil, fmt.Errorf("read databases: %w", c.err)
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(modules))) {
		tables = append(tables, kept.TableDifference{Table: name, Problem: "A module of SQLite keeps it, so that its rows cannot be compared."})
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(was, is)))) {
		var in []string
		if slices.Contains(was, name) {
			in = append(in, ofCopy)
		}
		if slices.Contains(is, name) {
			in = append(in, ofNow)
		}
		table, err := c.compare(ctx, name, in)
		if ctx.Err() != nil {
			return tables, fmt.Errorf("compare table %q: %w", name, context.Cause(ctx))
		}
		if err != nil {
			table.Problem = "It cannot be compared: " + err.Error() + "."
		}
		if table.Problem != "" || table.OnlyCopy.Rows+table.OnlyNow.Rows+table.Changed.Rows > 0 {
			tables = append(tables, table)
		}
	}
	return tables, nil
}

// tables lists the tables of one of the databases that are of a type: table, with rows of its own, or virtual, which a module keeps.
func (c *comparing) tables(ctx context.Context, of, as string) []string {
	return c.texts(ctx, `SELECT name FROM pragma_table_list WHERE schema = ? AND type = ? AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`, of, as)
}

// compare tells how a table differs that is in some of the databases.
func (c *comparing) compare(ctx context.Context, name string, in []string) (kept.TableDifference, error) {
	c.err = nil
	t := c.sides(ctx, name, in)
	table := kept.TableDifference{Table: name, Key: t.key, Problem: t.problem}
	switch {
	case c.err != nil:
	case len(in) > 1:
		table.OnlyCopy, table.OnlyNow, table.Changed = c.count(ctx, t.only(ofCopy, ofNow)), c.count(ctx, t.only(ofNow, ofCopy)), c.count(ctx, t.changed())
	case in[0] == ofCopy:
		table.OnlyCopy = c.count(ctx, t.all(ofCopy))
	default:
		table.OnlyNow = c.count(ctx, t.all(ofNow))
	}
	return table, c.err
}

// sides finds out by what the rows of a table can be told apart, and which columns all of the databases have.
func (c *comparing) sides(ctx context.Context, name string, in []string) sides {
	t := sides{name: quoted(name)}
	var own, taken [][]string
	for n, one := range in {
		columns := c.texts(ctx, `SELECT name FROM pragma_table_xinfo(?, ?) WHERE hidden = 0`, name, one)
		key := c.texts(ctx, `SELECT name FROM pragma_table_xinfo(?, ?) WHERE pk > 0 ORDER BY pk`, name, one)
		taken = append(taken, c.texts(ctx, `SELECT name FROM pragma_table_xinfo(?, ?)`, name, one)) // with those that are worked out from others
		if own = append(own, columns); n == 0 {
			t.key, t.columns = key, slices.Clone(columns)
		}
		if !slices.Equal(t.key, key) || c.lacksKey(ctx, t.name, key, one) {
			t.key = nil
		}
		t.columns = slices.DeleteFunc(t.columns, func(column string) bool { return !slices.Contains(columns, column) })
	}
	if other := lacking(slices.Concat(own...), t.columns); len(other) > 0 {
		t.problem = "Its columns are not the same in both: " + strings.Join(other, ", ") + " cannot be compared."
	}
	if len(t.key) == 0 {
		names := lacking([]string{"rowid", "_rowid_", "oid"}, slices.Concat(taken...)) // SQLite takes each for the number of a row
		if len(names) == 0 {
			c.err = errors.Join(c.err, errors.New("nothing tells its rows apart"))
			return t
		}
		t.key = names[:1]
	}
	t.columns = lacking(t.columns, t.key)
	return t
}

// lacking returns what of all is not in some.
func lacking(all, some []string) (rest []string) {
	for _, one := range all {
		if !slices.ContainsFunc(some, func(s string) bool { return strings.EqualFold(s, one) }) && !slices.Contains(rest, one) {
			rest = append(rest, one)
		}
	}
	return rest
}

// lacksKey reports whether a row has no key, or only a part of it, so that there may be several of these.
func (c *comparing) lacksKey(ctx context.Context, table string, key []string, in string) bool {
	if len(key) == 0 {
		return true
	}
	none := make([]string, len(key))
	for i, column := range key {
		none[i] = quoted(column) + " IS NULL"
	}
	return len(c.texts(ctx, "SELECT 1 FROM "+in+"."+table+" WHERE "+strings.Join(none, " OR ")+" LIMIT 1")) > 0
}

// mostKeys is how many rows of a table are named.
const mostKeys = 20

func (c *comparing) count(ctx context.Context, query string) (rows kept.Rows) {
	c.each(ctx, func(key string) {
		if rows.Rows++; len(rows.Keys) < mostKeys {
			rows.Keys = append(rows.Keys, key)
		}
	}, query)
	return rows
}

// sides is a table of both databases.
type sides struct {
	name    string // quoted
	key     []string
	columns []string // the rest, as far as both have them
	problem string   // what of it cannot be compared
}

// all finds the rows of one database.
func (s sides) all(one string) string {
	return "SELECT " + s.named("a") + " FROM " + one + "." + s.name + " a"
}

// only finds the rows that one database has and the other has not.
func (s sides) only(one, other string) string {
	return s.all(one) + " WHERE NOT EXISTS (SELECT 1 FROM " + other + "." + s.name + " b WHERE " + s.same() + ")"
}

// changed finds the rows that both have, in which another column differs.
func (s sides) changed() string {
	const atOnce = 100 // SQLite bounds how deep an expression is
	groups := []string{"FALSE"}
	for some := range slices.Chunk(s.columns, atOnce) {
		differ := make([]string, len(some))
		for i, column := range some {
			differ[i] = "a." + quoted(column) + " IS NOT b." + quoted(column) + " COLLATE BINARY"
		}
		groups = append(groups, "("+strings.Join(differ, " OR ")+")")
	}
	return "SELECT " + s.named("a") + " FROM " + ofCopy + "." + s.name + " a JOIN " + ofNow + "." + s.name + " b ON " + s.same() + " WHERE " + strings.Join(groups, " OR ")
}

// same is the condition that two rows have the same key.
func (s sides) same() string {
	same := make([]string, len(s.key))
	for i, column := range s.key {
		same[i] = "a." + quoted(column) + " IS b." + quoted(column)
	}
	return strings.Join(same, " AND ")
}

// named is a key in words: what is long is cut off.
func (s sides) named(of string) string {
	parts := make([]string, len(s.key))
	for i, column := range s.key {
		value := of + "." + quoted(column)
		parts[i] = "CASE typeof(" + value + ") WHEN 'blob' THEN 'x' || hex(substr(" + value + ", 1, 32)) WHEN 'null' THEN 'NULL' ELSE substr(" + value + ", 1, 64) END"
	}
	return strings.Join(parts, " || ', ' || ")
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
