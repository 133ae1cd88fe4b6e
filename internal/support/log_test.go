package support

import (
	"log/slog"
	"strings"
	"testing"
)

func TestTheNewestLinesOfTheLogAreKept(t *testing.T) {
	var kept Log
	log := kept.Logger(slog.New(slog.DiscardHandler))
	for i := range len(kept.lines) + 10 {
		log.Info("line", slog.Int("n", i))
	}
	log.Info("long", slog.String("x", strings.Repeat("x", 10*maxLogLine)))
	lines := strings.Split(strings.TrimSpace(kept.Text()), "\n")
	if len(lines) != len(kept.lines) || !strings.Contains(lines[0], "n=11") || len(lines[len(lines)-1]) > maxLogLine {
		t.Errorf("%d lines, the first %q, the last of %d bytes", len(lines), lines[0], len(lines[len(lines)-1]))
	}
}
