package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTracesOfAHungDaemonAreKeptApart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	dir := filepath.Join(data, tracesDir)
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	if aborted(data, now) != "" {
		t.Error("traces before there are any")
	}
	var newest string
	for i := range tracesKept + 3 {
		path, err := writeTraces(dir, now.Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		newest = path
	}
	if names := tracesIn(dir); len(names) != tracesKept {
		t.Errorf("kept %v", names)
	}
	text, err := os.ReadFile(newest)
	if err != nil || !strings.Contains(string(text), "TestTracesOfAHungDaemonAreKeptApart") {
		t.Errorf("%v: %.200s", err, text)
	}
	last := now.Add((tracesKept + 2) * time.Minute)
	if got := aborted(data, last.Add(time.Second)); got != newest {
		t.Errorf("a run that was ended: %q", got)
	}
	if got := aborted(data, last.Add(time.Hour)); got != "" {
		t.Errorf("a later run that ended otherwise: %q", got)
	}
}
