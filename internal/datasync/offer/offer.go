// Package offer is the primary's side of the data sync: it scans what this appliance has, tells the
// backup what of it differs, sends the content, and hears what the backup completed.
//
// It never reads what the backup names, but entries of its own scan.
package offer

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/pace"
	"baton/internal/datasync/protected"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// session is one offer of a scanned state to the backup.
type session struct {
	id    uint64
	epoch pair.Epoch
	ctx   context.Context //nolint:containedctx // ends with the session
	end   context.CancelCauseFunc

	mu       sync.Mutex
	offer    pair.Snapshot // as which the backup completes it
	manifest manifest.Manifest
	newer    manifest.Newer // than what the manifest lists, as they were sent
	scans    []source.Scan  // by set, once all are done; their listings are those of the manifest
	began    time.Time      // the scan of all
	took     time.Duration  // to scan all
	busy     sync.Mutex     // one content stream at a time
}

// Options are what a Server is made of.
type Options struct {
	Dir      string // of the ledger
	Log      *slog.Logger
	Now      func() time.Time
	Hangs    func() bool                                // whether a disk with protected data takes no writes at all now, as far as is known
	Offering func(context.Context, pair.Snapshot) error // is told of each snapshot before it is offered
	Idle     time.Duration                              // how long a peer may take nothing

	Sources protected.Sources
	Ledger  *ledger.Ledger
	Mounts  *protected.Mounts
	Limit   *pace.Limiter
}

// Server is the primary's side: it offers what this appliance has, and hears what the
// backup completed.
type Server struct {
	opt Options

	mu      sync.Mutex
	offered pair.Epoch
	session *session
	moving  []Moving
	scans   atomic.Int32 // of protected data that are under way, also for sessions that have ended
}

// New returns a server that offers nothing yet.
func New(opt Options) *Server { return &Server{opt: opt} }

// Offer makes the data available to pulls that name this epoch; the zero epoch: to none.
func (v *Server) Offer(epoch pair.Epoch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.offered != epoch {
		v.moving = nil
		v.endSession(errWithdrawn())
	}
	v.offered = epoch
}

// Offers reports whether the data is available to pulls.
func (v *Server) Offers() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.offered.IsZero()
}

func errWithdrawn() error {
	return source.Sentence(refusal.ErrNotPrimary, "The appliance that was asked is no longer primary under the epoch of this data sync: it is tried again by itself.")
}

// endSession is called with mu held.
func (v *Server) endSession(why error) {
	if v.session != nil {
		v.session.end(why)
		v.session = nil
	}
}

// Handler serves the backup's pulls on the authenticated link. It expects whole paths, under wire.Prefix.
func (v *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.Prefix+"manifest", v.serveManifest)
	mux.HandleFunc("POST "+wire.Prefix+"content", v.serveContent)
	mux.HandleFunc("POST "+wire.Prefix+"done", v.serveDone)
	mux.HandleFunc("POST "+wire.Prefix+"changes", v.serveChanges)
	return mux
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusConflict)
	_ = json.NewEncoder(w).Encode(refusal.Of(err)) // the peer may be gone
}

func readRequest(w http.ResponseWriter, r *http.Request, v any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, wire.MaxRequest)).Decode(v)
	if err != nil {
		refuse(w, wire.Unsafe("a request that cannot be read"))
	}
	return err == nil
}

// stream prepares an answer that may take long. Once the session is
// over, what is left passes without limit, so that the backup hears it soon.
func (v *Server) stream(request, session context.Context, w http.ResponseWriter, gather int, pack *wire.Packer) *wire.Writer {
	return wire.NewWriter(v.opt.Limit.Answer(request, session, w, 2*v.opt.Idle), gather, pack)
}

// newSession replaces the session. It refuses an epoch that is not the offered one.
func (v *Server) newSession(ctx context.Context, req wire.Question) (*session, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.offered.IsZero():
		return nil, source.Sentence(refusal.ErrNotPrimary, "The appliance that was asked is not primary, so it offers no data: look at the roles of both; the sync is tried again by itself.")
	case v.opt.Mounts.Missing() != nil: // what lies below the missing disk is not protected
		return nil, source.Sentence(refusal.ErrNotPrimary, "A disk that the data lies on is not mounted on the appliance that was asked, so it offers no data: look at its conditions.")
	case v.opt.Ledger.Pending() != nil, v.opt.Ledger.Torn() != nil:
		return nil, source.Sentence(refusal.ErrNotPrimary, "A snapshot is half in place on the appliance that was asked, so it offers no data: look at its conditions.")
	case v.opt.Hangs() && v.scans.Load() > 0: // another one would wait as it does
		return nil, errHangs()
	case req.Epoch != v.offered:
		return nil, source.Sentence(refusal.ErrStaleEpoch, "A data sync of epoch %s was asked for, but the primary has epoch %s: it is tried again by itself.", req.Epoch, v.offered)
	case req.Snapshot.Epoch.Above(v.offered):
		return nil, source.Sentence(refusal.ErrStaleEpoch, "The backup holds data of epoch %s, newer than the primary's epoch %s: nothing is synced over it; look at the conditions of both.", req.Snapshot.Epoch, v.offered)
	}
	if known := v.opt.Ledger.State().OfferedIn(v.offered); req.Snapshot.Epoch == v.offered && req.Snapshot.Number > known {
		return nil, refusal.SetBack(req.Snapshot.Number, known)
	}
	v.endSession(source.Sentence(refusal.ErrRunning, "Another data sync began, so this one ended."))
	s := &session{id: rand.Uint64(), epoch: v.offered, manifest: manifest.Manifest{Scheme: min(req.Scheme, manifest.Newest), Order: wire.Order(req.Version)}} //nolint:gosec // tells sessions apart, no secret
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	v.session = s
	return s, nil
}

func (v *Server) serveManifest(w http.ResponseWriter, r *http.Request) {
	var req wire.Question
	if !readRequest(w, r, &req) {
		return
	}
	v.confirmLate(req)
	s, err := v.newSession(r.Context(), req)
	if err != nil {
		refuse(w, err)
		return
	}
	ctx, stop := joined(r.Context(), s)
	defer stop()
	const little = 8 << 10 // nothing has changed, most times
	out := v.stream(r.Context(), ctx, w, little, packIf(req.Pack))
	if err := v.sendManifest(ctx, out, s, req); err != nil {
		v.fail(ctx, out, err)
	}
}

func packIf(wanted bool) *wire.Packer { //nolint:revive // chooses a part, is no mode
	if !wanted {
		return nil
	}
	p, err := wire.NewPacker()
	if err != nil {
		return nil // compression is a help only
	}
	return p
}

// joined returns a context that ends with the request and with the session.
func joined(ctx context.Context, s *session) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// fail tells the backup why the stream ends here.
func (v *Server) fail(ctx context.Context, out *wire.Writer, err error) {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	v.opt.Log.Info("data sync was not served to its end", slog.Any("error", err))
	if err := errors.Join(out.JSON(wire.Failed, refusal.Of(err)), out.Flush()); err != nil {
		v.opt.Log.Debug("backup could not be told", slog.Any("error", err))
	}
}

func (v *Server) sendManifest(ctx context.Context, out *wire.Writer, s *session, req wire.Question) error {
	head := wire.Header{Version: min(req.Version, wire.Version), Session: s.id, Epoch: s.epoch, Scheme: s.manifest.Scheme}
	if err := v.prepare(ctx, out, s, req); err != nil {
		return err
	}
	head.TakenAt = s.began.UnixMilli()
	var err error
	if head.Number, err = v.allocate(ctx, s, req, head.TakenAt); err != nil {
		return err
	}
	head.Digest = s.manifest.Digest()
	if wire.KnowsSkew(head.Version) {
		head.Skew = s.took.Milliseconds()
	}
	head.Inline = s.manifest.Inline()
	for i, set := range s.manifest.Listed() {
		head.Data = append(head.Data, wire.HeadOf(set.Data))
		head.Disks = append(head.Disks, s.scans[i].Disk)
	}
	base, has := v.base(req.Base, head.Digest)
	if has { // else the whole manifest is sent
		head.Base = req.Base
	}
	if err := out.JSON(wire.Head, head); err != nil {
		return err
	}
	if head.Base != head.Digest {
		if err := wire.Deltas(out, base, s.manifest); err != nil {
			return err
		}
	}
	if head.Inline != req.Inline {
		if err := s.sendInline(ctx, out); err != nil {
			return err
		}
	}
	if err := out.Frame(wire.End, nil); err != nil {
		return err
	}
	return out.Flush()
}

// base returns the manifest that both sides have under a digest, and reports false if this
// side has none. What is offered itself differs from it in nothing.
func (v *Server) base(digest, offered manifest.Digest) (manifest.Manifest, bool) {
	if digest == offered {
		return manifest.Manifest{}, true
	}
	of, has := v.opt.Ledger.State().Named(digest)
	if !has {
		return manifest.Manifest{}, false
	}
	m, err := v.opt.Ledger.Manifest(of)
	return m, err == nil
}

// mostAhead bounds how far a backup's number may be ahead of all that we know.
const mostAhead = 1 << 32

// allocate gives the snapshot of a session its number, and makes that durable before
// anybody hears of it: a primary that knows less than its backup was set back.
func (v *Server) allocate(ctx context.Context, s *session, req wire.Question, takenAt int64) (uint64, error) {
	st := v.opt.Ledger.State()
	newest := max(st.Snapshot.Number, st.Confirmed.Number, st.Offered.Number)
	if req.Snapshot.Number < newest+mostAhead {
		newest = max(newest, req.Snapshot.Number)
	}
	offer := pair.Snapshot{Number: newest + 1, Epoch: s.epoch, TakenAt: takenAt}
	if err := v.opt.Ledger.Save(func(st *ledger.State) { st.Offered = offer }); err != nil {
		return 0, source.Explain(err, v.opt.Dir)
	}
	s.mu.Lock()
	s.offer = offer
	s.mu.Unlock()
	return offer.Number, v.opt.Offering(ctx, offer)
}

func errHangs() error {
	return source.Sentence(refusal.ErrRefused, "A disk of the protected data hangs on the primary, so that the data cannot be looked at: look at the conditions there; the sync is tried again by itself.")
}

// prepare scans, while telling the backup that this appliance is at work. It does not wait for a scan
// that a disk keeps from ending.
func (v *Server) prepare(ctx context.Context, out *wire.Writer, s *session, req wire.Question) error {
	done := make(chan error, 1)
	v.scans.Add(1)
	go func() {
		defer v.scans.Add(-1)
		done <- v.fill(ctx, s, req)
	}()
	tick := time.NewTicker(min(time.Second, v.opt.Idle/4))
	defer tick.Stop()
	began := time.Now()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
		}
		err := errors.Join(out.Frame(wire.Alive, nil), out.Flush())
		switch hangs := v.opt.Hangs(); {
		case hangs && (err != nil || time.Since(began) > v.opt.Idle):
			return errors.Join(err, errHangs())
		case err != nil:
			return errors.Join(err, <-done) // the scan sees that its context is over
		}
	}
}

// readLong is how long a look may spend on reading before it is repeated: the next one need not
// read the same again, so that its data is closer together.
const readLong = time.Second

// fill scans all protected data into the session.
func (v *Server) fill(ctx context.Context, s *session, req wire.Question) error {
	data, err := v.opt.Sources.Data(ctx)
	if err != nil {
		return err
	}
	for before := time.Duration(math.MaxInt64); ; {
		reading, err := v.scanAll(ctx, s, req, data)
		if err != nil {
			return err
		}
		if reading < readLong || reading > before/2 { // what changes all the time takes as long again
			break
		}
		before = reading
	}
	var moving []Moving
	s.mu.Lock()
	var listed []source.Scan
	for i, scan := range s.scans {
		for _, one := range scan.Moving {
			moving = append(moving, Moving{Moving: one, Data: data[i].Name, In: scan.Name, Since: v.opt.Now()})
		}
		if !scan.Listing.IsZero() {
			s.manifest.Sets = append(s.manifest.Sets, manifest.Set{Data: pair.Data{Name: data[i].Name, Spec: scan.Spec}, Listing: scan.Listing})
			listed = append(listed, scan)
		}
	}
	s.scans = listed
	s.mu.Unlock()
	v.noteMoving(moving)
	return nil
}

// scanAll scans each piece of data once, as what the session offers, and returns how long it took to read what was new.
func (v *Server) scanAll(ctx context.Context, s *session, req wire.Question, data []pair.Data) (reading time.Duration, err error) {
	began, timer := v.opt.Now(), time.Now()
	var scans []source.Scan
	var places []source.Place
	for _, d := range data {
		scan, err := v.scan(ctx, s, req, d)
		if err != nil {
			return 0, err
		}
		if err := protected.Apart(places, scan.Place); err != nil {
			return 0, err
		}
		places = append(places, scan.Place)
		for _, path := range scan.Skipped {
			v.opt.Log.Debug("what belongs to the machine is not synced", slog.String("data", d.Name), slog.String("path", path))
		}
		scans, reading = append(scans, scan), reading+scan.Reading
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began, s.took, s.scans = began, time.Since(timer), scans
	return reading, nil
}

// scan scans one piece of protected data, if the backup's version knows all that its definition says.
func (v *Server) scan(ctx context.Context, s *session, req wire.Question, d pair.Data) (source.Scan, error) {
	if err := understood(d.Name, d.Spec, req.Version); err != nil {
		return source.Scan{}, err
	}
	purpose := source.Serve
	if req.Final {
		purpose = source.Final
	}
	scan, err := v.opt.Sources.Scan(ctx, d, s.manifest.Scheme, purpose, func() (manifest.Manifest, bool) { return v.had(req, s.manifest.Scheme) })
	if err == nil && req.Final && scan.Unstable != "" {
		err = source.Sentence(source.ErrChanging, "%s/%s still changes although the services are stopped: find out who writes there, then switch again.", scan.Name, scan.Unstable)
	}
	if err == nil {
		err = understood(d.Name, scan.Spec, req.Version)
	}
	return scan, err
}

// understood refuses a spec with options for a backup of a version that knows none: it would take what is excluded for removed.
func understood(name string, spec pair.Spec, version int) error {
	if spec.Text() == spec.String() || wire.KnowsOptions(version) {
		return nil
	}
	return source.Sentence(refusal.ErrRefused, "The backup runs a version of Baton that does not know what %q excludes, or that it lies elsewhere there: update Baton there; the sync is tried again by itself.", name)
}

// sendInline sends what travels with the manifest, which is not needed any more then.
func (s *session) sendInline(ctx context.Context, out *wire.Writer) error {
	last := len(s.scans) - 1
	reader, err := s.scans[last].Content.Open()
	if err != nil {
		return err
	}
	s.scans[last].Content = nil
	_, err = reader.Send(ctx, s.manifest.Sets[last].Whole().Entry, source.Have{}, wire.InlineWriter{Out: out})
	return errors.Join(err, reader.Close())
}

// serveDone hears that the backup completed a snapshot.
func (v *Server) serveDone(w http.ResponseWriter, r *http.Request) {
	var rep wire.Report
	if !readRequest(w, r, &rep) {
		return
	}
	if err := v.confirm(rep); err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// confirm records what the backup completed, with its manifest.
func (v *Server) confirm(rep wire.Report) error {
	v.mu.Lock()
	s, offered := v.session, v.offered
	v.mu.Unlock()
	if s == nil || s.id != rep.Session || s.epoch != offered || rep.Snapshot.Epoch != offered {
		return source.Sentence(refusal.ErrStaleEpoch, "The completed snapshot is not of the data sync that the primary offered: it is tried again by itself.")
	}
	m, digest, err := s.whole()
	if err != nil {
		return err
	}
	if digest != rep.Manifest || rep.Snapshot != s.offer || rep.Snapshot.Compare(v.opt.Ledger.State().Confirmed) <= 0 {
		return source.Sentence(source.ErrUnsafe, "The completed snapshot %d is not what the primary sent: check that both appliances run the same version; it is tried again by itself.", rep.Snapshot.Number)
	}
	if err := v.opt.Ledger.Confirm(rep.Snapshot, m, digest); err != nil {
		return err
	}
	v.opt.Sources.Agreed(m)
	return nil
}

// whole returns the manifest as the backup has it once it is complete.
func (s *session) whole() (manifest.Manifest, manifest.Digest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.newer.In(s.manifest)
	return m, m.Digest(), err
}

// confirmLate takes a new request's word for the snapshot whose report got lost.
func (v *Server) confirmLate(req wire.Question) {
	v.mu.Lock()
	s := v.session
	v.mu.Unlock()
	if s == nil || req.Snapshot.Compare(v.opt.Ledger.State().Confirmed) <= 0 {
		return
	}
	if err := v.confirm(wire.Report{Session: s.id, Snapshot: req.Snapshot, Manifest: req.Base}); err != nil {
		v.opt.Log.Debug("backup's snapshot is not the one offered last", slog.Any("error", err))
	}
}
