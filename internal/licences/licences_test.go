package licences

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write notices.txt from what is linked")

const root = "../.."

func TestNoticesAreThoseOfWhatIsLinked(t *testing.T) {
	_, _ = os.ReadFile(root + "/go.mod") // so that the test cache notices another version
	found := append(linked(t), served(t)...)
	found = append(found, Licence{Name: "The Go standard library", Text: read(t, filepath.Join(goRoot(t), "LICENSE"))})
	slices.SortFunc(found, func(a, b Licence) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	found = append([]Licence{{Name: "Baton", Text: read(t, root+"/LICENSE")}}, found...)
	want := render(t, found)
	if *rewrite {
		if err := os.WriteFile("notices.txt", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if notices != want {
		t.Error("notices.txt is out of date: go generate ./internal/licences")
	}
}

// linked asks the compiler which modules are in the program, and reads their licences.
func linked(t *testing.T) []Licence {
	t.Helper()
	dirs := map[Licence]string{}
	for _, arch := range []string{"amd64", "arm64"} {
		command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}", "./cmd/baton")
		command.Dir = root
		command.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
		out, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if words := strings.Fields(line); len(words) == 3 { // ours has no version
				dirs[Licence{Name: words[0], Version: words[1]}] = words[2]
			}
		}
	}
	var found []Licence
	for licence, dir := range dirs {
		licence.Text = textIn(t, dir)
		found = append(found, licence)
	}
	if len(found) < 20 {
		t.Fatalf("found %d modules only", len(found))
	}
	return found
}

// textIn reads the licence and the notices of a module.
func textIn(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		for _, kind := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"} {
			if !entry.IsDir() && strings.HasPrefix(name, kind) {
				texts = append(texts, read(t, filepath.Join(dir, entry.Name())))
			}
		}
	}
	if len(texts) == 0 {
		t.Errorf("%s has no licence", dir)
	}
	return strings.Join(texts, "\n\n")
}

// served reads the licences of what the console hands to browsers: NAME.LICENSE
// lies beside NAME-VERSION.min.css or the like.
func served(t *testing.T) []Licence {
	t.Helper()
	const vendor = root + "/internal/console/page/assets/vendor/"
	files, err := filepath.Glob(vendor + "*.LICENSE")
	if err != nil || len(files) == 0 {
		t.Fatal("no licences of what the console serves", err)
	}
	var found []Licence
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".LICENSE")
		beside, err := filepath.Glob(vendor + name + "-*")
		if err != nil || len(beside) == 0 {
			t.Fatalf("%s lies beside nothing: %v", file, err)
		}
		version := strings.TrimPrefix(filepath.Base(beside[0]), name+"-")
		for _, ending := range []string{".css", ".js", ".min", ".iife"} {
			version = strings.TrimSuffix(version, ending)
		}
		found = append(found, Licence{Name: name, Version: version, Text: read(t, file)})
	}
	return found
}

func goRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
}

// render writes those with the same text together, where the first of them stands.
func render(t *testing.T, found []Licence) string {
	t.Helper()
	var text strings.Builder
	written := map[string]bool{}
	for _, first := range found {
		if written[first.Text] {
			continue
		}
		written[first.Text] = true
		for _, same := range found {
			if same.Text == first.Text {
				fmt.Fprintf(&text, "%s%s | %s | %s\n", mark, same.Name, same.Version, kind(t, same))
			}
		}
		text.WriteString("\n" + first.Text + "\n\n")
	}
	return text.String()
}

// kind names a licence by the words that come first in it (SPDX).
func kind(t *testing.T, licence Licence) string {
	t.Helper()
	words := strings.ToLower(strings.Join(strings.Fields(licence.Text), " "))
	first, found := len(words), "unknown"
	for _, known := range []struct{ kind, words string }{
		{"Apache-2.0", "apache license version 2.0"},
		{"MPL-2.0", "mozilla public license version 2.0"},
		{"BSD-2-Clause", "redistribution and use in source and binary forms"},
		{"0BSD", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted."},
		{"ISC", "permission to use, copy, modify, and/or distribute this software"},
		{"MIT", "permission is hereby granted, free of charge"},
		{"CC0-1.0", "cc0 1.0 universal"},
	} {
		if at := strings.Index(words, known.words); at >= 0 && at < first {
			first, found = at, known.kind
		}
	}
	if found == "BSD-2-Clause" && (strings.Contains(words, "neither the name") || strings.Contains(words, "names of its contributors may be used")) {
		found = "BSD-3-Clause"
	}
	if found == "unknown" {
		t.Errorf("the licence of %s is of no kind that is known here: %.200s", licence.Name, words)
	}
	return found
}

func TestListHasEveryTextUnderItsName(t *testing.T) {
	list := List()
	if len(list) < 20 || list[0].Name != "Baton" || list[0].Kind != "Apache-2.0" {
		t.Fatalf("%d licences, the first of %+v", len(list), list[0].Name)
	}
	for _, licence := range list {
		if len(licence.Text) < 100 || licence.Name == "" || licence.Kind == "" {
			t.Errorf("%s %s (%s): %d bytes of text", licence.Name, licence.Version, licence.Kind, len(licence.Text))
		}
	}
}
