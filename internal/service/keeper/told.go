package keeper

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"baton/internal/pair"
	"baton/internal/service"
)

// Status lists the services, in their order, and how they are on this appliance.
func (k *Keeper) Status() []pair.ServiceStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]pair.ServiceStatus, 0, len(k.known))
	for _, s := range k.known {
		shown := s.status(k.duty, k.opt.Wall())
		if shown.Refused = k.opt.Refused(s.service); shown.Refused != "" && shown.Wanted == "running" { // its check is not asked
			shown.Healthy, shown.Trouble = false, shown.Refused
		}
		all = append(all, shown)
	}
	return all
}

func (s *kept) status(duty pair.Duty, now time.Time) pair.ServiceStatus {
	trouble, _ := s.verdict(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := duty == pair.Lead && !s.parked
	shown := pair.ServiceStatus{
		Name: s.service.Name, What: s.service.What(), Check: s.service.Check.String(), Wanted: "stopped", State: "stopped", Healthy: true,
		Parked: s.parked, Since: s.since, LastStart: s.tally.LastStart, LastStop: s.tally.LastStop, Restarts: s.tally.Restarts, Ran: s.state.Ran,
	}
	if !wanted && s.state.Runs && s.seen {
		shown.Healthy, shown.Trouble = false, "it runs where it is not to run"
	}
	if wanted {
		shown.Wanted = "running"
		if !s.down.IsZero() {
			trouble = cmp.Or(trouble, notUp)
		}
		shown.Healthy = s.state.Runs && trouble == ""
		shown.Trouble = trouble
	}
	switch {
	case s.unseen != nil:
		shown.State, shown.Healthy, shown.Trouble = "failed", false, s.unseen.Error()
	case s.state.Runs:
		shown.State = "running"
	case wanted || s.state.Hindered != "" || s.state.Failed != "":
		shown.State = "failed"
		if shown.Trouble == "" {
			shown.Trouble = s.state.ended()
		}
	}
	return shown
}

// Conditions tells what stands against the services on this appliance. That one does not start or
// stop is told by the decision.
func (k *Keeper) Conditions() (all []pair.Condition) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.opt.Wall()
	for _, s := range k.known {
		may := permit{refused: k.opt.Refused(s.service)}
		may.stop = may.refused == "" || k.opt.MayStop(s.service)
		all = append(all, s.conditions(k.duty, now, may)...)
	}
	return all
}

// permit is what root has allowed of a service on this machine.
type permit struct {
	refused string // why it may not run; empty: it may
	stop    bool   // it is for Baton to stop it
}

// remedy is what keeps it from being started at boot.
func (at AtBoot) remedy() string {
	if at.Enabled {
		return fmt.Sprintf("Run here: systemctl disable %s.", at.Unit)
	}
	return fmt.Sprintf("Take %s out of Wants= and Requires= of %s here (systemctl edit --full), or, if there is a link: ln -s /dev/null /etc/systemd/system/%s.wants/%s.", at.Unit, at.By, at.By, at.Unit)
}

func (s *kept) conditions(duty pair.Duty, now time.Time, may permit) (all []pair.Condition) {
	leads := duty == pair.Lead
	s.mu.Lock()
	defer s.mu.Unlock()
	name, what, unit := s.service.Name, s.service.What(), s.service.RunsAs()
	if may.refused != "" {
		all = append(all, pair.Condition{
			ID: "service-not-allowed", Severity: pair.Critical,
			Text:     fmt.Sprintf("Root has not allowed service %s (%s) on this machine, so it does not run here.", name, what),
			NextStep: fmt.Sprintf("Run here as root: baton service allow %s.", name),
		})
	}
	if s.parked {
		all = append(all, pair.Condition{
			ID: "service-parked", Severity: pair.Info,
			Text:     fmt.Sprintf("Service %s (%s) was stopped by an operator, and stays so on both appliances: the site does without it.", name, what),
			NextStep: fmt.Sprintf("Start it when it is to run again: baton service start %s.", name),
		})
	}
	if ran := !s.ran.IsZero() && now.Sub(s.ran) < while; duty == pair.Follow && (ran || s.state.Runs && !may.stop) { // at rest, service-does-not-stop says so
		all = append(all, s.onBackup(may))
	}
	if at := s.state.AtBoot; at != (AtBoot{}) {
		text := what + " starts"
		if at.Unit != unit {
			text = fmt.Sprintf("%s starts %s, and starts", at.Unit, what)
		}
		all = append(all, pair.Condition{
			ID: "service-starts-at-boot", Severity: pair.Warning,
			Text:     fmt.Sprintf("%s by itself when this machine boots (%s wants it), also on a backup.", text, at.By),
			NextStep: fmt.Sprintf("%s Baton starts %s.", at.remedy(), what),
		})
	}
	if s.state.StopsEarly && may.stop {
		all = append(all, pair.Condition{
			ID: "service-stops-early", Severity: pair.Warning,
			Text:     what + " is ordered after Baton (After=baton.service), so a shutdown of this machine stops it before the site has moved.",
			NextStep: fmt.Sprintf("Take baton.service out of After= in its unit file: systemctl edit --full %s.", unit),
		})
	}
	if n := len(s.recent(now)); n > 0 && leads {
		text := fmt.Sprintf("Service %s does not start, and is tried again: %s.", name, strings.TrimSuffix(s.why, "."))
		if s.upOnce {
			text = fmt.Sprintf("Service %s has ended by itself %s, and was started again: %s.", name, times(n), strings.TrimSuffix(s.why, "."))
		}
		all = append(all, pair.Condition{
			ID: "service-restarts", Severity: pair.Warning,
			Text:     text,
			NextStep: fmt.Sprintf("Look at its log: baton service log %s.", name),
		})
	}
	return all
}

// onBackup tells that it runs on a backup, or did. The lock is held.
func (s *kept) onBackup(may permit) pair.Condition {
	name, what, unit := s.service.Name, s.service.What(), s.service.RunsAs()
	found := pair.Condition{ID: "service-runs-on-backup", Severity: pair.Critical}
	if s.state.Runs && !may.stop {
		found.Text = fmt.Sprintf("Service %s (%s) runs on this backup, and root has not allowed Baton to stop it.", name, what)
		found.NextStep = fmt.Sprintf("Run here as root: baton service allow %s; or stop it: systemctl disable --now %s.", name, unit)
		if s.service.Kind() == service.CommandKind {
			found.NextStep = fmt.Sprintf("Run here as root: baton service allow %s. Baton stops it then.", name)
		}
		return found
	}
	if found.Text = fmt.Sprintf("Service %s (%s) runs on this backup, and has not stopped yet.", name, what); !s.state.Runs {
		found.Text = fmt.Sprintf("Service %s (%s) ran on this backup, and Baton stopped it.", name, what)
	}
	found.NextStep = fmt.Sprintf("See that nothing else starts it: run systemctl disable --now %s. Who started it: journalctl -u %s.", unit, unit)
	if s.service.Kind() == service.CommandKind { // there may be no systemd, and nothing to disable
		found.NextStep = fmt.Sprintf("Look at what it did here: baton service log %s.", name)
	}
	return found
}

// Allowed reports whether root allows all of them on this machine.
func (k *Keeper) Allowed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !slices.ContainsFunc(k.known, func(s *kept) bool { return !s.isParked() && k.opt.Refused(s.service) != "" })
}
