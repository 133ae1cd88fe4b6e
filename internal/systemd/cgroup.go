package systemd

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroup is the control group of a unit, by its path below the root; empty: none. Its
// processes are counted where systemd keeps them: in the unified hierarchy.
type cgroup string

// groupOf is the control group of a unit. Of a unit that it holds for stopped, systemd may not
// tell it, also where the unit lets it leave processes behind (KillMode=process, none): those
// are found by the place that the group has.
func groupOf(unit Unit) cgroup {
	if unit.Cgroup != "" || unit.Slice == "" {
		return cgroup(unit.Cgroup)
	}
	path := "/"
	if slice := strings.TrimSuffix(unit.Slice, ".slice"); slice != "-" {
		names := strings.Split(slice, "-") // a-b.slice lies in a.slice
		for i := range names {
			path = filepath.Join(path, strings.Join(names[:i+1], "-")+".slice")
		}
	}
	return cgroup(filepath.Join(path, unit.Name))
}

// hierarchy is where the unified hierarchy is mounted: /sys/fs/cgroup, or a directory below it
// on a machine that has the older ones beside it.
func hierarchy() string {
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(at, "cgroup.procs")); err == nil {
			return at
		}
	}
	return ""
}

// directories are those of the group and of all below it.
func (c cgroup) directories() (all []string) {
	root := hierarchy()
	if c == "" || c == "/" || root == "" {
		return nil
	}
	_ = filepath.WalkDir(filepath.Join(root, string(c)), func(path string, entry fs.DirEntry, err error) error { //nolint:gosec // systemd names the group
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return nil // what is gone meanwhile is empty
	})
	return all
}

// processes lists those in the group. A process that has ended, and that its parent has not
// asked after, is none.
func (c cgroup) processes() (pids []int) {
	for _, dir := range c.directories() {
		if populated(dir) {
			pids = append(pids, numbers(filepath.Join(dir, "cgroup.procs"))...)
		}
	}
	return pids
}

// populated reports whether anything runs in a group or below it (cgroup.events).
func populated(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.events")) //nolint:gosec // likewise
	return err == nil && bytes.Contains(text, []byte("populated 1"))
}

func numbers(path string) (all []int) {
	file, err := os.Open(path) //nolint:gosec // likewise
	if err != nil {
		return nil
	}
	defer file.Close() //nolint:errcheck // it was read only
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if n, err := strconv.Atoi(strings.TrimSpace(lines.Text())); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// ids are the numbers by which the kernel marks the sockets that were made in the group.
func (c cgroup) ids() map[uint64]bool {
	all := map[uint64]bool{}
	for _, dir := range c.directories() {
		if id, ok := inode(dir); ok {
			all[id] = true
		}
	}
	return all
}
