// Command baton keeps a self-hosted site up on two machines. See docs/, or run
// baton --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"baton/internal/app"
	"baton/internal/cli"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	if code, is := app.Become(os.Args); is {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	stdio := cli.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	return cli.Run(ctx, app.Commands(version), stdio, os.Args[1:])
}
