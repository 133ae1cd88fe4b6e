// Package unit runs services by systemd: its own units, and commands as units that Baton makes.
// Neither is a child of the daemon: systemd keeps them, also while the daemon is replaced.
package unit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"baton/internal/pair"
	"baton/internal/service"
	"baton/internal/service/keeper"
	"baton/internal/service/program"
	"baton/internal/systemd"
)

// Machine is systemd on this machine. Close ends its connection.
type Machine struct {
	sums    program.Sums
	turn    chan struct{} // holds one token: who has it may connect
	conn    *systemd.Manager
	reading chan struct{} // holds one token: who has it reads the journal
	ordered []string      // the units that stop after Baton at a shutdown; nil: not known
}

// On returns the machine's systemd.
func On() *Machine {
	m := &Machine{turn: make(chan struct{}, 1), reading: make(chan struct{}, 1)}
	m.turn <- struct{}{}
	m.reading <- struct{}{}
	return m
}

// Close ends the connection. Whoever is about to use it may have it made again.
func (m *Machine) Close() {
	<-m.turn
	defer func() { m.turn <- struct{}{} }()
	m.disconnect()
}

func (m *Machine) disconnect() {
	if m.conn != nil {
		m.conn.Close()
		m.conn = nil
	}
}

// Runner returns what starts and stops a service.
func (m *Machine) Runner(of service.Definition) keeper.Runner {
	return &runner{machine: m, service: of, unit: of.RunsAs()}
}

// Stop returns once nothing of a service is left on this machine.
func (m *Machine) Stop(ctx context.Context, of service.Definition) error {
	return m.Runner(of).Stop(ctx)
}

// Startable refuses a service that nothing can start on this machine.
func (m *Machine) Startable(ctx context.Context, of service.Definition) error {
	return m.do(ctx, func(conn *systemd.Manager) error {
		unit, err := conn.Unit(ctx, of.RunsAs())
		switch {
		case err != nil:
			return err
		case of.Unit != "" && unit.Unloadable() != "":
			return errors.New(unit.Unloadable())
		case unit.Ends && of.Unit != "":
			return fmt.Errorf("%s ends when it has done its work (Type=oneshot), and would be started again and again: name its timer, or give it RemainAfterExit=yes by systemctl edit %s", unit.Name, unit.Name)
		case of.Unit != "":
			return ofSite(unit)
		case of.Unit == "" && unit.Runs(): // what its program is, systemd finds out when it starts it
			return fmt.Errorf("an earlier service %s, which was removed, still runs: run %s", of.Name, m.ByHand(of))
		}
		return nil
	})
}

// ByHand is the command by which a person stops a service that Baton no longer keeps.
func (m *Machine) ByHand(of service.Definition) string { return "systemctl stop " + of.RunsAs() }

// OfSite refuses a unit that is known by another name on this machine, since that may be one of the machine itself.
func (m *Machine) OfSite(ctx context.Context, of service.Definition) error {
	if of.Unit == "" {
		return nil
	}
	return m.do(ctx, func(conn *systemd.Manager) error {
		unit, err := conn.Unit(ctx, of.RunsAs())
		if err != nil {
			return err
		}
		return ofSite(unit)
	})
}

func ofSite(unit systemd.Unit) error {
	if unit.ID == "" || unit.ID == unit.Name {
		return nil
	}
	return fmt.Errorf("%s is another name of %s on this machine: add the service by that name", unit.Name, unit.ID)
}

// own is the unit of Baton. At a shutdown it is stopped before those of the services, by a unit
// that is between them in the order.
const (
	own   = "baton.service"
	order = "baton-order.service"
)

// StopLeft has systemd stop what a daemon that was killed has left running, and does not wait:
// the peer may be about to start the same. The next daemon waits for it, before it does anything else.
func StopLeft(ctx context.Context) error {
	m := On()
	defer m.Close()
	return m.do(ctx, func(conn *systemd.Manager) error { return conn.StopNow(ctx, order, "baton-service-*.service") })
}

// Order has systemd stop the services after Baton, when it stops all at a shutdown: else it
// would stop them while Baton hands the site over. Units of commands know it by themselves. It is
// called by one goroutine at a time.
func (m *Machine) Order(ctx context.Context, list service.List) error {
	units := make([]string, 0, len(list))
	for _, one := range list {
		if one.Unit != "" {
			units = append(units, string(one.Unit))
		}
	}
	if m.ordered != nil && slices.Equal(units, m.ordered) {
		return nil
	}
	err := m.do(ctx, func(conn *systemd.Manager) error {
		return conn.StopAfter(ctx, order, own, units)
	})
	if err == nil {
		m.ordered = units
	}
	return err
}

// do calls f with a connection to systemd. One that systemd has ended is made anew.
func (m *Machine) do(ctx context.Context, f func(*systemd.Manager) error) error {
	conn, err := m.connect(ctx)
	if err != nil {
		return err
	}
	return f(conn)
}

// connectWithin bounds how long systemd may take to answer at all.
const connectWithin = 2 * time.Second

func (m *Machine) connect(ctx context.Context) (*systemd.Manager, error) {
	select {
	case <-m.turn:
		defer func() { m.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if m.conn != nil && m.conn.Connected() {
		return m.conn, nil
	}
	m.disconnect()
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the connection outlives this call
	late := time.AfterFunc(connectWithin, cancel)
	conn, err := systemd.Connect(lasting)
	if err != nil {
		cancel()
		return nil, err
	}
	if !late.Stop() {
		return nil, fmt.Errorf("systemd does not answer within %s: look at it with systemctl status", pair.LastingText(connectWithin))
	}
	m.conn = conn
	return conn, nil
}

// runner is one service. It implements keeper.Runner.
type runner struct {
	machine *Machine
	service service.Definition
	unit    string

	mu    sync.Mutex
	seen  keeper.State
	sign  string    // of the unit, when seen was asked for
	asked time.Time // when that was
}

// Start implements keeper.Runner.
func (r *runner) Start(ctx context.Context) error {
	return r.machine.do(ctx, func(conn *systemd.Manager) error {
		if r.service.Kind() == service.CommandKind {
			return conn.Run(ctx, r.command(r.unit, r.service.Command.Args))
		}
		return conn.Start(ctx, r.unit)
	})
}

func (r *runner) command(unit string, args []string) systemd.Command {
	c := r.service.Command
	return systemd.Command{
		Unit: unit, Before: own, Description: "Service " + r.service.Name + " of Baton", Args: args,
		User: c.User, Group: c.Group, Dir: c.Dir, Env: c.Env,
		Memory: uint64(c.Limits.Memory) << 20, Tasks: uint64(c.Limits.Tasks), Files: uint64(c.Limits.Files), //nolint:gosec // they are not negative
	}
}

// Stop implements keeper.Runner.
func (r *runner) Stop(ctx context.Context) error {
	return r.machine.do(ctx, func(conn *systemd.Manager) error { return conn.Stop(ctx, r.unit, keeper.LongStop) })
}

// wholeEvery is how often all of a unit is asked for. In between, it is asked for if its sign has changed.
const wholeEvery = 20 * time.Second

// State implements keeper.Runner.
func (r *runner) State(ctx context.Context) (state keeper.State, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = r.machine.do(ctx, func(conn *systemd.Manager) error {
		sign, err := conn.Sign(ctx, r.unit)
		if err != nil {
			return err
		}
		if sign != r.sign || time.Since(r.asked) >= wholeEvery {
			if r.seen, err = r.whole(ctx, conn); err != nil {
				r.sign = ""
				return err
			}
			r.sign, r.asked = sign, time.Now()
		}
		state = r.seen
		if state.Persistent {
			state.Ran, err = systemd.Stamp(r.unit)
		}
		return err
	})
	return state, err
}

// whole asks for all of the unit, and for what starts and stops with it.
func (r *runner) whole(ctx context.Context, conn *systemd.Manager) (keeper.State, error) {
	unit, err := conn.Unit(ctx, r.unit)
	if err != nil {
		return keeper.State{}, err
	}
	state := r.state(unit)
	if state.StopLimit, err = conn.StopLimit(ctx, unit, keeper.LongStop); err != nil {
		return state, err
	}
	starters := []systemd.Unit{unit}
	for _, name := range unit.TriggeredBy {
		one, err := conn.Unit(ctx, name)
		if err != nil {
			return state, err
		}
		starters = append(starters, one)
	}
	state.AtBoot, err = atBoot(starters, func(name string) (systemd.Unit, error) { return conn.Unit(ctx, name) })
	return state, err
}

func (r *runner) state(unit systemd.Unit) keeper.State {
	state := keeper.State{
		Runs: unit.Runs(), Up: slices.Contains([]string{"active", "reloading", "refreshing"}, unit.Active), Restarts: int(unit.Restarts), Persistent: unit.Persistent,
		StopsEarly: slices.Contains(unit.After, own),
	}
	if state.Since = unit.Stopped; state.Runs {
		state.Since = unit.Started
	}
	switch {
	case r.service.Kind() == service.UnitKind && unit.Unloadable() != "":
		state.Hindered = unit.Unloadable()
	case unit.Active == "failed":
		state.Failed = fmt.Sprintf("%s has ended (%s): look at journalctl -u %s", r.unit, unit.Result, r.unit)
	}
	return state
}

// SetRan implements keeper.Runner.
func (r *runner) SetRan(ran time.Time) error { return systemd.SetStamp(r.unit, ran) }
