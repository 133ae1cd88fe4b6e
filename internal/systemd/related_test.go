package systemd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The time that a switch allows is that of all that is stopped.
func TestTheStopLimitCountsWhatStopsWithAUnit(t *testing.T) {
	m := connected(t)
	service := unit(t, m, "try-limit.service", "[Service]\nTimeoutStopSec=3\nExecStart=/bin/sleep 1000\n")
	part := unit(t, m, "try-limit-part.service", "[Unit]\nPartOf=try-limit.service\n[Service]\nTimeoutStopSec=7\nExecStart=/bin/sleep 1000\n")
	endless := unit(t, m, "try-limit-endless.service", "[Unit]\nBindsTo=try-limit.service\n[Service]\nTimeoutStopSec=infinity\nExecStart=/bin/sleep 1000\n")
	must(t, errors.Join(m.Start(t.Context(), service), m.Start(t.Context(), part), m.Start(t.Context(), endless)))
	if limit, err := m.StopLimit(t.Context(), state(t, m, service), 20*time.Second); err != nil || limit != 30*time.Second+2*killed {
		t.Errorf("it may take %s: %v", limit, err)
	}
}

// What needs a unit may itself be needed, or be started by a timer, which would start both.
func TestWhatStopsWithAUnitStopsWithAllOfIts(t *testing.T) {
	t.Parallel()
	units := map[string]Unit{
		"db.service":      {RequiredBy: []string{"app.service", "cleanup.service", "multi-user.target"}},
		"app.service":     {BoundBy: []string{"worker.service"}, TriggeredBy: []string{"app.socket"}},
		"worker.service":  {Parts: []string{"app.service"}}, // a circle
		"app.socket":      {Triggers: []string{"app.service"}},
		"cleanup.service": {TriggeredBy: []string{"cleanup.timer"}},
		"cleanup.timer":   {Triggers: []string{"cleanup.service"}},
		"night.timer":     {Triggers: []string{"night.target"}},
		"night.target":    {RequiredBy: []string{"ssh.service"}},
		"web.service":     {},
	}
	look := func(name string) (Unit, error) {
		one, known := units[name]
		if !known {
			return one, errors.New(name + " is asked for")
		}
		one.Name = name
		return one, nil
	}
	for name, want := range map[string][]string{
		"db.service":    {"app.socket", "worker.service", "app.service", "cleanup.timer", "cleanup.service", "db.service"},
		"cleanup.timer": {"cleanup.timer", "cleanup.service"},
		"night.timer":   {"night.timer", "night.target"},
		"web.service":   {"web.service"},
	} {
		all, first := related{unit: look, known: map[string]bool{}}, units[name]
		first.Name = name
		if err := all.add(first); err != nil {
			t.Error(err)
		}
		var got []string
		for _, one := range all.order {
			got = append(got, one.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The same on a machine: it was the unit beside which another one still ran.
func TestAChainOfUnitsIsStopped(t *testing.T) {
	m := connected(t)
	first := unit(t, m, "try-chain.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	second := unit(t, m, "try-chain-second.service", "[Unit]\nRequires=try-chain.service\n[Service]\nExecStart=/bin/sleep 1000\n")
	third := unit(t, m, "try-chain-third.service", "[Unit]\nRequires=try-chain-second.service\n[Service]\nExecStart=/bin/sleep 1000\n")
	timer := unit(t, m, "try-chain-second.timer", "[Timer]\nOnActiveSec=1h\n")
	must(t, errors.Join(m.Start(t.Context(), third), m.Start(t.Context(), timer), m.Stop(t.Context(), first, time.Second)))
	for _, name := range []string{first, second, third, timer} {
		if one := state(t, m, name); one.Runs() {
			t.Errorf("%s is %s", name, one.Active)
		}
	}
}

// By any of its names a unit is the same.
func TestAnAliasIsKnownByItsOwnName(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-named.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	alias := filepath.Join("/run/systemd/system", "try-alias.service")
	must(t, os.Symlink("/run/systemd/system/"+name, alias))
	t.Cleanup(func() { _ = os.Remove(alias) })
	must(t, m.conn.ReloadContext(t.Context()))
	for _, asked := range []string{name, "try-alias.service"} {
		if u := state(t, m, asked); u.ID != name || u.Name != asked {
			t.Errorf("%s: %s is %s", asked, u.Name, u.ID)
		}
	}
}

// A unit that ends when it has done its work is told from one that counts as up from then on.
func TestWhatEndsWithItsWork(t *testing.T) {
	m := connected(t)
	for text, ends := range map[string]bool{"Type=oneshot": true, "Type=oneshot\nRemainAfterExit=yes": false, "Type=simple": false} {
		if u := state(t, m, unit(t, m, "try-ends.service", "[Service]\n"+text+"\nExecStart=/bin/sleep 1000\n")); u.Ends != ends {
			t.Errorf("%s: %t", text, u.Ends)
		}
	}
}

// A port that systemd holds for a unit is one of the unit.
func TestThePortsOfASocketUnitCount(t *testing.T) {
	m := connected(t)
	service := unit(t, m, "try-held.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	socket := unit(t, m, "try-held.socket", "[Socket]\nListenStream=127.0.0.1:7007\nListenStream=7008\nListenDatagram=[::1]:7009\nListenStream=/run/try-held\n")
	if ports := m.Ports(t.Context(), state(t, m, service)); len(ports) != 0 {
		t.Errorf("before: %v", ports)
	}
	must(t, m.Start(t.Context(), socket))
	if ports := m.Ports(t.Context(), state(t, m, service)); !slices.Equal(ports, []string{"tcp *:7008", "tcp 127.0.0.1:7007", "udp [::1]:7009"}) {
		t.Errorf("%v", ports)
	}
}

// A unit that comes after Baton cannot be stopped after it.
func TestAUnitThatComesAfterIsLeftOutOfTheOrder(t *testing.T) {
	m := connected(t)
	between := "try-order.service"
	early := unit(t, m, "try-early.service", "[Unit]\nAfter=baton.service\n[Service]\nExecStart=/bin/sleep 1000\n")
	late := unit(t, m, "try-late.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	must(t, m.StopAfter(t.Context(), between, "baton.service", []string{early, late}))
	t.Cleanup(func() { _ = m.Stop(context.Background(), between, time.Second) })
	if u := state(t, m, between); slices.Contains(u.After, early) || !slices.Contains(u.After, late) {
		t.Errorf("it comes after %v", u.After)
	}
}
