// Package exclude says what of a directory is left out of the data sync: paths that match
// a pattern, and all that is below one. Whether a path is excluded depends on the path
// alone, not on what is there, so both appliances of a pair mean the same by a pattern.
//
// Start reading at Patterns.
package exclude

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what one directory leaves out.
const (
	MaxPatterns = 64
	MaxPattern  = 256 // bytes of one
)

// Patterns are some patterns, in order, as one value that can be compared; the zero value
// excludes nothing.
//
// A pattern is names with slashes between them. In a name, an asterisk stands for any bytes, a
// question mark for one character, [a-z] and [^a-z] for one of some, and a backslash takes
// the next character as it is. The name ** stands for any number of directories. A slash in front
// ties the pattern to the top of the directory; without it the pattern matches at any
// depth. A slash at the end excludes what is in such a directory and not the directory.
type Patterns string

// Parse accepts patterns in any order, each once or more often. The error is one sentence
// for a person, without its full stop.
func Parse(patterns []string) (Patterns, error) {
	if len(patterns) > MaxPatterns {
		return "", fmt.Errorf("%d exclude patterns are too many: use at most %d, as one pattern with * or one for a whole directory", len(patterns), MaxPatterns)
	}
	for _, pattern := range patterns {
		if err := check(pattern); err != nil {
			return "", err
		}
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(patterns)))
	all := Patterns(strings.Join(sorted, "\n"))
	if m := all.Matcher(); m.Excludes("q") && m.Excludes("Zq-0") && m.Excludes("zq0.longer_name~x") {
		return "", fmt.Errorf("the exclude patterns %s leave nothing to sync: name what is to be left out", strings.Join(sorted, " "))
	}
	return all, nil
}

func check(pattern string) error {
	switch {
	case strings.Trim(pattern, "/") == "":
		return fmt.Errorf("the exclude pattern %q names nothing: write it like cache/ or *.tmp", pattern)
	case len(pattern) > MaxPattern:
		return fmt.Errorf("the exclude pattern %.40q... has %d bytes: use at most %d", pattern, len(pattern), MaxPattern)
	case !utf8.ValidString(pattern) || strings.ContainsFunc(pattern, unicode.IsControl):
		return fmt.Errorf("the exclude pattern %q holds control characters or is not UTF-8: let ? stand for such a character", pattern)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(pattern, "/"), "/"), "/") {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("the exclude pattern %q has an empty name, . or .. in it: write it as a path below the directory, like /var/cache", pattern)
		}
		if _, err := path.Match(name, ""); err != nil {
			return fmt.Errorf("the exclude pattern %q cannot be read: close each [ with ], and put a character after each backslash", pattern)
		}
	}
	return nil
}

// Only returns the pattern that excludes one path with all that is below it, and nothing else.
func Only(path string) string {
	return "/" + strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(path)
}

// Concerns reports whether a pattern may exclude something at a path, above it or below it. It may say so of one that does not.
func Concerns(pattern, at string) bool {
	if at == "." {
		return true
	}
	names := strings.Split(at, "/")
	for i, of := range namesOf(pattern) {
		if of == anyDepth || i == len(names) {
			return true
		}
		if !like(of, names[i]) {
			return false
		}
	}
	return true
}

// List returns the patterns, in order.
func (p Patterns) List() []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), "\n")
}

// Matcher returns what finds out quickly whether a path is excluded.
func (p Patterns) Matcher() Matcher {
	m := Matcher{of: p, named: map[string]bool{}}
	for _, pattern := range p.List() {
		names := namesOf(pattern)
		switch {
		case len(names) != 2 || names[0] != anyDepth:
			m.paths = append(m.paths, names)
		case strings.ContainsAny(names[1], `*?[\`):
			m.names = append(m.names, names[1])
		default:
			m.named[names[1]] = true
		}
	}
	return m
}

const anyDepth = "**"

// namesOf returns the names of a pattern, tied to the top, so that it matches what is
// excluded itself: what is below follows.
func namesOf(pattern string) []string {
	tied := strings.HasPrefix(pattern, "/")
	names := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	if last := len(names) - 1; names[last] == "" || names[last] == anyDepth {
		names[last] = "*"
	}
	if !tied {
		names = append([]string{anyDepth}, names...)
	}
	return names
}

// Matcher tells whether paths are excluded. The zero value excludes none.
type Matcher struct {
	of    Patterns
	named map[string]bool // names, at any depth
	names []string        // patterns of one name, at any depth
	paths [][]string      // the others, tied to the top
}

// Patterns are those that it was made of.
func (m Matcher) Patterns() Patterns { return m.of }

// IsEmpty reports whether nothing is excluded.
func (m Matcher) IsEmpty() bool { return m.of == "" }

// Excludes reports whether a path below the directory is excluded: it matches a pattern,
// or a directory above it does. The directory itself, ".", is not.
func (m Matcher) Excludes(path string) bool {
	if m.IsEmpty() || path == "." {
		return false
	}
	for end := range len(path) {
		if path[end] == '/' && m.Matches(path[:end]) {
			return true
		}
	}
	return m.Matches(path)
}

// Matches is Excludes for a path of which it is known that no directory above it is
// excluded.
func (m Matcher) Matches(at string) bool {
	if m.IsEmpty() {
		return false
	}
	name := at[strings.LastIndexByte(at, '/')+1:]
	if m.named[name] || slices.ContainsFunc(m.names, func(pattern string) bool { return like(pattern, name) }) {
		return true
	}
	if len(m.paths) == 0 {
		return false
	}
	names := strings.Split(at, "/")
	return slices.ContainsFunc(m.paths, func(pattern []string) bool { return match(pattern, names) })
}

// like reports whether a name is as a pattern of one, which was checked, says.
func like(pattern, name string) bool {
	is, _ := path.Match(pattern, name)
	return is
}

// match takes time by the product of both lengths, at most: a peer chooses both.
func match(pattern, names []string) bool {
	at, retry, from := 0, -1, 0 // the latest ** began to match at from
	for n := 0; n < len(names); {
		switch {
		case at < len(pattern) && pattern[at] == anyDepth:
			retry, from = at, n
			at++
		case at < len(pattern) && like(pattern[at], names[n]):
			at, n = at+1, n+1
		case retry >= 0:
			from++
			at, n = retry+1, from
		default:
			return false
		}
	}
	for at < len(pattern) && pattern[at] == anyDepth {
		at++
	}
	return at == len(pattern)
}
