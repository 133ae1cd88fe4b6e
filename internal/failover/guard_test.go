package failover_test

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"baton/internal/failover"
)

// Every guard bears load: without it, appliances in some story act otherwise.
func TestEveryGuardBearsLoad(t *testing.T) {
	for _, guard := range failover.Guards() {
		t.Run(fmt.Sprint(guard), func(t *testing.T) {
			t.Parallel()
			without := func(c failover.Config) failover.Config { return c.Without(guard) }
			for _, path := range longLast(stories(t)) {
				if acts(tell(t, path, without)) != acts(read(t, path)) {
					return
				}
			}
			t.Errorf("no story needs guard %d, counted from 1 in guard.go", guard)
		})
	}
}

// longLast puts the stories of many virtual hours behind the others.
func longLast(paths []string) []string {
	long := func(path string) int {
		return map[string]int{"partition.txt": 1, "takeover.txt": 2, "damping.txt": 3}[filepath.Base(path)]
	}
	slices.SortStableFunc(paths, func(a, b string) int { return cmp.Compare(long(a), long(b)) })
	return paths
}

// acts leaves of a story what the appliances do, without what is only shown.
func acts(story string) string {
	var kept []string
	shown := false
	for line := range strings.Lines(story) {
		if strings.HasPrefix(line, ">") {
			shown = line == "> status\n"
		}
		condition := strings.Contains(line, " + ") || strings.Contains(line, " - ")
		if !shown && !condition {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
