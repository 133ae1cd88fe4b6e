package ledger

import (
	"fmt"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/pair"
)

// State is what the data sync remembers, as JSON that a person can read. The
// manifests lie beside it under their digests.
type State struct {
	Snapshot          pair.Snapshot   `json:"snapshot"` // newest complete here
	Manifest          manifest.Digest `json:"manifest"`
	Confirmed         pair.Snapshot   `json:"confirmed"` // newest that the backup reported complete
	ConfirmedManifest manifest.Digest `json:"confirmed_manifest"`
	// Export and ConfirmedExport are the hashes of what travels inline in each.
	Export          manifest.Digest `json:"export"`
	ConfirmedExport manifest.Digest `json:"confirmed_export"`
	// Offered is the newest snapshot that this appliance offered as primary, whether
	// the backup has completed it or not.
	Offered pair.Snapshot `json:"offered"`
	// Keep is set while whatever the next data sync replaces is to be set aside: the
	// new primary goes on from an older state than the newest that was here.
	Keep bool `json:"keep"`
	// Kept is the manifest of the state from which a diverged copy was made that
	// has not been replaced yet.
	Kept manifest.Digest `json:"kept"`
	// Skew is how far apart the moments are as of which the primary looked at the data of Snapshot.
	Skew time.Duration `json:"skew,omitempty"`
	// Disks are those on which a primary had its data, by the primary's id and the spec
	// of the data, as of the newest snapshot from it.
	Disks map[string]string `json:"disks,omitempty"`
	// Mounts are the mount points on which the data of the newest snapshot lies here,
	// by its spec; empty once this appliance has taken over.
	Mounts map[string]string `json:"mounts,omitempty"`
	// LeftOut is what is protected and no part of the newest snapshot here.
	LeftOut []LeftOut `json:"left_out,omitempty"`
	// Run is that of the record that made this the state; zero: a version without it did.
	Run int64 `json:"run,omitempty"`
	// Points are the restore points, oldest first.
	Points []Point `json:"points,omitempty"`
}

// LeftOut is what a primary could not copy for this backup, which has it in another state.
type LeftOut struct {
	Data    string `json:"data"`              // its name
	Pattern string `json:"pattern,omitempty"` // that excludes it; empty: it is all of the data
}

// String implements fmt.Stringer.
func (l LeftOut) String() string {
	if l.Pattern == "" {
		return fmt.Sprintf("all of %q", l.Data)
	}
	return fmt.Sprintf("%s in %q", l.Pattern, l.Data)
}

// Point is an earlier snapshot of which what is needed to restore it is kept.
type Point struct {
	Snapshot pair.Snapshot   `json:"snapshot"`
	Manifest manifest.Digest `json:"manifest"`
}

// Reference names a manifest: by the digest of what it lists, and the hash of what
// travels inline; zero: not known.
type Reference struct{ Listed, Inline manifest.Digest }

// Newest names the manifest of the newest snapshot here.
func (s State) Newest() Reference { return Reference{s.Manifest, s.Export} }

func (s State) confirmed() Reference { return Reference{s.ConfirmedManifest, s.ConfirmedExport} }

// Common returns the newest snapshot that both appliances are known to have had,
// received or confirmed, and its manifest.
func (s State) Common() (pair.Snapshot, Reference) {
	if s.Snapshot.Compare(s.Confirmed) > 0 {
		return s.Snapshot, s.Newest()
	}
	return s.Confirmed, s.confirmed()
}

// Given reports whether the newest common snapshot is one that this appliance offered:
// it was primary, and has pulled nothing since.
func (s State) Given() bool {
	return !s.Confirmed.IsZero() && s.Snapshot.Compare(s.Confirmed) <= 0
}

// OfferedIn is the newest number that this appliance is known to have offered in an epoch.
func (s State) OfferedIn(epoch pair.Epoch) (number uint64) {
	for _, offer := range []pair.Snapshot{s.Offered, s.Confirmed} {
		if offer.Epoch == epoch {
			number = max(number, offer.Number)
		}
	}
	return number
}

// Named returns the reference to the state's manifest of a digest, if it has one.
func (s State) Named(digest manifest.Digest) (of Reference, has bool) {
	for _, of := range []Reference{s.confirmed(), s.Newest()} {
		if of.Listed == digest {
			return of, true
		}
	}
	return Reference{}, false
}

// Record is the journal: while there is one, its snapshot is to be finished.
type Record struct {
	Snapshot pair.Snapshot   `json:"snapshot"`
	Manifest manifest.Digest `json:"manifest"`
	Inline   string          `json:"site"`   // change of what travels inline
	Export   manifest.Digest `json:"export"` // hash of what travels inline
	Steps    manifest.Digest `json:"steps"`  // of the file with the changes of the listed data

	Run    int64             `json:"run,omitempty"`    // tells it from every other record
	Before manifest.Digest   `json:"before"`           // manifest of the snapshot before, for restore points
	Skew   time.Duration     `json:"skew,omitempty"`   // of the state
	Disks  map[string]string `json:"disks,omitempty"`  // of the state
	Mounts map[string]string `json:"mounts,omitempty"` // of the state
}

func (r Record) reference() Reference { return Reference{r.Manifest, r.Export} }

// complete is the state once the recorded snapshot is in place.
func (r Record) complete(s State) State {
	s.Snapshot, s.Skew, s.Manifest, s.Export, s.Disks, s.Mounts = r.Snapshot, r.Skew, r.Manifest, r.Export, r.Disks, r.Mounts
	s.Keep, s.Kept, s.Run = false, manifest.Digest{}, r.Run
	return s
}
