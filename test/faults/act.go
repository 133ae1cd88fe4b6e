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
		text := fmt.Sprintf("%s on %s (%s)", s.Kind, on.Name(), s.On)
		all = append(all, deed{s.After, text, func(ctx context.Context) error { return r.begin(ctx, s, on) }})
		if s.Lasts > 0 && s.Kind != kindKill { // the service manager ends that
			all = append(all, deed{s.After + s.Lasts, "end of " + text, func(ctx context.Context) error { return r.end(ctx, s, on) }})
		}
	}
	slices.SortStableFunc(all, func(a, b deed) int { return int(a.at - b.at) })
	return all
}

// begin strikes. What strikes a host that is off strikes nothing.
func (r *round) begin(ctx context.Context, s strike, on *machine) (err error) {
	l, other := r.world.lab, r.machine(s.On.other())
	switch s.Kind {
	case kindCut:
		if on.On() {
			_, err = l.CutCable(on.Host)
		}
	case kindSilence:
		_, err = l.Silence(on.Host)
	case kindPartition:
		_, err = l.Partition(on.Host, other.Host)
	case kindOneWay:
		_, err = l.OneWay(on.Host, other.Host)
	case kindPolls:
		_, err = l.LosePolls(on.Host, other.Host)
	case kindLoss:
		_, err = l.Loss(on.Host, s.Percent)
	case kindDelay:
		err = ifOn(on, func() error { _, err := l.Delay(on.Host, s.By); return err })
	case kindHang:
		err = on.hang()
	case kindKill:
		err = on.kill(s.Lasts, s.Hard)
	case kindPower:
		err = on.unplug(l)
	case kindSwitch, kindSwitchNow:
		r.ask(ctx, on, s.Kind)
	case kindAddress:
		err = ifOn(on, func() error { _, err := l.FlushAddress(on.Host, sharedIP().Addr()); return err })
	case kindRules:
		err = ifOn(on, func() error { _, err := l.FlushRules(on.Host); return err })
	case kindFull:
		err = ifOn(on, func() error { _, err := l.Fill(on.Host); return err })
	}
	return err
}

// end mends.
func (r *round) end(ctx context.Context, s strike, on *machine) (err error) {
	l, other := r.world.lab, r.machine(s.On.other())
	switch s.Kind {
	case kindCut:
		if on.On() {
			_, err = l.PlugCable(on.Host)
		}
	case kindSilence:
		_, err = l.Unsilence(on.Host)
	case kindPartition, kindOneWay, kindPolls:
		_, err = l.Reconnect(on.Host, other.Host)
	case kindLoss:
		_, err = l.Loss(on.Host, 0)
	case kindDelay:
		_, err = l.Delay(on.Host, 0)
	case kindHang:
		err = on.wake()
	case kindPower:
		err = on.plug(ctx, l)
	case kindFull:
		err = ifOn(on, func() error { _, err := l.Drain(on.Host); return err })
	case kindKill, kindSwitch, kindSwitchNow, kindAddress, kindRules:
	}
	return err
}

func ifOn(m *machine, do func() error) error {
	if !m.On() {
		return nil
	}
	return do()
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
		got, err := on.Run(ctx, "", args...)
		r.note("the switch ended with exit code %d %s %v", got.Code, got.Errs, err)
		if got.Code != 0 || err != nil {
			r.switchRefused()
		}
	})
}

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
			if _, err := f(m.Host); err != nil {
				return err
			}
		}
		if err := m.wake(); err != nil {
			return err
		}
	}
	return nil
}
