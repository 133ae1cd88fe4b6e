package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lines returns the line of every key of a valid document, by path: listen,
// listen[0], shared_ip[1], shared_ip[1].address. The decoder forgets them, and
// a check of a value has to name its line.
func lines(document []byte) map[string]int {
	finder := lineFinder{document: document, found: map[string]int{}}
	var parser unstable.Parser
	parser.Reset(document)
	tables, prefix := map[string]int{}, ""
	for parser.NextExpression() {
		expression := parser.Expression()
		switch expression.Kind { //nolint:exhaustive // an expression of a document is one of these three or a comment
		case unstable.Table:
			prefix = finder.key("", expression) + "."
		case unstable.ArrayTable:
			name := dotted(expression)
			item := fmt.Sprintf("%s[%d]", name, tables[name])
			tables[name]++
			finder.found[item] = finder.line(expression.Child())
			prefix = item + "."
		case unstable.KeyValue:
			finder.keyValue(prefix, expression)
		}
	}
	return finder.found
}

type lineFinder struct {
	document []byte
	found    map[string]int
}

func (f lineFinder) line(node *unstable.Node) int {
	return 1 + bytes.Count(f.document[:node.Raw.Offset], []byte("\n"))
}

// key notes a dotted key and each table that it implies; it returns its path.
func (f lineFinder) key(prefix string, node *unstable.Node) string {
	path := prefix + dotted(node)
	first := node.Key()
	first.Next()
	line := f.line(first.Node())
	for i, r := range path {
		if _, known := f.found[path[:i]]; r == '.' && !known {
			f.found[path[:i]] = line
		}
	}
	f.found[path] = line
	return path
}

func (f lineFinder) keyValue(prefix string, node *unstable.Node) {
	path := f.key(prefix, node)
	f.value(path, f.found[path], node.Value())
}

func (f lineFinder) value(path string, line int, node *unstable.Node) {
	children := node.Children()
	switch node.Kind { //nolint:exhaustive // plain values are on the line of their key
	case unstable.InlineTable:
		for children.Next() {
			f.keyValue(path+".", children.Node())
		}
	case unstable.Array:
		for i := 0; children.Next(); {
			child := children.Node()
			if child.Kind == unstable.Comment {
				continue
			}
			if child.Raw.Length > 0 {
				line = f.line(child)
			}
			item := fmt.Sprintf("%s[%d]", path, i)
			f.found[item] = line
			f.value(item, line, child)
			i++
		}
	}
}

// dotted returns the key of a node as the decoder matches it: letter case apart.
func dotted(node *unstable.Node) string {
	var parts []string
	for key := node.Key(); key.Next(); {
		parts = append(parts, string(key.Node().Data))
	}
	return strings.ToLower(strings.Join(parts, "."))
}
