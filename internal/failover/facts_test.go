package failover

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"baton/internal/pair"
)

// A question is asked as of the event, however long ago the turn before was: a conflict with a
// peer that has been silent since is no conflict any more.
func TestQuestionsAreAskedAsOfTheEvent(t *testing.T) {
	c, s := readyBackup()
	s.Record.Role, s.Phase = pair.Primary, pair.Waiting
	s.Peer.Role, s.Peer.Phase = pair.Backup, pair.Conflict
	for since, want := range map[time.Duration]Reason{c.Timeout / 2: EpochsClash, 2 * c.Timeout: PeerSilent} {
		_, actions := c.Next(s, s.Now.Add(since), BecomePrimary{})
		if !slices.Contains(actions, Action(Finish{Refusal: want})) {
			t.Errorf("%s after the peer was heard: %v, not %q", since, actions, want)
		}
	}
}

// A question about the facts decides nothing. It has no turn, so it cannot act; and it assigns
// to nothing but its own variables, takes no address, and calls nothing that changes a state.
func TestQuestionsChangeNothing(t *testing.T) {
	var questions []*ast.FuncDecl
	changes := map[string]bool{}
	for _, f := range functions(t) {
		switch {
		case has(f, "*State"), has(f, "*Evidence"):
			changes[f.Name.Name] = true
		case has(f, "facts"):
			questions = append(questions, f)
		}
	}
	if len(questions) < 50 || len(changes) < 10 {
		t.Fatalf("%d questions and %d functions that change a state: this test does not find them", len(questions), len(changes))
	}
	for _, f := range questions {
		ast.Inspect(f.Body, func(n ast.Node) bool {
			if why := change(n, changes); why != "" {
				t.Errorf("the question %s %s", f.Name.Name, why)
			}
			return true
		})
	}
}

func functions(t *testing.T) (all []*ast.FuncDecl) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				all = append(all, f)
			}
		}
	}
	return all
}

// has reports whether a function has a receiver or a parameter of a type.
func has(f *ast.FuncDecl, name string) bool {
	fields := f.Type.Params.List
	if f.Recv != nil {
		fields = slices.Concat(fields, f.Recv.List)
	}
	for _, field := range fields {
		written := ""
		kind := field.Type
		if star, ok := kind.(*ast.StarExpr); ok {
			written, kind = "*", star.X
		}
		if ident, ok := kind.(*ast.Ident); ok && written+ident.Name == name {
			return true
		}
	}
	return false
}

// change says what of a question may change something; empty: nothing.
func change(n ast.Node, changes map[string]bool) string {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for _, to := range n.Lhs {
			if _, own := to.(*ast.Ident); !own {
				return "assigns to what is not its own"
			}
		}
	case *ast.IncDecStmt:
		if _, own := n.X.(*ast.Ident); !own {
			return "counts what is not its own"
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return "takes an address"
		}
	case *ast.CallExpr:
		called := ""
		switch fun := n.Fun.(type) {
		case *ast.Ident:
			called = fun.Name
		case *ast.SelectorExpr:
			called = fun.Sel.Name
		}
		if changes[called] {
			return "calls " + called
		}
	}
	return ""
}
