package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestARunThatWasBrokenOffGoesOn keeps a study, and reads it again: for the same program only.
func TestARunThatWasBrokenOffGoesOn(t *testing.T) {
	dir := t.TempDir()
	program, file := filepath.Join(dir, "program"), filepath.Join(dir, "found")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(program, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func() *record {
		t.Helper()
		r, err := openRecord(file, program)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	write("one")
	r, bound := open(), 3.0
	rows := []row{{scenario: "s", measure: "m", program: "theirs", values: []value{{1, false}, {2, true}}}, {scenario: "s", measure: "m", program: "ours", values: []value{{4, false}}, share: 0.5, bound: &bound}}
	rows[1].against = &rows[0]
	if _, is := r.has("study"); is {
		t.Error("it has a study that never ran")
	}
	if err := r.keep("study", rows); err != nil {
		t.Fatal(err)
	}
	again, is := open().has("study")
	if !is || len(again) != 2 || again[1].against != &again[0] || again[0].worst() != rows[0].worst() || again[1].result() != rows[1].result() || *again[1].bound != bound {
		t.Errorf("%+v", again)
	}
	write("two")
	if _, err := openRecord(file, program); err == nil {
		t.Error("what another program did is taken for the same run")
	}
}
