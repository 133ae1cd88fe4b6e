package pair

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"baton/internal/pair/exclude"
)

// SQLite is the SQLite database of an application: its file, and what SQLite keeps beside that.
type SQLite struct{ Path Path }

// Kind implements Spec.
func (SQLite) Kind() DataKind { return DataSQLite }

// String implements Spec.
func (s SQLite) String() string { return string(s.Path) }

// Text implements Spec.
func (s SQLite) Text() string { return string(s.Path) }

// Whole implements Spec.
func (s SQLite) Whole() Spec { return s }

// Here implements Spec.
func (s SQLite) Here(ApplianceID) Spec { return s }

// Excludes implements Spec.
func (SQLite) Excludes() exclude.Patterns { return "" }

// maxDatabaseName is the longest name of a database, in bytes: Baton adds .NAME.baton-staging beside it.
const maxDatabaseName = MaxName - len(".") - len(".baton-staging")

// Check implements Spec.
func (s SQLite) Check() error {
	if name := string(s.Path[strings.LastIndexByte(string(s.Path), '/')+1:]); len(name) > maxDatabaseName {
		return fmt.Errorf("the name of the database has %d bytes, and those of the files beside it begin with it: rename it to one of at most %d", len(name), maxDatabaseName)
	}
	if strings.ToValidUTF8(string(s.Path), "") != string(s.Path) {
		return errors.New("the path of a database has to be text in UTF-8: rename it")
	}
	return Directory{Path: s.Path}.Check()
}

// Overlaps implements Spec. A directory in which the database lies may be protected as well, if it leaves that out.
func (s SQLite) Overlaps(other Spec) bool {
	switch o := other.(type) {
	case SQLite:
		return s == o
	case Directory:
		if o.Away != "" { // it would be left out of one of the two
			return Within(string(s.Path), string(o.Path)) || Within(string(s.Path), string(o.Elsewhere))
		}
		return o.Holds(s) && slices.ContainsFunc(o.patternsFor(s), func(p string) bool { return !slices.Contains(o.Exclude.List(), p) })
	}
	return false
}

// Holds reports whether a database lies in the directory.
func (d Directory) Holds(s SQLite) bool {
	return s.Path != d.Path && Within(string(s.Path), string(d.Path))
}

// patternsFor are the patterns by which the directory leaves out a database that lies in it.
func (d Directory) patternsFor(s SQLite) []string {
	whole := exclude.Only(strings.TrimPrefix(strings.TrimPrefix(string(s.Path), string(d.Path)), "/"))
	name := strings.LastIndexByte(whole, '/') + 1
	return []string{whole, whole + "-wal", whole + "-shm", whole + "-journal", whole[:name] + "." + whole[name:] + ".baton-*"}
}

// LeavingOut returns the directory without a database, if that lies in it. The error is one sentence for a person, without its full stop.
func (d Directory) LeavingOut(s SQLite) (Directory, error) {
	if !d.Holds(s) || d.Away != "" {
		return d, nil
	}
	return d.Excluding(append(d.Exclude.List(), d.patternsFor(s)...))
}

// TakingIn returns the directory with a database that LeavingOut has left out.
func (d Directory) TakingIn(s SQLite) (Directory, error) {
	if !d.Holds(s) || d.Away != "" {
		return d, nil
	}
	of := d.patternsFor(s)
	return d.Excluding(slices.DeleteFunc(d.Exclude.List(), func(p string) bool { return slices.Contains(of, p) }))
}
