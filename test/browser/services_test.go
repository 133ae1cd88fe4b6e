//go:build e2e

package browser

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/lab"
	"baton/internal/pair"
)

// servicesWorld is a console whose services run on a machine in memory: hosts of the lab have
// no systemd. Real ones are the matter of test/systemd.
func servicesWorld(t *testing.T) (*admintest.Appliance, *tab) {
	t.Helper()
	l, err := lab.New(context.Background(), lab.Options{Prefix: "web"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	appliance := admintest.New(t)
	for _, role := range pair.Accesses() {
		appliance.AddPerson(t, string(role), role, password)
	}
	appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{Name: "beta", Address: "198.51.100.2:443", Reachable: true, Role: pair.Backup}
	})
	server := httptest.NewUnstartedServer(consoletest.New(t, appliance, page.Options{}).Handler())
	listener, err := l.Host("alpha").Listen(t.Context(), "tcp", ":443")
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	go func() {
		for t.Context().Err() == nil { // as a daemon, which tells its pages something every second
			appliance.Change(func(*pair.Status) {})
			time.Sleep(500 * time.Millisecond)
		}
	}()
	w := &world{t: t, lab: l, browser: openBrowser(t, l, "client")}
	p := w.visit(l.Host("alpha").Addr4())
	p.signIn(string(pair.Administrator))
	return appliance, p
}

// machine is how services are on the two machines.
type machine struct {
	appliance *admintest.Appliance
	here      []pair.ServiceStatus
}

// is has one of them be so.
func (m *machine) is(name, state, trouble string, parked bool) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range m.here {
		if one := &m.here[i]; one.Name == name {
			one.State, one.Trouble, one.Healthy, one.Parked, one.Since = state, trouble, trouble == "", parked, now
			if state == "stopped" {
				one.LastStop = &pair.ServiceAct{At: now, TookMS: 140}
			}
		}
	}
	m.appliance.Machine().Set(m.here, []pair.ServiceStatus{
		{Name: "db", State: "stopped", Healthy: true, Check: "x", Since: now}, {Name: "web", State: "stopped", Healthy: true, Check: "x", Refused: "root has not allowed it"},
	})
}

// TestServicesFromAddToRemove adds a service, tests its check, stops it, starts it, moves it and
// removes it.
func TestServicesFromAddToRemove(t *testing.T) {
	appliance, p := servicesWorld(t)
	p.open("/login/protection")
	p.in("The public site is not protected").submit("Protect " + appliance.Tree() + "/public")
	p.in("Services").sees("The site has no services")
	add := p.in("Add a service")
	add.fill("Name", "web")
	add.fill("systemd unit", "nginx")
	add.fill("Check", "http://127.0.0.1:1/")
	add.submit("Add service")
	p.sees("is no service and no timer of systemd")
	p.state("services-refused")
	add.fill("systemd unit", "nginx.service")
	appliance.Machine().Fail(errors.New("http://127.0.0.1:1/ refuses the connection"))
	add.submit("Test the check")
	p.sees("http://127.0.0.1:1/ refuses the connection")
	p.state("services-test")
	appliance.Machine().Fail(nil)
	add.fill("Check", "http://127.0.0.1/health")
	add.submit("Test the check")
	p.sees("http://127.0.0.1/health passes.")
	add.submit("Add service")
	p.sees("web is a service of the site from now on.", "Root has not allowed it on alpha: run there, as root, baton service allow web.")

	add.fill("Name", "db")
	add.fill("Command", "/usr/lib/postgresql/17/bin/postgres\n-D\n/srv/db")
	p.press("button", "User, directory, environment and limits of the command")
	add.fill("User", "postgres")
	add.submit("Add service")
	p.sees("db is a service of the site from now on.", "/usr/lib/postgresql/17/bin/postgres -D /srv/db")
	backend := appliance.Backend().Services
	root := api.WithCaller(t.Context(), api.Caller{Name: "root", Local: true, Access: pair.Administrator})
	for _, name := range []string{"web", "db"} {
		if _, err := admintest.Allow(root, backend, name); err != nil {
			t.Fatal(err)
		}
	}
	start := &pair.ServiceAct{At: time.Date(2030, 1, 2, 2, 59, 0, 0, time.UTC), TookMS: 1240}
	on := machine{appliance, []pair.ServiceStatus{{Name: "web", Check: "x", LastStart: start}, {Name: "db", Check: "x", LastStart: start, Restarts: 2}}}
	on.is("web", "running", "", false)
	on.is("db", "failed", "it has ended (exit-code): look at its log", false)
	// The page follows by itself.
	p.in("Services").sees("running", "healthy", "since 2030-01-02 03:04:05 UTC", "started again 2 times", "it has ended (exit-code): look at its log", "Root has not allowed it on beta")
	p.state("services")

	p.in("Services").submit("Up: start db before web")
	if list, err := backend.Services(root); err != nil || list[0].Name != "db" {
		t.Errorf("db is not the first: %v, %v", list, err)
	}
	p.in("Services").submit("Down: start db later")

	p.in("Services").follow("web")
	p.sees("Service web", "On alpha", "On beta", "Started nginx.service.")
	p.in("Check").submit("Test")
	p.sees("web: http://127.0.0.1/health passes.")
	p.state("service")
	changed := p.in("Change the check")
	changed.fill("Check", "tcp:127.0.0.1:80")
	p.press("button", "What the check wants, and how often it is asked")
	changed.fill("Status", "200")
	changed.submit("Save the check")
	p.sees("Only an http address answers with a status")
	p.state("service-check-refused")
	changed.fill("Check", "http://127.0.0.1/ready")
	changed.fill("Every", "10s")
	changed.submit("Test it as typed")
	p.sees("http://127.0.0.1/ready passes.")
	changed.submit("Save the check")
	p.sees("web is checked so from now on.", "every 10s, 2s allowed")
	p.state("service-check-changed")
	on.is("web", "failed", "http://127.0.0.1/health answers with status 500 Internal Server Error", false)
	p.sees("answers with status 500 Internal Server Error")
	on.is("web", "running", "", false)
	p.follow("Stop")
	p.sees("stays so on both appliances", "No takeover, switch or restart starts it")
	p.state("service-stop")
	p.submit("Stop")
	on.is("web", "stopped", "", true)
	p.sees("web is stopped, and stays so on both appliances")
	p.in("Services").sees("stopped by an operator")
	p.state("services-stopped")
	on.is("web", "running", "", false)
	p.in("Services").submit("Start web")
	p.sees("web runs.")

	p.in("Services").follow("Remove web")
	p.sees("no takeover starts or stops it", "It goes on running on alpha")
	p.state("service-remove")
	p.submit("Remove")
	p.sees("web is left alone from now on")
	if list, err := backend.Services(root); err != nil || len(list) != 1 {
		t.Errorf("web is not removed: %v, %v", list, err)
	}
}
