package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"baton/internal/datasync/offer"
	"baton/internal/pair"
)

// A file that could not be copied for a moment is no condition; of several, the one is named that has waited longest.
func TestAFileThatKeepsChangingIsTold(t *testing.T) {
	for _, row := range []struct {
		since []time.Duration
		says  string // empty: nothing
	}{
		{nil, ""},
		{[]time.Duration{time.Second}, ""},
		{[]time.Duration{2 * time.Minute}, "/srv/www/file0 changes while it is read"},
		{[]time.Duration{2 * time.Minute, time.Hour, time.Second}, "/srv/www/file1 changes while it is read"},
		{[]time.Duration{2 * time.Minute, time.Hour}, "So does 1 other file."},
		{[]time.Duration{2 * time.Minute, time.Hour, time.Hour}, "So do 2 other files."},
	} {
		var files []offer.Moving
		for i, d := range row.since {
			one := offer.Moving{In: "/srv/www", Since: time.Now().Add(-d)}
			one.Path = fmt.Sprintf("file%d", i)
			files = append(files, one)
		}
		told := (&Moving{Found: func() []offer.Moving { return files }, LeftOut: none, Differed: none}).Conditions()
		if (len(told) > 0) != (row.says != "") || (len(told) > 0 && !strings.Contains(told[0].Text, row.says)) {
			t.Errorf("%v: %+v, want %q", row.since, told, row.says)
		}
	}
}

// A database server that runs is told at once, with what the backup has of it, and how it is left out.
func TestADatabaseServerThatRunsIsTold(t *testing.T) {
	for _, row := range []struct {
		path string
		was  time.Time
		says []string
	}{
		{"db/main", time.Time{}, []string{"no copy of it, and keeps what that machine has there itself", "baton data set www --exclude '/db/main/'"}},
		{"db", time.Date(2026, 11, 29, 22, 2, 22, 0, time.UTC), []string{"it as of 2026-11-29 22:02:22 UTC"}},
		{".", time.Time{}, []string{"baton data remove www"}},
	} {
		one := offer.Moving{Data: "www", In: "/srv/www", Since: time.Now()}
		one.Path, one.By, one.Was, one.LeftOut = row.path, "PostgreSQL", row.was, row.was.IsZero()
		told := (&Moving{Found: func() []offer.Moving { return []offer.Moving{one} }, LeftOut: none, Differed: none}).Conditions()
		if len(told) != 1 || told[0].ID != "database-not-copied" {
			t.Fatalf("%s: %+v", row.path, told)
		}
		for _, says := range row.says {
			if !strings.Contains(told[0].Text+told[0].NextStep, says) {
				t.Errorf("%s: %+v, want %q", row.path, told[0], says)
			}
		}
	}
}

// A backup tells what a takeover by it would find in another state.
func TestWhatTheSnapshotLeavesOutIsTold(t *testing.T) {
	told := (&Moving{Found: func() []offer.Moving { return nil }, LeftOut: func() []string { return []string{`/db in "www"`, `all of "mail"`} }, Differed: none}).Conditions()
	if len(told) != 1 || told[0].ID != "database-not-copied" || told[0].Severity != pair.Critical || !strings.Contains(told[0].Text, `leaves out /db in "www", all of "mail"`) {
		t.Errorf("told: %+v", told)
	}
}

func none() []string { return nil }

// A database that its program keeps locked is told after a minute, one in which a bit flipped at once.
func TestADatabaseThatCannotBeReadIsTold(t *testing.T) {
	one := offer.Moving{Data: "app", In: "/srv/app/app.db", Since: time.Now()}
	one.Path, one.Locked, one.LeftOut = "app.db", true, true
	w := &Moving{Found: func() []offer.Moving { return []offer.Moving{one} }, LeftOut: none, Differed: none}
	if told := w.Conditions(); len(told) != 0 {
		t.Errorf("told at once: %+v", told)
	}
	one.Since = time.Now().Add(-2 * time.Minute)
	if told := w.Conditions(); len(told) != 1 || told[0].ID != "database-locked" || !strings.Contains(told[0].Text, "the database /srv/app/app.db has kept it locked") || !strings.Contains(told[0].Text, "no copy of it") {
		t.Errorf("%+v", told)
	}
	w = &Moving{Found: func() []offer.Moving { return nil }, LeftOut: none, Differed: func() []string { return []string{"/a.db", "/b.db"} }}
	if told := w.Conditions(); len(told) != 1 || told[0].ID != "database-differed" || !strings.Contains(told[0].Text, "/a.db was read again") || !strings.Contains(told[0].Text, "1 other database") {
		t.Errorf("%+v", told)
	}
}
