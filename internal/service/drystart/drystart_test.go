package drystart

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pair"
	"baton/internal/service"
)

// machines are two, of which one is looked at.
type machines struct {
	list   service.List
	here   map[string]pair.InstalledService
	failed error
	taken  []string
	unseen error // which ports are taken
	there  *pair.Installed
	owners []string
	backup bool
	denied string        // by root
	lost   error         // the list of services cannot be read
	hangs  chan struct{} // closed: no longer; nil: it does not
}

func (m *machines) Installed(_ context.Context, of service.Definition) (pair.InstalledService, error) {
	if m.hangs != nil {
		<-m.hangs
	}
	return m.here[of.Name], m.failed
}

func (m *machines) Taken(ports []string) (taken []string, err error) {
	for _, port := range ports {
		if slices.Contains(m.taken, port) {
			taken = append(taken, port)
		}
	}
	return taken, m.unseen
}

func same() *machines {
	web := pair.InstalledService{Name: "web", UnitSum: "1", Program: "/usr/sbin/nginx", ProgramSum: "2", User: "www-data", UserID: "33", Ports: []string{"tcp *:80"}}
	return &machines{
		list:   service.List{{Name: "web", Unit: "nginx.service"}},
		here:   map[string]pair.InstalledService{"web": web},
		there:  &pair.Installed{Services: []pair.InstalledService{web}},
		backup: true,
	}
}

func (m *machines) look(t *testing.T) *DryStart {
	t.Helper()
	d := New(Options{
		Name: "beta", Log: slog.New(slog.DiscardHandler), Machine: m,
		List:    func(context.Context) (service.List, error) { return m.list, m.lost },
		Refused: func(service.Definition) string { return m.denied },
		Paths:   func(context.Context) ([]string, error) { return m.owners, nil },
		Backup:  func() bool { return m.backup },
		Peer: func() (string, *pair.Report) {
			if m.there == nil {
				return "alpha", nil
			}
			return "alpha", &pair.Report{Installed: m.there}
		},
	})
	d.Look(t.Context())
	return d
}

func TestWhatADryStartFinds(t *testing.T) {
	change := func(f func(*pair.InstalledService)) func(*machines) {
		return func(m *machines) { web := m.here["web"]; f(&web); m.here["web"] = web }
	}
	for what, c := range map[string]struct {
		change func(*machines)
		id     string // of the condition; empty: none
		says   string
		unfit  bool
	}{
		"the same":            {change: func(*machines) {}},
		"the unit":            {change(func(s *pair.InstalledService) { s.UnitSum = "3" }), "services-differ", "its unit file is another", false},
		"the program":         {change(func(s *pair.InstalledService) { s.ProgramSum = "3" }), "services-differ", "/usr/sbin/nginx is another", false},
		"its place":           {change(func(s *pair.InstalledService) { s.Program = "/opt/nginx" }), "services-differ", "it starts /opt/nginx on beta, and /usr/sbin/nginx on alpha", false},
		"its user":            {change(func(s *pair.InstalledService) { s.User = "" }), "services-differ", "it runs as root on beta, and as www-data on alpha", false},
		"its number":          {change(func(s *pair.InstalledService) { s.UserID = "48" }), "services-differ", "its user www-data has number 48 on beta, and 33 on alpha", false},
		"its user is missing": {change(func(s *pair.InstalledService) { s.UserID = "" }), "dry-start-failed", "there is no user www-data on this machine, as on alpha: make it with useradd, with the number 33", true},
		"it is missing":       {change(func(s *pair.InstalledService) { s.Lacks = "nginx.service is not on this machine" }), "dry-start-failed", "could not run service web: nginx.service is not on this machine.", true},
		"it is missing there": {func(m *machines) { m.there.Services[0].Lacks = "nginx.service is masked" }, "services-differ", "nothing could start it again on alpha (nginx.service is masked)", false},
		"a port":              {func(m *machines) { m.taken = []string{"tcp *:80"} }, "dry-start-failed", "another program on this machine has its port tcp *:80", true},
		"it is parked":        {change: func(m *machines) { m.taken, m.list[0].Parked = []string{"tcp *:80"}, true }},
		"systemd is silent":   {func(m *machines) { m.failed = errors.New("systemd does not answer") }, "dry-start-failed", "systemd does not answer", true},
		"root refuses it":     {change: func(m *machines) { m.denied, m.failed = "root has not allowed it", errors.New("it is looked at") }},
		"the peer is silent":  {change: func(m *machines) { m.there, m.taken = nil, []string{"tcp *:80"} }},
		"an earlier version":  {change: func(m *machines) { m.there = &pair.Installed{} }},
		"its program comes with the data": {change: func(m *machines) {
			change(func(s *pair.InstalledService) { s.ProgramSum = "3" })(m)
			m.owners = []string{"/usr/sbin"}
		}},
	} {
		t.Run(what, func(t *testing.T) {
			m := same()
			c.change(m)
			d := m.look(t)
			found := d.Conditions()
			if d.Fit() == c.unfit {
				t.Errorf("it is told to be fit: %t", d.Fit())
			}
			switch {
			case c.id == "" && len(found) > 0:
				t.Errorf("%+v", found)
			case c.id != "" && (len(found) != 1 || found[0].ID != c.id || !strings.Contains(found[0].Text, c.says)):
				t.Errorf("%+v, and not %s: %s", found, c.id, c.says)
			}
			if m.backup = false; len(d.Conditions()) > 0 {
				t.Error("it is told where the site is")
			}
		})
	}
}

// A service with very many ports keeps nothing else from being told.
// TestWhatIsNotKnownIsNotFit looks at a machine whose list of services cannot be read, for a while.
func TestWhatIsNotKnownIsNotFit(t *testing.T) {
	if New(Options{}).Fit() {
		t.Error("fit before anybody looked")
	}
	m := same()
	d := m.look(t)
	for _, lost := range []error{errors.New("the disk is gone"), nil} {
		m.lost = lost
		if d.Look(t.Context()); d.Fit() != (lost == nil) {
			t.Errorf("fit: %t, with the list: %v", d.Fit(), lost)
		}
	}
}

func TestFewPortsAreTold(t *testing.T) {
	m := same()
	web := m.here["web"]
	web.Ports = slices.Repeat([]string{"tcp 127.0.0.1:80"}, 10_000)
	m.here["web"] = web
	if told, _ := m.look(t).Installed().Service("web"); len(told.Ports) != mostPorts {
		t.Errorf("%d ports", len(told.Ports))
	}
}

// What nobody could look at is told, so that nothing is said to be the same or free.
func TestWhatCannotBeComparedIsTold(t *testing.T) {
	m := same()
	web := m.here["web"]
	web.Unread = []string{"/usr/sbin/nginx (permission denied)", "/etc/nginx.conf (no such device)"}
	m.here["web"], m.unseen = web, errors.New("the kernel does not say")
	if here := m.look(t).Installed(); here.PortsUnknown != "the kernel does not say" || len(here.Services[0].Unread) != 2 {
		t.Errorf("%+v", here)
	}
	m.owners = []string{"/usr/sbin"}
	if here := m.look(t).Installed(); len(here.Services[0].Unread) != 1 {
		t.Errorf("what comes with the data is told: %+v", here)
	}
}

// Who owns the directory above exchanges the protected one: for what keeps a reader waiting, or for a link.
func TestOwnersAreNotLookedForElsewhere(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(dir, "elsewhere")
	if err := os.Mkdir(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(elsewhere, 60123, 60123), os.Chown(dir, 1, 1)); err != nil {
		t.Skipf("skipped: only root can give a file away: %v", err)
	}
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(unix.Mkfifo(pipe, 0o666), os.Symlink(elsewhere, link)); err != nil {
		t.Fatal(err)
	}
	m := same()
	m.owners = []string{pipe, link}
	looked := make(chan []pair.Owner, 1)
	go func() { looked <- m.look(t).Installed().Owners }()
	select {
	case found := <-looked:
		if len(found) > 0 {
			t.Errorf("%+v", found)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the look waits for a pipe")
	}
}

// Data is copied with numbers: who they are on the peer counts.
func TestOwnersThatAreSomebodyElseHere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 1, 60123); err != nil {
		t.Skipf("skipped: only root can give a file away: %v", err)
	}
	m := same()
	m.owners = []string{dir}
	d := m.look(t)
	if found := d.Installed().Owners; len(found) != 2 || found[0] != (pair.Owner{ID: 1, Name: "daemon"}) || found[1] != (pair.Owner{ID: 60123, Group: true}) {
		t.Errorf("%+v", found)
	}
	m.there.Owners = []pair.Owner{{ID: 1, Name: "deploy"}, {ID: 60123, Group: true}}
	found := m.look(t).Conditions()
	if len(found) != 1 || found[0].ID != "owners-differ" || !strings.Contains(found[0].Text, ": user 1 is deploy on alpha, and daemon on beta.") {
		t.Errorf("%+v", found)
	}
}

// A disk that hangs holds up neither baton doctor nor the end of the daemon.
func TestALookThatHangsKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := same()
		d := m.look(t)
		m.hangs = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		synctest.Wait()
		began := time.Now()
		d.Look(ctx) // waits for its turn
		if err := <-ended; err != nil || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		close(m.hangs)
		synctest.Wait()
		if d.Look(t.Context()); !d.Fit() {
			t.Error(d.Conditions())
		}
	})
}
