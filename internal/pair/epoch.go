package pair

import (
	"cmp"
	"fmt"
	"strings"
)

// ApplianceID names one installation of the daemon: 32 lower-case hexadecimal
// digits, made at first start and never reused. The zero value means nobody.
type ApplianceID string

// Valid reports whether an id is 32 lower-case hexadecimal digits.
func (id ApplianceID) Valid() bool {
	for i := range len(id) {
		if (id[i] < '0' || id[i] > '9') && (id[i] < 'a' || id[i] > 'f') {
			return false
		}
	}
	return len(id) == 32
}

// Short returns the first eight digits, enough for a person to tell two apart.
func (id ApplianceID) Short() string {
	if len(id) < 8 {
		return string(id)
	}
	return string(id[:8])
}

// maxName is the longest name of an appliance, in bytes.
const maxName = 64

// IsName reports whether an appliance can be called so: by 1 to 64 letters, digits,
// dots, dashes and underscores.
func IsName(text string) bool {
	return text != "" && len(text) <= maxName && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
	})
}

// Epoch numbers one primaryship. Counter rises by promotion only; Holder makes
// two epochs with the same counter distinguishable. The zero value is "never".
type Epoch struct {
	Counter uint64      `json:"counter"`
	Holder  ApplianceID `json:"holder"`
}

// IsZero reports whether there has been no primaryship yet.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// Above reports whether e outranks other. Epochs that share a counter but not a
// holder outrank neither way: that is a conflict, see Clashes.
func (e Epoch) Above(other Epoch) bool { return e.Counter > other.Counter }

// Clashes reports whether two appliances hold the same counter.
func (e Epoch) Clashes(other Epoch) bool {
	return e.Counter == other.Counter && e.Holder != other.Holder
}

// Next returns the epoch that a promotion of id after e begins.
func (e Epoch) Next(id ApplianceID) Epoch { return Epoch{Counter: e.Counter + 1, Holder: id} }

// String renders "3@1f0c9a22", or "none".
func (e Epoch) String() string {
	if e.IsZero() {
		return "none"
	}
	return fmt.Sprintf("%d@%s", e.Counter, e.Holder.Short())
}

// Lineage is the chain of epochs that an appliance's data has been through,
// newest first, each with the snapshot number at which it began. It is an array
// so that everything holding one stays comparable; older epochs fall off the end.
type Lineage [8]Begun

// Begun is one epoch of a lineage.
type Begun struct {
	Epoch    Epoch  `json:"epoch"`
	Snapshot uint64 `json:"snapshot"` // number of the snapshot on which the epoch was begun
}

// Contains reports whether the lineage went through e.
func (l Lineage) Contains(e Epoch) bool {
	for _, begun := range l {
		if begun.Epoch == e && !e.IsZero() {
			return true
		}
	}
	return false
}

// AnySnapshot is the number below which every snapshot is.
const AnySnapshot = ^uint64(0)

// After returns the lowest number of a snapshot on which an epoch after e was begun: what
// the lineage knows of e ends there. It is AnySnapshot if e is the newest, and 0 if the
// lineage does not know e: then nothing of it is known to be in there.
func (l Lineage) After(e Epoch) uint64 {
	after := AnySnapshot
	for _, begun := range l {
		if begun.Epoch == e && !e.IsZero() {
			return after
		}
		after = min(after, begun.Snapshot)
	}
	return 0
}

// Begin returns the lineage with one more epoch at its front.
func (l Lineage) Begin(e Epoch, snapshot uint64) Lineage {
	next := Lineage{{Epoch: e, Snapshot: snapshot}}
	copy(next[1:], l[:])
	return next
}

// Snapshot identifies one complete, verified state of all protected data.
// Number rises by one with every sync of a pair. The zero value is "none yet".
type Snapshot struct {
	Number  uint64 `json:"number"`
	Epoch   Epoch  `json:"epoch"`    // of the primary that it was taken from
	TakenAt int64  `json:"taken_at"` // Unix milliseconds, by the primary's wall clock; for display and data age only
}

// IsZero reports whether there is no snapshot.
func (s Snapshot) IsZero() bool { return s == Snapshot{} }

// Compare orders snapshots by epoch counter, then number.
func (s Snapshot) Compare(other Snapshot) int {
	return cmp.Or(cmp.Compare(s.Epoch.Counter, other.Epoch.Counter), cmp.Compare(s.Number, other.Number))
}
