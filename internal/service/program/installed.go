package program

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/service"
)

// Of is the program that a command starts; empty: the service is none.
func Of(of service.Definition) string {
	if len(of.Command.Args) == 0 {
		return ""
	}
	return of.Command.Args[0]
}

// Complete finds out the rest of what is installed, of a service whose program and user are known: what
// the program holds, the number of the user, and what is missing.
func (s *Sums) Complete(found pair.InstalledService, of service.Definition) pair.InstalledService {
	if found.Program != "" {
		var err error
		found.ProgramSum, found.Lacks, err = s.program(found.Program)
		found.Unread = withUnread(found.Unread, err)
	}
	found.Lacks = cmp.Or(found.Lacks, directory(of.Command.Dir))
	if found.User == "" {
		return found
	}
	if _, err := strconv.ParseUint(found.User, 10, 32); err == nil { // a number needs no name
		found.UserID = found.User
		return found
	}
	one, err := user.Lookup(found.User)
	if err == nil {
		found.UserID = one.Uid
	} else if _, unknown := errors.AsType[user.UnknownUserError](err); unknown && of.Unit == "" {
		found.Lacks = fmt.Sprintf("there is no user %s on this machine: make it with useradd, with the number that it has on the primary", found.User)
	}
	return found
}

// Sums remembers what files hold: a program of 100 MB is read once.
type Sums struct {
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

// Files is the sum of several files, as of those that make a unit; and those that cannot be read, each with the reason.
func (s *Sums) Files(paths []string) (text string, unread []string) {
	all := sha256.New()
	for _, path := range paths {
		if path == "" {
			continue
		}
		text, err := s.of(path)
		unread = withUnread(unread, err)
		_, _ = fmt.Fprintln(all, path, text)
	}
	return hex.EncodeToString(all.Sum(nil)), unread
}

// program is the sum of a program; else why it cannot be started, or why it cannot be read.
func (s *Sums) program(path string) (text, lacks string, unread error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", path + " is not on this machine: install it", nil
	case err != nil:
		return "", "", unreadError(path, cause.Of(err)) // it may lie where this daemon does not look, and the service does
	case info.IsDir():
		return "", path + " is a directory: name the program", nil
	case info.Mode()&0o111 == 0:
		return "", fmt.Sprintf("%s cannot be executed: chmod +x %s", path, path), nil
	}
	text, err = s.of(path)
	return text, "", err
}

// unreadError is of a file that is not read, as part of a sentence.
func unreadError(path, why string) error { return fmt.Errorf("%s (%s)", path, why) }

func withUnread(unread []string, err error) []string {
	const most = 8 // of one service: the peer would refuse a report that is too long
	if err == nil || len(unread) >= most {
		return unread
	}
	return append(unread, err.Error())
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

// of is the sum of a regular file. The error names it, and says why it is not read.
func (s *Sums) of(path string) (text string, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // a program or a unit file
	if err != nil {
		return "", unreadError(path, cause.Of(err))
	}
	defer file.Close() //nolint:errcheck // it is read only
	info, err := file.Stat()
	if err != nil {
		return "", unreadError(path, cause.Of(err))
	}
	stat, is := info.Sys().(*syscall.Stat_t)
	switch {
	case !is || !info.Mode().IsRegular():
		return "", unreadError(path, "it is no regular file")
	case info.Size() > longest:
		return "", unreadError(path, "it is larger than 1 GB")
	}
	now := stamp{device: stat.Dev, inode: stat.Ino, size: stat.Size, written: stat.Mtim, moved: stat.Ctim}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, known := s.known[path]; known && last.file == now {
		return last.text, nil
	}
	all := sha256.New()
	if _, err := io.Copy(all, file); err != nil {
		return "", unreadError(path, cause.Of(err))
	}
	text = hex.EncodeToString(all.Sum(nil))
	if s.known == nil || len(s.known) > 1000 {
		s.known = map[string]sum{}
	}
	s.known[strings.Clone(path)] = sum{now, text}
	return text, nil
}
