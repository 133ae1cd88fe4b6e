package pair_test

import (
	"slices"
	"testing"

	"baton/internal/pair"
)

func TestADirectoryLeavesOutTheDatabasesInIt(t *testing.T) {
	t.Parallel()
	database := pair.SQLite{Path: "/srv/app/data/a[1].db"}
	dir, err := pair.Directory{Path: "/srv/app"}.Excluding([]string{"cache/"})
	if err != nil {
		t.Fatal(err)
	}
	if !database.Overlaps(dir) || !dir.Overlaps(database) {
		t.Error("a database in a protected directory is not told from it")
	}
	without, err := dir.LeavingOut(database)
	if err != nil {
		t.Fatal(err)
	}
	if database.Overlaps(without) || without.Overlaps(database) {
		t.Error("they still overlap")
	}
	m := without.Exclude.Matcher()
	for _, path := range []string{"data/a[1].db", "data/a[1].db-wal", "data/a[1].db-shm", "data/a[1].db-journal", "data/.a[1].db.baton-staging", "cache/x"} {
		if !m.Excludes(path) {
			t.Errorf("%s is not left out", path)
		}
	}
	for _, path := range []string{"data", "data/a1.db", "data/a[1].db-old", "data/a[1].db.bak", "a[1].db", "other/a[1].db"} {
		if m.Excludes(path) {
			t.Errorf("%s is left out", path)
		}
	}
	again, err := without.TakingIn(database)
	if err != nil || !slices.Equal(again.Exclude.List(), []string{"cache/"}) {
		t.Errorf("%v %v", again, err)
	}
	elsewhere := pair.Directory{Path: "/srv/appendix"}
	if same, err := elsewhere.LeavingOut(database); err != nil || same != elsewhere || database.Overlaps(elsewhere) {
		t.Error("another directory is concerned")
	}
	for _, text := range []string{"/srv/app/a.db", "relative", ""} {
		spec, err := pair.ParseSpec(pair.DataSQLite, text)
		if is := err == nil; is != (text[:min(1, len(text))] == "/") || is && spec.Text() != text {
			t.Errorf("%q: %v %v", text, spec, err)
		}
	}
}
