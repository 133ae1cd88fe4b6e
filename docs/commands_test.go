package docs_test

import (
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
}

// commands returns the help of every command that does something, by its name, and
// the flags that all of them take.
func commands(t *testing.T) (all map[string]help, shared []string) {
	t.Helper()
	whole, described := cli.Describe()
	all = map[string]help{}
	for _, command := range described {
		all[command.Name] = help{command.Usage, names(command.Flags)}
	}
	if len(all) < 40 {
		t.Fatalf("found %d commands only", len(all))
	}
	return all, append(names(whole.Flags), "--help")
}

// names returns the names of flags.
func names(flags []cli.Flag) []string {
	all := make([]string, 0, len(flags))
	for _, flag := range flags {
		all = append(all, flag.Name)
	}
	return all
}

// oneWord finds usages that need no example: a name, a file or the like is all.
var oneWord = regexp.MustCompile(`^baton [a-z -]+ [A-Z]+$`)

func TestEveryCommandIsDocumented(t *testing.T) {
	page := read(t, "docs/cli.md")
	known, shared := commands(t)
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
		case !oneWord.MatchString(h.usage) && !strings.Contains(section, "\n$ baton "+name):
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
	known, shared := commands(t)
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
