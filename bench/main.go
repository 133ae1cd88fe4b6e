// Command bench measures Baton side by side with keepalived, rsync and nginx, on
// simulated hosts on this machine, and writes docs/benchmarks.md.
//
// Every figure is what a client sees that opens a new connection every 5 ms, or
// what an observer outside the hosts sees; nothing is taken from what a program
// says of itself. Both programs get the same hosts, the same faults and the same
// client, one after the other, in one run.
//
// Start reading at studies, then at outage and split.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
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
	if len(os.Args) > 1 && os.Args[1] == applicationCommand {
		return end(runApplication(ctx, os.Args[2:], os.Stdout))
	}
	opts, err := parse(os.Args[1:], os.Stderr)
	if err != nil {
		return exitUsage
	}
	code, again, err := lab.Enter()
	if again {
		return code
	}
	if err == nil {
		err = measure(ctx, opts, os.Stdout)
	}
	return end(err)
}

func end(err error) int {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		return exitFailed
	}
	return 0
}

// options are the flags.
type options struct {
	quick   bool
	strict  bool
	verbose bool
	only    only
	program string // baton
	self    string // this program
	out     string // the page
	keep    string // directory for the logs of the daemons; empty: they are not kept
	resume  string // file for what each study found; empty: it is not kept
}

// partial reports whether the page stays as it is.
func (o options) partial() bool { return o.quick || o.only.study != nil }

// only is what is measured of all: studies, and programs that copy in these, by their names; nil: each.
type only struct{ study, program *regexp.Regexp }

// parseOnly reads STUDY or STUDY/PROGRAM, which are expressions.
func parseOnly(text string) (o only, err error) {
	if text == "" {
		return o, nil
	}
	study, program, both := strings.Cut(text, "/")
	if o.study, err = regexp.Compile(study); err == nil && both {
		o.program, err = regexp.Compile(program)
	}
	return o, err
}

func parse(args []string, errs io.Writer) (opts options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.BoolVar(&opts.quick, "quick", false, "one run of each row instead of five and more, and a tenth of the data; the page is not written")
	flags.BoolVar(&opts.strict, "strict", false, "exit with 1 if a bound is missed")
	flags.BoolVar(&opts.verbose, "v", false, "print every single value")
	flags.StringVar(&opts.program, "baton", "bin/baton", "the program to measure")
	flags.StringVar(&opts.out, "out", "docs/benchmarks.md", "the page to write")
	flags.StringVar(&opts.keep, "keep", "", "directory to keep the logs of baton in, at level debug")
	flags.StringVar(&opts.resume, "resume", "", "file in which each study is kept once it has ended: a run of the same program that was broken off goes on with the next")
	text := flags.String("only", "", "only the studies whose name matches this expression, as data-large, and after a slash only the programs that copy there, as data-large/Baton; the page is not written")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.only, err = parseOnly(*text); err != nil {
		_, _ = fmt.Fprintln(errs, "bench: -only:", err)
	}
	return opts, err
}

var errMissed = errors.New("a bound is missed")

// measure runs the studies and shows what they found.
func measure(ctx context.Context, opts options, out io.Writer) (err error) {
	program, err := filepath.Abs(opts.program)
	if err == nil {
		opts.self, err = os.Executable()
	}
	if err != nil {
		return err
	}
	if err := lacking(program, "keepalived", "rsync", "nginx", "mkfs.xfs", "sqlite3", sshd); err != nil {
		return err
	}
	hosts, err := lab.New(ctx, lab.Options{Prefix: "bench"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hosts.Close()) }()
	b := &bench{opts: opts, out: out, lab: hosts, program: program}
	if b.record, err = openRecord(opts.resume, program); err != nil {
		return err
	}
	found, err := b.all(ctx)
	if err != nil {
		return err
	}
	if err := b.show(ctx, found); err != nil {
		return err
	}
	if opts.strict && missed(found) > 0 {
		return errMissed
	}
	return nil
}
