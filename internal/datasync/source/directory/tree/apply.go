package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/obstacle"
	"baton/internal/datasync/source/directory/plan"
	"baton/internal/pinned"

	"golang.org/x/sys/unix"
)

// Apply takes the steps that Prepare returned, in order. It may be killed at any
// point; calling it again then ends the same, and so does Undo. The hook is told
// before each step.
func (t *Tree) Apply(steps []Step, hook func(step string)) error {
	for _, s := range steps {
		hook("apply")
		if err := t.take(s, hook); err != nil {
			return t.blame(s, err)
		}
	}
	if len(steps) > 0 && !t.HasStaging() { // somebody moved it away: what is not in it was not put into place
		return errReplaced(t.part.own(StagingName))
	}
	return nil
}

// blame finds out what stood in the way of a step.
func (t *Tree) blame(s Step, err error) error {
	entry := []manifest.Entry{{Path: s.Path, Kind: manifest.Symlink}}
	dirs := []manifest.Entry{{Path: manifest.Parent(s.Path), Kind: manifest.Dir}}
	if blocked, ok := errors.AsType[*obstacle.Error](obstacle.Of(t.root, t.At, plan.Work{Put: entry, Dirs: dirs})); ok {
		return blocked
	}
	return fmt.Errorf("%s %s/%s: %w", s.Op, t.path, s.Path, err)
}

// ApplySome takes every step that can be taken, and returns those that cannot,
// with the reason of the first. It cannot be taken back.
func (t *Tree) ApplySome(steps []Step) (left []Step, why error) {
	if !t.part.IsWhole() {
		return t.applyTogether(steps)
	}
	for _, s := range steps {
		if err := t.take(s, func(string) {}); err != nil {
			left = append(left, s)
			if s.Op == Patch && !s.awaits() { // else it would be neither
				_ = t.takeBack(s, func(string) {})
			}
			if why == nil {
				why = t.blame(s, err)
			}
		}
	}
	return left, why
}

// applyTogether takes all steps, or none: the names of a part belong together. What can be taken back of them is.
func (t *Tree) applyTogether(steps []Step) (left []Step, why error) {
	if why = t.Apply(steps, func(string) {}); why == nil {
		return nil, nil
	}
	for _, s := range slices.Backward(steps) {
		if !s.awaits() {
			_ = t.takeBack(s, func(string) {}) // what stays out is gathered
		}
	}
	return steps, why
}

// Undo takes back whatever of the steps was taken, so that the tree is as it was
// before the first: by renames, and metadata that was there before. What somebody else
// removed or replaced meanwhile is left alone: otherwise the tree could not be used until
// he puts it back.
func (t *Tree) Undo(steps []Step, hook func(step string)) error {
	for _, s := range slices.Backward(steps) {
		hook("undo")
		if s.awaits() {
			continue
		}
		if err := t.takeBack(s, hook); err != nil && !meddled(err) {
			return t.blame(s, err)
		}
	}
	for _, s := range steps {
		if (s.Op != Meta && s.Op != Patch) || s.Was.Kind == 0 || s.awaits() {
			continue
		}
		hook("undo-meta")
		if err := t.setMetaAt(s.Was); err != nil && !meddled(err) {
			return t.blame(s, err)
		}
	}
	return nil
}

func (t *Tree) take(s Step, hook func(step string)) error {
	switch s.Op {
	case MoveOut:
		if t.has(t.part.inStaging(s.Out)) {
			return nil
		}
		return t.move(s.Path, s.Path, t.part.inStaging(s.Out))
	case Unlink:
		if err := t.keep(s); err != nil {
			return err
		}
		return t.unlocked(manifest.Parent(s.Path), func() error {
			return ignoreMissing(t.root.Remove(s.Path))
		})
	case MoveIn:
		if !t.has(t.part.inStaging(s.Slot)) {
			return nil
		}
		if err := t.keep(s); err != nil {
			return err
		}
		return t.move(s.Path, t.part.inStaging(s.Slot), s.Path)
	case Meta:
		if s.Is.Kind == 0 {
			return nil
		}
		return t.setMetaAt(s.Is)
	case TakeOut:
		if t.has(t.part.inStaging(s.Out)) || !t.is(s.Path, s.Ino) { // it may be put back already
			return nil
		}
		return t.move(s.Path, s.Path, t.part.inStaging(s.Out))
	case PutBack:
		return t.putBack(s)
	case Patch:
		return t.rewrite(s, s.Slot, s.Parts, s.Is, hook)
	}
	return fs.ErrInvalid
}

func (t *Tree) putBack(s Step) error {
	switch {
	case t.has(t.part.inStaging(s.Slot)):
		return t.move(s.Path, t.part.inStaging(s.Slot), s.Path)
	case !t.is(s.Path, s.Ino):
		return fmt.Errorf("what is renamed is gone: %w", fs.ErrNotExist)
	}
	return nil
}

// is reports whether a path is the file or directory that has a number.
func (t *Tree) is(path string, ino uint64) bool {
	stamp, err := t.Stat(path)
	return err == nil && stamp.Ino == ino
}

// keep gives what goes its other name again, if taking a step back has used it up.
func (t *Tree) keep(s Step) error {
	if s.Out == "" || t.has(t.part.inStaging(s.Out)) || !t.has(s.Path) {
		return nil
	}
	return t.root.Link(s.Path, t.part.inStaging(s.Out))
}

func (t *Tree) takeBack(s Step, hook func(step string)) error {
	switch s.Op {
	case MoveOut:
		return ignoreMissing(t.move(s.Path, t.part.inStaging(s.Out), s.Path))
	case Unlink:
		if t.has(s.Path) {
			return nil
		}
		return ignoreMissing(t.move(s.Path, t.part.inStaging(s.Out), s.Path))
	case MoveIn:
		if !t.has(t.part.inStaging(s.Slot)) {
			if err := t.move(s.Path, s.Path, t.part.inStaging(s.Slot)); err != nil {
				return err
			}
		}
		if s.Out == "" || t.has(s.Path) {
			return nil
		}
		hook("undo-half")
		return ignoreMissing(t.move(s.Path, t.part.inStaging(s.Out), s.Path))
	case PutBack:
		if t.has(t.part.inStaging(s.Slot)) || !t.is(s.Path, s.Ino) {
			return nil
		}
		return t.move(s.Path, s.Path, t.part.inStaging(s.Slot))
	case TakeOut:
		return ignoreMissing(t.move(s.Path, t.part.inStaging(s.Out), s.Path))
	case Patch:
		return t.rewrite(s, s.Out, s.saved(), s.Was, hook)
	case Meta:
		return nil // at the end, when everything is in its place
	}
	return fs.ErrInvalid
}

func (t *Tree) has(path string) bool {
	_, err := t.Stat(path)
	return err == nil
}

// move renames in the directory of a path of the tree, to or from the staging. What
// is gone already needs no move.
func (t *Tree) move(path, from, to string) error {
	err := t.unlocked(manifest.Parent(path), func() error { return t.root.Rename(from, to) })
	if from == path {
		return ignoreMissing(err)
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Gather gives what is staged of steps that were not taken further names below one directory in
// the staging, under the paths for which it was meant, and returns that directory's
// path in the tree; empty if nothing of them is staged. What is staged stays, so that the steps can be taken after a power cut.
func (t *Tree) Gather(left []Step) (string, error) {
	unplaced := t.part.inStaging("unplaced")
	if err := t.root.RemoveAll(unplaced); err != nil {
		return "", fmt.Errorf("gather what is not in place: %w", err)
	}
	gathered := ""
	gather := func(slot, path string) error {
		if slot == "" || !t.has(t.part.inStaging(slot)) {
			return nil
		}
		gathered = unplaced
		to := unplaced + "/" + path
		if err := t.root.MkdirAll(manifest.Parent(to), 0o700); err != nil {
			return err
		}
		return t.nameAgain(t.part.inStaging(slot), to)
	}
	for _, s := range left {
		var err error
		if s.Op == MoveIn || s.Op == PutBack {
			err = gather(s.Slot, s.Path)
		}
		if err == nil && s.Op != Patch && !t.part.IsWhole() { // what could not be put back
			err = gather(s.Out, "before/"+s.Path)
		}
		if err != nil {
			return "", fmt.Errorf("gather what is not in place: %w", err)
		}
	}
	return gathered, nil
}

// nameAgain gives further names to a file, or to all that is in a directory. Where a file can have one name only, it is moved.
func (t *Tree) nameAgain(from, to string) error {
	stamp, err := t.Stat(from)
	if err != nil {
		return err
	}
	if stamp.Kind() != manifest.Dir {
		if err = t.root.Link(from, to); noLinks(err) || errors.Is(err, fs.ErrPermission) {
			err = t.root.Rename(from, to)
		}
		return err
	}
	if err := t.root.MkdirAll(to, 0o700); err != nil {
		return err
	}
	d, err := t.root.Open(from)
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	_ = d.Close()
	for _, name := range names {
		if err == nil {
			err = t.nameAgain(from+"/"+name, to+"/"+name)
		}
	}
	return err
}

// isDir reports whether a path is a directory now, and reached through directories only.
func isDir(root *pinned.Dir, path string) bool {
	for ; path != "."; path = manifest.Parent(path) {
		if s, err := root.Stat(path); err != nil || s.Mode&unix.S_IFMT != unix.S_IFDIR {
			return false
		}
	}
	return true
}
