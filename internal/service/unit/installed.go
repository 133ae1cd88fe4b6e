package unit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"syscall"

	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/service"
	"baton/internal/systemd"
	"baton/internal/systemd/listening"
)

// Installed implements drystart.Machine.
func (m *Machine) Installed(ctx context.Context, of service.Definition) (found pair.InstalledService, err error) {
	err = m.do(ctx, func(conn *systemd.Manager) error {
		unit, err := conn.Unit(ctx, of.RunsAs())
		found = pair.InstalledService{Program: program(of), User: of.Command.User, Ports: conn.Ports(unit)}
		if err == nil && of.Unit != "" {
			err = m.unit(ctx, conn, unit, &found)
		}
		return err
	})
	if err != nil || found.Lacks != "" {
		return found, err
	}
	if found.Program != "" {
		found.ProgramSum, found.Lacks = m.sums.program(found.Program)
	}
	found.Lacks = cmp.Or(found.Lacks, directory(of.Command.Dir))
	if found.User == "" {
		return found, nil
	}
	one, err := user.Lookup(found.User)
	if err == nil {
		found.UserID = one.Uid
	} else if _, unknown := errors.AsType[user.UnknownUserError](err); unknown && of.Unit == "" {
		found.Lacks = fmt.Sprintf("there is no user %s on this machine: make it with useradd, with the number that it has on the primary", found.User)
	}
	return found, nil
}

// unit looks at a unit. Of a timer, what it starts counts as well.
func (m *Machine) unit(ctx context.Context, conn *systemd.Manager, unit systemd.Unit, found *pair.InstalledService) error {
	found.Lacks, found.User, found.Program = unit.Unloadable(), unit.User, unit.Program
	found.UnitSum = m.sums.unit(append([]string{unit.File}, unit.DropIns...))
	if len(unit.Triggers) == 0 {
		return nil
	}
	started, err := conn.Unit(ctx, unit.Triggers[0])
	if err != nil {
		return err
	}
	found.User, found.Program, found.Lacks = started.User, started.Program, cmp.Or(found.Lacks, started.Unloadable())
	found.UnitSum = m.sums.unit(slices.Concat([]string{unit.File, started.File}, unit.DropIns, started.DropIns))
	return nil
}

// program is what a command starts.
func program(of service.Definition) string {
	if len(of.Command.Args) == 0 {
		return ""
	}
	return of.Command.Args[0]
}

// Taken implements drystart.Machine.
func (m *Machine) Taken(ports []string) ([]string, error) { return listening.Taken(ports) }

// sums remembers what files hold: a program of 100 MB is read once.
type sums struct {
	mu    sync.Mutex
	known map[string]sum // by path
}

type sum struct {
	file stamp
	text string
}

// stamp changes whenever a file is written or replaced.
type stamp struct {
	device, inode  uint64
	size           int64
	written, moved syscall.Timespec
}

// longest is a program that is not hashed any more, in bytes.
const longest = 1 << 30

// unit is the sum of the files that make a unit.
func (s *sums) unit(paths []string) string {
	all := sha256.New()
	for _, path := range paths {
		if path == "" {
			continue
		}
		text, why := s.of(path)
		_, _ = fmt.Fprintln(all, path, text, why)
	}
	return hex.EncodeToString(all.Sum(nil))
}

// program is the sum of a program, or why it cannot be started.
func (s *sums) program(path string) (text, lacks string) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", path + " is not on this machine: install it"
	case err != nil:
		return "", "" // it may lie where this daemon does not look, and the service does
	case info.IsDir():
		return "", path + " is a directory: name the program"
	case info.Mode()&0o111 == 0:
		return "", fmt.Sprintf("%s cannot be executed: chmod +x %s", path, path)
	}
	text, _ = s.of(path)
	return text, ""
}

// directory says why nothing can be started in a directory; empty if none is named. The daemon has a /tmp
// of its own, so it cannot tell of those.
func directory(path string) (lacks string) {
	if path == "" || strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/var/tmp/") {
		return ""
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path + ", the directory that it runs in, is not on this machine: make it"
	case err == nil && !info.IsDir():
		return path + " is not a directory: name the one that it runs in"
	}
	return ""
}

// of is the sum of a regular file; empty, and why, if it cannot be read.
func (s *sums) of(path string) (text, why string) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // a program or a unit file
	if err != nil {
		return "", cause.Of(err)
	}
	defer file.Close() //nolint:errcheck // it is read only
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > longest {
		return "", "no file that is read"
	}
	stat, is := info.Sys().(*syscall.Stat_t)
	if !is {
		return "", "no file that is read"
	}
	now := stamp{device: stat.Dev, inode: stat.Ino, size: stat.Size, written: stat.Mtim, moved: stat.Ctim}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, known := s.known[path]; known && last.file == now {
		return last.text, ""
	}
	all := sha256.New()
	if _, err := io.Copy(all, file); err != nil {
		return "", cause.Of(err)
	}
	text = hex.EncodeToString(all.Sum(nil))
	if s.known == nil || len(s.known) > 1000 {
		s.known = map[string]sum{}
	}
	s.known[strings.Clone(path)] = sum{now, text}
	return text, ""
}
