package keeper

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"baton/internal/health"
	"baton/internal/pair"
)

// A check has its own pace.
func TestAServiceIsCheckedAtItsPace(t *testing.T) {
	m := newMachine("fast", "slow")
	m.list[0].Pace = health.Pace{Every: 500 * time.Millisecond, Wait: 500 * time.Millisecond, Fails: 1, Passes: 4}
	m.list[1].Pace = health.Pace{Every: time.Minute, Wait: time.Second, Fails: 2}
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		if _, judged := k.Verdict(); judged {
			t.Error("nothing is known of them yet")
		}
		time.Sleep(time.Minute + 5*time.Second)
		if sick, judged := k.Verdict(); sick != nil || !judged {
			t.Errorf("%v, judged %v", sick, judged)
		}
		m.with(func() { m.answers["fast"] = errors.New("fast is ill") })
		time.Sleep(600 * time.Millisecond)
		if sick := k.sick(); sick == nil || sick.Error() != "fast: fast is ill" {
			t.Errorf("it is not sick after one failure: %v", sick)
		}
		m.with(func() { delete(m.answers, "fast"); m.answers["slow"] = errors.New("slow is ill") })
		time.Sleep(1400 * time.Millisecond) // the fourth is due 1.5 to 2 s after the first failed
		if k.sick() == nil {
			t.Error("it is well before four passes")
		}
		time.Sleep(1100 * time.Millisecond)
		if sick := k.sick(); sick != nil {
			t.Errorf("it stays sick after four: %v", sick)
		}
		time.Sleep(time.Minute)
		if sick := k.sick(); sick != nil {
			t.Errorf("one failure is enough: %v", sick)
		}
		time.Sleep(time.Minute)
		if sick := k.sick(); sick == nil || sick.Error() != "slow: slow is ill" {
			t.Errorf("two failures are not enough: %v", sick)
		}
	})
}

// Another check judges anew, and the service runs on.
func TestAnotherCheckOfAServiceJudgesAnew(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.answers["web"] = errors.New("web is ill") })
		time.Sleep(10 * time.Second)
		if k.sick() == nil {
			t.Error("it is not sick")
		}
		m.with(func() {
			m.list = slices.Clone(m.list)
			m.list[0].Check = pair.HealthCheck{TCP: "other:80"}
		})
		time.Sleep(3 * time.Second) // more than one look
		if sick := k.sick(); sick != nil {
			t.Errorf("it is sick by a check that is gone: %v", sick)
		}
		time.Sleep(4 * time.Second)
		if _, judged := k.Verdict(); !judged || m.did() != "start web" {
			t.Errorf("judged %v; %s", judged, m.did())
		}
		m.with(func() { m.runs["web"] = false })
		time.Sleep(5 * time.Second)
		if m.did() != "start web, start web" || !holds(k, "service-restarts") {
			t.Errorf("%s; %v", m.did(), k.Conditions())
		}
	})
}

// A check that takes its time keeps nobody from seeing that another service has ended.
func TestASlowCheckDelaysNoRestart(t *testing.T) {
	m := newMachine("db", "web")
	for i := range m.list {
		m.list[i].Pace = health.Pace{Every: time.Minute, Wait: time.Minute}
	}
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.checkLasts = 50 * time.Second })
		time.Sleep(5 * time.Second)
		m.with(func() { m.runs["db"] = false })
		time.Sleep(3 * time.Second)
		if m.did() != "start db, start web, start db" {
			t.Error(m.did())
		}
		began := time.Now()
		if err := k.Set(t.Context(), pair.Rest); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// A check that does not answer keeps no other service waiting.
func TestChecksAreAskedBesideEachOther(t *testing.T) {
	m := newMachine("db", "web", "mail")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() {
			m.checkLasts = 2 * time.Second
			for _, s := range m.list {
				m.answers[s.Name] = errors.New("no answer")
			}
		})
		time.Sleep(13 * time.Second)
		if k.sick() == nil {
			t.Error("it is not sick after three checks")
		}
		m.with(func() { m.checkLasts = time.Hour })
		time.Sleep(5 * time.Second)
		began := time.Now()
		if err := k.Set(t.Context(), pair.Rest); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// A sick site is better than none: a service that runs, and does not pass its check in time, is sick and
// keeps the site from nothing. Where the peer's was sick as well, not much is waited.
func TestAServiceThatNeverPassesItsCheckIsSick(t *testing.T) {
	for _, sickThere := range []bool{false, true} {
		m := newMachine("db", "web")
		m.sickThere = sickThere
		m.answers["db"] = errors.New("tcp:db:80 refuses connections")
		each(t, m, func(k bubble) {
			t := k.t
			began := time.Now()
			err := k.Set(t.Context(), pair.Lead)
			took, most := time.Since(began), startLimit+time.Second
			if sickThere {
				most = 7 * time.Second
			}
			if err != nil || m.did() != "start db, start web" || took > most || took < 5*time.Second || !sickThere && took < startLimit {
				t.Errorf("%v after %s: %s", err, took, m.did())
			}
			if sick := k.sick(); sick == nil || sick.Error() != "db: tcp:db:80 refuses connections" {
				t.Errorf("it is not sick: %v", sick)
			}
			m.with(func() { delete(m.answers, "db") })
			time.Sleep(6 * time.Second)
			if sick, judged := k.Verdict(); sick != nil || !judged {
				t.Errorf("%v, judged %v", sick, judged)
			}
		})
	}
}

func TestAServiceThatFailsItsCheckIsSick(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		t := k.t
		if err := k.Set(t.Context(), pair.Lead); err != nil {
			t.Fatal(err)
		}
		m.with(func() { m.answers["web"] = errors.New("tcp:web:80 does not answer within 2 s") })
		time.Sleep(5 * time.Second)
		if k.sick() != nil {
			t.Error("two failures are enough")
		}
		time.Sleep(5 * time.Second)
		if why := k.sick(); why == nil || why.Error() != "web: tcp:web:80 does not answer within 2 s" {
			t.Errorf("it is not sick: %v", why)
		}
		m.with(func() { delete(m.answers, "web") })
		time.Sleep(6 * time.Second)
		if why := k.sick(); why != nil {
			t.Errorf("it stays sick: %v", why)
		}
	})
}

// An operator asks for as many tests as he likes: a few run at a time.
func TestFewChecksAreTestedAtATime(t *testing.T) {
	m := newMachine("db")
	m.checkLasts = time.Second
	each(t, m, func(k bubble) {
		began := time.Now()
		var tests sync.WaitGroup
		for range 2 * mostTests {
			tests.Go(func() { _ = k.Test(k.t.Context(), m.list[0]) })
		}
		tests.Wait()
		if took := time.Since(began); took != 2*time.Second {
			k.t.Errorf("they took %s", took)
		}
	})
}
