package sqlite

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"sync"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/pinned"
)

// follower has a database, and the list of its blocks as of the newest transaction. It is used by one goroutine at a time.
type follower struct {
	mu sync.Mutex

	database *image.Database

	list   manifest.List
	block  int64          // bytes of a block
	buffer []byte         // for one
	stale  bitmap         // blocks whose hashes are of an older state, or not known
	last   manifest.Entry // as it was listed last
	seen   image.Glance   // before that

	comparison comparison
	told       bool // by Kind.Differed, which has a lock of its own

	asked   time.Time     // when somebody asked last for a change
	changed chan struct{} // closed once there is one; nil: nobody waits
}

func follow(name string) *follower { return &follower{database: image.New(name)} }

const (
	// Hold is how long an image is kept for hashing. Then the program's checkpoint has its turn.
	hold = 500 * time.Millisecond
	// Turn is how long that is at least; it is as long as the image was kept, as a checkpoint, and a log that begins anew, need their time.
	turn = 5 * time.Millisecond
	// MostTurns is for how many of them as much may be left as before: something changes faster than it is hashed.
	mostTurns = 30
)

// look brings the list up to date, and returns the image that it is of.
func (f *follower) look(ctx context.Context, dir *pinned.Dir) (*image.Image, error) {
	for turns, least := 0, math.MaxInt; turns < mostTurns; {
		began := time.Now()
		i, err := f.database.Read(ctx, dir)
		if err != nil {
			return nil, err
		}
		f.noteStale(i)
		isWhole, err := f.hash(ctx, i, time.Now().Add(i.Patience(hold)))
		if isWhole && err == nil {
			f.database.Done()
			return i, nil
		}
		if left := f.stale.count(); left < least {
			turns, least = 0, left
		} else {
			turns++
		}
		if err = errors.Join(err, i.Close()); err != nil && !errors.Is(err, image.ErrChanged) {
			return nil, err
		}
		if err := pause(ctx, max(turn, time.Since(began))); err != nil {
			return nil, err
		}
	}
	return nil, image.ErrBusy
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// noteStale notes which blocks of an image may differ from what was hashed.
func (f *follower) noteStale(i *image.Image) {
	pages, known := f.database.Changed()
	if block := manifest.BlockSize(i.Size()); f.block != block || !known {
		f.block, f.list, f.stale = block, manifest.List{}, nil
		f.comparison = comparison{ended: time.Now(), took: f.comparison.took, differs: f.comparison.differs} // all is read now
	}
	was := int64(len(f.list.Blocks))
	count := manifest.BlockCount(i.Size())
	if f.list.Size != i.Size() {
		f.list.Blocks = append(f.list.Blocks[:min(was, count)], make([]manifest.Hash, max(count-was, 0))...)
		f.stale.resize(count)
		for n := max(min(was, count)-1, 0); n < count; n++ { // what was the last one may have been shorter
			f.stale.set(n)
		}
		f.list.Size = i.Size()
	}
	for page := range pages {
		first := int64(page-1) * i.PageSize()
		for at := first; at < min(first+i.PageSize(), i.Size()); at += f.block {
			f.stale.set(at / f.block)
		}
	}
	f.database.Keep()
}

// hash hashes what is stale, until a time. It reports whether all is hashed.
func (f *follower) hash(ctx context.Context, i *image.Image, until time.Time) (isWhole bool, err error) {
	var done []int64
	for n := range f.stale.all() {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if len(done) > 0 && time.Now().After(until) {
			break
		}
		if f.list.Blocks[n], err = f.hashOf(i, n); err != nil {
			return false, err
		}
		done = append(done, n)
	}
	if err := i.Check(); err != nil {
		return false, err
	}
	for _, n := range done {
		f.stale.clear(n)
	}
	return f.stale.isEmpty(), nil
}

// hashOf hashes one block.
func (f *follower) hashOf(i *image.Image, n int64) (manifest.Hash, error) {
	if int64(cap(f.buffer)) < f.block {
		f.buffer = make([]byte, f.block)
	}
	b := f.buffer[:min(f.block, i.Size()-n*f.block)]
	if _, err := i.ReadAt(b, n*f.block); err != nil {
		return manifest.Hash{}, err
	}
	return manifest.HashOfBlock(b), nil
}

// bitmap is a set of numbers.
type bitmap []uint64

func (b *bitmap) resize(n int64) {
	words := int((n + 63) / 64)
	*b = append((*b)[:min(len(*b), words)], make([]uint64, max(words-len(*b), 0))...)
	if rest := n % 64; rest > 0 {
		(*b)[words-1] &= 1<<rest - 1
	}
}

func (b bitmap) set(n int64)   { b[n/64] |= 1 << (n % 64) }
func (b bitmap) clear(n int64) { b[n/64] &^= 1 << (n % 64) }

func (b bitmap) count() (n int) {
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

func (b bitmap) isEmpty() bool {
	for _, word := range b {
		if word != 0 {
			return false
		}
	}
	return true
}

// all walks through the numbers, in their order.
func (b bitmap) all() func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		for w, word := range b {
			for ; word != 0; word &= word - 1 {
				if !yield(int64(w)*64 + int64(bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}
