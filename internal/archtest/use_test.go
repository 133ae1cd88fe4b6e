package archtest

import (
	"go/ast"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestWhatIsExportedIsUsed finds functions and methods that only tests call. A method by
// which a type is one of an interface counts as used.
func TestWhatIsExportedIsUsed(t *testing.T) {
	all := checkTypes(t)
	used := map[string]bool{}
	interfaces := map[string]bool{}
	seen := map[*types.Package]bool{}
	var visit func(p *types.Package)
	visit = func(p *types.Package) {
		if seen[p] {
			return
		}
		seen[p] = true
		for _, name := range p.Scope().Names() {
			if wide, ok := p.Scope().Lookup(name).Type().Underlying().(*types.Interface); ok {
				for method := range wide.Methods() {
					interfaces[method.Name()] = true
				}
			}
		}
		for _, imported := range p.Imports() {
			visit(imported)
		}
	}
	for name := range templateNames(t) {
		interfaces[name] = true
	}
	for _, p := range all {
		visit(p.types)
		for _, f := range p.files {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if wide, ok := n.(*ast.InterfaceType); ok { // also one without a name
					for _, method := range wide.Methods.List {
						for _, name := range method.Names {
							interfaces[name.Name] = true
						}
					}
				}
				return true
			})
		}
		for _, object := range p.uses {
			if f, ok := object.(*types.Func); ok {
				used[f.Origin().FullName()] = true
			}
		}
	}
	for pkg, p := range all {
		if !strings.HasPrefix(pkg, "internal/") || madeForTests(pkg) {
			continue
		}
		for _, f := range exportedFunctions(p.types) {
			asOne := f.Signature().Recv() != nil && interfaces[f.Name()]
			if !used[f.FullName()] && !asOne && !slices.Contains(shownByTests(), f.FullName()) {
				t.Errorf("%s: nothing but tests calls %s: take it out, or make it a test's own", pkg, f.Name())
			}
		}
	}
}

// shownByTests lists what is for the pages, which tests write and compare.
func shownByTests() []string {
	return []string{"baton/internal/failover.Guards", "baton/internal/failover.Reasons", "baton/internal/failover.Transitions"}
}

// templateNames are the methods that the console's templates call, and those that the
// standard library asks a value for.
func templateNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"Is": true, "As": true, "Unwrap": true, "FlushError": true}
	pattern := regexp.MustCompile(`[.$](\w+)`)
	err := filepath.WalkDir("../../internal/console", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".html" && filepath.Ext(name) != ".tmpl" {
			return err
		}
		text, err := os.ReadFile(name)
		for _, found := range pattern.FindAllStringSubmatch(string(text), -1) {
			names[found[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// madeForTests reports whether a package is for tests and simulated hosts only.
func madeForTests(pkg string) bool {
	parts := strings.Split(pkg, "/")
	return strings.HasSuffix(path.Base(pkg), "test") || slices.Contains(parts, "lab")
}

func exportedFunctions(p *types.Package) (all []*types.Func) {
	for _, name := range p.Scope().Names() {
		switch object := p.Scope().Lookup(name).(type) {
		case *types.Func:
			if object.Exported() {
				all = append(all, object)
			}
		case *types.TypeName:
			named, ok := object.Type().(*types.Named)
			if !ok || object.IsAlias() {
				continue
			}
			for method := range named.Methods() {
				if method.Exported() {
					all = append(all, method)
				}
			}
		}
	}
	return all
}
