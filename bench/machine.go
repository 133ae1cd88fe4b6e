package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine says what the figures were measured on.
type machine struct {
	Processor  string
	Cores      int
	Memory     string
	System     string
	Kernel     string
	Go         string
	Keepalived string
	Rsync      string
	Nginx      string
}

func look(ctx context.Context) (m machine, err error) {
	m = machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	for _, fact := range []struct {
		to         *string
		file, name string
	}{
		{&m.Processor, "/proc/cpuinfo", "model name"},
		{&m.Memory, "/proc/meminfo", "MemTotal"},
		{&m.System, "/etc/os-release", "PRETTY_NAME"},
		{&m.Kernel, "/proc/version", ""},
	} {
		if *fact.to, err = read(fact.file, fact.name); err != nil {
			return m, err
		}
	}
	if m.Keepalived, err = firstLine(ctx, "keepalived", "--version"); err != nil {
		return m, err
	}
	if m.Rsync, err = firstLine(ctx, "rsync", "--version"); err != nil {
		return m, err
	}
	m.Nginx, err = firstLine(ctx, "nginx", "-v")
	return m, err
}

// read returns what a file says of a name; without a name, the version in
// "Linux version 6.1.0 (...".
func read(file, name string) (string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the system's own
	if err != nil {
		return "", fmt.Errorf("look at the machine: %w", err)
	}
	if name == "" {
		return strings.Join(strings.Fields(string(text))[:3], " "), nil
	}
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(strings.Replace(line, "=", ":", 1), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.Trim(strings.TrimSpace(value), `"`), nil
		}
	}
	return "unknown", nil
}

func firstLine(ctx context.Context, program, arg string) (string, error) {
	text, err := exec.CommandContext(ctx, program, arg).CombinedOutput() //nolint:gosec // one of three literals
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", program, err)
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	return strings.Join(strings.Fields(string(line)), " "), nil
}
