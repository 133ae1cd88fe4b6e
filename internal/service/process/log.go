package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/service"
	"baton/internal/service/program"
)

// A service writes into a file by itself: one that wrote to the daemon would wait for it, and be ended with it.
// The daemon gives back the room of what is old, and so loses no line that is being written: the file looks longer than it is.
const (
	mostRoom  = 8 << 20 // bytes on the disk
	keptLog   = 1 << 20 // bytes that are left of it then
	mostSize  = 1 << 40 // bytes, with those that have been given back: no file system takes any size
	trimEvery = 200 * time.Millisecond
)

// logFile is the file to which a service writes. Only root reads it.
type logFile struct{ path string }

// output is what a program writes to: the log, or nothing if that cannot be opened. On a full disk a service is to run all the same.
func (l logFile) output() (*os.File, error) {
	if file, err := l.open(); err == nil {
		return file, nil
	}
	return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
}

// open opens it for a program to append to. Nothing writes to it now.
func (l logFile) open() (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the services' logs: %w", err)
	}
	if info, err := os.Stat(l.path); err == nil && info.Size() > mostRoom {
		end, err := tail(l.path, keptLog)
		if err == nil {
			err = os.WriteFile(l.path, end, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("shorten the log of a service: %w", err)
		}
	}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of a service: %w", err)
	}
	return file, nil
}

// trim gives back the room of what is old, until ended is closed.
func (l logFile) trim(ended <-chan struct{}) {
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			_ = l.shorten()
			return
		case <-ticker.C:
			_ = l.shorten() // it is tried again
		}
	}
}

func (l logFile) shorten() error {
	var stat unix.Stat_t
	if err := unix.Stat(l.path, &stat); err != nil || room(stat) <= mostRoom {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // nothing is written
	old := stat.Size - keptLog
	if old > 0 && stat.Size < mostSize && unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, old) == nil {
		if err := unix.Fstat(int(file.Fd()), &stat); err != nil || room(stat) <= stat.Size-old+keptLog { // with what was written meanwhile
			return err
		}
	}
	return file.Truncate(0) // a file system that cannot, or a file in which the service has reserved room, or has gone elsewhere
}

// room is what a file takes on the disk, in bytes.
func room(stat unix.Stat_t) int64 { const block = 512; return stat.Blocks * block }

// tail is the end of a file; of none, nothing.
func tail(path string, most int64) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // our own
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was read only
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-most), most))
}

// last is the last lines of it.
func (l logFile) last(lines int) ([]service.Line, error) {
	text, err := tail(l.path, keptLog/2) // what is newer than what is being given back
	if err != nil {
		return nil, err
	}
	all := []service.Line{}
	for line := range bytes.Lines(text) {
		all = append(all, service.Line{Text: program.Shown(string(bytes.TrimRight(line, "\n")))})
	}
	return all[max(0, len(all)-lines):], nil
}
