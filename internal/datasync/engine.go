package datasync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/pace"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Options are what an Engine is made of.
type Options struct {
	Dir   string                        // the engine's own: state, manifests, journal, diverged copies
	Kinds map[pair.DataKind]source.Kind // of data that are synced here
	// Inline is data that is protected always, besides what is defined, and travels with
	// the manifest: its kind scans one manifest.Blob. It is put into place last, so that
	// it need not be possible to take it back. The zero value: there is none.
	Inline pair.Data
	Log    *slog.Logger
	Now    func() time.Time // nil: the wall clock
	// Data returns the protected data as now defined, Inline apart. It is asked whenever
	// this appliance scans as primary.
	Data func(ctx context.Context) ([]pair.Data, error)
	// Aside is told of what a first sync found where it was about to replace it, and
	// set aside as a diverged copy; nil: nobody wants to know.
	Aside func(pair.DivergedCopy)
	// Missing is told what of a snapshot is not in place when an administrator takes
	// the data as it is; nil: nobody wants to know.
	Missing func(of pair.Snapshot, what string)
	// Offering is told of each snapshot that this appliance is about to offer, once its
	// number is durable; if it fails, the snapshot is not offered. nil: nobody wants to know.
	Offering func(context.Context, pair.Snapshot) error
	// Hook is told before each step that a crash must survive; nil outside tests.
	Hook func(step string)
	// Idle is how long a peer may send nothing; 0: 30 s.
	Idle time.Duration
}

// Engine syncs the protected data of one appliance, whichever its role.
type Engine struct {
	opt   Options
	disk  disk
	limit *pace.Limiter

	mu       sync.Mutex
	state    state
	cached   map[reference]manifest.Manifest // of the state's manifests, as far as loaded
	progress tracker
	running  *run     // the pull under way
	pending  *record  // in the journal
	copies   []string // ids of the diverged copies
	lacking  error    // which disk is not mounted that the newest snapshot lies on
	torn     error    // why the recorded snapshot is half in place, and stays so; nil: the data is whole
	offered  pair.Epoch
	session  *session
	measured measured
}

// run is one pull under way.
type run struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// filled returns the options with the defaults in place of what is not given.
func (opt Options) filled() Options {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Hook == nil {
		opt.Hook = func(string) {}
	}
	if opt.Aside == nil {
		opt.Aside = func(pair.DivergedCopy) {}
	}
	if opt.Offering == nil {
		opt.Offering = func(context.Context, pair.Snapshot) error { return nil }
	}
	if opt.Missing == nil {
		opt.Missing = func(pair.Snapshot, string) {}
	}
	opt.Idle = cmp.Or(opt.Idle, 30*time.Second)
	return opt
}

// Open opens the engine's own files and finishes the snapshot that a crash left
// recorded; what was only staged stays hidden, for the next pull to go on from.
// A recorded snapshot that cannot be finished now (a disk that is not mounted)
// is no error here: it shows in Progress, and Pull and Settle try again first.
func Open(ctx context.Context, opt Options) (*Engine, error) {
	opt = opt.filled()
	e := &Engine{
		opt: opt, disk: disk{opt.Dir}, limit: pace.New(),
		cached: map[reference]manifest.Manifest{},
	}
	if err := e.disk.prepare(); err != nil {
		return nil, err
	}
	if err := e.disk.readState(&e.state); err != nil {
		return nil, err
	}
	var rec record
	found, err := e.disk.readJournal(&rec)
	if err != nil {
		return nil, err
	}
	e.dropHalfCopies()
	e.countCopies()
	if _, err := os.Stat(e.disk.path(lostFile)); err == nil {
		e.torn = errLost()
	}
	e.CheckMounts()
	if found {
		e.pending = &rec
		if err := e.finishPending(ctx); err != nil {
			e.progress.fail(opt.Now(), err)
			opt.Log.Error("recorded snapshot could not be finished", slog.Any("error", err))
		}
	}
	return e, nil
}

// Torn returns why the data here is not whole: a snapshot is half in place, and
// could neither be finished nor taken back, or its disk is not mounted. It returns
// nil while the data is whole.
func (e *Engine) Torn() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return cmp.Or(e.torn, e.lacking)
}

// Mend tries again to make torn data whole, unless a sync is at it.
func (e *Engine) Mend(ctx context.Context) error {
	if e.Torn() == nil {
		return nil
	}
	r, err := e.acquire(func(error) {})
	if err != nil {
		return err
	}
	defer e.release(r)
	return e.finishPending(ctx)
}

// protected returns the protected data, checked and in order of name; what travels
// inline is the last.
func (e *Engine) protected(ctx context.Context) ([]pair.Data, error) {
	data, err := e.opt.Data(ctx)
	if err != nil {
		return nil, fmt.Errorf("read protected data: %w", err)
	}
	slices.SortFunc(data, func(a, b pair.Data) int { return cmp.Compare(a.Name, b.Name) })
	for i, d := range data {
		if err := d.Spec.Check(); err != nil {
			return nil, source.Sentence(source.ErrUnsafe, "Protected data %q: %v.", d.Name, err)
		}
		for _, other := range data[:i] {
			if other.Spec.Overlaps(d.Spec) {
				return nil, source.Sentence(source.ErrUnsafe, "Protected data %s and %s overlap: protect the outer one only.", other.Spec, d.Spec)
			}
		}
	}
	return e.withInline(data), nil
}

func (e *Engine) withInline(data []pair.Data) []pair.Data {
	if e.opt.Inline.Spec != nil {
		data = append(data, e.opt.Inline)
	}
	return data
}

// kind returns the kind of a piece of data.
func (e *Engine) kind(d pair.Data) (source.Kind, error) {
	kind, ok := e.opt.Kinds[d.Spec.Kind()]
	if !ok {
		return nil, source.Sentence(source.ErrUnsafe, "Protected data %q is of kind %q, which this version does not sync: update this appliance.", d.Name, string(d.Spec.Kind()))
	}
	return kind, nil
}

// check refuses a set that is not safe to be put into place.
func (e *Engine) check(set manifest.Set) error {
	kind, err := e.kind(set.Data)
	if err != nil {
		return err
	}
	return kind.Check(set)
}

func (e *Engine) open(d pair.Data, purpose source.Purpose) (source.Source, error) {
	kind, err := e.kind(d)
	if err != nil {
		return nil, err
	}
	return kind.Open(d, purpose)
}

// SetLimit sets the bandwidth limit of the whole link, also while a sync runs.
func (e *Engine) SetLimit(rate pair.Rate) { e.limit.Set(rate) }

// Snapshot returns the newest complete snapshot on this appliance.
func (e *Engine) Snapshot() pair.Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Snapshot
}

// Offered returns the newest snapshot that this appliance is known to have offered as
// primary.
func (e *Engine) Offered() pair.Snapshot {
	s := e.currentState()
	if s.Offered.Compare(s.Confirmed) > 0 {
		return s.Offered
	}
	return s.Confirmed
}

// Confirmed returns the newest snapshot that the backup reported complete.
func (e *Engine) Confirmed() pair.Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.Confirmed
}

// Common returns the newest snapshot that both appliances are known to have had.
func (e *Engine) Common() pair.Snapshot {
	common, _ := e.currentState().common()
	return common
}

// Settle makes the data whole before a takeover: it stops a sync that still
// receives, waits for one that applies, finishes a recorded snapshot and discards
// what is staged. A recorded snapshot that cannot be put into place is taken back;
// then the one before is whole. If that cannot be done either, it fails with ErrTorn.
func (e *Engine) Settle(ctx context.Context) error {
	r, err := e.acquireNow(ctx)
	if err != nil {
		return err
	}
	defer e.release(r)
	if err := e.finishPending(ctx); err != nil {
		e.opt.Log.Warn("recorded snapshot is not in place", slog.Any("error", err))
	}
	e.CheckMounts()
	if err := e.Torn(); err != nil {
		return err
	}
	e.dropStaging()
	e.forgetMounts()
	return nil
}

// SettleForced is Settle at the word of an administrator, who takes the data as it
// is: what is missing is set aside and named.
func (e *Engine) SettleForced(ctx context.Context) error {
	if err := e.Settle(ctx); !errors.Is(err, ErrTorn) {
		return err
	}
	r, err := e.acquireNow(ctx)
	if err != nil {
		return err
	}
	defer e.release(r)
	if err := e.abandon(ctx); err != nil {
		return err
	}
	e.dropStaging()
	e.forgetMounts()
	return nil
}

// acquire takes the engine for one pull or copy; there is one at a time.
func (e *Engine) acquire(cancel context.CancelCauseFunc) (*run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running != nil {
		return nil, source.Sentence(ErrRunning, "A data sync is running already: wait for it or cancel it.")
	}
	e.running = &run{cancel: cancel, done: make(chan struct{})}
	return e.running, nil
}

// acquireNow takes the engine from whoever has it, as soon as that can stop.
func (e *Engine) acquireNow(ctx context.Context) (*run, error) {
	for {
		r, err := e.acquire(func(error) {})
		if err == nil {
			return r, nil
		}
		e.mu.Lock()
		other := e.running
		e.mu.Unlock()
		if other == nil {
			continue
		}
		other.cancel(source.Sentence(ErrRunning, "The data sync was stopped because this appliance takes over."))
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the data sync to end: %w", ctx.Err())
		}
	}
}

func (e *Engine) release(r *run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = nil
	close(r.done)
}

// dropStaging removes what is staged. What cannot be removed is in nobody's way.
func (e *Engine) dropStaging() {
	for _, d := range e.withInline(e.dataHere()) {
		src, err := e.open(d, source.Recover)
		if errors.Is(err, source.ErrMissing) {
			continue
		}
		if err == nil {
			err = errors.Join(src.DropStaging(), src.Close())
		}
		if err != nil {
			e.opt.Log.Warn("what is staged is not removed", slog.Any("error", err))
		}
	}
}

// dataHere returns the data of the newest snapshot here.
func (e *Engine) dataHere() []pair.Data {
	newest, err := e.manifest(e.currentState().newest())
	if err != nil {
		e.opt.Log.Warn("manifest of the newest snapshot is unreadable", slog.Any("error", err))
	}
	var all []pair.Data
	for _, s := range newest.Listed() {
		if !slices.Contains(all, s.Data) {
			all = append(all, s.Data)
		}
	}
	return all
}

func (e *Engine) currentState() state {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// manifest returns a manifest of the state; that of the zero reference is empty.
func (e *Engine) manifest(of reference) (manifest.Manifest, error) {
	if of.listed == (manifest.Digest{}) {
		return manifest.Manifest{}, nil
	}
	e.mu.Lock()
	m, ok := e.cached[of]
	e.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := e.loadManifest(of)
	if err != nil {
		return m, err
	}
	e.mu.Lock()
	e.cached[of] = m
	e.mu.Unlock()
	return m, nil
}

// loadManifest reads a manifest, and accepts it only if it is safe.
func (e *Engine) loadManifest(of reference) (manifest.Manifest, error) {
	m, err := e.disk.loadManifest(of.listed)
	if err == nil {
		err = m.Validate(e.check)
	}
	if err != nil {
		return manifest.Manifest{}, fmt.Errorf("read manifest %s: %w", of.listed, err)
	}
	if e.opt.Inline.Spec != nil && of.inline != (manifest.Digest{}) {
		m.Sets = append(m.Sets, manifest.InlineSet(e.opt.Inline, of.inline))
	}
	return m, nil
}

// save makes a new state durable and forgets what it no longer refers to.
func (e *Engine) save(change func(*state)) error {
	e.mu.Lock()
	next := e.state
	e.mu.Unlock()
	change(&next)
	if err := e.disk.writeJSON(stateFile, next); err != nil {
		return err
	}
	e.adopt(next)
	return nil
}

// adopt takes over a state that is durable.
func (e *Engine) adopt(next state) {
	if err := e.disk.mark(); err != nil { // on a full disk: the next state marks it
		e.opt.Log.Warn("the state of the data sync is not marked", slog.Any("error", err))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = next
	for of := range e.cached {
		if of != next.newest() && of != next.confirmed() {
			delete(e.cached, of)
		}
	}
}
