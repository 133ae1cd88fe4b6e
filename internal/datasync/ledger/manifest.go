package ledger

import (
	"encoding/binary"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/durable"
	"baton/internal/pair"
)

// Manifest returns a manifest of the state; that of the zero reference is empty.
func (l *Ledger) Manifest(of Reference) (manifest.Manifest, error) {
	if of.Listed == (manifest.Digest{}) {
		return manifest.Manifest{}, nil
	}
	l.mu.Lock()
	m, ok := l.cached[of]
	l.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := l.load(of)
	if err == nil {
		l.cache(of, m)
	}
	return m, err
}

// ManifestOf reads the manifest of a restore point. It is not kept in memory here.
func (l *Ledger) ManifestOf(point Point) (manifest.Manifest, error) {
	if point.Manifest == (manifest.Digest{}) {
		return manifest.Manifest{}, nil
	}
	return l.load(Reference{Listed: point.Manifest})
}

// Completed reports whether a recorded snapshot is in place, and only its record is left.
func (l *Ledger) Completed(rec Record) bool { return rec.Run != 0 && l.State().Run == rec.Run }

// ManifestOrNone returns a manifest, or an empty one if it is damaged: then everything
// counts as written since, and too much is kept, never too little.
func (l *Ledger) ManifestOrNone(of Reference) manifest.Manifest {
	m, err := l.Manifest(of)
	if err != nil {
		l.opt.Log.Warn("a manifest is unreadable", slog.Any("error", err))
		return manifest.Manifest{}
	}
	return m
}

func (l *Ledger) cache(of Reference, m manifest.Manifest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cached[of] = m
}

// load reads a manifest, and accepts it only if it is safe.
func (l *Ledger) load(of Reference) (manifest.Manifest, error) {
	m, _, err := l.read(of.Listed, mostDeltas)
	if err == nil {
		err = m.Check(manifest.Manifest{}, l.opt.Check)
	}
	if err != nil {
		return manifest.Manifest{}, fmt.Errorf("read manifest %s: %w", of.Listed, err)
	}
	if l.opt.Inline.Spec != nil && of.Inline != (manifest.Digest{}) {
		m.Sets = append(m.Sets, manifest.InlineSet(l.opt.Inline, of.Inline))
	}
	return m, nil
}

// A manifest is kept as the difference from one that is kept: what a data sync writes is then what changed. It is
// written whole again after so many differences, or once these are so large a part of it.
const (
	mostDeltas = 32
	deltaShare = 4
)

// kept is how a manifest is kept.
type kept struct {
	base   manifest.Digest // zero: whole
	deltas int             // that lead to it
	bytes  int64           // of these
	whole  int64           // bytes of the whole one that they begin with
}

// read reads a manifest as it is kept.
func (l *Ledger) read(digest manifest.Digest, deep int) (m manifest.Manifest, how kept, err error) {
	b, err := os.ReadFile(l.path(manifests, digest.String())) //nolint:gosec // a digest in our own folder
	if err != nil {
		return m, how, err
	}
	how = kept{whole: int64(len(b))}
	var base manifest.Manifest
	if of := manifest.BaseOf(b); of != (manifest.Digest{}) {
		if deep == 0 {
			return m, how, manifest.ErrMalformed
		}
		if base, how, err = l.read(of, deep-1); err != nil {
			return m, how, err
		}
		how = kept{base: of, deltas: how.deltas + 1, bytes: how.bytes + int64(len(b)), whole: how.whole}
	}
	if m, err = manifest.ReadManifest(b, base); err == nil && m.Digest() != digest {
		err = manifest.ErrMalformed
	}
	if err == nil {
		l.note(digest, how)
	}
	return m, how, err
}

func (l *Ledger) note(digest manifest.Digest, how kept) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept[digest] = how
}

// SaveManifest keeps what a manifest lists, under its digest.
func (l *Ledger) SaveManifest(m manifest.Manifest, digest manifest.Digest) error {
	path := l.path(manifests, digest.String())
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if b, how, worth := l.delta(m); worth {
		if err := durable.Replace(path, b); err != nil {
			return err
		}
		l.note(digest, how)
		return nil
	}
	b := m.Append(nil)
	l.note(digest, kept{whole: int64(len(b))})
	return durable.Replace(path, b)
}

// delta is a manifest as a difference from one that both is in memory and kept, if that is worth it.
func (l *Ledger) delta(m manifest.Manifest) (b []byte, how kept, worth bool) {
	st := l.State()
	for _, of := range []Reference{st.Newest(), st.confirmed()} {
		l.mu.Lock()
		base, cached := l.cached[of]
		l.mu.Unlock()
		if !cached || m.Order != manifest.ByBranch {
			continue
		}
		how, known := l.howKept(of.Listed)
		if !known || how.deltas+1 >= mostDeltas {
			continue
		}
		b = m.AppendDelta(nil, base, of.Listed)
		how = kept{base: of.Listed, deltas: how.deltas + 1, bytes: how.bytes + int64(len(b)), whole: how.whole}
		if how.bytes*deltaShare < how.whole {
			return b, how, true
		}
	}
	return nil, kept{}, false
}

// bases adds to the names of manifests that are to be kept those from which they are differences.
func (l *Ledger) bases(keep map[string]bool) {
	for name := range maps.Clone(keep) {
		for base := range chain(func(name string) string { return l.path(manifests, name) }, name) {
			if base != (manifest.Digest{}) {
				keep[base.String()] = true
			}
		}
	}
}

// howKept returns how a manifest is kept, by what the files say that lead to it.
func (l *Ledger) howKept(digest manifest.Digest) (how kept, known bool) {
	l.mu.Lock()
	how, known = l.kept[digest]
	l.mu.Unlock()
	if known {
		return how, true
	}
	for base, bytes := range chain(func(name string) string { return l.path(manifests, name) }, digest.String()) {
		if base == (manifest.Digest{}) {
			how.whole = bytes
			l.note(digest, how)
			return how, true
		}
		if how.deltas == 0 {
			how.base = base
		}
		how.deltas, how.bytes = how.deltas+1, how.bytes+bytes
	}
	return kept{}, false
}

// chain walks from the file of a manifest to the whole one that it begins with, and says of each from which it is a difference, the zero value
// for the whole one, and its bytes. It ends early if a file cannot be read.
func chain(path func(name string) string, name string) iter.Seq2[manifest.Digest, int64] {
	return func(yield func(base manifest.Digest, bytes int64) bool) {
		for deep := 0; deep <= mostDeltas; deep++ {
			b, bytes, err := readHead(path(name))
			if err != nil {
				return
			}
			base := manifest.BaseOf(b)
			if !yield(base, bytes) || base == (manifest.Digest{}) {
				return
			}
			name = base.String()
		}
	}
}

// readHead reads what says from which manifest another is a difference, and the bytes of all of it.
func readHead(path string) (b []byte, bytes int64, err error) {
	f, err := os.Open(path) //nolint:gosec // in our own folder
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	is, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	b = make([]byte, 64)
	n, err := f.Read(b)
	return b[:n], is.Size(), err
}

// Confirm remembers the snapshot that the backup completed, with its manifest.
func (l *Ledger) Confirm(s pair.Snapshot, m manifest.Manifest, digest manifest.Digest) error {
	if err := l.SaveManifest(m, digest); err != nil {
		return err
	}
	l.cache(Reference{digest, m.Inline()}, m)
	if err := l.Save(func(st *State) { st.Confirmed, st.ConfirmedManifest, st.ConfirmedExport = s, digest, m.Inline() }); err != nil {
		return err
	}
	l.Clean()
	return nil
}

// SaveSteps keeps the changes of a record, one for each set of its manifest: that of
// what travels inline in the record, the others in a file.
func (l *Ledger) SaveSteps(rec *Record, m manifest.Manifest, changes [][]byte) error {
	if listed := len(m.Listed()); listed < len(changes) {
		rec.Inline, changes = string(changes[listed]), changes[:listed]
	}
	var b []byte
	for _, one := range changes {
		b = append(binary.AppendUvarint(b, uint64(len(one))), one...)
	}
	rec.Steps = blake3.Sum256(b)
	return durable.Replace(l.path(steps, rec.Steps.String()), b)
}

// Recorded reads what a recorded snapshot needs: its manifest, and the change of each set.
func (l *Ledger) Recorded(rec Record) (m manifest.Manifest, changes [][]byte, err error) {
	if m, err = l.load(rec.reference()); err != nil {
		return m, nil, err
	}
	if changes, err = l.loadSteps(rec.Steps); err != nil {
		return m, nil, err
	}
	if len(changes) != len(m.Listed()) {
		return m, nil, manifest.ErrMalformed
	}
	if len(m.Sets) > len(changes) {
		changes = append(changes, []byte(rec.Inline))
	}
	return m, changes, nil
}

func (l *Ledger) loadSteps(digest manifest.Digest) ([][]byte, error) {
	b, err := os.ReadFile(l.path(steps, digest.String()))
	if err == nil && manifest.Digest(blake3.Sum256(b)) != digest {
		err = manifest.ErrMalformed
	}
	if err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	var changes [][]byte
	for len(b) > 0 {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) { //nolint:gosec // never negative
			return nil, manifest.ErrMalformed
		}
		changes, b = append(changes, b[used:used+int(n)]), b[used+int(n):] //nolint:gosec // checked above
	}
	return changes, nil
}

// Data returns the data of the newest snapshot here, what travels inline apart.
func (l *Ledger) Data() []pair.Data {
	var all []pair.Data
	for _, s := range l.ManifestOrNone(l.State().Newest()).Listed() {
		all = append(all, s.Data)
	}
	return all
}
