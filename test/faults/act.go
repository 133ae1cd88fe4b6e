package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"baton/internal/lab"
)

// deed is something to be done at a moment of the round.
type deed struct {
	at   time.Duration // since the round began
	what string
	do   func(ctx context.Context) error
}

// deeds lists what a plan asks for, in the order of time.
func (r *round) deeds() []deed {
	var all []deed
	for _, s := range r.plan.strikes() {
		on := r.machine(s.On)
		text := fmt.Sprintf("%s on %s (%s)", s.Kind, on.appliance.Name(), s.On)
		all = append(all, deed{s.After, text, func(ctx context.Context) error { return r.begin(ctx, s, on) }})
		if s.Lasts > 0 && s.Kind != kindKill && s.Kind != kindStop { // the service manager ends those
			all = append(all, deed{s.After + s.Lasts, "end of " + text, func(ctx context.Context) error { return r.end(ctx, s, on) }})
		}
	}
	slices.SortStableFunc(all, func(a, b deed) int { return int(a.at - b.at) })
	return all
}

// begin strikes. What strikes a host that is off strikes nothing.
func (r *round) begin(ctx context.Context, s strike, on *machine) (err error) {
	l, host, other := r.world.lab, on.appliance.Host, r.machine(s.On.other()).appliance.Host
	switch s.Kind {
	case kindCut:
		err = ifOn(host, l.CutCable)
	case kindSilence:
		_, err = l.Silence(host)
	case kindPartition:
		_, err = l.Partition(host, other)
	case kindOneWay:
		_, err = l.OneWay(host, other)
	case kindPolls:
		_, err = l.LosePolls(host, other)
	case kindLoss:
		_, err = l.Loss(host, s.Percent)
	case kindDelay:
		err = ifOn(host, func(h *lab.Host) (time.Time, error) { return l.Delay(h, s.By) })
	case kindHang:
		err = on.service.hang()
	case kindKill:
		err = on.service.kill(s.Lasts, s.Hard)
	case kindStop:
		err = r.ends(ctx, on, func() error { return on.service.stop(s.Lasts) })
	case kindRestart:
		err = r.ends(ctx, on, on.service.restart)
	case kindReload:
		r.reload(ctx, on)
	case kindUpgrade:
		if err = on.install(); err == nil {
			r.reload(ctx, on)
		}
	case kindPower:
		err = on.unplug(l)
	case kindSwitch, kindSwitchNow:
		r.ask(ctx, on, s.Kind)
	case kindAddress:
		err = ifOn(host, func(h *lab.Host) (time.Time, error) { return l.FlushAddress(h, sharedIP().Addr()) })
	case kindRules:
		err = ifOn(host, l.FlushRules)
	case kindFull:
		err = ifOn(host, l.Fill)
	}
	return err
}

// end mends.
func (r *round) end(ctx context.Context, s strike, on *machine) (err error) {
	l, host, other := r.world.lab, on.appliance.Host, r.machine(s.On.other()).appliance.Host
	switch s.Kind {
	case kindCut:
		err = ifOn(host, l.PlugCable)
	case kindSilence:
		_, err = l.Unsilence(host)
	case kindPartition, kindOneWay, kindPolls:
		_, err = l.Reconnect(host, other)
	case kindLoss:
		_, err = l.Loss(host, 0)
	case kindDelay:
		_, err = l.Delay(host, 0)
	case kindHang:
		err = on.service.wake()
	case kindPower:
		err = on.plug(ctx, l)
	case kindFull:
		err = ifOn(host, l.Drain)
	case kindKill, kindStop, kindRestart, kindReload, kindUpgrade, kindSwitch, kindSwitchNow, kindAddress, kindRules:
	}
	return err
}

// ifOn does something to a host that has power, and nothing to one that is off.
func ifOn(host *lab.Host, do func(*lab.Host) (time.Time, error)) error {
	if !host.On() {
		return nil
	}
	_, err := do(host)
	return err
}

// ask asks for a planned switch, beside everything else. Whether it is refused or
// rolled back is the pair's affair, if something else strikes meanwhile.
func (r *round) ask(ctx context.Context, on *machine, how kind) {
	args := []string{"become", "primary", "--wait"}
	if how == kindSwitch {
		args = append(args, "--final-sync")
	}
	r.asked.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, switchLimit)
		defer cancel()
		got, err := on.appliance.Run(ctx, "", args...)
		r.note("the switch ended with exit code %d %s %v", got.Code, got.Errs, err)
		if got.Code != 0 || err != nil {
			r.switchRefused()
		}
	})
}

// reload has the installed program take the place of the one that runs, beside everything else.
func (r *round) reload(ctx context.Context, on *machine) {
	r.asked.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, switchLimit)
		defer cancel()
		got, err := on.appliance.Run(ctx, "", "reload")
		r.note("the reload ended with exit code %d %s %v", got.Code, got.Errs, err)
		if got.Code != 0 || err != nil {
			r.orderRefused()
		}
	})
}

// ends has the daemon end in order. The round goes on until it has ended and runs again.
func (r *round) ends(ctx context.Context, on *machine, how func() error) error {
	before := on.appliance.Daemon()
	if err := how(); err != nil {
		return err
	}
	r.asked.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, stopLimit)
		defer cancel()
		for on.appliance.Daemon() == before {
			if rest(ctx, 10*time.Millisecond) != nil {
				r.note("the daemon of %s has not ended", on.appliance.Name())
				r.orderRefused()
				return
			}
		}
	})
	return nil
}

// stopLimit bounds a stop and the start that follows it (TimeoutStopSec).
const stopLimit = 60 * time.Second

// switchLimit bounds the wait for a planned switch; one that failed rolls back.
const switchLimit = 40 * time.Second

// mend makes both hosts whole, whatever the plan left.
func (w *world) mend(ctx context.Context) error {
	if _, err := w.lab.Heal(); err != nil {
		return err
	}
	for _, m := range w.both() {
		if err := m.plug(ctx, w.lab); err != nil {
			return err
		}
		for _, f := range []func(*lab.Host) (time.Time, error){w.lab.PlugCable, w.lab.Drain} {
			if _, err := f(m.appliance.Host); err != nil {
				return err
			}
		}
		if err := m.service.wake(); err != nil {
			return err
		}
	}
	return nil
}
