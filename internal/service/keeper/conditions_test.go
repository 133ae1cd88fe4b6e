package keeper

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

// What starts it at boot is named as it is to be disabled, and what comes too early at a shutdown is told.
func TestWhatTheMachineDoesByItselfIsTold(t *testing.T) {
	for at, want := range map[AtBoot]string{
		{Unit: "web.service", By: "multi-user.target", Enabled: true}: "web.service starts by itself when this machine boots (multi-user.target wants it), also on a backup. Run here: systemctl disable web.service. Baton starts web.service.",
		{Unit: "web.socket", By: "sockets.target", Enabled: true}:     "web.socket starts web.service, and starts by itself when this machine boots (sockets.target wants it), also on a backup. Run here: systemctl disable web.socket. Baton starts web.service.",
		{Unit: "web.service", By: "app.service"}: "web.service starts by itself when this machine boots (app.service wants it), also on a backup. Take web.service out of Wants= and Requires= of app.service here (systemctl edit --full), " +
			"or, if there is a link: ln -s /dev/null /etc/systemd/system/app.service.wants/web.service. Baton starts web.service.",
	} {
		m := newMachine("web")
		m.atBoot, m.stopsEarly = at, true
		each(t, m, func(k bubble) {
			if err := k.Set(k.t.Context(), pair.Follow); err != nil {
				k.t.Fatal(err)
			}
			all := k.Conditions()
			if len(all) != 2 || all[0].Text+" "+all[0].NextStep != want || all[1].ID != "service-stops-early" {
				k.t.Errorf("%+v", all)
			}
		})
	}
}

// Its own manager may restart a unit as often as it likes: what is remembered stays small.
func TestEndsAreBounded(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		if err := k.Set(k.t.Context(), pair.Lead); err != nil {
			k.t.Fatal(err)
		}
		for range 3 {
			m.with(func() { m.restarts += 1 << 20 })
			time.Sleep(5 * time.Second)
		}
		if n := len(k.known[0].ends); n > mostEnds {
			k.t.Errorf("%d are remembered", n)
		}
		if why := k.sick(); why == nil || !strings.Contains(why.Error(), "it has ended at least 100 times within 10 min") {
			k.t.Error(why)
		}
	})
}

// A start that another duty interrupts is in the history once the service is up.
func TestAStartThatIsInterruptedIsInTheHistory(t *testing.T) {
	m := newMachine("web")
	m.answers["web"] = errors.New("it is not ready")
	each(t, m, func(k bubble) {
		ctx, cancel := context.WithTimeout(k.t.Context(), 10*time.Second)
		defer cancel()
		if err := k.Set(ctx, pair.Lead); !errors.Is(err, context.DeadlineExceeded) {
			k.t.Fatal(err)
		}
		m.with(func() { delete(m.answers, "web") })
		if err := k.Set(k.t.Context(), pair.Lead); err != nil {
			k.t.Fatal(err)
		}
		if m.told() != "service-started: Service web was started in 10 s." || k.Status()[0].LastStart == nil {
			k.t.Error(m.told())
		}
		if err := k.Set(k.t.Context(), pair.Lead); err != nil || strings.Contains(m.told(), "\n") {
			k.t.Error(m.told())
		}
	})
}

// A line for the shell is a process and a line in the log each time.
func TestAStartAsksALineForTheShellLessOften(t *testing.T) {
	for exec, most := range map[bool]int{true: 70, false: 610} {
		m := newMachine("web")
		m.answers["web"] = errors.New("it is not ready")
		if exec {
			m.list[0].Check = pair.HealthCheck{Exec: "web"}
		}
		each(t, m, func(k bubble) {
			ctx, cancel := context.WithTimeout(k.t.Context(), time.Minute)
			defer cancel()
			if err := k.Set(ctx, pair.Lead); !errors.Is(err, context.DeadlineExceeded) {
				k.t.Fatal(err)
			}
			if m.with(func() {}); m.tries < 50 || m.tries > most {
				k.t.Errorf("exec %t: it was asked %d times in a minute", exec, m.tries)
			}
		})
	}
}

// What runs on a primary that waits for its peer runs on no backup.
func TestAPrimaryThatWaitsIsNoBackup(t *testing.T) {
	m := newMachine("web")
	each(t, m, func(k bubble) {
		if err := k.Set(k.t.Context(), pair.Rest); err != nil {
			k.t.Fatal(err)
		}
		m.with(func() { m.runs["web"] = true })
		time.Sleep(5 * time.Second)
		if m.did() != "stop web" || holds(k, "service-runs-on-backup") {
			k.t.Errorf("%s; %v", m.did(), k.Conditions())
		}
	})
}

// Of a command nothing is to be disabled, and there may be no systemd.
func TestACommandThatRunsOnABackup(t *testing.T) {
	for denied, want := range map[string]string{"": "Look at what it did here: baton service log web.", "no": "Run here as root: baton service allow web. Baton stops it then."} {
		m := newMachine("web")
		m.list[0].Unit, m.list[0].Command.Args = "", []string{"/usr/bin/web"}
		each(t, m, func(k bubble) {
			if err := k.Set(k.t.Context(), pair.Follow); err != nil {
				k.t.Fatal(err)
			}
			m.with(func() { m.runs["web"], m.denied["web"] = true, denied })
			time.Sleep(5 * time.Second)
			for _, one := range k.Conditions() {
				if one.ID == "service-runs-on-backup" && one.NextStep == want {
					return
				}
			}
			k.t.Errorf("%v, want %q", k.Conditions(), want)
		})
	}
}
