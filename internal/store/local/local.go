// Package local keeps what one appliance must remember on its own across restarts: its
// part in the pair, and its secrets, as JSON files that a person can read. They never
// leave the machine. It never decides a role, and never starts anew in silence where
// something was stored before.
//
// Start reading at Open.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/durable"
	"baton/internal/pair"
)

// stateVersion is the format of state.json that this program writes.
const stateVersion = 1

// State is what an appliance remembers on its own. Its JSON is state.json.
type State struct {
	Version   int              `json:"version"`             // format of the file
	ID        pair.ApplianceID `json:"id"`                  // of this appliance, made at first start
	Record    pair.Record      `json:"record"`              // its part in the pair
	RoleSince time.Time        `json:"role_since,omitzero"` // when the role was taken; zero: by a version that did not note it
	SharedIPs []string         `json:"shared_ips"`          // addresses that an administrator ticked, without network length
	Allowed   []string         `json:"allowed"`             // directories that may be protected here by root's word; nil: by a version that did not ask
	Services  []string         `json:"services,omitempty"`  // sums of the services that may run here by root's word, see service.Definition.Sum
}

func (s State) clone() State {
	s.SharedIPs, s.Allowed = slices.Clone(s.SharedIPs), slices.Clone(s.Allowed)
	s.Services = slices.Clone(s.Services)
	return s
}

func (s State) equal(other State) bool {
	return s.Version == other.Version && s.ID == other.ID && s.Record == other.Record && s.RoleSince.Equal(other.RoleSince) &&
		slices.Equal(s.SharedIPs, other.SharedIPs) &&
		slices.Equal(s.Allowed, other.Allowed) && (s.Allowed == nil) == (other.Allowed == nil) &&
		slices.Equal(s.Services, other.Services)
}

// Store is the appliance's own durable state. Its methods are safe for use by
// several goroutines.
type Store struct {
	dir  string
	log  *slog.Logger
	lock *os.File // held while open, so that no second daemon uses the directory

	saving sync.Mutex // one writer at a time
	beats  int        // signs of life so far

	mu    sync.Mutex
	state State // as on disk
}

// Allowed returns what State.Allowed is now, of a directory that another process may have open.
func Allowed(dir string) ([]string, error) {
	var s State
	err := readJSON(filepath.Join(dir, "state.json"), &s)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s.Allowed, err
}

// Open opens the state of the appliance self in dir, and makes both on the
// first start. It refuses a directory that another daemon uses, one whose state
// was lost or damaged, and one that is another appliance's.
func Open(dir string, self pair.ApplianceID, log *slog.Logger) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	l := &Store{dir: dir, log: log, lock: lock}
	if err := l.load(self); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := durable.Reserve(l.file("state.json")); err != nil { // a disk that is full now
		log.Warn("no room is kept for the state of this appliance", slog.Any("error", err))
	}
	return l, nil
}

func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a file of our own data directory
	if err != nil {
		return nil, fmt.Errorf("open the state directory's lock: %w", err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("another baton uses %s: stop it first, or give this one a data_dir of its own", filepath.Dir(dir))
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func (l *Store) load(self pair.ApplianceID) error {
	path := l.file("state.json")
	err := readJSON(path, &l.state)
	if errors.Is(err, fs.ErrNotExist) {
		return l.begin(path, self)
	}
	if err != nil {
		return fmt.Errorf("read the appliance's state: %w", err)
	}
	switch {
	case l.state.Version > stateVersion:
		return fmt.Errorf("%s has format %d and this baton knows %d: install the version that wrote it", path, l.state.Version, stateVersion)
	case l.state.Version < 1 || !l.state.ID.Valid():
		return fmt.Errorf("%s names no appliance: put it back from a backup, or move %s away to start this appliance anew as standalone", path, l.dir)
	case l.state.ID != self:
		return fmt.Errorf("%s belongs to appliance %s, and the identity beside it is of %s: put both back from the same backup", path, l.state.ID, self)
	}
	return durable.Mark(path)
}

func (l *Store) begin(path string, self pair.ApplianceID) error {
	lost, err := durable.Marked(path)
	if err != nil {
		return fmt.Errorf("look for an earlier state: %w", err)
	}
	if lost {
		return fmt.Errorf("%s is missing, but was here before: put it back from a backup, "+
			"or move %s away to start this appliance anew as standalone", path, l.dir)
	}
	l.state = State{Version: stateVersion, ID: self, SharedIPs: []string{}, Allowed: []string{}}
	if err := durable.WriteJSON(path, l.state); err != nil {
		return fmt.Errorf("write the first state: %w", err)
	}
	l.log.Info("new appliance", slog.String("id", string(l.state.ID)), slog.String("state", path))
	return durable.Mark(path)
}

func (l *Store) file(name string) string { return filepath.Join(l.dir, name) }

// State returns what is stored.
func (l *Store) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.clone()
}

// Save changes the state and returns once it is durable: one write, one rename.
// On error the state is what it was, in memory and on disk. A change that
// changes nothing costs nothing.
func (l *Store) Save(ctx context.Context, change func(*State)) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	before := l.State()
	after := before.clone()
	change(&after)
	after.Version, after.ID = before.Version, before.ID
	if after.equal(before) {
		return nil
	}
	return l.replace(ctx, before, after)
}

// SaveRecord saves this appliance's part in the pair. It is written also if nothing has
// changed: the caller may want to know that it can be.
func (l *Store) SaveRecord(ctx context.Context, record pair.Record) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	before := l.State()
	after := before.clone()
	if after.RoleSince.IsZero() || after.Record.Role != record.Role {
		after.RoleSince = time.Now().UTC()
	}
	after.Record = record
	return l.replace(ctx, before, after)
}

// replace writes a state in the place of the one before.
func (l *Store) replace(ctx context.Context, before, after State) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("save the appliance's state: %w", err)
	}
	if err := durable.WriteJSON(l.file("state.json"), after); err != nil {
		// The rename may have happened without becoming durable: name the old state again.
		err = errors.Join(err, l.undo(before))
		return fmt.Errorf("save the appliance's state in %s: %w", l.dir, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = after
	return nil
}

// undo makes sure that the file holds the state before a failed save.
func (l *Store) undo(before State) error {
	var stored State
	if err := readJSON(l.file("state.json"), &stored); err == nil && stored.equal(before) {
		return nil
	}
	return durable.WriteJSON(l.file("state.json"), before)
}

// LoadSecrets reads the secrets into a value; fs.ErrNotExist says that none were
// saved yet.
func (l *Store) LoadSecrets(into any) error {
	path := l.file("secrets.json")
	err := readJSON(path, into)
	if errors.Is(err, fs.ErrNotExist) {
		lost, statErr := durable.Marked(path)
		if lost || statErr != nil {
			return errors.Join(statErr, fmt.Errorf("%s is missing, but was here before: put it back from a backup, "+
				"or remove %s and pair this appliance again", path, durable.MarkOf(path)))
		}
	}
	if err != nil {
		return fmt.Errorf("read the appliance's secrets: %w", err)
	}
	return nil
}

// SaveSecrets replaces the secrets, mode 0600, and returns once they are durable.
func (l *Store) SaveSecrets(from any) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	path := l.file("secrets.json")
	if err := errors.Join(durable.WriteJSON(path, from), durable.Mark(path)); err != nil {
		return fmt.Errorf("save the appliance's secrets in %s: %w", l.dir, err)
	}
	return nil
}

// ReadServices reads what the services did on this machine into a value, which stays as it is if nothing was saved.
func (l *Store) ReadServices(into any) error {
	text, err := os.ReadFile(l.file("services.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = durable.UnmarshalJSON(text, into)
	}
	if err != nil {
		return fmt.Errorf("read what the services did: %w", err)
	}
	return nil
}

// SaveServices replaces what the services did on this machine, and returns once it is durable. One caller at a time.
func (l *Store) SaveServices(from any) error {
	if err := durable.WriteJSON(l.file("services.json"), from); err != nil {
		return fmt.Errorf("save what the services did: %w", err)
	}
	return nil
}

// Close lets another daemon use the directory.
func (l *Store) Close() error { return l.lock.Close() }

// readJSON reads a file of ours. Its error tells a person what to do.
func readJSON(path string, into any) error {
	content, err := os.ReadFile(path) //nolint:gosec // a file of our own data directory
	if err != nil {
		return err
	}
	if err := durable.UnmarshalJSON(content, into); err != nil {
		return fmt.Errorf("%s is damaged (%w): put it back from a backup, "+
			"or move %s away to start this appliance anew as standalone", path, err, filepath.Dir(path))
	}
	return nil
}
