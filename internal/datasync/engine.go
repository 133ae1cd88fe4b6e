package datasync

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"baton/internal/datasync/diverged"
	"baton/internal/datasync/ledger"
	"baton/internal/datasync/offer"
	"baton/internal/datasync/pace"
	"baton/internal/datasync/point"
	"baton/internal/datasync/progress"
	"baton/internal/datasync/protected"
	"baton/internal/datasync/sides"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/kept"
	"baton/internal/pair"
)

// Options are what an Engine is made of.
type Options struct {
	Dir   string                        // the engine's own: state, manifests, journal, diverged copies
	Kinds map[pair.DataKind]source.Kind // of data that are synced here
	// Data returns the protected data as now defined; besides, what a kind protects
	// always is.
	Data func(ctx context.Context) ([]pair.Data, error)
	Log  *slog.Logger
	Now  func() time.Time // nil: the wall clock
	// Aside is told of what a first sync found where it was about to replace it, and
	// set aside as a diverged copy; nil: ignored.
	Aside func(kept.DivergedCopy)
	// Missing is told what of a snapshot is not in place when an administrator takes
	// the data as it is; nil: ignored.
	Missing func(of pair.Snapshot, what string)
	// Offering is told of each snapshot that this appliance is about to offer, once its
	// number is durable; if it fails, the snapshot is not offered. nil: ignored.
	Offering func(context.Context, pair.Snapshot) error
	// PointsApart is how far apart the moments of two restore points are at least; 0: point.Apart.
	PointsApart time.Duration
	// Points is how many restore points there are at most, until SetPoints.
	Points int
	// Hook is told before each step that a crash must survive; nil outside tests.
	Hook func(step string)
	// Hangs reports whether a disk with protected data takes no writes at all now, as far as is known; nil:
	// none does. A look at the data that takes longer than Idle then is given up.
	Hangs func() bool
	// Idle is how long a peer may send nothing; 0: 30 s.
	Idle time.Duration
}

// Engine syncs the protected data of one appliance, whichever its role.
type Engine struct {
	// Diverged are the diverged copies here.
	Diverged *diverged.Copies
	// Points are the restore points here.
	Points *point.Points
	// Sides compares the data here with that of the other appliance.
	Sides *sides.Sides
	// LeftOut is what the newest snapshot here leaves out.
	LeftOut *LeftOut

	opt      Options
	sources  protected.Sources
	ledger   *ledger.Ledger
	mounts   *protected.Mounts
	server   *offer.Server
	limit    *pace.Limiter
	progress progress.Tracker
	runs     runs
	rows     sync.Mutex // held while rows of databases are compared
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
		opt.Aside = func(kept.DivergedCopy) {}
	}
	if opt.Offering == nil {
		opt.Offering = func(context.Context, pair.Snapshot) error { return nil }
	}
	if opt.Hangs == nil {
		opt.Hangs = func() bool { return false }
	}
	if opt.Missing == nil {
		opt.Missing = func(pair.Snapshot, string) {}
	}
	opt.PointsApart = cmp.Or(opt.PointsApart, point.Apart)
	opt.Idle = cmp.Or(opt.Idle, 30*time.Second)
	return opt
}

// Open opens the engine's own files and finishes the snapshot that a crash left
// recorded; what was only staged stays hidden, for the next pull to go on from.
// A recorded snapshot that cannot be finished now (a disk that is not mounted)
// is no error here: it shows in Progress, and Pull and Settle try again first.
func Open(ctx context.Context, opt Options) (*Engine, error) {
	opt = opt.filled()
	data, err := protected.New(opt.Kinds, opt.Data)
	if err != nil {
		return nil, err
	}
	book, err := ledger.Open(ledger.Options{Dir: opt.Dir, Check: data.Check, Inline: data.Inline, Log: opt.Log})
	if err != nil {
		return nil, err
	}
	copies, err := diverged.Open(diverged.Options{Dir: filepath.Join(opt.Dir, "diverged"), Open: data.Open, Always: data.Inline, Hook: opt.Hook})
	if err != nil {
		return nil, err
	}
	e := &Engine{opt: opt, sources: data, ledger: book, Diverged: copies, limit: pace.New(), mounts: protected.NewMounts(data, book, opt.Log)}
	e.Points = point.New(point.Options{Ledger: book, Sources: data, Apart: opt.PointsApart, Most: opt.Points, Hook: opt.Hook, Log: opt.Log})
	e.server = offer.New(offer.Options{
		Dir: opt.Dir, Log: opt.Log, Now: opt.Now, Hangs: opt.Hangs, Offering: opt.Offering, Idle: opt.Idle,
		Sources: data, Ledger: book, Mounts: e.mounts, Limit: e.limit,
	})
	e.LeftOut = &LeftOut{ledger: book, sources: data, log: opt.Log, offers: e.server.Offers}
	e.Sides = sides.New(sides.Options{
		Log: opt.Log, Now: opt.Now, Torn: e.Torn, Idle: opt.Idle, Limit: e.limit, Sources: data, Ledger: book,
	})
	e.mounts.Check()
	if err := e.finishPending(ctx); err != nil {
		e.progress.Begin(opt.Now())
		e.progress.Fail(opt.Now(), err)
		opt.Log.Error("recorded snapshot could not be finished", slog.Any("error", err))
	}
	return e, nil
}

// Progress returns where the running or last data sync stands.
func (e *Engine) Progress() progress.Progress { return e.progress.Get(e.opt.Now()) }

// Torn returns why the data here is not whole: a snapshot is half in place, and
// could neither be finished nor taken back, or its disk is not mounted. It returns
// nil while the data is whole.
func (e *Engine) Torn() error {
	return cmp.Or(e.ledger.Torn(), e.mounts.Missing())
}

// Mend tries again to make torn data whole, unless a sync is at it.
func (e *Engine) Mend(ctx context.Context) error {
	if e.Torn() == nil {
		return nil
	}
	r, err := e.runs.acquire(func(error) {})
	if err != nil {
		return err
	}
	defer e.runs.release(r)
	return e.finishPending(ctx)
}

// CheckMounts looks whether the disks are mounted that the newest snapshot lies on;
// Torn tells.
func (e *Engine) CheckMounts() { e.mounts.Check() }

// Offer makes this appliance's data available to pulls that name this epoch.
func (e *Engine) Offer(epoch pair.Epoch) {
	e.server.Offer(epoch)
	e.progress.Forget()
}

// Moving returns the files here that keep changing, so that the backup has them as they were before, or not yet.
func (e *Engine) Moving() []offer.Moving { return e.server.Moving() }

// Withdraw ends the offer; running pulls end with a clear error.
func (e *Engine) Withdraw() { e.server.Offer(pair.Epoch{}) }

// Handler serves the peer's pulls and comparisons on the authenticated link. It expects whole
// paths, under wire.Prefix: mount it there without stripping.
func (e *Engine) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(wire.Prefix, e.server.Handler())
	mux.Handle("POST "+sides.Path, e.Sides.Handler())
	return mux
}

// Snapshot returns the newest complete snapshot on this appliance.
func (e *Engine) Snapshot() pair.Snapshot { return e.ledger.State().Snapshot }

// Offered returns the newest snapshot that this appliance is known to have offered as
// primary.
func (e *Engine) Offered() pair.Snapshot {
	s := e.ledger.State()
	if s.Offered.Compare(s.Confirmed) > 0 {
		return s.Offered
	}
	return s.Confirmed
}

// Skew is how far apart the moments are as of which the primary looked at the data of the newest snapshot here.
func (e *Engine) Skew() time.Duration { return e.ledger.State().Skew }

// Confirmed returns the newest snapshot that the backup reported complete.
func (e *Engine) Confirmed() pair.Snapshot { return e.ledger.State().Confirmed }

// Common returns the newest snapshot that both appliances are known to have had.
func (e *Engine) Common() pair.Snapshot {
	common, _ := e.ledger.State().Common()
	return common
}

// Measured returns the newest snapshot that both appliances are known to have had
// and what it holds. It looks at no protected data.
func (e *Engine) Measured() (pair.Snapshot, []ledger.Measure, error) { return e.ledger.Measured() }

// SetLimit sets the bandwidth limit of the whole link, also while a sync runs.
func (e *Engine) SetLimit(rate pair.Rate) { e.limit.Set(rate) }

// Paced is a stream that is read at the bandwidth limit of the whole link, to be sent over it.
func (e *Engine) Paced(ctx context.Context, from io.Reader) io.Reader {
	return e.limit.Stream(ctx, from)
}

// TendPoints drops restore points that are too many, and the oldest one if the disk of the data runs short. While a
// data sync runs it does nothing; it ends when one begins, and goes on the next time.
func (e *Engine) TendPoints(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := e.runs.acquireToYield(cancel)
	if err != nil {
		return
	}
	defer e.runs.release(r)
	e.Points.Tend(ctx, e.opt.Now())
}

// Settle makes the data whole before a takeover: it stops a sync that still
// receives, waits for one that applies, finishes a recorded snapshot and discards
// what is staged. A recorded snapshot that cannot be put into place is taken back;
// then the one before is whole. If that cannot be done either, it fails with ledger.ErrTorn.
func (e *Engine) Settle(ctx context.Context) error {
	r, err := e.runs.acquireNow(ctx)
	if err != nil {
		return err
	}
	defer e.runs.release(r)
	if err := e.finishPending(ctx); err != nil {
		e.opt.Log.Warn("recorded snapshot is not in place", slog.Any("error", err))
	}
	e.mounts.Check()
	if err := e.Torn(); err != nil {
		return err
	}
	e.dropStaging(ctx)
	e.mounts.Forget()
	return nil
}

// SettleForced is Settle at the word of an administrator, who takes the data as it
// is: what is missing is set aside and named.
func (e *Engine) SettleForced(ctx context.Context) error {
	if err := e.Settle(ctx); !errors.Is(err, ledger.ErrTorn) {
		return err
	}
	r, err := e.runs.acquireNow(ctx)
	if err != nil {
		return err
	}
	defer e.runs.release(r)
	if err := e.abandon(ctx); err != nil {
		return err
	}
	e.dropStaging(ctx)
	e.mounts.Forget()
	return nil
}

// dropStaging removes what is staged, also of data that the newest snapshot leaves out. What cannot be removed is in nobody's way.
func (e *Engine) dropStaging(ctx context.Context) {
	for _, d := range e.sources.With(ctx, e.sources.WithInline(e.ledger.Data())) {
		src, err := e.sources.Open(d, source.Recover)
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
