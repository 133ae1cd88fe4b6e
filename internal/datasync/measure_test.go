package datasync

import (
	"testing"

	"baton/internal/datasync/ledger"
)

func TestBothSidesKnowTheSizeOfTheNewestSnapshot(t *testing.T) {
	p := newPair(t)
	if snapshot, measures, err := p.primary.Measured(); err != nil || !snapshot.IsZero() || measures != nil {
		t.Fatalf("before the first sync: %v %v %v", snapshot, measures, err)
	}
	check := func(when string, number uint64, files, bytes int64) {
		t.Helper()
		for name, side := range map[string]*appliance{"primary": p.primary, "backup": p.backup} {
			snapshot, measures, err := side.Measured()
			if err != nil || snapshot.Number != number || len(measures) != 1 || measures[0] != (ledger.Measure{Data: side.data, Files: files, Bytes: bytes}) {
				t.Errorf("%s, %s: %v %v %v", when, name, snapshot, measures, err)
			}
		}
	}
	write(t, p.primary.tree+"/a", "12345")
	write(t, p.primary.tree+"/b", "123")
	p.pull(t)
	check("first", 1, 2, 8)
	check("again", 1, 2, 8)
	write(t, p.primary.tree+"/c", "1")
	p.pull(t)
	check("second", 2, 3, 9)
	p.primary.reopen(t)
	p.backup.reopen(t)
	check("after a restart", 2, 3, 9)
}
