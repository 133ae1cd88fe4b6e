package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"baton/internal/datasync/plan"
)

// Apply does the work: everything to be put must be staged. It may be killed at
// any point; scanning, comparing and applying again then ends the same. The hook
// is told before each step.
func (t *Tree) Apply(work plan.Work, hook func(step string)) error {
	phases := []struct {
		step    string
		entries []plan.Entry
		do      func(plan.Entry) error
	}{
		{"remove", work.Remove, t.remove},
		{"mkdir", work.Mkdir, t.mkdir},
		{"put", work.Put, t.put},
		{"link", work.Link, t.link},
		{"drop-staging", []plan.Entry{{Path: "."}}, func(plan.Entry) error { return t.DropStaging() }},
		{"touch", work.Touch, t.setMetaAt},
		{"dir", work.Dirs, t.setMetaAt},
	}
	for _, phase := range phases {
		for _, e := range phase.entries {
			hook(phase.step)
			if err := phase.do(e); err != nil {
				return fmt.Errorf("apply to %s: %s %q: %w", t.path, phase.step, e.Path, err)
			}
		}
	}
	return nil
}

func (t *Tree) remove(e plan.Entry) error {
	return t.unlocked(plan.Parent(e.Path), func() error {
		if e.Kind == plan.Dir { // sockets and device nodes may be left in it
			return t.root.RemoveAll(e.Path)
		}
		err := t.root.Remove(e.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func (t *Tree) mkdir(e plan.Entry) error {
	return t.unlocked(plan.Parent(e.Path), func() error {
		err := t.root.Mkdir(e.Path, 0o700)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := t.root.Remove(e.Path); err != nil { // a socket or device node has the name
			return err
		}
		return t.root.Mkdir(e.Path, 0o700)
	})
}

func (t *Tree) put(e plan.Entry) error {
	return t.unlocked(plan.Parent(e.Path), func() error {
		return t.root.Rename(plan.StagingName+"/"+key(e), e.Path)
	})
}

// link makes the name beside and renames it, so that the path always exists.
func (t *Tree) link(e plan.Entry) error {
	return t.unlocked(plan.Parent(e.Path), func() error {
		beside := plan.StagingName + "/" + key(e)
		if err := t.root.RemoveAll(beside); err != nil {
			return err
		}
		if err := t.root.Link(e.Target, beside); err != nil {
			return err
		}
		return t.root.Rename(beside, e.Path)
	})
}

// Learn enters what was just applied into the index, so that the next scan need
// not read it.
func (t *Tree) Learn(index Index, work plan.Work, now func() time.Time) {
	for _, list := range [][]plan.Entry{work.Put, work.Touch} {
		for _, e := range list {
			if e.Kind != plan.File {
				continue
			}
			info, err := t.root.Lstat(e.Path)
			if err != nil {
				continue
			}
			if stamp, err := stampOfInfo(info); err == nil && stamp.Size == e.Size {
				index[e.Path] = Known{Stamp: stamp, Racy: racy(stamp.CTime, now()), Hash: e.Hash, XAttrs: e.XAttrs}
			}
		}
	}
}
