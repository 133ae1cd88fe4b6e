package demo

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"baton/internal/lab"
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
	for _, a := range []*appliance{s.alpha, s.beta} {
		wg.Go(func() { s.watchAppliance(ctx, a) })
	}
	port := func(a *appliance) string { return netip.AddrPortFrom(a.host.Addr4(), 443).String() }
	wg.Go(func() { forward(ctx, d.alpha, s.alpha.host, port(s.alpha)) })
	wg.Go(func() { forward(ctx, d.beta, s.beta.host, port(s.beta)) })
	site := netip.AddrPortFrom(shared().Addr(), 80).String()
	wg.Go(func() { forward(ctx, d.site, s.lab.Host("client"), site) })
	return &wg
}

// watchClient says who answers, whenever that changes.
func (s *stage) watchClient(ctx context.Context) {
	var before lab.Attempt // newest answer of the look before
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

func (s *stage) answerLine(before, now lab.Attempt) string {
	line := s.screen.good("answered by " + now.Appliance)
	if before.End.IsZero() {
		return line
	}
	gap := s.client.Report().Between(before.Start, now.Start).Longest()
	return fmt.Sprintf("%s, after %s without an answer", line, s.screen.bold(short(gap.Duration())))
}

// watchAppliance says what an appliance is, whenever that changes, and what it
// puts down in its history.
func (s *stage) watchAppliance(ctx context.Context, a *appliance) {
	var shown string
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
		if text, ended := a.ended(); ended {
			s.screen.say(a.name, "%s", s.screen.bad(text))
		}
		status, err := a.status(ctx)
		if err != nil {
			continue // switched off or hung: the person knows, and the client tells
		}
		if line := s.roleLine(status); line != shown {
			shown = line
			s.screen.say(a.name, "%s", line)
		}
		s.showHistory(ctx, a, since, seen)
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
func (s *stage) showHistory(ctx context.Context, a *appliance, since time.Time, seen map[string]bool) {
	events, err := a.history(ctx, since)
	if err != nil {
		return
	}
	status, err := a.status(ctx)
	if err != nil {
		return
	}
	for _, event := range events {
		if event.Appliance != status.Appliance.ID || seen[event.ID] {
			continue
		}
		seen[event.ID] = true
		if event.Kind != pair.KindSyncDone { // one a second: status tells the data age
			s.screen.say(a.name, "%s %s", s.screen.dim(event.Kind+":"), event.Text)
		}
	}
}

// showStatus prints how everything is now.
func (s *stage) showStatus(ctx context.Context) {
	rows := [][]string{{"appliance", "role", "state", "shared IP", "data age", "cable", "open conditions"}}
	for _, a := range []*appliance{s.alpha, s.beta} {
		rows = append(rows, s.statusRow(ctx, a))
	}
	s.screen.table(rows)
	if last, ok := s.client.Latest(); ok {
		s.screen.say(fromClient, "answered by %s %s ago", last.Appliance, short(time.Since(last.End)))
	}
}

func (s *stage) statusRow(ctx context.Context, a *appliance) []string {
	cable := "pulled"
	if carrier, err := a.host.Carrier(); err == nil && carrier {
		cable = "plugged"
	}
	status, err := a.status(ctx)
	switch {
	case !a.host.On():
		return []string{a.name, "switched off", "", "", "", "", ""}
	case err != nil:
		return []string{a.name, "does not answer", "", "", "", cable, ""}
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
		a.name, status.Role.String(), status.State.String(), heldBy(status), age, cable, strings.Join(conditions, " "),
	}
}
