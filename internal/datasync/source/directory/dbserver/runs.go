package dbserver

import (
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"baton/internal/pinned"
)

// Runs reports whether it is certain that a server of this machine uses the directory at a path. Unlike Look, it takes what cannot be told for no
// server: one that was killed leaves signs of use behind. One of PostgreSQL in a container is not found.
func (k Kind) Runs(dir *pinned.Dir, at string) bool {
	if k == PostgreSQL {
		return runsPostmaster(dir, at)
	}
	f, err := dir.OpenFile(path.Join(at, system), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	is, err := isLocked(f)
	return is && err == nil
}

// runsPostmaster reports whether postmaster.pid names a process of PostgreSQL that is in the directory, as each server of it is. Where this program may not see
// in which directory the process is, as without CAP_SYS_PTRACE, its name is enough.
func runsPostmaster(dir *pinned.Dir, at string) bool {
	f, err := dir.OpenFile(path.Join(at, lock), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	const more = 32 // bytes: more than a number has
	text, _ := io.ReadAll(io.LimitReader(f, more))
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(first), "-")) // of a server for a single user, it is below 0
	if err != nil {
		return false
	}
	process := "/proc/" + strconv.Itoa(pid)
	name, err := os.ReadFile(process + "/comm") //nolint:gosec // of a number
	if is := strings.TrimSpace(string(name)); err != nil || (is != "postgres" && is != "postmaster") {
		return false
	}
	var its unix.Stat_t
	if unix.Stat(process+"/cwd", &its) != nil {
		return true
	}
	own, err := dir.Stat(at)
	return err == nil && own.Dev == its.Dev && own.Ino == its.Ino
}
