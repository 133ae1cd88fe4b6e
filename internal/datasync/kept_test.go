package datasync

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/manifest"
)

// manifestsOn returns the sizes of the manifests that an appliance keeps, by name, and how many are differences.
func manifestsOn(t *testing.T, a *appliance) (sizes map[string]int, differences int) {
	t.Helper()
	dir := filepath.Join(a.opt.Dir, "manifests")
	names, err := os.ReadDir(dir)
	must(t, err)
	sizes = map[string]int{}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name.Name()))
		must(t, err)
		sizes[name.Name()] = len(b)
		if manifest.BaseOf(b) != (manifest.Digest{}) {
			differences++
		}
	}
	return sizes, differences
}

// TestAManifestIsKeptAsWhatChanged has little of a tree change again and again, on both sides, with restarts.
func TestAManifestIsKeptAsWhatChanged(t *testing.T) {
	p := newPair(t)
	for i := range 1000 {
		write(t, fmt.Sprintf("%s/d%02d/a file with a long name %04d", p.primary.tree, i%50, i), "text")
	}
	p.pull(t)
	most := 0
	for round := range 80 {
		write(t, p.primary.tree+"/d07/changes", strings.Repeat("x", round))
		p.pull(t)
		if round%9 == 0 {
			p.backup.reopen(t)
		}
		if round%13 == 0 {
			p.primary.reopen(t)
			p.primary.Offer(p.epoch)
			p.server.Config.Handler = p.primary.Handler()
		}
		for name, side := range map[string]*appliance{"primary": p.primary, "backup": p.backup} {
			sizes, differences := manifestsOn(t, side)
			most = max(most, differences)
			if len(sizes) > 40 {
				t.Fatalf("round %d: %s keeps %d manifests", round, name, len(sizes))
			}
		}
	}
	if most < 10 {
		t.Errorf("at most %d manifests were kept as differences", most)
	}
	if snapshot, measures, err := p.backup.Measured(); err != nil || snapshot.Number != 81 || measures[0].Files != 1001 {
		t.Errorf("measured: %v, %v, %v", snapshot, measures, err)
	}
}
