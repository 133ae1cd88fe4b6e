package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// weakenedTag is the build tag with which a guard of the decision can be taken out,
// so that the campaign of faults can show that it notices.
const weakenedTag = "weakened"

// No release can leave a guard out: the daemon as it is built for others has no
// file with the tag, and nothing that builds or packages it knows the tag.
func TestNoReleaseLeavesAGuardOut(t *testing.T) {
	root := filepath.Join("..", "..")
	built := goList(t, root)
	marked := 0
	for _, f := range tree(t) {
		if f.isTest() || !strings.HasPrefix(string(f.content), "//go:build "+weakenedTag+"\n") {
			continue
		}
		marked++
		if slices.Contains(built, f.path) {
			t.Errorf("%s is in the daemon as everybody gets it", f.path)
		}
	}
	if marked == 0 || !slices.Contains(built, "internal/failover/guard.go") {
		t.Errorf("%d files have the tag %s, and the daemon has %d files: this test looks in the wrong place", marked, weakenedTag, len(built))
	}
	for _, pattern := range []string{"Makefile", "packaging/*", "tools/*", ".golangci.yml", ".github/workflows/*"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if text, err := os.ReadFile(name); err == nil && strings.Contains(string(text), weakenedTag) {
				t.Errorf("%s knows the build tag %s", name, weakenedTag)
			}
		}
	}
}

// What nobody builds every day still builds.
func TestWeakenedBuilds(t *testing.T) {
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", weakenedTag, "./internal/app")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
}

// goList lists the files of the tree that the daemon is made of.
func goList(t *testing.T, root string) []string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if not .Standard}}{{$p := .ImportPath}}{{range .GoFiles}}{{$p}}/{{.}}
{{end}}{{end}}`, "./cmd/baton")
	list.Dir = root
	list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	text, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var files []string
	for line := range strings.Lines(string(text)) {
		if name, own := strings.CutPrefix(strings.TrimSpace(line), module+"/"); own {
			files = append(files, name)
		}
	}
	return files
}
