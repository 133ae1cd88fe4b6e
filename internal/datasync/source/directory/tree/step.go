package tree

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/plan"
	"baton/internal/pair"
)

// Step is one part of an apply that can be taken back. What it needs is in the
// staging before the first step is taken, so that a step is one rename, one
// unlink, or metadata of one name; and whether it was taken shows in the tree.
type Step struct {
	Op   Op
	Path string
	Slot string         // name in the staging of what comes in
	Out  string         // name in the staging of what goes
	Is   manifest.Entry // Meta: as it shall be
	Was  manifest.Entry // Meta: as it was; the zero value of what was not there
}

// Op is what a step does.
type Op uint8

// The operations.
const (
	MoveOut Op = iota + 1 // Path is moved to Out
	Unlink                // Path is unlinked, and nothing new comes there; Out is another name of it
	MoveIn                // Slot is moved to Path, and replaces what is there; Out, if set, is another name of that
	Meta                  // Path gets the metadata of Is
)

// String names the operation in a message.
func (o Op) String() string {
	switch o {
	case MoveOut, Unlink:
		return "remove"
	case MoveIn:
		return "put"
	case Meta:
		return "set metadata of"
	}
	return "unknown step of"
}

// outPrefix begins the names in the staging of what was moved out of the tree.
const outPrefix = "out-"

func outSlot(path string) string {
	sum := blake3.Sum256([]byte(path))
	return outPrefix + hex.EncodeToString(sum[:20])
}

// Prepare stages everything that the work needs besides content (directories,
// further names, another name of whatever is replaced or removed), and returns
// the steps that do the work. Have is the tree as scanned. It changes nothing
// outside the staging, and finds out what stands in the way: a BlockedError
// names the path.
func (s *Staging) Prepare(work plan.Work, have []manifest.Entry) ([]Step, error) {
	if err := s.tree.Obstacle(work); err != nil {
		return nil, err
	}
	p := &preparation{staging: s, was: make(map[string]manifest.Entry, len(have)), gone: map[string]bool{}, slots: map[string]string{}, comes: map[string]bool{}}
	for _, e := range have {
		p.was[e.Path] = e
	}
	for _, list := range [][]manifest.Entry{work.Mkdir, work.Put, work.Link} {
		for _, e := range list {
			p.comes[e.Path] = true
		}
	}
	for _, phase := range []struct {
		entries []manifest.Entry
		do      func(manifest.Entry) error
	}{
		{topmost(work.Remove), p.remove},
		{work.Mkdir, p.mkdir},
		{work.Put, p.put},
		{work.Link, p.link},
		{work.Touch, p.meta},
		{work.Dirs, p.meta},
	} {
		for _, e := range phase.entries {
			if err := phase.do(e); err != nil {
				return nil, fmt.Errorf("prepare %q: %w", e.Path, err)
			}
		}
	}
	return p.steps, nil
}

// topmost leaves out what goes with the directory that it is in.
func topmost(remove []manifest.Entry) []manifest.Entry {
	dirs := map[string]bool{}
	for _, e := range remove {
		if e.Kind == manifest.Dir {
			dirs[e.Path] = true
		}
	}
	var top []manifest.Entry
	for _, e := range remove {
		if !dirs[manifest.Parent(e.Path)] {
			top = append(top, e)
		}
	}
	return top
}

type preparation struct {
	staging *Staging
	was     map[string]manifest.Entry
	gone    map[string]bool   // paths whose old form is removed by an earlier step
	comes   map[string]bool   // paths to which something new is moved
	slots   map[string]string // by path: where what comes in is staged
	steps   []Step
}

func (p *preparation) remove(e manifest.Entry) error {
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
	err := s.tree.root.Link(path, staged(out))
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || noLinks(err) {
		return false, nil // Obstacle has found nothing that forbids a rename
	}
	return false, err
}

func (p *preparation) mkdir(e manifest.Entry) error {
	slot := key(e)
	if err := p.staging.root.RemoveAll(slot); err != nil {
		return err
	}
	if err := p.staging.root.Mkdir(slot, 0o700); err != nil {
		return err
	}
	return p.moveIn(e.Path, slot)
}

func (p *preparation) put(e manifest.Entry) error { return p.moveIn(e.Path, key(e)) }

func (p *preparation) link(e manifest.Entry) error {
	s, slot := p.staging, key(e)
	if err := s.root.RemoveAll(slot); err != nil {
		return err
	}
	target := e.Target
	if fresh, comes := p.slots[target]; comes {
		target = staged(fresh)
	}
	if err := s.tree.root.Link(target, staged(slot)); err != nil {
		return err
	}
	return p.moveIn(e.Path, slot)
}

// moveIn puts a slot into place. What has the name now, and is no part of what is
// synced, as a socket, goes as well.
func (p *preparation) moveIn(path, slot string) error {
	p.slots[path] = slot
	step := Step{Op: MoveIn, Path: path, Slot: slot}
	switch {
	case p.gone[path] || p.goneAbove(path) || !p.staging.tree.has(path): // its place will be free
	case p.staging.tree.isDir(path):
		p.steps = append(p.steps, Step{Op: MoveOut, Path: path, Out: outSlot(path)})
	default:
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

func (p *preparation) goneAbove(path string) bool {
	for parent := manifest.Parent(path); parent != "."; parent = manifest.Parent(parent) {
		if p.gone[parent] {
			return true
		}
	}
	return false
}

func (p *preparation) meta(e manifest.Entry) error {
	was := p.was[e.Path]
	if was.Kind != e.Kind || p.gone[e.Path] || p.goneAbove(e.Path) {
		was = manifest.Entry{}
	}
	p.steps = append(p.steps, Step{Op: Meta, Path: e.Path, Is: e, Was: was})
	return nil
}

// AppendSteps appends the byte form of steps, closed by its BLAKE3 hash.
func AppendSteps(b []byte, steps []Step) []byte {
	start := len(b)
	for _, s := range steps {
		b = append(b, byte(s.Op))
		b = manifest.AppendString(b, s.Path)
		b = manifest.AppendString(b, s.Slot)
		b = manifest.AppendString(b, s.Out)
		for _, e := range []manifest.Entry{s.Is, s.Was} {
			if e.Kind == 0 {
				b = append(b, 0)
				continue
			}
			b = manifest.AppendEntry(append(b, 1), e)
		}
	}
	sum := blake3.Sum256(b[start:])
	return append(b, sum[:]...)
}

// ReadSteps reads what AppendSteps wrote.
func ReadSteps(b []byte) ([]Step, error) {
	damaged := errors.New("list of steps is damaged")
	if len(b) < 32 || blake3.Sum256(b[:len(b)-32]) != [32]byte(b[len(b)-32:]) {
		return nil, damaged
	}
	var steps []Step
	d := manifest.NewDecoder(b[:len(b)-32])
	for len(d.Rest()) > 0 {
		s := Step{Op: Op(d.Byte()), Path: d.String(pair.MaxPath), Slot: d.String(pair.MaxName), Out: d.String(pair.MaxName)}
		for _, e := range []*manifest.Entry{&s.Is, &s.Was} {
			if d.Byte() == 0 {
				continue
			}
			read, rest, err := manifest.ReadEntry(d.Rest())
			if err != nil {
				return nil, err
			}
			*e, d = read, manifest.NewDecoder(rest)
		}
		if d.Failed() {
			return nil, damaged
		}
		steps = append(steps, s)
	}
	return steps, nil
}
