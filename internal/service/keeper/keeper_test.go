package keeper

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

func TestServicesStartInOrderAndStopInReverse(t *testing.T) {
	m := newMachine("db", "web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := errors.Join(k.Set(t.Context(), pair.Lead), k.Set(t.Context(), pair.Lead), k.Set(t.Context(), pair.Rest), k.Set(t.Context(), pair.Rest)); err != nil {
			t.Error(err)
		}
		if did := m.did(); did != "start db, start web, stop web, stop db" {
			t.Error(did)
		}
		if limit := k.StopLimit(); limit != 28*time.Second {
			t.Errorf("they may take %s to stop", limit)
		}
	})
}

func TestAServiceIsStartedOnceItsCheckPasses(t *testing.T) {
	m := newMachine("db", "web")
	m.answers["db"] = errors.New("tcp:db:80 refuses connections")
	each(t, m, func(k bubble) {
		t := k.t
		time.AfterFunc(5*time.Second, func() { m.with(func() { delete(m.answers, "db") }) })
		began := time.Now()
		if err := k.Set(t.Context(), pair.Lead); err != nil || time.Since(began) < 5*time.Second || time.Since(began) > 6*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestAServiceThatDoesNotComeUpIsNamed(t *testing.T) {
	m := newMachine("db", "web")
	m.refuses["start db"] = errors.New("db.service is masked")
	each(t, m, func(k bubble) {
		t := k.t
		err := k.Set(t.Context(), pair.Lead)
		if err == nil || err.Error() != "db: db.service is masked" {
			t.Error(err)
		}
		if m.did() != "start db" {
			t.Errorf("what comes after it was started as well: %s", m.did())
		}
	})
}

// A start that waits is no reason to wait with the stop.
func TestAnotherDutyInterruptsAStart(t *testing.T) {
	m := newMachine("db")
	m.slow["start db"] = time.Hour
	each(t, m, func(k bubble) {
		t := k.t
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := k.Set(ctx, pair.Lead); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := k.Set(t.Context(), pair.Rest); err != nil {
			t.Error(err)
		}
	})
}

// So does one that the keeper began by itself, since the service had ended.
func TestAnotherDutyInterruptsAStartOfItsOwn(t *testing.T) {
	m := newMachine("db")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.runs["db"] = false; m.slow["start db"] = 80 * time.Second })
		time.Sleep(10 * time.Second)
		began := time.Now()
		if err := k.Set(t.Context(), pair.Rest); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestAServiceThatEndsIsStartedAgain(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m.with(func() { m.runs["web"] = false })
			time.Sleep(10 * time.Second)
		}
		if m.did() != "start web, start web, start web" || k.sick() != nil {
			t.Errorf("%s; %v", m.did(), k.sick())
		}
		if !holds(k, "service-restarts") {
			t.Error("nobody is told")
		}
		m.with(func() { m.runs["web"] = false })
		time.Sleep(10 * time.Second)
		if why := k.sick(); why == nil || !strings.Contains(why.Error(), "web: it has ended 3 times") {
			t.Errorf("it is not sick: %v", why)
		}
		time.Sleep(while)
		if why := k.sick(); why != nil {
			t.Errorf("it stays sick: %v", why)
		}
	})
}

func TestWhatRunsOnABackupIsStopped(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Follow); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.runs["web"] = true })
		time.Sleep(5 * time.Second)
		if m.did() != "stop web" || !holds(k, "service-runs-on-backup") {
			t.Errorf("%s; %v", m.did(), k.Conditions())
		}
		if err := k.Set(t.Context(), pair.Lead); err != nil || holds(k, "service-runs-on-backup") {
			t.Errorf("%v; %v", err, k.Conditions())
		}
	})
}

func TestInMaintenanceNothingIsStartedAgain(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.idle, m.runs["web"] = true, false })
		time.Sleep(time.Minute)
		if m.did() != "start web" {
			t.Error(m.did())
		}
	})
}

func TestANewServiceOfAPrimaryIsStarted(t *testing.T) {
	m := newMachine()
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.list = newMachine("web").list })
		time.Sleep(5 * time.Second)
		if m.did() != "start web" || holds(k, "service-restarts") {
			t.Errorf("%s; %v", m.did(), k.Conditions())
		}
		m.with(func() { m.list = nil })
		if err := k.Set(t.Context(), pair.Rest); err != nil || m.did() != "start web" {
			t.Errorf("%v; what is of nobody's list is touched: %s", err, m.did())
		}
	})
}

func TestOnlyATimerFollowsWhenItRanOnThePeer(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		m.with(func() { m.there = []pair.ServiceStatus{{Name: "web", Ran: time.Now()}} })
		if err := k.Set(k.t.Context(), pair.Follow); err != nil {
			k.t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if m.with(func() {}); !m.ran.IsZero() {
			k.t.Error("a service that is no timer got a stamp")
		}
	})
}

// The job of the day does not run again after a takeover.
func TestATimerFollowsWhenItRanOnThePeer(t *testing.T) {
	m := newMachine("mail")
	each(t, m, func(k bubble) {
		t := k.t
		ran := time.Now()
		m.ran = ran.Add(-time.Hour)
		if err := k.Set(t.Context(), pair.Follow); err != nil {
			t.Fatal(err)
		}
		m.with(func() {
			m.there = []pair.ServiceStatus{{Name: "mail", Ran: ran}, {Name: "other", Ran: ran.Add(time.Hour)}}
		})
		time.Sleep(5 * time.Second)
		m.with(func() {
			if !m.ran.Equal(ran) {
				t.Errorf("the timer holds for run at %s", m.ran)
			}
			m.there[0].Ran = ran.Add(-time.Minute)
		})
		time.Sleep(5 * time.Second)
		m.with(func() {
			if !m.ran.Equal(ran) {
				t.Errorf("it goes back to %s", m.ran)
			}
		})
	})
}

func TestWhatRootDoesNotAllowIsNotStarted(t *testing.T) {
	m := newMachine("web")
	m.denied["web"] = "root has not allowed it"
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err == nil || !strings.Contains(err.Error(), "web: root has not allowed it") {
			t.Error(err)
		}
		if m.did() != "" || !holds(k, "service-not-allowed") {
			t.Error(m.did())
		}
	})
}

func TestOneThatDoesNotStopKeepsNoOtherFromIt(t *testing.T) {
	m := newMachine("db", "web")
	m.refuses["stop web"] = errors.New("processes 7 are left")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		err := k.Set(t.Context(), pair.Rest)
		if err == nil || err.Error() != "web: processes 7 are left" || !strings.HasSuffix(m.did(), "stop web, stop db") {
			t.Errorf("%v; %s", err, m.did())
		}
	})
}

// Something may be left of a service that does not run.
func TestOneThatDidNotStopIsStoppedAgain(t *testing.T) {
	m := newMachine("web")
	m.refuses["stop web"] = errors.New("tcp 0.0.0.0:80 is still open")
	each(t, m, func(k bubble) {
		t := k.t
		for range 2 {
			if err := k.Set(t.Context(), pair.Rest); err == nil {
				t.Error("it is taken for stopped")
			}
		}
	})
}

// A service that is added to a site that is up, and does not start, is told, and moves nothing.
func TestANewServiceThatDoesNotStartIsNotSick(t *testing.T) {
	m := newMachine()
	m.refuses["start web"] = errors.New("web.service is masked")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.list = newMachine("web").list })
		time.Sleep(time.Minute)
		if k.sick() != nil || !holds(k, "service-restarts") || !strings.Contains(k.Conditions()[0].Text, "Service web does not start, and is tried again: web.service is masked.") {
			t.Error(k.sick(), k.Conditions())
		}
		m.with(func() { delete(m.refuses, "start web") })
		time.Sleep(35 * time.Second)
		if !k.Status()[0].Healthy {
			t.Error(k.Status())
		}
	})
}

func TestAListThatCannotBeReadKeepsNoServiceRunning(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.unread = errors.New("the database is busy") })
		if err := k.Set(t.Context(), pair.Rest); err != nil || m.did() != "start web, stop web" {
			t.Errorf("%v; %s", err, m.did())
		}
		if err := k.Set(t.Context(), pair.Lead); err == nil {
			t.Error("it leads with a list that may be another by now")
		}
	})
}

// The machine is to stop them after Baton when it shuts down.
func TestTheMachineIsToldItsOrder(t *testing.T) {
	m := newMachine("db", "web")
	each(t, m, func(k bubble) {
		t := k.t
		time.Sleep(3 * time.Second)
		m.with(func() {
			if len(m.orders) == 0 || m.orders[len(m.orders)-1] != 2 {
				t.Errorf("it is told of %v services", m.orders)
			}
		})
	})
}

// A backup on which a service may not run, or could not, says so before it matters.
func TestABackupThatCouldNotStartAServiceSaysSo(t *testing.T) {
	m := newMachine("db", "web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Follow); err != nil || !k.Allowed() {
			t.Error(err, k.Allowed())
		}
		m.with(func() { m.denied["web"] = "root has not allowed it" })
		if k.Allowed() {
			t.Error("all are allowed, and root does not allow it")
		}
		m.with(func() { delete(m.denied, "web"); m.hindered = map[string]string{"db": "db.service is masked"} })
		time.Sleep(3 * time.Second)
		if k.Status()[0].Trouble != "db.service is masked" {
			t.Error(k.Status())
		}
	})
}

// Its own manager may start it again before anybody sees that it has ended.
func TestOneThatItsManagerRestartsTooOftenIsSick(t *testing.T) {
	m := newMachine("web")
	m.restarts = 7 // on another day
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if k.sick() != nil || holds(k, "service-restarts") {
			t.Error(k.sick(), k.Conditions())
		}
		m.with(func() { m.restarts += 3 })
		time.Sleep(3 * time.Second)
		if why := k.sick(); why == nil || !strings.Contains(why.Error(), "web: it has ended 3 times") {
			t.Errorf("it is not sick: %v", why)
		}
	})
}

// A unit that has ended may wait for an hour until its manager starts it again (RestartSec=), or start for ever: it is not up.
func TestOneThatIsNotUpIsNotHealthy(t *testing.T) {
	m := newMachine("web")
	m.list[0].Check = pair.HealthCheck{}
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.down = true })
		time.Sleep(5 * time.Second)
		if one := k.Status()[0]; one.Healthy || one.Trouble == "" || k.sick() != nil {
			t.Errorf("%+v, sick: %v", one, k.sick())
		}
		time.Sleep(startLimit)
		if why := k.sick(); why == nil || !strings.Contains(why.Error(), "web: it is not up") {
			t.Errorf("it is not sick: %v", why)
		}
		m.with(func() { m.down = false })
		time.Sleep(5 * time.Second)
		if one := k.Status()[0]; !one.Healthy || k.sick() != nil {
			t.Errorf("%+v, sick: %v", one, k.sick())
		}
	})
}

// A check is a line that runs as root as well: that the service runs already allows nothing.
func TestWhatRootDoesNotAllowIsNotChecked(t *testing.T) {
	m := newMachine("web")
	m.list[0].Check = pair.HealthCheck{Exec: "touch /root/owned"}
	m.denied["web"] = "root has not allowed it"
	m.runs["web"] = true
	each(t, m, func(k bubble) {
		t := k.t
		m.with(func() { m.list = nil })
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() {
			m.list = newMachine("web").list
			m.list[0].Check = pair.HealthCheck{Exec: "touch /root/owned"}
		})
		time.Sleep(10 * time.Second)
		m.with(func() {
			if len(m.lines) > 0 {
				t.Errorf("%q was run as root", m.lines)
			}
		})
	})
}

// What root has never allowed on a machine is for nobody else to stop either: the peer and
// administrators of the pair choose the list.
func TestWhatRootHasNotAllowedIsNotTouched(t *testing.T) {
	m := newMachine("db", "web")
	m.denied["web"] = "root has not allowed it"
	m.runs["web"] = true
	m.there = []pair.ServiceStatus{{Name: "web", Ran: time.Now()}}
	each(t, m, func(k bubble) {
		t := k.t
		err := k.Set(t.Context(), pair.Follow)
		if err == nil || !strings.Contains(err.Error(), "web: it runs on alpha, and root has not allowed Baton to stop it: run there, as root, baton service allow web, or stop it") {
			t.Errorf("the backup says %v", err)
		}
		time.Sleep(5 * time.Second)
		m.with(func() {
			if got := m.orders[len(m.orders)-1]; got != 1 || !m.runs["web"] || !m.ran.IsZero() {
				t.Errorf("it was touched, or %d services were to be stopped after Baton", got)
			}
		})
		if !holds(k, "service-runs-on-backup") {
			t.Error(k.Conditions())
		}
		m.with(func() { delete(m.denied, "web") })
		if err := k.Set(t.Context(), pair.Follow); err != nil || k.Status()[1].State != "stopped" {
			t.Errorf("it is allowed, and runs: %v", err)
		}
	})
}

// What is long ago is forgotten, and what is not is still told.
func TestAnEndThatIsLongAgoHidesNoLaterOne(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.runs["web"] = false })
		time.Sleep(while - 10*time.Second)
		m.with(func() { m.runs["web"] = false })
		time.Sleep(5 * time.Second)
		for range 200 { // the first is forgotten meanwhile
			time.Sleep(100 * time.Millisecond)
			if !holds(k, "service-restarts") {
				t.Fatal("the second end is not told any more")
			}
		}
	})
}

// Nobody is told that a service was stopped while it runs on.
func TestOneThatDoesNotStopOnABackupIsTold(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Follow); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.runs["web"] = true; m.refuses["stop web"] = errors.New("processes 7 are left") })
		time.Sleep(5 * time.Second)
		told := k.Conditions()
		if len(told) != 1 || told[0].Text != "Service web (web.service) runs on this backup, and has not stopped yet." || m.told() != "service-failed: Service web does not stop: processes 7 are left." {
			t.Error(told, m.told())
		}
		m.with(func() { delete(m.refuses, "stop web") })
		time.Sleep(5 * time.Second)
		if told = k.Conditions(); len(told) != 1 || told[0].Text != "Service web (web.service) ran on this backup, and Baton stopped it." {
			t.Error(told)
		}
	})
}

// What nobody can see may run.
func TestOneOfWhichNothingIsKnownIsStopped(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.unseen = errors.New("when it last ran cannot be read") })
		if err := k.Set(t.Context(), pair.Rest); err != nil || m.did() != "start web, stop web" {
			t.Errorf("%v; %s", err, m.did())
		}
	})
}

// That it takes too long is one sentence, at the first start and at each later one.
func TestAStartThatTakesTooLongSaysSo(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.slow["start web"] = time.Hour; m.runs["web"] = false })
		time.Sleep(2 * time.Minute)
		if err := k.Set(t.Context(), pair.Lead); err == nil || err.Error() != "web: it does not start within 1 min 30 s: look at its log" {
			t.Error(err)
		}
		if told := m.told(); !strings.HasSuffix(told, "does not start: it does not start within 1 min 30 s: look at its log.") || strings.Contains(told, "deadline") {
			t.Error(told)
		}
	})
}

// Its check is not asked any more, so that nobody knows whether it is healthy.
func TestOneThatRootAllowsNoLongerIsNotHealthy(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		m.with(func() { m.denied["web"] = "root has not allowed it" })
		time.Sleep(5 * time.Second)
		if shown := k.Status()[0]; shown.State != "running" || shown.Healthy || shown.HealthText() != "sick" || shown.Trouble != "root has not allowed it" {
			t.Errorf("%+v", shown)
		}
	})
}
