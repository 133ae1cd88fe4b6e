package demo

import (
	"context"
	"fmt"
	"time"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// act is one part of the scenario: something happens, and what must follow.
type act struct {
	name    string
	do      func(ctx context.Context) (time.Time, error)
	primary *daemon.Appliance // must answer the client afterwards
	// backup is the role's other holder once all is quiet again; nil: it is dead or cut off.
	backup *daemon.Appliance
	within time.Duration // longest time without an answer
}

// slack is what a busy machine may add to a bound.
const slack = 2 * time.Second

// lease is the longest that a kernel keeps the shared IP of a hung daemon.
const lease = 4 * time.Second

func (s *stage) acts() []act {
	timeout, a, b := s.opts.Timeout, s.alpha, s.beta
	now := func(do func(context.Context) error) func(context.Context) (time.Time, error) {
		return func(ctx context.Context) (time.Time, error) {
			at := time.Now()
			return at, do(ctx)
		}
	}
	return []act{
		{"cable of the primary pulled", func(context.Context) (time.Time, error) { return s.lab.CutCable(a.Host) }, b, nil, timeout + slack},
		{"cable plugged, it returns as backup", func(context.Context) (time.Time, error) { return s.lab.PlugCable(a.Host) }, b, a, slack},
		{"planned switch back", now(s.switchRoles), a, b, slack},
		{"primary hangs", func(context.Context) (time.Time, error) { return s.lab.Pause(a.Host) }, b, nil, max(timeout, lease) + slack},
		{"it thaws, and returns as backup", func(context.Context) (time.Time, error) { return s.lab.Resume(a.Host) }, b, a, slack},
		{"power of the primary cut", func(context.Context) (time.Time, error) { return s.lab.PowerCut(b.Host) }, a, nil, timeout + slack},
		{"power on, it returns as backup", now(func(ctx context.Context) error { return s.powerOn(ctx, b) }), a, b, slack},
	}
}

// runScenario plays all acts and shows what the client measured.
func (s *stage) runScenario(ctx context.Context) error {
	rows := [][]string{{"what happened", "without an answer", "at most", "answered by", "result"}}
	failed := 0
	for _, act := range s.acts() {
		gap, err := s.perform(ctx, act)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		result := "ok"
		if err != nil {
			result = "FAILED"
			failed++
			s.screen.say(fromDemo, "%s", s.screen.bad(err.Error()))
		}
		rows = append(rows, []string{act.name, short(gap), short(act.within), act.primary.Name(), result})
	}
	s.screen.table(rows)
	both := s.ownership.Overlaps()
	for _, o := range both {
		s.screen.say(fromDemo, "%s", s.screen.bad(fmt.Sprintf("%v both had %s for %s", o.Hosts, shared().Addr(), short(o.Duration()))))
	}
	s.screen.print("  times at which both had the shared IP: %d\n\n", len(both))
	if failed > 0 || len(both) > 0 {
		return ErrFailed
	}
	return nil
}

// perform plays one act and returns how long the client was without an answer.
func (s *stage) perform(ctx context.Context, act act) (time.Duration, error) {
	select {
	case <-time.After(s.opts.Pace):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	s.screen.print("\n")
	s.screen.say(fromDemo, "%s", s.screen.bold(act.name))
	at, err := act.do(ctx)
	if err != nil {
		return 0, err
	}
	err = s.await(ctx, act.primary.Name()+" answers", act.within+slack, func() bool {
		if !s.answeredBy(act.primary.Name()) {
			return false
		}
		_, answered := s.client.Report().GapAfter(at, act.primary.Name())
		return answered
	})
	if err == nil {
		err = s.await(ctx, "the roles are as they should be", s.opts.Patience, func() bool { return s.settled(ctx, act) })
	}
	gap := s.client.Report().Between(at.Add(-100*time.Millisecond), time.Now()).Longest().Duration()
	if err == nil && gap > act.within {
		err = fmt.Errorf("%s without an answer, at most %s was to be", short(gap), short(act.within))
	}
	return gap, err
}

func (s *stage) settled(ctx context.Context, act act) bool {
	status, err := act.primary.Status(ctx)
	if err != nil || status.Role != pair.Primary {
		return false
	}
	if act.backup == nil {
		return true
	}
	copied, err := act.backup.Status(ctx)
	return status.State == pair.Steady && act.backup.Is(ctx, pair.Backup) &&
		err == nil && copied.Sync.Snapshot.Number > 0 && copied.Sync.State != pair.SyncFailed
}
