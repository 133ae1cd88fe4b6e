package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// family lists a process and all that it has started, itself first.
func family(pid int) []int {
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
				all = append(all, family(child)...)
			}
		}
	}
	return all
}

// killFamily kills a process and all that it has started: the children first,
// while their parent stands still, so that none can clean up behind another or
// start it anew.
func killFamily(pid int) error {
	if err := send(pid, unix.SIGSTOP); err != nil {
		return err
	}
	for _, member := range slices.Backward(family(pid)) {
		if err := send(member, unix.SIGKILL); err != nil {
			return err
		}
	}
	return nil
}

// send sends a signal to a process; one that has ended needs none.
func send(pid int, sig unix.Signal) error {
	if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	return nil
}

// usage is what a process and all that it has started have used so far.
type usage struct {
	processor time.Duration
	resident  int64 // bytes
}

func usageOf(pid int) (total usage, err error) {
	for _, member := range family(pid) {
		one, err := usageOfOne(member)
		if err != nil {
			return total, err
		}
		total.processor += one.processor
		total.resident += one.resident
	}
	return total, nil
}

// usageOfOne reads proc(5): the 14th and 15th fields of stat are user and system
// time in hundredths of a second; the second of statm is the resident pages.
func usageOfOne(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	memory, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return usage{}, fmt.Errorf("read the memory of process %d: %w", pid, err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name may contain spaces
	fields, pages := strings.Fields(after), strings.Fields(string(memory))
	if len(fields) < 13 || len(pages) < 2 {
		return usage{}, fmt.Errorf("process %d: the kernel writes what proc(5) does not say", pid)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	resident, err3 := strconv.ParseInt(pages[1], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return usage{}, err
	}
	return usage{
		processor: time.Duration(user+system) * 10 * time.Millisecond,
		resident:  resident * int64(os.Getpagesize()),
	}, nil
}

// syncDisks has the kernel write what it owes.
func syncDisks() { unix.Sync() }
