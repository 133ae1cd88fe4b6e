package api

import (
	"context"

	"baton/internal/pair"
	"baton/internal/service"
)

// Services lists what runs on the primary only.
type Services interface {
	Services(ctx context.Context) ([]Service, error)
	AddService(ctx context.Context, service Service) error
	RemoveService(ctx context.Context, name string) error
	// SetServiceCheck replaces the check of a service.
	SetServiceCheck(ctx context.Context, name string, check ServiceCheck) error
	// AllowService and DisallowService say whether it may run on this machine; only for a local caller.
	AllowService(ctx context.Context, name string) error
	DisallowService(ctx context.Context, name string) error
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

// SetServiceCheck replaces the check of a service.
func SetServiceCheck() Op[Services, Named[ServiceCheck], None] {
	return orderBy(put("/services/{name}/check", "set-service-check", pair.Administrator, "Replace the check of the service; what is left out is as usual"),
		func(s Services, ctx context.Context, change Named[ServiceCheck]) error {
			return s.SetServiceCheck(ctx, change.Name, change.Body)
		})
}

// AllowService lets a service run on the machine.
func AllowService() Op[Services, string, None] {
	return orderName(post("/services/{name}/allow", "allow-service", pair.Administrator, "Let the service run on this machine; over the local socket only"), Services.AllowService)
}

// DisallowService lets it run there no longer.
func DisallowService() Op[Services, string, None] {
	return orderName(post("/services/{name}/disallow", "disallow-service", pair.Administrator, "Let it run on this machine no longer; over the local socket only"), Services.DisallowService)
}

func (s *Server) serveServices() {
	serve(s, s.backend.Services, ListServices())
	serve(s, s.backend.Services, AddService())
	serve(s, s.backend.Services, RemoveService())
	serve(s, s.backend.Services, SetServiceCheck())
	serve(s, s.backend.Services, AllowService())
	serve(s, s.backend.Services, DisallowService())
}

// Service is one service that runs on the primary only.
type Service struct {
	Name    string   `json:"name" minLength:"1" maxLength:"40" pattern:"^[a-z0-9][a-z0-9-]*$" patternDescription:"lower-case letters, digits and dashes"`
	Kind    string   `json:"kind" enum:"unit,command"`
	Unit    string   `json:"unit,omitempty" maxLength:"256" doc:"Name of the systemd unit"`
	Command []string `json:"command,omitempty" maxItems:"256" doc:"Program, by its whole path, and arguments"`
	User    string   `json:"user,omitempty" maxLength:"64" doc:"As whom the command runs; root if absent"`
	Group   string   `json:"group,omitempty" maxLength:"64"`
	Dir     string   `json:"dir,omitempty" maxLength:"4096" doc:"In which directory the command runs"`
	Env     []string `json:"env,omitempty" maxItems:"256" doc:"NAME=VALUE, for the command"`
	service.CheckText
	Allowed bool `json:"allowed,omitempty" doc:"Root allows it on this machine; in answers"`
}

// ServiceCheck is how to tell that a service works.
type ServiceCheck = service.CheckText

// ServiceOf is how a service is shown.
func ServiceOf(s service.Definition) Service {
	c := s.Command
	return Service{
		Name: s.Name, Kind: string(s.Kind()), Unit: string(s.Unit), Command: c.Args, User: c.User, Group: c.Group, Dir: c.Dir, Env: c.Env,
		CheckText: service.CheckTextOf(s),
	}
}

// Definition reads it, or refuses each field that no appliance could run.
func (s Service) Definition() (service.Definition, error) {
	check, err := s.CheckText.Definition()
	if err != nil {
		return service.Definition{}, err
	}
	switch unit := s.Kind == string(service.UnitKind); {
	case unit && s.Unit == "":
		return service.Definition{}, pair.RefuseField("unit", "a unit is needed: name it like nginx.service")
	case !unit && len(s.Command) == 0:
		return service.Definition{}, pair.RefuseField("command", "a command is needed: write it after --")
	}
	read := service.Definition{
		Name: s.Name, Unit: service.UnitName(s.Unit),
		Command: service.Command{Args: s.Command, User: s.User, Group: s.Group, Dir: s.Dir, Env: s.Env},
	}.Checked(check)
	return read, read.Valid()
}
