package datasync

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"baton/internal/kept"
	"baton/internal/pair"
)

// TestRowsOfADivergedCopy has a former primary with orders that the new one has not, and the other way round.
func TestRowsOfADivergedCopy(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), "pragma journal_mode=wal;"+numberTable+"insert into number values (1,'a'), (2,'b')")
	p.mustPull(t)
	former := p.primary
	killedProgram(t, former.app(), "insert into number values (3,'here'); update number set b='changed here' where n=2")
	made, err := former.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	p.switchRoles(t)
	sqliteSays(t, p.primary.app(), "insert into number values (4,'there')")
	p.mustPull(t)
	want := []kept.DatabaseDifference{{Data: "app", Tables: []kept.TableDifference{{
		Table: "number", Key: []string{"n"}, OnlyCopy: kept.Rows{Rows: 1, Keys: []string{"3"}}, OnlyNow: kept.Rows{Rows: 1, Keys: []string{"4"}}, Changed: kept.Rows{Rows: 1, Keys: []string{"2"}},
	}}}}
	if got, err := former.Rows(t.Context(), made.ID); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	if report, err := former.Report(made.ID); err != nil || !reflect.DeepEqual(report.Databases, []string{"app"}) {
		t.Errorf("%+v %v", report.Databases, err)
	}
	path, err := former.Diverged.Path(made.ID)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(path, "files/app/app.db"), []byte("no database"), 0o600))
	got, err := former.Rows(t.Context(), made.ID)
	must(t, err)
	if len(got) != 1 || !strings.Contains(got[0].Problem, "no database that can be read") {
		t.Errorf("%+v", got)
	}
	if names := namesIn(t, filepath.Dir(former.app())); names != "app.db" {
		t.Errorf("a comparison left %s", names)
	}
}
