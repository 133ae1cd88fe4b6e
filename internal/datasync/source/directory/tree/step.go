package tree

import (
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/directory/inode"
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
	Ino  uint64         // TakeOut, PutBack, Patch: number of the file or directory, which tells it from others
	Is   manifest.Entry // Meta, Patch: as it shall be; the zero value of what is left as it is
	Was  manifest.Entry // as it was, at the path where it was, of Meta, Patch, and what goes to Out; the zero value of what was not there

	Parts []blocks.Stretch // Patch: what is written from Slot, at the same places
	first *inode.Stamp     // Patch: what the file is until the step is taken for the first time; nil: that was by another process
}

// awaits reports whether nothing of a Patch was written yet, for certain: there is nothing to take back, and what the file holds by now is
// somebody else's.
func (s Step) awaits() bool { return s.first != nil && s.first.Ino != 0 }

// Op is what a step does.
type Op uint8

// The operations.
const (
	MoveOut Op = iota + 1 // Path is moved to Out
	Unlink                // Path is unlinked, and nothing new comes there; Out is another name of it
	MoveIn                // Slot is moved to Path, and replaces what is there; Out, if set, is another name of that
	Meta                  // Path gets the metadata of Is
	TakeOut               // Path is moved to Out, from where it is put back elsewhere
	PutBack               // Slot, which was taken out, is moved to Path
	Patch                 // parts of Path are replaced by those of Slot, its size and metadata by those of Is; Out has what they replace
)

// String names the operation in a message.
func (o Op) String() string {
	switch o {
	case MoveOut, Unlink:
		return "remove"
	case MoveIn:
		return "put"
	case TakeOut, PutBack:
		return "rename"
	case Meta:
		return "set metadata of"
	case Patch:
		return "change parts of"
	}
	return "unknown step of"
}

// outSlot is the name in the staging of what is moved out of a path; moveSlot that of what
// goes elsewhere, leadSlot that of a directory that leads there.
func outSlot(path string) string  { return "out-" + nameBy(path) }
func moveSlot(path string) string { return "move-" + nameBy(path) }
func leadSlot(path string) string { return "lead-" + nameBy(path) }

func nameBy(path string) string {
	sum := blake3.Sum256([]byte(path))
	return hex.EncodeToString(sum[:20])
}

// AppendSteps appends the byte form of steps, closed by its BLAKE3 hash.
func AppendSteps(b []byte, steps []Step) []byte {
	start := len(b)
	for _, s := range steps {
		b = append(b, byte(s.Op))
		b = manifest.AppendString(b, s.Path)
		b = manifest.AppendString(b, s.Slot)
		b = manifest.AppendString(b, s.Out)
		if s.Op == TakeOut || s.Op == PutBack || s.Op == Patch {
			b = binary.AppendUvarint(b, s.Ino)
		}
		if s.Op == Patch {
			b = blocks.Append(b, s.Parts)
		}
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
		s := Step{Op: Op(d.Byte()), Path: d.String(pair.MaxPath), Slot: d.String(2 * pair.MaxPath), Out: d.String(pair.MaxName)}
		if s.Op == TakeOut || s.Op == PutBack || s.Op == Patch {
			s.Ino = d.Uvarint()
		}
		if s.Op == Patch {
			s.Parts = blocks.Read(d)
		}
		err := errors.Join(readEntry(d, &s.Is), readEntry(d, &s.Was))
		if d.Failed() || err != nil {
			return nil, errors.Join(damaged, err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// readEntry reads an entry, if there is one.
func readEntry(d *manifest.Decoder, e *manifest.Entry) error {
	if d.Byte() == 0 {
		return nil
	}
	read, rest, err := manifest.ReadEntry(d.Rest())
	*e, *d = read, *manifest.NewDecoder(rest)
	return err
}
