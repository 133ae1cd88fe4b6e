// Package sourcetest has a source in memory, whose power can be cut, and the suite of
// tests that every kind of data passes.
package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/kept"
	"baton/internal/pair"
)

// Memory is a machine's memory and disk: data that are names with text. It holds every
// piece of data that is opened on it. Its methods may be called at once.
type Memory struct {
	mu    sync.Mutex
	now   map[pair.Data]held // as programs see it
	disk  map[pair.Data]held // as a power cut leaves it
	block map[string]bool    // names that cannot be changed
}

// held is what there is of one piece of data.
type held struct {
	files  map[string]string
	staged map[string]string // content by name
	gone   map[string]string // content of what a change replaces or removes
}

func (h held) clone() held {
	return held{maps.Clone(h.files), maps.Clone(h.staged), maps.Clone(h.gone)}
}

// NewMemory returns an empty machine.
func NewMemory() *Memory {
	return &Memory{now: map[pair.Data]held{}, disk: map[pair.Data]held{}, block: map[string]bool{}}
}

// Clone returns a machine that holds the same.
func (m *Memory) Clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMemory()
	for data, h := range m.now {
		c.now[data] = h.clone()
	}
	for data, h := range m.disk {
		c.disk[data] = h.clone()
	}
	return c
}

// Put gives data the files, durably, as the programs of the site do.
func (m *Memory) Put(data pair.Data, files map[string]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.now[data]
	h.files = maps.Clone(files)
	m.now[data], m.disk[data] = h, h.clone()
}

// Files returns the files of data.
func (m *Memory) Files(data pair.Data) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.now[data].files)
}

// Block lets nobody change a name, or lets everybody again.
func (m *Memory) Block(name string, blocked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.block[name] = blocked
}

// Cut cuts the power: of what was not made durable, any part is lost.
func (m *Memory) Cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for data, h := range m.now {
		disk := m.disk[data]
		h = held{lose(disk.files, h.files), lose(disk.staged, h.staged), lose(disk.gone, h.gone)}
		m.now[data], m.disk[data] = h, h.clone()
	}
}

// lose returns what a power cut leaves of what changed since it was durable.
func lose(durable, now map[string]string) map[string]string {
	left := map[string]string{}
	names := maps.Clone(now)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, durable)
	for name := range names {
		from := durable
		if rand.IntN(2) == 0 { //nolint:gosec // chance, no secret
			from = now
		}
		if text, there := from[name]; there {
			left[name] = text
		}
	}
	return left
}

// change changes what there is of data, without making it durable.
func (m *Memory) change(data pair.Data, do func(*held)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.now[data]
	for _, files := range []*map[string]string{&h.files, &h.staged, &h.gone} {
		if *files == nil {
			*files = map[string]string{}
		}
	}
	do(&h)
	m.now[data] = h
}

func (m *Memory) holds(data pair.Data) held {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now[data].clone()
}

// Check implements source.Kind.
func (*Memory) Check(set manifest.Set) error {
	for e := range set.All() {
		if (e.Path == ".") != (e.Kind == manifest.Dir) || (e.Path != "." && e.Kind != manifest.File) {
			return fmt.Errorf("%w: %q is no file", manifest.ErrMalformed, e.Path)
		}
	}
	return nil
}

// Open implements source.Kind.
func (m *Memory) Open(data pair.Data, purpose source.Purpose) (source.Source, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.now[data]; !there {
		if purpose != source.Receive {
			return nil, source.Sentence(source.ErrMissing, "There is no %s.", data.Spec)
		}
		m.now[data], m.disk[data] = held{}, held{}
	}
	return &memory{machine: m, data: data}, nil
}

// Idle implements source.Kind.
func (*Memory) Idle() []byte { return nil }

// Changed implements source.Kind.
func (*Memory) Changed(pair.Data, manifest.Listing) (<-chan struct{}, bool) { return nil, false }

// Agreed implements source.Kind.
func (*Memory) Agreed(pair.Data, manifest.Listing) {}

// Always implements source.Kind.
func (*Memory) Always() pair.Data { return pair.Data{} }

// Mount implements source.Kind.
func (*Memory) Mount(pair.Data) string { return "" }

// Unmounted implements source.Kind.
func (*Memory) Unmounted(pair.Data, string) string { return "" }

// memory is one piece of data in memory, open. It implements source.Source.
type memory struct {
	machine *Memory
	data    pair.Data
	scanned manifest.Listing
}

// String implements source.Source.
func (s *memory) String() string { return s.data.Spec.String() }

// Close implements source.Source.
func (*memory) Close() error { return nil }

// Keep implements source.Source: nothing changes while it is read.
func (*memory) Keep(func() (manifest.Set, bool)) {}

// Scan implements source.Source.
func (s *memory) Scan(ctx context.Context, scheme manifest.Scheme) (source.Scan, error) {
	files := s.machine.holds(s.data).files
	entries := []manifest.Entry{{Path: ".", Kind: manifest.Dir}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, entryOf(name, files[name], scheme))
	}
	var err error
	s.scanned, err = manifest.ListingOf(entries)
	return source.Scan{Listing: s.scanned, Place: place{s.machine, s.data}, Content: texts{files, scheme}}, errors.Join(err, ctx.Err())
}

func entryOf(name, text string, scheme manifest.Scheme) manifest.Entry {
	h := scheme.Hash(int64(len(text)))
	_, _ = h.Write([]byte(text)) // never fails
	return manifest.Entry{Path: name, Kind: manifest.File, Size: int64(len(text)), Alloc: int64(len(text)), Hash: h.Sum()}
}

// place implements source.Place.
type place struct {
	machine *Memory
	data    pair.Data
}

// Apart implements source.Place.
func (p place) Apart(other source.Place) error {
	if other == source.Place(p) {
		return source.Sentence(source.ErrUnsafe, "%s is protected twice.", p.data.Spec)
	}
	return nil
}

// texts are the files of a scan. They implement source.Content and source.Reader.
type texts struct {
	files  map[string]string
	scheme manifest.Scheme
}

// Open implements source.Content.
func (t texts) Open() (source.Reader, error) { return t, nil }

// Close implements source.Reader.
func (texts) Close() error { return nil }

// Send implements source.Reader.
func (t texts) Send(ctx context.Context, e manifest.Entry, have source.Have, sink source.Sink) (manifest.Entry, error) {
	text := t.files[e.Path]
	const piece = 3 // so that it takes several
	for rest := text[have.Offset:]; rest != ""; rest = rest[min(piece, len(rest)):] {
		if err := errors.Join(ctx.Err(), sink.Data([]byte(rest[:min(piece, len(rest))]))); err != nil {
			return e, err
		}
	}
	return entryOf(e.Path, text, t.scheme), nil
}

// Stage implements source.Source.
func (s *memory) Stage(want manifest.Listing) (source.Staging, error) {
	delta := manifest.Difference(s.scanned, want)
	if len(delta.Set)+len(delta.Removed) == 0 {
		return nil, nil //nolint:nilnil // as the contract says: nothing has to change
	}
	return &staging{of: s, delta: delta}, nil
}

// DropStaging implements source.Source.
func (s *memory) DropStaging() error {
	s.machine.change(s.data, func(h *held) { clear(h.staged); clear(h.gone) })
	return nil
}

// SetAside implements source.Source.
func (s *memory) SetAside(_ context.Context, d source.Divergence, into string) ([]kept.DivergedFile, error) {
	files := s.machine.holds(s.data).files
	var list []kept.DivergedFile
	for _, e := range d.Changed {
		if err := os.WriteFile(filepath.Join(into, e.Path), []byte(files[e.Path]), 0o600); err != nil {
			return nil, err
		}
		list = append(list, kept.DivergedFile{Data: s.data.Name, Path: e.Path, Size: e.Size})
	}
	for _, e := range d.Removed {
		list = append(list, kept.DivergedFile{Data: s.data.Name, Path: e.Path, Size: e.Size, Deleted: true})
	}
	return list, nil
}

// staging implements source.Staging.
type staging struct {
	of    *memory
	delta manifest.Delta
}

// Close implements source.Staging.
func (*staging) Close() error { return nil }

// Load implements source.Staging.
func (t *staging) Load() (source.Load, error) {
	load := source.Load{FreeBytes: 1 << 30, FreeFiles: 1 << 30}
	for _, e := range t.delta.Set {
		load.Files++
		load.Bytes += e.Size
	}
	return load, nil
}

// Missing implements source.Staging.
func (t *staging) Missing(_ context.Context, want manifest.Listing, _ func(files, bytes int64)) ([]source.Want, error) {
	staged := t.of.machine.holds(t.of.data).staged
	var missing []source.Want
	for _, e := range t.delta.Set {
		if now, _ := want.Find(e.Path); !matches(now.Entry, staged) {
			missing = append(missing, source.Want{Path: e.Path})
		}
	}
	return missing, nil
}

// matches reports whether the content of an entry is staged.
func matches(e manifest.Entry, staged map[string]string) bool {
	text, there := staged[e.Path]
	return there && entryOf(e.Path, text, manifest.Newest).Hash == e.Hash
}

// Sum implements source.Staging.
func (*staging) Sum(string) {}

// Fill implements source.Staging.
func (t *staging) Fill(_ context.Context, e manifest.Entry, _ source.Have) (source.Incoming, error) {
	return &incoming{of: t.of, name: e.Path}, nil
}

// incoming implements source.Incoming.
type incoming struct {
	source.Whole

	of   *memory
	name string
	text []byte
}

// Data implements source.Sink.
func (in *incoming) Data(b []byte) error {
	in.text = append(in.text, b...)
	return nil
}

// Hole implements source.Sink.
func (in *incoming) Hole(bytes int64) error { return in.Data(make([]byte, bytes)) }

// Offset implements source.Incoming.
func (in *incoming) Offset() int64 { return int64(len(in.text)) }

// Restart implements source.Incoming.
func (in *incoming) Restart() error {
	in.text = nil
	return nil
}

// Abort implements source.Incoming.
func (*incoming) Abort() {}

// Finish implements source.Incoming.
func (in *incoming) Finish(e manifest.Entry) error {
	if !matches(e, map[string]string{e.Path: string(in.text)}) {
		return fmt.Errorf("%w: %q", source.ErrMismatch, e.Path)
	}
	in.of.machine.change(in.of.data, func(h *held) { h.staged[e.Path] = string(in.text) })
	return nil
}

// Settle implements source.Staging.
func (t *staging) Settle(want manifest.Listing) (source.Change, error) {
	t.delta = manifest.Difference(t.of.scanned, want)
	c := &change{of: t.of, steps: steps{Remove: t.delta.Removed}}
	staged := t.of.machine.holds(t.of.data).staged
	for _, e := range t.delta.Set {
		if !matches(e.Entry, staged) {
			return nil, fmt.Errorf("%w: %q", source.ErrMismatch, e.Path)
		}
		c.steps.Put = append(c.steps.Put, e.Path)
	}
	t.of.machine.change(t.of.data, func(h *held) {
		for _, name := range slices.Concat(c.steps.Put, c.steps.Remove) {
			if text, there := h.files[name]; there {
				h.gone[name] = text
			}
		}
	})
	return c, nil
}

// steps is what a change does, in order.
type steps struct{ Put, Remove []string }

// change implements source.Change.
type change struct {
	of    *memory
	steps steps
}

// Resume implements source.Source.
func (s *memory) Resume(b []byte) (source.Change, error) {
	c := &change{of: s}
	err := json.Unmarshal(b, &c.steps)
	return c, err
}

// Append implements source.Change.
func (c *change) Append(b []byte) []byte {
	text, err := json.Marshal(c.steps)
	if err != nil {
		panic(err) // two lists of text
	}
	return append(b, text...)
}

// Sync implements source.Change.
func (c *change) Sync() error {
	m := c.of.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk[c.of.data] = m.now[c.of.data].clone()
	return nil
}

func (c *change) step(name string, do func(*held)) error {
	c.of.machine.mu.Lock()
	blocked := c.of.machine.block[name]
	c.of.machine.mu.Unlock()
	if blocked {
		return source.Sentence(source.ErrBlocked, "%s/%s is blocked.", c.of, name)
	}
	c.of.machine.change(c.of.data, do)
	return nil
}

// Apply implements source.Change.
func (c *change) Apply(_ context.Context, hook func(step string)) error {
	for _, name := range c.steps.Put {
		hook("apply")
		if err := c.step(name, func(h *held) { h.files[name] = h.staged[name] }); err != nil {
			return err
		}
	}
	for _, name := range c.steps.Remove {
		hook("apply")
		if err := c.step(name, func(h *held) { delete(h.files, name) }); err != nil {
			return err
		}
	}
	return nil
}

// Check implements source.Change.
func (*change) Check() error { return nil }

// Final implements source.Change.
func (*change) Final(context.Context) bool { return false }

// Undo implements source.Change.
func (c *change) Undo(hook func(step string)) error {
	for _, name := range slices.Concat(c.steps.Put, c.steps.Remove) {
		hook("undo")
		old, was := c.of.machine.holds(c.of.data).gone[name]
		if text, is := c.of.machine.holds(c.of.data).files[name]; is == was && text == old {
			continue
		}
		err := c.step(name, func(h *held) {
			if delete(h.files, name); was {
				h.files[name] = old
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ApplyRest implements source.Change.
func (c *change) ApplyRest(context.Context) (source.Leftover, error) {
	var left source.Leftover
	for _, name := range c.steps.Put {
		if c.step(name, func(h *held) { h.files[name] = h.staged[name] }) != nil {
			left.Names = append(left.Names, name)
		}
	}
	for _, name := range c.steps.Remove {
		if c.step(name, func(h *held) { delete(h.files, name) }) != nil {
			left.Names = append(left.Names, name)
		}
	}
	return left, c.Sync()
}

// Done implements source.Change.
func (c *change) Done() error { return c.of.DropStaging() }
