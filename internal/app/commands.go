package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"baton/internal/app/telling"
	"baton/internal/cause"
	"baton/internal/cli"
	"baton/internal/config"
	"baton/internal/lab/demo"
	"baton/internal/lease"
	"baton/internal/licences"
	"baton/internal/listen"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/service/process"
	"baton/internal/service/unit"
	"baton/internal/sharedip"
	"baton/internal/systemd"
	"baton/internal/watch"
)

// Become puts the program of a service in the place of this process, if the daemon has started it for that. In any
// other process it does nothing, and is tells so.
func Become(args []string) (code int, is bool) { return process.Become(args) }

// Commands returns what the command line does itself, without an appliance that
// runs already.
func Commands(version string) cli.Commands {
	return cli.Commands{
		Version: version,
		Serve: func(ctx context.Context, path string) error {
			c, err := config.Load(path)
			if err != nil {
				return pair.Refuse(pair.Usage, "%w", cause.Plain(err))
			}
			return Serve(ctx, c, version, newLogger(c.LogLevel))
		},
		Demo: func(ctx context.Context, args cli.DemoArgs) error {
			return demo.Run(ctx, demo.Options{In: terminal(args.Stdio.In), Out: args.Stdio.Out, Script: args.Script, Timeout: args.Timeout, Pace: args.Pace})
		},
		ConfigCheck: func(path string) (warnings []string, err error) {
			c, err := config.Load(path)
			if err != nil {
				return nil, err
			}
			return absent(c), listen.Free(context.Background(), c)
		},
		Cleanup:     cleanup,
		Reload:      reload,
		TellChanges: func(ctx context.Context, path string) error { return telling.Run(ctx, path, newLogger) },
		Licences:    writeLicences,
		Socket:      socket,
	}
}

// absent says what the file names and this machine has not. It may come later: a disk is
// mounted, or the file is for another machine.
func absent(c config.Config) (warnings []string) {
	for i, ip := range c.SharedIPs {
		if _, err := net.InterfaceByName(ip.Interface); err != nil {
			warnings = append(warnings, fmt.Sprintf("shared_ip[%d].interface: this machine has no interface %s now: ip link lists those that it has", i, ip.Interface))
		}
	}
	settings, addresses := watch.Nowhere(c)
	for i, setting := range settings {
		warnings = append(warnings, fmt.Sprintf("%s: no interface of this machine has %s now: ip address lists what it has", setting, addresses[i]))
	}
	switch site := c.Site; {
	case site == nil:
	case site.Upstream != nil:
		if !(&watch.Application{Upstream: *site.Upstream}).Answers(context.Background()) {
			warnings = append(warnings, "site.upstream: nothing listens at "+site.Upstream.Text+" now: start the application, or correct upstream in [site]")
		}
	default:
		if info, err := os.Stat(site.Root); err != nil || !info.IsDir() {
			warnings = append(warnings, "site.root: there is no directory "+site.Root+" now: make it, mount its disk, or correct root in [site]")
		}
	}
	return warnings
}

func newLogger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// cleanup takes off what a killed daemon left on the interfaces, and only then what
// kept it silent.
func cleanup(ctx context.Context, path string) error {
	c, err := config.Load(path)
	if err != nil {
		return pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	}
	if left, err := readContinuation(c); err == nil && left != nil {
		return nil // the next process goes on with what is on
	}
	host := sharedip.New(c.SharedIPs, newLogger(c.LogLevel))
	defer host.Close()
	if err := host.Cleanup(ctx); err != nil {
		return err
	}
	held, err := host.Held(ctx)
	if err != nil {
		return err
	}
	if len(held) > 0 { // another program has just put it on: silence is what the rules are for
		return pair.Refuse(pair.Refused, "%s is on its interface again: find the program that puts it on, and run baton cleanup once more", held[0])
	}
	if err := lease.Clean(); err != nil {
		return err
	}
	return stopLeft(ctx, c)
}

// stopLeft tells the services that a daemon which was killed has left running to end.
func stopLeft(ctx context.Context, c config.Config) error {
	if systemd.Runs() {
		if result := os.Getenv("SERVICE_RESULT"); result == "" || result == "success" { // as systemd tells ExecStopPost=
			return nil
		}
		return unit.StopLeft(ctx)
	}
	if _, runs := daemonOf(ctx, c); runs {
		return nil
	}
	identity, err := peer.LoadIdentity(filepath.Join(c.DataDir, "local"))
	if err != nil {
		return err
	}
	process.StopLeft(identity.ID())
	return nil
}

// socket finds the local socket of the appliance that a configuration file describes. The error
// says what is wrong with that file.
func socket(path string) (string, error) {
	if _, err := config.Load(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return config.Socket(path), err
	}
	return config.Socket(path), nil
}

// terminal is the file behind a reader, if there is one to read keys from.
func terminal(in io.Reader) *os.File {
	file, _ := in.(*os.File)
	return file
}

func writeLicences(to io.Writer) error {
	_, err := io.WriteString(to, licences.Notices())
	return err
}
