// Command faults breaks a pair of real daemons at random, again and again, and
// keeps count of what it cost: how long two answered, how long nobody did, which
// acknowledged writes are gone, and whether the pair found back by itself. It
// writes docs/faults.md.
//
// The site is served by a server that Baton does not run: on both hosts, always,
// writing each request's number durably into the protected directory before it
// answers: in turn to a file, and to an SQLite database that is protected by itself. A command that Baton runs as a service writes down when it runs. Each
// host has a file system of its own, so that a power cut loses what was not
// durable and a disk can be full. Everything is drawn from a seed: a round depends
// on the seed and on its number alone, so that one can be repeated.
//
// Start reading at draw.go (what happens in a round), then round.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"baton/internal/lab"
)

func main() { os.Exit(run()) } //nolint:forbidigo // this is the command's main

// Exit codes, besides 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == siteCommand {
		return end(serveSite(ctx, os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == databaseCommand {
		return end(runDatabase(ctx, os.Args[2:], os.Stdout))
	}
	if len(os.Args) > 1 && os.Args[1] == jobCommand {
		return end(runJob(ctx, os.Args[2:]))
	}
	opts, err := parse(os.Args[1:], os.Stderr)
	if err != nil {
		return exitUsage
	}
	if os.Geteuid() != 0 {
		return end(errors.New("the campaign needs root: each host has a disk of its own, on a loop device"))
	}
	if _, _, err := lab.Enter(); err != nil {
		return end(err)
	}
	return end(opts.all(ctx, os.Stdout))
}

func end(err error) int {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "faults:", err)
		return exitFailed
	}
	return 0
}
