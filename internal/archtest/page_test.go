package archtest

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// rewrite is set by: go test ./internal/archtest -run TestThePage -args -rewrite.
var rewrite = flag.Bool("rewrite", false, "write the table of imports into docs/architecture.md")

const page = "../../docs/architecture.md"

// TestThePageSaysWhoImportsWhom keeps docs/architecture.md in step with the table: every
// package has its row, and stands in the tree above it.
func TestThePageSaysWhoImportsWhom(t *testing.T) {
	const begin, end = "<!-- imports: written by archtest -->\n", "<!-- end of imports -->\n"
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	before, rest, begun := strings.Cut(text, begin)
	_, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		t.Fatalf("%s lacks its marks %q and %q", page, begin, end)
	}
	wanted := before + begin + importTable() + end + after
	if *rewrite {
		if err := os.WriteFile(page, []byte(wanted), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if text != wanted {
		t.Errorf("%s tells of other imports than the table: run go test ./internal/archtest -run TestThePage -args -rewrite", page)
	}
	tree, _, _ := strings.Cut(strings.SplitN(text, "```", 3)[1], "```")
	for pkg := range table() {
		if name := path.Base(pkg) + "/"; !strings.Contains(tree, name) && !strings.Contains(tree, pkg) {
			t.Errorf("the tree in %s has no %s", page, pkg)
		}
	}
}

// importTable is the table as it stands on the page.
func importTable() string {
	var out strings.Builder
	out.WriteString("| package | may import, of this module |\n|---|---|\n")
	rules := table()
	for _, pkg := range slices.Sorted(maps.Keys(rules)) {
		rule := rules[pkg]
		var imports []string
		for _, imported := range rule.imports {
			imports = append(imports, strings.TrimPrefix(imported, "internal/"))
		}
		slices.Sort(imports)
		told := strings.Join(slices.Compact(imports), ", ")
		switch {
		case rule.anything:
			told = "everything: it joins the others"
		case told == "":
			told = "nothing"
		}
		if rule.pure {
			told += " (pure: no clock, no goroutine, no I/O)"
		}
		fmt.Fprintf(&out, "| %s | %s |\n", strings.TrimPrefix(pkg, "internal/"), told)
	}
	return out.String()
}
