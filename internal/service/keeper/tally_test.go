package keeper

import (
	"testing"
	"time"

	"baton/internal/pair"
)

// What services did is known after a restart of the daemon, until another service has their name.
func TestWhatServicesDidOutlivesTheDaemon(t *testing.T) {
	m := newMachine("db", "web")
	var before []pair.ServiceStatus
	each(t, m, func(k bubble) {
		if err := k.Set(k.t.Context(), pair.Lead); err != nil {
			k.t.Fatal(err)
		}
		m.with(func() { m.runs["web"] = false }) // it ends by itself
		time.Sleep(10 * time.Second)
		if err := k.Set(k.t.Context(), pair.Follow); err != nil {
			k.t.Fatal(err)
		}
		before = k.Status()
		k.Close()
	})
	if len(before) != 2 || before[1].LastStart == nil || before[1].LastStop == nil || before[1].Restarts != 1 {
		t.Fatalf("%+v", before)
	}
	m.with(func() { m.list[0].Unit = "other.service" })
	each(t, m, func(k bubble) {
		time.Sleep(5 * time.Second) // it looks
		after := k.Status()
		if one := after[1]; one.Restarts != 1 || one.LastStart == nil || *one.LastStart != *before[1].LastStart || one.LastStop == nil || *one.LastStop != *before[1].LastStop {
			k.t.Errorf("%+v, and was %+v", one, before[1])
		}
		if one := after[0]; one.LastStart != nil || one.LastStop != nil {
			k.t.Errorf("another service has what the one before did: %+v", one)
		}
	})
}

// A disk that hangs holds up neither a duty nor a look; what is written then is what is newest.
func TestADiskThatHangsHoldsUpNoService(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		hangs := make(chan struct{})
		store := k.opt.SaveTallies
		k.opt.SaveTallies = func(all Tallies) error { <-hangs; return store(all) }
		for _, duty := range []pair.Duty{pair.Lead, pair.Follow} {
			if err := k.Set(k.t.Context(), duty); err != nil {
				k.t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		close(hangs)
		k.Close()
		if m.stored["web"].LastStart == nil || m.stored["web"].LastStop == nil {
			k.t.Errorf("%+v", m.stored)
		}
	})
}
