package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/service"
)

// begin starts a service that was added, where that may be, and says what came of it.
func (s *Services) begin(ctx context.Context, added service.Definition) (api.Said, error) {
	name := added.Name
	if s.Refused(added) != "" {
		return api.Said{Text: fmt.Sprintf("%s is a service of the site from now on. It runs once root has allowed it: run on each machine, as root, baton service allow %s.", name, name)}, nil
	}
	err := s.Keeper.Do(ctx, name)
	text := name + " runs on the primary only."
	switch {
	case late(err):
		text = name + " is being started, and runs on the primary only."
	case err != nil:
		return api.Said{}, pair.Refuse(pair.Failed, "%s is added, and does not start: %s; it is tried again", name, why(err))
	}
	if trouble := s.trouble(name); trouble != "" {
		return api.Said{}, pair.Refuse(pair.Failed, "%s is added and runs, and is sick: %s: look at baton service log %s", name, trouble, name)
	}
	return api.Said{Text: fmt.Sprintf("%s Let root allow it on the other appliance, too: baton service allow %s.", text, name)}, nil
}

// trouble is what stands against a service that runs here; empty: nothing.
func (s *Services) trouble(name string) string {
	if here := statusOf(s.Keeper.Status(), name); here != nil && here.State == "running" {
		return strings.TrimRight(here.Trouble, ".")
	}
	return ""
}

// RemoveService implements api.Services.
func (s *Services) RemoveService(ctx context.Context, name string) (api.Said, error) {
	list, err := s.List(ctx)
	if err != nil {
		return api.Said{}, act.Failure(err)
	}
	here := statusOf(s.Keeper.Status(), name) // afterwards it tells nothing of it
	err = s.change(ctx, "removed service "+name, func(list service.List) (service.List, error) { return list.Without(name) })
	if err != nil {
		return api.Said{}, err
	}
	one, _ := list.Named(name)
	text := name + " is left alone from now on: no takeover starts or stops it."
	if here != nil && here.State == "running" {
		text += fmt.Sprintf(" It runs on here, and nowhere else: to stop it, run %s.", s.ByHand(one))
	} else {
		text += " It does not run here, and stays as it is on the other appliance."
	}
	return api.Said{Text: text}, nil
}

// StopService implements api.Services.
func (s *Services) StopService(ctx context.Context, name string) (api.Said, error) {
	err := s.change(ctx, "stopped service "+name+" until it is started", func(list service.List) (service.List, error) { return list.WithParked(name, true) })
	if err != nil {
		return api.Said{}, err
	}
	stays := fmt.Sprintf("stays so on both appliances, also after a takeover: the site does without it until baton service start %s.", name) + s.unheard(name)
	err = s.Keeper.Do(ctx, name)
	switch {
	case late(err):
		return api.Said{Text: fmt.Sprintf("%s is being stopped, and %s", name, stays)}, nil
	case err != nil:
		return api.Said{}, pair.Refuse(pair.Failed, "%s is not to run any more, and does not stop: %s; it is tried again", name, why(err))
	}
	return api.Said{Text: fmt.Sprintf("%s is stopped, and %s", name, stays)}, nil
}

// unheard says that the peer has not heard of a stop, if it is silent; empty: it hears of it within seconds, or there is no peer.
func (s *Services) unheard(name string) string {
	other, paired := s.Lead.Link.Paired()
	if !paired || s.Peer() != nil {
		return ""
	}
	return fmt.Sprintf(" But %s does not answer now, and would start %s in a takeover until it has heard of this: bring the contact back, or stop Baton there.", other.Name, name)
}

// StartService implements api.Services.
func (s *Services) StartService(ctx context.Context, name string) (api.Said, error) {
	err := s.change(ctx, "started service "+name, func(list service.List) (service.List, error) { return list.WithParked(name, false) })
	if err != nil {
		return api.Said{}, err
	}
	err = s.Keeper.Do(ctx, name)
	here := statusOf(s.Keeper.Status(), name)
	switch {
	case late(err):
		return api.Said{Text: name + " is being started."}, nil
	case err != nil:
		return api.Said{}, pair.Refuse(pair.Failed, "%s is to run again, and does not start: %s; it is tried again", name, why(err))
	case s.trouble(name) != "":
		return api.Said{}, pair.Refuse(pair.Failed, "%s runs, and is sick: %s: look at baton service log %s", name, s.trouble(name), name)
	case here != nil && here.State == "running":
		return api.Said{Text: name + " runs."}, nil
	}
	return api.Said{Text: name + " is started with the site from now on. The site is not served here at the moment."}, nil
}

// late reports whether something goes on, and the one who asked waits no longer.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// why is an error as part of a sentence.
func why(err error) string { return strings.TrimRight(cause.Of(err), ".") }

// MoveService implements api.Services.
func (s *Services) MoveService(ctx context.Context, place api.Named[api.ServicePlace]) error {
	name, before := place.Name, place.Body.Before
	what := fmt.Sprintf("moved service %s before %s", name, before)
	if before == "" {
		what = fmt.Sprintf("moved service %s to the end", name)
	}
	return s.change(ctx, what, func(list service.List) (service.List, error) { return list.Moved(name, before) })
}

// TestServices implements api.Services. Checks are asked beside each other.
func (s *Services) TestServices(ctx context.Context, tests api.ServiceTests) ([]api.Check, error) {
	list, err := s.List(ctx)
	if err != nil {
		return nil, act.Failure(err)
	}
	var asked []service.Definition
	for _, of := range tests.Of {
		one, err := s.tested(ctx, list, of)
		if err != nil {
			return nil, err
		}
		asked = append(asked, one)
	}
	if tests.Check != nil {
		one, err := s.ofNoService(ctx, *tests.Check)
		if err != nil {
			return nil, err
		}
		asked = append(asked, one)
	}
	found := make([]api.Check, len(asked))
	var waiting sync.WaitGroup
	for i, one := range asked {
		waiting.Go(func() { found[i] = s.test(ctx, one) })
	}
	waiting.Wait()
	return found, nil
}

// tested finds what to test: a service by its name, or a check that is of none.
func (s *Services) tested(ctx context.Context, list service.List, of string) (service.Definition, error) {
	if !strings.Contains(of, ":") {
		return list.Named(of)
	}
	return s.ofNoService(ctx, service.CheckText{Health: of})
}

// ofNoService is a check that is of no service. A line for the shell runs as root: only root asks
// for one that it has not allowed.
func (s *Services) ofNoService(ctx context.Context, text service.CheckText) (service.Definition, error) {
	asked, err := text.Definition()
	if err != nil {
		return asked, err
	}
	caller, _ := api.CallerFrom(ctx)
	switch {
	case !caller.Access.Covers(pair.Administrator):
		return asked, pair.Refuse(pair.Forbidden, "only an administrator tests a check that is of no service: name a service")
	case asked.Check.IsZero():
		return asked, pair.RefuseField("health", "there is no check to test: write one, as http://127.0.0.1:8080/health")
	case asked.Check.Exec != "" && !s.isRoot(ctx):
		return asked, pair.Refuse(pair.Forbidden, "only root on %s itself tries a line for the shell: run there, as root, baton service test '%s'", s.Name, asked.Check).At("health")
	}
	asked.Name = asked.Check.String()
	return asked, nil
}

func (s *Services) test(ctx context.Context, one service.Definition) api.Check {
	about, of := one.Check.String(), one.Name != one.Check.String()
	if of {
		about = strings.TrimSuffix(one.Name+": "+about, ": ")
	}
	if refused := s.Refused(one); of && refused != "" {
		return api.Fail(one.Name, about+" is not tested: "+refused+".", "Then test it again.")
	}
	switch err := s.Keeper.Test(ctx, one); {
	case err != nil && of:
		return api.Fail(one.Name, fmt.Sprintf("%s: %s.", one.Name, why(err)), fmt.Sprintf("Look at its log: baton service log %s.", one.Name))
	case err != nil:
		return api.Fail(one.Name, why(err)+".", "Correct the check, or start what it asks.")
	case one.Check.IsZero():
		return api.Pass(one.Name, one.Name+" runs; it has no check.")
	}
	return api.Pass(one.Name, about+" passes.")
}

// ServiceLog implements api.Services.
func (s *Services) ServiceLog(ctx context.Context, query api.ServiceLogQuery) ([]service.Line, error) {
	list, err := s.List(ctx)
	if err != nil {
		return nil, act.Failure(err)
	}
	one, err := list.Named(query.Name)
	if err != nil {
		return nil, err
	}
	if refused := s.Refused(one); refused != "" { // else whoever adds a service would read any unit's log
		return nil, pair.Refuse(pair.Refused, "its log is not shown: %s", refused)
	}
	lines, err := s.Log(ctx, one, query.Lines)
	if err != nil {
		return nil, pair.Refuse(pair.Failed, "the log of %s cannot be read: %s", one.Name, why(err))
	}
	return lines, nil
}
