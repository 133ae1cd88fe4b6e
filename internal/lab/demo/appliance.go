package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"baton/internal/lab"
	"baton/internal/pair"
)

// appliance is one host with the daemon on it, handled as an administrator
// handles it: by its commands, and by a look at its local socket.
type appliance struct {
	name    string
	host    *lab.Host
	disk    string // where programs on the host find its directory
	program string
	socket  *http.Client

	mu      sync.Mutex
	serving *lab.Process
}

const (
	configFile = "baton.toml"
	socketFile = "baton.sock"
	logFile    = "baton.log"
	siteDir    = "site"
)

func newAppliance(host *lab.Host, disk, program string) *appliance {
	a := &appliance{name: host.Name(), host: host, disk: disk, program: program}
	a.socket = &http.Client{
		Timeout: 400 * time.Millisecond, // a hung daemon must not hang the demo
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(host.Dir(), socketFile))
			},
		},
	}
	return a
}

// configure writes the configuration file.
func (a *appliance) configure() error {
	text := fmt.Sprintf(`name     = %q
data_dir = %q
listen   = ["%s:443"]
socket   = %q

[[shared_ip]]
address   = %q
interface = %q

[site]
root   = %q
listen = [":80"]
`, a.name, a.onHost("data"), a.host.Addr4(), a.onHost(socketFile), shared(), lab.Interface, a.onHost(siteDir))
	if err := os.WriteFile(filepath.Join(a.host.Dir(), configFile), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration of %s: %w", a.name, err)
	}
	return nil
}

// onHost is a path in the appliance's directory as its own programs see it.
func (a *appliance) onHost(name string) string { return filepath.Join(a.disk, name) }

// serve starts the daemon.
func (a *appliance) serve(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(a.host.Dir(), logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", a.name, err)
	}
	defer func() { _ = log.Close() }() // the daemon has its own descriptor
	p, err := a.host.Start(ctx, lab.Cmd{
		Path: a.program, Args: []string{"serve", "--config", a.onHost(configFile)}, Stdout: log, Stderr: log,
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serving = p
	return nil
}

// ended tells, once, that the daemon has ended although the host has power.
func (a *appliance) ended() (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.serving == nil {
		return "", false
	}
	select {
	case <-a.serving.Done():
	default:
		return "", false
	}
	err := a.serving.Wait()
	a.serving = nil
	if !a.host.On() {
		return "", false
	}
	return fmt.Sprintf("the daemon of %s has ended (%v)", a.name, err), true
}

// command runs a baton command on the appliance, with something on its standard input.
func (a *appliance) command(ctx context.Context, input string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	_, err := a.host.Output(ctx, lab.Cmd{
		Path: a.program, Args: append(args, "--config", a.onHost(configFile)), Stdin: strings.NewReader(input),
	})
	if err != nil {
		return fmt.Errorf("baton %s on %s: %w", strings.Join(args, " "), a.name, err)
	}
	return nil
}

// status asks the daemon how it is.
func (a *appliance) status(ctx context.Context) (status pair.Status, err error) {
	return status, a.get(ctx, "/api/v1/status", &status)
}

// history asks the daemon what happened from the instant on.
func (a *appliance) history(ctx context.Context, since time.Time) (events []pair.Event, err error) {
	return events, a.get(ctx, "/api/v1/history?since="+url.QueryEscape(since.UTC().Format(time.RFC3339Nano)), &events)
}

func (a *appliance) get(ctx context.Context, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://baton"+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask %s: %w", a.name, err)
	}
	response, err := a.socket.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", a.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: status %d", a.name, response.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 16<<20)).Decode(answer); err != nil {
		return fmt.Errorf("read the answer of %s: %w", a.name, err)
	}
	return nil
}

// is reports whether the appliance has that role and is steady in it.
func (a *appliance) is(ctx context.Context, role pair.Role) bool {
	status, err := a.status(ctx)
	return err == nil && status.Role == role && status.State == pair.Steady
}
