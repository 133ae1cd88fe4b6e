package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/service"
)

// add adds services, one after the other.
func add(who context.Context, services api.Services, all ...api.Service) (err error) {
	for _, one := range all {
		_, no := services.AddService(who, one)
		err = errors.Join(err, no)
	}
	return err
}

func by(ctx context.Context, local bool) context.Context {
	if local {
		return api.WithCaller(ctx, api.Caller{Name: "root", From: "local", Local: true, Access: pair.Administrator})
	}
	return api.WithCaller(ctx, api.Caller{Name: "anna", From: "198.51.100.7", Access: pair.Administrator})
}

// TestOnlyRootSaysWhatRuns: an administrator of the pair, by the console or a token, lists services,
// and no more: what they name is not run before root on the machine has allowed it.
func TestOnlyRootSaysWhatRuns(t *testing.T) {
	t.Parallel()
	services := admintest.New(t).Backend().Services
	root, anna := by(t.Context(), true), by(t.Context(), false)
	allowed := func() string {
		t.Helper()
		list, err := services.Services(anna)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, one := range list {
			if one.Allowed {
				names = append(names, one.Name)
			}
		}
		return strings.Join(names, " ")
	}
	web := api.Service{Name: "web", Kind: "unit", Unit: "nginx.service"}
	worker := api.Service{Name: "worker", Kind: "command", Command: []string{"/usr/bin/worker"}, User: "nobody"}
	if err := errors.Join(add(root, services, web), add(anna, services, worker)); err != nil {
		t.Fatal(err)
	}
	if got := allowed(); got != "web" {
		t.Errorf("%q may run", got)
	}
	allowing := func(who context.Context, name string) error {
		_, err := admintest.Allow(who, services, name)
		return err
	}
	for _, ask := range []func(context.Context, string) error{allowing, services.DisallowService} {
		refused, is := errors.AsType[*pair.Refusal](ask(anna, "worker"))
		if !is || pair.CodeOf(refused) != pair.Forbidden || !strings.Contains(refused.Error(), "only root on alpha itself says what runs there") {
			t.Errorf("anna is answered with %v", refused)
		}
	}
	said, err := admintest.Allow(root, services, "worker")
	if err != nil || allowed() != "web worker" || said.Text != `worker may run on this machine: "/usr/bin/worker" as nobody.` {
		t.Error(said)
	}
	if err != nil || allowed() != "web worker" {
		t.Errorf("%v: %q may run", err, allowed())
	}

	// What anna changes is not what root has allowed.
	worker.Command = append(worker.Command, "--as-root")
	shell := web
	shell.Health = "exec:touch /root/owned"
	for _, changed := range []api.Service{worker, shell} {
		_, err := services.RemoveService(anna, changed.Name)
		if err = errors.Join(err, add(anna, services, changed)); err != nil {
			t.Fatal(err)
		}
	}
	if got := allowed(); got != "" {
		t.Errorf("%q may run", got)
	}
	if err := errors.Join(allowing(root, "web"), services.DisallowService(root, "web"), allowing(root, "worker")); err != nil || allowed() != "worker" {
		t.Errorf("%v: %q may run", err, allowed())
	}
	if err := allowing(root, "nothing"); err == nil {
		t.Error("there is no such service")
	}
}

// Somebody may change a service while root reads what it is: what root allows is what was shown.
func TestRootAllowsWhatWasShown(t *testing.T) {
	t.Parallel()
	services := admintest.New(t).Backend().Services
	root, anna := by(t.Context(), true), by(t.Context(), false)
	worker := api.Service{Name: "worker", Kind: "command", Command: []string{"/usr/bin/worker"}, User: "nobody"}
	if err := add(anna, services, worker); err != nil {
		t.Fatal(err)
	}
	shown, err := services.Services(root)
	if err != nil || shown[0].Runs != `"/usr/bin/worker" as nobody` {
		t.Fatal(shown, err)
	}
	worker.User = "root"
	_, err = services.RemoveService(anna, "worker")
	if err = errors.Join(err, add(anna, services, worker)); err != nil {
		t.Fatal(err)
	}
	_, err = services.AllowService(root, api.Named[api.ServiceAllowance]{Name: "worker", Body: api.ServiceAllowance{Sum: shown[0].Sum}})
	if pair.CodeOf(err) != pair.Stale || !strings.Contains(err.Error(), "somebody has changed service worker since it was shown") {
		t.Error(err)
	}
	if list, err := services.Services(root); err != nil || list[0].Allowed {
		t.Errorf("it may run: %+v, %v", list, err)
	}
	if _, err := admintest.Allow(root, services, "worker"); err != nil {
		t.Error(err)
	}
}

// A name on this machine may be another one of a unit that is of the machine.
func TestRootIsToldOfAnotherName(t *testing.T) {
	t.Parallel()
	services := admintest.New(t).Backend().Services
	root := by(t.Context(), true)
	if err := add(by(t.Context(), false), services, api.Service{Name: "web", Kind: "unit", Unit: "alias.service"}); err != nil {
		t.Fatal(err)
	}
	if _, err := admintest.Allow(root, services, "web"); err == nil || !strings.Contains(err.Error(), "alias.service is another name of ssh.service on this machine") {
		t.Error(err)
	}
}

// Root who changes the check of a service that somebody else has added has not said that it may run.
func TestACheckByRootAllowsNoMoreThanTheCheck(t *testing.T) {
	t.Parallel()
	services := admintest.New(t).Backend().Services
	root, anna := by(t.Context(), true), by(t.Context(), false)
	if err := errors.Join(add(anna, services, api.Service{Name: "worker", Kind: "command", Command: []string{"/bin/sh", "/srv/www/upload"}}),
		add(root, services, api.Service{Name: "web", Kind: "unit", Unit: "nginx.service"})); err != nil {
		t.Fatal(err)
	}
	for name, allowed := range map[string]bool{"worker": false, "web": true} {
		said, err := services.SetServiceCheck(root, api.Named[service.CheckText]{Name: name, Body: service.CheckText{Health: "exec:/bin/true"}})
		where := map[bool]string{true: "on the other appliance", false: "on each appliance"}[allowed]
		if err != nil || said.Text != name+" is checked so from now on. It would run another line than root has allowed: let root allow it anew "+where+": baton service allow "+name+"." {
			t.Fatal(said, err)
		}
		list, err := services.Services(anna)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			if one.Name == name && one.Allowed != allowed {
				t.Errorf("%s may run: %t", name, one.Allowed)
			}
		}
	}
}

// The site would move, and not come up on the other side either.
func TestWhatNothingCanStartIsNotAdded(t *testing.T) {
	t.Parallel()
	services := admintest.New(t).Backend().Services
	err := add(by(t.Context(), true), services, api.Service{Name: "web", Kind: "unit", Unit: "missing.service"})
	if pair.CodeOf(err) != pair.Usage || !strings.Contains(err.Error(), "missing.service is not on this machine") {
		t.Errorf("it is added: %v", err)
	}
}

// What the pair refuses is not allowed either.
func TestARefusedServiceIsNotAllowed(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t)
	services := appliance.Backend().Services
	root := by(t.Context(), true)
	appliance.Change(func(status *pair.Status) { status.Role = pair.Backup })
	web := api.Service{Name: "web", Kind: "unit", Unit: "nginx.service"}
	if err := add(root, services, web); err == nil {
		t.Fatal("a backup changes the pair's services")
	}
	appliance.Change(func(status *pair.Status) { status.Role = pair.Primary })
	if err := add(by(t.Context(), false), services, web); err != nil {
		t.Fatal(err)
	}
	if list, err := services.Services(root); err != nil || len(list) != 1 || list[0].Allowed {
		t.Errorf("%+v, %v", list, err)
	}
}
