package sqlite

import (
	"context"
	"errors"
	"slices"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/sqlite/image"
)

// A database is compared with its list every ten minutes; one that takes long less often, so that it takes a thousandth of the time.
const (
	compareEvery = 10 * time.Minute
	compareShare = 1000
)

// comparison reads again what is listed: what was missed of a change, or a bit that flipped, shows.
type comparison struct {
	left    bitmap        // blocks that are still to be read
	spent   time.Duration // on those that are not
	differ  bool          // one of these was not as listed
	ended   time.Time     // when all were compared last, or hashed
	took    time.Duration // that
	differs bool          // what it found
}

func (c *comparison) due(now time.Time) bool {
	return !c.left.isEmpty() || now.Sub(c.ended) >= max(compareEvery, compareShare*c.took)
}

// compare compares the list, which is up to date, with its image, for as long as that may be kept. What differs is listed as it is, so that
// it is sent.
func (f *follower) compare(ctx context.Context, i *image.Image) error {
	c, began := &f.comparison, time.Now()
	if !c.due(began) {
		return nil
	}
	if c.left.isEmpty() {
		c.left.resize(int64(len(f.list.Blocks)))
		for n := range int64(len(f.list.Blocks)) {
			c.left.set(n)
		}
		c.spent, c.differ = 0, false
	}
	c.left.resize(int64(len(f.list.Blocks)))
	found, err := f.readLeft(ctx, i, began.Add(hold))
	if err == nil {
		err = i.Check()
	}
	if errors.Is(err, image.ErrChanged) { // the next look goes on
		return nil
	}
	if err != nil {
		return err
	}
	for n, hash := range found {
		c.differ = c.differ || f.list.Blocks[n] != hash
		f.list.Blocks[n] = hash
		c.left.clear(n)
	}
	if c.spent += time.Since(began); c.left.isEmpty() {
		c.ended, c.took, c.differs = time.Now(), c.spent, c.differ
	}
	return nil
}

// readLeft hashes blocks that are left, until a time.
func (f *follower) readLeft(ctx context.Context, i *image.Image, until time.Time) (map[int64]manifest.Hash, error) {
	found := map[int64]manifest.Hash{}
	for n := range f.comparison.left.all() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if len(found) > 0 && time.Now().After(until) {
			break
		}
		hash, err := f.hashOf(i, n)
		if err != nil {
			return nil, err
		}
		found[n] = hash
	}
	return found, nil
}

// Differed returns the databases that were not as they were listed, or received, when they were compared last, though nothing had written to them.
func (k *Kind) Differed() []string {
	all := k.Kind.Differed()
	k.mu.Lock()
	defer k.mu.Unlock()
	for place, f := range k.followers {
		if f.mu.TryLock() { // else it is looked at now: what was told before stays
			f.told = f.comparison.differs
			f.mu.Unlock()
		}
		if f.told {
			all = append(all, place)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
