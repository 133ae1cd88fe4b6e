package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/service"
	"baton/internal/store"
	"baton/internal/store/local"
)

// Services implements api.Services. What a service runs, it runs as root, or as whom its definition
// names: so root on a machine says what runs there, and neither the peer nor an administrator of the pair.
type Services struct {
	Name  string // of this appliance
	Local *local.Store
	Store *store.Site
	Lead  *act.Lead
	Audit act.Audit

	Stop      func(ctx context.Context, stopped service.Definition) error // on this machine; nil if it does not run
	Startable func(ctx context.Context, added service.Definition) error   // nil, or why nothing can start it on this machine
	OfSite    func(ctx context.Context, one service.Definition) error     // nil, or that it is another unit on this machine, as one of the machine itself
	ByHand    func(removed service.Definition) string                     // the command by which a person stops it on this machine
	Log       func(ctx context.Context, of service.Definition, lines int) ([]service.Line, error)
	Keeper    ServiceKeeper
	Peer      func() []pair.ServiceStatus // how they are there, as the peer told
}

// ServiceKeeper has services run on this machine; *keeper.Keeper does.
type ServiceKeeper interface {
	Status() []pair.ServiceStatus
	// Do has a service do what the list says of it now. If ctx ends first, that goes on.
	Do(ctx context.Context, name string) error
	// Test asks its check once; without a check, it is to run.
	Test(ctx context.Context, of service.Definition) error
}

// List reads them, in the order in which they are started.
func (s *Services) List(ctx context.Context) (list service.List, err error) {
	list, _, err = s.read(ctx)
	return list, err
}

// read returns the list and its version. What the peer has written into it counts as far as it could have been added here.
func (s *Services) read(ctx context.Context) (list service.List, version int64, err error) {
	version, err = s.Store.Documents.Read(ctx, service.Document, &list)
	return list.Sound(), version, err
}

// Services implements api.Services.
func (s *Services) Services(ctx context.Context) ([]api.Service, error) {
	list, err := s.List(ctx)
	shown := make([]api.Service, len(list))
	here, there := s.Keeper.Status(), s.Peer()
	for i, one := range list {
		shown[i] = api.ServiceOf(one)
		if caller, known := api.CallerFrom(ctx); known && !caller.Access.Covers(pair.Administrator) {
			shown[i].Env = namesOf(shown[i].Env)
		} else {
			shown[i].Runs = one.Whole()
		}
		shown[i].Sum = one.Sum()
		shown[i].Allowed = s.Refused(one) == ""
		shown[i].Here, shown[i].There = statusOf(here, one.Name), statusOf(there, one.Name)
	}
	return shown, act.Failure(err)
}

// namesOf is an environment without its values, which may be passwords.
func namesOf(env []string) []string {
	names := make([]string, len(env))
	for i, entry := range env {
		names[i], _, _ = strings.Cut(entry, "=")
	}
	return names
}

// Refused says why a service may not run on this machine, in a sentence; empty: it may. Both sums are to be allowed: what root takes back is
// not there any more by another line for the shell, which root allowed before.
func (s *Services) Refused(of service.Definition) string {
	allowed := s.Local.State().Services
	bare := slices.Contains(allowed, of.Bare().Sum())
	if bare && (of.Check.Exec == "" || slices.Contains(allowed, of.Sum())) { // without a line for the shell, both are one
		return ""
	}
	return fmt.Sprintf("root has not allowed it on %s: run there, as root, baton service allow %s", s.Name, of.Name)
}

// MayStop reports whether root on this machine has allowed it, be it with another check: then it is for
// Baton to stop it. What root has never allowed is not touched.
func (s *Services) MayStop(of service.Definition) bool {
	return slices.Contains(s.Local.State().Services, of.Bare().Sum())
}

// AddService implements api.Services.
func (s *Services) AddService(ctx context.Context, wanted api.Service) (api.Said, error) {
	added, err := wanted.Definition()
	if err != nil {
		return api.Said{}, err
	}
	err = s.change(ctx, "added service "+added.String(), func(list service.List) (service.List, error) {
		list, err := list.With(added)
		if err != nil {
			return nil, err
		}
		if err := s.Startable(ctx, added); err != nil { // the site would move, and not come up
			return nil, pair.RefuseField(string(added.Kind()), "%s", err)
		}
		if s.isRoot(ctx) {
			err = s.allow(ctx, added)
		}
		return list, err
	})
	if err != nil {
		return api.Said{}, err
	}
	return s.begin(ctx, added)
}

func statusOf(all []pair.ServiceStatus, name string) *pair.ServiceStatus {
	if at := slices.IndexFunc(all, func(one pair.ServiceStatus) bool { return one.Name == name }); at >= 0 {
		return &all[at]
	}
	return nil
}

// SetServiceCheck implements api.Services.
func (s *Services) SetServiceCheck(ctx context.Context, wanted api.Named[service.CheckText]) (api.Said, error) {
	name := wanted.Name
	check, err := wanted.Body.Definition()
	if err != nil {
		return api.Said{}, err
	}
	said := api.Said{Text: name + " is checked so from now on."}
	err = s.change(ctx, "changed the check of service "+name, func(list service.List) (service.List, error) {
		before, err := list.Named(name)
		if err != nil {
			return nil, err
		}
		allowed := s.Refused(before) == ""
		if list, err = list.Checking(name, check); err == nil && allowed && s.isRoot(ctx) { // a line that root has just written, for what root allows
			err = s.allow(ctx, before.Checked(check))
		}
		if changed := before.Checked(check); changed.Sum() != before.Sum() { // its line for the shell is another one
			where := map[bool]string{true: "on the other appliance", false: "on each appliance"}[s.Refused(changed) == ""]
			said.Text += fmt.Sprintf(" It would run another line than root has allowed: let root allow it anew %s: baton service allow %s.", where, name)
		}
		return list, err
	})
	return said, err
}

// change saves another list; what says so in the history.
func (s *Services) change(ctx context.Context, what string, make func(service.List) (service.List, error)) error {
	return act.Failure(s.Lead.Change(func() error {
		list, version, err := s.read(ctx)
		if err != nil {
			return err
		}
		changed, err := make(list)
		if err != nil || slices.EqualFunc(changed, list, same) {
			return err
		}
		text, err := json.Marshal(changed)
		if err != nil {
			return fmt.Errorf("write down the services: %w", err)
		}
		event := pair.Event{Kind: pair.KindSettingChanged, Text: act.By(ctx).String() + " " + what + ".", Detail: act.By(ctx).Note()}
		_, err = s.Store.Documents.Save(ctx, service.Document, text, version, event)
		return err
	}))
}

// same reports whether both are the same in all, and parked or not.
func same(a, b service.Definition) bool { return a.Equal(b) && a.Parked == b.Parked }

// AllowService implements api.Services.
func (s *Services) AllowService(ctx context.Context, allowed api.Named[api.ServiceAllowance]) (api.Said, error) {
	name := allowed.Name
	one, err := s.named(ctx, name, "allow")
	switch {
	case err != nil:
		return api.Said{}, err
	case one.Sum() != allowed.Body.Sum:
		return api.Said{}, pair.Refuse(pair.Stale, "somebody has changed service %s since it was shown: run baton service allow %s again, and read what it is now", name, name)
	}
	if err := s.OfSite(ctx, one); err != nil {
		return api.Said{}, pair.Refuse(pair.Refused, "%s", why(err))
	}
	if err := s.allow(ctx, one); err != nil {
		return api.Said{}, act.Failure(err)
	}
	s.Audit.Note(ctx, "allowed service %s to run on this machine", one)
	return api.Said{Text: fmt.Sprintf("%s may run on this machine: %s.", name, one.Whole())}, nil
}

// DisallowService implements api.Services.
func (s *Services) DisallowService(ctx context.Context, name string) error {
	one, err := s.named(ctx, name, "disallow")
	if err != nil {
		return err
	}
	if !s.MayStop(one) {
		return pair.Refuse(pair.Refused, "root has not allowed service %s on %s: there is nothing to take back", one, s.Name)
	}
	if err := s.Stop(ctx, one); err != nil { // from now on nobody else would
		return act.Failure(err)
	}
	err = s.Local.Save(ctx, func(state *local.State) {
		state.Services = slices.DeleteFunc(state.Services, func(sum string) bool { return sum == one.Sum() || sum == one.Bare().Sum() })
	})
	if err != nil {
		return act.Failure(err)
	}
	s.Audit.Note(ctx, "no longer allows service %s to run on this machine", one)
	return nil
}

// named finds a service, for root on this machine alone.
func (s *Services) named(ctx context.Context, name, command string) (service.Definition, error) {
	list, err := s.List(ctx)
	if err != nil {
		return service.Definition{}, act.Failure(err)
	}
	one, err := list.Named(name)
	if err == nil && !s.isRoot(ctx) {
		err = pair.Refuse(pair.Forbidden, "only root on %s itself says what runs there: run there, as root, baton service %s %s", s.Name, command, name)
	}
	return one, err
}

func (s *Services) allow(ctx context.Context, one service.Definition) error {
	return s.Local.Save(ctx, func(state *local.State) {
		for _, sum := range []string{one.Sum(), one.Bare().Sum()} {
			if !slices.Contains(state.Services, sum) {
				state.Services = append(state.Services, sum)
			}
		}
	})
}

// isRoot reports whether root on this machine asks, by the socket that it alone may use.
func (s *Services) isRoot(ctx context.Context) bool {
	caller, known := api.CallerFrom(ctx)
	return known && caller.Local
}
