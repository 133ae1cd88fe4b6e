package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/obstacle"
	"baton/internal/datasync/source/directory/plan"

	"golang.org/x/sys/unix"
)

// Prepare stages everything that the work needs besides content (directories,
// further names, another name of whatever is replaced or removed), and returns
// the steps that do the work. Have is the tree as scanned. It changes nothing
// outside the staging, and finds out what stands in the way: an obstacle.Error
// names the path.
func (s *Staging) Prepare(work plan.Work, have manifest.Listing) ([]Step, error) {
	if err := obstacle.Of(s.tree.root, s.tree.At, work); err != nil {
		return nil, err
	}
	p := &preparation{staging: s, have: have, work: work, gone: map[string]bool{}, fresh: map[string]bool{}, slots: map[string]string{}, comes: map[string]bool{}}
	for _, list := range [][]manifest.Entry{work.Mkdir, work.Put, work.Link} {
		for _, e := range list {
			p.comes[e.Path] = true
		}
	}
	for _, e := range work.Mkdir {
		p.fresh[e.Path] = true
	}
	if err := p.moves(); err != nil {
		return nil, err
	}
	for _, phase := range []struct {
		entries []manifest.Entry
		do      func(manifest.Entry) error
	}{
		{plan.Topmost(work.Remove), p.remove},
		{work.Mkdir, p.mkdir},
		{work.Put, p.put},
		{work.Link, p.link},
		{work.Mkdir, p.moveTopmost},
		{work.Touch, p.putBack},
		{work.Touch, p.meta},
		{work.Dirs, p.meta},
	} {
		for _, e := range phase.entries {
			if err := phase.do(e); err != nil {
				return nil, fmt.Errorf("prepare %q: %w", e.Path, err)
			}
		}
	}
	p.leftDirectories()
	p.noteGone()
	return p.steps, nil
}

// noteGone notes what it is that each step takes out, by which restore points know it.
func (p *preparation) noteGone() {
	for i, s := range p.steps {
		if s.Out == "" || s.Was.Kind != 0 || s.Op == TakeOut {
			continue
		}
		if was, known := p.have.Find(p.work.Here(s.Path)); known {
			p.steps[i].Was = was.Entry
		}
	}
}

// leftDirectories notes how the directories were out of which something is taken, and which are gone
// in the end: taking it back sets them right.
func (p *preparation) leftDirectories() {
	set := map[string]bool{}
	for _, e := range p.work.Dirs {
		set[p.work.Here(e.Path)] = true
	}
	var froms []string
	for _, m := range p.work.Move {
		if m.From != "" {
			froms = append(froms, m.From)
		}
	}
	for _, from := range p.work.Renamed {
		froms = append(froms, p.work.Here(from))
	}
	slices.Sort(froms)
	for _, from := range froms {
		left := manifest.Parent(from)
		if was, known := p.have.Find(left); known && !set[left] {
			set[left] = true
			p.steps = append(p.steps, Step{Op: Meta, Path: left, Was: was.Entry})
		}
	}
}

type preparation struct {
	staging *Staging
	have    manifest.Listing
	work    plan.Work
	gone    map[string]bool   // paths whose old form is removed by an earlier step
	comes   map[string]bool   // paths to which something new is moved
	fresh   map[string]bool   // directories that are made with all that is in them
	slots   map[string]string // by path: where what comes in is staged
	steps   []Step
}

// moves takes out the directories that go elsewhere and the files that are renamed, and puts
// the directories back.
func (p *preparation) moves() error {
	for _, m := range p.work.Move {
		if m.From == "" {
			continue
		}
		if err := p.takeOut(m.From, m.From); err != nil {
			return err
		}
	}
	for _, m := range p.work.Move {
		if err := p.move(m); err != nil {
			return err
		}
	}
	for _, to := range p.work.Touch { // in order
		if from, is := p.work.Renamed[to.Path]; is {
			p.gone[from] = true
			if err := p.takeOut(from, p.work.Here(from)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *preparation) move(m plan.Move) error {
	if m.Clear.Kind != 0 {
		step := Step{Op: MoveOut, Path: m.To, Out: outSlot("clear " + m.To), Was: m.Clear}
		if was, known := p.have.Find(m.To); known && was.SameContent(m.Clear) {
			step.Was = was.Entry
		}
		p.steps = append(p.steps, step)
	}
	if m.From != "" {
		return p.comeBack(m.From, m.To)
	}
	slot := leadSlot(m.To) // what is staged below its path does not come with it
	p.steps = append(p.steps, Step{Op: MoveIn, Path: m.To, Slot: slot})
	return p.staging.makeDirectory(slot)
}

// takeOut takes out what goes elsewhere, by the path that it has when the step is taken, and by
// where it is now.
func (p *preparation) takeOut(path, here string) error {
	ino, err := p.ino(here)
	if err == nil {
		p.steps = append(p.steps, Step{Op: TakeOut, Path: path, Out: moveSlot(here), Ino: ino})
	}
	return err
}

func (p *preparation) comeBack(here, to string) error {
	ino, err := p.ino(here)
	if err == nil {
		p.steps = append(p.steps, Step{Op: PutBack, Path: to, Slot: moveSlot(here), Ino: ino})
	}
	return err
}

func (p *preparation) ino(here string) (uint64, error) {
	stamp, err := p.staging.tree.Stat(here)
	return stamp.Ino, err
}

func (p *preparation) putBack(e manifest.Entry) error {
	from, is := p.work.Renamed[e.Path]
	if !is {
		return nil
	}
	if !p.makeWay(e.Path) {
		p.steps = append(p.steps, Step{Op: MoveOut, Path: e.Path, Out: outSlot(e.Path)})
	}
	return p.comeBack(p.work.Here(from), e.Path)
}

func (p *preparation) remove(e manifest.Entry) error {
	if p.gone[e.Path] { // it is renamed
		return nil
	}
	p.gone[e.Path] = true
	step := Step{Op: MoveOut, Path: e.Path, Out: outSlot(e.Path)}
	if e.Kind != manifest.Dir && !p.comes[e.Path] {
		linked, err := p.another(e.Path, step.Out)
		if err != nil {
			return err
		}
		if linked {
			step.Op = Unlink
		}
	}
	p.steps = append(p.steps, step)
	return nil
}

// another makes another name of a file in the staging, without which it cannot be
// replaced. It reports false on a file system that has no such names.
func (p *preparation) another(path, out string) (bool, error) {
	s := p.staging
	if err := s.root.RemoveAll(out); err != nil {
		return false, err
	}
	err := s.tree.root.Link(p.work.Here(path), s.tree.part.inStaging(out))
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || noLinks(err) {
		return false, nil // Obstacle has found nothing that forbids a rename
	}
	return false, err
}

func (p *preparation) mkdir(e manifest.Entry) error {
	p.slots[e.Path] = staged(e.Path)
	return p.staging.makeDirectory(staged(e.Path))
}

// moveTopmost puts a new directory into place, with all that is in it.
func (p *preparation) moveTopmost(e manifest.Entry) error {
	if p.fresh[manifest.Parent(e.Path)] {
		return nil
	}
	return p.moveIn(e.Path)
}

func (p *preparation) put(e manifest.Entry) error {
	s := p.staging
	s.mu.Lock()
	patch, is := s.patches[e.Path]
	s.mu.Unlock()
	if !is {
		return p.moveIn(e.Path)
	}
	was, found := p.have.Find(e.Path)
	if found && p.stays(e.Path) && s.tree.writable(e.Path) {
		step, err := s.patch(e, was.Entry, patch)
		p.steps = append(p.steps, step)
		return err
	}
	if err := s.unpatch(e, patch); err != nil {
		return err
	}
	return p.moveIn(e.Path)
}

// stays reports whether the file at a path stays there, by that name alone, until it is changed.
func (p *preparation) stays(path string) bool {
	return !p.gone[path] && !p.goneAbove(path) && !p.work.Vacated(path) && p.work.Here(path) == path &&
		!slices.ContainsFunc(p.work.Link, func(e manifest.Entry) bool { return e.Target == path })
}

func (p *preparation) link(e manifest.Entry) error {
	s, slot := p.staging, staged(e.Path)
	if err := errors.Join(s.root.RemoveAll(slot), s.makeParent(slot)); err != nil {
		return err
	}
	target := p.here(e.Target)
	if fresh, comes := p.slots[e.Target]; comes {
		target = s.tree.part.inStaging(fresh)
	}
	if err := s.tree.root.Link(target, s.tree.part.inStaging(slot)); err != nil {
		return err
	}
	return p.moveIn(e.Path)
}

// moveIn puts what is staged for a path into place, unless it comes with the directory that it is in.
func (p *preparation) moveIn(path string) error {
	slot := staged(path)
	p.slots[path] = slot
	if p.fresh[manifest.Parent(path)] {
		return nil
	}
	step := Step{Op: MoveIn, Path: path, Slot: slot}
	if !p.makeWay(path) {
		out := outSlot(path)
		linked, err := p.another(path, out)
		if err != nil {
			return err
		}
		if linked {
			step.Out = out
		} else {
			p.steps = append(p.steps, Step{Op: MoveOut, Path: path, Out: out})
		}
	}
	p.steps = append(p.steps, step)
	return nil
}

// makeWay moves out a directory that has the name of what comes, and is no part of what is synced. It
// reports false if something else has the name, as a file that is replaced or a socket.
func (p *preparation) makeWay(path string) bool {
	here := p.work.Here(path)
	switch {
	case p.gone[path] || p.goneAbove(path) || p.work.Vacated(path) || !p.staging.tree.has(here): // its place will be free
	case isDir(p.staging.tree.root, here):
		p.steps = append(p.steps, Step{Op: MoveOut, Path: path, Out: outSlot(path)})
	default:
		return false
	}
	return true
}

// here is where the file or directory is now that will have a path.
func (p *preparation) here(path string) string {
	if from, is := p.work.Renamed[path]; is {
		path = from
	}
	return p.work.Here(path)
}

func (p *preparation) goneAbove(path string) bool {
	for parent := manifest.Parent(path); parent != "."; parent = manifest.Parent(parent) {
		if p.gone[parent] || p.fresh[parent] {
			return true
		}
	}
	return false
}

func (p *preparation) meta(e manifest.Entry) error {
	was, known := p.have.Find(p.here(e.Path))
	_, renamed := p.work.Renamed[e.Path]
	if !known || was.Kind != e.Kind || (!renamed && (p.gone[e.Path] || p.goneAbove(e.Path))) {
		was = manifest.Child{}
	}
	p.steps = append(p.steps, Step{Op: Meta, Path: e.Path, Is: e, Was: was.Entry})
	return nil
}

// noLinks reports whether a file system has no second names for files, or no more.
func noLinks(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EXDEV)
}
