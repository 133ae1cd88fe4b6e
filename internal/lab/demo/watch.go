package demo

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"baton/internal/api"
	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/lab/siteclient"
	"baton/internal/pair"
)

// silence is how long the client goes without an answer before the screen says so.
const silence = 150 * time.Millisecond

// watch starts everything that looks on and reports; all of it ends with ctx.
func (s *stage) watch(ctx context.Context, d *doors) *sync.WaitGroup {
	s.client = s.newClient()
	s.ownership = s.lab.Ownership(shared().Addr(), 10*time.Millisecond)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.client.Run(ctx) })
	wg.Go(func() { _ = s.ownership.Run(ctx) })
	wg.Go(func() { s.watchClient(ctx) })
	for _, a := range s.appliances() {
		wg.Go(func() { s.watchAppliance(ctx, a) })
	}
	port := func(a *daemon.Appliance) string { return netip.AddrPortFrom(a.Addr4(), 443).String() }
	wg.Go(func() { forward(ctx, d.alpha, s.alpha.Host, port(s.alpha)) })
	wg.Go(func() { forward(ctx, d.beta, s.beta.Host, port(s.beta)) })
	atShared := func(port uint16) string { return netip.AddrPortFrom(shared().Addr(), port).String() }
	wg.Go(func() { forward(ctx, d.shared, s.lab.Host("client"), atShared(443)) })
	wg.Go(func() { forward(ctx, d.pages, s.lab.Host("client"), atShared(80)) })
	return &wg
}

// watchClient says who answers, whenever that changes.
func (s *stage) watchClient(ctx context.Context) {
	var before siteclient.Attempt // newest answer of the look before
	quiet := false
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, found := s.client.Latest()
		switch {
		case !found:
			continue
		case now.End.Equal(before.End):
			if !quiet && time.Since(now.End) > silence {
				quiet = true
				s.screen.say(fromClient, "%s", s.screen.bad("no answer any more"))
			}
			continue
		case quiet || now.Appliance != before.Appliance:
			s.screen.say(fromClient, "%s", s.answerLine(before, now))
			quiet = false
		}
		before = now
	}
}

func (s *stage) answerLine(before, now siteclient.Attempt) string {
	line := s.screen.good("answered by " + now.Appliance)
	if before.End.IsZero() {
		return line
	}
	gap := s.client.Report().Between(before.Start, now.Start).Longest()
	return fmt.Sprintf("%s, after %s without an answer", line, s.screen.bold(short(gap.Duration())))
}

// watchAppliance says what an appliance is, whenever that changes, and what it
// puts down in its history.
func (s *stage) watchAppliance(ctx context.Context, a *daemon.Appliance) {
	var shown string
	var told *lab.Process
	seen := map[string]bool{}
	since := time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.sayEnded(a, &told)
		status, err := a.Status(ctx)
		if err != nil {
			continue // switched off or hung: the person knows, and the client tells
		}
		if line := s.roleLine(status); line != shown {
			shown = line
			s.screen.say(a.Name(), "%s", line)
		}
		s.showHistory(ctx, a, since, seen)
	}
}

// sayEnded tells, once, that the daemon has ended although the host has power.
func (s *stage) sayEnded(a *daemon.Appliance, told **lab.Process) {
	daemon := a.Daemon()
	if daemon == *told || !a.On() {
		return
	}
	select {
	case <-daemon.Done():
		*told = daemon
		s.screen.say(a.Name(), "%s", s.screen.bad(fmt.Sprintf("the daemon of %s has ended (%v)", a.Name(), daemon.Wait())))
	default:
	}
}

func (s *stage) roleLine(status pair.Status) string {
	line := s.screen.bold(status.Role.String()) + ", " + status.State.String()
	if held := heldBy(status); held != "" {
		line += ", holds " + held
	}
	return line
}

// heldBy lists the shared IPs that the appliance holds.
func heldBy(status pair.Status) string {
	var held []string
	for _, ip := range status.SharedIPs {
		if ip.Held {
			held = append(held, ip.Address)
		}
	}
	return strings.Join(held, " ")
}

// showHistory prints events that were not shown yet. An event of the peer comes
// here too, merged; each appliance shows its own.
func (s *stage) showHistory(ctx context.Context, a *daemon.Appliance, since time.Time, seen map[string]bool) {
	events, err := api.ListHistory().Call(ctx, a.API, api.HistoryFilter{Since: since})
	if err != nil {
		return
	}
	status, err := a.Status(ctx)
	if err != nil {
		return
	}
	for _, event := range events {
		if event.Appliance != status.Appliance.ID || seen[event.ID] {
			continue
		}
		seen[event.ID] = true
		if event.Kind != pair.KindSyncDone { // one a second: status tells the data age
			s.screen.say(a.Name(), "%s %s", s.screen.dim(event.Kind+":"), event.Text)
		}
	}
}

// showStatus prints how everything is now.
func (s *stage) showStatus(ctx context.Context) {
	rows := [][]string{{"appliance", "role", "state", "shared IP", "data age", "cable", "open conditions"}}
	for _, a := range s.appliances() {
		rows = append(rows, s.statusRow(ctx, a))
	}
	s.screen.table(rows)
	if last, ok := s.client.Latest(); ok {
		s.screen.say(fromClient, "answered by %s %s ago", last.Appliance, short(time.Since(last.End)))
	}
}

func (s *stage) statusRow(ctx context.Context, a *daemon.Appliance) []string {
	cable := "pulled"
	if carrier, err := a.Carrier(); err == nil && carrier {
		cable = "plugged"
	}
	status, err := a.Status(ctx)
	switch {
	case !a.On():
		return []string{a.Name(), "switched off", "", "", "", "", ""}
	case err != nil:
		return []string{a.Name(), "does not answer", "", "", "", cable, ""}
	}
	age := ""
	if status.Role == pair.Backup && status.Sync.DataAgeMS >= 0 {
		age = short(time.Duration(status.Sync.DataAgeMS) * time.Millisecond)
	}
	var conditions []string
	for _, c := range status.Conditions {
		conditions = append(conditions, c.ID)
	}
	return []string{
		a.Name(), status.Role.String(), status.State.String(), heldBy(status), age, cable, strings.Join(conditions, " "),
	}
}
