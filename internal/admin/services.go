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
func (Services) AddService(context.Context, api.Service) error {
	return act.NotYet("running services")
}

// RemoveService implements api.Services.
func (Services) RemoveService(context.Context, string) error {
	return act.NotYet("running services")
}
