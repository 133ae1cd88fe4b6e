package directory

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/scan"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
)

// following is how a directory is followed: what is noticed of it is looked at alone, and the whole now and then,
// as a hint is never trusted alone.
type following struct {
	watch *hint.Watch // nil: it is not followed
	top   disk.Top    // what is followed
	last  scan.Result // what the newest look at the whole found besides the listing
	at    time.Time   // of that
	took  time.Duration
	refused
	told string // by what it is followed, as was logged last
}

const (
	wholeShare  = 400 // a look at the whole takes at most such a part of the time, on several processors
	wholeSoon   = 10 * time.Second
	wholeLate   = 10 * time.Minute
	settleLooks = 5 // at what changes while it is looked at
)

var errNotFollowed = errors.New("the directory is not followed")

// every is how often the whole is looked at.
func (k *Kind) every(f following) time.Duration {
	if k.opt.Whole > 0 {
		return k.opt.Whole
	}
	return min(max(wholeShare*f.took, wholeSoon), wholeLate)
}

// stop ends the following. It is called with mu held.
func (f *following) stop() {
	if f.watch != nil {
		f.watch.Close()
	}
	f.watch = nil
}

// follow looks at what was noticed since the newest scan.
func (k *Kind) follow(ctx context.Context, dir *tree.Tree, x *index) (scan.Result, error) {
	x.mu.Lock()
	f, files := x.following, x.files
	x.mu.Unlock()
	top, err := dir.Top()
	if f.watch == nil || err != nil || !top.Same(f.top) || k.opt.Now().Sub(f.at) >= k.every(f) {
		return scan.Result{}, errNotFollowed
	}
	found := f.last
	found.Listing, found.Hashed, found.Reading = files, 0, 0
	for look := range settleLooks {
		rest, names, err := x.noticed(dir, f.watch)
		if err != nil {
			return scan.Result{}, err
		}
		if look == 0 {
			x.again(names)
		}
		if found.Unstable = ""; len(names) == 0 {
			return found, nil
		}
		part, err := scan.Names(ctx, dir, found.Listing, rest, names, k.opt.Now, f.watch)
		if err != nil {
			return scan.Result{}, err
		}
		found.Listing, found.Hashed, found.Reading = part.Listing, found.Hashed+part.Hashed, found.Reading+part.Reading
		x.noteMoving(part.Moving, names.Has)
		x.noteServers(part.Servers)
		found.Mounts, found.Skipped = append(found.Mounts, part.Mounts...), append(found.Skipped, part.Skipped...)
		if found.Unstable = slices.Max(slices.Collect(maps.Keys(names))); look == settleLooks-1 && touches(rest, names) {
			return scan.Result{}, errNotFollowed // a server may be between two states
		}
	}
	return found, nil
}

// final looks at the whole of a directory once nothing writes to it any more. The site is closed meanwhile: what follows it
// goes on, so that nothing has to begin, and nobody is waited for.
func (k *Kind) final(ctx context.Context, dir *tree.Tree, x *index) (scan.Result, error) {
	x.mu.Lock()
	watch := x.watch
	x.mu.Unlock()
	began := k.opt.Now()
	found, err := scan.Whole(ctx, dir, x.known(), k.opt.Now, watch)
	x.mu.Lock()
	defer x.mu.Unlock()
	if err != nil {
		x.stop()
		return found, err
	}
	x.wholeFound(found, began, k.opt.Now())
	return found, nil
}

// whole looks at the whole of a directory, and follows it anew from then on.
func (k *Kind) whole(ctx context.Context, dir *tree.Tree, x *index) (scan.Result, error) {
	watch := k.watch(dir, x)
	began := k.opt.Now()
	x.mu.Lock()
	known, trusted := x.files, k.trusted(x)
	x.mu.Unlock()
	top, err := dir.Top()
	var found scan.Result
	if err == nil {
		found, err = scan.Whole(ctx, dir, trusted, k.opt.Now, watch)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.stop(); err == nil && trusted.IsZero() {
		x.reread(known, found.Listing, k.opt.Now().Sub(began), k.opt.Now())
	}
	if err != nil {
		if watch != nil {
			watch.Close()
		}
		return found, err
	}
	x.watch, x.top = watch, top
	x.wholeFound(found, began, k.opt.Now())
	k.begun(dir, x)
	return found, nil
}

// wholeFound notes what a look at the whole found. It is called with mu held.
func (f *following) wholeFound(found scan.Result, began, now time.Time) {
	f.at, f.took = now, now.Sub(began)
	f.last = scan.Result{Mounts: found.Mounts, Skipped: found.Skipped}
}

// Changed implements source.Kind.
func (k *Kind) Changed(data pair.Data, found manifest.Listing) (<-chan struct{}, bool) {
	x := k.indexAt(k.opt.Place(data))
	x.mu.Lock()
	watch := x.watch
	x.mu.Unlock()
	var changed <-chan struct{}
	if watch != nil {
		changed = watch.Changed() // it may take a while
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.watch == nil || x.watch != watch:
		return nil, false
	case k.opt.Now().Sub(x.at) >= k.every(x.following), len(x.moving) > 0, x.files.Digest() != found.Digest():
		now := make(chan struct{})
		close(now)
		return now, true
	}
	return changed, true
}
