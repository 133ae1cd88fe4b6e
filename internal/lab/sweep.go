package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	ownerFile = "owner"
	markName  = "BATON_LAB="
)

// mark is the environment entry by which a lab's processes are known.
func mark(dir string) string { return markName + dir }

// makeDir makes the lab's own directory, after the leftovers have been swept.
func makeDir(opts Options) (string, error) {
	base := opts.Dir
	if base == "" {
		base = defaultDir()
	}
	if err := ownDir(base); err != nil {
		return "", err
	}
	if err := sweep(base); err != nil {
		return "", err
	}
	prefix := opts.Prefix
	if prefix == "" {
		prefix = "lab"
	}
	dir, err := os.MkdirTemp(base, prefix+"-")
	if err != nil {
		return "", fmt.Errorf("make the lab's directory: %w", err)
	}
	owner, err := incarnation(os.Getpid())
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, ownerFile), []byte(owner), 0o600); err != nil {
		return "", fmt.Errorf("note the lab's owner: %w", err)
	}
	return dir, nil
}

// defaultDir is the user's own, also when a user namespace says "root".
func defaultDir() string {
	user := strconv.Itoa(os.Getuid())
	if table, err := os.ReadFile("/proc/self/uid_map"); err == nil {
		if fields := strings.Fields(string(table)); len(fields) == 3 && fields[0] == user && fields[2] == "1" {
			user = fields[1]
		}
	}
	return filepath.Join(os.TempDir(), "baton-lab-"+user)
}

// ownDir makes the directory, and refuses one that somebody else put there.
func ownDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the labs' directory: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the labs' directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("%s belongs to somebody else: remove it, or set TMPDIR", dir)
	}
	return nil
}

// sweep removes what labs of dead processes left below base. Their namespaces
// and the programs they started are gone already; what those programs started
// in turn, and the files, may not be.
func sweep(base string) error {
	owners, err := filepath.Glob(filepath.Join(base, "*", ownerFile))
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, file := range owners {
		dir := filepath.Dir(file)
		if alive(file) {
			continue
		}
		for _, pid := range marked(dir) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what an earlier lab left: %w", err)
		}
	}
	return nil
}

// alive reports whether the process that made the lab still runs.
func alive(file string) bool {
	owner, err := os.ReadFile(file) //nolint:gosec // below the labs' own directory
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	pid, _, _ := strings.Cut(string(owner), " ")
	number, err := strconv.Atoi(pid)
	if err != nil {
		return false
	}
	now, err := incarnation(number)
	return err == nil && now == string(owner)
}

// incarnation names one process for all time: its id, its start in clock ticks
// since boot, and the boot.
func incarnation(pid int) (string, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", fmt.Errorf("read when process %d started: %w", pid, err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read which boot this is: %w", err)
	}
	// The name in the second field may hold anything, even blanks: count after it.
	const start = 22 - 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= start || string(fields[0]) == "Z" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fmt.Sprintf("%d %s %s", pid, fields[start], bytes.TrimSpace(boot)), nil
}

// marked lists the processes that carry the mark of a lab.
func marked(dir string) []int {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil
	}
	var pids []int
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile(file) //nolint:gosec // from /proc
		if err == nil && slices.ContainsFunc(bytes.Split(environ, []byte{0}), func(entry []byte) bool {
			return string(entry) == mark(dir)
		}) {
			pids = append(pids, pid)
		}
	}
	return pids
}
