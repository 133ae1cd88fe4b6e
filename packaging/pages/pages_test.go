package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/cli"
	"baton/internal/config"
)

func example() origin {
	return origin{
		version: "1.2", packaged: "1.2-1", maintainer: "The Baton authors <baton@example.org>",
		changes: filepath.Join("..", "..", "CHANGELOG.md"), date: time.Unix(1_900_000_000, 0).UTC(),
	}
}

// made writes the pages and returns them by their path, unpacked.
func made(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := write(dir, example()); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err := filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, ".gz") {
			from, err := gzip.NewReader(bytes.NewReader(text))
			if err != nil {
				return err
			}
			if text, err = io.ReadAll(from); err != nil {
				return err
			}
		}
		name, err = filepath.Rel(dir, name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTheManualHasEveryCommandAndFlag(t *testing.T) {
	page := made(t)["man/man1/baton.1.gz"]
	whole, commands := cli.Describe()
	if len(commands) < 40 {
		t.Fatalf("found %d commands only", len(commands))
	}
	for _, command := range append(commands, whole) {
		_, after, found := strings.Cut(page, "\n.B "+escape(command.Usage)+"\n")
		if !found && command.Name != "" {
			t.Errorf("baton(1) does not tell of %s", command.Usage)
		}
		if command.Name == "" {
			after = page
		}
		for _, flag := range command.Flags {
			if !strings.Contains(after, escape(flag.Name)) {
				t.Errorf("baton(1) does not tell of %s %s", command.Usage, flag.Name)
			}
		}
	}
}

func TestTheManualHasEveryKeyOfTheConfiguration(t *testing.T) {
	page := made(t)["man/man5/baton.toml.5.gz"]
	keys := 0
	for line := range strings.Lines(config.Sample()) {
		line = strings.TrimSpace(line)
		if !assignment.MatchString(line) {
			continue
		}
		keys++
		if !strings.Contains(page, "\n"+escape(line)+"\n") {
			t.Errorf("baton.toml(5) does not have the line %q", line)
		}
	}
	if keys < 12 {
		t.Errorf("found %d keys only", keys)
	}
}

func TestTheShellsGetTheirCompletions(t *testing.T) {
	files := made(t)
	for name, begins := range map[string]string{
		"bash-completion/completions/baton":    "# bash completion",
		"zsh/vendor-completions/_baton":        "#compdef baton",
		"fish/vendor_completions.d/baton.fish": "# fish completion",
	} {
		if !strings.HasPrefix(files[name], begins) || !strings.Contains(files[name], "__complete") {
			t.Errorf("%s begins with %.40q", name, files[name])
		}
	}
}

// A manual page that the formatter complains of is shown with holes.
func TestTheManualIsFormattedWithoutComplaint(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed")
	}
	files := made(t)
	for _, name := range []string{"man/man1/baton.1.gz", "man/man5/baton.toml.5.gz"} {
		format := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-z")
		format.Stdin = strings.NewReader(files[name])
		if said, err := format.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v %s", name, err, said)
		}
	}
}

func TestTextIsNotTakenForRoff(t *testing.T) {
	for text, want := range map[string]string{".so /etc/passwd": `\&.so /etc/passwd`, "'x": `\&'x`, `a\b --c`: `a\eb \-\-c`} {
		if got := escape(text); got != want {
			t.Errorf("escape(%q) = %q, want %q", text, got, want)
		}
	}
}
