package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"baton/internal/lab"
)

// usage is what a process and all that it has started have used so far.
type usage struct {
	processor time.Duration
	resident  int64 // bytes
}

func usageOf(pid int) (total usage, err error) {
	for _, member := range lab.Family(pid) {
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
