package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrNone is of a machine without a unified hierarchy.
var ErrNone = errors.New("this machine has no control groups of version 2")

// Make makes the group, and the one that it is in. One that is there already is no error.
func (g Group) Make() error {
	if g.Dir() == "" {
		return ErrNone
	}
	if err := os.MkdirAll(g.Dir(), 0o755); err != nil { //nolint:gosec // as systemd makes them
		return fmt.Errorf("make a control group: %w", err)
	}
	return nil
}

// Remove removes the group and what is below it, if nothing runs there.
func (g Group) Remove() {
	for _, dir := range slices.Backward(g.directories()) {
		_ = os.Remove(dir) // one in which something runs stays
	}
}

// Controllers reports whether the hierarchy has all of the controllers, as memory and pids.
func Controllers(names ...string) bool {
	text, err := os.ReadFile(filepath.Join(Root(), "cgroup.controllers"))
	has := strings.Fields(string(text))
	return err == nil && !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(has, name) })
}

// Set has a controller hold the group to a limit, as pids.max to 10. The group must be there.
func (g Group) Set(limit string, value int64) error {
	controller, _, _ := strings.Cut(limit, ".")
	var above []string // groups that have to hand the controller on
	for at := filepath.Dir(string(g)); at != "/" && at != "."; at = filepath.Dir(at) {
		above = append(above, filepath.Join(Root(), at))
	}
	for _, dir := range slices.Backward(append(above, Root())) {
		if err := write(dir, "cgroup.subtree_control", "+"+controller); err != nil {
			return err
		}
	}
	return write(g.Dir(), limit, strconv.FormatInt(value, 10))
}

func write(dir, name, text string) error {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0) //nolint:gosec // the kernel's own
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// Kill kills all that is in the group, also what is being started there. It does not wait.
func (g Group) Kill() {
	for _, dir := range g.directories() {
		if err := write(dir, "cgroup.kill", "1"); errors.Is(err, fs.ErrNotExist) { // Linux before 5.14
			g.Signal(syscall.SIGKILL)
		}
	}
}

// Signal sends a signal to each process of the group. One that is not in it any more gets none, whoever has
// its number by now.
func (g Group) Signal(sig syscall.Signal) {
	const most = 1000 // handles at a time
	for pids := range slices.Chunk(g.Processes(), most) {
		handles := make(map[int]*os.Process, len(pids))
		for _, pid := range pids {
			if handle, err := os.FindProcess(pid); err == nil {
				handles[pid] = handle
			}
		}
		for _, pid := range g.Processes() { // as the handles name them, now that they are open
			if handle := handles[pid]; handle != nil {
				_ = handle.Signal(sig) // it may have ended
			}
		}
		for _, handle := range handles {
			_ = handle.Release()
		}
	}
}
