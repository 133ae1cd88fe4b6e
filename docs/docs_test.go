// Package docs_test keeps the pages in step with the code: what is documented
// exists, and what exists is documented. It decides nothing at run time.
//
// Start reading at TestEveryCommandIsDocumented.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"baton/internal/config"
	"baton/internal/pair"
	"baton/internal/pair/cleared"
)

// root is the top of the tree.
const root = ".."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files returns the paths of all files in the tree that end like this, from the root.
func files(t *testing.T, ending string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(name, ending):
			path, err := filepath.Rel(root, name)
			found = append(found, filepath.ToSlash(path))
			return err
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s file found: %v", ending, err)
	}
	return found
}

// syntax parses the Go files of a directory that are no tests.
func syntax(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go file in %s: %v", dir, err)
	}
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	return parsed
}

// packages lists the directories of the program's own code, but for what is made for
// tests and for simulated hosts.
func packages(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if strings.HasSuffix(name, "test") || entry.Name() == "lab" || entry.Name() == "testdata" {
			return filepath.SkipDir
		}
		if files, _ := filepath.Glob(filepath.Join(name, "*.go")); len(files) > 0 {
			dir, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			dirs = append(dirs, dir)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// literals returns the string literals of a directory's code that match.
func literals(t *testing.T, dir string, pattern *regexp.Regexp) []string {
	t.Helper()
	var found []string
	for _, file := range syntax(t, dir) {
		ast.Inspect(file, func(node ast.Node) bool {
			if text := literal(node); pattern.MatchString(text) {
				found = append(found, text)
			}
			return true
		})
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// literal returns the text of a string literal, or nothing.
func literal(node ast.Node) string {
	lit, ok := node.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return text
}

// rows returns the first code word of every table row in a section of a page.
func rows(t *testing.T, page, section string) []string {
	t.Helper()
	_, after, found := strings.Cut(read(t, page), "\n"+section+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, section)
	}
	if end := strings.Index(after, "\n## "); end >= 0 {
		after = after[:end]
	}
	var first []string
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z0-9_-]+)").FindAllStringSubmatch(after, -1) {
		first = append(first, match[1])
	}
	return first
}

// same reports what one list has and the other has not.
func same(t *testing.T, page string, documented, exists []string) {
	t.Helper()
	for _, name := range exists {
		if !slices.Contains(documented, name) {
			t.Errorf("%s does not tell of %s", page, name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(exists, name) {
			t.Errorf("%s tells of %s, which the code does not know", page, name)
		}
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	same(t, "docs/cli.md", rows(t, "docs/cli.md", "## Settings"), pair.Names(pair.Settings{}))
	page := read(t, "docs/cli.md")
	for key, value := range pair.Texts(pair.DefaultSettings()) {
		row := "| `" + key + "` | `" + value + "` |"
		if value == "" {
			row = "| `" + key + "` | none |"
		}
		if !strings.Contains(page, row) {
			t.Errorf("docs/cli.md tells another default of %s than %q", key, value)
		}
	}
}

func TestEveryConfigurationKeyIsDocumented(t *testing.T) {
	page := read(t, "docs/cli.md")
	keys := regexp.MustCompile(`(?m)^(?:# )?([a-z_]+) *= `).FindAllStringSubmatch(config.Sample(), -1)
	if len(keys) < 10 {
		t.Fatalf("found %d keys in the sample only", len(keys))
	}
	for _, key := range keys {
		if !strings.Contains(page, "`"+key[1]+"`") {
			t.Errorf("docs/cli.md does not tell of the key %s", key[1])
		}
	}
}

func TestEveryConditionIsDocumented(t *testing.T) {
	known := conditions(t)
	ids := make([]string, 0, len(known))
	page := read(t, "docs/conditions.md")
	for id, severity := range known {
		ids = append(ids, id)
		if !strings.Contains(page, "| `"+id+"` | "+severity+" |") {
			t.Errorf("docs/conditions.md tells another severity of %s than %s", id, severity)
		}
		if cleared.Text(id) == "The condition "+id+" is over." {
			t.Errorf("cleared.Text does not say what is true once %s is gone", id)
		}
	}
	same(t, "docs/conditions.md", rows(t, "docs/conditions.md", "## Every condition"), ids)
}

// conditions returns the severity of every condition in the code, by id.
func conditions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range packages(t) {
		for _, file := range syntax(t, dir) {
			ast.Inspect(file, func(node ast.Node) bool {
				if id, severity := conditionOf(node); id != "" {
					found[id] = strings.ToLower(severity)
				}
				return true
			})
		}
	}
	if len(found) < 20 {
		t.Fatalf("found %d conditions only: the test looks in the wrong place", len(found))
	}
	return found
}

// conditionOf reads calls of row and literals of pair.Condition.
func conditionOf(node ast.Node) (id, severity string) {
	switch node := node.(type) {
	case *ast.CallExpr:
		if name, ok := node.Fun.(*ast.Ident); ok && name.Name == "row" && len(node.Args) > 2 {
			return literal(node.Args[0]), selected(node.Args[1])
		}
	case *ast.CompositeLit:
		if node.Type != nil && selected(node.Type) != "Condition" { // in a list it has no name of its own
			return "", ""
		}
		for _, element := range node.Elts {
			field, ok := element.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			switch key, _ := field.Key.(*ast.Ident); {
			case key == nil:
			case key.Name == "ID":
				id = literal(field.Value)
			case key.Name == "Severity":
				severity = selected(field.Value)
			}
		}
	}
	if severity == "" {
		return "", ""
	}
	return id, severity
}

// selected returns Warning of pair.Warning.
func selected(node ast.Expr) string {
	if selector, ok := node.(*ast.SelectorExpr); ok {
		return selector.Sel.Name
	}
	return ""
}

func TestEveryMetricIsDocumented(t *testing.T) {
	names := literals(t, "internal/api", regexp.MustCompile(`^baton_[a-z_]+$`))
	if len(names) < 10 {
		t.Fatalf("found %d metrics only", len(names))
	}
	var documented []string
	for _, row := range rows(t, "docs/monitoring.md", "## Metrics") {
		if strings.HasPrefix(row, "baton_") {
			documented = append(documented, row)
		}
	}
	same(t, "docs/monitoring.md", documented, names)
}

func TestEveryKindOfEventIsDocumented(t *testing.T) {
	page := read(t, "docs/monitoring.md")
	for _, file := range syntax(t, "internal/pair") {
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, "Kind") || len(spec.Values) == 0 {
				return true
			}
			if kind := literal(spec.Values[0]); !strings.Contains(page, "`"+kind+"`") {
				t.Errorf("docs/monitoring.md does not tell of the event %s", kind)
			}
			return true
		})
	}
}

func TestEveryPeerMessageIsDocumented(t *testing.T) {
	page := read(t, "docs/protocol.md")
	var routes []string
	for _, dir := range packages(t) {
		if !strings.HasPrefix(dir, "internal/peer") {
			continue // other prefixes
		}
		for _, file := range syntax(t, dir) {
			ast.Inspect(file, func(node ast.Node) bool {
				if route, is := node.(*ast.BinaryExpr); is && strings.TrimPrefix(types.ExprString(route.X), "wire.") == "Prefix" {
					routes = append(routes, "/peer/v1/"+literal(route.Y))
				}
				return true
			})
		}
	}
	if len(routes) < 8 {
		t.Fatalf("found %d routes only", len(routes))
	}
	for _, route := range routes {
		if !strings.Contains(page, "`"+route+"`") {
			t.Errorf("docs/protocol.md does not tell of %s", route)
		}
	}
}

// fieldName is the name under which a field travels.
var fieldName = regexp.MustCompile(`json:"([a-z0-9_]+)`)

func TestEveryFieldOfAMessageIsDocumented(t *testing.T) {
	page := read(t, "docs/protocol.md")
	sources := []string{"internal/pair/view.go", "internal/peer/frame.go"}
	for _, name := range files(t, ".go") {
		if strings.HasPrefix(name, "internal/peer/wire/") && !strings.HasSuffix(name, "_test.go") {
			sources = append(sources, name)
		}
	}
	for _, source := range sources {
		for _, field := range fieldName.FindAllStringSubmatch(read(t, source), -1) {
			if !strings.Contains(page, "`"+field[1]+"`") && !strings.Contains(page, `"`+field[1]+`"`) {
				t.Errorf("docs/protocol.md does not tell of the field %s of %s", field[1], source)
			}
		}
	}
	for _, code := range regexp.MustCompile(`(?m)^\t\t\{"([a-z-]+)", Err`).FindAllStringSubmatch(read(t, "internal/peer/errors.go"), -1) {
		if !strings.Contains(page, "`"+code[1]+"`") {
			t.Errorf("docs/protocol.md does not tell of the refusal %s", code[1])
		}
	}
}

func TestEveryDependencyHasItsReason(t *testing.T) {
	page := read(t, "docs/adr/0013-dependencies.md")
	modules := regexp.MustCompile(`(?m)^\t(\S+\.\S+/\S+) v`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	for _, module := range modules {
		if used(t, module[1]) && !strings.Contains(page, "`"+module[1]+"`") {
			t.Errorf("docs/adr/0013-dependencies.md does not tell why %s is there", module[1])
		}
	}
}

// used reports whether a file of the tree imports the module itself.
func used(t *testing.T, module string) bool {
	t.Helper()
	return slices.ContainsFunc(files(t, ".go"), func(name string) bool {
		text := read(t, name)
		return strings.Contains(text, `"`+module+`"`) || strings.Contains(text, `"`+module+`/`)
	})
}

func TestWhatPagesNameExists(t *testing.T) {
	var code strings.Builder
	sources := files(t, ".go")
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			code.WriteString(read(t, name))
		}
	}
	for _, page := range files(t, ".md") {
		text := read(t, page)
		for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(text, -1) {
			if !strings.Contains(code.String(), "func "+name+"(") {
				t.Errorf("%s names the test %s, which does not exist", page, name)
			}
		}
		for _, name := range regexp.MustCompile(`[a-z_/]+\.go\b`).FindAllString(text, -1) {
			if !slices.ContainsFunc(sources, func(path string) bool { return strings.HasSuffix("/"+path, "/"+name) }) {
				t.Errorf("%s names the file %s, which does not exist", page, name)
			}
		}
	}
}

// madeByMake lists the pages that are written by a run of the program itself, and
// need not be there before it.
func madeByMake() []string { return []string{"docs/failover.md", "docs/benchmarks.md"} }

// TestFunctionsOnThePagesExist checks what is written as file.go: Function.
func TestFunctionsOnThePagesExist(t *testing.T) {
	sources := files(t, ".go")
	named := regexp.MustCompile("`([a-z/_]+\\.go):\\s+(?:[A-Za-z]+\\.)?([A-Za-z]+)`")
	found := named.FindAllStringSubmatch(read(t, "docs/architecture.md"), -1)
	if len(found) < 10 {
		t.Fatalf("found %d functions only", len(found))
	}
	for _, match := range found {
		declared := regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?` + match[2] + `\b`)
		if !slices.ContainsFunc(sources, func(path string) bool {
			return strings.HasSuffix("/"+path, "/"+match[1]) && declared.MatchString(read(t, path))
		}) {
			t.Errorf("docs/architecture.md names %s in %s, which does not exist", match[2], match[1])
		}
	}
}

// The map of the tree names every package: a newcomer looks for it there.
func TestEveryPackageIsOnTheMap(t *testing.T) {
	_, after, _ := strings.Cut(read(t, "docs/architecture.md"), "```\n")
	drawn, _, found := strings.Cut(after, "```\n")
	if !found {
		t.Fatal("docs/architecture.md has no map")
	}
	packages := map[string]bool{}
	for _, name := range files(t, ".go") {
		packages[path.Dir(name)] = strings.HasPrefix(name, "internal/")
	}
	for pkg, internal := range packages {
		if internal && !strings.Contains(drawn, path.Base(pkg)+"/ ") {
			t.Errorf("the map in docs/architecture.md has no %s", pkg)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range files(t, ".md") {
		for _, match := range link.FindAllStringSubmatch(read(t, page), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				if slices.Contains(madeByMake(), filepath.ToSlash(path)) {
					continue
				}
				t.Errorf("%s links to %s, which does not exist", page, match[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, path)), anchor) {
				t.Errorf("%s links to %s, which has no such heading", page, match[1])
			}
		}
	}
}

// anchors returns the headings of a page as links name them.
func anchors(page string) []string {
	var all []string
	for _, match := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		kept := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r >= 'a' && r <= 'z', r >= '0' && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(match[1]))
		all = append(all, kept)
	}
	return all
}
