package archtest

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kindless lists the packages of the data sync that know no kind of data: a kind is one
// package below the contract, and one row in app.
func kindless() []string {
	return []string{"internal/datasync", "internal/datasync/manifest", "internal/datasync/source", "internal/datasync/ledger", "internal/datasync/archive", "internal/datasync/point", "internal/datasync/diverged", "internal/datasync/wire", "internal/datasync/offer", "internal/datasync/protected", "internal/datasync/refusal", "internal/datasync/sides", "internal/datasync/pace", "internal/datasync/progress", "internal/datasync/follow"}
}

// kindsOfData returns the packages that each are a kind of data.
func kindsOfData(files []file) []string {
	var kinds []string
	for _, f := range files {
		pkg := f.pkg()
		if below := path.Dir(pkg); (below == "internal/datasync/source" || below == "internal/datasync/follow") && !isForTests(pkg) && !slices.Contains(kinds, pkg) {
			kinds = append(kinds, pkg)
		}
	}
	return kinds
}

func TestTheDataSyncNamesNoKindOfData(t *testing.T) {
	files := tree(t)
	kinds := kindsOfData(files)
	if len(kinds) < 2 {
		t.Fatalf("kinds of data: %v", kinds)
	}
	for _, f := range files {
		if !slices.Contains(kindless(), f.pkg()) || f.isTest() {
			continue
		}
		for _, named := range kindsNamed(f, kinds) {
			t.Error(named)
		}
	}
}

// kindsNamed lists where a file imports or names a kind of data. The keys of what is
// written to disk and sent to the peer stay what they are: struct tags do not count.
func kindsNamed(f file, kinds []string) []string {
	var found []string
	for _, imported := range f.imports() {
		if inTree, ours := strings.CutPrefix(imported, module+"/"); ours && slices.ContainsFunc(kinds, func(kind string) bool { return inTree == kind || strings.HasPrefix(inTree, kind+"/") }) {
			found = append(found, f.path+": imports "+inTree+", which is a kind of data")
		}
	}
	say := func(node ast.Node, text string) {
		for _, kind := range kinds {
			if word := named(text, path.Base(kind)); word != "" {
				found = append(found, f.at(node)+": "+word+" is a kind of data: say it of every kind, or move it to "+kind)
			}
		}
	}
	for _, group := range f.syntax.Comments {
		say(group, group.Text())
	}
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			for _, name := range node.Names {
				say(name, name.Name)
			}
			ast.Inspect(node.Type, func(inner ast.Node) bool {
				if id, ok := inner.(*ast.Ident); ok {
					say(id, id.Name)
				}
				return true
			})
			return false
		case *ast.Ident:
			say(node, node.Name)
		case *ast.BasicLit:
			say(node, node.Value)
		}
		return true
	})
	return found
}

// named returns the word in a text that is a name, in the singular or the plural, or
// begins or ends with one in an identifier.
func named(text, name string) string {
	plural := name + "s"
	if stem, ok := strings.CutSuffix(name, "y"); ok {
		plural = stem + "ies"
	}
	capital := regexp.MustCompile(`([a-z0-9])([A-Z])`)
	for _, word := range regexp.MustCompile(`[A-Za-z]+`).FindAllString(capital.ReplaceAllString(text, "$1 $2"), -1) {
		if low := strings.ToLower(word); low == name || low == plural {
			return word
		}
	}
	return ""
}

func TestKindsOfDataAreFound(t *testing.T) {
	kinds := []string{"internal/datasync/source/directory", "internal/datasync/source/site"}
	f := parse(t, "internal/datasync/x.go", []byte(`package datasync
import "baton/internal/datasync/source/site"
// Directories are what is opposite.
type x struct {
	Inline string `+"`json:\"site\"`"+`
	siteName string
}
const text = "the site database"
`))
	if found := kindsNamed(f, kinds); len(found) != 4 {
		t.Errorf("found %q", found)
	}
}
