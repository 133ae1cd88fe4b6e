package traces

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
	dir := filepath.Join(data, folder)
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	if Left(data, now) != "" {
		t.Error("traces before there are any")
	}
	var newest string
	for i := range kept + 3 {
		path, err := write(dir, now.Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		newest = path
	}
	if names := files(dir); len(names) != kept {
		t.Errorf("kept %v", names)
	}
	text, err := os.ReadFile(newest)
	if err != nil || !strings.Contains(string(text), "TestTracesOfAHungDaemonAreKeptApart") {
		t.Errorf("%v: %.200s", err, text)
	}
	last := now.Add((kept + 2) * time.Minute)
	if got := Left(data, last.Add(time.Second)); got != newest {
		t.Errorf("a run that was ended: %q", got)
	}
	if got := Left(data, last.Add(time.Hour)); got != "" {
		t.Errorf("a later run that ended otherwise: %q", got)
	}
}
