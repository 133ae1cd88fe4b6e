package cli_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/cli"
	"baton/internal/pair"
)

// TestMain makes the program "baton" of the scripts: the real command line, with
// the injected commands telling what they were given.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"baton": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		os.Exit(cli.Run(ctx, commands(os.Stdout), cli.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[1:]))
	}})
}

func commands(out io.Writer) cli.Commands {
	return cli.Commands{
		Version: "1.2.3",
		Serve: func(_ context.Context, config string) error {
			_, err := fmt.Fprintln(out, "serving by", config)
			return err
		},
		Demo: func(_ context.Context, args cli.DemoArgs) error {
			_, err := fmt.Fprintln(out, "demo", args.Script, args.Timeout, args.Pace)
			return err
		},
		ConfigCheck: func(config string) (warnings []string, err error) {
			text, err := os.ReadFile(config)
			if err == nil && bytes.Contains(text, []byte("colour")) {
				err = errors.New(config + ":1: unknown key colour: leave it out")
			}
			if bytes.Contains(text, []byte("taste")) {
				err = errors.Join(err, errors.New(config+":2: unknown key taste: leave it out"))
			}
			if bytes.Contains(text, []byte("eth9")) {
				warnings = []string{"shared_ip[0].interface: this machine has no interface eth9 now"}
			}
			return warnings, err
		},
		Cleanup: func(context.Context, string) error { return errors.New("take off addresses: not permitted") },
		Licences: func(to io.Writer) error {
			_, err := io.WriteString(to, "=== Baton |  | Apache-2.0\n")
			return err
		},
		Socket: func(config string) (string, error) {
			if strings.Contains(config, "broken") {
				return os.Getenv("TEST_SOCKET"), errors.New(config + ":1: unknown key: write socket")
			}
			return os.Getenv("TEST_SOCKET"), nil
		},
	}
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: func(env *testscript.Env) error { return serveAppliance(t, env) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"appliance": changeAppliance,
			"exits":     exits,
			"latin1":    writeLatin1,
		},
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
	})
}

type (
	applianceKey struct{}
	testKey      struct{}
	releaseKey   struct{}
)

// serveAppliance gives every script an appliance on a real socket.
func serveAppliance(t admintest.TB, env *testscript.Env) error {
	dir, err := os.MkdirTemp("", "baton") // short: the name of a socket is limited
	if err != nil {
		return err
	}
	socket := filepath.Join(dir, "s")
	ctx, stop := context.WithCancel(context.Background())
	listener, err := api.ListenLocal(ctx, socket)
	if err != nil {
		stop()
		return err
	}
	appliance := admintest.New(t)
	server := api.NewServer(appliance.Backend(), api.Options{Log: slog.New(slog.DiscardHandler), Version: "1.2.3"})
	served := make(chan error, 1)
	go func() { served <- server.ServeLocal(ctx, listener) }()
	env.Defer(func() {
		stop()
		if err := errors.Join(<-served, os.RemoveAll(dir)); err != nil {
			env.T().Log(err)
		}
	})
	chain, key := admintest.NewCertificate(t, "www.example.org")
	for name, text := range map[string]string{"cert.pem": chain, "key.pem": key, "both.pem": chain + key} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	env.Setenv("TEST_SOCKET", socket)
	env.Setenv("TZ", "UTC")
	env.Setenv("TREE", appliance.Tree())
	env.Values[applianceKey{}], env.Values[testKey{}], env.Values[releaseKey{}] = appliance, t, new(func())
	return nil
}

// writeLatin1 is "latin1 FILE": a key as an editor of old writes it. The scripts
// themselves are UTF-8.
func writeLatin1(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("a key for both m\xe4chines\n"), 0o600))
}

// changeAppliance is "appliance WHAT": what happens outside of the command line.
func changeAppliance(ts *testscript.TestScript, _ bool, args []string) {
	appliance := ts.Value(applianceKey{}).(*admintest.Appliance)
	switch args[0] {
	case "peer-silent":
		appliance.Change(func(s *pair.Status) {
			peer := *s.Peer
			peer.Reachable, peer.LastContactAgeMS = false, 61000
			s.Peer = &peer
			s.State = pair.Alone
			s.Conditions = []pair.Condition{{
				ID: "peer-unreachable", Severity: pair.Critical, Text: "beta does not answer.",
				NextStep: "Look at its power and network.", Since: admintest.Start(),
			}}
		})
	case "backup":
		appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
	case "hold":
		*ts.Value(releaseKey{}).(*func()) = appliance.HoldSwitches()
	case "release": // and wait until the appliance is primary, if that is what was held
		(*ts.Value(releaseKey{}).(*func()))()
		for status := (pair.Status{}); len(args) > 1 && status.Role != pair.Primary; time.Sleep(time.Millisecond) {
			status, _ = appliance.Backend().Overview.Status(context.Background())
		}
	case "in-step":
		appliance.KeepInStep()
	case "damped":
		appliance.Damp()
	case "busy":
		appliance.Record(pair.KindTakeover, "beta took over.", map[string]string{"reason": "timeout"})
		appliance.Record(pair.KindSyncDone, "Data sync 7 is done.", nil)
	case "full-status":
		appliance.Change(fullStatus)
	case "peer-copies":
		appliance.Change(func(s *pair.Status) {
			peer := *s.Peer
			peer.Report = &pair.PeerReport{Report: pair.Report{Conditions: []pair.Condition{{ID: "diverged-copies"}}}}
			s.Peer = &peer
		})
	case "diverged":
		ts.Setenv("COPY", appliance.SetAside(ts.Value(testKey{}).(admintest.TB), args[1]).ID)
	case "directory":
		appliance.Directory(ts.Value(testKey{}).(admintest.TB), args[1])
	case "damage":
		appliance.Damage("evil", func(to io.Writer) error {
			archive := tar.NewWriter(to)
			return errors.Join(archive.WriteHeader(&tar.Header{Name: "../escaped", Mode: 0o640, Typeflag: tar.TypeReg}), archive.Close())
		})
		appliance.Damage("cut", func(to io.Writer) error {
			return tar.NewWriter(to).WriteHeader(&tar.Header{Name: "cut", Size: 5, Typeflag: tar.TypeReg})
		})
	default:
		ts.Fatalf("unknown change %s", args[0])
	}
}

// fullStatus fills every field, as the contract shows them.
func fullStatus(s *pair.Status) {
	next := admintest.Start()
	s.Services = []pair.ServiceStatus{{Name: "web", Wanted: "running", State: "running", Healthy: true}}
	s.SharedIPs = []pair.SharedIPStatus{{Address: "198.51.100.10/24", Interface: "eth0", Shared: true, Held: true}}
	s.Epoch = pair.Epoch{Counter: 3, Holder: admintest.ID}
	s.Site = pair.SiteStatus{State: pair.SiteUp, ServedBy: "alpha", ProtectedBy: "beta", Text: "Up, served by alpha and protected by beta."}
	s.ProtectionLevel, s.ProtectionNextStep = 2, "Give the peer a second address."
	s.Readiness = &pair.Readiness{Ready: true, TakeoverMS: 5200, LossMS: 800, Text: "If this primary failed now: takeover in about 5.2 s, losing the last 800 ms of changes."}
	s.Sync = pair.SyncStatus{
		Number: 17, State: pair.SyncRunning, DataAgeMS: 800, BytesDone: 1500, BytesTotal: 3000, FilesDone: 1, FilesTotal: 2,
		Snapshot: pair.SnapshotStatus{Number: 16, TakenAt: admintest.Start(), Verified: true}, NextRun: &next,
	}
}

// exits is "exits CODE PROGRAM ARG...": the exit code, exactly.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}
