package docs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"baton/internal/cli"
	"baton/internal/config"
)

// help is what one command says of itself.
type help struct {
	usage string
	flags []string // as --wait
	subs  []string
}

var (
	usageLine = regexp.MustCompile(`Usage:\n  (.*)\n`)
	flagWord  = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z-]+)`)
	subLine   = regexp.MustCompile(`(?m)^  ([a-z-]+) +\S`)
)

// helpOf asks the command line for the help of a command.
func helpOf(t *testing.T, path []string) help {
	t.Helper()
	var out bytes.Buffer
	if code := cli.Run(t.Context(), cli.Commands{}, cli.Stdio{Out: &out, Err: &out}, append(slices.Clone(path), "--help")); code != 0 {
		t.Fatalf("baton %s --help: %s", strings.Join(path, " "), out.String())
	}
	text := out.String()
	h := help{usage: usageLine.FindStringSubmatch(text)[1]}
	for _, match := range flagWord.FindAllStringSubmatch(text, -1) {
		h.flags = append(h.flags, match[1])
	}
	if _, list, found := strings.Cut(text, "Available Commands:\n"); found {
		list, _, _ = strings.Cut(list, "\n\n")
		for _, match := range subLine.FindAllStringSubmatch(list, -1) {
			if match[1] != "help" && match[1] != "completion" {
				h.subs = append(h.subs, match[1])
			}
		}
	}
	return h
}

// commands returns the help of every command that does something, by its name.
func commands(t *testing.T) map[string]help {
	t.Helper()
	all := map[string]help{}
	var walk func(path []string)
	walk = func(path []string) {
		h := helpOf(t, path)
		if !strings.HasSuffix(h.usage, "[flags]") {
			all[strings.Join(path, " ")] = h
		}
		for _, sub := range h.subs {
			walk(append(slices.Clone(path), sub))
		}
	}
	walk(nil)
	if len(all) < 40 {
		t.Fatalf("found %d commands only", len(all))
	}
	return all
}

func TestEveryCommandIsDocumented(t *testing.T) {
	page := read(t, "docs/cli.md")
	known := commands(t)
	shared := helpOf(t, nil).flags
	for name, h := range known {
		_, section, found := strings.Cut(page, "\n### baton "+name+"\n")
		section, _, _ = strings.Cut(section, "\n### ")
		switch {
		case !found:
			t.Errorf("docs/cli.md does not tell of baton %s", name)
			continue
		case h.usage == "baton "+name: // the heading says it all
			if strings.Contains(section, "\n$ baton "+name+"\n") {
				t.Errorf("docs/cli.md says baton %s twice", name)
			}
		case !strings.Contains(section, "\n"+h.usage+"\n"):
			t.Errorf("docs/cli.md tells another usage of baton %s than %q", name, h.usage)
		case !strings.Contains(section, "\n$ baton "+name):
			t.Errorf("docs/cli.md has no example of baton %s", name)
		}
		for _, flag := range h.flags {
			if !slices.Contains(shared, flag) && !strings.Contains(section, flag) {
				t.Errorf("docs/cli.md does not tell of baton %s %s", name, flag)
			}
		}
	}
	for _, match := range regexp.MustCompile(`(?m)^### baton (.+)$`).FindAllStringSubmatch(page, -1) {
		if _, exists := known[match[1]]; !exists {
			t.Errorf("docs/cli.md tells of baton %s, which does not exist", match[1])
		}
	}
}

// typed finds the commands in blocks of code, behind a prompt.
var typed = regexp.MustCompile(`(?m)^(?:\S+[#$]|\$)\s+baton (.+)$`)

func TestCommandsOnAllPagesExist(t *testing.T) {
	known := commands(t)
	shared := helpOf(t, nil).flags
	for _, page := range files(t, ".md") {
		for _, match := range typed.FindAllStringSubmatch(read(t, page), -1) {
			line, _, _ := strings.Cut(match[1], " #")
			line, _, _ = strings.Cut(line, " -- ")
			name, h := longest(known, strings.Fields(line))
			if name == "" {
				t.Errorf("%s: baton %s is no command", page, line)
			}
			for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(line, -1) {
				if !slices.Contains(h.flags, flag) && !slices.Contains(shared, flag) {
					t.Errorf("%s: baton %s has no flag %s", page, name, flag)
				}
			}
		}
	}
}

// longest returns the command whose name the words begin with.
func longest(known map[string]help, words []string) (string, help) {
	for n := min(3, len(words)); n > 0; n-- {
		name := strings.Join(words[:n], " ")
		if h, exists := known[name]; exists {
			return name, h
		}
	}
	return "", help{}
}

func TestExampleConfigurationsAreRight(t *testing.T) {
	for _, name := range files(t, ".toml") {
		if !strings.HasPrefix(name, "examples/") {
			continue
		}
		if _, err := config.Load(filepath.Join(root, name)); err != nil {
			t.Error(err)
		}
	}
	for _, block := range regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1) {
		file := filepath.Join(t.TempDir(), "baton.toml")
		if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(file); err != nil {
			t.Errorf("README.md: %v", err)
		}
	}
}
