// Package sides compares what the two appliances have of the protected data, over the link, and changes nothing.
//
// Whichever side is asked looks at what it protects itself, and at nothing that the other one names. It is no part of a
// data sync, and needs no primary: it is there for a conflict as well.
//
// Start reading at Sides.Compare.
package sides

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/pace"
	"baton/internal/datasync/protected"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/kept"
	"baton/internal/pair"
)

// Options are what Sides are made of.
type Options struct {
	Log   *slog.Logger
	Now   func() time.Time
	Torn  func() error  // why the data here is not whole; nil: it is
	Idle  time.Duration // how long a peer may send or take nothing
	Limit *pace.Limiter

	Sources protected.Sources
	Ledger  *ledger.Ledger
}

// Sides compares, and answers the other side that does.
type Sides struct {
	opt Options

	asks, answers atomic.Bool // one at a time
}

// New returns what compares the data of this appliance with that of its peer.
func New(opt Options) *Sides { return &Sides{opt: opt} }

// Compare compares what is here with what the peer at base has. Of a pair with a backup, what the primary alone changed since the
// backup's newest snapshot is told apart. Only one comparison runs at a time, and it ends with the context.
func (s *Sides) Compare(ctx context.Context, from *http.Client, base string, backup kept.Side) (kept.Comparison, error) {
	if s.asks.Swap(true) {
		return kept.Comparison{}, pair.Refuse(pair.Refused, "the two sides are being compared already: wait until that has ended, then try again")
	}
	defer s.asks.Store(false)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	compared := kept.Comparison{Time: s.opt.Now().UTC(), Backup: backup}
	here, there, err := s.both(ctx, question{sides: s, cancel: cancel, client: wire.Asking(from), base: base})
	if err != nil {
		return compared, err
	}
	since := s.common(ctx, here, there, backup)
	compared.Since = since.snapshot
	compared.Data = differences{here: here, there: there, since: since, backup: backup}.all()
	return compared.Judged(), nil
}

// both looks at what is here, and asks for what is there, as often as data syncs end in between.
func (s *Sides) both(ctx context.Context, q question) (here, there state, err error) {
	for range looks {
		if here, err = s.look(ctx); err != nil {
			return here, there, err
		}
		if there, err = q.ask(ctx, here); !errors.Is(err, errSynced) {
			break
		}
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return here, there, err
}

// state is what a side has at one moment.
type state struct {
	manifest manifest.Manifest
	left     []wire.Left
	common   pair.Snapshot // as the side knows it
	of       ledger.Reference
}

const (
	looks     = 20                     // at data that a sync replaces meanwhile
	lookAgain = 100 * time.Millisecond // after such a look
)

// look looks at what is here, as of one snapshot.
func (s *Sides) look(ctx context.Context) (state, error) {
	var failed error
	for range looks {
		if err := s.opt.Torn(); err != nil {
			return state{}, err
		}
		before, pending := s.opt.Ledger.State(), s.opt.Ledger.Pending() != nil
		found, err := s.scan(ctx, before)
		if ctx.Err() != nil {
			return state{}, context.Cause(ctx)
		}
		if after := s.opt.Ledger.State(); !pending && after.Snapshot == before.Snapshot && s.opt.Ledger.Pending() == nil {
			return found, err
		}
		failed = err
		if err := pace.Sleep(ctx, lookAgain); err != nil {
			return state{}, err
		}
	}
	return state{}, source.Sentence(errors.Join(source.ErrChanging, failed), "A data sync replaces the data faster than it can be compared: try again when less changes, or pause the syncs meanwhile (baton settings set backup_operations=false).")
}

// scan looks at all protected data. What cannot be looked at is named, and the rest compared.
func (s *Sides) scan(ctx context.Context, st ledger.State) (state, error) {
	found := state{manifest: manifest.Manifest{Scheme: manifest.Newest, Order: manifest.ByBranch}}
	found.common, found.of = st.Common()
	data, err := s.opt.Sources.Data(ctx)
	if err != nil {
		return found, err
	}
	var places []source.Place
	for _, d := range data {
		scan, err := s.opt.Sources.Scan(ctx, d, manifest.Newest, source.Serve, func() (manifest.Manifest, bool) { return s.opt.Ledger.ManifestOrNone(found.of), true })
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		if err == nil && scan.Place != nil {
			err = protected.Apart(places, scan.Place)
			places = append(places, scan.Place)
		}
		if err != nil {
			found.left = append(found.left, wire.Left{Data: d.Name, Why: source.Bare(err) + "."})
			continue
		}
		if scan.Listing.IsZero() {
			found.left = append(found.left, wire.Left{Data: d.Name, Why: scan.Moving[0].By + " uses all of it, so that it was not compared."})
			continue
		}
		found.manifest.Sets = append(found.manifest.Sets, manifest.Set{Data: pair.Data{Name: d.Name, Spec: scan.Spec}, Listing: scan.Listing})
		found.left = append(found.left, moving(d.Name, scan.Moving)...)
	}
	return found, nil
}

// mostMoving bounds how many files that keep changing are named, of one piece of data.
const mostMoving = 20

// moving is what a look says of files that kept changing.
func moving(data string, found []source.Moving) []wire.Left {
	if len(found) > mostMoving {
		return []wire.Left{{Data: data, Why: pair.Counted(int64(len(found)), "file") + " changed while they were read: stop the program that writes them, then compare again."}}
	}
	left := make([]wire.Left, len(found))
	for i, one := range found {
		left[i] = wire.Left{Data: data, Path: one.Path, Why: one.By}
	}
	return left
}

// since is a snapshot that both sides had; the zero value: none is known.
type since struct {
	snapshot pair.Snapshot
	manifest manifest.Manifest
}

// common finds the snapshot by which it is told what each side changed: the one that the backup holds, if one of the two
// is the backup, else the newest that is known here.
func (s *Sides) common(ctx context.Context, here, there state, backup kept.Side) since {
	snapshot, of := here.common, here.of
	if backup == kept.There || (backup == kept.Neither && there.common.Compare(here.common) > 0) {
		if known, is := s.named(ctx, there); is {
			snapshot, of = there.common, known
		} else if backup == kept.There {
			return since{}
		}
	}
	m, err := s.opt.Ledger.Manifest(of)
	if snapshot.IsZero() || err != nil {
		return since{}
	}
	return since{snapshot, m}
}

const (
	hears     = 20 // how often a primary looks whether it was told of a snapshot that the backup has just completed
	hearAgain = 100 * time.Millisecond
)

// named returns the reference to the snapshot of the other side, if it is known here.
func (s *Sides) named(ctx context.Context, there state) (ledger.Reference, bool) {
	for range hears {
		if of, known := s.opt.Ledger.State().Named(there.of.Listed); known {
			return of, true
		}
		if there.common.IsZero() || pace.Sleep(ctx, hearAgain) != nil {
			break
		}
	}
	return ledger.Reference{}, false
}
