package datasync

import (
	"os"
	"strings"
	"testing"

	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

const (
	alpha = pair.ApplianceID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	beta  = pair.ApplianceID("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

// TestADirectoryLiesElsewhereOnOneAppliance syncs it in both directions: each appliance keeps to its own path, and to what may
// be protected there.
func TestADirectoryLiesElsewhereOnOneAppliance(t *testing.T) {
	t.Setenv("TMPDIR", "/tmp") // what may be in memory may not be protected
	p := newPair(t)
	spec := pair.Directory{Path: pair.Path(p.primary.tree), Away: beta, Elsewhere: pair.Path(p.backup.tree)}
	forbidden := ""
	for id, a := range map[pair.ApplianceID]*appliance{alpha: p.primary, beta: p.backup} {
		a.data.Spec = spec
		a.dirs.Place = func(d pair.Data) string { return d.Spec.Here(id).String() }
		a.dirs.Allowed = func(place, real string) string {
			if place == forbidden || real == forbidden {
				return "The configuration of this appliance does not allow " + place
			}
			return ""
		}
		a.reopen(t)
	}
	p.serve()
	write(t, p.primary.tree+"/page", "alpha's")
	must(t, os.Mkdir(p.backup.tree, 0o755))
	forbidden = p.backup.tree
	p.refused(t, Request{}, source.ErrNotAllowed)
	if told := p.backup.Progress().Error; !strings.Contains(told, p.backup.tree) {
		t.Errorf("told: %s", told)
	}
	forbidden = ""
	p.pull(t)
	p.swap("b")
	write(t, p.primary.tree+"/page", "beta's")
	p.pull(t)
	if got, err := os.ReadFile(string(spec.At(alpha)) + "/page"); err != nil || string(got) != "beta's" {
		t.Errorf("alpha has %q, %v", got, err)
	}
	must(t, os.RemoveAll(p.primary.tree))
	p.refused(t, Request{}, source.ErrMissing)
	if told := p.backup.Progress().Error; !strings.Contains(told, p.primary.tree) {
		t.Errorf("told: %s", told)
	}
	if _, err := asked(t, p.primary.Engine, wire.Question{Epoch: p.epoch, Version: 2}); err == nil || !strings.Contains(err.Error(), "update Baton there") {
		t.Errorf("a backup of an older version is told: %v", err)
	}
}
