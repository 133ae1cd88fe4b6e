package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"baton/internal/cause"
	"baton/internal/cgroup"
	"baton/internal/service"
	"baton/internal/service/keeper"
	"baton/internal/service/program"
)

// runner is one service. It implements keeper.Runner.
type runner struct {
	machine *Machine
	service service.Definition
}

func (r *runner) family() *family { return r.machine.family(r.service.Name) }

// Start implements keeper.Runner.
func (r *runner) Start(ctx context.Context) error {
	if lacks := lacks(r.service); lacks != "" {
		return errors.New(lacks)
	}
	family := r.family()
	if err := family.take(ctx); err != nil {
		return err
	}
	defer family.give()
	if family.running() != nil {
		return nil
	}
	if err := family.end(ctx); err != nil { // what an earlier one has left
		return err
	}
	args := r.service.Command.Args
	to, err := orderOf(r.service.Command, args, args[0])
	if err != nil {
		return err
	}
	group, limits := family.group, r.service.Command.Limits
	if err := group.Make(); err != nil {
		return err
	}
	if err := limit(group, limits, firstStep()); err != nil {
		return err
	}
	log, err := family.log.output()
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the program has its own
	main, why, err := family.start(ctx, to, log)
	if errors.Is(err, errNotStarted) {
		return why.sentence(args[0], r.user(), to.Dir)
	} else if err != nil {
		return err
	}
	family.keep(main, time.Now())
	if err := limit(group, limits, service.Limits{}); err != nil {
		return errors.Join(err, family.end(ctx))
	}
	return nil
}

// firstStep is what the step before the program needs, however little that may use.
func firstStep() service.Limits { return service.Limits{Memory: 64, Tasks: 64} }

// limit holds a group to limits, which are at least so high.
func limit(group cgroup.Group, limits, least service.Limits) error {
	for _, one := range []struct {
		limit        string
		value, least int64
	}{{"memory.max", limits.Memory << 20, least.Memory << 20}, {"pids.max", limits.Tasks, least.Tasks}} {
		if one.value == 0 {
			continue
		}
		if err := group.Set(one.limit, max(one.value, one.least)); err != nil {
			return fmt.Errorf("%s of its control group cannot be set: leave that limit out, or have the machine's control groups hand the controller on: %w", one.limit, err)
		}
	}
	if limits.Memory > 0 {
		_ = group.Set("memory.oom.group", 1) // what uses more is killed as a whole
	}
	return nil
}

func (r *runner) user() string {
	return strings.TrimSuffix(r.service.Command.User+":"+r.service.Command.Group, ":")
}

// Stop implements keeper.Runner.
func (r *runner) Stop(ctx context.Context) error {
	family := r.family()
	if err := family.take(ctx); err != nil {
		return err
	}
	defer family.give()
	return family.end(ctx)
}

// State implements keeper.Runner.
func (r *runner) State(context.Context) (keeper.State, error) {
	state := keeper.State{Hindered: lacks(r.service), StopLimit: stopWithin}
	family := r.family()
	family.mu.Lock()
	defer family.mu.Unlock()
	if family.main == nil {
		_ = family.log.shorten() // another program may have been handed it; it is tried again
	}
	state.Up = family.main != nil
	state.Runs = state.Up || len(family.group.Processes()) > 0
	state.Since, state.Failed = family.since, family.failed
	return state, nil
}

// SetRan implements keeper.Runner. A command is no timer.
func (r *runner) SetRan(time.Time) error { return nil }

// afterSignal is how long a check that must end within a time may take to end when it is told to.
const afterSignal = time.Second

// Try implements keeper.Runner. The last line of what the check writes is why it fails.
func (r *runner) Try(ctx context.Context, line string, within time.Duration) error {
	if lacks := lacks(r.service); lacks != "" {
		return errors.New(lacks)
	}
	const most = 200
	written, err := program.Output(2*most, func(out *os.File) error { return r.try(ctx, line, within, out) }) // a line break and spaces may follow
	if why := program.LastLine(written, most); err != nil && ctx.Err() == nil && why != "" && !cause.Rough(why) {
		return fmt.Errorf("%w: %s", err, why)
	}
	return err
}

// try runs a line of the shell to its end.
func (r *runner) try(ctx context.Context, line string, within time.Duration, out *os.File) error {
	called := "the check " + line
	check := r.machine.check(r.service.Name)
	to, err := orderOf(r.service.Command, []string{"/bin/sh", "-c", line}, called)
	if err != nil {
		return err
	}
	slow := fmt.Errorf("%s does not end within %s", called, within)
	check.clear(ctx) // a daemon that was killed may have left one
	if len(check.group.Processes()) > 0 {
		return slow // one that waits for a disk, and cannot be killed
	}
	if err := check.group.Make(); err != nil {
		return err
	}
	defer check.clear(ctx)
	inTime, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	main, why, err := check.start(inTime, to, out)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case inTime.Err() != nil:
		return slow
	case errors.Is(err, errNotStarted):
		return why.sentence(called, r.user(), to.Dir)
	case err != nil:
		return err
	}
	ended := make(chan *os.ProcessState, 1)
	go func() { state, _ := main.wait(); ended <- state }()
	select {
	case state := <-ended:
		return outcome(called, state)
	case <-inTime.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	check.group.Signal(syscall.SIGTERM)
	_ = until(ctx, afterSignal, func() bool { return len(check.group.Processes()) == 0 })
	return slow
}

// outcome is how a check ended.
func outcome(called string, state *os.ProcessState) error {
	if state == nil {
		return nil
	}
	status, is := state.Sys().(syscall.WaitStatus)
	switch {
	case is && status.Signaled():
		return fmt.Errorf("%s is ended by signal %d", called, status.Signal())
	case state.ExitCode() != 0:
		return fmt.Errorf("%s ends with exit code %d", called, state.ExitCode())
	}
	return nil
}
