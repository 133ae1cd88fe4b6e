package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"baton/internal/cause"
	"baton/internal/cli"
	"baton/internal/config"
	"baton/internal/lab/demo"
	"baton/internal/lease"
	"baton/internal/licences"
	"baton/internal/listen"
	"baton/internal/pair"
	"baton/internal/sharedip"
)

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
		ConfigCheck: func(path string) error {
			c, err := config.Load(path)
			if err != nil {
				return err
			}
			return listen.Free(context.Background(), c)
		},
		Cleanup:  cleanup,
		Licences: writeLicences,
		Socket:   socket,
	}
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
	return lease.Clean()
}

// socket finds the local socket of the appliance that a configuration file describes.
func socket(path string) (string, error) {
	c, err := config.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return config.Default().Socket, nil
	case err != nil:
		return "", pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	}
	return c.Socket, nil
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
