package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"baton/internal/listen"
	"baton/internal/pair"
	"baton/internal/systemd"
)

// An end of this process is one of three: a stop, before which a primary hands over; a
// restart by systemd, and a reload, which puts the program that is installed now into this
// process. The last two keep the site up.

// ending ends this process, one way or another.
type ending struct {
	appliance     *Appliance
	listeners     *listen.Listeners
	stopListening context.CancelCauseFunc
	listening     func() // returns once nothing listens any more
}

// stop hands the site over, if this daemon is the primary and its backup could take
// over.
func (e *ending) stop(ctx context.Context) {
	a := e.appliance
	const most = 30 * time.Second // what follows: the site closed, services stopped, history written
	within, takeDown := a.config.StopHandover, most+a.services.StopLimit()
	_, _ = daemon.SdNotify(false, fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, (within+takeDown).Microseconds()))
	const late = 3 * time.Second // the decision keeps to the time; this is for a loop that hangs
	ctx, cancel := context.WithTimeout(ctx, within+late)
	defer cancel()
	a.agent.Stop(ctx, within)
}

// leave ends the parts of this process with the site up, for a process that goes on with it,
// and returns the listeners for that one; nil: that one has to begin anew. Requests that run
// end first, while the site is still held.
func (e *ending) leave(ctx context.Context) listen.Kept {
	a := e.appliance
	kept, err := e.listeners.Keep()
	if err != nil {
		a.log.Warn("the next process begins anew", slog.String("error", err.Error()))
		return nil
	}
	e.stopListening(listen.LeavingError{})
	e.listening()
	left := a.agent.Leave(ctx)
	if left == nil {
		a.log.Info("the next process begins anew, since this one does not serve the site as usual")
	} else if err := saveContinuation(a.config, *left); err != nil {
		a.log.Warn("the next process begins anew", slog.String("error", err.Error()))
	}
	_ = a.beat() // the next process tells from when on nothing was written
	return kept
}

// await waits until this process is to end, and ends what serves the site as that asks for. It
// returns the last event.
func (e *ending) await(ctx, told context.Context) pair.Event {
	hup, quiet := reloaded()
	defer quiet()
	const often = 10 * time.Second
	again := time.NewTicker(often)
	defer again.Stop()
	if toldBefore() {
		return e.told(ctx)
	}
	for {
		select {
		case <-told.Done():
			return e.told(ctx)
		case <-hup:
			if told.Err() != nil {
				continue // to stop is the last word
			}
			if e.appliance.next = e.reload(ctx, told); e.appliance.next != nil {
				return pair.Event{Kind: pair.KindReloaded, Text: "Baton is reloaded: the program that is installed now takes the place of this one."}
			}
		case <-again.C:
			e.tryAgain(told)
		case <-ctx.Done(): // a part has failed
			_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
			return stopped()
		}
	}
}

// told ends a daemon that was told to, and returns its last event. Before a restart it tries out
// what would run next: nobody would serve the site if that did not start.
func (e *ending) told(ctx context.Context) pair.Event {
	a := e.appliance
	if !restarts(ctx, a.log) {
		e.stop(ctx)
		return stopped()
	}
	_, _ = daemon.SdNotify(false, fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, (2*promptly).Microseconds()))
	if _, err := e.next(ctx); err != nil {
		a.log.Error("the next process would not start: this one ends as in a stop", slog.String("error", err.Error()))
		a.history.Record(pair.Event{Kind: pair.KindReloadFailed, Text: "Baton would not start again, so this restart is a stop, and a primary hands the site over first: " + err.Error()})
		e.stop(ctx)
		return stopped()
	}
	if err := e.leave(ctx).ToSystemd(); err != nil {
		a.log.Warn("the next process opens its listeners anew", slog.String("error", err.Error()))
	}
	return pair.Event{Kind: pair.KindReloaded, Text: "Baton is restarted."}
}

// stopped is the last event of a process that nobody follows.
func stopped() pair.Event {
	return pair.Event{Kind: pair.KindStopped, Text: "Baton stopped: no shared IP and no service of the site is up here."}
}

// successor is a program that takes the place of this process.
type successor struct {
	program string
	kept    listen.Kept
	told    context.Context // ended: this process was told to stop while it left
}

// toldName is the environment variable by which a process tells the next one that it was told to
// stop. That one does so at once.
const toldName = "BATON_TOLD_TO_STOP"

// toldBefore reports whether the process before this one was told to stop.
func toldBefore() bool {
	before := os.Getenv(toldName) != ""
	_ = os.Unsetenv(toldName) // what this process reloads has not been told
	return before
}

// begin starts it. It returns only if that fails.
func (s *successor) begin() error {
	signal.Ignore(unix.SIGHUP) // until it listens to it: the usual thing would end it
	runtime.LockOSThread()     // SIGTERM waits until the next process listens to it
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, &unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGTERM - 1)}}, nil)
	if s.told.Err() != nil {
		_ = os.Setenv(toldName, "true")
	}
	return replace(s.program, s.kept)
}

// reload ends the parts of this process for the program that is installed now; nil: that one
// would not run, and this one goes on.
func (e *ending) reload(ctx, told context.Context) *successor {
	a := e.appliance
	_, _ = daemon.SdNotify(false, fmt.Sprintf("%s\n%s", daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec()))
	program, err := e.next(ctx)
	if a.refused.set(err); err != nil {
		a.log.Error("not reloaded: this process goes on", slog.String("error", err.Error()))
		a.history.Record(pair.Event{Kind: pair.KindReloadFailed, Text: "Baton was not reloaded, and the program that ran goes on: " + err.Error()})
		if err := notReloaded(a.config, err); err != nil {
			a.log.Warn("baton reload is not told", slog.String("error", err.Error()))
		}
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
		return nil
	}
	if told.Err() != nil {
		return nil // it was told to stop meanwhile
	}
	return &successor{program, e.leave(ctx), told}
}

// reloaded returns a channel that tells of each SIGHUP.
func reloaded() (hup <-chan os.Signal, stop func()) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, unix.SIGHUP)
	return told, func() { signal.Stop(told) }
}

// promptly is how long mayReload takes at most.
const promptly = 10 * time.Second

// mayReload tries out the program that is installed now where this one was started from, with its
// configuration file. The error says why this process goes on as it is.
func mayReload(ctx context.Context, arguments []string) (program string, err error) {
	if program, err = os.Executable(); err != nil {
		return "", fmt.Errorf("find the program of this process: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	for _, try := range [][]string{{"version"}, append([]string{"config", "check"}, configOf(arguments)...)} {
		out, err := exec.CommandContext(ctx, program, try...).CombinedOutput() //nolint:gosec // our own program
		if err != nil {
			return "", fmt.Errorf("%s %s fails: %w: %s", program, strings.Join(try, " "), err, firstLine(out))
		}
	}
	return program, nil
}

func firstLine(out []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

// configOf are those of the arguments that name the configuration file.
func configOf(arguments []string) (named []string) {
	for i, argument := range arguments {
		switch {
		case strings.HasPrefix(argument, "--config="):
			named = []string{argument}
		case argument == "--config" && i+1 < len(arguments):
			named = arguments[i : i+2]
		}
	}
	return named
}

// replace puts a program into this process, with its listeners. It returns only if that fails.
func replace(program string, kept listen.Kept) error {
	environment := os.Environ()
	entry, err := kept.AcrossExec()
	if err != nil {
		return err
	}
	return fmt.Errorf("start %s in this process: %w", program, unix.Exec(program, append([]string{program}, os.Args[1:]...), append(environment, entry)))
}

// restarts reports whether systemd stops this daemon's unit to start it again. It is asked
// on its private socket: the message bus may be gone already when a machine shuts down.
func restarts(ctx context.Context, log *slog.Logger) bool {
	if os.Getenv("INVOCATION_ID") == "" {
		return false // not started by systemd
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	job, main, err := ownJob(ctx)
	if err != nil {
		log.Warn("systemd does not tell whether this is a restart: it is taken for a stop", slog.String("error", err.Error()))
	} else {
		log.Info("told to end", slog.String("job", job), slog.Bool("main", main))
	}
	return err == nil && main && (job == "restart" || job == "") // without a job, somebody ended the process itself: Restart= starts it again
}

// ownJob returns the job that systemd runs for this process's unit, as [systemd.Manager.Job] does.
func ownJob(ctx context.Context) (job string, main bool, err error) {
	manager, err := systemd.Connect(ctx)
	if err != nil {
		return "", false, err
	}
	defer manager.Close()
	return manager.Job(ctx, os.Getpid())
}
