package program

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestLastLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"\n\n":                          "",
		"no line break":                 "no line break",
		"first\nthe disk is full\n\n":   "the disk is full",
		"red \x1b[31m\xff\n":            "red  [31m?",
		strings.Repeat("x", 5000) + "y": strings.Repeat("x", 199) + "y",
	} {
		if got := written(t, text, 1); got != want {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
}

// A check that prints a gigabyte is read to its end, and not kept.
func TestMuchIsReadAndNotKept(t *testing.T) {
	t.Parallel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if got := written(t, strings.Repeat("0123456789abcde\n", 1<<16), 1<<10); got != "0123456789abcde" {
		t.Error(got)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("it takes %d bytes", used)
	}
}

func written(t *testing.T, text string, times int) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close() //nolint:errcheck // read only
	go func() {
		defer write.Close() //nolint:errcheck // the reader sees what is missing
		for range times {
			if _, err := write.WriteString(text); err != nil {
				t.Error(err)
			}
		}
	}()
	return LastLine(lastOf(read, 400), 200)
}
