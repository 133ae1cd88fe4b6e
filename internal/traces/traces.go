// Package traces keeps what a watchdog that ends a hung daemon leaves: a line in the log, and the
// traces of everything that ran in a file of their own.
package traces

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where traces are kept, and how many.
const (
	folder = "traces" // in data_dir
	kept   = 5        // files; the oldest go
)

// Watch waits for SIGABRT, by which systemd's watchdog ends a daemon that hangs,
// and ends the program then. It is over once stop is called.
func Watch(dataDir string, log *slog.Logger) (stop func()) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGABRT)
	go func() {
		if _, ended := <-asked; !ended {
			return
		}
		path, err := write(filepath.Join(dataDir, folder), time.Now())
		if err != nil {
			log.Error("ended by SIGABRT, as by a watchdog: the daemon hung; its traces could not be written", slog.String("error", err.Error()))
		} else {
			log.Error("ended by SIGABRT, as by a watchdog: the daemon hung", slog.String("traces", path))
		}
		_ = unix.Kill(os.Getpid(), unix.SIGKILL) // at once: what hangs would not end otherwise
	}()
	return func() {
		signal.Stop(asked)
		close(asked)
	}
}

// write writes where every goroutine is, and returns the path.
func write(dir string, now time.Time) (path string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the directory of traces: %w", err)
	}
	path = filepath.Join(dir, now.UTC().Format("20060102T150405.000Z")+".txt")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // in the data directory
	if err != nil {
		return "", fmt.Errorf("make a file for traces: %w", err)
	}
	err = errors.Join(pprof.Lookup("goroutine").WriteTo(file, 2), file.Sync(), file.Close())
	for _, old := range older(dir) {
		_ = os.Remove(filepath.Join(dir, old)) // tried again at the next one
	}
	return path, err
}

// older lists those beyond the ones that are kept.
func older(dir string) []string {
	names := files(dir)
	return names[:max(len(names)-kept, 0)]
}

// files lists the files of traces, oldest first.
func files(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var names []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".txt") {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names
}

// Left returns the traces of a run that was ended after its last sign of life; empty
// if the run before ended otherwise.
func Left(dataDir string, alive time.Time) (path string) {
	dir := filepath.Join(dataDir, folder)
	names := files(dir)
	if len(names) == 0 || alive.IsZero() {
		return ""
	}
	newest := names[len(names)-1]
	written, err := time.Parse("20060102T150405.000Z", strings.TrimSuffix(newest, ".txt"))
	const beat = 5 * time.Second // signs of life go on while another part hangs
	if err != nil || written.Before(alive.Add(-beat)) {
		return ""
	}
	return filepath.Join(dir, newest)
}
