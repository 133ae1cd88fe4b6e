package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"baton/internal/act"
	"baton/internal/act/acttest"
	"baton/internal/admin"
	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/service"
)

// serving is an appliance with the services web, which has a check for the shell, and worker.
func serving(t *testing.T) (*admintest.Appliance, api.Services) {
	t.Helper()
	appliance := admintest.New(t)
	services := appliance.Backend().Services
	root := by(t.Context(), true)
	web := api.Service{Name: "web", Kind: "unit", Unit: "nginx.service"}
	web.Health = "exec:true"
	err := add(root, services, web, api.Service{Name: "worker", Kind: "command", Command: []string{"/usr/bin/worker"}})
	if err != nil {
		t.Fatal(err)
	}
	return appliance, services
}

func operator(ctx context.Context) context.Context {
	return api.WithCaller(ctx, api.Caller{Name: "otto", From: "198.51.100.8", Access: pair.Operator})
}

func TestAnOperatorStopsAndStartsAService(t *testing.T) {
	t.Parallel()
	appliance, services := serving(t)
	otto := operator(t.Context())
	parked := func() bool {
		t.Helper()
		list, err := services.Services(otto)
		if err != nil || len(list) != 2 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0].Parked
	}
	said, err := services.StopService(otto, "web")
	if err != nil || !parked() || !strings.Contains(said.Text, "web is stopped, and stays so on both appliances, also after a takeover") {
		t.Errorf("%q, %v", said.Text, err)
	}
	if list, _ := services.Services(otto); !list[0].Allowed {
		t.Error("root has to allow it anew")
	}
	appliance.Machine().Set([]pair.ServiceStatus{{Name: "web", State: "running", Healthy: true}}, nil)
	if said, err = services.StartService(otto, "web"); err != nil || parked() || said.Text != "web runs." {
		t.Errorf("%q, %v", said.Text, err)
	}
	appliance.Machine().Fail(context.DeadlineExceeded)
	if said, err = services.StartService(otto, "web"); err != nil || said.Text != "web is being started." {
		t.Errorf("%q, %v", said.Text, err)
	}
	appliance.Machine().Fail(errors.New("processes 7 are left"))
	if _, err = services.StopService(otto, "web"); pair.CodeOf(err) != pair.Failed || !parked() || !strings.Contains(err.Error(), "web is not to run any more, and does not stop: processes 7 are left; it is tried again") {
		t.Errorf("%v", err)
	}
	if _, err = services.StartService(otto, "web"); pair.CodeOf(err) != pair.Failed || parked() || !strings.Contains(err.Error(), "web is to run again, and does not start: processes 7 are left") {
		t.Errorf("%v", err)
	}
	if did := appliance.Machine().Did(); len(did) != 7 || did[2] != "web" { // the first two were added
		t.Errorf("told were %q", did)
	}

	appliance.Change(func(status *pair.Status) { status.Role = pair.Backup })
	if _, err = services.StopService(otto, "web"); pair.CodeOf(err) != pair.Refused || parked() {
		t.Errorf("a backup changes the pair's services: %v", err)
	}
}

// What asks as root, or tells what a unit writes, is for what root has allowed.
func TestWhatRootHasNotAllowedIsNeitherTestedNorShown(t *testing.T) {
	t.Parallel()
	_, services := serving(t)
	root, anna, otto := by(t.Context(), true), by(t.Context(), false), operator(t.Context())
	log := api.ServiceLogQuery{Name: "web", Lines: 1}
	if lines, err := services.ServiceLog(otto, log); err != nil || len(lines) != 1 {
		t.Errorf("%v, %v", lines, err)
	}
	if checks, err := services.TestServices(otto, api.ServiceTests{Of: []string{"web", "worker"}}); err != nil || !checks[0].OK || !checks[1].OK || checks[0].Text != "web: exec:true passes." {
		t.Errorf("%v, %v", checks, err)
	}
	if err := services.DisallowService(root, "web"); err != nil {
		t.Fatal(err)
	}
	if _, err := services.ServiceLog(anna, log); pair.CodeOf(err) != pair.Refused {
		t.Errorf("the log is shown: %v", err)
	}
	if checks, err := services.TestServices(anna, api.ServiceTests{Of: []string{"web"}}); err != nil || checks[0].OK || !strings.Contains(checks[0].Text, "baton service allow web") {
		t.Errorf("%v, %v", checks, err)
	}
	for asked, by := range map[string]context.Context{"exec:touch /root/owned": anna, "http://127.0.0.1/": otto} {
		if _, err := services.TestServices(by, api.ServiceTests{Of: []string{asked}}); pair.CodeOf(err) != pair.Forbidden {
			t.Errorf("%s is asked: %v", asked, err)
		}
	}
	if checks, err := services.TestServices(root, api.ServiceTests{Of: []string{"exec:true"}}); err != nil || !checks[0].OK {
		t.Errorf("%v, %v", checks, err)
	}
	if checks, err := services.TestServices(anna, api.ServiceTests{Of: []string{"tcp:127.0.0.1:1"}}); err != nil || checks[0].OK {
		t.Errorf("%v, %v", checks, err)
	}
}

func TestARemovedServiceSaysWhatBecomesOfIt(t *testing.T) {
	t.Parallel()
	appliance, services := serving(t)
	anna := by(t.Context(), false)
	appliance.Machine().Set([]pair.ServiceStatus{{Name: "worker", State: "running"}}, nil)
	for name, want := range map[string]string{
		"web":    "It does not run here, and stays as it is on the other appliance.",
		"worker": "It runs on here, and nowhere else: to stop it, run systemctl stop baton-service-worker.service.",
	} {
		if said, err := services.RemoveService(anna, name); err != nil || !strings.HasSuffix(said.Text, want) {
			t.Errorf("%q, %v", said.Text, err)
		}
	}
}

func TestServicesMoveInTheirOrder(t *testing.T) {
	t.Parallel()
	_, services := serving(t)
	anna := by(t.Context(), false)
	order := func() string {
		list, err := services.Services(anna)
		if err != nil || len(list) != 2 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0].Name + " " + list[1].Name
	}
	if err := services.MoveService(anna, api.Named[api.ServicePlace]{Name: "worker", Body: api.ServicePlace{Before: "web"}}); err != nil || order() != "worker web" {
		t.Errorf("%v: %s", err, order())
	}
	if err := services.MoveService(anna, api.Named[api.ServicePlace]{Name: "worker"}); err != nil || order() != "web worker" {
		t.Errorf("%v: %s", err, order())
	}
	for name, before := range map[string]string{"web": "web", "worker": "nothing", "nothing": "web"} {
		if err := services.MoveService(anna, api.Named[api.ServicePlace]{Name: name, Body: api.ServicePlace{Before: before}}); pair.CodeOf(err) != pair.Refused {
			t.Errorf("%s before %s: %v", name, before, err)
		}
	}
}

// One that runs and fails its check is no success.
func TestAServiceThatFailsItsCheckIsNoSuccess(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t)
	services, root := appliance.Backend().Services, by(t.Context(), true)
	appliance.Machine().Set([]pair.ServiceStatus{{Name: "web", State: "running", Trouble: "http://127.0.0.1/ answers with status 500."}}, nil)
	_, err := services.AddService(root, api.Service{Name: "web", Kind: "unit", Unit: "nginx.service", CheckText: service.CheckText{Health: "http://127.0.0.1/"}})
	if pair.CodeOf(err) != pair.Failed || err.Error() != "web is added and runs, and is sick: http://127.0.0.1/ answers with status 500: look at baton service log web" {
		t.Error(err)
	}
	if _, err := services.StartService(root, "web"); pair.CodeOf(err) != pair.Failed || err.Error() != "web runs, and is sick: http://127.0.0.1/ answers with status 500: look at baton service log web" {
		t.Error(err)
	}
}

// One that is added runs when that is said.
func TestAServiceThatIsAddedIsStarted(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t)
	services := appliance.Backend().Services
	root, anna := by(t.Context(), true), by(t.Context(), false)
	said, err := services.AddService(root, api.Service{Name: "web", Kind: "unit", Unit: "nginx.service"})
	if err != nil || !strings.HasPrefix(said.Text, "web runs on the primary only. Let root allow it on the other appliance") {
		t.Errorf("%q, %v", said.Text, err)
	}
	appliance.Machine().Fail(errors.New("db.service did not start"))
	if _, err = services.AddService(root, api.Service{Name: "db", Kind: "unit", Unit: "db.service"}); pair.CodeOf(err) != pair.Failed || !strings.Contains(err.Error(), "db is added, and does not start: db.service did not start; it is tried again") {
		t.Errorf("%v", err)
	}
	if did := appliance.Machine().Did(); len(did) != 2 {
		t.Errorf("started are %q", did)
	}
	said, err = services.AddService(anna, api.Service{Name: "mail", Kind: "unit", Unit: "mail.timer"})
	if err != nil || !strings.Contains(said.Text, "It runs once root has allowed it") || len(appliance.Machine().Did()) != 2 {
		t.Errorf("%q, %v", said.Text, err)
	}
}

// Baton stops what root has allowed, also once it has another check; nothing else.
func TestWhatBatonMayStop(t *testing.T) {
	t.Parallel()
	_, all := serving(t)
	services, is := all.(*admin.Services)
	if !is {
		t.Fatal("they are not those of an appliance")
	}
	web := service.Definition{Name: "web", Unit: "nginx.service", Check: pair.HealthCheck{Exec: "true"}}
	other, foreign := web, web
	other.Check.Exec, foreign.Unit = "curl http://127.0.0.1/", "ssh@1.service"
	if services.Refused(other) == "" || !services.MayStop(other) || !services.MayStop(web) || services.MayStop(foreign) {
		t.Error("with another check it may not run, and may be stopped; another unit neither")
	}
	if err := services.DisallowService(by(t.Context(), true), "web"); err != nil || services.MayStop(web) || services.MayStop(other) {
		t.Errorf("it is no longer allowed, and may be stopped: %v", err)
	}
	if err := services.DisallowService(by(t.Context(), true), "web"); pair.CodeOf(err) != pair.Refused {
		t.Errorf("what root has not allowed is stopped: %v", err)
	}
}

// What root takes back stays so, also with a line for the shell that root allowed at an earlier time.
func TestNobodyBringsBackWhatRootTookBack(t *testing.T) {
	t.Parallel()
	_, services := serving(t)
	root, anna := by(t.Context(), true), by(t.Context(), false)
	check := func(who context.Context, health string) {
		t.Helper()
		if _, err := services.SetServiceCheck(who, api.Named[service.CheckText]{Name: "web", Body: service.CheckText{Health: health}}); err != nil {
			t.Fatal(err)
		}
	}
	check(root, "exec:/bin/true")
	check(root, "tcp:127.0.0.1:80")
	if err := services.DisallowService(root, "web"); err != nil {
		t.Fatal(err)
	}
	check(anna, "exec:/bin/true")
	if list, err := services.Services(root); err != nil || list[0].Allowed {
		t.Errorf("it may run: %+v, %v", list, err)
	}
}

// What a silent peer has not heard is no promise: it would start the service in a takeover.
func TestAStopThatThePeerHasNotHeardOfSaysSo(t *testing.T) {
	t.Parallel()
	appliance, all := serving(t)
	services, is := all.(*admin.Services)
	if !is {
		t.Fatal("they are not those of an appliance")
	}
	services.Lead = &act.Lead{Agent: services.Lead.Agent, Link: &acttest.Link{Peer: &peer.Pinned{ID: "beta", Name: "beta"}}, Audit: services.Audit}
	const not = "beta does not answer now, and would start web in a takeover until it has heard of this"
	if said, err := services.StopService(operator(t.Context()), "web"); err != nil || !strings.Contains(said.Text, not) {
		t.Errorf("%q, %v", said.Text, err)
	}
	appliance.Machine().Set(nil, []pair.ServiceStatus{{Name: "web"}})
	if said, err := services.StopService(operator(t.Context()), "web"); err != nil || strings.Contains(said.Text, not) {
		t.Errorf("%q, %v", said.Text, err)
	}
}

// The environment of a command may hold passwords.
func TestOnlyAdministratorsReadTheEnvironment(t *testing.T) {
	t.Parallel()
	_, services := serving(t)
	job := api.Service{Name: "job", Kind: "command", Command: []string{"/usr/bin/job"}, Env: []string{"PASSWORD=secret"}}
	if err := add(by(t.Context(), true), services, job); err != nil {
		t.Fatal(err)
	}
	for want, ctx := range map[string]context.Context{"PASSWORD": operator(t.Context()), "PASSWORD=secret": by(t.Context(), true)} {
		list, err := services.Services(ctx)
		if err != nil || len(list) != 3 || list[2].Env[0] != want {
			t.Errorf("%+v, %v, and not %s", list, err, want)
		}
	}
}
