package lab

import (
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

// Family lists a process and all that it has started, itself first.
func Family(pid int) []int {
	all := []int{pid}
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return all
	}
	for _, list := range lists {
		text, err := os.ReadFile(list) //nolint:gosec // the kernel's own
		if err != nil {
			continue // it has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all = append(all, Family(child)...)
			}
		}
	}
	return all
}

// KillFamily kills a process and all that it has started: the children first,
// while their parent stands still, so that none can clean up behind another or
// start it anew.
func KillFamily(pid int) error {
	if err := send(pid, unix.SIGSTOP); err != nil {
		return err
	}
	for _, member := range slices.Backward(Family(pid)) {
		if err := send(member, unix.SIGKILL); err != nil {
			return err
		}
	}
	return nil
}

// send sends a signal to a process; one that has ended needs none.
func send(pid int, sig syscall.Signal) error {
	if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}
