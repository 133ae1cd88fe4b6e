package exclude

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhatAPatternExcludes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		pattern  string
		excluded []string
		kept     []string
	}{
		{"cache", []string{"cache", "cache/a", "a/cache", "a/cache/b/c"}, []string{".", "cached", "a/my-cache"}},
		{"cache/", []string{"cache/a", "a/cache/b/c"}, []string{"cache", "a/cache"}},
		{"/cache", []string{"cache", "cache/a"}, []string{"a/cache"}},
		{"/cache/", []string{"cache/a"}, []string{"cache", "a/cache/b"}},
		{"*.tmp", []string{"a.tmp", "d/b.tmp", ".tmp", "d.tmp/x"}, []string{"a.tmp.txt", "tmp"}},
		{"/*.tmp", []string{"a.tmp"}, []string{"d/a.tmp"}},
		{"var/log", []string{"var/log", "a/var/log/x"}, []string{"var", "log", "var/x/log"}},
		{"/var/**/log", []string{"var/log", "var/a/log", "var/a/b/log/c"}, []string{"var", "a/var/log", "var/a/logs"}},
		{"/var/**", []string{"var/log", "var/a/b"}, []string{"var"}},
		{"**/x/**/y", []string{"x/y", "a/x/b/c/y"}, []string{"x", "y", "y/x"}},
		{"[ab]?", []string{"ab", "c/bz"}, []string{"a", "cb", "abc"}},
		{`\*`, []string{"*", "a/*"}, []string{"a"}},
		{"a\xcc\x81", []string{"d/a\xcc\x81"}, []string{"a"}},
	} {
		patterns, err := Parse([]string{row.pattern})
		if err != nil {
			t.Errorf("%s: %v", row.pattern, err)
			continue
		}
		m := patterns.Matcher()
		for _, path := range row.excluded {
			if !m.Excludes(path) {
				t.Errorf("%s does not exclude %s", row.pattern, path)
			}
		}
		for _, path := range row.kept {
			if m.Excludes(path) {
				t.Errorf("%s excludes %s", row.pattern, path)
			}
		}
	}
}

func TestPatternsThatAreRefused(t *testing.T) {
	t.Parallel()
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprint("n", i)
	}
	for want, patterns := range map[string][]string{
		"too many":           many,
		"names nothing":      {""},
		"has 257 bytes":      {strings.Repeat("a", 257)},
		"control characters": {"a\nb"},
		"not UTF-8":          {"a\xff"},
		"empty name":         {"a//b"},
		". or ..":            {"../b"},
		". or .. in it":      {"/a/./b"},
		"cannot be read":     {"[a"},
	} {
		if _, err := Parse(patterns); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50q: %v, want %q", patterns, err, want)
		}
	}
	for _, all := range [][]string{{"*"}, {"**"}, {"/**"}, {"/*"}, {"**/*"}, {"?*"}, {"[^%]*"}, {"?", "??*"}, {"/**/*"}} {
		if _, err := Parse(all); err == nil || !strings.Contains(err.Error(), "leave nothing to sync") {
			t.Errorf("%q: %v", all, err)
		}
	}
	if _, err := Parse([]string{"/"}); err == nil {
		t.Error("/ is accepted")
	}
}

func TestPatternsAreOneValue(t *testing.T) {
	t.Parallel()
	a, err := Parse([]string{"b", "a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Parse([]string{"a", "b"})
	if a != b || !slices.Equal(a.List(), []string{"a", "b"}) || Patterns("").List() != nil || !Patterns("").Matcher().IsEmpty() {
		t.Errorf("%q, %q", a, b)
	}
}

// TestAPatternTakesNoLongTime has a pattern that a careless matcher tries in every way.
func TestAPatternTakesNoLongTime(t *testing.T) {
	t.Parallel()
	patterns, err := Parse([]string{"/" + strings.Repeat("**/a/", 30) + "b"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if patterns.Matcher().Matches(strings.Repeat("a/", 5000) + "c") {
		t.Error("it matches")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestOnlyOnePathIsExcluded(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"db", "a/db", "**", "a/**/b", "*.tmp", `a\b`, "[a]/?", "a b", "-"} {
		patterns, err := Parse([]string{Only(path)})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		m := patterns.Matcher()
		if !m.Excludes(path) || !m.Excludes(path+"/below") {
			t.Errorf("%s is not excluded", path)
		}
		for _, other := range []string{"x", "a", "x/db", "x/" + path, path + "x", "a/x/b", "x.tmp", "ab", "a/x"} {
			if other != path && m.Excludes(other) {
				t.Errorf("%s excludes %s", path, other)
			}
		}
	}
}

func TestWhatAPatternConcerns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, at string
		is          bool
	}{
		{"/db", "db", true},
		{"/db/", "db", true},
		{"/db/base", "db", true},
		{"/outer/inner", "outer", true},
		{"/outer", "outer/inner", true},
		{"/*/base", "db", true},
		{"/db/**", "db", true},
		{"/var/**/base", "var/lib/db", true},
		{"cache", "db", true},
		{"/www", ".", true},
		{"/www", "db", false},
		{"/db2", "db", false},
		{"/db/base", "www/db", false},
		{"/db/one", "db/two", false},
	} {
		if Concerns(c.pattern, c.at) != c.is {
			t.Errorf("%q and %q", c.pattern, c.at)
		}
	}
}
