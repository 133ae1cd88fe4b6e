package archtest

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// The measures of a package and of its types. Run with -v to read the largest.
const (
	maxPackage    = 3000 // lines outside tests
	maxMethods    = 40   // of one type, promoted ones included
	maxInterface  = 8    // methods, without a line that says why
	maxSamePrefix = 5    // files of a package whose names begin alike, as audit_users.go
)

// largePackages lists those that are larger, with how large they may be, and why.
func largePackages() map[string]int {
	return map[string]int{
		"internal/api":      4470, // one file for each subject of a wide interface
		"internal/failover": 4640, // the decision is one function of one state: it grows with what it decides
	}
}

func TestPackagesStaySmall(t *testing.T) {
	lines := map[string]int{}
	code := 0
	for _, f := range tree(t) {
		if f.isTest() || !strings.HasPrefix(f.path, "internal/") {
			continue
		}
		lines[f.pkg()] += strings.Count(string(f.content), "\n")
		code += codeLines(f)
	}
	limits := largePackages()
	for pkg, n := range lines {
		limit, large := limits[pkg]
		switch {
		case !large && n > maxPackage:
			t.Errorf("%s has %d lines outside tests, at most %d: divide it by what it does", pkg, n, maxPackage)
		case large && n > limit:
			t.Errorf("%s has %d lines outside tests, and may have %d since it was large already", pkg, n, limit)
		case large && n <= maxPackage:
			t.Errorf("%s is small now: take it out of the list", pkg)
		case large && n < limit-100:
			t.Errorf("%s has %d lines only: let its limit of %d sink", pkg, n, limit)
		}
	}
	t.Logf("%d lines of code in internal", code)
}

func TestFilesOfAPackageAreNoPackage(t *testing.T) {
	alike := map[string]int{}
	for _, f := range tree(t) {
		name := f.path[strings.LastIndex(f.path, "/")+1:]
		if prefix, _, has := strings.Cut(strings.TrimSuffix(name, ".go"), "_"); has && !f.isTest() {
			alike[f.pkg()+"/"+prefix+"_"]++
		}
	}
	for prefix, n := range alike {
		if n > maxSamePrefix {
			t.Errorf("%d files are called %s*: make them a package", n, prefix)
		}
	}
}

func TestTypesStaySmall(t *testing.T) {
	type sized struct {
		name string
		n    int
	}
	var largest, widest sized
	for pkg, p := range checkTypes(t) {
		for _, name := range p.types.Scope().Names() {
			named, ok := p.types.Scope().Lookup(name).(*types.TypeName)
			if !ok || named.IsAlias() {
				continue
			}
			full := pkg + "." + name
			if wide, ok := named.Type().Underlying().(*types.Interface); ok {
				if widest.n < wide.NumMethods() {
					widest = sized{full, wide.NumMethods()}
				}
				if wide.NumMethods() > maxInterface && !madeForTests(pkg) && !saysWhy(p.files, name) {
					t.Errorf("interface %s has %d methods: divide it, or say in its comment why it has more than %d methods", full, wide.NumMethods(), maxInterface)
				}
				continue
			}
			n := types.NewMethodSet(types.NewPointer(named.Type())).Len()
			if largest.n < n {
				largest = sized{full, n}
			}
			if n > maxMethods {
				t.Errorf("%s has %d methods, promoted ones included, at most %d: divide it by what it does", full, n, maxMethods)
			}
		}
	}
	t.Logf("the largest method set is that of %s: %d; the largest interface %s: %d", largest.name, largest.n, widest.name, widest.n)
}

// saysWhy reports whether the comment of a type has a line on why it has so many methods.
func saysWhy(files []file, name string) bool {
	return slices.ContainsFunc(files, func(f file) bool {
		return slices.ContainsFunc(f.syntax.Decls, func(decl ast.Decl) bool {
			general, ok := decl.(*ast.GenDecl)
			return ok && strings.Contains(general.Doc.Text(), "more than 8 methods") && slices.ContainsFunc(general.Specs, func(spec ast.Spec) bool {
				declared, ok := spec.(*ast.TypeSpec)
				return ok && declared.Name.Name == name
			})
		})
	})
}
