package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageIsInTheTable(t *testing.T) {
	known, exists := table(), map[string]bool{}
	for _, f := range tree(t) {
		exists[f.pkg()] = true
		if _, ok := known[f.pkg()]; !ok {
			t.Errorf("%s: the table has no package %s: add it and say what it may import", f.path, f.pkg())
		}
	}
	for pkg := range known {
		if !exists[pkg] {
			t.Errorf("the table has package %s, which does not exist", pkg)
		}
	}
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, f := range tree(t) {
		for _, imported := range f.imports() {
			if reason := refuseImport(f, imported); reason != "" {
				t.Errorf("%s imports %s: %s", f.path, imported, reason)
			}
		}
	}
}

// refuseImport says why a file may not import a package; empty if it may.
func refuseImport(f file, imported string) string {
	from := f.pkg()
	rule := table()[from]
	inTree, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		return refuseForeign(f, rule, imported)
	}
	switch {
	case inTree == "internal/app" && !slices.Contains(appIsFor(), from):
		return "only " + strings.Join(appIsFor(), ", ") + " may import app"
	case inTree == "internal/archtest":
		return "archtest is no library"
	case rule.anything, slices.Contains(rule.imports, inTree), inTree == from, strings.HasPrefix(inTree, from+"/") && !isForTests(inTree):
		return ""
	case isForTests(inTree) && (f.isTest() || isForTests(from)):
		return ""
	}
	return "not in its line of the table"
}

// refuseForeign judges imports from outside the module.
func refuseForeign(f file, rule rule, imported string) string {
	if rule.pure && !f.isTest() && !slices.Contains(pureStd(), imported) {
		return "a pure package imports words and pure standard packages only"
	}
	return ""
}

// isForTests reports whether a package is made for tests.
func isForTests(pkg string) bool {
	return strings.HasSuffix(pkg, "test") || pkg == "internal/lab" || pkg == "internal/lab/powercut"
}

func TestPureCodeReadsNoClockAndStartsNoGoroutine(t *testing.T) {
	for _, f := range tree(t) {
		if !table()[f.pkg()].pure || f.isTest() {
			continue
		}
		for _, impurity := range impurities(f) {
			t.Error(impurity)
		}
	}
}

func impurities(f file) []string {
	var found []string
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			found = append(found, f.at(node)+": pure code starts no goroutine")
		case *ast.SelectorExpr:
			if x, ok := node.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(readsClock(), node.Sel.Name) {
				found = append(found, f.at(node)+": pure code takes the instant as an argument, not time."+node.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestPackagesAreNamedByWhatTheyDo(t *testing.T) {
	for _, f := range tree(t) {
		name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
		if slices.Contains(vagueNames(), name) {
			t.Errorf("%s: package %s says nothing: name it by what it does", f.path, name)
		}
		if name != path.Base(f.pkg()) && name != "main" {
			t.Errorf("%s: package %s lies in %s: give both one name", f.path, name, f.pkg())
		}
	}
}

func TestNoInitAndNoPackageVariables(t *testing.T) {
	for _, f := range tree(t) {
		for _, state := range packageState(f) {
			t.Error(state)
		}
	}
}

// packageState lists what a package would hold or do by itself. Allowed are
// errors, embedded files, compiled patterns, pools of memory, checks of an interface, and what a
// linker sets in main.
func packageState(f file) []string {
	var found []string
	for _, decl := range f.syntax.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Name.Name == "init" && decl.Recv == nil {
				found = append(found, f.at(decl)+": no init: construct it where it is needed")
			}
		case *ast.GenDecl:
			if decl.Tok != token.VAR || f.isTest() {
				continue
			}
			for _, spec := range decl.Specs {
				if value, ok := spec.(*ast.ValueSpec); ok && !allowedVariable(f, decl, value) {
					found = append(found, f.at(spec)+": no package variable: state lives in values")
				}
			}
		}
	}
	return found
}

func allowedVariable(f file, decl *ast.GenDecl, spec *ast.ValueSpec) bool {
	name := spec.Names[0].Name
	embedded := isEmbed(decl.Doc) || isEmbed(spec.Doc)
	linked := f.path == "cmd/baton/main.go" && name == "version"
	pattern, once, pool := false, false, false
	if len(spec.Values) == 1 {
		if literal, ok := spec.Values[0].(*ast.CompositeLit); ok {
			made, ok := literal.Type.(*ast.SelectorExpr)
			pool = ok && made.Sel.Name == "Pool" // of memory: nothing is remembered in it
		}
		if call, ok := spec.Values[0].(*ast.CallExpr); ok {
			function, ok := call.Fun.(*ast.SelectorExpr)
			pattern = ok && function.Sel.Name == "MustCompile"
			once = ok && function.Sel.Name == "OnceValues" && strings.HasSuffix(f.pkg(), "test") // made once for all tests
		}
	}
	return name == "_" || embedded || linked || pattern || once || pool || strings.HasPrefix(name, "Err") || strings.HasPrefix(name, "err")
}

func isEmbed(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func TestFilesStaySmall(t *testing.T) {
	for _, f := range tree(t) {
		limit := maxFile
		if f.path == "cmd/baton/main.go" {
			limit = maxMain
		}
		if lines := codeLines(f); lines > limit && !ast.IsGenerated(f.syntax) {
			t.Errorf("%s has %d lines of code: %d at most, so that one reads it in one go", f.path, lines, limit)
		}
	}
}

// The rules themselves are tested on files that break them.
func TestTheRulesBite(t *testing.T) {
	for name, test := range map[string]struct {
		path, imported string
		allowed        bool
	}{
		"edge to words":                     {"internal/store/x.go", "baton/internal/pair", true},
		"edge to edge":                      {"internal/store/x.go", "baton/internal/peer", false},
		"edge to decision":                  {"internal/sharedip/x.go", "baton/internal/failover", false},
		"edge to its leaf":                  {"internal/peer/x.go", "baton/internal/peer/wire", true},
		"leaf to leaf":                      {"internal/peer/cpace/x.go", "baton/internal/peer/wire", false},
		"edge's test to another edge":       {"internal/peer/x_test.go", "baton/internal/store", false},
		"edge's test to the lab":            {"internal/peer/x_test.go", "baton/internal/lab", true},
		"edge to the lab":                   {"internal/peer/x.go", "baton/internal/lab", false},
		"words to anything":                 {"internal/pair/x.go", "baton/internal/failover", false},
		"decision to a clockless package":   {"internal/failover/x.go", "slices", true},
		"decision to the network":           {"internal/failover/x.go", "net", false},
		"decision to a library":             {"internal/failover/x.go", "golang.org/x/time/rate", false},
		"decision's test to a library":      {"internal/failover/x_test.go", "pgregory.net/rapid", true},
		"decision to its own test package":  {"internal/failover/x.go", "baton/internal/failover/failovertest", false},
		"decision's test to it":             {"internal/failover/x_test.go", "baton/internal/failover/failovertest", true},
		"app to everything":                 {"internal/app/x.go", "baton/internal/sharedip", true},
		"anything to app":                   {"internal/cli/x.go", "baton/internal/app", false},
		"a test to app":                     {"internal/cli/x_test.go", "baton/internal/app", false},
		"main to app":                       {"cmd/baton/main.go", "baton/internal/app", true},
		"main past app":                     {"cmd/baton/main.go", "baton/internal/store", false},
		"command line past the API":         {"internal/cli/x.go", "baton/internal/store", false},
		"a package that nobody has entered": {"internal/new/x.go", "baton/internal/pair", false},
	} {
		t.Run(name, func(t *testing.T) {
			reason := refuseImport(parse(t, test.path, []byte("package x")), test.imported)
			if (reason == "") != test.allowed {
				t.Errorf("allowed %v, want %v: %s", reason == "", test.allowed, reason)
			}
		})
	}
}

func TestStateAndImpurityAreFound(t *testing.T) {
	text := `package failover
import ("errors"; "time")
var ErrGone = errors.New("gone")
var _ error = ErrGone
var started = time.Now()
func init() { go func() { time.Sleep(1) }() }
`
	f := parse(t, "internal/failover/x.go", []byte(text))
	if found := packageState(f); len(found) != 2 || !strings.Contains(found[0], "x.go:5") || !strings.Contains(found[1], "x.go:6") {
		t.Errorf("state: %q", found)
	}
	if found := impurities(f); len(found) != 3 {
		t.Errorf("impurities: %q", found)
	}
	if lines := codeLines(parse(t, "x.go", []byte("package x\n\n// nor\nvar a = `1\n2`\n/* not\nthis */\n"))); lines != 3 {
		t.Errorf("counted %d lines of code, want 3", lines)
	}
}
