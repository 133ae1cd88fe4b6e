package archtest

import (
	"go/ast"
	"testing"
)

// TestRefusalsSayTheirCausesInPlainWords: an error of a library within the sentence
// of a refusal goes through cause.Plain, since pair, which is pure, cannot do that.
func TestRefusalsSayTheirCausesInPlainWords(t *testing.T) {
	for _, f := range tree(t) {
		if f.isTest() {
			continue
		}
		for _, found := range rawCauses(f) {
			t.Error(found)
		}
	}
}

// rawCauses lists the variables called err among the arguments of pair.Refuse.
func rawCauses(f file) (found []string) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !calls(call, "pair", "Refuse") {
			return true
		}
		for _, argument := range call.Args {
			if name, ok := argument.(*ast.Ident); ok && name.Name == "err" {
				found = append(found, f.at(call)+": write cause.Plain(err), so that nobody reads the words of a library")
			}
		}
		return true
	})
	return found
}

// calls reports whether a call is of pkg.name.
func calls(call *ast.CallExpr, pkg, name string) bool {
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || function.Sel.Name != name {
		return false
	}
	in, ok := function.X.(*ast.Ident)
	return ok && in.Name == pkg
}
