// Package point keeps the restore points of an appliance: earlier snapshots of which files can be taken out.
//
// A point is a manifest. Its content is in the data as it is now, or was kept when a later snapshot took
// it out of there: that costs a rename. Content that no point has is not kept.
//
// Start reading at Points.
package point

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/protected"
	"baton/internal/datasync/source"
	"baton/internal/kept"
	"baton/internal/pair"
)

// Apart is how far apart the moments of two restore points are at least.
const Apart = 15 * time.Minute

// Options are what Points are made of.
type Options struct {
	Ledger  *ledger.Ledger
	Sources protected.Sources
	Apart   time.Duration
	Most    int // restore points, until Set is called
	Hook    func(step string)
	Log     *slog.Logger
}

// Points are the restore points here. Its methods may be called at once; those that change what is kept, only while no
// data sync runs, or by that.
type Points struct {
	opt Options

	mu    sync.Mutex
	most  int
	all   []one       // oldest first
	left  []pair.Data // of restore points that were dropped: something may be kept there
	stale bool        // something may be kept that is needed no longer: also since the start, as a crash may have left it
	bytes int64
	gone  kept.GivenUp
}

// one is a restore point.
type one struct {
	ledger.Point

	manifest manifest.Manifest
	lost     map[manifest.Hash]bool // content that the data may not have any more
}

// New reads the restore points.
func New(opt Options) *Points {
	p := &Points{opt: opt, most: opt.Most, stale: true}
	now := opt.Ledger.ManifestOrNone(opt.Ledger.State().Newest())
	for _, point := range opt.Ledger.State().Points {
		m, err := opt.Ledger.ManifestOf(point)
		if err != nil {
			opt.Log.Warn("a restore point is unreadable, and not offered", slog.Uint64("snapshot", point.Snapshot.Number), slog.Any("error", err))
			continue
		}
		o := one{Point: point, manifest: shared(m, now), lost: map[manifest.Hash]bool{}}
		for _, set := range o.manifest.Listed() {
			o.note(set.Data, set.Listing, now.Find(set.Data).Listing)
		}
		p.all = append(p.all, o)
	}
	return p
}

// shared has a manifest share the memory of another one.
func shared(m, with manifest.Manifest) manifest.Manifest {
	for i, set := range m.Sets {
		if other := with.Find(set.Data).Listing; !other.IsZero() && !set.IsZero() {
			m.Sets[i].Listing = set.Sharing(other)
		}
	}
	return m
}

// note notes which content of the point a change of some data takes out.
func (o one) note(data pair.Data, was, is manifest.Listing) {
	had := o.manifest.Find(data).Listing
	goes := func(e manifest.Entry) {
		if e.Kind != manifest.File || e.Size == 0 {
			return
		}
		if of, found := had.Find(e.Path); found && of.Kind == manifest.File && of.Hash == e.Hash {
			o.lost[e.Hash] = true
		}
	}
	manifest.Walk(was, is, goes, func(manifest.Entry) {}, func(was, is manifest.Entry) {
		if !was.SameContent(is) {
			goes(was)
		}
	})
}

// Begin is called before the next snapshot is put into place: the one that is here becomes a restore point,
// if the last one is old enough, and if that can be saved: no data sync fails for it.
func (p *Points) Begin(next manifest.Manifest) {
	st := p.opt.Ledger.State()
	was := p.opt.Ledger.ManifestOrNone(st.Newest())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most == 0 || len(was.Sets) == 0 {
		return
	}
	p.all = slices.DeleteFunc(p.all, func(o one) bool {
		other := o.manifest.Scheme != next.Scheme // hashed otherwise
		if other {
			p.leave(o)
		}
		return other
	})
	if p.due(st, was, next) {
		p.add(one{Point: ledger.Point{Snapshot: st.Snapshot, Manifest: st.Manifest}, manifest: was, lost: map[manifest.Hash]bool{}})
	}
	for _, o := range p.all {
		for _, set := range was.Listed() {
			o.note(set.Data, set.Listing, next.Find(set.Data).Listing)
		}
	}
}

// add adds a restore point, and drops those that are too many then. It is called with mu held.
func (p *Points) add(o one) {
	before := p.all
	p.all = append(slices.Clone(p.all), o)
	over := max(len(p.all)-p.most, 0)
	p.all = p.all[over:]
	if err := p.save(); err != nil {
		p.opt.Log.Warn("a snapshot becomes no restore point, as the list of them is not saved", slog.Uint64("snapshot", o.Snapshot.Number), slog.Any("error", err))
		p.all = before
		return
	}
	for _, o := range before[:min(over, len(before))] {
		p.leave(o)
	}
}

// leave notes what has to be swept once a restore point is dropped. It is called with mu held.
func (p *Points) leave(o one) {
	p.stale = true
	for _, set := range o.manifest.Listed() {
		if !slices.ContainsFunc(p.left, set.Data.Same) {
			p.left = append(p.left, set.Data)
		}
	}
}

// due reports whether the snapshot that is here becomes a restore point.
func (p *Points) due(st ledger.State, was, next manifest.Manifest) bool {
	if st.Snapshot.IsZero() || st.Given() || st.Keep || was.Scheme != next.Scheme {
		return false
	}
	if len(p.all) == 0 {
		return true
	}
	last := p.all[len(p.all)-1]
	apart := time.Duration(st.Snapshot.TakenAt-last.Snapshot.TakenAt) * time.Millisecond
	return last.Manifest != st.Manifest && apart.Abs() >= p.opt.Apart
}

// save makes the list durable. It is called with mu held.
func (p *Points) save() error {
	var list []ledger.Point
	for _, o := range p.all {
		list = append(list, o.Point)
	}
	return p.opt.Ledger.Save(func(s *ledger.State) { s.Points = list })
}

// wanted returns what is needed of what goes; nil: nothing.
func (p *Points) wanted() func(manifest.Hash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Clone(p.all)
	if len(all) == 0 {
		return nil
	}
	return func(of manifest.Hash) bool { return slices.ContainsFunc(all, func(o one) bool { return o.lost[of] }) }
}

// Keep keeps what the change of one source takes out of it, as far as it is needed. The snapshot is complete, whatever
// becomes of that.
func (p *Points) Keep(ctx context.Context, src source.Source, change source.Change, was manifest.Listing) {
	into, is := src.(source.Keeper)
	wanted := p.wanted()
	if !is || wanted == nil {
		return
	}
	if err := into.Preserve(ctx, change, was, wanted, p.opt.Hook); err != nil {
		p.opt.Log.Warn("what restore points need is not kept, so they lack files", slog.String("data", src.String()), slog.Any("error", err))
	}
}

// Set sets how many restore points there are at most; Tend drops the others.
func (p *Points) Set(most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = most
}

// Tend drops restore points that are too many, and the oldest one if the disk of some data runs short.
func (p *Points) Tend(ctx context.Context, now time.Time) {
	p.mu.Lock()
	over := len(p.all) - p.most
	stale := p.stale || over > 0
	p.mu.Unlock()
	for range over {
		p.drop()
	}
	if stale {
		p.Sweep(ctx)
	}
	if ctx.Err() == nil && p.short() {
		p.GiveWay(ctx, now)
	}
}

// short reports whether the disk of some data runs short.
func (p *Points) short() bool {
	p.mu.Lock()
	none := len(p.all) == 0
	p.mu.Unlock()
	if none {
		return false
	}
	return slices.ContainsFunc(p.data(), func(data pair.Data) bool {
		src, err := p.opt.Sources.Open(data, source.Recover)
		if err != nil {
			return false
		}
		defer func() { _ = src.Close() }()
		into, is := src.(source.Keeper)
		return is && into.Short()
	})
}

// GiveWay drops the oldest restore point, as there is no room. It reports false if there is none.
func (p *Points) GiveWay(ctx context.Context, now time.Time) bool {
	point, is := p.drop()
	if !is {
		return false
	}
	p.mu.Lock()
	p.gone = kept.GivenUp{Points: p.gone.Points + 1, Time: now.UTC(), Newest: point.Snapshot}
	p.mu.Unlock()
	p.opt.Log.Warn("a restore point gave way, as the disk has no room for it", slog.Uint64("snapshot", point.Snapshot.Number))
	p.Sweep(ctx)
	return true
}

func (p *Points) drop() (ledger.Point, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) == 0 {
		return ledger.Point{}, false
	}
	first := p.all[0].Point
	p.leave(p.all[0])
	p.all = p.all[1:]
	if err := p.save(); err != nil {
		p.opt.Log.Warn("the list of restore points is not saved", slog.Any("error", err))
	}
	return first, true
}

// givenUpFor is how long it is told that restore points gave way.
const givenUpFor = 24 * time.Hour

// GivenUp tells which restore points gave way to the data within the last day.
func (p *Points) GivenUp(now time.Time) kept.GivenUp {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.gone.Time) > givenUpFor {
		p.gone = kept.GivenUp{}
	}
	return p.gone
}

// Sweep drops what no restore point needs any more. What it does not come to, Tend does.
func (p *Points) Sweep(ctx context.Context) {
	wanted := p.wanted()
	if wanted == nil {
		wanted = func(manifest.Hash) bool { return false }
	}
	bytes := int64(0)
	for _, data := range p.data() {
		src, err := p.opt.Sources.Open(data, source.Recover)
		if err != nil {
			if !errors.Is(err, source.ErrMissing) {
				p.opt.Log.Warn("what restore points need no longer is not dropped", slog.String("data", data.Name), slog.Any("error", err))
			}
			continue
		}
		if into, is := src.(source.Keeper); is {
			n, err := into.Retain(ctx, wanted)
			if bytes += n; err != nil && ctx.Err() == nil {
				p.opt.Log.Warn("what restore points need no longer is not dropped", slog.String("data", data.Name), slog.Any("error", err))
			}
		}
		_ = src.Close()
	}
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	p.bytes, p.stale, p.left = bytes, false, nil
	p.mu.Unlock()
}

// data lists what may keep something.
func (p *Points) data() []pair.Data {
	all := slices.Clone(p.opt.Ledger.Data())
	p.mu.Lock()
	defer p.mu.Unlock()
	some := slices.Clone(p.left)
	for _, o := range p.all {
		for _, set := range o.manifest.Listed() {
			some = append(some, set.Data)
		}
	}
	for _, data := range some {
		if !slices.ContainsFunc(all, data.Same) {
			all = append(all, data)
		}
	}
	return all
}

// List lists the restore points, newest first, and the bytes that are kept for them.
func (p *Points) List() kept.RestorePoints {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := kept.RestorePoints{Bytes: p.bytes, Most: p.most, Points: []kept.RestorePoint{}}
	for _, o := range slices.Backward(p.all) {
		point := kept.RestorePoint{Number: o.Snapshot.Number, Epoch: o.Snapshot.Epoch, Time: time.UnixMilli(o.Snapshot.TakenAt).UTC()}
		for _, set := range o.manifest.Listed() {
			sum := set.Sum()
			point.Files, point.Bytes = point.Files+sum.Files, point.Bytes+sum.Bytes
		}
		list.Points = append(list.Points, point)
	}
	return list
}
