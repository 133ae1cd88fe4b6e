package datasync

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/durable"
	"baton/internal/pair"
)

// state is what the engine remembers, as JSON that a person can read. The
// manifests lie beside it under their digests.
type state struct {
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
	// Disks are those on which a primary had its data, by the primary's id and the spec
	// of the data, as of the newest snapshot from it.
	Disks map[string]string `json:"disks,omitempty"`
	// Mounts are the mount points on which the data of the newest snapshot lies here,
	// by its spec; empty once this appliance has taken over.
	Mounts map[string]string `json:"mounts,omitempty"`
}

// reference names a manifest: by the digest of what it lists, and the hash of what
// travels inline; zero: not known.
type reference struct{ listed, inline manifest.Digest }

func (s state) newest() reference    { return reference{s.Manifest, s.Export} }
func (s state) confirmed() reference { return reference{s.ConfirmedManifest, s.ConfirmedExport} }

// common returns the newest snapshot that both appliances are known to have had,
// received or confirmed, and its manifest.
func (s state) common() (pair.Snapshot, reference) {
	if s.Snapshot.Compare(s.Confirmed) > 0 {
		return s.Snapshot, s.newest()
	}
	return s.Confirmed, s.confirmed()
}

// given reports whether the newest common snapshot is one that this appliance offered:
// it was primary, and has pulled nothing since.
func (s state) given() bool {
	return !s.Confirmed.IsZero() && s.Snapshot.Compare(s.Confirmed) <= 0
}

// offered is the newest number that this appliance is known to have offered in an epoch.
func (s state) offered(epoch pair.Epoch) (number uint64) {
	for _, known := range []pair.Snapshot{s.Offered, s.Confirmed} {
		if known.Epoch == epoch {
			number = max(number, known.Number)
		}
	}
	return number
}

// record is the journal: its presence means that the snapshot is to be finished.
type record struct {
	Snapshot pair.Snapshot   `json:"snapshot"`
	Manifest manifest.Digest `json:"manifest"`
	Inline   string          `json:"site"`   // change of what travels inline
	Export   manifest.Digest `json:"export"` // hash of what travels inline
	Steps    manifest.Digest `json:"steps"`  // of the file with the changes of the listed data

	Disks  map[string]string `json:"disks,omitempty"`  // of the state
	Mounts map[string]string `json:"mounts,omitempty"` // of the state
}

// disk is where the engine keeps its own files.
type disk struct{ dir string }

const (
	stateFile   = "state.json"
	nextFile    = "state.next.json" // the state once the recorded snapshot is in place
	journalFile = "journal.json"
	lostFile    = "journal.lost.json" // of a snapshot that can be neither finished nor taken back
)

func (d disk) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}

func (d disk) prepare() error {
	for _, sub := range []string{"manifests", "steps", "diverged"} {
		if err := os.MkdirAll(d.path(sub), 0o700); err != nil {
			return fmt.Errorf("make what the data sync needs: %w", err)
		}
	}
	_ = durable.Keep(d.path(stateFile)) // a takeover writes it, also on a disk that is full by then
	return nil
}

// readJSON reports false if there is no such file. A file that is not whole, as one
// without its first key, is an error that begins with its path.
func (d disk) readJSON(name, key string, v any) (bool, error) {
	path := d.path(name)
	b, err := os.ReadFile(path) //nolint:gosec // a file of our own data directory
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var keys map[string]json.RawMessage
	if err == nil {
		err = errors.Join(json.Unmarshal(b, &keys), json.Unmarshal(b, v))
	}
	switch _, has := keys[key]; {
	case errors.Is(err, unix.EISDIR):
		return false, fmt.Errorf("%s is damaged (it is no file)", path)
	case b == nil && err != nil:
		return false, fmt.Errorf("%s cannot be read (%w): look at its disk", path, err)
	case err != nil:
		return false, fmt.Errorf("%s is damaged (%s)", path, strings.ReplaceAll(err.Error(), "\n", "; "))
	case !has:
		return false, fmt.Errorf("%s is damaged (it says nothing of %q)", path, key)
	}
	return true, nil
}

// readState reads the state, and tells a first start from a state that is lost.
func (d disk) readState(v *state) error {
	path := d.path(stateFile)
	found, err := d.readJSON(stateFile, "snapshot", v)
	_, marked := os.Lstat(path + markSuffix)
	switch {
	case err == nil && !found && marked == nil:
		err = fmt.Errorf("%s is missing, but was here before", path)
	case err == nil:
		return nil
	}
	return fmt.Errorf("%w. It says which snapshot is here and what both appliances have: put it back from a backup, or remove it and %s; "+
		"then nothing counts as in step with the peer, and the next data sync sets aside what it replaces", err, path+markSuffix)
}

// readJournal reads the journal, and reports false if there is none.
func (d disk) readJournal(rec *record) (bool, error) {
	found, err := d.readJSON(journalFile, "snapshot", rec)
	if err != nil {
		err = fmt.Errorf("%w. It says which snapshot was being put into place, so the protected data may be half of one and half of another: "+
			"put it back from a backup, or rename it to %s; then this appliance does not take over by itself until a complete data sync has made the data whole", err, lostFile)
	}
	return found, err
}

// markSuffix ends the name of a mark that outlives the file beside it, so that a lost
// file is never taken for a first start.
const markSuffix = ".mark"

// mark notes that the state has been written.
func (d disk) mark() error {
	path := d.path(stateFile) + markSuffix
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return durable.Replace(path, []byte("The file beside this mark exists since the first data sync. If it is missing, it was lost.\n"))
}

func (d disk) writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := durable.Replace(d.path(name), append(b, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", d.path(name), err)
	}
	return nil
}

// rename gives a file its final name, which needs no room.
func (d disk) rename(from, to string) error {
	if err := os.Rename(d.path(from), d.path(to)); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	return durable.SyncDir(d.dir)
}

func (d disk) remove(name string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return durable.SyncDir(filepath.Dir(d.path(name)))
}

// removeAll also removes what somebody put in the place of a file.
func (d disk) removeAll(name string) error {
	if err := os.RemoveAll(d.path(name)); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return durable.SyncDir(filepath.Dir(d.path(name)))
}

// syncFS makes the whole file system below path durable.
func syncFS(path string) error {
	f, err := os.Open(path) //nolint:gosec // our own directory
	if err != nil {
		return fmt.Errorf("make %s durable: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("make %s durable: %w", path, err)
	}
	return nil
}

func (d disk) saveManifest(m manifest.Manifest, digest manifest.Digest) error {
	path := d.path("manifests", digest.String())
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return durable.Replace(path, m.Append(nil))
}

func (d disk) loadManifest(digest manifest.Digest) (manifest.Manifest, error) {
	b, err := os.ReadFile(d.path("manifests", digest.String()))
	if err != nil {
		return manifest.Manifest{}, fmt.Errorf("read manifest: %w", err)
	}
	m, err := manifest.ReadManifest(b)
	if err == nil && m.Digest() != digest {
		err = manifest.ErrMalformed
	}
	return m, err
}

// clean removes manifests and steps that nothing refers to any more.
func (d disk) clean(s state, pending *record) {
	keep := map[string]bool{s.Manifest.String(): true, s.ConfirmedManifest.String(): true, s.Kept.String(): true}
	if pending != nil {
		keep[pending.Manifest.String()], keep[pending.Steps.String()] = true, true
	}
	for _, sub := range []string{"manifests", "steps"} {
		entries, err := os.ReadDir(d.path(sub))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !keep[e.Name()] {
				_ = os.RemoveAll(d.path(sub, e.Name()))
			}
		}
	}
}

// saveSteps keeps the changes of a record, in the order of its manifest, and returns
// their digest.
func (d disk) saveSteps(changes [][]byte) (manifest.Digest, error) {
	var b []byte
	for _, one := range changes {
		b = append(binary.AppendUvarint(b, uint64(len(one))), one...)
	}
	digest := manifest.Digest(blake3.Sum256(b))
	return digest, durable.Replace(d.path("steps", digest.String()), b)
}

func (d disk) loadSteps(digest manifest.Digest) ([][]byte, error) {
	b, err := os.ReadFile(d.path("steps", digest.String()))
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

// room returns how many bytes the engine's disk still takes.
func (d disk) room() (int64, error) {
	var free unix.Statfs_t
	if err := unix.Statfs(d.dir, &free); err != nil {
		return 0, fmt.Errorf("measure room at %s: %w", d.dir, err)
	}
	return int64(free.Bavail) * free.Bsize, nil //nolint:gosec // far below 2^63
}
