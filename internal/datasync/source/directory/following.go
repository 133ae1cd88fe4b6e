package directory

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
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
	tried time.Time // when following failed last
}

const (
	wholeShare  = 400 // a look at the whole takes at most such a part of the time, on several processors
	wholeSoon   = 10 * time.Second
	wholeLate   = 10 * time.Minute
	followAgain = 10 * time.Minute // after it failed
	settleLooks = 5                // at what changes while it is looked at
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

// whole looks at the whole of a directory, and follows it from then on.
func (k *Kind) whole(ctx context.Context, dir *tree.Tree, x *index) (scan.Result, error) {
	watch := k.watch(dir, x)
	began := k.opt.Now()
	top, err := dir.Top()
	var found scan.Result
	if err == nil {
		found, err = scan.Whole(ctx, dir, x.known(), k.opt.Now, watch)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stop()
	if err != nil {
		if watch != nil {
			watch.Close()
		}
		return found, err
	}
	x.watch, x.top, x.at, x.took = watch, top, k.opt.Now(), k.opt.Now().Sub(began)
	x.last = scan.Result{Mounts: found.Mounts, Skipped: found.Skipped}
	if watch == nil {
		return found, nil
	}
	if lost := watch.Lost(); lost != nil {
		x.stop()
		x.tried = k.opt.Now()
		k.opt.Log.Warn("directory is not followed, and looked at as a whole each time: raise fs.inotify.max_user_watches", slog.String("path", dir.Path()), slog.Any("error", lost))
	}
	return found, nil
}

// watch begins a new watch; nil: none can be had now.
func (k *Kind) watch(dir *tree.Tree, x *index) *hint.Watch {
	x.mu.Lock()
	tried := x.tried
	x.mu.Unlock()
	if !tried.IsZero() && k.opt.Now().Sub(tried) < followAgain {
		return nil
	}
	notifier := k.notify()
	if notifier == nil {
		return nil
	}
	return notifier.Watch(dir.Exclude.Matches)
}

// notify returns the kind's one notifier; nil: none can be had now.
func (k *Kind) notify() *hint.Notifier {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.notifier != nil || (!k.refused.IsZero() && k.opt.Now().Sub(k.refused) < followAgain) {
		return k.notifier
	}
	notifier, err := hint.New()
	if err != nil {
		k.refused = k.opt.Now()
		k.opt.Log.Warn("directories are not followed, and looked at as a whole each time: raise fs.inotify.max_user_instances", slog.Any("error", err))
		return nil
	}
	k.notifier = notifier
	runtime.AddCleanup(k, func(n *hint.Notifier) { _ = n.Close() }, notifier)
	return notifier
}

// Changed implements source.Kind.
func (k *Kind) Changed(data pair.Data, found manifest.Listing) (<-chan struct{}, bool) {
	x := k.indexAt(k.opt.Place(data))
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.watch == nil || k.opt.Now().Sub(x.at) >= k.every(x.following):
		return nil, false
	case len(x.moving) > 0 || x.files.Digest() != found.Digest():
		now := make(chan struct{})
		close(now)
		return now, true
	}
	return x.watch.Changed(), true
}
