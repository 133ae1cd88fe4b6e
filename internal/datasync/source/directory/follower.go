package directory

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"baton/internal/cause"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
)

// refused is why one of those that can follow a directory did not.
type refused struct {
	helper, inotify refusal
}

// refusal is why something was refused; zero: it was not. At is zero if it may be asked again at once.
type refusal struct {
	at  time.Time
	why error
}

const (
	askAgain  = 10 * time.Minute // after a refusal
	hangPause = 20 * time.Second // after the helper hung, until it is asked for anything again: each time costs a second
)

func (r refusal) stands(now time.Time) bool { return now.Sub(r.at) < askAgain }

// watch begins a new watch; nil: none can be had now.
func (k *Kind) watch(dir *tree.Tree, x *index) (watch *hint.Watch) {
	if !dir.Part().IsWhole() { // a few names are looked at as soon as they are followed
		return nil
	}
	ignores := func(path string) bool {
		top, _, below := strings.Cut(path, "/")
		return (below && tree.IsOwn(top)) || dir.Exclude.Matches(path)
	}
	now := k.opt.Now()
	x.mu.Lock()
	r := x.refused
	x.mu.Unlock()
	if !r.helper.stands(now) {
		var not refusal
		if watch, not = k.helped(dir, ignores); watch == nil {
			r.helper = not
		}
	}
	if watch == nil && !r.inotify.stands(now) {
		watch, r.inotify = k.notified(ignores)
	}
	x.mu.Lock()
	x.refused = r
	x.mu.Unlock()
	return watch
}

// helped begins a watch by the helper.
func (k *Kind) helped(dir *tree.Tree, ignores func(path string) bool) (*hint.Watch, refusal) {
	helper, err := k.help()
	if err != nil {
		return nil, k.refusedByHelper(err)
	}
	watch, err := helper.Watch(dir.Dir().Fd(), dir.Dir().Real(), ignores)
	if err != nil {
		return nil, k.refusedByHelper(err)
	}
	return watch, refusal{}
}

// refusedByHelper: one that does not answer may do so again soon.
func (k *Kind) refusedByHelper(err error) refusal {
	if errors.Is(err, hint.ErrNoHelper) {
		return refusal{why: err}
	}
	return refusal{k.opt.Now(), fmt.Errorf("baton-changes.service does not follow it: %w", cause.Plain(err))}
}

// help returns the connection to the helper. One that hung is left alone for a while.
func (k *Kind) help() (*hint.Helper, error) {
	if k.opt.Helper == "" {
		return nil, hint.ErrNoHelper
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.helper == nil:
	case !k.helper.Lost():
		return k.helper, nil
	case k.helper.Hung():
		k.hung = k.opt.Now()
	}
	if k.helper = nil; k.opt.Now().Sub(k.hung) < hangPause {
		return nil, hint.ErrNoHelper
	}
	helper, err := hint.Dial(k.opt.Helper)
	if err != nil {
		return nil, err
	}
	k.helper = helper
	runtime.AddCleanup(k, func(h *hint.Helper) { _ = h.Close() }, helper)
	return helper, nil
}

// notified begins a watch by inotify.
func (k *Kind) notified(ignores func(path string) bool) (*hint.Watch, refusal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.notifier == nil && !k.instance.stands(k.opt.Now()) {
		notifier, err := hint.New()
		if err != nil {
			k.instance = refusal{k.opt.Now(), fmt.Errorf("there is no inotify (fs.inotify.max_user_instances): %w", cause.Plain(err))}
		} else {
			k.notifier, k.instance = notifier, refusal{}
			runtime.AddCleanup(k, func(n *hint.Notifier) { _ = n.Close() }, notifier)
		}
	}
	if k.notifier == nil {
		return nil, k.instance
	}
	return k.notifier.Watch(ignores), refusal{}
}

// begun gives up the watch that has just begun if it was lost meanwhile, and logs by what the directory is followed, if
// that is other than before. It is called with mu held.
func (k *Kind) begun(dir *tree.Tree, x *index) {
	if x.watch != nil {
		helped, lost := x.watch.Helped(), x.watch.Lost()
		switch {
		case helped && lost == nil:
			x.helper = refusal{}
		case helped: // the next look is at the whole again, and begins another watch
			before := x.helper.why
			if x.helper = k.refusedByHelper(lost); errors.Is(lost, hint.ErrLost) && before == nil {
				x.helper.at = time.Time{} // once is no refusal
			}
			x.stop()
		case lost != nil:
			x.inotify = refusal{k.opt.Now(), fmt.Errorf("inotify does not follow it (fs.inotify.max_user_watches): %w", cause.Plain(lost))}
			x.stop()
		}
	}
	by, known := x.followedBy()
	if !known || by == x.told {
		return
	}
	x.told = by
	if x.watch == nil {
		k.opt.Log.Warn("directory is not followed, and looked at as a whole each time", slog.String("path", dir.Path()), slog.String("why", by))
		return
	}
	k.opt.Log.Info("directory is followed", slog.String("path", dir.Path()), slog.String("by", by))
}

// followedBy says by what it is followed, or why it is not; false: that is known after the next look. It is called
// with mu held.
func (x *index) followedBy() (text string, known bool) {
	switch {
	case x.watch == nil && x.helper.why != nil && x.inotify.why != nil:
		return x.helper.why.Error() + "; " + x.inotify.why.Error(), true
	case x.watch == nil:
		return "", false
	case x.watch.Helped():
		return "baton-changes.service", true
	}
	return "inotify, as " + x.helper.why.Error(), true
}

// Following says in a sentence by what data is followed; false: all of it is looked at in each data sync.
func (k *Kind) Following(data pair.Data) (sentence string, is bool) {
	x := k.indexAt(k.opt.Place(data))
	x.mu.Lock()
	defer x.mu.Unlock()
	text, known := x.followedBy()
	switch {
	case !known:
		return fmt.Sprintf("Directory %s is followed once it has been looked at.", data.Name), true
	case x.watch == nil:
		return fmt.Sprintf("Directory %s is not followed, and all of it is looked at in each data sync: %s.", data.Name, text), false
	}
	return fmt.Sprintf("Directory %s is followed by %s.", data.Name, text), true
}
