package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// checked is one package of the module with its types, as the program has it: without
// tests.
type checked struct {
	files []file
	types *types.Package
	uses  map[*ast.Ident]types.Object
}

// checkTypes returns the types of every package that is built into the program or into
// what is made for tests.
func checkTypes(t *testing.T) map[string]checked {
	t.Helper()
	all, err := checkedTree()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkedTree reads the types once for all tests.
var checkedTree = sync.OnceValues(func() (map[string]checked, error) {
	files, err := parsedTree()
	if err != nil {
		return nil, err
	}
	exports, err := exportData()
	if err != nil {
		return nil, err
	}
	byPackage := map[string][]file{}
	for _, f := range files {
		if !f.isTest() && !strings.Contains(string(f.content[:min(len(f.content), 200)]), "//go:build") {
			byPackage[f.pkg()] = append(byPackage[f.pkg()], f)
		}
	}
	set := files[0].set
	from := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	all := map[string]checked{}
	for _, pkg := range slices.Sorted(maps.Keys(byPackage)) {
		if exports[module+"/"+pkg] == "" {
			continue // not for this system
		}
		var syntax []*ast.File
		for _, f := range byPackage[pkg] {
			syntax = append(syntax, f.syntax)
		}
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
		config := types.Config{Importer: from, Error: func(error) {}} // files of a build constraint are left out
		made, _ := config.Check(module+"/"+pkg, set, syntax, info)
		all[pkg] = checked{files: byPackage[pkg], types: made, uses: info.Uses}
	}
	return all, nil
})

// exportData returns the file with the compiled types of every package, by path.
func exportData() (map[string]string, error) {
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", "./...")
	command.Dir = "../.."
	var failed bytes.Buffer
	command.Stderr = &failed
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, failed.String())
	}
	exports := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one struct{ ImportPath, Export string }
		switch err := decoder.Decode(&one); {
		case errors.Is(err, io.EOF):
			return exports, nil
		case err != nil:
			return nil, err
		}
		exports[one.ImportPath] = one.Export
	}
}
