package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "baton"

// file is one Go file of the tree.
type file struct {
	path    string // in the tree, as internal/pair/role.go
	content []byte
	set     *token.FileSet
	syntax  *ast.File
}

// pkg is the package's path in the tree.
func (f file) pkg() string { return path.Dir(f.path) }

func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f file) at(node ast.Node) string {
	return f.path + ":" + strconv.Itoa(f.set.Position(node.Pos()).Line)
}

// imports returns the import paths of the file.
func (f file) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

// parse reads one file, with positions of its own.
func parse(t *testing.T, name string, content []byte) file {
	t.Helper()
	f, err := parseInto(token.NewFileSet(), name, content)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// parseInto reads one file, with its positions in a set.
func parseInto(set *token.FileSet, name string, content []byte) (file, error) {
	syntax, err := parser.ParseFile(set, name, content, parser.ParseComments|parser.SkipObjectResolution)
	return file{path: name, content: content, set: set, syntax: syntax}, err
}

// tree returns every Go file of the module, whatever its build constraints.
func tree(t *testing.T) []file {
	t.Helper()
	files, err := parsedTree()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go file found: the test looks in the wrong place")
	}
	return files
}

// parsedTree reads the tree once for all tests.
var parsedTree = sync.OnceValues(func() (files []file, err error) {
	root := filepath.Join("..", "..")
	set := token.NewFileSet()
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(root, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		inTree, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f, err := parseInto(set, filepath.ToSlash(inTree), content)
		files = append(files, f)
		return err
	})
	return files, err
})

// enter skips what is no package of this module.
func enter(root, dir string) error {
	name := filepath.Base(dir)
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	otherModule := err == nil && dir != root
	hidden := dir != root && strings.HasPrefix(name, ".")
	if otherModule || hidden || name == "testdata" || name == "vendor" {
		return filepath.SkipDir
	}
	return nil
}

// codeLines counts the lines that hold code: neither blank nor comment only.
func codeLines(f file) int {
	lines := map[int]bool{}
	var scan scanner.Scanner
	set := token.NewFileSet()
	scan.Init(set.AddFile(f.path, -1, len(f.content)), f.content, nil, 0)
	for {
		pos, tok, literal := scan.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		if tok == token.SEMICOLON && literal == "\n" {
			continue
		}
		first := set.Position(pos).Line
		for i := range 1 + bytes.Count([]byte(literal), []byte("\n")) {
			lines[first+i] = true
		}
	}
}
