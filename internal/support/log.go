package support

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Log keeps the newest lines of the daemon's own log, for the support bundle.
type Log struct {
	mu    sync.Mutex
	lines [2000]string
	next  int
}

// maxLogLine bounds one kept line, in bytes.
const maxLogLine = 1 << 10

// Logger returns a logger that writes to another one and is kept here as well, less
// what sounds like a secret.
func (r *Log) Logger(to *slog.Logger) *slog.Logger {
	kept := slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: hideSecret})
	return slog.New(slog.NewMultiHandler(to.Handler(), kept))
}

// hideSecret takes the value off an attribute that is named like a secret.
func hideSecret(_ []string, attr slog.Attr) slog.Attr {
	for _, word := range []string{"token", "password", "secret", "cookie", "private"} {
		if strings.Contains(strings.ToLower(attr.Key), word) {
			return slog.String(attr.Key, takenOut)
		}
	}
	return attr
}

// Write implements io.Writer: one call is one line.
func (r *Log) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[r.next%len(r.lines)] = strings.TrimRight(string(line[:min(len(line), maxLogLine)]), "\n")
	r.next++
	return len(line), nil
}

// Text returns the kept lines, oldest first.
func (r *Log) Text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := r.next % len(r.lines)
	kept := slices.DeleteFunc(slices.Concat(r.lines[from:], r.lines[:from]), func(line string) bool { return line == "" })
	return strings.Join(kept, "\n") + "\n"
}
