package offer

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// This file is how a backup hears at once that something changed here, and that nothing did: both without a scan.

// awaitLimit bounds how long an answer is held.
const awaitLimit = 10 * time.Second

// serveChanges tells the backup once something changed.
func (v *Server) serveChanges(w http.ResponseWriter, r *http.Request) {
	var req wire.Watch
	if !readRequest(w, r, &req) {
		return
	}
	wait := min(max(time.Duration(req.WaitMS)*time.Millisecond, 0), awaitLimit)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // not every connection has deadlines
	_ = control.SetWriteDeadline(time.Now().Add(wait + 2*v.opt.Idle))
	told, err := v.watch(r.Context(), req, wait)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(told) // the peer may be gone
}

func (v *Server) watch(ctx context.Context, req wire.Watch, wait time.Duration) (wire.Watched, error) {
	v.mu.Lock()
	s, offered := v.session, v.offered
	v.mu.Unlock()
	if offered.IsZero() || req.Epoch != offered {
		return wire.Watched{}, errWithdrawn()
	}
	if s == nil || s.epoch != offered || !v.has(s, req.Snapshot) {
		return wire.Watched{Follows: true}, nil // a pull brings it up to date
	}
	ctx, stop := joined(ctx, s)
	defer stop()
	over := time.NewTimer(wait)
	defer over.Stop()
	told, changed, err := v.look(ctx, s)
	if err != nil || !told.Same {
		return told, err
	}
	v.opt.Ledger.Fresh(req.Snapshot, min(req.Snapshot.TakenAt, told.TakenAt)) // the backup knows it, too
	select {
	case <-ctx.Done():
		return wire.Watched{}, context.Cause(ctx)
	case <-changed:
		return wire.Watched{Follows: true}, nil
	case <-over.C:
		told, _, err = v.look(ctx, s)
		return told, err
	}
}

// has reports whether a snapshot of the backup is the one that was offered in a session, and is complete there.
func (v *Server) has(s *session, on pair.Snapshot) bool {
	confirmed := v.opt.Ledger.State().Confirmed
	s.mu.Lock()
	defer s.mu.Unlock()
	return on.Compare(confirmed) == 0 && on.Compare(s.offer) == 0 && on.Epoch == s.epoch
}

// look finds out, without a scan, whether something is other than the backup has it, and returns what is closed once
// something is.
func (v *Server) look(ctx context.Context, s *session) (told wire.Watched, changed <-chan struct{}, err error) {
	told = wire.Watched{Follows: true, TakenAt: v.opt.Now().UnixMilli()}
	data, err := v.opt.Sources.Data(ctx)
	if err != nil {
		return told, nil, err
	}
	m, _, err := s.whole()
	if err != nil || !slices.EqualFunc(data, m.Sets, func(d pair.Data, set manifest.Set) bool { return d == set.Data }) {
		return told, nil, err
	}
	var channels []<-chan struct{}
	for _, set := range m.Sets {
		one, follows, err := v.changed(ctx, set)
		if err != nil || !follows {
			told.Follows = false
			return told, nil, err
		}
		channels = append(channels, one)
	}
	changed = first(ctx, channels)
	select {
	case <-changed:
	default:
		told.Same = true
	}
	return told, changed, nil
}

// changed returns what is closed once a set may be other than the backup has it. What travels inline is small, and scanned.
func (v *Server) changed(ctx context.Context, set manifest.Set) (<-chan struct{}, bool, error) {
	kind, err := v.opt.Sources.Kind(set.Data)
	if err != nil {
		return nil, false, err
	}
	if set.Data != v.opt.Sources.Inline {
		one, follows := kind.Changed(set.Data, set.Listing)
		return one, follows, nil
	}
	scan, err := v.opt.Sources.Scan(ctx, set.Data, manifest.Newest, source.Serve, nil)
	if err != nil || scan.Listing.Digest() == set.Digest() {
		return nil, err == nil, err
	}
	other := make(chan struct{})
	close(other)
	return other, true, nil
}

// first is closed as soon as one of the channels is.
func first(ctx context.Context, channels []<-chan struct{}) <-chan struct{} {
	some := make(chan struct{})
	var once sync.Once
	for _, one := range channels {
		select {
		case <-one:
			once.Do(func() { close(some) })
		default:
		}
	}
	for _, one := range channels {
		go func() {
			select {
			case <-one:
				once.Do(func() { close(some) })
			case <-some:
			case <-ctx.Done():
			}
		}()
	}
	return some
}
