package admin

import (
	"context"
	"strings"
	"testing"
	"time"

	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
)

// Who asks for a switch is told that it is done once the site is served, and else what keeps it closed.
func TestASwitchIsDoneOnceTheSiteIsServed(t *testing.T) {
	t.Parallel()
	failed := pair.Condition{ID: "services-failed", Text: "A service did not start.", NextStep: "Look at its log."}
	for what, c := range map[string]struct {
		then func(*agent.Decision)
		want string // part of what is said; empty: it is done
	}{
		"it is served":    {func(d *agent.Decision) { d.State.Door = failover.Open }, ""},
		"it has gone":     {func(d *agent.Decision) { d.State.Record.Role = pair.Backup }, "and is not any more: baton history says why"},
		"a service fails": {func(d *agent.Decision) { d.State.Broken = failover.StartOfServices }, "which is tried again: A service did not start. Look at its log."},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			loop := acttest.NewAgent()
			loop.Show(func(d *agent.Decision) { d.State.Record.Role = pair.Backup }) // as published last
			r := &Roles{Agent: loop}
			ended := make(chan error, 1)
			go func() { ended <- r.opened(t.Context()) }()
			time.Sleep(20 * time.Millisecond)
			loop.Show(func(d *agent.Decision) { d.State.Record.Role = pair.Primary })
			select {
			case err := <-ended:
				t.Fatalf("it ends before the site is served: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
			loop.Show(c.then, failed)
			switch err := <-ended; {
			case err == nil != (c.want == ""):
				t.Error(err)
			case err != nil && !strings.Contains(err.Error(), c.want):
				t.Error(err)
			}
		})
	}
	loop := acttest.NewAgent()
	loop.Show(func(d *agent.Decision) { d.State.Record.Role = pair.Primary })
	ctx, end := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer end()
	if err := (&Roles{Agent: loop}).opened(ctx); err == nil || !strings.Contains(err.Error(), "is not open here yet: baton status says") {
		t.Error(err)
	}
}
