package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// thisMachine says in one line what the campaign ran on.
func thisMachine() string {
	return fmt.Sprintf("%s, %d cores for everything, %s, %s",
		fact("/proc/cpuinfo", "model name"), runtime.NumCPU(), fact("/proc/meminfo", "MemTotal")+" of memory", kernel())
}

// fact is what a file says of a name.
func fact(file, name string) string {
	text, err := os.ReadFile(file) //nolint:gosec // the kernel's own
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func kernel() string {
	text, err := os.ReadFile("/proc/version")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 3 {
		return "an unknown kernel"
	}
	return "Linux " + fields[2]
}

// thisCommit names what was built; a tree that differs from it, in more than this
// page and its like, says so.
func thisCommit() string {
	name, err := exec.Command("git", "rev-parse", "--short=10", "HEAD").Output() //nolint:noctx // a moment
	if err != nil {
		return "unknown"
	}
	commit := strings.TrimSpace(string(name))
	changes, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/docs").Output() //nolint:noctx // a moment
	if err != nil || len(changes) > 0 {
		commit += ", and changes to it"
	}
	return commit
}

// command is how to run the same again.
func (c *campaign) command() string {
	return fmt.Sprintf(`make faults ARGS="-n %d -seed %d -profile %s"`, c.rounds, c.seed, c.profile.name)
}
