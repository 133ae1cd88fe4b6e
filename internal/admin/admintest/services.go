package admintest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/service"
)

// Services is where they run: a machine in memory. It does nothing by itself.
type Services struct {
	mu        sync.Mutex
	appliance *Appliance
	here      []pair.ServiceStatus
	peer      []pair.ServiceStatus
	fail      error    // of starts, stops and checks
	did       []string // names of what was to do what the list says
}

// Machine is where the services of the appliance run.
func (a *Appliance) Machine() *Services { return &a.services }

// Set says how the services are, here and on the peer.
func (s *Services) Set(here, there []pair.ServiceStatus) {
	s.mu.Lock()
	s.here, s.peer = here, there
	s.mu.Unlock()
	s.appliance.Change(func(status *pair.Status) { status.Services = here })
}

// Fail has starts, stops and checks fail; with [context.DeadlineExceeded] they go on.
func (s *Services) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// Did are the names of the services that were told to do what the list says.
func (s *Services) Did() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.did)
}

// Status implements admin.ServiceKeeper.
func (s *Services) Status() []pair.ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.here)
}

func (s *Services) there() []pair.ServiceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.peer)
}

// Do implements admin.ServiceKeeper.
func (s *Services) Do(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, name)
	return s.fail
}

// Test implements admin.ServiceKeeper.
func (s *Services) Test(_ context.Context, of service.Definition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.Check.TCP == "127.0.0.1:1" {
		return errors.New("tcp:127.0.0.1:1 refuses the connection")
	}
	return s.fail
}

func (s *Services) log(_ context.Context, of service.Definition, lines int) ([]service.Line, error) {
	all := []service.Line{{Time: Start(), Text: "Started " + of.RunsAs() + "."}, {Time: Start().Add(time.Second), Text: "GET /<b>index</b> 200"}}
	return all[max(0, len(all)-lines):], nil
}

// Allow allows a service as it is shown now.
func Allow(who context.Context, services api.Services, name string) (api.Said, error) {
	list, err := services.Services(who)
	if err != nil {
		return api.Said{}, err
	}
	allowed := api.Named[api.ServiceAllowance]{Name: name}
	for _, one := range list {
		if one.Name == name {
			allowed.Body.Sum = one.Sum
		}
	}
	return services.AllowService(who, allowed)
}
