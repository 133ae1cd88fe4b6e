package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/api"
	"baton/internal/config"
	"baton/internal/console"
	"baton/internal/pair"
)

// part is something that listens, ready to serve.
type part struct {
	name  string
	serve func(context.Context) error
}

// listen opens every address before anything acts, so that a wrong one is said
// at once.
func (a *Appliance) listen(ctx context.Context) ([]part, error) {
	server := a.server
	socket, err := api.ListenLocal(ctx, a.config.Socket)
	if err != nil {
		return nil, err
	}
	pages, err := console.New(a.backend.contract(), console.Options{Log: a.log})
	if err != nil {
		return nil, err
	}
	parts := []part{{"local socket", func(ctx context.Context) error { return server.ServeLocal(ctx, socket) }}}
	secure := a.link.TLS(a.public.certificates.tls())
	crowd := newCrowd(a.isPeer)
	for _, address := range a.config.Listen {
		listener, err := open(ctx, address, consolePort)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{"listen on " + address, func(ctx context.Context) error {
			return a.serveTLS(ctx, crowd.guard(listener), secure, a.routes(server, pages))
		}})
	}
	return a.listenSite(ctx, parts)
}

// listenSite opens the public site's own addresses, each with a door of its own.
func (a *Appliance) listenSite(ctx context.Context, parts []part) ([]part, error) {
	if a.config.Site == nil {
		return parts, nil
	}
	crowd := newCrowd(func(netip.Addr) bool { return false })
	for i, address := range a.config.Site.Listen {
		listener, err := open(ctx, address, sitePort)
		if err != nil {
			return nil, err
		}
		door := a.doors[i+1]
		parts = append(parts, part{"site on " + address, func(ctx context.Context) error { return door.Serve(ctx, crowd.guard(listener)) }})
	}
	return parts, nil
}

// Where the configuration file says at which addresses Baton listens.
const (
	consolePort = "listen"
	sitePort    = "listen in [site]"
)

// free finds out, before anything begins, whether another program has an address of
// the configuration file; the error names the first such one. What a daemon of
// the same file has, which runs already, is its own.
func free(ctx context.Context, c config.Config) error {
	if running, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket); err == nil {
		return running.Close()
	}
	try := func(addresses []string, setting string) error {
		for _, address := range addresses {
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
	return try(c.Site.Listen, sitePort)
}

// open listens on an address that this machine need not have yet: the shared IP
// comes and goes. Setting is where the configuration file names it.
func open(ctx context.Context, address, setting string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var option error
		err := conn.Control(func(fd uintptr) { option = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(err, option)
	}}
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

// routes is what the console's port answers: the console, the API, and the public site.
func (a *Appliance) routes(server *api.Server, pages *console.Console) http.Handler {
	network := server.Network()
	mux := http.NewServeMux()
	for _, path := range []string{"/api/", "/health", "/metrics"} {
		mux.Handle(path, network)
	}
	for _, path := range []string{console.Root, console.Root + "/"} {
		mux.Handle(path, a.public.besideSite(pages.Handler(), pages.AtSite()))
	}
	mux.Handle("/", api.Paced(a.public.besideConsole(a.doors.console())))
	return a.public.withoutWorkers(mux)
}

// mostStreams is how many requests one HTTP/2 connection may have open: no fewer
// than RFC 9113, section 6.5.2, advises, and what a busy browser asks for.
const mostStreams = 100

func (a *Appliance) serveTLS(ctx context.Context, listener net.Listener, secure *tls.Config, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, TLSConfig: a.handshakes.pace(secure),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: mostStreams},
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	a.link.Attach(server)
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() }) // connections of the pair end with the daemon
	defer stopped()
	err := server.ServeTLS(listener, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (a *Appliance) mayReadMetrics(from netip.Addr) bool {
	return slices.ContainsFunc(a.config.MetricsAllow, func(network netip.Prefix) bool { return network.Contains(from) })
}
