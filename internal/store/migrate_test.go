package store

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/pair"
	"baton/internal/store/schema"
)

// TestEveryOldDatabaseIsBroughtUp opens a database of every released version, as
// testdata holds it, and reads what an administrator had stored.
func TestEveryOldDatabaseIsBroughtUp(t *testing.T) {
	fixtures, err := filepath.Glob("testdata/version-*.sql")
	if err != nil || len(fixtures) != schema.Version() {
		t.Fatalf("%d versions, %d fixtures (%v): add testdata/version-N.sql with each step", schema.Version(), len(fixtures), err)
	}
	for _, fixture := range fixtures {
		t.Run(strings.TrimSuffix(filepath.Base(fixture), ".sql"), func(t *testing.T) {
			text, err := os.ReadFile(fixture)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "site.db")
			db, err := sql.Open("sqlite", dsn(path, ""))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), string(text)); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			checkBroughtUp(t, reopenSite(t, path, alpha))
		})
	}
}

func checkBroughtUp(t *testing.T, s *Site) {
	t.Helper()
	ctx := t.Context()
	settings, version, err := s.Settings.Get(ctx)
	if err != nil || version != 4 || settings.TimeZone != "Europe/Berlin" {
		t.Errorf("settings %v, version %d, %v", settings, version, err)
	}
	if user, err := s.Users.Authenticate(ctx, "ann", "correct horse"); err != nil || user.DisplayName != "Ann" {
		t.Errorf("user %+v, %v", user, err)
	}
	if token, err := s.Tokens.Authenticate(ctx, "baton_fixture"); err != nil || token.Role != pair.Viewer {
		t.Errorf("token %+v, %v", token, err)
	}
	if data, err := s.Data.List(ctx); err != nil || len(data) != 1 || data[0] != (pair.Data{Name: "www", Spec: pair.Directory{Path: "/srv/www"}}) {
		t.Errorf("data %v, %v", data, err)
	}
	if site, version, err := s.Documents.Get(ctx, "site"); err != nil || string(site) != `{"name":"Help desk"}` || version != 1 {
		t.Errorf("the site's document %s, version %d, %v", site, version, err)
	}
	before := history(t, s, Filter{})
	if event := note(t, s, "again"); event.ID != eventID(alpha, int64(len(before)+1)) {
		t.Errorf("the history goes on with %s after %d", event.ID, len(before))
	}
}

func TestOpeningTwiceChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	var before string
	for range 2 {
		s, err := OpenSite(t.Context(), path, alpha, quiet())
		if err != nil {
			t.Fatal(err)
		}
		var now string
		row := s.db.reader.QueryRowContext(t.Context(), `SELECT group_concat(sql, ';') || (SELECT user_version FROM pragma_user_version) FROM sqlite_schema`)
		if err := row.Scan(&now); err != nil || before != "" && now != before {
			t.Errorf("%v: schema changed to %s", err, now)
		}
		before = now
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
