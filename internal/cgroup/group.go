package cgroup

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"baton/internal/cgroup/listening"
)

// Group is a control group, by its path below the root of the unified hierarchy, as
// /system.slice/nginx.service; empty: none.
type Group string

// Root is where the unified hierarchy is mounted: /sys/fs/cgroup, or a directory below it
// on a machine that has the older ones beside it; empty: nowhere.
func Root() string {
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(at, "cgroup.procs")); err == nil {
			return at
		}
	}
	return ""
}

// Dir is the directory of the group; empty: there is none.
func (g Group) Dir() string {
	root := Root()
	if g == "" || g == "/" || root == "" {
		return ""
	}
	return filepath.Join(root, string(g))
}

// directories are those of the group and of all below it.
func (g Group) directories() (all []string) {
	dir := g.Dir()
	if dir == "" {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return nil // what is gone meanwhile is empty
	})
	return all
}

// Processes lists those in the group and below it. A process that has ended, and that its parent has not
// asked after, is none.
func (g Group) Processes() (pids []int) {
	for _, dir := range g.directories() {
		if populated(dir) {
			pids = append(pids, numbers(filepath.Join(dir, "cgroup.procs"))...)
		}
	}
	return pids
}

// populated reports whether anything runs in a group or below it (cgroup.events).
func populated(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.events")) //nolint:gosec // the kernel's own
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

// Sockets lists those that were made in the group, and on which others can connect or send to it.
func (g Group) Sockets() ([]listening.Socket, error) {
	ids := map[uint64]bool{}
	for _, dir := range g.directories() {
		if id, ok := inode(dir); ok { // it is the number by which the kernel marks them
			ids[id] = true
		}
	}
	return listening.Sockets(ids)
}

// givenPorts is where the range begins from which the kernel gives numbers (ip_local_port_range).
const givenPorts = 32768

// Ports lists those that the processes of the group listen on. A port of the range from which the
// kernel gives numbers to those who ask for none counts with TCP only.
func (g Group) Ports() (ports []string) {
	sockets, err := g.Sockets()
	if err != nil {
		return nil // a kernel without sock_diag
	}
	seen := map[string]bool{}
	for _, s := range sockets {
		if port := s.String(); !seen[port] && (s.Protocol == "tcp" || s.Address.Port() < givenPorts) {
			ports, seen[port] = append(ports, port), true
		}
	}
	return ports
}

// Left is what is left of a group that was to end.
type Left struct {
	Processes []int              // of the group
	Ports     []string           // that are still open, as tcp 0.0.0.0:80
	Sockets   []listening.Socket // of the ports
}

// Left returns what is left of the group, and which of the sockets that it had opened are still open.
func (g Group) Left(opened []listening.Socket) (left Left, err error) {
	left.Processes = g.Processes()
	if left.Sockets, err = listening.Open(opened); err != nil {
		return left, fmt.Errorf("see which ports are open: %w", err)
	}
	for _, socket := range left.Sockets {
		left.Ports = append(left.Ports, socket.String())
	}
	return left, nil
}

// Nothing reports whether nothing is left.
func (l Left) Nothing() bool { return len(l.Processes)+len(l.Ports) == 0 }

// String says what is left, as a part of a sentence.
func (l Left) String() string {
	var left []string
	if len(l.Processes) > 0 {
		left = append(left, fmt.Sprintf("processes %s are left and cannot be killed", listed(l.Processes)))
	}
	if len(l.Ports) > 0 {
		left = append(left, strings.Join(l.Ports, ", ")+" is still open")
	}
	return strings.Join(left, ", and ")
}

// listed names processes by their numbers; of many, the first.
func listed(pids []int) string {
	const most = 10
	text := strings.Trim(fmt.Sprint(pids[:min(len(pids), most)]), "[]")
	if more := len(pids) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
