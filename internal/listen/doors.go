package listen

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"baton/internal/api/pace"
	"baton/internal/config"
	"baton/internal/console/page"
	"baton/internal/failover"
	"baton/internal/front"
	"baton/internal/front/proxy"
	"baton/internal/front/static"
	"baton/internal/pair"
)

// Doors are all the ways into the site: one for every address it listens on, and the one
// behind the console's port. Behind all of them is the same site.
type Doors struct {
	site      site
	all       []*front.Front // the first is the one behind the console's port
	fromPeer  *front.Front   // the requests that the peer passes on come through it
	peer      http.Handler   // answers what is passed on
	newcomers *newcomers
	log       *slog.Logger
}

// site is what serves the site.
type site interface {
	http.Handler
	SetPage(page pair.Site) error
}

// NewDoors makes them, closed. What is passed on goes to the peer by toPeer.
func NewDoors(c config.Config, toPeer http.RoundTripper, log *slog.Logger) Doors {
	d := Doors{site: siteOf(c.Site, log), peer: passingOn(toPeer, log), newcomers: new(newcomers), log: log}
	for _, ip := range c.SharedIPs {
		d.newcomers.shared = append(d.newcomers.shared, ip.Address.Addr())
	}
	addresses := 0
	if c.Site != nil {
		addresses = len(c.Site.Addresses())
	}
	d.all = append(d.all, front.New(c.Name, d.site, failover.HeldLimit, log))
	for range addresses {
		d.all = append(d.all, front.New(c.Name, pacedStreams(d.site), failover.HeldLimit, log))
	}
	d.fromPeer = front.New(c.Name, d.site, failover.HeldLimit, log)
	return d
}

// pacedStreams bounds how long an answer may rest with its reader in HTTP/2: there is no write of the
// connection then that would be too long, as in HTTP/1.1 (admitted).
func pacedStreams(site http.Handler) http.Handler {
	paced := pace.Paced(site)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor > 1 {
			paced.ServeHTTP(w, r)
			return
		}
		site.ServeHTTP(w, r)
	})
}

// siteOf is what the configuration file says that the site is.
func siteOf(c *config.Site, log *slog.Logger) site {
	switch {
	case c == nil:
		return static.New("", log)
	case c.Upstream == nil:
		return static.New(c.Root, log)
	}
	at := proxy.Target{Network: c.Upstream.Network, Address: c.Upstream.Address, TLS: c.Upstream.TLS}
	return proxy.New(proxy.Options{Target: at, Most: shareOfFiles(), Patience: failover.HeldLimit, Cookie: page.SessionCookie, Log: log})
}

// Console is the door behind the console's port.
func (d Doors) Console() *front.Front { return d.all[0] }

// Open lets requests in.
func (d Doors) Open() {
	d.newcomers.letIn()
	d.fromPeer.Close() // the peer has nothing left to pass on
	for _, f := range d.all {
		f.Open()
	}
}

// OpenToPeer lets in the requests that the peer passes on, and no others.
func (d Doors) OpenToPeer() { d.fromPeer.Open() }

// Hold makes them wait, and waits for those that run. The error says how many still do
// when ctx ends.
func (d Doors) Hold(ctx context.Context) error {
	return left(d.all, func(f *front.Front) error { return f.Hold(ctx) })
}

// Forward has the peer answer those that wait, and who comes until there is a moment without
// any; from then on nobody can connect. The error says how many have no answer when ctx ends.
func (d Doors) Forward(ctx context.Context) error {
	_ = left(d.all, func(f *front.Front) error {
		f.PassOn(ctx, d.peer)
		return nil
	})
	if err := d.newcomers.keepOut(ctx); err != nil {
		d.log.Warn("who connects while the shared IP moves cannot be kept out", slog.String("error", err.Error()))
	}
	return left(d.all, func(f *front.Front) error { return f.Empty(ctx) })
}

// left calls do for each door, all at once, and counts the requests that are left.
func left(doors []*front.Front, do func(*front.Front) error) error {
	var doing sync.WaitGroup
	left := make([]error, len(doors))
	for i, f := range doors {
		doing.Go(func() { left[i] = do(f) })
	}
	doing.Wait()
	var all front.RunningError
	for _, err := range left {
		if some, running := errors.AsType[front.RunningError](err); running {
			all += some
		}
	}
	if all == 0 {
		return nil
	}
	return all
}

// Dismiss answers those that wait.
func (d Doors) Dismiss(ctx context.Context) {
	_ = left(d.all, func(f *front.Front) error {
		f.Dismiss(ctx)
		return nil
	})
}

// Close turns them away.
func (d Doors) Close() {
	d.fromPeer.Close()
	for _, f := range d.all {
		f.Close()
	}
}
