//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/lab"
	"baton/internal/pair"
)

// appliance is one host with the daemon on it, handled as an administrator does.
type appliance struct {
	t      *testing.T
	host   *lab.Host
	disk   string // where programs on the host find its directory
	client *api.Client
	daemon *lab.Process
}

const (
	configFile = "baton.toml"
	socketFile = "baton.sock"
	logFile    = "baton.log"
	siteDir    = "srv/site"
	dataDir    = "data"
)

func newAppliance(t *testing.T, host *lab.Host, disk string) *appliance {
	t.Helper()
	client, err := api.NewClient(api.ClientOptions{Socket: filepath.Join(host.Dir(), socketFile)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &appliance{t: t, host: host, disk: disk, client: client}
}

func (a *appliance) name() string { return a.host.Name() }

// onHost is a path in the appliance's directory as its own programs see it.
func (a *appliance) onHost(name string) string { return filepath.Join(a.disk, name) }

// path is the same as this process sees it.
func (a *appliance) path(name string) string { return filepath.Join(a.host.Dir(), name) }

func (a *appliance) configure(shared []netip.Prefix) {
	a.t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "name = %q\ndata_dir = %q\nlisten = [\"%s:443\"]\nsocket = %q\n\n[site]\nroot = %q\nlisten = [\":80\"]\n",
		a.name(), a.onHost(dataDir), a.host.Addr4(), a.onHost(socketFile), a.onHost(siteDir))
	for _, ip := range shared {
		fmt.Fprintf(&text, "\n[[shared_ip]]\naddress = %q\ninterface = %q\n", ip, lab.Interface)
	}
	a.write(configFile, text.String())
}

// serve starts the daemon and waits until it answers on its socket.
func (a *appliance) serve() {
	a.t.Helper()
	a.start()
	eventually(a.t, a.name()+" answers on its socket", 20*time.Second, func() bool {
		select {
		case <-a.daemon.Done():
			a.t.Fatalf("the daemon of %s has ended: %v", a.name(), a.daemon.Wait())
		default:
		}
		_, err := a.ask()
		return err == nil
	})
}

// start starts the daemon.
func (a *appliance) start() {
	a.t.Helper()
	log, err := os.OpenFile(a.path(logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the daemon has its own descriptor
	a.daemon, err = a.host.Start(context.Background(), lab.Cmd{
		Path: os.Getenv(binaryName), Args: []string{"serve", "--config", a.onHost(configFile)}, Stdout: log, Stderr: log,
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

// outcome is how a command ended.
type outcome struct {
	out, errs string
	code      int
}

// run runs a baton command on the appliance, with something on its standard input.
func (a *appliance) run(input string, args ...string) outcome {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	process, err := a.host.Start(ctx, a.command(input, &out, &errs, args...))
	if err != nil {
		a.t.Fatal(err)
	}
	err = process.Wait()
	result := outcome{out: out.String(), errs: strings.TrimSpace(errs.String())}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		result.code = exit.ExitCode()
	case err != nil:
		a.t.Fatalf("baton %s on %s: %v", strings.Join(args, " "), a.name(), err)
	}
	return result
}

func (a *appliance) command(input string, out, errs *bytes.Buffer, args ...string) lab.Cmd {
	return lab.Cmd{
		Path: os.Getenv(binaryName), Args: append(args, "--config", a.onHost(configFile)),
		Stdin: strings.NewReader(input), Stdout: out, Stderr: errs,
	}
}

// baton runs a command that must succeed.
func (a *appliance) baton(line string) string { a.t.Helper(); return a.typed("", line) }

// refused runs a command that must end with the code and say something of the text.
func (a *appliance) refused(code int, text, line string) {
	a.t.Helper()
	got := a.run("", strings.Fields(line)...)
	if got.code != code || !strings.Contains(got.errs, text) {
		a.t.Fatalf("baton %s on %s: exit code %d, %q; wanted %d and %q", line, a.name(), got.code, got.errs, code, text)
	}
	a.t.Logf("baton %s on %s: exit code %d: %s", line, a.name(), got.code, got.errs)
}

// ask asks the daemon how it is.
func (a *appliance) ask() (pair.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return a.client.Status(ctx)
}

// status is ask of a daemon that must answer.
func (a *appliance) status() pair.Status {
	a.t.Helper()
	status, err := a.ask()
	if err != nil {
		a.t.Fatalf("ask %s: %v", a.name(), err)
	}
	return status
}

// is reports whether the appliance has that role and is steady in it.
func (a *appliance) is(role pair.Role) bool {
	status, err := a.ask()
	return err == nil && status.Role == role && status.State == pair.Steady
}

// condition reports whether it is raised.
func (a *appliance) condition(id string) bool {
	status, err := a.ask()
	return err == nil && slices.ContainsFunc(status.Conditions, func(c pair.Condition) bool { return c.ID == id })
}

// events lists what the appliance's history has of the kinds; all if none is given.
func (a *appliance) events(kinds ...string) []api.Event {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	events, err := a.client.History(ctx, api.HistoryFilter{Kinds: kinds, Limit: 10_000})
	if err != nil {
		a.t.Fatalf("history of %s: %v", a.name(), err)
	}
	return events
}

// write writes a file on the appliance's disk, durably.
func (a *appliance) write(name, text string) {
	a.t.Helper()
	if err := a.put(name, text); err != nil {
		a.t.Fatal(err)
	}
}

func (a *appliance) put(name, text string) error {
	path := a.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}

// site is the path of a file of the public site on the appliance's disk.
func site(name string) string { return filepath.Join(siteDir, name) }

// has reports whether a file on the appliance's disk has that content.
func (a *appliance) has(name, text string) bool {
	content, err := os.ReadFile(a.path(name))
	return err == nil && string(content) == text
}

// typed runs a command that must succeed, with a line typed at its prompt.
func (a *appliance) typed(input, line string) string {
	a.t.Helper()
	got := a.run(input+"\n", strings.Fields(line)...)
	if got.code != 0 {
		a.t.Fatalf("baton %s on %s: exit code %d: %s", line, a.name(), got.code, got.errs)
	}
	return got.out
}
