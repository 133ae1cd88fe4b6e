package datasync

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// countsApplied is a kind that counts how often a change is put into place.
type countsApplied struct {
	source.Kind

	applied *int
}

func (k countsApplied) Open(data pair.Data, purpose source.Purpose) (source.Source, error) {
	s, err := k.Kind.Open(data, purpose)
	return countedSource{s, k}, err
}

type countedSource struct {
	source.Source

	kind countsApplied
}

func (s countedSource) Resume(change []byte) (source.Change, error) {
	c, err := s.Source.Resume(change)
	return countedChange{c, s.kind}, err
}

type countedChange struct {
	source.Change

	kind countsApplied
}

func (c countedChange) Apply(ctx context.Context, hook func(step string)) error {
	*c.kind.applied++
	return c.Change.Apply(ctx, hook)
}

// TestWhatIsInPlaceIsNotPutThereAgain cuts the power while a snapshot is put into place, and once it is: what restore points keep
// is taken out of the staging then, so that nothing could be put into place from it any more.
func TestWhatIsInPlaceIsNotPutThereAgain(t *testing.T) {
	for at, wanted := range map[string]int{"recorded": 1, "save-state": 1, "remove-journal": 0} {
		t.Run(at, func(t *testing.T) {
			p := newPair(t)
			name := filepath.Join(p.primary.tree, "file")
			must(t, os.WriteFile(name, []byte("one"), 0o600))
			p.pull(t)
			must(t, os.WriteFile(name, []byte("two of it"), 0o600))
			cutAt(t, p, at)

			applied := 0
			p.backup.makeKinds(t)
			p.backup.opt.Kinds[pair.DataDirectory] = countsApplied{p.backup.opt.Kinds[pair.DataDirectory], &applied}
			e, err := Open(t.Context(), p.backup.opt)
			must(t, err)
			if applied != wanted {
				t.Errorf("the next start put it into place %d times, wanted %d", applied, wanted)
			}
			if is := e.Snapshot().Number; is != 2 {
				t.Errorf("it is at snapshot %d, wanted 2", is)
			}
			same(t, p.primary.tree, p.backup.tree)
		})
	}
}
