package site_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const services = page.Root + "/protection/services"

// withServices opens a console whose site has the services db, web and mail; root has allowed web.
func withServices(t *testing.T) *consoletest.Browser {
	t.Helper()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	for _, one := range [][2]string{{"db", "postgresql.service"}, {"web", "nginx.service"}, {"mail", "mail.timer"}} {
		b.Post(services, "name", one[0], "unit", one[1], "health", "http://127.0.0.1/"+one[0]).Has(t, one[0]+" is a service of the site from now on.")
	}
	root := api.WithCaller(t.Context(), api.Caller{Name: "root", Local: true, Access: pair.Administrator})
	if _, err := admintest.Allow(root, b.Appliance.Backend().Services, "web"); err != nil {
		t.Fatal(err)
	}
	b.Appliance.Machine().Set([]pair.ServiceStatus{
		{Name: "db", State: "failed", Trouble: "postgresql.service has ended (exit-code)", Check: "x", Restarts: 3},
		{Name: "web", State: "running", Healthy: true, Check: "x", Since: admintest.Start(), LastStart: &pair.ServiceAct{At: admintest.Start(), TookMS: 1250}},
	}, nil)
	return b
}

func TestServicesAreShownWithStateAndHealth(t *testing.T) {
	t.Parallel()
	b := withServices(t)
	p := b.Get(page.Root + "/protection")
	p.Has(t, "postgresql.service", "postgresql.service has ended (exit-code)", "started again 3 times", `badge-critical">sick</span>`,
		`badge-good">running</span>`, `badge-good">healthy</span>`, "started 2030-01-02 03:04:05 UTC, took 1.2 s",
		"Root has not allowed it on alpha: run there, as root, baton service allow db.", "not known yet")
	if strings.Contains(p.Body, "baton service allow web.") {
		t.Error("root has allowed web")
	}
	p = b.Get(services + "/web")
	p.Has(t, "Service web", "On alpha", "nginx.service", "Started nginx.service.", "GET /&lt;b&gt;index&lt;/b&gt; 200", "http://127.0.0.1/web", "every 2s, 2s allowed; sick after 3 failures, healthy after 2 passes")
	b.Post(services+"/web").Has(t, "web: http://127.0.0.1/web passes.")
	b.Appliance.Machine().Fail(errors.New("http://127.0.0.1/web refuses the connection"))
	b.Post(services+"/web").Has(t, "web: http://127.0.0.1/web refuses the connection.", "baton service log web")
	b.Get(services+"/db").Has(t, "Its log is not shown: root has not allowed it on alpha")
	b.Get(services+"/nothing").Has(t, "There is no service &#34;nothing&#34; any more.")
}

func TestAnOperatorOfTheConsoleStopsAndStarts(t *testing.T) {
	t.Parallel()
	b := withServices(t)
	b.SignIn(pair.Operator)
	p := b.Get(page.Root + "/protection")
	p.Has(t, services+"/web/stop")
	for _, not := range []string{services + "/web/remove", services + "/web/move", "Add a service"} {
		if strings.Contains(p.Body, not) {
			t.Errorf("an operator is offered %s", not)
		}
	}
	b.Get(services+"/web/stop").Has(t, "will be stopped, and stays so on both appliances.", "No takeover, switch or restart starts it")
	b.Post(services+"/web/stop").Has(t, "web is stopped, and stays so on both appliances", services+"/web/start")
	b.Post(services+"/web/start").Has(t, "web runs.", services+"/web/stop")
	b.Appliance.Machine().Fail(context.DeadlineExceeded)
	b.Post(services+"/web/start").Has(t, "web is being started.")
	b.Appliance.Machine().Fail(errors.New("nginx.service is masked"))
	b.Post(services+"/web/start").Has(t, "Web is to run again, and does not start: nginx.service is masked; it is tried again.")
	b.Get(services+"/nothing/stop").Has(t, "There is no service &#34;nothing&#34; any more.")
	if p := b.Post(services + "/web/remove"); p.Status != http.StatusForbidden {
		t.Errorf("an operator removes a service: %d", p.Status)
	}
}

func TestServicesAreMovedAndRemoved(t *testing.T) {
	t.Parallel()
	b := withServices(t)
	names := func() string {
		all, err := b.Appliance.Backend().Services.Services(t.Context())
		if err != nil || len(all) != 3 {
			t.Fatalf("%v, %v", all, err)
		}
		return all[0].Name + " " + all[1].Name + " " + all[2].Name
	}
	if names() != "db web mail" {
		t.Fatal(names())
	}
	for _, move := range []struct{ name, before, want string }{{"web", "db", "web db mail"}, {"web", "mail", "db web mail"}, {"web", "", "db mail web"}} {
		b.Get(page.Root+"/protection").Has(t, services+"/"+move.name+"/move")
		if b.Post(services+"/"+move.name+"/move", "before", move.before); names() != move.want {
			t.Errorf("%s before %q: %s", move.name, move.before, names())
		}
	}
	b.Get(services+"/web/remove").Has(t, "alone from now on: no takeover starts or stops it.", "It goes on running on alpha, and nowhere else.")
	b.Post(services+"/web/remove").Has(t, "web is left alone from now on: no takeover starts or stops it. It runs on here")
	b.Post(services+"/web/remove").Has(t, "There is no service &#34;web&#34;")
}

func TestWhatIsRefusedOfAServiceStaysAsTyped(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	p := b.Post(services, "name", "Web", "unit", "nginx", "health", "gopher://x")
	if p.Status != http.StatusUnprocessableEntity {
		t.Errorf("%d", p.Status)
	}
	p.Has(t, `value="nginx"`, `value="gopher://x"`, "is no check", `id="field-service-health-error"`)
	b.Post(services, "name", "web", "unit", "missing.service").Has(t, "issing.service is not on this machine")
	b.Post(services, "name", "web").Has(t, "A unit is needed: name it like nginx.service.")
	p = b.Post(services, "name", "web", "unit", "nginx.service", "health", "tcp:127.0.0.1:80", "fails", "many")
	p.Has(t, "This is no number", `<details class="more" open>`)
	p = b.Post(services, "name", "worker", "command", "/usr/bin/node\r\nworker.js\r\ntwo words\r\n", "user", "www-data", "env", "A=b\r\nC=d", "health", "http://127.0.0.1:1/", "health_status", "200", "every", "10s", "fails", "5", "action", "test")
	p.Has(t, "http://127.0.0.1:1/ passes.", "two words", `value="www-data"`)
	b.Post(services, "name", "worker", "command", "/usr/bin/node\r\nworker.js\r\ntwo words\r\n", "user", "www-data", "env", "A=b\r\nC=d", "health", "http://127.0.0.1:1/", "health_status", "200", "every", "10s", "fails", "5")
	all, err := b.Appliance.Backend().Services.Services(t.Context())
	if err != nil || len(all) != 1 || strings.Join(all[0].Command, "|") != "/usr/bin/node|worker.js|two words" || strings.Join(all[0].Env, "|") != "A=b|C=d" || all[0].Fails != 5 || all[0].Every != "10s" || all[0].User != "www-data" {
		t.Errorf("%+v, %v", all, err)
	}
	// A line for the shell runs as root: root alone tries it.
	b.Post(services, "name", "x", "unit", "x.service", "health", "exec:touch /root/owned", "action", "test").Has(t, "Only root on alpha itself tries a line for the shell")
	b.Post(services, "name", "x", "unit", "x.service", "action", "test").Has(t, "There is no check to test")
}

// What is added and does not start is in the list: the form is not to ask for it again.
func TestAServiceThatIsAddedAndDoesNotStart(t *testing.T) {
	t.Parallel()
	b := withServices(t)
	services, anna := b.Appliance.Backend().Services, api.WithCaller(t.Context(), api.Caller{Name: "anna", Access: pair.Administrator})
	if _, err := services.RemoveService(anna, "web"); err != nil { // what root has allowed once, it may start at once
		t.Fatal(err)
	}
	b.Appliance.Machine().Fail(errors.New("nginx.service did not start"))
	p := b.Post(page.Root+"/protection/services", "name", "web", "unit", "nginx.service", "health", "http://127.0.0.1/web")
	p.Has(t, "Web is added, and does not start: nginx.service did not start; it is tried again.", page.Root+"/protection/services/web/stop")
	if p.Status != http.StatusOK || strings.Contains(p.Body, `value="nginx.service"`) {
		t.Errorf("the form is shown again as if it was refused: %d", p.Status)
	}
}

func TestTheCheckOfAServiceIsChanged(t *testing.T) {
	t.Parallel()
	b := withServices(t)
	was := func() api.Service {
		t.Helper()
		all, err := b.Appliance.Backend().Services.Services(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all[1]
	}
	const web, drawn = services + "/web", "was-health"
	b.Get(web).Has(t, "Change the check", `value="http://127.0.0.1/web"`, web+"/check#change")
	p := b.Post(web+"/check", drawn, "http://127.0.0.1/web", "health", "http://127.0.0.1/web", "fails", "many", "was-fails", "")
	if p.Has(t, "This is no number", `value="many"`, `<details class="more" open>`); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("%d", p.Status)
	}
	b.Post(web+"/check", drawn, "http://127.0.0.1/web", "health", "tcp:127.0.0.1:80", "was-health_status", "", "health_status", "200").Has(t, "Only an http address answers with a status", `value="tcp:127.0.0.1:80"`)
	changed := []string{drawn, "http://127.0.0.1/web", "health", "http://127.0.0.1/new", "was-health_body", "", "health_body", "all is well", "was-every", "", "every", "10s", "was-fails", "", "fails", "5"}
	b.Post(web+"/check", append(changed, "action", "test")...).Has(t, "http://127.0.0.1/new passes.", `value="all is well"`)
	if now := was(); now.Health != "http://127.0.0.1/web" {
		t.Errorf("a test has changed it: %+v", now)
	}
	b.Post(web+"/check", changed...).Has(t, "web is checked so from now on.", "every 10s, 2s allowed; sick after 5 failures")
	if now := was(); now.Health != "http://127.0.0.1/new" || now.Body != "all is well" || now.Every != "10s" || now.Fails != 5 || !now.Allowed {
		t.Errorf("%+v", now)
	}
	// Somebody else has changed it since the form was drawn: nothing of that is lost.
	p = b.Post(web+"/check", drawn, "http://127.0.0.1/web", "health", "http://127.0.0.1/mine", "was-every", "", "every", "", "was-fails", "", "fails", "")
	if p.Has(t, "Somebody else has saved this", "http://127.0.0.1/new", `value="http://127.0.0.1/mine"`, `value="10s"`); was().Health != "http://127.0.0.1/new" {
		t.Errorf("%+v", was())
	}
	b.Post(services+"/nothing/check", "health", "").Has(t, "There is no service &#34;nothing&#34; any more.")
	b.SignIn(pair.Operator)
	if p := b.Get(web); strings.Contains(p.Body, "Change the check") || b.Post(web+"/check", "health", "").Status != http.StatusForbidden {
		t.Error("an operator changes a check")
	}
}

func TestAViewerSeesServicesAndNoLog(t *testing.T) {
	t.Parallel()
	b := withServices(t)
	b.SignIn(pair.Viewer)
	if p := b.Get(page.Root + "/protection"); !strings.Contains(p.Body, services+"/web") || strings.Contains(p.Body, services+"/web/stop") {
		t.Error("a viewer is offered to stop, or sees nothing")
	}
	if p := b.Get(services + "/web"); strings.Contains(p.Body, "Started nginx.service.") || strings.Contains(p.Body, "/stop") {
		t.Error("a viewer reads the log, or is offered to stop")
	}
}
