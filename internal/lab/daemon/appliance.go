package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"baton/internal/api"
	"baton/internal/lab"
	"baton/internal/pair"
)

// What lies in an appliance's directory; see Path.
const (
	LogFile    = "daemon.log"
	SiteDir    = "srv/site" // the public site
	ConfigFile = "baton.toml"
	socketFile = "baton.sock"
	dataDir    = "data"
)

// Appliance is one host with the daemon on it.
type Appliance struct {
	*lab.Host
	API *api.Client // over the local socket
	// Log is the file to which what the daemon says is appended. New sets it to
	// LogFile in the host's directory: on a disk of the host's own it is not safe.
	Log string
	Env []string // of the daemon, besides that of the lab

	program string
	disk    string // where programs on the host find its directory

	mu     sync.Mutex
	daemon *lab.Process
}

// New makes an appliance of the lab's host of that name; program is baton.
// Nothing runs yet. The caller must Close it.
func New(l *lab.Lab, name, program string) (*Appliance, error) {
	host := l.Host(name)
	client, err := api.NewClient(api.ClientOptions{Socket: filepath.Join(host.Dir(), socketFile)})
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", name, err)
	}
	a := &Appliance{Host: host, API: client, program: program, disk: l.Disk()}
	a.Log = a.Path(LogFile)
	return a, nil
}

// Close closes the connections to the daemon, which goes on.
func (a *Appliance) Close() { a.API.Close() }

// OnHost is a path in the appliance's directory as its own programs see it.
func (a *Appliance) OnHost(name string) string { return filepath.Join(a.disk, name) }

// Path is the same as this process sees it.
func (a *Appliance) Path(name string) string { return filepath.Join(a.Dir(), name) }

// Config is what the configuration file says besides names and places.
type Config struct {
	Shared       []netip.Prefix // addresses known to the machine
	LogLevel     string         // empty: info
	Listen       string         // host:port of console, API and peer link; empty: port 443 of the host's own address
	StopHandover string         // stop_handover; empty: the usual
	Upstream     string         // the application that is the site; empty: the files of SiteDir are
}

// Configure writes the configuration file.
func (a *Appliance) Configure(c Config) error {
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	if c.Listen == "" {
		c.Listen = netip.AddrPortFrom(a.Addr4(), 443).String()
	}
	var text strings.Builder
	if c.StopHandover != "" {
		fmt.Fprintf(&text, "stop_handover = %q\n", c.StopHandover)
	}
	site, of := "root", a.OnHost(SiteDir)
	if c.Upstream != "" {
		site, of = "upstream", c.Upstream
	}
	fmt.Fprintf(&text, "name = %q\ndata_dir = %q\nlisten = [%q]\nsocket = %q\nlog_level = %q\nprotect = [%q]\n\n[site]\n%s = %q\nlisten = [\":80\"]\n",
		a.Name(), a.OnHost(dataDir), c.Listen, a.OnHost(socketFile), c.LogLevel, a.OnHost("."), site, of)
	for _, ip := range c.Shared {
		fmt.Fprintf(&text, "\n[[shared_ip]]\naddress = %q\ninterface = %q\n", ip, lab.Interface)
	}
	if err := os.WriteFile(a.Path(ConfigFile), []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write the configuration of %s: %w", a.Name(), err)
	}
	return nil
}

// Serve starts the daemon with the priority that its unit gives it, as far as this process may;
// what it says is appended to Log.
func (a *Appliance) Serve(ctx context.Context) error {
	log, err := os.OpenFile(a.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", a.Name(), err)
	}
	defer func() { _ = log.Close() }() // the daemon has its own descriptor
	command := a.Command("", log, log, "serve")
	command.Env = a.Env
	command.Path, command.Args = "nice", append([]string{"-n", "-15", command.Path}, command.Args...)
	daemon, err := a.Start(ctx, command)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.daemon = daemon
	return nil
}

// Daemon is the process that Serve started last; nil before.
func (a *Appliance) Daemon() *lab.Process {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.daemon
}

// Ready waits until the daemon answers on its socket.
func (a *Appliance) Ready(ctx context.Context, within time.Duration) error {
	limit := time.After(within)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := a.Status(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.Daemon().Done():
			return fmt.Errorf("the daemon of %s has ended: %w", a.Name(), a.Daemon().Wait())
		case <-limit:
			return fmt.Errorf("the daemon of %s does not answer within %s", a.Name(), within)
		case <-tick.C:
		}
	}
}

// Status asks the daemon how it is; one that hangs does not hang the caller.
func (a *Appliance) Status(ctx context.Context) (pair.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return api.GetStatus().Call(ctx, a.API, api.None{})
}

// Is reports whether the appliance has that role and is steady in it.
func (a *Appliance) Is(ctx context.Context, role pair.Role) bool {
	status, err := a.Status(ctx)
	return err == nil && status.Role == role && status.State == pair.Steady
}

// Outcome is how a command ended.
type Outcome struct {
	Out, Errs string
	Code      int
}

// commandLimit bounds a command, a data sync or a switch that it waits for included.
const commandLimit = 10 * time.Minute

// Run runs a baton command on the appliance, with something on its standard
// input. A command that could not be run at all is an error; one that failed is not.
func (a *Appliance) Run(ctx context.Context, input string, args ...string) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	var out, errs bytes.Buffer
	process, err := a.Start(ctx, a.Command(input, &out, &errs, args...))
	if err != nil {
		return Outcome{}, err
	}
	err = process.Wait()
	result := Outcome{Out: out.String(), Errs: strings.TrimSpace(errs.String())}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		result.Code = exit.ExitCode()
	case err != nil:
		return result, fmt.Errorf("baton %s on %s: %w", strings.Join(args, " "), a.Name(), err)
	}
	return result, nil
}

// Do runs a command that must succeed, with a line typed at its prompt.
func (a *Appliance) Do(ctx context.Context, input string, args ...string) error {
	got, err := a.Run(ctx, input+"\n", args...)
	if err == nil && got.Code != 0 {
		err = fmt.Errorf("baton %s on %s: exit code %d: %s", strings.Join(args, " "), a.Name(), got.Code, got.Errs)
	}
	return err
}

// Command is a baton command for Host.Start.
func (a *Appliance) Command(input string, out, errs io.Writer, args ...string) lab.Cmd {
	return lab.Cmd{
		Path: a.program, Args: append([]string{"--config", a.OnHost(ConfigFile)}, args...),
		Stdin: strings.NewReader(input), Stdout: out, Stderr: errs,
	}
}
