package listen

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/api"
	"baton/internal/api/pace"
	"baton/internal/config"
	"baton/internal/console/page"
	"baton/internal/front"
	"baton/internal/pair"
	"baton/internal/peer"
)

// Listeners are what this appliance listens with.
type Listeners struct {
	Config config.Config
	Server *api.Server
	Pages  *page.Server
	Link   *peer.Link
	Doors  Doors
	Public *Public
	Log    *slog.Logger

	Inherited  *Inherited
	handshakes *handshakes
	opened     []net.Listener
}

// New returns listeners that are not open yet.
func New(l Listeners) *Listeners {
	l.handshakes = newHandshakes()
	return &l
}

// LeavingError is why the context of the parts ends when another process goes on with their
// listeners: then running requests have a moment to end, and the site stays open.
type LeavingError struct{}

// Error implements error.
func (LeavingError) Error() string { return "another process goes on" }

// leaves reports whether that is why a context has ended.
func leaves(ctx context.Context) bool { return errors.Is(context.Cause(ctx), LeavingError{}) }

// Keep copies what is open for the next process.
func (l *Listeners) Keep() (Kept, error) { return keep(l.opened) }

// open listens on an address, with the listener of the process before if there is one.
func (l *Listeners) open(ctx context.Context, address, setting string) (net.Listener, error) {
	listener := l.Inherited.listener(address)
	if listener == nil {
		var err error
		if listener, err = open(ctx, address, setting); err != nil {
			return nil, err
		}
	}
	l.opened = append(l.opened, listener)
	l.Doors.newcomers.add(listener)
	return listener, nil
}

// Part is something that listens, ready to serve.
type Part struct {
	Name  string
	Serve func(context.Context) error
}

// Open opens every address before anything acts, so that a wrong one is said
// at once.
func (l *Listeners) Open(ctx context.Context) ([]Part, error) {
	socket, err := api.ListenLocal(ctx, l.Config.Socket)
	if err != nil {
		return nil, err
	}
	l.Inherited.keepOnly(l.Config.Addresses())
	parts := []Part{{"local socket", func(ctx context.Context) error { return l.Server.ServeLocal(ctx, socket) }}}
	admission := newAdmission(l.isPeer)
	for _, address := range l.Config.Listen {
		listener, err := l.open(ctx, address, consolePort)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{"listen on " + address, func(ctx context.Context) error {
			return l.ServeTLS(ctx, admission.guard(listener), l.Routes())
		}})
	}
	return l.listenSite(ctx, parts)
}

// listenSite opens the public site's own addresses, each with a door of its own.
func (l *Listeners) listenSite(ctx context.Context, parts []Part) ([]Part, error) {
	defer l.Inherited.Close()
	if l.Config.Site == nil {
		return parts, nil
	}
	admission := newAdmission(func(netip.Addr) bool { return false })
	for i, address := range l.Config.Site.Addresses() {
		secured := i >= len(l.Config.Site.Listen)
		setting := sitePort
		if secured {
			setting = siteTLSPort
		}
		listener, err := l.open(ctx, address, setting)
		if err != nil {
			return nil, err
		}
		guarded := admission.guard(listener)
		if secured {
			guarded = tls.NewListener(guarded, l.handshakes.pace(l.Public.SiteTLS()))
		}
		door := l.Doors.all[i+1]
		parts = append(parts, Part{"site on " + address, func(ctx context.Context) error { return door.Serve(ctx, guarded) }})
	}
	return parts, nil
}

// Where the configuration file says at which addresses Baton listens.
const (
	consolePort = "listen"
	sitePort    = "listen in [site]"
	siteTLSPort = "listen_tls in [site]"
)

// Free finds out, before anything begins, whether another program has an address of
// the configuration file; the error names the first such one. What a daemon of
// the same file has, which runs already, is its own.
func Free(ctx context.Context, c config.Config) error {
	if running, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket); err == nil {
		return running.Close()
	}
	return tryAll(ctx, c, func(string) bool { return true })
}

// FreeBeside finds out, while this daemon runs, whether another program has an address that only the
// next configuration file names. At a port that this daemon has itself, nothing can be tried.
func FreeBeside(ctx context.Context, now, next config.Config) error {
	portOf := func(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
	return tryAll(ctx, next, func(address string) bool {
		return !slices.ContainsFunc(now.Addresses(), func(own string) bool { return portOf(own) == portOf(address) })
	})
}

// tryAll opens and closes those addresses of a configuration file that are to be tried; the error
// names the first that another program has.
func tryAll(ctx context.Context, c config.Config, wanted func(address string) bool) error {
	try := func(addresses []string, setting string) error {
		for _, address := range addresses {
			if !wanted(address) {
				continue
			}
			switch listener, err := open(ctx, address, setting); {
			case err == nil:
				if err := listener.Close(); err != nil {
					return fmt.Errorf("listen on %s: %w", address, err)
				}
			case errors.Is(err, syscall.EADDRINUSE):
				return err
			}
		}
		return nil // what else there is in the way, is said when Baton listens
	}
	if err := try(c.Listen, consolePort); err != nil || c.Site == nil {
		return err
	}
	return cmp.Or(try(c.Site.Listen, sitePort), try(c.Site.ListenTLS, siteTLSPort))
}

// open listens on an address that this machine need not have yet: the shared IP
// comes and goes. Setting is where the configuration file names it.
func open(ctx context.Context, address, setting string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var option error
		err := conn.Control(func(fd uintptr) { option = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(err, option)
	}}
	// A client of Multipath TCP would go on by the machine's own address when the shared IP leaves.
	config.SetMultipathTCP(false)
	listener, err := config.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &pair.Refusal{Code: pair.Failed, Cause: err, Text: fmt.Sprintf(
			"another program listens on %s: see which one with ss -ltnp, and stop it there, or change %s in the configuration file", address, setting)}
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w: correct %s in the configuration file", address, err, setting)
	}
	return listener, nil
}

// Routes is what the console's port answers: the console, the API, and the public site.
func (l *Listeners) Routes() http.Handler {
	network := l.Server.Network()
	mux := http.NewServeMux()
	for _, path := range []string{"/api/", "/health", "/metrics"} {
		mux.Handle(path, network)
	}
	for _, path := range []string{page.Root, page.Root + "/"} {
		mux.Handle(path, l.Public.besideSite(l.Pages.Handler(), l.Pages.AtSite()))
	}
	mux.Handle("/", pace.Paced(l.Public.besideConsole(l.Doors.Console())))
	return l.Public.withoutWorkers(mux)
}

// ServeTLS serves a listener of the TLS port until ctx ends.
func (l *Listeners) ServeTLS(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, TLSConfig: l.handshakes.pace(l.Link.TLS(l.Public.TLS())),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		HTTP2:    front.HTTP2(),
		ErrorLog: slog.NewLogLogger(l.Log.Handler(), slog.LevelDebug),
	}
	l.Link.Attach(server)
	l.Doors.Console().Attach(server)
	ended := make(chan struct{})
	stopped := context.AfterFunc(ctx, func() {
		defer close(ended)
		if leaves(ctx) {
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), leavingTimeout)
			_ = server.Shutdown(within)
			cancel()
		}
		_ = server.Close() // connections of the pair end with the daemon
	})
	err := server.ServeTLS(listener, "", "")
	if !stopped() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// leavingTimeout is what running requests of the TLS port have when another process goes on.
const leavingTimeout = 500 * time.Millisecond

// isPeer reports whether an address is one that the peer is known by.
func (l *Listeners) isPeer(from netip.Addr) bool {
	pinned, paired := l.Link.Paired()
	return paired && slices.ContainsFunc(pinned.Addresses, func(known string) bool {
		if reached := pinned.Reached[known]; reached != "" { // it is a name
			known = reached
		}
		at, err := netip.ParseAddrPort(known)
		return err == nil && at.Addr().Unmap() == from
	})
}
