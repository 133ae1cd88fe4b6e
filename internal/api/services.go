package api

import (
	"context"

	"baton/internal/pair"
)

// Services lists what runs on the primary only.
type Services interface {
	Services(ctx context.Context) ([]Service, error)
	AddService(ctx context.Context, service Service) error
	RemoveService(ctx context.Context, name string) error
}

// ListServices lists what runs on the primary only.
func ListServices() Op[Services, None, []Service] {
	return ask(get("/services", "services", pair.Viewer, "Services that run on the primary only"), Services.Services)
}

// AddService lets a service run on the primary only.
func AddService() Op[Services, Service, None] {
	return orderWith(post("/services", "add-service", pair.Administrator, "Let a service run on the primary only"), Services.AddService)
}

// RemoveService leaves a service alone from now on.
func RemoveService() Op[Services, string, None] {
	return orderName(del("/services/{name}", "remove-service", pair.Administrator, "Leave the service alone from now on"), Services.RemoveService)
}

func (s *Server) serveServices() {
	serve(s, s.backend.Services, ListServices())
	serve(s, s.backend.Services, AddService())
	serve(s, s.backend.Services, RemoveService())
}

// Service is one service that runs on the primary only.
type Service struct {
	Name    string   `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9-]*$" patternDescription:"lower-case letters, digits and dashes"`
	Kind    string   `json:"kind" enum:"unit,command"`
	Unit    string   `json:"unit,omitempty" maxLength:"256" doc:"Name of the systemd unit"`
	Command []string `json:"command,omitempty" maxItems:"256" doc:"Program and arguments"`
	Health  string   `json:"health,omitempty" maxLength:"2048" doc:"URL, tcp:HOST:PORT or exec:CMD"`
}

// Check refuses what no appliance could run.
func (s Service) Check() error {
	switch {
	case s.Kind == "unit" && s.Unit == "":
		return pair.Refuse(pair.Usage, "a unit is needed: name it like nginx.service")
	case s.Kind == "command" && len(s.Command) == 0:
		return pair.Refuse(pair.Usage, "a command is needed: write it after --")
	case s.Kind == "unit" && len(s.Command) > 0, s.Kind == "command" && s.Unit != "":
		return pair.Refuse(pair.Usage, "a service is a unit or a command, not both: name one")
	}
	return nil
}
