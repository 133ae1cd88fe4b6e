package keeper

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/pair"
)

// park is an operator who stops service web, or starts it.
func (m *machine) park(parked bool) {
	m.with(func() { m.list, _ = m.list.WithParked("web", parked) })
}

// One that an operator has stopped stays so: it is neither started again, nor in a takeover.
func TestAParkedServiceStaysStopped(t *testing.T) {
	m := newMachine("db", "web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.park(true)
		if err := k.Do(t.Context(), "web"); err != nil || m.did() != "start db, start web, stop web" {
			t.Errorf("%v; %s", err, m.did())
		}
		time.Sleep(time.Minute)
		if err := errors.Join(k.Set(t.Context(), pair.Rest), k.Set(t.Context(), pair.Lead)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if m.did() != "start db, start web, stop web, stop db, start db" {
			t.Error(m.did())
		}
		shown := k.Status()[1]
		if !shown.Parked || shown.Wanted != "stopped" || shown.State != "stopped" || !shown.Healthy || !holds(k, "service-parked") || holds(k, "service-restarts") {
			t.Error(shown, k.Conditions())
		}
		m.park(false)
		if err := k.Do(t.Context(), "web"); err != nil || !strings.HasSuffix(m.did(), "start db, start web") || holds(k, "service-parked") {
			t.Errorf("%v; %s", err, m.did())
		}
	})
}

// It makes the site no sicker, keeps no site from opening, and no backup from being fit.
func TestAParkedServiceIsWaitedForByNobody(t *testing.T) {
	m := newMachine("web")
	m.refuses["start web"], m.answers["web"] = errors.New("web.service is masked"), errors.New("no answer")
	m.park(true)
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Follow); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if !k.Allowed() {
			t.Error(k.Allowed(), k.Conditions())
		}
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if k.sick() != nil || m.did() != "" {
			t.Error(k.sick(), m.did())
		}
	})
}

// What an operator stops is stopped, also while the site does not come up.
func TestAServiceIsParkedWhileAnotherDoesNotStart(t *testing.T) {
	m := newMachine("web", "db")
	m.refuses["start db"] = errors.New("db.service is masked")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err == nil {
			t.Fatal("it leads without db")
		}
		m.park(true)
		if err := k.Do(t.Context(), "web"); err != nil || m.did() != "start web, start db, stop web" {
			t.Errorf("%v; %s", err, m.did())
		}
	})
}

// It was sick when the operator stopped it.
func TestASickServiceThatIsParkedIsNotSick(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.answers["web"] = errors.New("no answer") })
		time.Sleep(10 * time.Second)
		if k.sick() == nil {
			t.Fatal("it is not sick")
		}
		m.park(true)
		if err := k.Do(t.Context(), "web"); err != nil || k.sick() != nil {
			t.Error(err, k.sick())
		}
	})
}

// Whatever starts it by hand, it is stopped again, but for a maintenance.
func TestAParkedServiceThatRunsIsStopped(t *testing.T) {
	m := newMachine("web")
	m.park(true)
	m.runs["web"], m.idle = true, true
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if m.did() != "" {
			t.Error(m.did())
		}
		m.with(func() { m.idle = false })
		time.Sleep(5 * time.Second)
		if m.did() != "stop web" {
			t.Error(m.did())
		}
	})
}

// What an operator asks for does not wait for checks, and does not hold up the decision.
func TestAnOperatorWaitsForNoCheckAndADutyForNoOperator(t *testing.T) {
	m := newMachine("db", "web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.checkLasts = time.Hour })
		time.Sleep(3 * time.Second) // they are asked now
		m.park(true)
		began := time.Now()
		if err := k.Do(t.Context(), "web"); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		m.park(false)
		asked := make(chan error, 1)
		go func() { asked <- k.Do(t.Context(), "web") }() // its check does not answer
		time.Sleep(time.Second)
		began = time.Now()
		if err := k.Set(t.Context(), pair.Rest); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if err := <-asked; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// A look that has its turn, and has not begun, is interrupted as well.
func TestADutyInterruptsALookThatIsAboutToBegin(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		<-k.turn
		set := make(chan error, 1)
		go func() { set <- k.Set(t.Context(), pair.Rest) }()
		synctest.Wait() // it waits for its turn
		look, end := k.interruptible(t.Context())
		if look.Err() == nil {
			t.Error("a look begins while a duty waits for it")
		}
		end()
		k.turn <- struct{}{}
		if err := <-set; err != nil {
			t.Error(err)
		}
		if look, end = k.interruptible(t.Context()); look.Err() != nil {
			t.Error("nobody waits any more, and no look begins")
		}
		end()
	})
}

// One who asks and leaves stops nothing.
func TestWhatAnOperatorAskedForGoesOnWithoutThem(t *testing.T) {
	m := newMachine("web")
	m.slow["start web"] = 20 * time.Second
	m.park(true)
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.park(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := k.Do(ctx, "web"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(30 * time.Second)
		if m.did() != "start web" || !k.Status()[0].Healthy {
			t.Error(m.did(), k.Status())
		}
	})
}

func TestTheHistoryHasStartsStopsAndFailures(t *testing.T) {
	m := newMachine("web")
	m.slow["start web"], m.slow["stop web"] = 1200*time.Millisecond, 300*time.Millisecond
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		for range 6 { // the sixth time it is told of for long
			m.with(func() { m.runs["web"] = false })
			time.Sleep(40 * time.Second)
		}
		shown := k.Status()[0]
		if shown.Restarts != 6 || shown.LastStart == nil || shown.LastStart.TookMS != 1200 || shown.Since.IsZero() {
			t.Errorf("%+v", shown)
		}
		if err := k.Set(t.Context(), pair.Rest); err != nil {
			t.Fatal(err)
		}
		if shown = k.Status()[0]; shown.LastStop == nil || shown.LastStop.TookMS != 300 {
			t.Errorf("%+v", shown)
		}
		m.with(func() { m.refuses["start web"] = errors.New("web.service is masked") })
		for range 3 {
			if err := k.Set(t.Context(), pair.Lead); err == nil {
				t.Error("it starts")
			}
		}
		want := `service-started: Service web was started in 1.2 s.
service-restarted: Service web has ended by itself, and was started again: it has ended: look at its log.
service-restarted: Service web has ended by itself, and was started again: it has ended: look at its log.
service-failed: Service web has ended 3 times within 10 min: it has ended: look at its log.
service-stopped: Service web was stopped in 300 ms.
service-failed: Service web does not start: web.service is masked.`
		if told := m.told(); told != want {
			t.Errorf("the history has\n%s", told)
		}
	})
}

// A check that fails is told once, and once more after it has passed.
func TestTheHistoryHasACheckThatFails(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m.with(func() { m.answers["web"] = errors.New("no answer") })
			time.Sleep(time.Minute)
			m.with(func() { delete(m.answers, "web") })
			time.Sleep(time.Minute)
		}
		const once = "\nservice-failed: Service web fails its check: no answer."
		if told := m.told(); told != "service-started: Service web was started in 0 ms."+once+once {
			t.Errorf("the history has\n%s", told)
		}
	})
}

// One without a check is told anew once it has rested.
func TestTheHistoryHasASecondTimeThatAServiceEndsTooOften(t *testing.T) {
	m := newMachine("web")
	m.list[0].Check = pair.HealthCheck{}
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			for range 4 {
				m.with(func() { m.runs["web"] = false })
				time.Sleep(40 * time.Second)
			}
			time.Sleep(while)
		}
		if told := m.told(); strings.Count(told, "service-failed: ") != 2 || strings.Count(told, "service-restarted: ") != 4 {
			t.Errorf("the history has\n%s", told)
		}
	})
}
