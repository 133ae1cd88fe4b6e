package admin

import (
	"context"

	"baton/internal/act"
	"baton/internal/api"
)

// Services implements api.Services.
type Services struct{}

// Services implements api.Services.
func (Services) Services(context.Context) ([]api.Service, error) { return []api.Service{}, nil }

// AddService implements api.Services.
func (Services) AddService(_ context.Context, service api.Service) error {
	if err := service.Check(); err != nil {
		return err
	}
	return act.NotYet("running services")
}

// RemoveService implements api.Services.
func (Services) RemoveService(context.Context, string) error {
	return act.NotYet("running services")
}
